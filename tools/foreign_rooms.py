"""Rooms by pyroomacoustics, and what arrives in them at an array; see make_foreign_rooms.py."""

import functools
from typing import NamedTuple

import numpy as np
import pyroomacoustics as pra
from foreign_hearing import OCTAVES, Arrivals
from matplotlib.path import Path as MplPath
from pyroomacoustics.doa.utils import fibonacci_spherical_sampling

from seld.arrays import SPEED_OF_SOUND
from seld.audio import SAMPLE_RATE
from seld.geometry import unit_from_degrees

NEAR_ORDER = {"box": 10, "prism": 6}  # reflections of the image sources that every position has of its own
LATE_ORDER = 40  # of those that neighbours share in a box
LAST_ORDER = 140  # of those that a whole box shares, whose number grows with the third power
PER_SECOND = 10_000  # late arrivals that are kept: five times as many as the ear takes for smooth
RAYS, DIRECTIONS, RECEIVER_M = 3000, 300, 0.5

_NOTHING = Arrivals(np.zeros(0), np.zeros((0, OCTAVES)), np.zeros((0, 3)))


class Images(NamedTuple):
    """Image sources."""

    arrivals: Arrivals
    order: np.ndarray
    """(n,) how many walls have reflected each"""


class Shape(NamedTuple):
    """An empty room."""

    kind: str
    """box or prism"""
    corners_m: np.ndarray
    """(corners, 2) of the floor, counter-clockwise from the origin"""
    height_m: float
    materials: tuple[str, ...]
    """of the floor, the ceiling and the wall behind each corner"""
    scattering: float
    """share of the energy that walls reflect to all sides"""

    def holds(self, position_m: np.ndarray, margin_m: float) -> bool:
        """Whether a position (3,) lies inside, and as far from the walls."""
        if not margin_m <= position_m[2] <= self.height_m - margin_m:
            return False
        along = np.roll(self.corners_m, -1, axis=0) - self.corners_m
        away = position_m[:2] - self.corners_m
        share = np.clip((away * along).sum(1) / (along**2).sum(1), 0, 1)
        nearest = np.linalg.norm(away - share[:, None] * along, axis=1).min()
        return bool(MplPath(self.corners_m).contains_point(position_m[:2])) and nearest >= margin_m

    def middle_m(self) -> np.ndarray:
        """The middle (3,) of the box around the room."""
        return 0.5 * np.r_[self.corners_m.max(0), self.height_m]

    def decay_s(self) -> float:
        """The time after which nothing is heard any more."""
        return max(0.3, 1.5 * self.eyring_s())

    def eyring_s(self) -> float:
        """The reverberation time at 500 Hz and 1 kHz that the materials promise (Eyring, 1930)."""
        x, y = self.corners_m.T
        floor = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        sides = np.linalg.norm(np.roll(self.corners_m, -1, axis=0) - self.corners_m, axis=1) * self.height_m
        surface = np.r_[floor, floor, sides]
        mean = np.array([_absorption(name) for name in self.materials]) @ surface / surface.sum()
        return 24 * np.log(10) * floor * self.height_m / (-SPEED_OF_SOUND * surface.sum() * np.log(1 - mean))


