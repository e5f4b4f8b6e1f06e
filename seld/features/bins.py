"""Which bins of the Fourier transform are features, for the kinds that keep the linear scale of frequency."""

import itertools
from typing import NamedTuple

import numpy as np

from seld.arrays import SPEED_OF_SOUND, Array
from seld.audio import SAMPLE_RATE
from seld.features.config import FeatureConfig

# The limits of the papers, where aliasing began to cost more than the bins above brought.
_PUBLISHED_HZ = {("salsa", "foa"): 9000.0, ("salsa", "mic"): 4000.0, ("salsa_lite", "mic"): 2000.0}


class Bins(NamedTuple):
    """Numbers of bins; those after `upper` and `cutoff` begin there."""

    lowest: int
    """the first bin"""
    upper: int
    """where spatial features end"""
    cutoff: int
    """where the linear spectrogram ends"""
    spatial_hz: float
    """the limit behind `upper`"""

    @property
    def spatial(self) -> slice:
        """the bins with spatial features, counted from `lowest`"""
        return slice(0, self.upper - self.lowest)


def linear_bins(config: FeatureConfig, array: Array) -> Bins:
    """The bins of a configuration.

    Raises:
        ValueError: when `spatial_hz` is neither given nor known, or no bin is left below it.
    """
    spatial_hz = min(config.spatial_hz or _default_hz(config, array), config.highest_hz)
    lowest = max(1, _bin(config, config.lowest_hz))
    bins = Bins(lowest, _bin(config, spatial_hz), _bin(config, config.highest_hz), spatial_hz)
    if bins.upper <= bins.lowest:
        raise ValueError(
            f"features.spatial_hz must leave bins above {config.lowest_hz:g} Hz at fft {config.fft}, got {spatial_hz:g}"
        )
    return bins


def aliasing_hz(array: Array) -> float:
    """Where half a wavelength is the largest distance of two microphones, so that phases become ambiguous above.

    Raises:
        ValueError: when the array has no positions.
    """
    if not len(array.positions):
        raise ValueError(f"features.spatial_hz must be given for an array without positions, {array.name}")
    farthest = max(np.linalg.norm(a - b) for a, b in itertools.combinations(array.positions, 2))
    return SPEED_OF_SOUND / (2 * float(farthest))


def _default_hz(config: FeatureConfig, array: Array) -> float:
    published = _PUBLISHED_HZ.get((config.kind, array.name))
    return published or aliasing_hz(array)


def _bin(config: FeatureConfig, hz: float) -> int:
    return int(hz * config.fft / SAMPLE_RATE)
