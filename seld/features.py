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
_DECAY_S = 0.7  # time in which reverberation is expected to decay by 60 dB
_DECAY_MARGIN_DB = 3.0  # how far above that decay a bin has to be to count


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
    direct: bool = True
    """also the direct-path intensity vector, which leaves out diffuse and reverberant bins"""

    def __post_init__(self):
        samples = round(SAMPLE_RATE * FRAME_SECONDS)
        if self.frames_per_label < 1 or samples % self.frames_per_label:
            raise ValueError(f"features.frames_per_label must divide {samples} samples, got {self.frames_per_label}")
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
    """FOA audio (B, 4, samples) -> features (B, channels, T x frames_per_label, mel_bands).

    Channels: log-mel of W, X, Y, Z (about zero mean and unit variance), the intensity vector x, y, z, and with
    `direct` the direct-path intensity vector x, y, z.

    The intensity vector of a band is the sum of Re(W* [X, Y, Z]) over its bins, divided by the energy there,
    (|W|^2 + |X|^2 + |Y|^2 + |Z|^2) / 2 with SN3D scaling, so that it is the unit vector towards the source for
    one plane wave and 0 in a diffuse field. Bins count by their energy, since the ratio of a faint bin is noise.

    The direct-path intensity vector is the mean over the bins of the band of unit vectors, each weighed by the
    fourth power of its directness (the length of the bin's own intensity vector, one minus the diffuseness of
    Merimaa and Pulkki, JAES 2005) and by the share of its energy that no earlier, decaying sound explains.

    T counts label frames; the last one may be partly silence. Feature frames lie symmetrically inside their
    label frame.
    """

    def __init__(self, config: FeatureConfig | None = None):
        super().__init__()
        self.config = config = config or FeatureConfig()
        self.register_buffer("window", torch.hann_window(config.window), persistent=False)
        bank = torchaudio.functional.melscale_fbanks(
            config.fft // 2 + 1, 0.0, SAMPLE_RATE / 2, config.mel_bands, SAMPLE_RATE, "slaney", "slaney"
        )
        self.register_buffer("mel", bank, persistent=False)
        self.channels = 10 if config.direct else 7

    def label_frames(self, samples: int) -> int:
        """Number of label frames that cover so many samples."""
        return -(-samples // (self.config.hop * self.config.frames_per_label))

    def forward(self, audio: Tensor) -> Tensor:
        spectrum = self.spectrum(audio)[:, [0, 3, 1, 2]]  # ACN order W Y Z X -> W X Y Z
        real, imaginary = spectrum.real, spectrum.imag  # (B, 4, frames, bins)
        power = real.square() + imaginary.square()
        intensity = real[:, :1] * real[:, 1:] + imaginary[:, :1] * imaginary[:, 1:]
        energy = power.sum(1, keepdim=True) / 2
        level = 10 * (power @ self.mel).clamp_min(_FLOOR).log10()
        features = [
            (level - LEVEL_CENTRE_DB) / LEVEL_SPREAD_DB,
            (intensity @ self.mel) / (energy @ self.mel).clamp_min(_FLOOR),
        ]
        if self.config.direct:
            features.append(self._direct(intensity, energy))
        return torch.cat(features, 1)

    def _direct(self, intensity: Tensor, energy: Tensor) -> Tensor:
        """(B, 3, frames, bins) and (B, 1, frames, bins) -> (B, 3, frames, mel_bands)."""
        vector = intensity / energy.clamp_min(_FLOOR)
        directness = vector.square().sum(1, keepdim=True).clamp(1e-6, 1).sqrt()
        weight = directness**3 * self._fresh_share(energy)  # the vector brings the fourth power itself
        return (vector * weight) @ (self.mel / self.mel.sum(0))

    def _fresh_share(self, energy: Tensor) -> Tensor:
        """The share in [0, 1] of each bin's energy (B, 1, frames, bins) that earlier sound does not explain.

        The loudest that is left of earlier frames falls by 60 dB in _DECAY_S. The two frames before do not
        count: their windows overlap with this one's.
        """
        lag = 2
        level = 10 * energy.clamp_min(_FLOOR).log10()
        per_frame = 60 * self.config.hop / SAMPLE_RATE / _DECAY_S
        fallen = per_frame * torch.arange(level.shape[2], device=level.device, dtype=level.dtype).unsqueeze(1)
        # Raised by what has decayed since the start, the loudest that is left is a running maximum.
        left = (level + fallen).cummax(2).values[:, :, :-lag] - fallen[lag:] + _DECAY_MARGIN_DB
        share = 1 - 10 ** ((left - level[:, :, lag:]) / 10)
        return torch.cat([torch.ones_like(level[:, :, :lag]), share.clamp_min(0)], 2)

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
    """Features (B, channels, ...) of the scene turned by axis symmetries (B, 3, 3), see geometry.axis_symmetries."""
    level = torch.einsum("bij,bj...->bi...", rotation.abs(), features[:, 1:4])
    vectors = features[:, 4:].unflatten(1, (-1, 3))
    turned = torch.einsum("bij,bkj...->bki...", rotation, vectors).flatten(1, 2)
    return torch.cat([features[:, :1], level, turned], 1)
