"""What a split holds: hours, how many sources sound at once, and how its features lie."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from seld.labels import FRAME_SECONDS


@dataclass(frozen=True)
class Sums:
    """Of one clip or, added up, of many."""

    clips: int
    frames: int
    """label frames"""
    by_sources: Tensor
    """(slots + 1,) int64: label frames in which 0, 1, ... sources sound"""
    rows: int = 0
    """feature frames"""
    total: Tensor | None = None
    """(channels, F) float64: sums of the features over the feature frames; None where they are not kept"""
    squares: Tensor | None = None
    """(channels, F) float64: sums of their squares"""

    def __add__(self, other: "Sums") -> "Sums":
        kept = self.total is not None and other.total is not None
        return Sums(
            self.clips + other.clips,
            self.frames + other.frames,
            self.by_sources + other.by_sources,
            self.rows + other.rows,
            self.total + other.total if kept else None,
            self.squares + other.squares if kept else None,
        )


class Statistics(NamedTuple):
    """Of a split."""

    clips: int
    hours: float
    frames_by_sources: list[int]
    """label frames in which 0, 1, ... sources sound"""
    mean: list[list[float]] | None
    """(channels, F) of the features; None where they are computed for each segment"""
    std: list[list[float]] | None
    """(channels, F) of the features"""

    def line(self) -> str:
        """In one line, but for means and deviations."""
        frames = max(1, sum(self.frames_by_sources))
        shares = [f"{100 * count / frames:.0f} % {sources}" for sources, count in enumerate(self.frames_by_sources)]
        return f"{self.clips} clips, {self.hours:.3g} h, sources at once: {', '.join(shares)}"


def sums_of(features: Tensor | None, active: Tensor) -> Sums:
    """The sums of a clip's features (channels, rows, F) and references (T, N)."""
    by_sources = torch.bincount(active.sum(1), minlength=active.shape[1] + 1)
    if features is None:
        return Sums(1, len(active), by_sources)
    values = features.float()
    total, squares = (part.sum(1, dtype=torch.float64) for part in (values, values.square()))
    return Sums(1, len(active), by_sources, features.shape[1], total, squares)


def statistics(sums: Sums) -> Statistics:
    """The statistics of a split from its sums."""
    hours = sums.frames * FRAME_SECONDS / 3600
    by_sources = sums.by_sources.tolist()
    if sums.total is None:
        return Statistics(sums.clips, hours, by_sources, None, None)
    mean = sums.total / sums.rows
    variance = (sums.squares / sums.rows - mean.square()).clamp_min(0)
    return Statistics(sums.clips, hours, by_sources, _short(mean), _short(variance.sqrt()))


def _short(values: Tensor) -> list[list[float]]:
    return [[round(value, 5) for value in row] for row in values.tolist()]
