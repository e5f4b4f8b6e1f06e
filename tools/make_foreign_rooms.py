"""Impulse responses of rooms that the scene maker did not make, to test localizers on.

    python tools/make_foreign_rooms.py --output rooms --rooms 24 --seed 1
    python recipes/make_scenes.py --output test --split test --responses rooms/foa --events recordings
    python recipes/make_scenes.py --output test_mic --split test --formats mic --responses rooms/mic --events recordings

A localizer can learn the simulator that made its training scenes. These rooms come from pyroomacoustics, and differ
from `seld.scenes` in all that a room is made of:

- every other room is a box whose image sources are followed until they are 60 dB down, without a random tail;
- the others have slanted walls or the shape of an L: image sources around corners, then rays, whose energy is counted
  by the direction, time and octave in which they arrive, with walls that scatter;
- walls are materials of its database, each with its own absorption in seven octaves, one wall a carpet and the next a
  window; air absorbs as well, by octaves too.

What arrives is heard by Ambisonics and by an array on a rigid sphere, which gets the exact series of the sphere
(`seld.arrays.steering`) at every arrival: OUTPUT/foa and OUTPUT/mic hold the same rooms, a folder for each with a file
for each position of the source and positions.csv. Most positions lie close behind each other on lines and arcs, so
that sources can move along them. rooms.csv tells shapes, materials and the reverberation time.

Simplified: waves are plane at the array; of more than ten late arrivals in a millisecond some are left out at
random and the others are louder by as much; positions on one line share the late part; sources radiate the same to all
sides.
"""

import argparse
import csv
import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import pyroomacoustics as pra
import soundfile
from matplotlib.path import Path as MplPath
from pyroomacoustics.doa.utils import fibonacci_spherical_sampling
from scipy import fft

from seld.arrays import SPEED_OF_SOUND, Array, find_array
from seld.arrays.steering import rigid_sphere
from seld.audio import SAMPLE_RATE
from seld.geometry import unit_from_degrees

FLOORS = ("concrete_floor", "linoleum_on_concrete", "marble_floor", "wood_16mm", "carpet_cotton", "carpet_thin",
          "carpet_hairy", "carpet_6mm_closed_cell_foam", "carpet_tufted_9m", "felt_5mm", "audience_1.5_m2")  # fmt: skip
CEILINGS = ("unpainted_concrete", "rough_lime_wash", "plasterboard", "wooden_lining", "ceiling_plasterboard",
            "ceiling_fissured_tile", "ceiling_perforated_gypsum_board", "ceiling_melamine_foam",
            "ceiling_metal_panel")  # fmt: skip
WALLS = ("hard_surface", "brickwork", "rough_concrete", "smooth_brickwork_10mm_pointing", "ceramic_tiles",
         "plasterboard", "wooden_lining", "glass_3mm", "glass_window", "double_glazing_10mm", "plywood_thin",
         "wooden_door", "curtains_cotton_0.5", "curtains_velvet", "curtains_densely_woven", "studio_curtains",
         "blinds_half_open", "panel_fabric_covered_6pcf", "rockwool_50mm_80kgm3", "gypsum_board",
         "perforated_veneered_chipboard", "acoustical_plaster_25mm", "microperforated_foil_kaefer")  # fmt: skip

RT60_S = (0.15, 1.0)
NEAREST_M, FARTHEST_M, WALL_MARGIN_M, ARRAY_MARGIN_M = 0.5, 5.0, 0.3, 0.7
STEP_DEG, STEP_M = 5.0, 0.25  # between one position of a line and the next, whichever is reached first
SHORTEST, LONGEST = 6, 20  # positions of a line
NEAR_ORDER = {"box": 10, "prism": 6}  # reflections of the image sources that every position has of its own
FAR_ORDER = 140  # of the late ones of boxes, whose number grows with the third power
PER_SECOND = 10_000  # late arrivals that are kept: five times as many as the ear takes for smooth
SHARED_S = 0.05  # from when on the late arrivals of neighbours are taken for the same
RAYS, DIRECTIONS, RECEIVER_M = 5000, 300, 0.5

