"""What all kinds of features share: framing, short-time Fourier transform, levels, mel bands.

Spectra are computed and used block by block of frames, so that what lies between stays in the processor's cache.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torchaudio
from torch import Tensor, nn

from seld.arrays import Array
from seld.audio import SAMPLE_RATE
from seld.features.config import FeatureConfig

LEVEL_CENTRE_DB, LEVEL_SPREAD_DB = -40.0, 20.0  # bring usual recordings to about zero mean, unit variance
FLOOR = 1e-10  # power; -100 dB
TINY = 1e-20  # power of a bin that has no phase
_BLOCK = 100  # frames; what is made of them stays in the cache, and the overhead of calls is small
# How far the features of a stretch reach, in label frames: back to the decay that direct-path intensity expects and the
# noise floor of SALSA, and ahead to the end of the transform's window. With so much more audio on both sides they are
# those of the whole recording, but for the noise floor of SALSA, which remembers a little from longer ago.
BEFORE, AFTER = 10, 1


class Features(nn.Module):
    """Audio (B, inputs, samples) -> features (B, channels, T x frames_per_label, bands).

    T counts label frames; the last one may be partly silence. Feature frames lie symmetrically inside their label
    frame: frame k is centred on sample (k + 1/2) hop. The first `inputs` channels are levels of the audio's
    channels, (dB - LEVEL_CENTRE_DB) / LEVEL_SPREAD_DB.

    Each kind is a subclass with `pieces(audio)`, the features of one block of frames after the other, and with
    `turn(features, symmetries)`, which returns the features (B, ...) of the scenes turned by one symmetry of the
    array each.
    """

    vectors = 0
    """kinds of vectors x, y, z that the channels end with, towards where the sound of a band comes from; the last kind
    leaves out what does not come directly"""

    def __init__(self, config: FeatureConfig, array: Array, channels: int, bands: int):
        super().__init__()
        self.config, self.array = config, array
        self.inputs, self.channels, self.bands = array.channels, channels, bands
        before = (config.fft - config.window) // 2
        window = nn.functional.pad(torch.hann_window(config.window), (before, config.fft - config.window - before))
        self.register_buffer("window", window, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        if audio.requires_grad and torch.is_grad_enabled():
            return torch.cat(list(self.pieces(audio)), 2)
        # Without gradients each piece goes to its place while it is in the cache, and memory is half.
        features, end = None, 0
        for piece in self.pieces(audio):
            if features is None:
                features = piece.new_empty(*piece.shape[:2], self.feature_frames(audio.shape[-1]), self.bands)
            begin, end = end, end + piece.shape[2]
            features[:, :, begin:end] = piece
        return features

    def label_frames(self, samples: int) -> int:
        """Number of label frames that cover so many samples."""
        return -(-samples // (self.config.hop * self.config.frames_per_label))

    def feature_frames(self, samples: int) -> int:
        """Number of feature frames in them."""
        return self.label_frames(samples) * self.config.frames_per_label

    def spectrum(self, audio: Tensor) -> Tensor:
        """(B, inputs, samples) -> complex (B, inputs, frames, bins); channels as in the audio."""
        return torch.cat(list(self.blocks(audio)), 2)

    def blocks(self, audio: Tensor, reach: int = 0) -> Iterator[Tensor]:
        """The spectrum in blocks of frames, each with `reach` frames more on both sides, 0 beyond the ends.

        Raises:
            ValueError: when the audio has other channels than the array, or no samples.
        """
        if audio.ndim != 3 or audio.shape[1] != self.inputs or audio.shape[2] == 0:
            raise ValueError(f"audio must be (batch, {self.inputs}, samples), got {tuple(audio.shape)}")
        frames = self.feature_frames(audio.shape[-1])
        for begin in range(0, frames, _BLOCK):
            first, end = begin - reach, min(begin + _BLOCK, frames) + reach
            inside = self._frames(audio, max(first, 0), min(end, frames))
            beyond = (max(-first, 0), max(end - frames, 0))
            yield nn.functional.pad(inside, (0, 0, *beyond)) if any(beyond) else inside

    def _frames(self, audio: Tensor, first: int, end: int) -> Tensor:
        """The spectrum of the frames from `first` to before `end`."""
        config, samples = self.config, audio.shape[-1]
        start = first * config.hop - (config.fft - config.hop) // 2
        stop = start + (end - 1 - first) * config.hop + config.fft
        piece = audio[..., max(start, 0) : max(stop, 0)]
        beyond = (max(-start, 0), max(stop - max(samples, start), 0))
        if any(beyond):
            piece = nn.functional.pad(piece, beyond)
        return torch.fft.rfft(piece.unfold(-1, config.fft, config.hop) * self.window)


class Triangles(NamedTuple):
    """The part of a mel bank (bins, bands) that is not zero, band after band; a band may have no bins."""

    begins: np.ndarray
    """(bands,) the first bin of each band"""
    places: np.ndarray
    """(bands + 1,) where the weights of each band begin; where those of the last one end"""
    weights: np.ndarray
    """float32"""


class MelBank(nn.Module):
    """(..., bins) -> (..., bands): sums of the bins under the triangles of the mel scale (Slaney).

    Neighbouring bands are taken together, from the bins that they have, since most of the matrix is zeros.
    """

    _GROUP = 16

    def __init__(self, config: FeatureConfig):
        super().__init__()
        bank = torchaudio.functional.melscale_fbanks(
            config.fft // 2 + 1, 0.0, SAMPLE_RATE / 2, config.mel_bands, SAMPLE_RATE, "slaney", "slaney"
        )
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("weight", bank.sum(0).clamp_min(FLOOR), persistent=False)
        self.triangles = _triangles(bank)
        self.begins = []
        for index, group in enumerate(bank.split(self._GROUP, 1)):
            used = group.any(1).nonzero().flatten().tolist() or [0]
            self.begins.append(used[0])
            self.register_buffer(f"group{index}", group[used[0] : used[-1] + 1].contiguous(), persistent=False)

    def forward(self, bins: Tensor) -> Tensor:
        if is_plain(bins):
            from seld.features import mel_compiled  # numba takes long to import

            return mel_compiled.band_sums(bins, *self.triangles)
        groups = (getattr(self, f"group{index}") for index in range(len(self.begins)))
        parts = [
            bins[..., begin : begin + len(group)] @ group for begin, group in zip(self.begins, groups, strict=True)
        ]
        return torch.cat(parts, -1)


def _triangles(bank: Tensor) -> Triangles:
    used = [band.nonzero().flatten().tolist() or [0] for band in bank.T]
    parts = [slice(bins[0], bins[-1] + 1) for bins in used]
    places = np.cumsum([0, *(part.stop - part.start for part in parts)])
    weights = torch.cat([band[part] for band, part in zip(bank.T, parts, strict=True)])
    return Triangles(np.array([part.start for part in parts]), places, weights.numpy())


def is_plain(tensor: Tensor) -> bool:
    """Whether compiled loops can take it: they know neither gradients, nor GPUs, nor double precision."""
    single = tensor.dtype in (torch.float32, torch.complex64)
    return single and tensor.device.type == "cpu" and not tensor.requires_grad


def decibels(power: Tensor) -> Tensor:
    """Level features of powers."""
    return power.clamp_min(FLOOR).log10().mul(10 / LEVEL_SPREAD_DB).sub(LEVEL_CENTRE_DB / LEVEL_SPREAD_DB)


def products(a: Tensor, b: Tensor) -> Tensor:
    """Re(conj(a) b) of complex tensors (..., bins), which may broadcast.

    Real and imaginary parts are multiplied where they lie, side by side, which is much faster than complex
    arithmetic.
    """
    pairs = torch.view_as_real(a).flatten(-2) * torch.view_as_real(b).flatten(-2)
    return pairs[..., 0::2] + pairs[..., 1::2]


def unit_phases(spectrum: Tensor, power: Tensor) -> Tensor:
    """The spectrum, whose power is given, with all magnitudes 1; 0 stays 0."""
    return spectrum * power.clamp_min(TINY).rsqrt()


def cross_spectra(spectrum: Tensor) -> Tensor:
    """conj(X_i) X_j of all pairs i < j: complex (B, M, ...) -> (B, M (M - 1) / 2, ...)."""
    return torch.cat([spectrum[:, i : i + 1].conj() * spectrum[:, i + 1 :] for i in range(spectrum.shape[1] - 1)], 1)
