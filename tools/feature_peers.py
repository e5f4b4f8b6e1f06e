"""Published features written anew from their equations, in NumPy and librosa, for bench_data.py and for the tests.

Spectra are complex128 (channels, frames, bins). Nothing here is fast on purpose or slow on purpose: it is what one
writes down from the papers, and what the baselines do file by file, with the calls that they make.
"""

from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
from scipy.io import wavfile
from sklearn.preprocessing import StandardScaler

RATE = 24_000
SPEED_OF_SOUND = 343.0
EPSILON = 1e-8  # what the DCASE baselines add to samples and energies
REACH = 3  # frames to each side in the covariances of SALSA


def read(path: Path) -> np.ndarray:
    """Samples (channels, samples) of a 16-bit WAV file, as the baselines read them."""
    _, samples = wavfile.read(path)
    return samples.T / 32768.0 + EPSILON


def stft(audio: np.ndarray, fft: int = 1024, window: int = 960, hop: int = 480, layout: str = "plain") -> np.ndarray:
    """Spectra of a clip, channel by channel; frame k is centred on sample k hop.

    Args:
        layout: how they lie in memory: channels, frames, bins ("plain"), as the DCASE baselines since 2022 have them
            (channels, bins, frames), or as DOAnet and the baselines before them (frames, bins, channels; "last").
    """
    spectra = [librosa.stft(np.ascontiguousarray(c), n_fft=fft, hop_length=hop, win_length=window) for c in audio]
    if layout == "dcase":
        return np.array(spectra).transpose(0, 2, 1)
    if layout == "plain":
        return np.array([spectrum.T for spectrum in spectra], dtype=np.complex128)
    last = np.zeros((*spectra[0].T.shape, len(spectra)), dtype=complex)
    for channel, spectrum in enumerate(spectra):
        last[:, :, channel] = spectrum.T
    return np.moveaxis(last, -1, 0)


def mel_bank(fft: int = 1024, bands: int = 64) -> np.ndarray:
    """(bins, bands)"""
    return librosa.filters.mel(sr=RATE, n_fft=fft, n_mels=bands).T


def log_mel(spectra: np.ndarray, bank: np.ndarray, top_db: float | None = 80.0) -> np.ndarray:
    """(channels, frames, bands) in dB; the baselines cut at 80 dB below the loudest cell of a file."""
    return np.stack([librosa.power_to_db(np.abs(spectrum) ** 2 @ bank, top_db=top_db) for spectrum in spectra])


def intensity(spectra: np.ndarray, bank: np.ndarray, at_once: bool = True) -> np.ndarray:
    """(3, frames, bands) of the DCASE baselines and DOAnet; y, z, x for channels in ACN order.

    Args:
        at_once: x, y and z in one np.dot, as DOAnet and the DCASE baselines since 2022 have it, which takes no BLAS for
            arrays of three axes and is slow; else one by one, as the baselines before them.
    """
    omni, first = spectra[0], spectra[1:]
    active = np.real(np.conj(omni) * first)
    energy = EPSILON + np.abs(omni) ** 2 + (np.abs(first) ** 2).sum(0) / 3
    if at_once:
        return np.dot((active / energy).transpose(1, 0, 2), bank).transpose(1, 0, 2)
    return np.stack([np.dot(component / energy, bank) for component in active])


