"""Where the intensity vectors of a frame point: peaks of their histogram, and mean shift. Nothing here is learned.

A band of a frame has one vector, which points to where its sound comes from and is the longer the more of it came
directly. Nearness of directions is measured by a von Mises-Fisher kernel, exp(sharpness (cosine - 1)).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seld.geometry import cube_lattice, normalize

_TINY = 1e-6  # length of a vector that has no direction
WINDOW = 5  # label frames that peaks are found in: half a second, in which sources hardly move
_SHARPNESS = 10.0  # half the height at 21 degrees
_SEPARATION = math.radians(35)  # peaks of one kind are at least about this far apart in a frame


class Peaks(NamedTuple):
    """Where the intensity vectors of each label frame and the frames around it point."""

    histogram: Tensor
    """(B, T, 2 x directions) log of what points near each direction of the grid: in the frame, and around it"""
    doa: Tensor
    """(B, T, peaks, 3) unit vectors, highest peak of the frames around first; then those of the frame alone"""
    height: Tensor
    """(B, T, peaks) log of what points near each peak"""


class PeakFinder(nn.Module):
    """Intensity vectors (B, T, F, 3) of each label frame and band -> Peaks.

    The vectors of half a second are counted, by their length and nearness, near each of 98 directions; peaks are
    taken one by one, each with its kernel subtracted before the next (CLEAN, Högbom 1974), and moved to the mean
    of the vectors near them. Brief peaks are those of the frame alone, less sure, but sounds overlap less in it.

    Args:
        lasting: peaks of half a second.
        brief: peaks of the frame alone.
    """

    def __init__(self, lasting: int, brief: int = 0):
        super().__init__()
        self.lasting, self.brief = lasting, brief
        self.count = lasting + brief
        grid = torch.tensor(cube_lattice(2), dtype=torch.float32)
        self.register_buffer("grid", grid, persistent=False)
        self.size = 2 * len(grid)

    @torch.no_grad()
    def forward(self, bands: Tensor) -> Peaks:
        now = density(self.grid, bands)  # (B, T, directions)
        around = smoothed(now)
        peaks = self._highest(around, windows(bands, WINDOW), self.lasting)
        peaks += self._highest(now, bands, self.brief)
        doa, height = (torch.stack(of_all, 2) for of_all in zip(*peaks, strict=True))
        return Peaks(torch.cat([now, around], -1).log1p(), doa, height.log1p())

    def _highest(self, left: Tensor, vectors: Tensor, count: int) -> list[tuple[Tensor, Tensor]]:
        """The peaks (B, T, 3) of the density (B, T, directions) of vectors (B, T, n, 3), and their heights (B, T)."""
        axes, found = axes_of(vectors), []
        for _ in range(count):
            height, index = left.max(-1)
            peak = shift(self.grid[index].unsqueeze(2), vectors, axes, _SHARPNESS, 0.01, steps=2).squeeze(2)
            cosine = peak @ self.grid.T
            left = left - height.unsqueeze(-1) * (_SHARPNESS * (cosine - 1)).exp()
            left = left.masked_fill(cosine > math.cos(_SEPARATION), 0).clamp_min(0)
            found.append((peak, height))
        return found


@torch.no_grad()
def spectra(doa: Tensor, bands: Tensor) -> Tensor:
    """How much of each band points near each direction: (..., K, 3) and (B, T, F, 3) -> (B, T, K, F)."""
    return _nearness(doa, axes_of(bands)).mul_(_length(bands).transpose(-1, -2))


@torch.no_grad()
def density(doa: Tensor, bands: Tensor) -> Tensor:
    """How much of all bands points near each direction: (..., K, 3) and (B, T, F, 3) -> (B, T, K)."""
    return (_nearness(doa, axes_of(bands)) @ _length(bands)).squeeze(-1)


def shift(
    start: Tensor, near: Tensor, axes: Tensor, sharpness: Tensor | float, inertia: Tensor | float, steps: int
) -> Tensor:
    """Mean shift on the sphere: directions (B, T, K, 3) moved to the mean of the vectors (B, T, n, 3) near them.

    The start holds on by the inertia, against the summed length of the vectors, so that it decides where there
    is little to see. `axes` are those of the vectors, from `axes_of`.
    """
    moved = start
    for _ in range(steps):
        weight = (sharpness * (moved @ axes - 1)).exp()
        moved = normalize(weight @ near + inertia * start)
    return moved


def axes_of(vectors: Tensor) -> Tensor:
    """Unit vectors (..., 3, n), or zeros, of vectors (..., n, 3)."""
    return (vectors / _length(vectors).clamp_min(_TINY)).transpose(-1, -2)


def smoothed(values: Tensor) -> Tensor:
    """(B, T, C) -> (B, T, C): the mean over a window around each frame; there is nothing beyond the ends."""
    return functional.avg_pool1d(values.transpose(1, 2), WINDOW, 1, WINDOW // 2).transpose(1, 2)


def windows(bands: Tensor, size: int) -> Tensor:
    """(B, T, F, 3) -> (B, T, F x size, 3): the vectors of all frames in a window around each frame."""
    padded = functional.pad(bands, (0, 0, 0, 0, size // 2, size // 2))
    return padded.unfold(1, size, 1).transpose(-1, -2).flatten(2, 3)


def band_vectors(vectors: Tensor, frames: int) -> Tensor:
    """(B, 3, T x s, F) -> (B, T, F, 3): the mean vector of each band in each label frame."""
    return vectors.unflatten(2, (frames, -1)).mean(3).permute(0, 2, 3, 1)


def _nearness(doa: Tensor, axes: Tensor) -> Tensor:
    """von Mises-Fisher kernel between (..., K, 3) and (B, T, 3, F), in place since the grid makes it large."""
    return ((_SHARPNESS * doa) @ axes).sub_(_SHARPNESS).exp_()


def _length(vectors: Tensor) -> Tensor:
    """(..., 3) -> (..., 1); component by component, since sums over so short an axis are slow."""
    x, y, z = vectors.unbind(-1)
    # The slope of sqrt is infinite at 0; below the clamp it is 0.
    return (x * x + y * y + z * z).clamp_min(1e-30).sqrt().unsqueeze(-1)
