"""Impulse responses of microphones, in the open or on a rigid sphere, from lists of plane waves.

A microphone hears an arrival by another path than the origin does: earlier or later, a little louder or softer
when the source is near. On a rigid sphere the wave bends around it as well. The time of that first path is taken
out and goes into the delay; what is left is a short filter that changes slowly with the angle between microphone
and source. The filters of every angle, fraction of a sample and frequency band are one table, so that a
microphone on a sphere costs little more than one in the open.
"""

import functools
from typing import NamedTuple

import numpy as np
from scipy import fft

from seld.arrays import SPEED_OF_SOUND, Array
from seld.arrays.steering import rigid_sphere
from seld.audio import SAMPLE_RATE
from seld.scenes.rir import CENTRE, KERNELS, STEPS, TAPS, Arrivals

_NEAREST_M = 0.05  # a source inside a microphone would be infinitely loud

_BEFORE, _AFTER = 4, 12  # samples of the sphere's filter around its first path; errs by -50 dB below 9 kHz
_ANGLES = 180  # of the table, in steps of one degree
_FFT = 512


class Paths(NamedTuple):
    """How arrivals reach one microphone, against how they would reach the origin."""

    extra_m: np.ndarray
    """(n,) by how much the way is longer"""
    level: np.ndarray
    """(n,) factor of the amplitude"""
    angle: np.ndarray
    """(n,) radians between the microphone and the source; 0 in the open, where it changes no filter"""


def paths(array: Array, microphone: int, direction: np.ndarray, distance_m: np.ndarray) -> Paths:
    """The ways from sources at unit vectors (n, 3) and distances (n,) to a microphone.

    Around a sphere the shortest way runs along the tangent and then along the surface (Woodworth, 1938).
    """
    position = array.positions[microphone]
    along = direction @ position
    straight = np.sqrt(np.maximum(distance_m**2 - 2 * distance_m * along + position @ position, 0))
    angle = np.zeros_like(straight)
    way = straight
    if array.kind == "sphere":
        radius = np.linalg.norm(position)
        # A path can lead through the sphere only where a user's scene says so.
        far = np.maximum(distance_m, 1.01 * radius)
        angle = np.arccos(np.clip(along / radius, -1, 1))
        horizon = np.arccos(radius / far)
        bent = np.sqrt(far**2 - radius**2) + radius * (angle - horizon)
        way = np.where(angle <= horizon, straight, bent)
    return Paths(way - distance_m, distance_m / np.maximum(way, _NEAREST_M), angle)


def kernels(array: Array) -> np.ndarray:
    """Fractional-delay kernels (angles, STEPS + 1, bands, taps) of the array's microphones, one angle in the open."""
    return KERNELS[None] if array.kind == "open" else _sphere_kernels(array.radius_m)


def centre(array: Array) -> int:
    """The tap of `kernels` on which an arrival at a whole sample falls."""
    return CENTRE if array.kind == "open" else CENTRE + _BEFORE


def margin(array: Array) -> int:
    """Samples by which a microphone's response may begin before the origin hears the sound."""
    reach = np.linalg.norm(array.positions, axis=1).max()
    return centre(array) + int(np.ceil(reach / SPEED_OF_SOUND * SAMPLE_RATE)) + 1


def angle_index(array: Array, angle: np.ndarray) -> np.ndarray:
    """The row of `kernels` for angles (n,), radians."""
    if array.kind == "open":
        return np.zeros(angle.shape, dtype=np.int64)
    return np.rint(angle * (_ANGLES / np.pi)).astype(np.int64)


def encode_capsules(array: Array, arrivals: Arrivals, responses: int, samples: int, shift: float) -> np.ndarray:
    """Impulse responses (responses, microphones, samples), float32.

    Args:
        shift: samples added to every delay, at least `margin` less the smallest delay; what comes before sample 0
            or after the end is left out.
    """
    from seld.scenes.scattering import scatter  # numba takes long to import

    out = np.zeros((array.channels, responses, samples), dtype=np.float32)
    distance = arrivals.delay_s * SPEED_OF_SOUND
    table, first = kernels(array), centre(array)
    for microphone in range(array.channels):
        way = paths(array, microphone, arrivals.direction, distance)
        at = (arrivals.delay_s + way.extra_m / SPEED_OF_SOUND) * SAMPLE_RATE + shift
        whole = np.floor(at).astype(np.int64)
        step = np.rint((at - whole) * STEPS).astype(np.int64)
        gain = (arrivals.gain * way.level[:, None]).astype(np.float32)
        row = angle_index(array, way.angle)
        scatter(out[microphone], arrivals.response, whole - first, gain, table, row, step)
    return out.swapaxes(0, 1)


@functools.cache
def _sphere_kernels(radius_m: float) -> np.ndarray:
    """The open kernels filtered by the sphere at every angle, its first path taken out: (181, STEPS + 1, 2, taps)."""
    angle = np.arange(_ANGLES + 1) * (np.pi / _ANGLES)
    frequency = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
    wavenumber = 2 * np.pi * frequency / SPEED_OF_SOUND
    extra = np.where(angle <= np.pi / 2, -np.cos(angle), angle - np.pi / 2) * radius_m
    rest = rigid_sphere(wavenumber * radius_m, np.cos(angle)) * np.exp(1j * wavenumber[:, None] * extra)
    taps = TAPS + _BEFORE + _AFTER
    table = np.empty((_ANGLES + 1, STEPS + 1, 2, taps), dtype=np.float32)
    # Faded out towards 12 kHz, since a filter that ends there at full height would ring over hundreds of samples.
    fade = np.clip((12_000 - frequency) / 1_000, 0, 1)
    spectrum = fft.rfft(KERNELS.astype(np.float64), _FFT) * fade
    for index, filter_ in enumerate(rest.T):
        filtered = fft.irfft(spectrum * filter_, _FFT)
        table[index] = np.roll(filtered, _BEFORE, axis=-1)[..., :taps]
    return table
