"""Losses on an association of estimates (rows) with references (columns).

The differentiable multi-object tracking loss follows Adavanne et al., WASPAA 2021, after Xu et al., CVPR 2020
(dMOTP and dMOTA), with these departures: silence divides nothing by zero, switches are counted only between
frames of one clip in which the reference sounds, false alarms and misses are counted through the activity of
each track, and the activity is trained against the annotation that the association carries to the track.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

Distance = Literal["angle", "squared"]


@dataclass
class LossConfig:
    """Weights of the terms of the tracking loss."""

    localization_weight: float = 1.0
    """of the mean distance of associated pairs (dMOTP)"""
    distance: Distance = "angle"
    """of a pair: its angle in radians, or the squared error of the two unit vectors (MSE)"""
    count_weight: float = 0.5
    """of misses and false alarms per reference (the counts of dMOTA)"""
    switch_weight: float = 0.1
    """of identity switches per reference, against one radian of distance"""
    activity_weight: float = 1.0
    """of the binary cross-entropy of the activity of all tracks"""
    gate_deg: float = 60.0
    """angle from which on a pair does not count as found at all; at half of it, it counts half"""
    detach_association: bool = True
    """hold the association fixed where it weighs distances; otherwise the loss falls by un-matching"""

    def __post_init__(self):
        for name in ("localization_weight", "count_weight", "switch_weight", "activity_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"loss.{name} must be >= 0, got {getattr(self, name)}")
        if self.distance not in get_args(Distance):
            raise ValueError(f"loss.distance must be one of {', '.join(get_args(Distance))}, got {self.distance}")
        if not 0 < self.gate_deg <= 360:
            raise ValueError(f"loss.gate_deg must be above 0 and at most 360, got {self.gate_deg}")


class MotLoss(NamedTuple):
    """The weighted total and its terms, each a scalar before its weight."""

    total: Tensor
    localization: Tensor
    """mean distance of associated pairs: radians, or squared lengths of chords"""
    count: Tensor
    """(misses + false alarms) / references"""
    switches: Tensor
    """identity switches / references"""
    activity: Tensor
    """mean binary cross-entropy over tracks"""


def mot_loss(
    cost: Tensor, association: Tensor, activity_logit: Tensor, active: Tensor, config: LossConfig | None = None
) -> MotLoss:
    """The differentiable tracking loss of a batch of clips.

    With p = sigmoid(activity_logit), the association A, and G = A (1 + cos(pi min(cost / gate, 1))) / 2, which
    is the gate of CLEAR-MOT made soft,

    - localization (dMOTP): sum A cost / sum A, each matched pair counted once; or of 2 - 2 cos(cost), the squared
      error of unit vectors, in place of the cost;
    - misses: sum over active n of 1 - sum_m G_mn p_m; false alarms: sum_m p_m (1 - sum_n G_mn);
    - switches: sum over n, and over pairs of successive frames in both of which n sounds, of the association
      that it gained, sum_m max(A_t - A_{t-1}, 0), so that neither onsets nor a steady soft match count;
    - activity: cross-entropy of each track's logit with sum_n G_mn, the ground truth that it carries. A track
      that points elsewhere is to be silent, so that its activity is the chance that something sounds *there*.

    Args:
        cost: (B, T, M, N) angles between estimates and references, radians.
        association: (B, T, M, N) in [0, 1] from any assignment layer.
        activity_logit: (B, T, M).
        active: (B, T, N) bool, references that sound.
    """
    config = config or LossConfig()
    association = association * active.unsqueeze(-2)
    fixed = association.detach()
    references = active.sum().clamp_min(1)

    weight = fixed if config.detach_association else association
    # A batch without any pair has localization 0; the clamp never binds otherwise but for soft fractions.
    distance = cost if config.distance == "angle" else 2 - 2 * cost.cos()
    localization = (weight * distance).sum() / weight.sum().clamp_min(1)

    share = (cost.detach() / math.radians(config.gate_deg)).clamp_max(1)
    gated = association * (1 + (math.pi * share).cos()) / 2
    probability = activity_logit.sigmoid()
    found = (gated * probability.unsqueeze(-1)).sum(-2)
    misses = (active.to(found.dtype) - found).sum()
    false_alarms = (probability * (1 - gated.sum(-1))).sum()

    gained = (association[:, 1:] - association[:, :-1]).clamp_min(0).sum(-2)
    switches = (gained * (active[:, 1:] & active[:, :-1])).sum()

    activity = binary_cross_entropy_with_logits(activity_logit, gated.detach().sum(-1).clamp(0, 1))
    count, switches = (misses + false_alarms) / references, switches / references
    total = (
        config.localization_weight * localization
        + config.count_weight * count
        + config.switch_weight * switches
        + config.activity_weight * activity
    )
    return MotLoss(total, localization, count, switches, activity)
