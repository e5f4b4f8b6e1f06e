"""Log-mel spectrograms and intensity vectors of first-order Ambisonics.

As in the DCASE baselines (Perotin et al., 2018; Cao et al., 2019), or with the energy taken over bands.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from seld.arrays import ARRAYS, Array, Symmetry
from seld.features.config import FeatureConfig
from seld.features.reverberation import expected_reverberation, fresh_share
from seld.features.spectrogram import FLOOR, Features, MelBank, decibels, is_plain, products

_DCASE_ENERGY = 1e-8  # what the DCASE baselines add to the energy of a bin
_FAINT = 1e-6  # the least squared length of a bin's intensity vector, whose root has a slope then


class LogMelIntensity(Features):
    """FOA audio (B, 4, samples) -> features (B, channels, T x frames_per_label, mel_bands).

    Channels: log-mel of W, X, Y, Z, the intensity vector x, y, z, and with `direct` the direct-path intensity
    vector x, y, z.

    The "banded" intensity vector of a band is the sum of Re(W* [X, Y, Z]) over its bins, divided by the energy
    there, (|W|^2 + |X|^2 + |Y|^2 + |Z|^2) / 2 with SN3D scaling, so that it is the unit vector towards the source
    for one plane wave and 0 in a diffuse field. Bins count by their energy, since the ratio of a faint bin is noise.

    The "dcase" one is the mean over the bins of the band of Re(W* [X, Y, Z]) / E, with
    E = 1e-8 + |W|^2 + (|X|^2 + |Y|^2 + |Z|^2) / 3: 3/4 of the unit vector for one plane wave. The baselines take
    the sum under the triangles of the bank in place of the mean, which only scales bands, and standardise later.

    The direct-path intensity vector is the mean over the bins of the band of unit vectors, each weighed by the
    fourth power of its directness (the length of the bin's own intensity vector, one minus the diffuseness of
    Merimaa and Pulkki, JAES 2005) and by the share of its energy that no earlier, decaying sound explains.
    """

    def __init__(self, config: FeatureConfig | None = None, array: Array = ARRAYS["foa"]):
        config = config or FeatureConfig()
        self.vectors = 2 if config.direct else 1
        super().__init__(config, array, 4 + 3 * self.vectors, config.mel_bands)
        if array.kind != "foa":
            raise ValueError(f"features.array must be Ambisonics for logmel_intensity, got {array.name}")
        self.mel = MelBank(config)
        self.reverberation = expected_reverberation(config.hop)

    def pieces(self, audio: Tensor) -> Iterator[Tensor]:
        past = None
        for spectrum in self.blocks(audio):
            bins, past = (self._compiled_bins if is_plain(spectrum) else self._bins)(spectrum, past)
            power, intensity, direct = self.mel(bins).split([4, 3, self.channels - 7], 1)
            banded = self.config.intensity == "banded"
            weight = (power.sum(1, keepdim=True) / 2).clamp_min(FLOOR) if banded else self.mel.weight
            yield torch.cat([decibels(power), intensity / weight, direct / self.mel.weight], 1)

    def turn(self, features: Tensor, symmetries: Sequence[Symmetry]) -> Tensor:
        """Features (B, channels, ...) of the scenes turned by one symmetry each."""
        return turn_features(features, rotations(symmetries, features))

    def _bins(self, spectrum: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """Powers of W, X, Y, Z and both kinds of vectors, (B, channels, frames, bins); the past for the next block.

        The past is that of `fresh_share`.
        """
        power = products(spectrum, spectrum)
        intensity = products(spectrum[:, :1], spectrum[:, 1:])  # y, z, x
        bins = [*x_first(power), *x_first(intensity)]
        if self.config.intensity == "dcase":
            energy = power[:, :1] + power[:, 1:].sum(1, keepdim=True) / 3 + _DCASE_ENERGY
            bins[4:] = x_first(intensity / energy)
        if self.config.direct:
            energy = (power.sum(1, keepdim=True) / 2).clamp_min(FLOOR)
            vector = intensity * energy.reciprocal()
            squared = vector.square().sum(1, keepdim=True).clamp(_FAINT, 1)
            share, past = fresh_share(energy.log(), past, self.reverberation)
            # The vector brings the fourth power of directness itself.
            bins += x_first(vector * (squared * squared.sqrt() * share))
        return torch.cat(bins, 1), past

    def _compiled_bins(self, spectrum: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """The same without gradients, many times as fast; the past is of energies (B, 3, bins)."""
        from seld.features import intensity_compiled  # numba takes long to import

        bins = intensity_compiled.powers_and_intensities(spectrum, self.channels)
        if self.config.direct:
            factors = math.exp(-self.reverberation.decay), math.exp(self.reverberation.margin)
            past = intensity_compiled.add_direct(bins, past, *factors, (FLOOR, _FAINT))
        if self.config.intensity == "dcase":
            intensity_compiled.divide_by_energy(bins, _DCASE_ENERGY)
        return bins, past


def turn_features(features: Tensor, rotation: Tensor) -> Tensor:
    """Features (B, channels, ...) of the scene turned by axis symmetries (B, 3, 3), see geometry.axis_symmetries.

    For all features of levels of W, X, Y, Z and any number of vectors x, y, z.
    """
    level = torch.einsum("bij,bj...->bi...", rotation.abs(), features[:, 1:4])
    vectors = features[:, 4:].unflatten(1, (-1, 3))
    turned = torch.einsum("bij,bkj...->bki...", rotation, vectors).flatten(1, 2)
    return torch.cat([features[:, :1], level, turned], 1)


def x_first(channels: Tensor) -> list[Tensor]:
    """Channels (W,) Y, Z, X one by one in the order (W,) X, Y, Z."""
    *omni, y, z, x = channels.split(1, 1)
    return [*omni, x, y, z]


def rotations(symmetries: Sequence[Symmetry], like: Tensor) -> Tensor:
    """The rotations of symmetries (B, 3, 3), with the precision and device of a tensor."""
    return torch.stack([torch.as_tensor(symmetry.rotation) for symmetry in symmetries]).to(like)
