"""Losses on estimates that an assignment has paired with references."""

from seld.losses.mot import LossConfig, MotLoss, mot_loss
from seld.losses.set_loss import HungarianLoss, Matched, euclidean_distance, hungarian_loss, squared_error

__all__ = [
    "HungarianLoss",
    "LossConfig",
    "Matched",
    "MotLoss",
    "euclidean_distance",
    "hungarian_loss",
    "mot_loss",
    "squared_error",
]
