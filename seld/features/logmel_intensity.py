"""Log-mel spectrograms and intensity vectors of first-order Ambisonics.

As in the DCASE baselines (Perotin et al., 2018; Cao et al., 2019), or with the energy taken over bands.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seld.arrays import ARRAYS, Array, Symmetry
from seld.audio import SAMPLE_RATE
from seld.features.config import FeatureConfig
from seld.features.spectrogram import FLOOR, Features, MelBank, decibels, products

_DCASE_ENERGY = 1e-8  # what the DCASE baselines add to the energy of a bin
_DECAY_S = 0.7  # time in which reverberation is expected to decay by 60 dB
_DECAY_MARGIN_DB = 3.0  # how far above that decay a bin has to be to count
_LAG = 2  # frames before one whose windows overlap with its window
_NEPER_PER_DB = math.log(10) / 10  # of powers
_NOTHING = -1e4  # log energy of what was before the recording


class _Past(NamedTuple):
    """Log energies (B, 1, frames, bins) from before a block, which reverberation may be left of."""

    loudest: Tensor
    """what was left of all earlier sound in the frame before those of `latest`; one frame"""
    latest: Tensor
    """the last frames before the block"""


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

    has_vectors = True

    def __init__(self, config: FeatureConfig | None = None, array: Array = ARRAYS["foa"]):
        config = config or FeatureConfig()
        super().__init__(config, array, 10 if config.direct else 7, config.mel_bands)
        if array.kind != "foa":
            raise ValueError(f"features.array must be Ambisonics for logmel_intensity, got {array.name}")
        self.mel = MelBank(config)

    def forward(self, audio: Tensor) -> Tensor:
        pieces, past = [], None
        for spectrum in self.blocks(audio):
            power = products(spectrum, spectrum)
            intensity = products(spectrum[:, :1], spectrum[:, 1:])  # y, z, x
            bands = self.mel(power)
            features = [*x_first(decibels(bands)), *x_first(self._intensity(intensity, power, bands))]
            if self.config.direct:
                direct, past = self._direct(intensity, power.sum(1, keepdim=True) / 2, past)
                features += x_first(direct)
            pieces.append(torch.cat(features, 1))
        return torch.cat(pieces, 2)

    def turn(self, features: Tensor, symmetries: Sequence[Symmetry]) -> Tensor:
        """Features (B, channels, ...) of the scenes turned by one symmetry each."""
        return turn_features(features, rotations(symmetries, features))

    def _intensity(self, intensity: Tensor, power: Tensor, bands: Tensor) -> Tensor:
        if self.config.intensity == "banded":
            return self.mel(intensity) / (bands.sum(1, keepdim=True) / 2).clamp_min(FLOOR)
        energy = power[:, :1] + power[:, 1:].sum(1, keepdim=True) / 3 + _DCASE_ENERGY
        return self.mel(intensity / energy) / self.mel.weight

    def _direct(self, intensity: Tensor, energy: Tensor, past: _Past | None) -> tuple[Tensor, _Past]:
        """(B, 3, frames, bins) and (B, 1, frames, bins) of a block -> (B, 3, frames, mel_bands)."""
        vector = intensity * energy.clamp_min(FLOOR).reciprocal()
        squared = vector.square().sum(1, keepdim=True).clamp(1e-6, 1)
        share, past = self._fresh_share(energy, past)
        weight = squared * squared.sqrt() * share  # the vector brings the fourth power of directness itself
        return self.mel(vector * weight) / self.mel.weight, past

    def _fresh_share(self, energy: Tensor, past: _Past | None) -> tuple[Tensor, _Past]:
        """The share in [0, 1] of each bin's energy (B, 1, frames, bins) that earlier sound does not explain.

        The loudest that is left of earlier frames falls by 60 dB in _DECAY_S. The two frames before do not
        count: their windows overlap with this one's.
        """
        level = energy.clamp_min(FLOOR).log()
        if past is None:
            nothing = torch.full_like(level[:, :, :1], _NOTHING)
            past = _Past(nothing, nothing.expand(-1, -1, _LAG, -1))
        series = torch.cat([past.loudest, past.latest, level], 2)
        per_frame = _NEPER_PER_DB * 60 * self.config.hop / SAMPLE_RATE / _DECAY_S
        frames = series.shape[2] - _LAG
        fallen = per_frame * torch.arange(frames, device=level.device, dtype=level.dtype).unsqueeze(1)
        # Raised by what has decayed since the block began, the loudest that is left is a running maximum.
        left = (series[:, :, :-_LAG] + fallen).cummax(2).values - fallen
        margin = _NEPER_PER_DB * _DECAY_MARGIN_DB - _LAG * per_frame
        share = 1 - (left[:, :, 1:] + margin - level).exp()
        return share.clamp_min(0), _Past(left[:, :, -1:], series[:, :, -_LAG:])


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
