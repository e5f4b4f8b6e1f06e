"""Log-mel spectrograms and generalized cross-correlations with phase transform, of any channels.

GCC-PHAT: Knapp and Carter, IEEE TASSP 1976; as features: Cao et al., DCASE 2019, and the DCASE baselines for MIC.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seld.arrays import Array, Symmetry
from seld.features.config import FeatureConfig
from seld.features.pairs import turned_pairs
from seld.features.spectrogram import TINY, Features, MelBank, cross_spectra, decibels, is_plain, products, unit_phases

GAIN = 10.0  # brings the correlations of usual recordings to about unit size


class Whitened(NamedTuple):
    """What log-mel and GCC-PHAT are made of."""

    power: Tensor
    """(B, M, frames, bins)"""
    cross: Tensor
    """X_i* X_j / |X_i* X_j| of all pairs i < j, 0 where a channel is silent: complex (B, pairs, frames, bins)"""


class LogMelGcc(Features):
    """Audio (B, M, samples) -> features (B, M + M (M - 1) / 2, T x frames_per_label, mel_bands).

    Channels: log-mel of each channel, then the correlation of each pair i < j (`array.pairs`), times GAIN.

    The correlation is the inverse Fourier transform of X_i* X_j / |X_i* X_j|, at the lags -mel_bands / 2 to
    mel_bands / 2 - 1 samples, so that it stands beside the bands: 1 at lag d, times GAIN, when channel j hears what
    i hears d samples later. Bins in which a channel is silent do not count (the baselines give them lag 0).
    """

    def __init__(self, config: FeatureConfig, array: Array):
        if array.channels < 2:
            raise ValueError(f"features.array must have 2 channels or more for logmel_gcc, got {array.name}")
        super().__init__(config, array, array.channels + len(array.pairs), config.mel_bands)
        self.mel = MelBank(config)

    def pieces(self, audio: Tensor) -> Iterator[Tensor]:
        for spectrum in self.blocks(audio):
            power, cross = whitened(spectrum)
            correlation = torch.fft.irfft(cross, self.config.fft)
            after = self.bands // 2
            before = correlation[..., after - self.bands :]
            correlation = torch.cat([before, correlation[..., :after]], -1) * GAIN
            yield torch.cat([decibels(self.mel(power)), correlation], 1)

    def turn(self, features: Tensor, symmetries: Sequence[Symmetry]) -> Tensor:
        """Features (B, channels, ...) of the scenes turned by one symmetry each.

        Exact but for the first lag, -mel_bands / 2, in pairs whose channels change sides: its counterpart is not
        among the features, and what stood there stays.
        """
        return torch.stack([self._turn(*item) for item in zip(features, symmetries, strict=True)])

    def _turn(self, features: Tensor, symmetry: Symmetry) -> Tensor:
        level = features[torch.as_tensor(symmetry.permutation)]
        pairs = turned_pairs(self.array, symmetry)
        correlation = features[self.inputs :][pairs.index] * pairs.sign.to(features)[:, None, None]
        lag = torch.arange(self.bands) - (self.bands + 1) // 2
        opposite = -lag + (self.bands + 1) // 2
        opposite = torch.where(opposite < self.bands, opposite, torch.arange(self.bands))
        swapped = pairs.swapped.to(features.device)[:, None, None]
        return torch.cat([level, torch.where(swapped, correlation[..., opposite], correlation)])


def whitened(spectrum: Tensor) -> Whitened:
    """Powers and whitened cross spectra of spectra (B, M, frames, bins)."""
    if is_plain(spectrum):
        from seld.features import gcc_compiled  # numba takes long to import

        return Whitened(*gcc_compiled.powers_and_phases(spectrum, TINY))
    power = products(spectrum, spectrum)
    return Whitened(power, cross_spectra(unit_phases(spectrum, power)))
