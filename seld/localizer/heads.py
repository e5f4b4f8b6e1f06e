"""From the recurrent state to directions: plain regression, or attention over intensity vectors.

A cell is one band of one feature frame; its intensity vector points to where its sound comes from, and is the
longer the more of it came directly.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from seld.geometry import normalize

_HIDDEN = 128  # units of the linear layers, as in DOAnet
_WINDOW = 5  # label frames whose evidence is averaged: half a second, in which sources hardly move
_BASIN = 9  # label frames of the cells that a direction is drawn to
_SHARPNESS = 10.0  # of the histogram's von Mises-Fisher kernel: half its height at 21 degrees
_LATTICE = [point for point in itertools.product((-1, 0, 1), repeat=3) if any(point)]


class DirectionHistogram(nn.Module):
    """Intensity vectors (B, 3, T x s, F) -> (B, T, 52): where the vectors of each label frame point.

    Log of the length of all vectors near each of 26 directions (the faces, edges and corners of a cube), in the
    frame itself and averaged over half a second. It hands the recurrent layers the peaks that pooling hides.
    """

    size = 2 * len(_LATTICE)

    def __init__(self):
        super().__init__()
        self.register_buffer("grid", normalize(torch.tensor(_LATTICE, dtype=torch.float32)), persistent=False)

    @torch.no_grad()
    def forward(self, vectors: Tensor, frames: int) -> Tensor:
        vectors = cells(vectors, frames).transpose(-1, -2)  # (B, T, cells, 3)
        length = vectors.norm(dim=-1, keepdim=True)
        closeness = vectors @ self.grid.T - length  # length x (cosine - 1)
        near = (_SHARPNESS * closeness / length.clamp_min(1e-6)).exp() * length
        now = near.sum(2)
        around = functional.avg_pool1d(now.transpose(1, 2), _WINDOW, 1, _WINDOW // 2, count_include_pad=False)
        return torch.cat([now, around.transpose(1, 2)], -1).log1p()


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
    """Directions as attention-weighted means of the intensity vectors around a frame.

    The query of a track comes from the recurrent state, the key of a cell from local convolution maps and its
    vector. Each frame's cells are weighed by that frame's query; frames within half a second share what they
    have gathered, weighed by how much of it there is. A regression from the state is added. The sum is drawn to
    the nearest cluster of vectors by two steps of mean shift on the sphere. So the network learns which cells
    to trust (those that the direct sound of this source dominates) and which cluster is meant, and the vectors
    themselves say where that is.
    """

    def __init__(self, state: int, layers: int, tracks: int, maps: int, key_size: int):
        super().__init__()
        self.tracks, self.size = tracks, key_size
        self.query = perceptron(state, layers, tracks * key_size)
        self.key = nn.Conv2d(maps + 3, key_size, 1)
        fade = torch.linspace(-2, 2, _WINDOW).abs().neg()
        self.lend = nn.Parameter(fade.repeat(tracks, 1))  # log weight of the frames around
        self.correction = perceptron(state, layers, 3 * tracks)
        nn.init.zeros_(self.correction[-1].weight)  # at the start the vectors alone decide
        nn.init.zeros_(self.correction[-1].bias)
        self.log_sharpness = nn.Parameter(torch.tensor(15.0).log())  # of the kernel of mean shift
        self.log_inertia = nn.Parameter(torch.tensor(0.3).log())  # against the summed length of the vectors

    def forward(self, state: Tensor, maps: Tensor, vectors: Tensor) -> Tensor:
        """(B, T, H), (B, C, T x s, F), (B, 3, T x s, F) -> (B, T, M, 3)."""
        frames = state.shape[1]
        query = self.query(state).unflatten(-1, (self.tracks, self.size)) / self.size**0.5
        score = query @ cells(self.key(torch.cat([maps, vectors], 1)), frames)  # (B, T, M, cells)
        highest = score.detach().amax(-1)
        gathered = (score - highest.unsqueeze(-1)).exp() @ cells(vectors, frames).transpose(-1, -2)
        mean = self._share(gathered, highest)
        # A little more than zero keeps a frame without any vector from being blown up to unit length.
        mean = mean / mean.square().sum(-1, keepdim=True).add(1e-6).sqrt()
        return self._draw(mean + self.correction(state).unflatten(-1, (self.tracks, 3)), vectors)

    def _draw(self, doa: Tensor, vectors: Tensor) -> Tensor:
        """Directions (B, T, M, 3) moved towards the mean of the vectors (B, 3, T x s, F) near them.

        Mean shift with a von Mises-Fisher kernel over the vectors of _BASIN frames, averaged per band and frame;
        the start holds on by the inertia, so that it decides where there is little to see.
        """
        frames, side = doa.shape[1], _BASIN // 2
        bands = functional.pad(vectors.unflatten(2, (frames, -1)).mean(3), (0, 0, side, side))
        near = bands.unfold(2, _BASIN, 1).permute(0, 2, 3, 4, 1).flatten(2, 3)  # (B, T, F x frames, 3)
        axis = (near / near.norm(dim=-1, keepdim=True).clamp_min(1e-6)).transpose(-1, -2)
        start = moved = normalize(doa)
        for _ in range(2):
            weight = (self.log_sharpness.exp() * (moved @ axis - 1)).exp()
            moved = normalize(weight @ near + self.log_inertia.exp() * start)
        return moved

    def _share(self, gathered: Tensor, log_scale: Tensor) -> Tensor:
        """Sums over the window of vectors (B, T, M, 3) that are given in units of exp(log_scale) (B, T, M)."""
        side = (_WINDOW // 2, _WINDOW // 2)
        scale = functional.pad(log_scale.transpose(1, 2), side, value=-1e4).unfold(2, _WINDOW, 1)
        weight = (scale - scale.amax(-1, keepdim=True)).exp() * self.lend.exp().unsqueeze(1)
        around = functional.pad(gathered.permute(0, 2, 3, 1), side).unfold(3, _WINDOW, 1)  # (B, M, 3, T, window)
        return (around * weight.unsqueeze(2)).sum(-1).permute(0, 3, 1, 2)


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
