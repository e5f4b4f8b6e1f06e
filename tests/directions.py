"""Directions measured from recordings, without features."""

import itertools

import numpy as np

from seld.arrays import steering
from seld.geometry import fibonacci_sphere


def intensity_direction(foa):
    """Unit vector (3,) along the mean active intensity of Ambisonics (4, samples)."""
    w, y, z, x = np.fft.rfft(np.asarray(foa, dtype=np.float64))
    vector = np.array([(w.conj() * axis).real.sum() for axis in (x, y, z)])
    return vector / np.linalg.norm(vector)


def beam_share(array, audio, directions):
    """Share (directions,) of the energy from 300 to 8000 Hz of (channels, samples) that one wave from each explains.

    It is 1 for the direction of a single plane wave, and of others that the array cannot tell from it.
    """
    audio = np.asarray(audio, dtype=np.float64)
    frequencies = np.fft.rfftfreq(audio.shape[-1], 1 / 24000)
    used = np.flatnonzero((frequencies > 300) & (frequencies < 8000))
    used = used[:: max(1, len(used) // 30)]
    spectrum = np.fft.rfft(audio).T[used]
    response = steering(array, np.atleast_2d(directions), frequencies[used])
    explained = np.abs(np.einsum("fdc,fc->fd", response.conj(), spectrum)) ** 2
    return (explained / (np.abs(response) ** 2).sum(-1)).sum(0) / (np.abs(spectrum) ** 2).sum()


def beam_direction(array, audio, points=1000):
    """The direction (3,) of the strongest beam, on a grid of about 6 degrees."""
    grid = fibonacci_sphere(points)
    return grid[beam_share(array, audio, grid).argmax()]


def delays(audio, finer=16):
    """Seconds (pairs,) by which the second of each pair i < j hears later, at the peak of the cross-correlation."""
    audio = np.asarray(audio, dtype=np.float64)
    spectrum = np.fft.rfft(audio)
    found = []
    for i, j in itertools.combinations(range(len(audio)), 2):
        correlation = np.fft.irfft(spectrum[i].conj() * spectrum[j], finer * audio.shape[-1])
        lag = correlation.argmax()
        found.append((lag if lag < len(correlation) / 2 else lag - len(correlation)) / finer / 24000)
    return np.array(found)


def angle_deg(a, b):
    """Angle between unit vectors (3,), degrees."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.rad2deg(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))
