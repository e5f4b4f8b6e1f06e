"""From the recurrent state to directions: plain regression, or a choice among the peaks of all frames around.

A source that pauses or is masked for a while has no peak of its own in that frame, but had one before or will
have one soon. So the candidates for a frame are the peaks of two seconds before and after it. They first learn
from each other - a peak that comes back in many frames is a source, one that nothing confirms is not - and then
each track attends over them.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seld.geometry import normalize
from seld.localizer.peaks import WINDOW, Peaks, axes_of, density, shift, smoothed, spectra, windows

_HIDDEN = 128  # units of the linear layers, as in DOAnet
_REACH = 20  # label frames before and after a frame whose candidates it sees
_GROUPS = 16  # groups of bands that the spectrum of a candidate is described by
_FAR = -math.inf  # score of what is out of reach
_KERNELS = ((3.0, 20.0), (8.0, 5.0), (20.0, 5.0), (20.0, 15.0))
"""sharpness in direction and label frames of decay of each attention head, at the start"""


class LinearHead(nn.Module):
    """Directions by regression from the recurrent state, tanh at the end (DOAnet)."""

    def __init__(self, state: int, layers: int, tracks: int):
        super().__init__()
        self.tracks = tracks
        self.output = perceptron(state, layers, 3 * tracks)

    def forward(self, state: Tensor) -> Tensor:
        """(B, T, H) -> (B, T, M, 3)."""
        return self.output(state).tanh().unflatten(-1, (self.tracks, 3))


class Candidates(NamedTuple):
    """Directions that something may sound from: the peaks of all frames, frame after frame (n = T x peaks)."""

    doa: Tensor
    """(B, n, 3) unit vectors"""
    code: Tensor
    """(B, n, D) what is known of each"""
    frame: Tensor
    """(n,) the label frame of each"""


class CandidateHead(nn.Module):
    """Directions of M tracks as attention-weighted means of candidates, drawn to the cluster of vectors next to them.

    The first track goes to what is scored highest, the next look away from where the former ones look, so that at
    the start of training track m follows the m-th highest peak. Scores fall with the distance in time.

    Args:
        state: size of the recurrent state.
        maps: channels of the local features.
        tracks: estimated tracks M.
        peaks: of each frame.
        size: channels D that describe a candidate.
        layers: times that candidates look at their neighbours.
        ranked: whether a peak's place among those of its frame is part of what is known of it.
    """

    def __init__(self, state: int, maps: int, tracks: int, peaks: int, size: int, layers: int, ranked: bool = False):
        super().__init__()
        self.tracks = tracks
        self.rank = nn.Parameter(torch.zeros(peaks, size)) if ranked else None
        self.describe = nn.Sequential(nn.Linear(2 * _GROUPS + 3, size), nn.ReLU(), nn.Linear(size, size))
        self.local = nn.Linear(maps, size)
        self.context = nn.Linear(state, size)
        self.layers = nn.ModuleList(NeighbourAttention(size) for _ in range(layers))
        self.key = nn.Linear(size, size)
        self.score = nn.Linear(size, 1)
        self.query = nn.Linear(state, tracks * size)
        for weight in (self.query.weight, self.query.bias, self.score.weight):  # at the start the heights decide
            nn.init.zeros_(weight)
        self.height_weight = nn.Parameter(torch.tensor(2.0))
        self.log_decay = nn.Parameter(torch.tensor(2.0).log())  # label frames
        self.log_apart = nn.Parameter(torch.tensor(8.0).log())  # sharpness of what a track keeps to itself
        self.apart_weight = nn.Parameter(torch.tensor(6.0))
        self.log_sharpness = nn.Parameter(torch.tensor(15.0).log())  # of mean shift
        self.log_inertia = nn.Parameter(torch.tensor(0.3).log())
        self.clues = tracks * (size + 4) + tracks**2

    def forward(self, state: Tensor, maps: Tensor, bands: Tensor, peaks: Peaks) -> tuple[Tensor, Tensor]:
        """Directions (B, T, M, 3), and clues (B, T, C) to which of them sound.

        Args:
            state: (B, T, H) of the recurrent network.
            maps: (B, C, T x s, F / p) local features, at any resolution.
            bands: (B, T, F, 3) intensity vectors.
            peaks: of each frame.
        """
        near = windows(bands, WINDOW)
        candidates = self._candidates(state, maps, bands.detach(), peaks)
        scores = self._scores(state, candidates, peaks.height.flatten(1, 2))
        doa, clues, taken = [], [], 0.0
        for track in range(self.tracks):
            score = scores[:, :, track] - taken
            share, evidence = score.softmax(-1), score.logsumexp(-1, keepdim=True)
            mean = share @ candidates.doa
            doa.append(normalize(mean))
            clues += [share @ candidates.code, evidence, _length(mean)]
            cosine = doa[-1] @ candidates.doa.transpose(-1, -2)
            taken = taken + self.apart_weight * (self.log_apart.exp() * (cosine - 1)).exp()
        start = torch.stack(doa, 2)
        moved = shift(start, near, axes_of(near), self.log_sharpness.exp(), self.log_inertia.exp(), steps=2)
        return moved, torch.cat([*clues, _seen(moved.detach(), near.detach(), bands.detach())], -1)

    def _candidates(self, state: Tensor, maps: Tensor, bands: Tensor, peaks: Peaks) -> Candidates:
        now = spectra(peaks.doa, bands)
        around = spectra(peaks.doa, smoothed(bands.flatten(2)).view_as(bands))
        spectrum = torch.cat([now, around], 2).flatten(0, 1)
        spectrum = functional.adaptive_avg_pool1d(spectrum, _GROUPS).unflatten(0, bands.shape[:2])
        description = [
            *(10 * spectrum).log1p().chunk(2, 2),
            peaks.height.unsqueeze(-1),
            (peaks.height - peaks.height[..., :1]).unsqueeze(-1),
            now.sum(-1, keepdim=True).log1p(),
        ]
        local = functional.adaptive_max_pool2d(maps, (now.shape[1], _GROUPS)).permute(0, 2, 3, 1)
        share = spectrum[:, :, : now.shape[2]]
        share = share / share.sum(-1, keepdim=True).clamp_min(1e-4)
        code = self.describe(torch.cat(description, -1)) + self.local(share @ local)
        code = code + self.context(state).unsqueeze(2)
        if self.rank is not None:
            code = code + self.rank
        code = code.flatten(1, 2)
        doa = peaks.doa.flatten(1, 2)
        frame = torch.arange(state.shape[1], device=state.device).repeat_interleave(peaks.doa.shape[2])
        for layer in self.layers:
            doa, code = layer(doa, code, frame)
        return Candidates(doa, code, frame)

    def _scores(self, state: Tensor, candidates: Candidates, height: Tensor) -> Tensor:
        """(B, T, M, n): how well each candidate suits each track in each frame."""
        query = self.query(state).unflatten(-1, (self.tracks, -1)).flatten(1, 2)
        match = query @ self.key(candidates.code).transpose(-1, -2) / math.sqrt(query.shape[-1])
        score = self.height_weight * height + self.score(candidates.code).squeeze(-1)
        lag = (torch.arange(state.shape[1], device=state.device).unsqueeze(1) - candidates.frame).abs().unsqueeze(1)
        score = match.unflatten(1, (-1, self.tracks)) + score[:, None, None] - lag / self.log_decay.exp()
        return score.masked_fill(lag > _REACH, _FAR)


class NeighbourAttention(nn.Module):
    """Candidates look at those near them in direction and in time: attention with a kernel in its scores.

    The score of a pair is the product of query and key, plus the logarithm of a kernel: von Mises-Fisher in the
    angle between the two, exponential in the time between them. So the normaliser of the softmax is a kernel
    density, which says how well a candidate is confirmed, and the mean direction under it is one step of mean
    shift. What enters the code is unchanged when the scene turns, and directions turn with it.
    """

    def __init__(self, size: int):
        super().__init__()
        self.heads = heads = len(_KERNELS)
        self.norm = nn.LayerNorm(size)
        self.query_key_value = nn.Linear(size, 3 * size)
        self.mass = nn.Linear(size, heads)
        sharpness, decay = torch.tensor(_KERNELS).T
        self.log_sharpness = nn.Parameter(sharpness.log())
        self.log_decay = nn.Parameter(decay.log())
        self.update = nn.Sequential(nn.Linear(size + 3 * heads, 2 * size), nn.ReLU(), nn.Linear(2 * size, size))
        self.step = nn.Linear(size, heads)
        for weight in (self.update[-1].weight, self.update[-1].bias, self.step.weight):
            nn.init.zeros_(weight)
        nn.init.constant_(self.step.bias, -1.0)

    def forward(self, doa: Tensor, code: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates (B, n, 3), (B, n, D) and their label frames (n,), which never fall -> both, updated."""
        normed = self.norm(code)
        query, key, value = self.query_key_value(normed).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mass = self.mass(normed).transpose(1, 2).unsqueeze(-1)
        sharpness = self.log_sharpness.exp().view(-1, 1, 1)
        # One product of matrices gives all terms of the score but those in time.
        direction = doa.unsqueeze(1).expand(-1, self.heads, -1, -1)
        query = torch.cat([query / math.sqrt(query.shape[-1]), sharpness * direction, torch.ones_like(mass)], -1)
        key = torch.cat([key, direction, mass - sharpness], -1)
        value = torch.cat([value, direction, torch.ones_like(mass)], -1)
        parts = []
        for some, near in _neighbourhoods(frame):
            lag = (frame[some].unsqueeze(1) - frame[near]).abs()
            kernel = (-lag / self.log_decay.exp().view(-1, 1, 1)).masked_fill(lag > _REACH, _FAR)
            # In place, since these are the largest tensors of the network by far.
            score = (query[:, :, some] @ key[:, :, near].transpose(-1, -2)).add_(kernel)
            highest = score.detach().amax(-1, keepdim=True)
            total = score.sub_(highest).exp_() @ value[:, :, near]
            parts.append((total[..., :-1] / total[..., -1:], total[..., -1].log() + highest.squeeze(-1)))
        found, confirmed = (torch.cat(part, 2).transpose(1, 2) for part in zip(*parts, strict=True))
        heard, mean = found.split([value.shape[-1] - 4, 3], -1)
        seen = [confirmed / 3, (mean @ doa.unsqueeze(-1)).squeeze(-1), _length(mean).squeeze(-1)]
        code = code + self.update(torch.cat([heard.flatten(2), *seen], -1))
        step = functional.softplus(self.step(code)).unsqueeze(-1)
        return normalize(doa + (step * mean).sum(2)), code


