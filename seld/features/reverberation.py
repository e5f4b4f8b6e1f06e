"""Which part of a sound is new, and which is what rooms leave of earlier sound."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from seld.audio import SAMPLE_RATE

_DECAY_S = 0.7  # time in which reverberation is expected to decay by 60 dB
_DECAY_MARGIN_DB = 3.0  # how far above that decay a bin has to be to count
_LAG = 2  # frames before one whose windows overlap with its window
_NEPER_PER_DB = math.log(10) / 10  # of powers
_NOTHING = -1e4  # log energy of what was before the recording


class Reverberation(NamedTuple):
    """What may be left of earlier sound, in log energy."""

    decay: float
    """by which it falls from frame to frame"""
    margin: float
    """how far above what was left two frames ago a bin has to be to count"""


def expected_reverberation(hop: int) -> Reverberation:
    """What is expected where frames are so many samples apart."""
    per_frame = 60 * hop / SAMPLE_RATE / _DECAY_S
    return Reverberation(_NEPER_PER_DB * per_frame, _NEPER_PER_DB * (_DECAY_MARGIN_DB - _LAG * per_frame))


def fresh_share(level: Tensor, past: Tensor | None, expected: Reverberation) -> tuple[Tensor, Tensor]:
    """The share in [0, 1] of each bin's energy that earlier sound does not explain, and the past for the next block.

    The loudest that is left of earlier frames falls by 60 dB in _DECAY_S. The two frames before do not count: their
    windows overlap with this one's.

    Args:
        level: log energies (B, 1, frames, bins).
        past: log energies (B, 1, 3, bins) of what was left of all earlier sound in the frame before the last two, and
            of these two; None at the beginning.
    """
    if past is None:
        past = torch.full_like(level[:, :, :1], _NOTHING).expand(-1, -1, 1 + _LAG, -1)
    series = torch.cat([past, level], 2)
    frames = series.shape[2] - _LAG
    fallen = expected.decay * torch.arange(frames, device=level.device, dtype=level.dtype).unsqueeze(1)
    # Raised by what has decayed since the block began, the loudest that is left is a running maximum.
    left = (series[:, :, :-_LAG] + fallen).cummax(2).values - fallen
    share = 1 - (left[:, :, 1:] + expected.margin - level).exp()
    return share.clamp_min(0), torch.cat([left[:, :, -1:], series[:, :, -_LAG:]], 2)
