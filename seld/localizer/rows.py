"""What a localizer says, and the DCASE rows of it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seld.geometry import degrees_from_unit
from seld.labels import rows_from_grid
from seld.tracking import Tracker, TrackingConfig, Tracks, track


class Estimate(NamedTuple):
    """What the localizer says of a batch of clips."""

    doa: Tensor
    """(B, T, M, 3) unit vectors"""
    activity_logit: Tensor
    """(B, T, M)"""


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
