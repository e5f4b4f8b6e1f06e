"""What Ambisonics, or microphones on a sphere, hear of sounds that arrive in plane waves; see make_foreign_rooms.py."""

import functools
from typing import NamedTuple

import numba
import numpy as np
import pyroomacoustics as pra
from scipy import fft

from seld.arrays import SPEED_OF_SOUND, Array
from seld.arrays.steering import rigid_sphere
from seld.audio import SAMPLE_RATE

TAPS, STEPS = 81, 64  # of fractional delays
START = 64  # samples of a response before time 0
SPHERE_BEFORE, SPHERE_AFTER = 8, 24  # samples that the sphere's filter takes on either side
ANGLES = 360  # of the sphere, in steps of half a degree

_BANK = pra.acoustics.AntoniOctaveFilterBank(fs=SAMPLE_RATE, n_fft=pra.constants.get("octave_bands_n_fft"))
_BANK_TAPS = 4096  # after which its filters are 90 dB down
OCTAVES = len(_BANK.centers)


class Arrivals(NamedTuple):
    """Plane waves at the array."""

    delay_s: np.ndarray
    """(n,) after the source has emitted"""
    gain: np.ndarray
    """(n, octaves) amplitude; 1 for a source at 1 m"""
    direction: np.ndarray
    """(n, 3) unit vectors to where they come from"""

    def chosen(self, index: np.ndarray) -> "Arrivals":
        """Some of them, by a mask or by numbers."""
        return Arrivals(*(part[index] for part in self))

    def joined(self, other: "Arrivals") -> "Arrivals":
        """These and others."""
        return Arrivals(*(np.concatenate(parts) for parts in zip(self, other, strict=True)))


def encode(array: Array, arrivals: Arrivals, samples: int) -> np.ndarray:
    """Impulse response (channels, samples) float32; time 0 is sample START, and what comes after the end is left out.

    Args:
        arrivals: with directions along the array's axes.
    """
    at = arrivals.delay_s * SAMPLE_RATE + START
    whole = np.floor(at).astype(np.int64)
    step = np.rint((at - whole) * STEPS).astype(np.int64)
    kernels, centre = _kernels(array.radius_m if array.kind == "sphere" else None)
    out = np.zeros((array.channels, samples), dtype=np.float32)
    for channel in range(array.channels):
        gain, row = arrivals.gain, np.zeros(len(at), dtype=np.int64)
        if array.kind == "sphere":
            cosine = arrivals.direction @ array.positions[channel] / array.radius_m
            row = np.rint(np.arccos(np.clip(cosine, -1, 1)) * (ANGLES / np.pi)).astype(np.int64)
        else:
            x, y, z = arrivals.direction.T
            gain = gain * (np.ones_like(x), y, z, x)[channel][:, None]
        octaves = np.zeros((gain.shape[1], samples), dtype=np.float32)
        _scatter(octaves, whole - centre, gain.astype(np.float32), kernels, row, step)
        size = fft.next_fast_len(samples + _BANK_TAPS, real=True)
        out[channel] = fft.irfft((fft.rfft(octaves, size) * _octaves(size)).sum(0), size)[:samples]
    return out


@functools.cache
def _octaves(size: int) -> np.ndarray:
    """Frequency responses (octaves, size // 2 + 1) of pyroomacoustics' filters, which have no delay."""
    pulse = np.zeros(_BANK_TAPS)
    pulse[_BANK_TAPS // 2] = 1
    waves = np.stack([_BANK.analysis(pulse, band=octave)[:_BANK_TAPS] for octave in range(OCTAVES)])
    waves = np.pad(waves, ((0, 0), (0, size - _BANK_TAPS)))
    return fft.rfft(np.roll(waves, -_BANK_TAPS // 2, axis=-1)).astype(np.complex64)


@functools.cache
def _kernels(radius_m: float | None) -> tuple[np.ndarray, int]:
    """Fractional delays (angles, STEPS + 1, taps) and the tap of time 0: of Ambisonics, or as a sphere bends them."""
    time = np.arange(TAPS) - TAPS // 2 - np.linspace(0, 1, STEPS + 1)[:, None]
    plain = np.sinc(time) * np.cos(np.pi * time / (TAPS + 1)) ** 2
    if radius_m is None:
        return plain[None].astype(np.float32), TAPS // 2
    size = 512
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    angle = np.linspace(0, np.pi, ANGLES + 1)
    bent = rigid_sphere(2 * np.pi * frequency / SPEED_OF_SOUND * radius_m, np.cos(angle)).T[:, None]
    # Faded out towards half the sample rate, since a filter that ends there at full height would ring.
    fade = np.clip((SAMPLE_RATE / 2 - frequency) / 1000, 0, 1)
    wave = np.fft.irfft(np.fft.rfft(plain, size) * bent * fade, size)
    wave = np.roll(wave, SPHERE_BEFORE, axis=-1)[..., : TAPS + SPHERE_BEFORE + SPHERE_AFTER]
    return wave.astype(np.float32), TAPS // 2 + SPHERE_BEFORE


@numba.njit(cache=True)
def _scatter(out, first, gain, kernels, row, step):
    """Add a kernel for each arrival to `out` (octaves, samples), from sample `first` (n,) on."""
    octaves, samples = out.shape
    for i in range(len(first)):
        kernel = kernels[row[i], step[i]]
        if first[i] < 0 or first[i] + len(kernel) > samples:
            continue
        for octave in range(octaves):
            for tap in range(len(kernel)):
                out[octave, first[i] + tap] += gain[i, octave] * kernel[tap]
