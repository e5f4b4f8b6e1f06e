"""SALSA and SALSA-Lite: level spectrograms with directional cues, bin by bin on the linear scale of frequency.

Nguyen, Watcharasupat, Nguyen, Jones, Gan, "SALSA: Spatial Cue-Augmented Log-Spectrogram Features for Polyphonic
Sound Event Localization and Detection", IEEE/ACM TASLP 2022 (arXiv 2110.00275); Nguyen, Jones, Watcharasupat, Phan,
Gan, "SALSA-Lite: A Fast and Effective Feature ...", ICASSP 2022 (arXiv 2111.08192). They take an FFT and window of
512 samples and a hop of 300 (`fft`, `window` 512, `frames_per_label` 8), the DCASE baselines for SALSA-Lite
1024, 960 and 480.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from seld.arrays import SPEED_OF_SOUND, Array, Symmetry
from seld.audio import SAMPLE_RATE
from seld.features.bins import linear_bins
from seld.features.config import FeatureConfig
from seld.features.eigenvectors import Covariances, principal
from seld.features.logmel_intensity import rotations, turn_features, x_first
from seld.features.noise import audible
from seld.features.spectrogram import Features, decibels, products

_REACH = 3  # frames before and after that the covariance of a bin is the mean of
_GROUP = 8  # bins above `highest_hz` that are averaged
_OFF_ZERO = 1e-12  # power, far below 16-bit samples; keeps the slope of a phase finite at 0


class SalsaLite(Features):
    """Audio (B, M, samples) -> features (B, 2 M - 1, T x frames_per_label, bins).

    Channels: the level of each channel, then the phase differences of each microphone m > 1 to the first,
    normalised by frequency: -c / (2 pi f) arg(X_1* X_m), the distance by which m is farther from the source for one
    plane wave (the public code leaves out the minus). It is given in half wavelengths at `spatial_hz`, `unit_m`
    metres, which brings it to about unit size.

    Bins from `lowest_hz` to before `highest_hz`; phases are 0 from `spatial_hz` on.
    """

    def __init__(self, config: FeatureConfig, array: Array):
        if array.kind == "foa":
            raise ValueError(f"features.array must be microphones at different places for salsa_lite, got {array.name}")
        self.bins = linear_bins(config, array)
        super().__init__(config, array, 2 * array.channels - 1, self.bins.cutoff - self.bins.lowest)
        self.distance = _Distance(config, array)

    @property
    def unit_m(self) -> float:
        """metres of a phase difference of 1"""
        return self.distance.unit_m

    def pieces(self, audio: Tensor) -> Iterator[Tensor]:
        for whole in self.blocks(audio):
            spectrum = whole[..., self.bins.lowest : self.bins.cutoff]
            low = spectrum[..., self.bins.spatial]
            cross = low[:, :1].conj() * low[:, 1:]
            distance = self.distance(cross.real, cross.imag)
            distance = nn.functional.pad(distance, (0, self.bands - distance.shape[-1]))
            yield torch.cat([decibels(products(spectrum, spectrum)), distance], 1)

    def turn(self, features: Tensor, symmetries: Sequence[Symmetry]) -> Tensor:
        """Features (B, channels, ...) of the scenes turned by one symmetry each."""
        return self.distance.turn(features, symmetries)


class Salsa(Features):
    """Audio (B, M, samples) -> features (B, 2 M - 1, T x frames_per_label, bins).

    Channels of Ambisonics: the levels of W, X, Y, Z, then x, y, z of the unit vector along the real part of
    [X, Y, Z] / W in the principal eigenvector of each bin's spatial covariance (EIV). Channels of microphones: the
    level of each, then what SALSA-Lite has, from the phases of the principal eigenvector (EPV).

    The covariance of a bin is the mean of X X^H over 7 frames. The eigenvectors are 0 in bins that fail one of two
    tests: the magnitude of the first channel (root mean square of 3 frames) must be above `signal_ratio` times a
    tracked noise floor, and the first eigenvalue above `coherence_ratio` times the second.

    Bins from `lowest_hz` to `highest_hz`, then means of the power of 8 bins each; eigenvectors are 0 from
    `spatial_hz` on. Frames before the beginning and after the end are silent.
    """

    def __init__(self, config: FeatureConfig, array: Array):
        if array.channels < 2:
            raise ValueError(f"features.array must have 2 channels or more for salsa, got {array.name}")
        self.bins = linear_bins(config, array)
        linear = self.bins.cutoff + 1 - self.bins.lowest
        super().__init__(
            config, array, 2 * array.channels - 1, linear + math.ceil((config.fft // 2 - self.bins.cutoff) / _GROUP)
        )
        self.distance = None if array.kind == "foa" else _Distance(config, array)

    @property
    def unit_m(self) -> float | None:
        """metres of a phase difference of 1; None for Ambisonics"""
        return self.distance.unit_m if self.distance else None

    def pieces(self, audio: Tensor) -> Iterator[Tensor]:
        floor = None
        for spectrum in self.blocks(audio, _REACH):
            near = spectrum[..., self.bins.lowest : self.bins.upper]
            heard, floor = audible(_magnitude(near[:, 0]), self.config.signal_ratio, floor)
            cue = nn.functional.pad(self._cue(near, heard), (0, self.bands - near.shape[-1]))
            yield torch.cat([*self._levels(spectrum[:, :, _REACH:-_REACH]), cue], 1)

    def turn(self, features: Tensor, symmetries: Sequence[Symmetry]) -> Tensor:
        """Features (B, channels, ...) of the scenes turned by one symmetry each.

        Of microphones it differs from the features of the turned audio in the bins that the first channel alone
        hears, or does not, above its noise floor.
        """
        if self.distance:
            return self.distance.turn(features, symmetries)
        return turn_features(features, rotations(symmetries, features))

    def _levels(self, spectrum: Tensor) -> list[Tensor]:
        power = products(spectrum, spectrum)
        linear, high = power[..., self.bins.lowest : self.bins.cutoff + 1], power[..., self.bins.cutoff + 1 :]
        if high.shape[-1]:
            high = nn.functional.avg_pool2d(high, (1, _GROUP), ceil_mode=True)
        level = decibels(torch.cat([linear, high], -1))
        return x_first(level) if self.distance is None else [level]

    def _cue(self, spectrum: Tensor, heard: Tensor) -> Tensor:
        """(B, M, frames + 2 reach, bins) and (B, frames, bins) -> (B, M - 1, frames, bins)."""
        covariances = Covariances(spectrum, _REACH)
        candidates = heard & covariances.may_be_clear(self.config.coherence_ratio)
        (a, b), clear = principal(covariances.where(candidates), self.config.coherence_ratio)
        real, imag = a[0] * a[1:] + b[0] * b[1:], a[0] * b[1:] - b[0] * a[1:]  # conj(first) times the others
        item, frame, number = candidates.nonzero().T
        if self.distance:
            cue = self.distance(real, imag, number)
        else:
            cue = real[[2, 0, 1]]  # y, z, x -> x, y, z
            cue = cue / cue.square().sum(0).clamp_min(_OFF_ZERO).sqrt()
        cues = spectrum.real.new_zeros(len(a) - 1, *heard.shape)
        cues[:, item, frame, number] = torch.where(clear, cue, 0.0)
        return cues.transpose(0, 1)


class _Distance(nn.Module):
    """Real and imaginary parts of conj(X_1) X_m (..., bins) -> by how much m is farther from the source than 1.

    In half wavelengths at `spatial_hz`; the bins are those with spatial features, or `number` says which they are.
    """

    def __init__(self, config: FeatureConfig, array: Array):
        super().__init__()
        bins = linear_bins(config, array)
        self.unit_m = SPEED_OF_SOUND / (2 * bins.spatial_hz)
        frequency = torch.arange(bins.lowest, bins.upper) * (SAMPLE_RATE / config.fft)
        self.register_buffer("per_radian", -bins.spatial_hz / (torch.pi * frequency), persistent=False)

    def forward(self, real: Tensor, imag: Tensor, number: Tensor | None = None) -> Tensor:
        # Contiguous, since atan2 of parts that lie side by side takes nine times as long.
        phase = torch.atan2(imag.contiguous(), real.contiguous() + _OFF_ZERO)
        return phase * (self.per_radian if number is None else self.per_radian[number])

    def turn(self, features: Tensor, symmetries: Sequence[Symmetry]) -> Tensor:
        """Features (B, 2 M - 1, ..., bands) of the scenes turned by one symmetry each.

        Another microphone becomes the first; distances to it are differences, up to whole turns of the phase.
        """
        return torch.stack([self._turn(*item) for item in zip(features, symmetries, strict=True)])

    def _turn(self, features: Tensor, symmetry: Symmetry) -> Tensor:
        permutation = torch.as_tensor(symmetry.permutation)
        level, other = features.split([len(permutation), len(permutation) - 1])
        distance = torch.cat([torch.zeros_like(other[:1]), other])[..., : len(self.per_radian)][permutation]
        turned = distance[1:] - distance[:1]
        period = 2 * torch.pi * self.per_radian
        turned = turned - period * (turned / period).round()
        turned = nn.functional.pad(turned, (0, other.shape[-1] - turned.shape[-1]))
        return torch.cat([level[permutation], turned])


def _magnitude(spectrum: Tensor) -> Tensor:
    """Root mean square (B, frames, bins) of a frame and the two before, of (B, frames + 2 reach, bins)."""
    power = products(spectrum, spectrum)[:, _REACH - 2 : -_REACH]
    return ((power[:, 2:] + power[:, 1:-1] + power[:, :-2]) / 3).sqrt()
