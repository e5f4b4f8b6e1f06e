"""The options of augmentation."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class AugmentationConfig:
    """How training segments are varied. Rotation, mixing, noise and reverberation need audio, not cached features."""

    turn: Literal["off", "swap", "rotate"] = "swap"
    """swap: turn or mirror each segment so that only channels and signs are exchanged (48 ways for Ambisonics, the
    symmetries of a microphone array); rotate: by any rotation or mirror (Ambisonics)"""
    upright: bool = False
    """only turns that keep up and down on the vertical axis, as the published channel swapping does (16 ways for
    Ambisonics); otherwise floors become walls, too"""
    level_db: float = 6.0
    """largest change of level, up or down"""
    shift_bands: int = 0
    """largest shift of the features over frequency, up or down, in bands; SALSA's authors took 10 of 200"""
    time_masks: int = 0
    """how many stretches of time are masked in each segment's features"""
    time_mask_s: float = 0.4
    """length of the longest of them, seconds; labels stay, so much longer ones would hide whole events"""
    frequency_masks: int = 0
    """how many stretches of frequency are masked in each segment's features"""
    frequency_mask_bands: int = 8
    """width of the widest of them, in bands"""
    mix: float = 0.0
    """share of the segments, 0 to 1, that another one is added to, where there are slots for all sources"""
    mix_db: float = 6.0
    """largest level of the other one above or below what it was recorded at"""
    reverberation: float = 0.0
    """share of the segments, 0 to 1, that a diffuse tail is added to"""
    reverberation_rt60_s: tuple[float, float] = (0.2, 0.8)
    """time in which the tail decays by 60 dB, seconds, shortest and longest"""
    reverberation_db: tuple[float, float] = (-15.0, -3.0)
    """energy of the tail above that of the sound, lowest and highest"""
    noise: float = 0.0
    """share of the segments, 0 to 1, that noise is added to, from all around where the array is known"""
    noise_snr_db: tuple[float, float] = (10.0, 30.0)
    """level of the segment above the noise, lowest and highest"""
    noise_slope_db: tuple[float, float] = (-6.0, 0.0)
    """colour of the noise, decibels per octave, lowest and highest: 0 is white, -3 pink, -6 brown"""

    def __post_init__(self) -> None:
        if self.turn not in ("off", "swap", "rotate"):
            raise ValueError(f"augmentation.turn must be off, swap or rotate, got {self.turn}")
        for name in ("level_db", "shift_bands", "time_masks", "frequency_masks", "mix_db"):
            self._check(name, "at least 0", getattr(self, name) >= 0)
        for name in ("mix", "noise", "reverberation"):
            self._check(name, "from 0 to 1", 0 <= getattr(self, name) <= 1)
        self._check("time_mask_s", "above 0", self.time_mask_s > 0)
        self._check("frequency_mask_bands", "at least 1", self.frequency_mask_bands >= 1)
        for name, low, high in (
            ("reverberation_rt60_s", 0.05, 5.0),
            ("reverberation_db", -60.0, 20.0),
            ("noise_snr_db", -20.0, 100.0),
            ("noise_slope_db", -24.0, 24.0),
        ):
            smallest, largest = getattr(self, name)
            rule = f"two numbers from {low:g} to {high:g}, the smaller one first"
            self._check(name, rule, low <= smallest <= largest <= high)

    @property
    def needs_audio(self) -> list[str]:
        """names of the options in use that features do not suffice for"""
        used = {
            "turn": self.turn == "rotate",
            "mix": self.mix > 0,
            "reverberation": self.reverberation > 0,
            "noise": self.noise > 0,
        }
        return [name for name, is_used in used.items() if is_used]

    def _check(self, name: str, rule: str, holds: bool) -> None:
        if not holds:
            raise ValueError(f"augmentation.{name} must be {rule}, got {getattr(self, name)}")
