"""From the recurrent state to directions: plain regression, or attention over intensity vectors.

A cell is one band of one feature frame; its intensity vector points to where its sound comes from, and is the
longer the more of it came directly.
"""

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seld.geometry import normalize

_HIDDEN = 128  # units of the linear layers, as in DOAnet
_WINDOW = 5  # label frames that peaks are found in: half a second, in which sources hardly move
_BASIN = 9  # label frames of the vectors that a direction is drawn to
_SHARPNESS = 10.0  # of the von Mises-Fisher kernel: half its height at 21 degrees
_SEPARATION = math.radians(35)  # peaks are at least about this far apart


class Peaks(NamedTuple):
    """Where the intensity vectors of each label frame and the frames around it point."""

    histogram: Tensor
    """(B, T, 2 x directions) log of what points near each direction of the grid: in the frame, and around it"""
    doa: Tensor
    """(B, T, peaks, 3) unit vectors, highest peak first"""
    height: Tensor
    """(B, T, peaks) log of what points near each peak"""


class PeakFinder(nn.Module):
    """Intensity vectors (B, T, F, 3) of each label frame and band -> Peaks. Nothing in it is learned.

    The vectors of half a second are counted, by their length and through a von Mises-Fisher kernel, near each of
    98 directions; peaks are taken one by one, each with its kernel subtracted before the next (CLEAN, Högbom
    1974), and moved to the mean of the vectors near them.
    """

    def __init__(self, count: int):
        super().__init__()
        self.count = count
        lattice = {point for point in itertools.product(range(-2, 3), repeat=3) if math.gcd(*point) == 1}
        grid = normalize(torch.tensor(sorted(lattice), dtype=torch.float32))
        self.register_buffer("grid", grid, persistent=False)
        self.size = 2 * len(grid)

    @torch.no_grad()
    def forward(self, bands: Tensor) -> Peaks:
        length = bands.norm(dim=-1, keepdim=True)
        near = (_SHARPNESS * (bands @ self.grid.T / length.clamp_min(1e-6) - 1)).exp()
        now = (near * length).sum(2)  # (B, T, directions)
        around = functional.avg_pool1d(now.transpose(1, 2), _WINDOW, 1, _WINDOW // 2).transpose(1, 2)
        around_bands = windows(bands, _WINDOW)
        left, peaks, heights = around, [], []
        for _ in range(self.count):
            height, index = left.max(-1)
            peak = shift(self.grid[index].unsqueeze(2), around_bands, _SHARPNESS, 0.01, steps=2)
            left = left - height.unsqueeze(-1) * (_SHARPNESS * (peak[:, :, 0] @ self.grid.T - 1)).exp()
            left = left.masked_fill(peak[:, :, 0] @ self.grid.T > math.cos(_SEPARATION), 0).clamp_min(0)
            peaks.append(peak)
            heights.append(height)
        histogram = torch.cat([now, around], -1).log1p()
        return Peaks(histogram, torch.cat(peaks, 2), torch.stack(heights, -1).log1p())


class LinearHead(nn.Module):
    """Directions by regression from the recurrent state, tanh at the end (DOAnet)."""

    def __init__(self, state: int, layers: int, tracks: int):
        super().__init__()
        self.tracks = tracks
        self.output = perceptron(state, layers, 3 * tracks)

    def forward(self, state: Tensor) -> Tensor:
        """(B, T, H) -> (B, T, M, 3)."""
        return self.output(state).tanh().unflatten(-1, (self.tracks, 3))


class AttentionHead(nn.Module):
    """Directions as attention-weighted means of peaks and of intensity vectors.

    A track attends over the peaks of the frame, at the start track m over peak m, and over the frame's cells: its
    queries come from the recurrent state, the key of a cell from local convolution maps and its vector. A
    regression from the state is added. The sum is drawn to the cluster of vectors nearest to it. So the
    network learns which cluster is meant, and the vectors themselves say where that is.
    """

    def __init__(self, state: int, layers: int, tracks: int, maps: int, key_size: int, peaks: int):
        super().__init__()
        self.tracks, self.size, self.ranks = tracks, key_size, peaks
        self.choice = perceptron(state, layers, tracks * (peaks + 4))
        self.query = perceptron(state, layers, tracks * key_size)
        self.key = nn.Conv2d(maps + 3, key_size, 1)
        self.correction = perceptron(state, layers, 3 * tracks)
        for layer in (self.choice[-1], self.correction[-1]):  # at the start the peaks decide
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        bias = torch.zeros(tracks, peaks + 4)
        bias[range(tracks), range(tracks)] = 3.0
        self.choice[-1].bias.data.copy_(bias.flatten())
        self.log_sharpness = nn.Parameter(torch.tensor(15.0).log())  # of the kernel of mean shift
        self.log_inertia = nn.Parameter(torch.tensor(0.3).log())  # against the summed length of the vectors
        self.cell_weight = nn.Parameter(torch.tensor(0.1))  # of what the cells say, beside the peaks

    def forward(self, state: Tensor, maps: Tensor, vectors: Tensor, peaks: Peaks, bands: Tensor) -> Tensor:
        """(B, T, H), (B, C, T x s, F), (B, 3, T x s, F), peaks, (B, T, F, 3) -> (B, T, M, 3)."""
        frames = state.shape[1]
        chosen = self._choose(state, peaks)
        query = self.query(state).unflatten(-1, (self.tracks, self.size)) / self.size**0.5
        score = query @ cells(self.key(torch.cat([maps, vectors], 1)), frames)  # (B, T, M, cells)
        gathered = score.softmax(-1) @ cells(vectors, frames).transpose(-1, -2)
        # A little more than zero keeps a frame without any vector from being blown up to unit length.
        gathered = gathered / gathered.square().sum(-1, keepdim=True).add(1e-6).sqrt()
        correction = self.correction(state).unflatten(-1, (self.tracks, 3))
        start = normalize(chosen + self.cell_weight * gathered + correction)
        return shift(start, windows(bands, _BASIN), self.log_sharpness.exp(), self.log_inertia.exp(), steps=2)

    def _choose(self, state: Tensor, peaks: Peaks) -> Tensor:
        """(B, T, M, 3): a soft choice among the peaks by their rank, direction and height."""
        choice = self.choice(state).unflatten(-1, (self.tracks, self.ranks + 4))
        rank, query = choice.split([self.ranks, 4], -1)
        score = rank + 5 * query @ torch.cat([peaks.doa, peaks.height.unsqueeze(-1)], -1).transpose(-1, -2)
        return score.softmax(-1) @ peaks.doa


@torch.no_grad()
def evidence(doa: Tensor, bands: Tensor, peaks: Peaks) -> Tensor:
    """(B, T, M, 3), (B, T, F, 3), peaks -> (B, T, M + peaks + M x M): what speaks for each track's being active.

    Log of what points where each track points, of the heights of the peaks, and the cosines between tracks.
    """
    near = windows(bands, _WINDOW)
    length = near.norm(dim=-1)
    closeness = doa @ (near / length.clamp_min(1e-6).unsqueeze(-1)).transpose(-1, -2) - 1
    there = ((_SHARPNESS * closeness).exp() @ length.unsqueeze(-1)).squeeze(-1).log1p()
    return torch.cat([there, peaks.height, (doa @ doa.transpose(-1, -2)).flatten(2)], -1)


def shift(start: Tensor, near: Tensor, sharpness: Tensor | float, inertia: Tensor | float, steps: int) -> Tensor:
    """Mean shift on the sphere: directions (B, T, K, 3) moved to the mean of the vectors (B, T, n, 3) near them.

    The start holds on by the inertia, against the summed length of the vectors, so that it decides where there
    is little to see.
    """
    axis = (near / near.norm(dim=-1, keepdim=True).clamp_min(1e-6)).transpose(-1, -2)
    moved = start
    for _ in range(steps):
        weight = (sharpness * (moved @ axis - 1)).exp()
        moved = normalize(weight @ near + inertia * start)
    return moved


def windows(bands: Tensor, size: int) -> Tensor:
    """(B, T, F, 3) -> (B, T, F x size, 3): the vectors of all frames in a window around each frame."""
    padded = functional.pad(bands, (0, 0, 0, 0, size // 2, size // 2))
    return padded.unfold(1, size, 1).transpose(-1, -2).flatten(2, 3)


def band_vectors(vectors: Tensor, frames: int) -> Tensor:
    """(B, 3, T x s, F) -> (B, T, F, 3): the mean vector of each band in each label frame."""
    return vectors.unflatten(2, (frames, -1)).mean(3).permute(0, 2, 3, 1)


def cells(maps: Tensor, frames: int) -> Tensor:
    """(B, C, T x s, F) -> (B, T, C, s x F): all cells of each label frame."""
    return maps.unflatten(2, (frames, -1)).transpose(1, 2).flatten(3)


def perceptron(inputs: int, hidden_layers: int, outputs: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for _ in range(hidden_layers):
        layers += [nn.Linear(inputs, _HIDDEN), nn.ReLU()]
        inputs = _HIDDEN
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
