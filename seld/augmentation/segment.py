"""What augmentation changes."""

from typing import NamedTuple

from torch import Tensor


class Segment(NamedTuple):
    """Segments of T label frames with N slots for references; without B it is one segment."""

    signal: Tensor
    """(B, channels, samples) audio, or (B, channels, T x frames_per_label, bands) features"""
    doa: Tensor
    """(B, T, N, 3) unit vectors"""
    active: Tensor
    """(B, T, N) bool"""
