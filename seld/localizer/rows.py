"""What a localizer says, and the DCASE rows of it."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seld.geometry import degrees_from_unit, normalize, pairwise_angular_distance
from seld.labels import rows_from_grid
from seld.tracking import Tracker, TrackingConfig, Tracks, track

_SILENT = -20.0  # logit of a track whose source another one has taken over


class Estimate(NamedTuple):
    """What the localizer says of a batch of clips."""

    doa: Tensor
    """(B, T, M, 3) unit vectors"""
    activity_logit: Tensor
    """(B, T, M)"""


def merge_duplicates(estimate: Estimate, angle_deg: float = 15.0) -> Estimate:
    """Tracks (T, M, 3), (T, M) that answer the same source made one, as ADPIT trains them to be several.

    As in the DCASE baselines, vectors of which none is farther than the angle from the longest become their mean.
    Here the longest goes first, then the longest of the rest, whatever the threshold of activity will be: short
    vectors hardly move the mean. It stays in the slot of the longest, with its activity; the others fall silent.
    """
    doa, logit = estimate
    vector = doa * logit.sigmoid().unsqueeze(-1)
    near = pairwise_angular_distance(doa, doa) <= math.radians(angle_deg)
    left = torch.ones_like(logit, dtype=torch.bool)
    merged = Estimate(doa.clone(), torch.full_like(logit, _SILENT))
    frame = torch.arange(len(doa), device=doa.device)
    for _ in range(doa.shape[1]):
        longest = logit.masked_fill(~left, -torch.inf).argmax(1)
        group = near[frame, longest] & left
        # Where all are taken, the first slot is named once more.
        leads = left[frame, longest]
        several = leads & (group.sum(1) > 1)
        mean = normalize((vector * group.unsqueeze(-1)).sum(1))
        merged.doa[frame[several], longest[several]] = mean[several]
        merged.activity_logit[frame[leads], longest[leads]] = logit[frame[leads], longest[leads]]
        left = left & ~group
    return merged


def estimated_rows(estimate: Estimate, threshold: float = 0.5) -> pd.DataFrame:
    """DCASE rows of one clip's estimates (T, M, 3), (T, M): the output slots whose activity exceeds the threshold."""
    active = estimate.activity_logit.sigmoid() > threshold
    return rows_from_grid(estimate.doa.float().cpu().numpy(), active.cpu().numpy())


def tracked_rows(estimate: Estimate, threshold: float = 0.5, config: TrackingConfig | None = None) -> pd.DataFrame:
    """DCASE rows of one clip's estimates (T, M, 3), (T, M), joined into tracks with lasting identities."""
    return _table(track(*_arrays(estimate), threshold, config))


def stream_rows(
    estimates: Iterable[Estimate], threshold: float = 0.5, config: TrackingConfig | None = None, join: bool = True
) -> pd.DataFrame:
    """DCASE rows of a recording whose estimates (T, M, 3), (T, M) come block by block.

    Joined into tracks, or (`join` false) the output slots as they are. Only the rows are kept.
    """
    tracker, tables, frames = Tracker(threshold, config), [], 0
    for estimate in _gathered(estimates, 300):  # as `track` takes them, which gives the same tracks then
        if join:
            tables.append(_table(tracker.push(*_arrays(estimate))))
        else:
            rows = estimated_rows(estimate, threshold)
            tables.append(rows.assign(frame=rows["frame"] + frames))
        frames += len(estimate.activity_logit)
    tables.append(_table(tracker.finish()))
    return pd.concat(tables, ignore_index=True)


def joined(estimates: Iterable[Estimate]) -> Estimate:
    """The estimates (T, M, 3), (T, M) of blocks that follow each other as one."""
    return Estimate(*(torch.cat(values) for values in zip(*estimates, strict=True)))


def _gathered(estimates: Iterable[Estimate], frames: int) -> Iterator[Estimate]:
    """The estimates in blocks of so many label frames; the last one may be shorter."""
    left: list[Estimate] = []
    for estimate in estimates:
        left.append(estimate)
        while sum(len(part.activity_logit) for part in left) >= frames:
            whole = joined(left)
            yield Estimate(*(value[:frames] for value in whole))
            left = [Estimate(*(value[frames:] for value in whole))]
    if left:
        yield joined(left)


def _arrays(estimate: Estimate) -> tuple[np.ndarray, np.ndarray]:
    return tuple(value.float().cpu().numpy() for value in estimate)


def _table(tracks: Tracks) -> pd.DataFrame:
    azimuth, elevation = degrees_from_unit(tracks.doa)
    columns = {"frame": tracks.frame, "class": 0, "source": tracks.track, "azimuth": azimuth, "elevation": elevation}
    return pd.DataFrame(columns)
