"""Permutation invariant training in its forms: over which frames one pairing is decided, and how softly.

A scope says which frames decide together. "frame": each by itself (Yu et al., ICASSP 2017). "clip": all of
them, one pairing per clip (Kolbæk et al., 2017). "sliding": each frame with the `window - 1` frames before it, so
that a track keeps its source through crossings and short pauses, yet may change it later on (Diaz-Guerra,
Politis & Virtanen, 2022, arXiv 2210.14536). The pairing of a scope is exact (`Hungarian`), the mean over all
pairings weighed by their cost (`ProbPIT`), or entropic (`SinkPIT`).

In a scope a reference counts in the frames in which it sounds, and not at all where it sounds in none; what is
decided then holds for those who sound in the frame itself. Scopes of several frames need cost (..., frames, M,
N), active (..., frames, N) and present (..., frames, M).
"""

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from seld.assignment.hungarian import hungarian
from seld.assignment.sinkhorn import Sinkhorn

Scope = Literal["frame", "clip", "sliding"]
_MOST_PAIRINGS = 5040  # 7 x 7; the sizes beyond would take gigabytes for the frames of one batch


@dataclass
class Hungarian:
    """Assignment layer: the pairs of least total cost in a scope, 0/1 and without a gradient."""

    scope: Scope = "frame"
    """frames that decide together: frame, clip or sliding"""
    window: int = 10
    """sliding: frames that decide, the present one and those before it"""

    def __post_init__(self):
        _check_scope(self)

    def __call__(self, cost: Tensor, active: Tensor, present: Tensor | None = None) -> Tensor:
        """Association (..., M, N), 0 or 1.

        Args:
            cost: (..., M, N), estimates by references; frames third from last unless the scope is "frame".
            active: (..., N) bool, references that sound.
            present: (..., M) bool, estimates that take part; all by default.
        """
        return _decide(
            self, cost.detach(), active, present, lambda seen: hungarian(seen.cost, seen.active, seen.present)
        )


@dataclass
class ProbPIT:
    """Assignment layer: the mean over all pairings, each weighed by exp(-cost / temperature).

    The pairing is a hidden variable with a uniform prior (Yousefi, Khorram & Hansen, 2019, arXiv 1908.01768):
    the association is its posterior, and also the gradient of their soft minimum over pairings to the cost, so
    that the sum of cost times a detached association trains as the soft minimum does. Towards temperature 0
    it becomes the exact matching. The cost is the mean over the scope's frames, whatever their number.
    """

    temperature: float = 0.05
    """in units of the cost (radians); may be changed at any time"""
    scope: Scope = "clip"
    """frames that decide together: frame, clip or sliding"""
    window: int = 10
    """sliding: frames that decide, the present one and those before it"""

    def __post_init__(self):
        if not self.temperature > 0:
            raise ValueError(f"prob_pit.temperature must be > 0, got {self.temperature}")
        _check_scope(self)

    def __call__(self, cost: Tensor, active: Tensor, present: Tensor | None = None) -> Tensor:
        """Association (..., M, N) in [0, 1]; arguments as in `Hungarian`.

        Raises:
            ValueError: for more pairings than can be enumerated, as beyond 7 estimates and 7 references.
        """
        _check_size(*cost.shape[-2:])
        return _decide(
            self,
            cost,
            active,
            present,
            lambda seen: _mean_pairing(seen.mean_cost, seen.active, seen.present, self.temperature),
        )


@dataclass
class SinkPIT:
    """Assignment layer: entropic matching of the mean cost in a scope (Tachibana, ICASSP 2021, arXiv 2010.11871).

    The Sinkhorn layer on whole clips; its temperature is to fall during training (`anneal`). The schedule of the paper
    is geometric from 1 to 0.1 over all of the training (first_temperature, temperature, schedule_share).
    """

    temperature: float = 0.05
    """in units of the cost (radians); may be changed at any time"""
    scope: Scope = "clip"
    """frames that decide together: frame, clip or sliding"""
    window: int = 10
    """sliding: frames that decide, the present one and those before it"""
    tolerance: float = 1e-5
    """largest error of a row or column sum"""

    def __post_init__(self):
        if not self.temperature > 0:
            raise ValueError(f"sinkpit.temperature must be > 0, got {self.temperature}")
        _check_scope(self)

    def __call__(self, cost: Tensor, active: Tensor, present: Tensor | None = None) -> Tensor:
        """Association (..., M, N) in [0, 1]; arguments as in `Hungarian`."""
        layer = Sinkhorn(temperature=self.temperature, tolerance=self.tolerance)
        return _decide(self, cost, active, present, lambda seen: layer(seen.mean_cost, seen.active, seen.present))


