"""Losses on estimates that an assignment has paired with references."""

from seld.losses.accdoa import AdpitLoss, adpit_loss, duplicating_assignment
from seld.losses.mot import LossConfig, MotLoss, mot_loss
from seld.losses.set_loss import HungarianLoss, Matched, euclidean_distance, hungarian_loss, squared_error

__all__ = [
    "AdpitLoss",
    "HungarianLoss",
    "LossConfig",
    "Matched",
    "MotLoss",
    "adpit_loss",
    "duplicating_assignment",
    "euclidean_distance",
    "hungarian_loss",
    "mot_loss",
    "squared_error",
]
