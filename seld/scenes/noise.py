"""Isotropic ambient noise, the same field in every array.

In an isotropic field the spherical harmonics are independent noises. So W, Y, Z and X are four of them, and what
the microphones of an array hear beyond what these four explain is further ones, mixed frequency by frequency so
that all channels have the coherence that plane waves from everywhere give them (Habets, Cohen, Gannot, "Generating
nonstationary multisensor signals under a spatial coherence constraint", JASA 2008, with the channels of several
arrays in one matrix). Arrays that come later in the list do not change the earlier ones.
"""

import functools
from collections.abc import Sequence

import numpy as np
from scipy import fft

from seld.arrays import ARRAYS, Array, diffuse_coherence
from seld.audio import SAMPLE_RATE

_GRID = 256  # frequencies at which the mixture is computed, for an array of up to _SPAN_M; linear between them
_SPAN_M = 0.25
_STEPS = 16  # of the mixture that are worked on together


def diffuse_noise(rng: np.random.Generator, samples: int, microphones: Sequence[Array] = ()) -> list[np.ndarray]:
    """Coloured, slowly swelling noise in FOA (4, samples), and in each array of microphones (channels, samples)."""
    size = fft.next_fast_len(samples, real=True)
    frequency = np.maximum(fft.rfftfreq(size, 1 / SAMPLE_RATE), 40.0).astype(np.float32)
    slope_db = rng.uniform(-9, 0)  # per octave: from the rumble of rooms to hiss
    colour = frequency ** np.float32(slope_db / 6.02)
    colour += colour.mean() * np.float32(rng.uniform(0, 0.3))  # electronics hiss on top
    spectra = [_white(rng, len(frequency)) * colour for _ in range(4)]
    points = 2 + samples // (2 * SAMPLE_RATE)
    swell_db = rng.uniform(-3, 3, points)
    swell = np.interp(np.arange(samples), np.linspace(0, samples, points), 10 ** (swell_db / 20)).astype(np.float32)
    foa = np.stack([fft.irfft(spectrum, size)[:samples] for spectrum in spectra])
    foa[1:] *= np.float32(3**-0.5)  # SN3D: the dipoles have a third of W's power
    foa *= swell
    if not microphones:
        return [foa]
    out, mixture = [foa], _mixture(tuple(microphones), size)
    for array in microphones:
        rows = slice(len(spectra) - 4, len(spectra) - 4 + array.channels)
        spectra += [_white(rng, len(frequency)) * colour for _ in range(array.channels)]
        heard = _mix(spectra, mixture[:, rows, : len(spectra)])
        out.append(np.stack([fft.irfft(spectrum, size)[:samples] for spectrum in heard]) * swell)
    return out


def skip_noise(rng: np.random.Generator, samples: int) -> None:
    """Bring a PCG64 generator to where `diffuse_noise` in FOA would leave it, without drawing."""
    rng.uniform(size=2)
    size = fft.next_fast_len(samples, real=True)
    rng.bit_generator.advance(4 * (size // 2 + 1))  # two float32 take one step of 64 bits
    rng.uniform(size=2 + samples // (2 * SAMPLE_RATE))


def _white(rng: np.random.Generator, bins: int) -> np.ndarray:
    # Uniform numbers cost a third of normal ones, and a sum of that many of them is Gaussian.
    spectrum = rng.random((bins, 2), dtype=np.float32) - np.float32(0.5)
    return spectrum.view(np.complex64)[:, 0]


@functools.lru_cache(maxsize=4)
def _mixture(microphones: tuple[Array, ...], size: int) -> np.ndarray:
    """How much of each independent noise each microphone hears: (frequencies, microphones, 4 + microphones)."""
    reach = max(np.linalg.norm(array.positions, axis=1).max() for array in microphones)
    steps = _GRID * int(np.ceil(max(reach, _SPAN_M) / _SPAN_M))
    per_step = -(-(size // 2 + 1) // steps)
    frequencies = np.arange(steps + 1) * per_step * (SAMPLE_RATE / size)
    factor = _cholesky(diffuse_coherence((ARRAYS["foa"], *microphones), frequencies))
    return factor[:, 4:].astype(np.complex64)


def _cholesky(matrix: np.ndarray) -> np.ndarray:
    """Lower factors L of positive semi-definite matrices (n, c, c) = L L^H.

    At low frequencies the microphones hear nothing that FOA does not explain, so that the matrix is singular and
    NumPy's factorization fails; here a channel without a rest of its own gets none.
    """
    factor = np.zeros_like(matrix)
    for i in range(matrix.shape[1]):
        for k in range(i):
            rest = matrix[:, i, k] - (factor[:, i, :k] * factor[:, k, :k].conj()).sum(1)
            own = factor[:, k, k]
            factor[:, i, k] = np.divide(rest, own, out=np.zeros_like(rest), where=own.real > 1e-5)
        rest = matrix[:, i, i].real - (np.abs(factor[:, i, :i]) ** 2).sum(1)
        factor[:, i, i] = np.sqrt(np.maximum(rest, 0))
    return factor


def _mix(spectra: Sequence[np.ndarray], mixture: np.ndarray) -> np.ndarray:
    """Mix spectra (bins,) by matrices (steps + 1, channels, sources) that lie evenly over the bins."""
    bins, steps = len(spectra[0]), len(mixture) - 1
    per_step = -(-bins // steps)
    ramp = np.arange(per_step, dtype=np.float32) / per_step
    both = np.concatenate([mixture[:-1], mixture[1:] - mixture[:-1]], axis=1)
    out = np.empty((mixture.shape[1], steps * per_step), dtype=np.complex64)
    # Some steps at a time, since fresh memory for all of them costs more than the mixing.
    for begin in range(0, steps, _STEPS):
        some = both[begin : begin + _STEPS]
        part = slice(begin * per_step, (begin + len(some)) * per_step)
        blocks = np.zeros((len(spectra), len(some) * per_step), dtype=np.complex64)
        for block, spectrum in zip(blocks, spectra, strict=True):
            inside = spectrum[part]
            block[: len(inside)] = inside
        here, change = np.split(some @ blocks.reshape(len(spectra), len(some), per_step).swapaxes(0, 1), 2, axis=1)
        change *= ramp
        here += change
        out[:, part] = here.swapaxes(0, 1).reshape(len(out), -1)
    return out[:, :bins]
