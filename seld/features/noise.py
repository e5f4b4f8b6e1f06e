"""The magnitude test of SALSA: which bins stand above a noise floor that is tracked over time."""

from typing import NamedTuple

import torch
from torch import Tensor

_UP, _UP_SLOWLY, _DOWN = 1.02, 1.002, 0.98  # what the floor is multiplied by, frame by frame
_ONSET = 3  # frames above the floor after which it rises slowly only
_LOWEST = 1e-6  # magnitude
_START_FRAMES, _START_SHARE = 5, 0.5


class NoiseFloor(NamedTuple):
    """Of each bin, after a frame."""

    magnitude: Tensor
    """(B, bins)"""
    patience: Tensor
    """(B, bins) how many more frames above the floor are taken for a change of the noise"""


@torch.no_grad()
def audible(magnitude: Tensor, ratio: float, floor: NoiseFloor | None) -> tuple[Tensor, NoiseFloor]:
    """Where magnitudes (B, frames, bins) exceed `ratio` times the noise floor, bool, and the floor after them.

    The floor starts from half of the mean of the first five frames. It falls by 2 % in each frame that is below it
    and rises by 2 % in each that is above, but from the fourth in a row on by 0.2 % only, since that is a sound.
    """
    if floor is None:
        start = (_START_SHARE * magnitude[:, :_START_FRAMES].mean(1)).contiguous()
        floor = NoiseFloor(start, torch.full_like(start, _ONSET))
    level, patience = floor
    floors = []
    for now in magnitude.unbind(1):
        above = now > level
        patience = torch.where(above, patience - 1, _ONSET)
        up = torch.where(patience < 0, _UP_SLOWLY, _UP)
        level = (level * torch.where(above, up, _DOWN)).clamp_min_(_LOWEST)
        floors.append(level)
    return magnitude > ratio * torch.stack(floors, 1), NoiseFloor(level, patience)