TAPS, STEPS = 81, 64  # of fractional delays
START = 64  # samples of a response before time 0
SPHERE_BEFORE, SPHERE_AFTER = 8, 24  # samples that the sphere's filter takes on either side
ANGLES = 360  # of the sphere, in steps of half a degree
LEVEL = 0.1  # in the files, of a source at 1 m, so that the nearest ones do not clip


class Arrivals(NamedTuple):
    """Plane waves at the array."""

    delay_s: np.ndarray
    """(n,) after the source has emitted"""
    gain: np.ndarray
    """(n, octaves) amplitude; 1 for a source at 1 m"""
    direction: np.ndarray
    """(n, 3) unit vectors to where they come from, room coordinates"""


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

    def eyring_s(self) -> float:
        """The reverberation time at 500 Hz and 1 kHz that the materials promise (Eyring, 1930)."""
        x, y = self.corners_m.T
        floor = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        sides = np.linalg.norm(np.roll(self.corners_m, -1, axis=0) - self.corners_m, axis=1) * self.height_m
        surface = np.r_[floor, floor, sides]
        absorbed = np.array([np.mean(pra.Material(name).absorption_coeffs[2:4]) for name in self.materials])
        mean = absorbed @ surface / surface.sum()
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
    """knows those of many, or has rays"""

    def seen(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (..., 3) of the room along the array's axes."""
        return vectors @ unit_from_degrees(self.yaw_deg + np.array([0, 90, 0]), np.array([0, 0, 90])).T


def draw_room(rng: np.random.Generator, kind: str, rt60_s: float) -> tuple[ForeignRoom, float]:
    """A room of about this reverberation time, and the one that it has, seconds.

    Sound lives longer than the materials promise where they are hard on two opposite walls and soft on the others, so
    that a few rooms are drawn until one keeps it.
    """
    promised, rooms = rt60_s, []
    while len(rooms) < 4 and not (rooms and 0.8 < rooms[-1][1] / rt60_s < 1.2):
        room = _draw_promising(rng, kind, promised)
        rooms.append((room, decay_s(rng, room)))
        promised *= rt60_s / rooms[-1][1]
    return min(rooms, key=lambda found: abs(np.log(found[1] / rt60_s)))


def decay_s(rng: np.random.Generator, room: ForeignRoom) -> float:
    """The reverberation time of a response from -5 to -25 dB, seconds."""
    position = next(iter(_singles(rng, room, 1)))[0]
    both = _joined(near_arrivals(room, position), late_arrivals(rng, room, position))
    response = encode(find_array("foa"), both, _samples(room.shape))[0]
    return float(pra.experimental.measure_rt60(response, SAMPLE_RATE, decay_db=20))


def _draw_promising(rng: np.random.Generator, kind: str, rt60_s: float) -> ForeignRoom:
    """A room whose materials promise about this reverberation time: the best of many."""
    shape = min((_draw_shape(rng, kind) for _ in range(300)), key=lambda room: abs(np.log(room.eyring_s() / rt60_s)))
    low, high = shape.corners_m.min(0), shape.corners_m.max(0)
    top = min(shape.height_m, 2.0)  # arrays stand on tables and tripods
    array = np.zeros(3)
    while not shape.holds(array, ARRAY_MARGIN_M):
        array = rng.uniform([*low, 0.0], [*high, top])
    return furnish(shape, array, rng.uniform(-180, 180))


def furnish(shape: Shape, array_m: np.ndarray, yaw_deg: float) -> ForeignRoom:
    """The room with an array at a position (3,)."""
    order = NEAR_ORDER[shape.kind]
    near = _simulator(shape, array_m, order)
    if shape.kind == "prism":
        far = _simulator(shape, array_m, order)
        far.set_ray_tracing(n_rays=RAYS, receiver_radius=RECEIVER_M, receiver_n_directions=DIRECTIONS)
    else:
        shortest = min(*shape.corners_m.max(0), shape.height_m)
        far = _simulator(shape, array_m, min(FAR_ORDER, int(np.ceil(_longest_m(shape) / shortest))))
    return ForeignRoom(shape, array_m, yaw_deg, near, far)


def near_arrivals(room: ForeignRoom, position_m: np.ndarray) -> Arrivals | None:
    """The image sources of few reflections of a source at (3,); None when a corner hides the source."""
    arrivals, order = _images(room.near, position_m)
    return arrivals if (order == 0).any() else None


def late_arrivals(rng: np.random.Generator, room: ForeignRoom, position_m: np.ndarray) -> Arrivals:
    """What follows `near_arrivals`: further image sources in a box, rays elsewhere."""
    if room.shape.kind == "prism":
        return _rays(rng, room.far, position_m)
    arrivals, order = _images(room.far, position_m)
    late = (order > NEAR_ORDER["box"]) & (arrivals.delay_s * SPEED_OF_SOUND < _longest_m(room.shape))
    return _thinned(rng, _chosen(arrivals, late))


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


def draw_lines(rng: np.random.Generator, room: ForeignRoom, lines: int) -> Iterator[list[np.ndarray]]:
    """Lists of positions (3,), each near the one before, all in sight of the array and within the distances.

    Half of them are straight, half turn about the array.
    """
    while lines:
        start, direction = _draw_start(rng, room), rng.standard_normal(3) * [1, 1, 0.3]
        away = start - room.array_m
        if rng.random() < 0.5:
            path = start + np.arange(-1.5, 1.5, 0.02)[:, None] * direction / np.linalg.norm(direction)
        else:
            turn = np.arange(0, 2 * np.pi, np.radians(0.5))[:, None]
            flat, up = away * [1, 1, 0], np.array([0, 0, 1.0])
            rise = rng.uniform(-0.3, 0.3) * np.linalg.norm(away) * np.minimum(turn, 2 * np.pi - turn) / np.pi
            path = room.array_m + np.cos(turn) * flat + np.sin(turn) * np.cross(up, flat) + (away[2] + rise) * up
        line = _longest(room, _spaced(path - room.array_m) + room.array_m)
        if len(line) >= SHORTEST:
            begin = rng.integers(max(1, len(line) - LONGEST + 1))
            yield line[begin : begin + LONGEST]
            lines -= 1


def _draw_start(rng: np.random.Generator, room: ForeignRoom) -> np.ndarray:
    while True:
        direction = rng.standard_normal(3)
        position = room.array_m + direction / np.linalg.norm(direction) * rng.uniform(NEAREST_M, FARTHEST_M)
        if room.shape.holds(position, WALL_MARGIN_M):
            return position


def _spaced(path: np.ndarray) -> np.ndarray:
    """Those of a fine path (n, 3) from the array that are a step apart."""
    kept = [path[0]]
    for point in path:
        cosine = point @ kept[-1] / (np.linalg.norm(point) * np.linalg.norm(kept[-1]) + 1e-9)
        if cosine < np.cos(np.radians(STEP_DEG)) or np.linalg.norm(point - kept[-1]) > STEP_M:
            kept.append(point)
    return np.array(kept)


def _longest(room: ForeignRoom, path: np.ndarray) -> list[np.ndarray]:
    """The longest stretch of a path (n, 3) on which a source may stand."""
    best, stretch = [], []
    for point in path:
        far = np.linalg.norm(point - room.array_m)
        fits = NEAREST_M <= far <= FARTHEST_M and room.shape.holds(point, WALL_MARGIN_M)
        stretch = [*stretch, point] if fits and near_arrivals(room, point) is not None else []
        best = max(best, stretch, key=len)
    return best


def _draw_shape(rng: np.random.Generator, kind: str) -> Shape:
    length, width, height = rng.uniform([2.8, 2.8, 2.3], [9.0, 8.0, 4.0])
    corners = np.array([[0, 0], [length, 0], [length, width], [0, width]])
    if kind == "prism" and rng.random() < 0.5:
        x, y = rng.uniform(0.4, 0.7, 2) * [length, width]
        corners = np.array([[0, 0], [length, 0], [length, y], [x, y], [x, width], [0, width]])
    elif kind == "prism":
        corners = corners * rng.uniform(0.75, 1.0, (4, 2))
    walls = map(str, rng.choice(WALLS, len(corners)))
    scattering = rng.uniform(0.05, 0.3) if kind == "prism" else 0.0
    return Shape(kind, corners, height, (str(rng.choice(FLOORS)), str(rng.choice(CEILINGS)), *walls), scattering)


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
    room.add_source(array_m + np.array([0.3, 0, 0]))
    return room


def _longest_m(shape: Shape) -> float:
    """The way after which sound has decayed."""
    return max(0.3, 1.5 * shape.eyring_s()) * SPEED_OF_SOUND


def _samples(shape: Shape) -> int:
    return START + int(_longest_m(shape) / SPEED_OF_SOUND * SAMPLE_RATE) + TAPS


def _images(simulator: pra.Room, position_m: np.ndarray) -> tuple[Arrivals, np.ndarray]:
    """The visible image sources of a source at (3,), and how many walls (n,) each was reflected by."""
    source = simulator.sources[0]
    source.position = np.asarray(position_m, dtype=np.float64)
    simulator.image_source_model()
    visible = simulator.visibility[0][0].astype(bool)
    if not visible.any():
        return Arrivals(np.zeros(0), np.zeros((0, len(_BANK.centers))), np.zeros((0, 3))), np.zeros(0, dtype=int)
    way = source.images[:, visible].T - simulator.mic_array.R[:, 0]
    distance = np.linalg.norm(way, axis=1, keepdims=True)
    gain = source.damping[:, visible].T / distance * np.exp(-0.5 * simulator.air_absorption * distance)
    return Arrivals(distance[:, 0] / SPEED_OF_SOUND, gain, way / distance), source.orders[visible]


def _thinned(rng: np.random.Generator, arrivals: Arrivals) -> Arrivals:
    """About PER_SECOND of the arrivals, with their energy.

    Signs are drawn as well: image sources all have the same, and the louder ones that are left would add up to more.
    """
    window = np.floor(arrivals.delay_s * 500).astype(np.int64)  # of 2 ms
    chance = np.minimum(1.0, PER_SECOND / 500 / np.bincount(window)[window])
    sign = np.where(chance < 1, rng.choice([-1, 1], len(chance)), 1)
    louder = arrivals._replace(gain=arrivals.gain * (sign / np.sqrt(chance))[:, None])
    return _chosen(louder, rng.random(len(chance)) < chance)


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


_BANK = pra.acoustics.AntoniOctaveFilterBank(fs=SAMPLE_RATE, n_fft=pra.constants.get("octave_bands_n_fft"))
_BANK_TAPS = 4096  # after which its filters are 90 dB down


@functools.cache
def _octaves(size: int) -> np.ndarray:
    """Frequency responses (octaves, size // 2 + 1) of pyroomacoustics' filters, which have no delay."""
    pulse = np.zeros(_BANK_TAPS)
    pulse[_BANK_TAPS // 2] = 1
    waves = np.stack([_BANK.analysis(pulse, band=octave)[:_BANK_TAPS] for octave in range(len(_BANK.centers))])
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


def write_room(rng: np.random.Generator, room: ForeignRoom, arrays: Sequence[Array], folders: Sequence[Path],
               lines: int, singles: int) -> int:  # fmt: skip
    """Fill a folder for each array; the number of positions."""
    groups = [*draw_lines(rng, room, lines), *_singles(rng, room, singles)]
    rows, samples = [], _samples(room.shape)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for group in groups:
        late = _turned(room, late_arrivals(rng, room, group[len(group) // 2]))
        soon = late.delay_s < SHARED_S
        tails = [encode(array, _chosen(late, ~soon), samples) for array in arrays]
        for position in group:
            near = _turned(room, near_arrivals(room, position))
            # Of a source that is farther than the one in the middle, some of it would come before the direct sound.
            near = _joined(near, _chosen(late, soon & (late.delay_s > near.delay_s.min())))
            name = f"position{len(rows):03d}.flac"
            for array, folder, tail in zip(arrays, folders, tails, strict=True):
                response = LEVEL * (encode(array, near, samples) + tail)
                soundfile.write(folder / name, response.T, SAMPLE_RATE, subtype="PCM_24")
            rows.append((name, *np.round(room.seen(position - room.array_m), 4)))
    for folder in folders:
        write_table(folder / "positions.csv", ("file", "x_m", "y_m", "z_m"), rows)
    return len(rows)


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def _chosen(arrivals: Arrivals, chosen: np.ndarray) -> Arrivals:
    return Arrivals(*(part[chosen] for part in arrivals))


def _joined(first: Arrivals, second: Arrivals) -> Arrivals:
    return Arrivals(*(np.concatenate(parts) for parts in zip(first, second, strict=True)))


def _turned(room: ForeignRoom, arrivals: Arrivals) -> Arrivals:
    return arrivals._replace(direction=room.seen(arrivals.direction))


def _singles(rng: np.random.Generator, room: ForeignRoom, count: int) -> Iterator[list[np.ndarray]]:
    """Groups of eight positions anywhere in sight of the array, about as far as each other."""
    found = []
    while len(found) < count:
        position = _draw_start(rng, room)
        if near_arrivals(room, position) is not None:
            found.append(position)
    found.sort(key=lambda position: np.linalg.norm(position - room.array_m))
    for begin in range(0, count, 8):
        yield found[begin : begin + 8]


def make_rooms(output: Path, rooms: int, seed: int, names: Sequence[str], lines: int, singles: int) -> None:
    """Rooms with reverberation times evenly over RT60_S, boxes and prisms in turn."""
    arrays = [find_array(name) for name in names]
    rows = []
    for number in range(rooms):
        rng = np.random.default_rng([seed, number])
        pra.random.seed(int(rng.integers(2**31)))
        kind = ("box", "prism")[number % 2]
        # Neighbours in number, a box and a prism, share a slice of the range.
        wanted = RT60_S[0] + (number // 2 + rng.random()) / -(-rooms // 2) * (RT60_S[1] - RT60_S[0])
        room, rt60 = draw_room(rng, kind, wanted)
        folders = [output / array.name / f"room{number:03d}" for array in arrays]
        positions = write_room(rng, room, arrays, folders, lines, singles)
        corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in room.shape.corners_m)
        rows.append(
            (folders[0].name, kind, corners, f"{room.shape.height_m:.2f}", f"{room.shape.scattering:.2f}",
             f"{wanted:.2f}", f"{rt60:.2f}", positions, *room.shape.materials)
        )  # fmt: skip
        names_ = ("room", "kind", "corners_m", "height_m", "scattering", "rt60_wanted_s", "rt60_s", "positions")
        write_table(output / "rooms.csv", (*names_, "floor", "ceiling", "walls"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to fill")
    parser.add_argument("--rooms", type=int, default=24, help="how many rooms (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="rooms of one seed are the same (%(default)s)")
    parser.add_argument("--arrays", nargs="+", default=["foa", "mic"], help="who hears them (%(default)s)")
    parser.add_argument("--lines", type=int, default=7, help="lines and arcs of positions in a room (%(default)s)")
    parser.add_argument("--singles", type=int, default=24, help="further positions in a room (%(default)s)")
    options = parser.parse_args()
    make_rooms(options.output, options.rooms, options.seed, options.arrays, options.lines, options.singles)


if __name__ == "__main__":
    main()
