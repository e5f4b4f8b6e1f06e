"""Assignment layers: who among the estimates answers for which reference.

Every layer is a callable `(cost, active) -> association`. `cost` (..., M, N) holds the angles in radians between
M estimates (rows) and N references (columns), `active` (..., N) says which references sound. `association`
(..., M, N) is in [0, 1]; row and column sums are at most 1; columns of silent references are 0. A user's own
function of that form is a layer too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seld.assignment.hnet import Hnet
from seld.assignment.hungarian import hungarian
from seld.assignment.pit import Hungarian
from seld.assignment.sinkhorn import Sinkhorn

__all__ = [
    "AssignmentConfig",
    "FixedOrder",
    "Hnet",
    "Hungarian",
    "Sinkhorn",
    "anneal",
    "build",
    "hungarian",
    "matching_cost",
]

Layer = Callable[[Tensor, Tensor], Tensor]


class FixedOrder:
    """Reference n belongs to track n: no assignment at all, the baseline."""

    def __call__(self, cost: Tensor, active: Tensor) -> Tensor:
        """(..., M, N) cost and (..., N) activity -> (..., M, N) association."""
        identity = torch.eye(*cost.shape[-2:], dtype=cost.dtype, device=cost.device)
        return identity * active.unsqueeze(-2)


@dataclass
class AssignmentConfig:
    """Which layer training goes through."""

    kind: Literal["hnet", "sinkhorn", "hungarian", "pit", "none"] = "hnet"
    """hnet: frozen deep Hungarian network; sinkhorn: entropic, implicit gradient; hungarian: exact, frame by
    frame; pit: exact, one permutation per clip; none: fixed order"""
    hnet: str = "hnet"
    """shipped Hnet by name, or a weights file"""
    activity_weight: float = 0.5
    """radians by which a track that is surely silent seems farther than one that surely sounds"""
    temperature: float = 0.03
    """of the Sinkhorn layer at the end of training, radians"""
    first_temperature: float = 0.5
    """of the Sinkhorn layer at the start; it falls geometrically over the first half of training"""

    def __post_init__(self):
        if self.activity_weight < 0:
            raise ValueError(f"assignment.activity_weight must be >= 0, got {self.activity_weight}")
        for name in ("temperature", "first_temperature"):
            if getattr(self, name) <= 0:
                raise ValueError(f"assignment.{name} must be > 0, got {getattr(self, name)}")


def build(config: AssignmentConfig, device: torch.device | str = "cpu") -> Layer:
    """The layer that a configuration names."""
    layers = {
        "hnet": lambda: Hnet.from_pretrained(config.hnet).to(device),
        "sinkhorn": lambda: Sinkhorn(temperature=config.temperature),
        "hungarian": lambda: Hungarian("frame"),
        "pit": lambda: Hungarian("clip"),
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
    """Set the temperature of a Sinkhorn layer for a share in [0, 1] of the training steps; others have none."""
    if isinstance(layer, Sinkhorn):
        fallen = min(1.0, 2 * progress)
        layer.temperature = config.first_temperature ** (1 - fallen) * config.temperature**fallen