class ForeignRoom(NamedTuple):
    """A room with an array in it."""

    shape: Shape
    array_m: np.ndarray
    """(3,) position of the array"""
    yaw_deg: float
    """azimuth, in room coordinates, that the array's x axis points to"""
    near: pra.Room
    """knows the image sources of few reflections"""
    far: pra.Room
    """knows those of more, or has rays"""
    last: Arrivals
    """of still more reflections, wherever the source is"""

    def turned(self, arrivals: Arrivals) -> Arrivals:
        """The same with directions along the array's axes."""
        return arrivals._replace(direction=self.seen(arrivals.direction))

    def seen(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (..., 3) of the room along the array's axes."""
        return vectors @ unit_from_degrees(self.yaw_deg + np.array([0, 90, 0]), np.array([0, 0, 90])).T


def furnish(rng: np.random.Generator, shape: Shape, array_m: np.ndarray, yaw_deg: float) -> ForeignRoom:
    """The room with an array at a position (3,)."""
    near = _simulator(shape, array_m, NEAR_ORDER[shape.kind])
    if shape.kind == "prism":
        far = _simulator(shape, array_m, NEAR_ORDER[shape.kind])
        far.set_ray_tracing(n_rays=RAYS, receiver_radius=RECEIVER_M, receiver_n_directions=DIRECTIONS)
        return ForeignRoom(shape, array_m, yaw_deg, near, far, _NOTHING)
    reach = int(np.ceil(shape.decay_s() * SPEED_OF_SOUND / min(*shape.corners_m.max(0), shape.height_m)))
    far = _simulator(shape, array_m, min(LATE_ORDER, reach))
    last = _images(_simulator(shape, array_m, min(LAST_ORDER, reach)), 0.5 * (array_m + shape.middle_m()))
    kept = (last.order > LATE_ORDER) & (last.arrivals.delay_s < shape.decay_s())
    return ForeignRoom(shape, array_m, yaw_deg, near, far, _thinned(rng, last.arrivals.chosen(kept)))


def near_arrivals(room: ForeignRoom, position_m: np.ndarray) -> Arrivals | None:
    """The image sources of few reflections of a source at (3,); None when a corner hides the source."""
    found = _images(room.near, position_m)
    return found.arrivals if (found.order == 0).any() else None


def late_arrivals(rng: np.random.Generator, room: ForeignRoom, position_m: np.ndarray) -> Arrivals:
    """What follows `near_arrivals`: further image sources in a box, rays elsewhere."""
    if room.shape.kind == "prism":
        return _rays(rng, room.far, position_m)
    found = _images(room.far, position_m)
    return _thinned(rng, found.arrivals.chosen(found.order > NEAR_ORDER["box"])).joined(room.last)


def _simulator(shape: Shape, array_m: np.ndarray, order: int) -> pra.Room:
    floor, ceiling, *walls = (pra.Material(name, shape.scattering) for name in shape.materials)
    options = {"fs": SAMPLE_RATE, "air_absorption": True, "max_order": order}
    if shape.kind == "box":
        faces = dict(zip(("south", "east", "north", "west"), walls, strict=True), floor=floor, ceiling=ceiling)
        room = pra.ShoeBox([*shape.corners_m.max(0), shape.height_m], materials=faces, **options)
    else:
        room = pra.Room.from_corners(shape.corners_m.T, materials=walls, **options)
        room.extrude(shape.height_m, materials={"floor": floor, "ceiling": ceiling})
    # A microphone with a pattern makes the ray tracer count by directions; which pattern does not matter here.
    room.add_microphone(array_m, directivity=pra.directivities.FigureEight(pra.directivities.DirectionVector(0, 90)))
    room.add_source(array_m + 0.1)
    return room


def _images(simulator: pra.Room, position_m: np.ndarray) -> Images:
    """The visible image sources of a source at (3,), in room coordinates."""
    source = simulator.sources[0]
    source.position = np.asarray(position_m, dtype=np.float64)
    simulator.image_source_model()
    visible = simulator.visibility[0][0].astype(bool)
    if not visible.any():
        return Images(_NOTHING, np.zeros(0, dtype=int))
    way = source.images[:, visible].T - simulator.mic_array.R[:, 0]
    distance = np.linalg.norm(way, axis=1, keepdims=True)
    gain = source.damping[:, visible].T / distance * np.exp(-0.5 * simulator.air_absorption * distance)
    return Images(Arrivals(distance[:, 0] / SPEED_OF_SOUND, gain, way / distance), source.orders[visible])


def _thinned(rng: np.random.Generator, arrivals: Arrivals) -> Arrivals:
    """About PER_SECOND of the arrivals, with their energy.

    Signs are drawn as well: image sources all have the same, and the louder ones that are left would add up to more.
    """
    window = np.floor(arrivals.delay_s * 500).astype(np.int64)  # of 2 ms
    chance = np.minimum(1.0, PER_SECOND / 500 / np.bincount(window)[window])
    sign = np.where(chance < 1, rng.choice([-1, 1], len(chance)), 1)
    louder = arrivals._replace(gain=arrivals.gain * (sign / np.sqrt(chance))[:, None])
    return louder.chosen(rng.random(len(chance)) < chance)


def _rays(rng: np.random.Generator, simulator: pra.Room, position_m: np.ndarray) -> Arrivals:
    """Random arrivals with the energy that rays bring in each direction, octave and moment."""
    simulator.sources[0].position = np.asarray(position_m, dtype=np.float64)
    simulator.ray_tracing()
    energy = np.stack(simulator.rt_histograms[0][0])  # (directions, octaves, moments)
    energy = energy[:, :, : np.flatnonzero(energy.any((0, 1)))[-1] + 1]
    moment = simulator.rt_args["hist_bin_size"]
    count = int(PER_SECOND * moment)
    total = energy.sum(1)
    heard = np.flatnonzero(total.any(0))
    chosen = np.concatenate([rng.choice(DIRECTIONS, count, p=total[:, at] / total[:, at].sum()) for at in heard])
    when = np.repeat(heard, count)
    share = total[chosen, when] / total.sum(0)[when]
    delay = (when + rng.random(len(when))) * moment
    gain = np.sqrt(energy[chosen, :, when] / (share * count)[:, None]) * rng.choice([-1, 1], (len(when), 1))
    gain *= np.exp(-0.5 * simulator.air_absorption * delay[:, None] * SPEED_OF_SOUND)
    return Arrivals(delay, gain, fibonacci_spherical_sampling(DIRECTIONS).T[chosen])


@functools.cache
def _absorption(material: str) -> float:
    return float(np.mean(pra.Material(material).absorption_coeffs[2:4]))  # of 500 Hz and 1 kHz
