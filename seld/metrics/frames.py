"""Two tables of one clip, laid side by side frame by frame: what every frame-wise metric starts from."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seld.geometry import angular_distance, unit_from_degrees

# Labels are whole degrees, so that angles of exactly the threshold do occur; rounding in the last digit
# must not decide whether they are "at most" the threshold.
ROUNDING_DEG = 1e-6


class FramePair(NamedTuple):
    """One frame in which a source or a track is active."""

    estimates: np.ndarray
    """(tracks,) row numbers in the table of estimates, in the order of the rows"""
    references: np.ndarray
    """(sources,) row numbers in the table of references, in the order of the rows"""
    distance_deg: np.ndarray
    """(tracks, sources) angles in degrees, float64"""


def frame_pairs(reference: pd.DataFrame, prediction: pd.DataFrame) -> Iterator[FramePair]:
    """Every frame with a row on either side, in the order of time; frames silent on both are left out."""
    reference_order, reference_frames = _by_frame(reference)
    estimate_order, estimate_frames = _by_frame(prediction)
    frames = np.union1d(reference_frames, estimate_frames)
    reference_edges = np.searchsorted(reference_frames, np.append(frames, np.inf))
    estimate_edges = np.searchsorted(estimate_frames, np.append(frames, np.inf))
    rows = [
        (estimate_order[e0:e1], reference_order[r0:r1])
        for e0, e1, r0, r1 in zip(
            estimate_edges[:-1], estimate_edges[1:], reference_edges[:-1], reference_edges[1:], strict=True
        )
    ]
    # The angles of all frames at once: one call of a vectorised function instead of one per frame.
    none = np.empty(0, dtype=np.int64)
    estimate = _units(prediction)[np.concatenate([none] + [np.repeat(e, len(r)) for e, r in rows])]
    source = _units(reference)[np.concatenate([none] + [np.tile(r, len(e)) for e, r in rows])]
    angles = np.rad2deg(angular_distance(estimate, source).numpy())
    start = 0
    for estimates, references in rows:
        stop = start + len(estimates) * len(references)
        yield FramePair(estimates, references, angles[start:stop].reshape(len(estimates), len(references)))
        start = stop


def _by_frame(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers in the order of time, stable within a frame, and their frames."""
    frames = rows["frame"].to_numpy(dtype=np.int64)
    order = np.argsort(frames, kind="stable")
    return order, frames[order]


def _units(rows: pd.DataFrame) -> Tensor:
    azimuth, elevation = rows["azimuth"].to_numpy(np.float64), rows["elevation"].to_numpy(np.float64)
    return torch.from_numpy(unit_from_degrees(azimuth, elevation))
