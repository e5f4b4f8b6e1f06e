"""The delays of claps at known directions, and how well an explanation fits them.

Every explanation is a permutation of the channels, an orthogonal matrix that turns the told directions, a scale of
the array, and an offset and drift of the channels' clocks. Its misfit is a chi-squared: the delays that it leaves,
against the precision of a measured delay, and against the precision with which a hand is held at a told direction.
The latter moves the delays of one clap together, so that two neighbouring microphones which have changed places are
seen although the directions are rough.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from seld.arrays.array import SPEED_OF_SOUND, Array
from seld.arrays.checking.claps import HIGH_HZ, LOW_HZ
from seld.arrays.steering import rigid_sphere

DELAY_S = 6e-6  # precision of one measured delay: an eighth of a sample at 24 kHz, as reverberation leaves it
CLOCKS = ("none", "offset", "drift")  # how many terms of each channel's clock are free


class Evidence(NamedTuple):
    """What was told and measured of the claps."""

    array: Array
    told: np.ndarray
    """(claps, 3) unit vectors"""
    time_s: np.ndarray
    """(claps,)"""
    advance_s: np.ndarray
    """(claps, living channels) see claps.Direct"""
    living: np.ndarray
    """(living channels,) their numbers"""
    told_sd: float
    """radians, precision of the told directions"""
    whitened: dict[bytes, tuple[np.ndarray, np.ndarray]]
    """empty at first; keeps what `_whitening` gave, which most explanations share with others"""


class Explanation(NamedTuple):
    """One way to explain the delays; the first that is tried is the array as declared."""

    permutation: np.ndarray
    """(living channels,): channel c hears what microphone permutation[c] should, as places in `living`"""
    rotation: np.ndarray
    """(3, 3): a clap told at u is heard from rotation @ u"""
    scale: float
    """of the array against the declared one"""
    clock: np.ndarray
    """(2, living channels): seconds by which a channel is early at the first clap, and their growth per second"""
    left_s: np.ndarray
    """(claps, living channels) delays that are left"""
    misfit: float
    """chi-squared, of claps times (channels - 1) terms"""
    penalty: float = 0.0
    """that its faults cost"""


def expected_advance(array: Array, directions: np.ndarray) -> np.ndarray:
    """Seconds (directions, channels) by which each microphone hears a distant clap earlier than the origin."""
    return _advance_and_slope(array, directions)[0]


def _advance_and_slope(array: Array, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`expected_advance`, and its slope (directions, channels, 3) over the direction."""
    if array.kind == "open":
        slope = array.positions / SPEED_OF_SOUND
        return directions @ slope.T, np.broadcast_to(slope, (len(directions), *slope.shape))
    outward = array.positions / np.linalg.norm(array.positions, axis=1, keepdims=True)
    cosine = directions @ outward.T
    grid, advance, slope = _sphere_advance(array.radius_m)
    return np.interp(cosine, grid, advance), np.interp(cosine, grid, slope)[..., None] * outward


def fit(evidence: Evidence, permutation: np.ndarray, rotation: np.ndarray, clock: str, free_scale: bool) -> Explanation:
    """The explanation with the scale (1 if it is not free) and clocks that leave the smallest misfit."""
    channels = evidence.advance_s.shape[1]
    left, solution, expected = solve(evidence, permutation, rotation, clock, free_scale)
    scale = float(solution[0]) if free_scale else 1.0
    terms = CLOCKS.index(clock)
    late = np.zeros((2, channels))
    late[:terms, 1:] = solution[int(free_scale) :].reshape(terms, channels - 1)
    time = (evidence.time_s - evidence.time_s[0])[:, None]
    rest = evidence.advance_s - scale * expected - late[0] - late[1] * time
    misfit = float(left @ left) + 1e6 * (not 0.2 < scale < 5)
    return Explanation(permutation, rotation, scale, late, rest - rest.mean(1, keepdims=True), misfit)


def solve(
    evidence: Evidence, permutation: np.ndarray, rotation: np.ndarray, clock: str, free_scale: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is left of unit variance, the scale (if free) and clocks that leave the least, the expected delays."""
    claps, channels = evidence.advance_s.shape
    whiten, expected = _whitening(evidence, permutation, rotation)
    measured = (whiten @ evidence.advance_s[..., None]).reshape(-1)
    model = (whiten @ expected[..., None]).reshape(-1)
    time = evidence.time_s - evidence.time_s[0]
    terms = [np.ones(claps), time][: CLOCKS.index(clock)]
    columns = [model[:, None]] if free_scale else []
    columns += [(whiten[:, :, 1:] * term[:, None, None]).reshape(-1, channels - 1) for term in terms]
    left = measured if free_scale else measured - model
    if not columns:
        return left, np.zeros(0), expected
    design = np.hstack(columns)
    solution = np.linalg.lstsq(design, left, rcond=None)[0]
    return left - design @ solution, solution, expected


def _whitening(evidence: Evidence, permutation: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (claps, channels - 1, channels) that make delays of unit variance, and the expected delays.

    The covariance of a clap's delays is that of the measurement plus that of a direction which is not quite the
    told one. What is common to all channels is left out, since nobody knows when the hands met.
    """
    key = permutation.tobytes() + rotation.tobytes()
    if key not in evidence.whitened:
        evidence.whitened[key] = _whiten(evidence, permutation, rotation)
    return evidence.whitened[key]


def _whiten(evidence: Evidence, permutation: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    heard = evidence.told @ rotation.T
    expected, slope = _advance_and_slope(evidence.array, heard)
    chosen = evidence.living[permutation]
    contrast = _contrast(len(permutation))
    projected = evidence.told_sd * (contrast @ slope[:, chosen])
    along = projected @ heard[..., None]  # the direction can only move across itself
    covariance = projected @ projected.swapaxes(1, 2) - along @ along.swapaxes(1, 2)
    covariance += DELAY_S**2 * np.eye(len(contrast))
    return np.linalg.inv(np.linalg.cholesky(covariance)) @ contrast, expected[:, chosen]


@cache
def _contrast(channels: int) -> np.ndarray:
    """Rows (channels - 1, channels) of length 1, across each other and what is common to all channels."""
    return np.linalg.qr(np.c_[np.ones(channels), np.eye(channels)[:, 1:]])[0][:, 1:].T


@cache
def _sphere_advance(radius_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosine of the angle to the direction, the seconds by which a microphone there hears a clap earlier, the slope.

    The lag at which its response to a flat spectrum in the band of claps correlates best, phases only.
    """
    frequency = np.linspace(LOW_HZ, HIGH_HZ, 200)
    cosine = np.linspace(-1, 1, 91)
    phase = rigid_sphere(2 * np.pi * frequency / SPEED_OF_SOUND * radius_m, cosine)
    phase /= np.abs(phase)
    lags = np.linspace(-3, 3, 1201) * radius_m / SPEED_OF_SOUND
    curve = (np.exp(-2j * np.pi * frequency[:, None] * lags).T @ phase).real
    # The lags are steps, whose slope would be 0 or infinite.
    smooth = np.polynomial.Polynomial.fit(cosine, lags[curve.argmax(0)], 17)
    return cosine, smooth(cosine), smooth.deriv()(cosine)
