"""Assignment layers: who among the estimates answers for which reference.

Every layer is a callable `(cost, active) -> association`. `cost` (..., M, N) holds the angles in radians between
M estimates (rows) and N references (columns), `active` (..., N) says which references sound. `association`
(..., M, N) is in [0, 1]; row and column sums are at most 1; columns of silent references are 0. A user's own
function of that form is a layer too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from seld.assignment.hnet import Hnet
from seld.assignment.hungarian import hungarian
from seld.assignment.pit import Hungarian, ProbPIT, Scope, SinkPIT
from seld.assignment.sinkhorn import Sinkhorn

__all__ = [
    "AssignmentConfig",
    "FixedOrder",
    "Hnet",
    "Hungarian",
    "ProbPIT",
    "SinkPIT",
    "Sinkhorn",
    "anneal",
    "build",
    "hungarian",
    "matching_cost",
]

Layer = Callable[[Tensor, Tensor], Tensor]
Kind = Literal["hnet", "sinkhorn", "hungarian", "pit", "sliding_pit", "prob_pit", "sinkpit", "none"]
Schedule = Literal["constant", "linear", "geometric", "cosine"]


class FixedOrder:
    """Reference n belongs to track n: no assignment at all, the baseline."""

    def __call__(self, cost: Tensor, active: Tensor) -> Tensor:
        """(..., M, N) cost and (..., N) activity -> (..., M, N) association."""
        identity = torch.eye(*cost.shape[-2:], dtype=cost.dtype, device=cost.device)
        return identity * active.unsqueeze(-2)


@dataclass
class AssignmentConfig:
    """Which layer training goes through."""

    kind: Kind = "hungarian"
    """hungarian: exact, frame by frame; none is better in docs/comparison.md; sinkhorn: entropic, implicit gradient;
    hnet: frozen deep Hungarian network; pit: exact, one permutation per clip; sliding_pit: exact, on the last
    frames; prob_pit: mean over permutations; sinkpit: entropic, per clip; none: fixed order"""
    hnet: str = "hnet"
    """shipped Hnet by name, or a weights file"""
    activity_weight: float = 0.5
    """radians by which a track that is surely silent seems farther than one that surely sounds"""
    scope: Scope = "clip"
    """frames that prob_pit and sinkpit decide on together; sliding: the last frames"""
    window: int = 10
    """last frames that decide, the present one included, for sliding_pit and the scope sliding"""
    temperature: float = 0.03
    """of sinkhorn, prob_pit and sinkpit, radians; at the end of training, where a schedule lowers it"""
    schedule: Schedule = "constant"
    """how the temperature goes from the first to the last; constant: the last from the start, which is best for tracks
    that choose among peaks, since these are apart from the first step on"""
    first_temperature: float = 0.5
    """of the same layers at the start of a schedule"""
    schedule_share: float = 0.5
    """of the training steps that the schedule takes; then the temperature stays"""

    def __post_init__(self):
        if self.activity_weight < 0:
            raise ValueError(f"assignment.activity_weight must be >= 0, got {self.activity_weight}")
        for name, choices in (("kind", Kind), ("scope", Scope), ("schedule", Schedule)):
            if getattr(self, name) not in get_args(choices):
                words = ", ".join(get_args(choices))
                raise ValueError(f"assignment.{name} must be one of {words}, got {getattr(self, name)}")
        if self.window < 1:
            raise ValueError(f"assignment.window must be >= 1 frames, got {self.window}")
        for name in ("temperature", "first_temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"assignment.{name} must be > 0, got {getattr(self, name)}")
        if not 0 < self.schedule_share <= 1:
            raise ValueError(f"assignment.schedule_share must be above 0 and at most 1, got {self.schedule_share}")


def build(config: AssignmentConfig, device: torch.device | str = "cpu") -> Layer:
    """The layer that a configuration names."""
    layers = {
        "hnet": lambda: Hnet.from_pretrained(config.hnet).to(device),
        "sinkhorn": lambda: Sinkhorn(temperature=config.temperature),
        "hungarian": lambda: Hungarian("frame"),
        "pit": lambda: Hungarian("clip"),
        "sliding_pit": lambda: Hungarian("sliding", config.window),
        "prob_pit": lambda: ProbPIT(config.temperature, config.scope, config.window),
        "sinkpit": lambda: SinkPIT(config.temperature, config.scope, config.window),
        "none": FixedOrder,
    }
    return layers[config.kind]()


def matching_cost(distance: Tensor, activity_logit: Tensor, activity_weight: float) -> Tensor:
    """What estimates are matched by, (..., M, N): distance in radians plus a price for silent tracks.

    By distance alone the track that happens to be nearer takes a lone source, so that activity jumps between
    tracks from frame to frame and none of them learns when to sound. The price lets the track that sounds keep
    the source. It has no gradient: a track does not become active in order to be chosen.

    Args:
        distance: (..., M, N) radians.
        activity_logit: (..., M).
    """
    return distance + activity_weight * (-activity_logit.detach()).sigmoid().unsqueeze(-1)


def anneal(layer: Layer, config: AssignmentConfig, progress: float) -> None:
    """Set the temperature of a soft layer for a share in [0, 1] of the training steps; others have none."""
    if isinstance(layer, Sinkhorn | ProbPIT | SinkPIT):
        layer.temperature = temperature_at(config, progress)


def temperature_at(config: AssignmentConfig, progress: float) -> float:
    """The temperature that the schedule has at a share in [0, 1] of the training steps."""
    first, last = config.first_temperature, config.temperature
    way = min(1.0, progress / config.schedule_share)
    return {
        "constant": last,
        "linear": first + (last - first) * way,
        "geometric": first ** (1 - way) * last**way,
        "cosine": last + (first - last) * (1 + math.cos(math.pi * way)) / 2,
    }[config.schedule]
