"""Level spectrograms with the sines and cosines of the phase differences of all pairs of microphones.

Phase differences as features of spatial sound: Wang, Le Roux, Hershey, ICASSP 2018 (cosines and sines of them, so
that there is no jump at 180 degrees). They are the phases of GCC-PHAT before its transform to lags.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from seld.arrays import SPEED_OF_SOUND, Array, Symmetry
from seld.features.bins import linear_bins
from seld.features.config import FeatureConfig
from seld.features.pairs import turned_pairs
from seld.features.spectrogram import Features, cross_spectra, decibels, products, unit_phases


class Phase(Features):
    """Audio (B, M, samples) -> features (B, M + M (M - 1), T x frames_per_label, bins).

    Channels: the level of each channel, then the sines, then the cosines of the phase of X_i* X_j of each pair
    i < j (`array.pairs`). Bins from `lowest_hz` to before `highest_hz`; sines and cosines are 0 from `spatial_hz` on,
    by default where the phases of the widest pair become ambiguous, and where a channel is silent.

    One plane wave has the phases -2 pi f delay, with the `delays` of its direction.
    """

    def __init__(self, config: FeatureConfig, array: Array):
        if array.kind == "foa":
            raise ValueError(f"features.array must be microphones at different places for phase, got {array.name}")
        self.bins = linear_bins(config, array)
        super().__init__(config, array, array.channels + 2 * len(array.pairs), self.bins.cutoff - self.bins.lowest)

    def pieces(self, audio: Tensor) -> Iterator[Tensor]:
        for whole in self.blocks(audio):
            spectrum = whole[..., self.bins.lowest : self.bins.cutoff]
            power = products(spectrum, spectrum)
            low = self.bins.spatial
            cross = cross_spectra(unit_phases(spectrum[..., low], power[..., low]))
            parts = torch.cat([cross.imag, cross.real], 1)
            parts = nn.functional.pad(parts, (0, self.bands - parts.shape[-1]))
            yield torch.cat([decibels(power), parts], 1)

    def delays(self, directions: np.ndarray) -> np.ndarray:
        """Seconds (D, pairs) by which j hears a plane wave from unit vectors (D, 3) later than i, in the open.

        Raises:
            ValueError: when the array has no positions.
        """
        return pair_delays(self.array, directions)

    def turn(self, features: Tensor, symmetries: Sequence[Symmetry]) -> Tensor:
        """Features (B, channels, ...) of the scenes turned by one symmetry each."""
        return torch.stack([self._turn(*item) for item in zip(features, symmetries, strict=True)])

    def _turn(self, features: Tensor, symmetry: Symmetry) -> Tensor:
        pairs = turned_pairs(self.array, symmetry)
        sine, cosine = features[self.inputs :].chunk(2)
        turn = torch.where(pairs.swapped, -pairs.sign, pairs.sign).to(features)[:, None, None]
        level = features[torch.as_tensor(symmetry.permutation)]
        return torch.cat(
            [level, sine[pairs.index] * turn, cosine[pairs.index] * pairs.sign.to(features)[:, None, None]]
        )


def pair_delays(array: Array, directions: np.ndarray) -> np.ndarray:
    """Seconds (D, pairs) by which the second of each pair hears a plane wave from unit vectors (D, 3) later.

    Microphones in the open; around a rigid sphere sound takes longer, up to half as much again.

    Raises:
        ValueError: when the array has no positions.
    """
    if not len(array.positions):
        raise ValueError(f"array must have positions, got {array.name}")
    first, second = np.array(array.pairs).T
    return np.asarray(directions) @ (array.positions[first] - array.positions[second]).T / SPEED_OF_SOUND