def _neighbourhoods(frame: Tensor) -> list[tuple[slice, slice]]:
    """Stretches of candidates, by their label frames (n,), each with all that are within reach of them.

    So the work grows with the length of a recording, not with its square; what is out of reach counts nothing.
    """
    frames = int(frame[-1]) + 1
    if frames <= 3 * _REACH:
        return [(slice(None), slice(None))]
    edges = torch.arange(-_REACH, frames + 2 * _REACH, _REACH, device=frame.device)
    edges = torch.searchsorted(frame, edges).tolist()
    return [(slice(*edges[i : i + 2]), slice(*edges[i - 1 : i + 3 : 3])) for i in range(1, len(edges) - 2)]


def _seen(doa: Tensor, near: Tensor, bands: Tensor) -> Tensor:
    """(B, T, M, 3), (B, T, n, 3), (B, T, F, 3) -> (B, T, 2 M + M x M): what speaks for each track.

    Log of what points where it points, in the frames around and in the frame, and the cosines between tracks.
    """
    around, now = density(doa, near), density(doa, bands)
    return torch.cat([around.log1p(), now.log1p(), (doa @ doa.transpose(-1, -2)).flatten(2)], -1)


def _length(vector: Tensor) -> Tensor:
    """(..., 3) -> (..., 1), with a finite gradient at 0."""
    return vector.square().sum(-1, keepdim=True).add(1e-8).sqrt()


def perceptron(inputs: int, hidden_layers: int, outputs: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for _ in range(hidden_layers):
        layers += [nn.Linear(inputs, _HIDDEN), nn.ReLU()]
        inputs = _HIDDEN
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
