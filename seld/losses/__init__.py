"""Losses on estimates that an assignment has paired with references."""

from seld.losses.mot import LossConfig, MotLoss, mot_loss

__all__ = ["LossConfig", "MotLoss", "mot_loss"]
