"""The options of all kinds of features."""

from dataclasses import dataclass
from typing import Literal

from seld.audio import SAMPLE_RATE
from seld.labels import FRAME_SECONDS


@dataclass
class FeatureConfig:
    """Which features, of which recordings, at which resolution in time and frequency."""

    kind: Literal["logmel_intensity", "logmel_steered", "logmel_gcc", "salsa", "salsa_lite", "phase"] = (
        "logmel_intensity"
    )
    """log-mel with intensity vectors (Ambisonics), directions found by steering (microphones), or GCC-PHAT; SALSA;
    SALSA-Lite; sines and cosines of phase differences"""
    array: str = "foa"
    """what the channels of the recordings are: foa, mic, stereo, binaural, or the YAML file of an array"""
    fft: int = 1024
    """samples of the Fourier transform at 24 kHz"""
    window: int = 960
    """samples of the Hann window (40 ms)"""
    frames_per_label: int = 5
    """feature frames per label frame of 100 ms; 5 is a hop of 20 ms"""
    mel_bands: int = 64
    """mel bands between 0 and 12 kHz, and lags of logmel_gcc"""
    intensity: Literal["banded", "dcase"] = "banded"
    """divide by the energy of each mel band, or of each bin (the DCASE baselines and DOAnet)"""
    direct: bool = True
    """logmel_intensity: also the direct-path intensity vector, which leaves out diffuse and reverberant bins"""
    lowest_hz: float = 50.0
    """salsa, salsa_lite, phase: bins below are left out"""
    highest_hz: float = 9000.0
    """salsa_lite, phase: bins from here on are left out; salsa averages them by eights"""
    spatial_hz: float | None = None
    """salsa, salsa_lite, phase: spatial features are 0 from here on; by default what the papers took for foa and
    mic, else where the phases of the two microphones farthest apart become ambiguous"""
    signal_ratio: float = 1.5
    """salsa: how far the magnitude of a bin has to be above the tracked noise floor"""
    coherence_ratio: float = 5.0
    """salsa: how far the first eigenvalue of a bin has to be above the second"""

    def __post_init__(self):
        samples = round(SAMPLE_RATE * FRAME_SECONDS)
        if self.frames_per_label < 1 or samples % self.frames_per_label:
            raise ValueError(f"features.frames_per_label must divide {samples} samples, got {self.frames_per_label}")
        if not self.hop <= self.window <= self.fft:
            raise ValueError(
                f"features need hop <= window <= fft, got {self.hop}, {self.window} and {self.fft} samples"
            )
        if not 1 <= self.mel_bands <= self.fft // 2:
            raise ValueError(f"features.mel_bands must be from 1 to {self.fft // 2}, got {self.mel_bands}")
        if not 0 <= self.lowest_hz < self.highest_hz <= SAMPLE_RATE / 2:
            raise ValueError(
                f"features need 0 <= lowest_hz < highest_hz <= {SAMPLE_RATE // 2}, "
                f"got {self.lowest_hz:g} and {self.highest_hz:g}"
            )
        if self.spatial_hz is not None and not self.lowest_hz < self.spatial_hz <= SAMPLE_RATE / 2:
            raise ValueError(
                f"features.spatial_hz must be above lowest_hz and at most {SAMPLE_RATE // 2}, got {self.spatial_hz:g}"
            )
        if self.signal_ratio < 0:
            raise ValueError(f"features.signal_ratio must be >= 0, got {self.signal_ratio:g}")
        if self.coherence_ratio < 1.5:
            # The power iteration behind it would take too long to settle below.
            raise ValueError(f"features.coherence_ratio must be >= 1.5, got {self.coherence_ratio:g}")

    @property
    def hop(self) -> int:
        """samples from one feature frame to the next"""
        return round(SAMPLE_RATE * FRAME_SECONDS) // self.frames_per_label
