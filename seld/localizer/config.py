"""Sizes of a localizer."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class LocalizerConfig:
    """Sizes of the localizer; the defaults train well on two cores."""

    tracks: int = 2
    """estimated tracks M: the most sources that can be followed at once"""
    filters: list[int] = field(default_factory=lambda: [24, 48, 48])
    """output channels of each 3x3 convolution block"""
    time_pool: list[int] = field(default_factory=lambda: [5, 1, 1])
    """max pooling over time after each block; the product must be features.frames_per_label"""
    frequency_pool: list[int] = field(default_factory=lambda: [4, 2, 2])
    """max pooling over mel bands after each block"""
    recurrent_layers: int = 2
    """bidirectional GRU layers"""
    recurrent_units: int = 96
    """units per direction"""
    merge: Literal["concatenate", "multiply"] = "concatenate"
    """how the two directions of the last recurrent layer are joined (DOAnet multiplies them)"""
    linear_layers: int = 1
    """hidden linear layers of each head"""
    head: Literal["candidates", "linear"] = "candidates"
    """directions by choice among peaks of the direction vectors in the features, or by plain regression (DOAnet)"""
    output: Literal["tracks", "accdoa"] = "tracks"
    """what a track says: a direction and an activity, trained through an assignment; or a vector as long as it is
    active, trained with ADPIT, of which those that answer the same source are merged"""
    candidate_size: int = 48
    """channels that describe a candidate direction, a multiple of 4"""
    candidate_layers: int = 2
    """times that candidates look at their neighbours"""
    brief_peaks: int = 0
    """candidates of each frame that are peaks of this frame alone, beside those of half a second; with them candidates
    are told apart by their rank, too"""
    trust_size: int = 0
    """channels of the network that says how far each cell's vector is believed; 0: a single filter says it"""
    dropout: float = 0.0
    """share of channels dropped after each block"""

    def __post_init__(self):
        sizes = (len(self.filters), len(self.time_pool), len(self.frequency_pool))
        if len(set(sizes)) != 1:
            raise ValueError(f"localizer.filters, time_pool and frequency_pool need equal lengths, got {sizes}")
        for name in ("filters", "time_pool", "frequency_pool"):
            if min(getattr(self, name), default=0) < 1:
                raise ValueError(f"localizer.{name} must be one or more numbers >= 1, got {getattr(self, name)}")
        for name in ("tracks", "recurrent_layers", "recurrent_units", "candidate_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"localizer.{name} must be >= 1, got {getattr(self, name)}")
        for name in ("linear_layers", "candidate_layers", "brief_peaks", "trust_size"):
            if getattr(self, name) < 0:
                raise ValueError(f"localizer.{name} must be >= 0, got {getattr(self, name)}")
        if self.candidate_size % 4:
            raise ValueError(f"localizer.candidate_size must be a multiple of 4, got {self.candidate_size}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"localizer.dropout must be in [0, 1), got {self.dropout}")
        if self.head == "linear" and (self.brief_peaks or self.trust_size):
            raise ValueError("localizer.brief_peaks and trust_size need localizer.head candidates, got linear")
