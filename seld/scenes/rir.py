"""Room impulse responses as lists of plane waves, and their encoding into first-order Ambisonics.

A response has two parts. Early: the image sources of the shoebox (Allen and Berkley, 1979), complete up to
a time at which there are about IMAGES of them. Late: plane waves from random directions at random times,
whose energy goes on where that of the images stops and decays by 60 dB in the room's RT60. Both are lists of
arrivals (delay, gain, direction), so that any array can be encoded from the same list and the tails of all
its channels agree in space, which a tail of noise per channel would not.

Gains come in two frequency bands, since high frequencies decay faster. The bands' filters are folded into the
fractional-delay kernels, so a second band costs one multiplication per tap.

pyroomacoustics is the reference in the tests. Its image model finds the same images at three to five times
the cost per source position, and it knows no time up to which they are complete; full responses from images
alone take it seconds.
"""

from typing import NamedTuple

import numpy as np

from seld.arrays import SPEED_OF_SOUND
from seld.audio import SAMPLE_RATE
from seld.scenes.rooms import Room, wall_surfaces

IMAGES = 300  # image sources in the early part; past the mixing time of any room that scenes use
CROSSOVER_HZ = 3000.0
TAPS = 32  # samples of a fractional-delay kernel
CENTRE = TAPS // 2 - 1  # the tap on which an arrival at a whole sample falls
STEPS = 64  # fractions of a sample in the kernel table

_LATE_PER_SECOND = 5000  # the ear takes more than about 2000 arrivals per second for smooth
_DECAY = 6 * np.log(10)  # energy falls by exp(-_DECAY) in one RT60


class Arrivals(NamedTuple):
    """Plane waves that reach the array, in any order."""

    response: np.ndarray
    """(n,) int, which response along a path the wave belongs to"""
    delay_s: np.ndarray
    """(n,) seconds after the source has emitted"""
    gain: np.ndarray
    """(n, bands) amplitude; 1 for the direct sound of a source at 1 m"""
    direction: np.ndarray
    """(n, 3) unit vectors towards where the wave comes from, array coordinates"""


def early_seconds(room: Room) -> float:
    """The time up to which the early part is complete."""
    return (IMAGES * 3 * room.size_m.prod() / (4 * np.pi)) ** (1 / 3) / SPEED_OF_SOUND


def early_arrivals(room: Room, positions_m: np.ndarray, direct: bool = True) -> Arrivals:
    """The image sources of sources at `positions_m` (responses, 3), with or without the source itself."""
    reach = early_seconds(room) * SPEED_OF_SOUND
    axes = zip(positions_m.T, room.array_m, room.size_m, strict=True)
    images, bounces = zip(*(_mirror(*axis, reach) for axis in axes), strict=True)
    along = [images[axis] - room.array_m[axis] for axis in range(3)]
    squared = along[0][:, :, None, None] ** 2 + along[1][:, None, :, None] ** 2 + along[2][:, None, None, :] ** 2
    centre = tuple(int(np.flatnonzero(axis.sum(0) == 0)[0]) for axis in bounces)
    chosen = squared <= reach**2
    chosen[(slice(None), *centre)] = direct
    response, *cell = np.nonzero(chosen)
    position = np.stack([images[axis][response, cell[axis]] for axis in range(3)], axis=1)
    count = np.concatenate([bounces[axis][:, cell[axis]] for axis in range(3)])
    direction, distance = room.directions(position)
    gain = np.exp(-0.5 * wall_losses(room) @ count).T / distance[:, None]
    return Arrivals(response, distance / SPEED_OF_SOUND, gain, direction)


def late_arrivals(room: Room, rng: np.random.Generator) -> Arrivals:
    """Random plane waves from the end of the early part until they are 60 dB down; one response.

    In a diffuse field images arrive at a rate of 4 pi c^3 t^2 / V, each with the energy 1 / (c t)^2 of its
    distance: 4 pi c / V per second, times the decay. That is the level on which the tail begins.
    """
    begin, end = early_seconds(room), room.rt60_s.max()
    count = max(0, int((end - begin) * _LATE_PER_SECOND))
    delay = begin + (np.arange(count) + rng.random(count)) / _LATE_PER_SECOND
    energy = 4 * np.pi * SPEED_OF_SOUND / room.size_m.prod() / _LATE_PER_SECOND
    gain = np.sqrt(energy * np.exp(-_DECAY * delay[:, None] / room.rt60_s)) * rng.standard_normal((count, 1))
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return Arrivals(np.zeros(count, dtype=int), delay, gain, direction)


def wall_losses(room: Room) -> np.ndarray:
    """Energy lost at each wall, (bands, 6), as the exponent of a decay (Eyring: -log(1 - absorption))."""
    mean = 4 * room.size_m.prod() * _DECAY / (SPEED_OF_SOUND * wall_surfaces(room.size_m).sum() * room.rt60_s)
    return mean[:, None] * room.wall_weights


def encode_foa(arrivals: Arrivals, responses: int, samples: int, shift: float = 0) -> np.ndarray:
    """Impulse responses (responses, 4, samples), float32: ACN order W, Y, Z, X, SN3D.

    Args:
        shift: samples added to every delay. A kernel begins CENTRE samples before its arrival, so what comes
            before sample CENTRE, or after the end, is left out.
    """
    at = arrivals.delay_s * SAMPLE_RATE + shift
    whole = np.floor(at).astype(np.int64)
    step = np.rint((at - whole) * STEPS).astype(np.int64)
    kept = (whole >= CENTRE) & (whole + TAPS - CENTRE <= samples)
    whole, step, gain = whole[kept], step[kept], arrivals.gain[kept].astype(np.float32)
    wave = np.einsum("nb,nbt->nt", gain, KERNELS[step])
    index = (arrivals.response[kept] * samples + whole - CENTRE)[:, None] + np.arange(TAPS)
    x, y, z = arrivals.direction[kept].T.astype(np.float32)
    channels = [
        np.bincount(index.ravel(), (wave * scale[:, None]).ravel(), minlength=responses * samples)
        for scale in (np.ones_like(x), y, z, x)
    ]
    return np.stack(channels).reshape(4, responses, samples).swapaxes(0, 1).astype(np.float32)


def _mirror(source: np.ndarray, array: float, side: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Images along one axis that `reach` the array: positions (responses, cells), bounces (2, cells)."""
    cell = np.arange(-int((reach - array) // side) - 2, int((reach + array) // side) + 3)
    odd = cell % 2 != 0
    images = np.where(odd, (cell + 1) * side - source[:, None], cell * side + source[:, None])
    # Going up through n walls one meets the high wall first, then the low one in turn.
    first, second = (np.abs(cell) + 1) // 2, np.abs(cell) // 2
    return images, np.where(cell < 0, (first, second), (second, first))


def _kernel_table() -> np.ndarray:
    """Windowed-sinc kernels (STEPS + 1, 2, TAPS) of each fraction of a sample, split at CROSSOVER_HZ."""
    time = np.arange(TAPS) - CENTRE - np.linspace(0, 1, STEPS + 1)[:, None]
    window = np.cos(np.pi * time / (TAPS + 1)) ** 2
    ratio = 2 * CROSSOVER_HZ / SAMPLE_RATE
    low = ratio * np.sinc(ratio * time) * window
    return np.stack([low, np.sinc(time) * window - low], axis=1).astype(np.float32)


KERNELS = _kernel_table()