class _Seen(NamedTuple):
    """What a pairing is decided on; one per frame, or for the whole clip with 1 in place of the frames."""

    cost: Tensor
    """(..., frames, M, N), summed over the frames of the scope in which the reference sounds"""
    active: Tensor
    """(..., frames, N), references that sound in any of them"""
    present: Tensor
    """(..., frames, M), estimates that are there whenever anything sounds"""
    frames: Tensor
    """(..., frames, 1, 1), how many of them have something that sounds, at least 1"""

    @property
    def mean_cost(self) -> Tensor:
        """Per frame, so that a temperature means the same for clips of any length."""
        return self.cost / self.frames


def _decide(
    layer: Hungarian | ProbPIT | SinkPIT,
    cost: Tensor,
    active: Tensor,
    present: Tensor | None,
    solve: Callable[[_Seen], Tensor],
) -> Tensor:
    """The association that `solve` finds for each scope, in the frames and for the slots that take part."""
    *batch, estimates, references = cost.shape
    if layer.scope != "frame" and not batch:
        raise ValueError(f"cost must have frames third from last for scope {layer.scope}, got {tuple(cost.shape)}")
    if cost.numel() == 0:
        return cost.clone()
    active = active.expand(*batch, references)
    few = present is not None or estimates < references
    present = active.new_ones(()) if present is None else present
    present = present.expand(*batch, estimates)
    with torch.autocast(cost.device.type, enabled=False):
        exact = cost.to(torch.promote_types(cost.dtype, torch.float32))
        association = solve(_pool(exact, active, present, layer, few))
    takes_part = active.unsqueeze(-2) & present.unsqueeze(-1)
    return (association * takes_part).to(cost.dtype)


def _pool(cost: Tensor, active: Tensor, present: Tensor, layer: Hungarian | ProbPIT | SinkPIT, few: bool) -> _Seen:
    sounding = active.unsqueeze(-2)
    cost = cost.masked_fill(~sounding, 0)
    if layer.scope == "frame":
        return _Seen(cost, active, present, cost.new_ones(()))
    if few:
        # Not all references may find an estimate. One that is left out then costs as much as the worst pair of
        # the clip, in each frame that it sounds; at no price the ones that sound longest would be left out.
        cost = cost - cost.amax((-3, -2, -1), keepdim=True) * sounding
    something = active.any(-1, keepdim=True)
    missing = ~present & something
    return _Seen(
        _together(cost, -3, layer).sum(-1),
        _together(active, -2, layer).any(-1),
        ~_together(missing, -2, layer).any(-1),
        _together(something, -2, layer).sum(-1).clamp_min(1).unsqueeze(-1),
    )


def _together(values: Tensor, frames: int, layer: Hungarian | ProbPIT | SinkPIT) -> Tensor:
    """The frames that decide together, in a new last axis; the axis `frames` has 1 entry per decision.

    Before the first frame there is silence: zeros.
    """
    total = values.shape[frames]
    if layer.scope == "clip":
        return values.unfold(frames, total, 1)
    window = min(layer.window, total)
    silence = torch.zeros_like(values.narrow(frames, 0, window - 1))
    return torch.cat((silence, values), frames).unfold(frames, window, 1)


def _mean_pairing(cost: Tensor, active: Tensor, present: Tensor, temperature: float) -> Tensor:
    """Mean of all pairings (..., M, N) with as many pairs as can be, weighed by exp(-cost / temperature)."""
    *batch, estimates, references = cost.shape
    table = _pairings(estimates, references).to(cost)
    takes_part = (present.unsqueeze(-1) & active.unsqueeze(-2)).to(cost.dtype)
    total = (cost * takes_part).flatten(-2) @ table.T
    # Pairings that differ only among those who take no part count several times, but all of them equally often.
    pairs = takes_part.flatten(-2) @ table.T
    total = total.masked_fill(pairs < pairs.amax(-1, keepdim=True), torch.inf)
    gap = total - total.amin(-1, keepdim=True).detach()  # before the division, which may overflow
    weight = (-gap / temperature).softmax(-1)
    return (weight @ table).reshape(*batch, estimates, references) * takes_part


@functools.lru_cache(maxsize=64)
def _pairings(estimates: int, references: int) -> Tensor:
    """All ways to pair the smaller side with the larger, (ways, estimates * references), 0/1."""
    few, many = sorted((estimates, references))
    chosen = torch.tensor(list(itertools.permutations(range(many), few)))
    table = one_hot(chosen, many)  # (ways, few, many)
    return (table if estimates <= references else table.transpose(1, 2)).flatten(1)


def _check_size(estimates: int, references: int) -> None:
    few, many = sorted((estimates, references))
    ways = math.perm(many, few)
    if ways > _MOST_PAIRINGS:
        raise ValueError(
            f"cost must allow at most {_MOST_PAIRINGS} pairings (7 x 7) for ProbPIT, "
            f"got {ways} ({estimates} x {references})"
        )


def _check_scope(layer: Hungarian | ProbPIT | SinkPIT) -> None:
    if layer.scope not in get_args(Scope):
        raise ValueError(f"scope must be frame, clip or sliding, got {layer.scope!r}")
    if layer.window < 1:
        raise ValueError(f"window must be >= 1 frames, got {layer.window}")
