"""Audio to features, as torch modules that run in the loader or in the model.

Log-mel spectrograms and mel-band intensity vectors of first-order Ambisonics, as in the DCASE baselines
(Perotin et al., 2018; Cao et al., 2019).
"""

from dataclasses import dataclass

import torch
import torchaudio
from torch import Tensor, nn

from seld.audio import SAMPLE_RATE
from seld.labels import FRAME_SECONDS

LEVEL_CENTRE_DB, LEVEL_SPREAD_DB = -40.0, 20.0  # bring usual recordings to about zero mean, unit variance
_FLOOR = 1e-10  # power; -100 dB


@dataclass
class FeatureConfig:
    """Time-frequency resolution of the features."""

    fft: int = 1024
    """samples of the Fourier transform at 24 kHz"""
    window: int = 960
    """samples of the Hann window (40 ms)"""
    frames_per_label: int = 5
    """feature frames per label frame of 100 ms; 5 is a hop of 20 ms"""
    mel_bands: int = 64
    """mel bands between 0 and 12 kHz"""

    def __post_init__(self):
        samples = round(SAMPLE_RATE * FRAME_SECONDS)
        if self.frames_per_label < 1 or samples % self.frames_per_label:
            raise ValueError(
                f"features.frames_per_label must divide {samples} samples, got {self.frames_per_label}"
            )
        if not self.hop <= self.window <= self.fft:
            raise ValueError(
                f"features need hop <= window <= fft, got {self.hop}, {self.window} and {self.fft} samples"
            )
        if self.mel_bands < 1:
            raise ValueError(f"features.mel_bands must be >= 1, got {self.mel_bands}")

    @property
    def hop(self) -> int:
        """samples from one feature frame to the next"""
        return round(SAMPLE_RATE * FRAME_SECONDS) // self.frames_per_label


class LogMelIntensity(nn.Module):
    """FOA audio (B, 4, samples) -> features (B, 7, T x frames_per_label, mel_bands).

    Channels: log-mel of W, X, Y, Z (about zero mean and unit variance), then the intensity vector x, y, z.
    The intensity vector of a band is the sum of Re(W* [X, Y, Z]) over its bins, divided by the energy there,
    (|W|^2 + |X|^2 + |Y|^2 + |Z|^2) / 2 with SN3D scaling, so that it is the unit vector towards the source for
    one plane wave and 0 in a diffuse field. Bins count by their energy, since the ratio of a faint bin is noise.

    T counts label frames; the last one may be partly silence. Feature frames lie symmetrically inside their
    label frame.
    """

    channels = 7

    def __init__(self, config: FeatureConfig | None = None):
        super().__init__()
        self.config = config = config or FeatureConfig()
        self.register_buffer("window", torch.hann_window(config.window), persistent=False)
        bank = torchaudio.functional.melscale_fbanks(
            config.fft // 2 + 1, 0.0, SAMPLE_RATE / 2, config.mel_bands, SAMPLE_RATE, "slaney", "slaney"
        )
        self.register_buffer("mel", bank, persistent=False)

    def label_frames(self, samples: int) -> int:
        """Number of label frames that cover so many samples."""
        return -(-samples // (self.config.hop * self.config.frames_per_label))

    def forward(self, audio: Tensor) -> Tensor:
        spectrum = self.spectrum(audio)[:, [0, 3, 1, 2]]  # ACN order W Y Z X -> W X Y Z
        real, imaginary = spectrum.real, spectrum.imag  # (B, 4, frames, bins)
        power = (real.square() + imaginary.square()) @ self.mel
        intensity = (real[:, :1] * real[:, 1:] + imaginary[:, :1] * imaginary[:, 1:]) @ self.mel
        energy = power.sum(1, keepdim=True) / 2
        level = 10 * power.clamp_min(_FLOOR).log10()
        return torch.cat([(level - LEVEL_CENTRE_DB) / LEVEL_SPREAD_DB, intensity / energy.clamp_min(_FLOOR)], 1)

    def spectrum(self, audio: Tensor) -> Tensor:
        """(B, 4, samples) -> complex (B, 4, frames, bins); frame k is centred on sample (k + 1/2) hop."""
        config = self.config
        frames = self.label_frames(audio.shape[-1]) * config.frames_per_label
        left = (config.fft - config.hop) // 2
        right = (frames - 1) * config.hop + config.fft - left - audio.shape[-1]
        padded = nn.functional.pad(audio, (left, right)).flatten(0, 1)
        spectrum = torch.stft(
            padded, config.fft, config.hop, config.window, self.window, center=False, return_complex=True
        )
        return spectrum.unflatten(0, audio.shape[:2]).transpose(-1, -2)


def turn_features(features: Tensor, rotation: Tensor) -> Tensor:
    """Features (B, 7, ...) of the scene turned by axis symmetries (B, 3, 3), see geometry.axis_symmetries."""
    magnitude = rotation.abs()
    level = torch.einsum("bij,bj...->bi...", magnitude, features[:, 1:4])
    intensity = torch.einsum("bij,bj...->bi...", rotation, features[:, 4:7])
    return torch.cat([features[:, :1], level, intensity], 1)
