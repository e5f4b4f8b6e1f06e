"""Which part of a sound is new, and which is what rooms leave of earlier sound."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from seld.audio import SAMPLE_RATE
from seld.features.spectrogram import FLOOR

_DECAY_S = 0.7  # time in which reverberation is expected to decay by 60 dB
_DECAY_MARGIN_DB = 3.0  # how far above that decay a bin has to be to count
_LAG = 2  # frames before one whose windows overlap with its window
_NEPER_PER_DB = math.log(10) / 10  # of powers
_NOTHING = -1e4  # log energy of what was before the recording


class Past(NamedTuple):
    """Log energies (B, 1, frames, bins) from before a block, which reverberation may be left of."""

    loudest: Tensor
    """what was left of all earlier sound in the frame before those of `latest`; one frame"""
    latest: Tensor
    """the last frames before the block"""


def fresh_share(energy: Tensor, past: Past | None, hop: int) -> tuple[Tensor, Past]:
    """The share in [0, 1] of each bin's energy (B, 1, frames, bins) that earlier sound does not explain.

    The loudest that is left of earlier frames falls by 60 dB in _DECAY_S. The two frames before do not
    count: their windows overlap with this one's.
    """
    level = energy.clamp_min(FLOOR).log()
    if past is None:
        nothing = torch.full_like(level[:, :, :1], _NOTHING)
        past = Past(nothing, nothing.expand(-1, -1, _LAG, -1))
    series = torch.cat([past.loudest, past.latest, level], 2)
    per_frame = _NEPER_PER_DB * 60 * hop / SAMPLE_RATE / _DECAY_S
    frames = series.shape[2] - _LAG
    fallen = per_frame * torch.arange(frames, device=level.device, dtype=level.dtype).unsqueeze(1)
    # Raised by what has decayed since the block began, the loudest that is left is a running maximum.
    left = (series[:, :, :-_LAG] + fallen).cummax(2).values - fallen
    margin = _NEPER_PER_DB * _DECAY_MARGIN_DB - _LAG * per_frame
    share = 1 - (left[:, :, 1:] + margin - level).exp()
    return share.clamp_min(0), Past(left[:, :, -1:], series[:, :, -_LAG:])