def gcc_phat(spectra: np.ndarray, lags: int = 64) -> np.ndarray:
    """(pairs, frames, lags) around lag 0, as in the DCASE baselines."""
    pairs = []
    for i in range(len(spectra)):
        for j in range(i + 1, len(spectra)):
            cross = np.conj(spectra[i]) * spectra[j]
            correlation = np.fft.irfft(np.exp(1j * np.angle(cross)))
            pairs.append(np.concatenate([correlation[:, -(lags // 2) :], correlation[:, : lags // 2]], -1))
    return np.stack(pairs)


class Script(NamedTuple):
    """How a published extraction goes about the same features."""

    layout: str
    """see stft"""
    at_once: bool
    """see intensity"""


SCRIPTS = {
    "DOAnet": Script("last", at_once=True),
    "DCASE 2020-2021": Script("last", at_once=False),
    "DCASE 2022-2024": Script("dcase", at_once=True),
}


def extract(path: Path, bank: np.ndarray, script: Script) -> np.ndarray:
    """(frames, channels x bands) of a file: log-mel with intensity (foa in its name) or GCC-PHAT."""
    spectra = stft(read(path), layout=script.layout)
    foa = "foa" in path.name
    spatial = intensity(spectra, bank, script.at_once) if foa else gcc_phat(spectra, bank.shape[1])
    return np.concatenate([log_mel(spectra, bank), spatial]).transpose(1, 0, 2).reshape(spectra.shape[1], -1)


def extract_to_files(path: Path, bank: np.ndarray, script: Script) -> np.ndarray:
    """The same as the scripts leave it: saved, standardised by what all files have, saved again."""
    raw, standardised = path.with_suffix(".raw.npy"), path.with_suffix(".npy")
    np.save(raw, extract(path, bank, script))
    scaler = StandardScaler()
    scaler.partial_fit(np.load(raw))
    features = scaler.transform(np.load(raw))
    np.save(standardised, features)
    return features


def log_linear(spectra: np.ndarray) -> np.ndarray:
    """(channels, frames, bins) in dB."""
    return librosa.power_to_db(np.abs(spectra) ** 2, amin=1e-10, top_db=None)


def salsa_lite(spectra: np.ndarray, fft: int, upper: int) -> np.ndarray:
    """-c / (2 pi f) arg(X_1* X_m) in metres (channels - 1, frames, bins); 0 from bin `upper` on."""
    frequency = np.arange(spectra.shape[-1]) * RATE / fft
    frequency[0] = 1  # the bin is not among the features
    phase = np.angle(np.conj(spectra[:1]) * spectra[1:])
    distance = -SPEED_OF_SOUND / (2 * np.pi * frequency) * phase
    distance[..., upper:] = 0
    return distance


def noise_mask(magnitude: np.ndarray, ratio: float = 1.5) -> np.ndarray:
    """Which (frames, bins) are above `ratio` times the floor that SALSA tracks."""
    floor = 0.5 * magnitude[:5].mean(0)
    in_a_row = np.zeros(magnitude.shape[1])
    mask = np.zeros(magnitude.shape, dtype=bool)
    for frame, now in enumerate(magnitude):
        above = now > floor
        in_a_row = np.where(above, in_a_row + 1, 0)
        factor = np.where(above, np.where(in_a_row > 3, 1.002, 1.02), 0.98)
        floor = np.maximum(floor * factor, 1e-6)
        mask[frame] = now > ratio * floor
    return mask


def salsa(spectra: np.ndarray, fft: int | None = None, lower: int = 1, coherence: float = 5.0, loop: bool = False):
    """(channels - 1, frames, bins) of the principal eigenvectors of spectra of the bins from `lower` on.

    EIV (y, z, x) without `fft`, and EPV in metres with it. `loop` decomposes bin by bin as the authors' code does,
    in place of all bins at once.
    """
    channels, frames, bins = spectra.shape
    silence = np.zeros((channels, REACH, bins))
    padded = np.concatenate([silence, spectra, silence], 1)
    power = sum(np.abs(padded[0, REACH - lag : REACH - lag + frames]) ** 2 for lag in range(3)) / 3
    mask = noise_mask(np.sqrt(power))
    cue = np.zeros((channels - 1, frames, bins))
    if loop:
        for frame, number in np.argwhere(mask):
            near = padded[:, frame : frame + 2 * REACH + 1, number]
            vectors, values, _ = np.linalg.svd(near @ near.conj().T / near.shape[1])
            if values[0] > coherence * values[1]:
                cue[:, frame, number] = _normalized(vectors[:, 0], fft, np.array(lower + number))
        return cue
    near = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1, axis=1)[:, mask]
    values, vectors = np.linalg.eigh(np.einsum("ink,jnk->nij", near, near.conj()) / near.shape[-1])
    clear = values[:, -1] > coherence * values[:, -2]
    frame, number = np.argwhere(mask)[clear].T
    cue[:, frame, number] = _normalized(vectors[clear, :, -1].T, fft, lower + number)
    return cue


def _normalized(vector: np.ndarray, fft: int | None, bins: np.ndarray) -> np.ndarray:
    """(channels, ...) -> (channels - 1, ...)."""
    relative = vector[1:] / vector[0]
    if fft is None:
        return relative.real / np.sqrt((relative.real**2).sum(0))
    return -SPEED_OF_SOUND * fft / (2 * np.pi * RATE * bins) * np.angle(relative)


def compressed(spectra: np.ndarray, lower: int, cutoff: int) -> np.ndarray:
    """The log spectrogram of SALSA: bins up to the cutoff, then means of eight."""
    power = np.abs(spectra) ** 2
    high = [power[..., k : k + 8].mean(-1, keepdims=True) for k in range(cutoff + 1, power.shape[-1], 8)]
    return librosa.power_to_db(np.concatenate([power[..., lower : cutoff + 1], *high], -1), amin=1e-10, top_db=None)
