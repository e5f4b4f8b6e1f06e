"""The magnitude test of SALSA: which bins stand above a noise floor that is tracked over time."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_UP, _UP_SLOWLY, _DOWN = 1.02, 1.002, 0.98  # what the floor is multiplied by, frame by frame
_ONSET = 3  # frames above the floor after which it rises slowly only
_LOWEST = 1e-6  # magnitude
_START_FRAMES, _START_SHARE = 5, 0.5


class NoiseFloor(NamedTuple):
    """Of each bin, after a frame."""

    magnitude: np.ndarray
    """(B, bins)"""
    above: np.ndarray
    """(B, bins) how many frames in a row were above it"""


@torch.no_grad()
def audible(magnitude: Tensor, ratio: float, floor: NoiseFloor | None) -> tuple[Tensor, NoiseFloor]:
    """Where magnitudes (B, frames, bins) exceed `ratio` times the noise floor, bool, and the floor after them.

    The floor starts from half of the mean of the first five frames. It falls by 2 % in each frame that is below it
    and rises by 2 % in each that is above, but from the fourth in a row on by 0.2 % only, since that is a sound.
    """
    # Many tiny steps, one after the other: NumPy has the least to do around each, also where features are on a GPU.
    frames = np.ascontiguousarray(magnitude.cpu().numpy().swapaxes(0, 1))
    if floor is None:
        start = _START_SHARE * frames[:_START_FRAMES].mean(0)
        floor = NoiseFloor(start, np.zeros_like(start))
    level, in_a_row = floor
    factor = np.array([_DOWN, *[_UP] * _ONSET, _UP_SLOWLY], dtype=level.dtype)
    floors = np.empty_like(frames)
    for now, kept in zip(frames, floors, strict=True):
        in_a_row = (in_a_row + 1) * (now > level)
        step = factor.take(in_a_row.astype(np.intp), mode="clip")
        level = np.maximum(level * step, _LOWEST, out=kept)
    heard = (frames > ratio * floors).swapaxes(0, 1)
    return torch.from_numpy(np.ascontiguousarray(heard)).to(magnitude.device), NoiseFloor(level, in_a_row)
