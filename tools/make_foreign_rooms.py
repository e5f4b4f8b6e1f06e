"""Impulse responses of rooms that the scene maker did not make, to test localizers on.

    python tools/make_foreign_rooms.py --output rooms --rooms 24 --seed 1
    python tools/gather_recordings.py --output recordings
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

Simplified: waves are plane at the array; of more than ten late arrivals in a millisecond some are left out at random
and the others are louder by as much; positions on one line share what comes after 50 ms, or more than 10 reflections in
a box, whose sources all share what comes after 40; sources radiate the same to all sides. A room takes 5 to 10 seconds
of processor time. pyroomacoustics comes with pip install -e ".[test]".
"""

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyroomacoustics as pra
import soundfile
from foreign_hearing import START, TAPS, encode
from foreign_rooms import ForeignRoom, Shape, furnish, late_arrivals, near_arrivals

from seld.arrays import Array, find_array
from seld.audio import SAMPLE_RATE

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
SHORTEST, LONGEST = 6, 16  # positions of a line
SHARED_S = 0.05  # from when on the late arrivals of neighbours are taken for the same
COLUMNS = ("room", "kind", "corners_m", "height_m", "scattering", "rt60_wanted_s", "rt60_s", "positions", "floor",
           "ceiling", "walls")  # fmt: skip
LEVEL = 0.1  # in the files, of a source at 1 m, so that the nearest ones do not clip


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
        shape, name = room.shape, folders[0].name
        corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in shape.corners_m)
        numbers = (f"{value:.2f}" for value in (shape.height_m, shape.scattering, wanted, rt60))
        rows.append((name, kind, corners, *numbers, positions, *shape.materials[:2], " ".join(shape.materials[2:])))
        write_table(output / "rooms.csv", COLUMNS, rows)


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
    both = near_arrivals(room, position).joined(late_arrivals(rng, room, position))
    response = encode(find_array("foa"), both, _samples(room.shape))[0]
    return float(pra.experimental.measure_rt60(response, SAMPLE_RATE, decay_db=20))


def write_room(
    rng: np.random.Generator,
    room: ForeignRoom,
    arrays: Sequence[Array],
    folders: Sequence[Path],
    lines: int,
    singles: int,
) -> int:
    """Fill a folder for each array; the number of positions."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    rows, samples = [], _samples(room.shape)
    for group in [*draw_lines(rng, room, lines), *_singles(rng, room, singles)]:
        late = room.turned(late_arrivals(rng, room, group[len(group) // 2]))
        soon = late.delay_s < SHARED_S
        tails = [encode(array, late.chosen(~soon), samples) for array in arrays]
        for position in group:
            near = room.turned(near_arrivals(room, position))
            # Of a source that is farther than the one in the middle, some of it would come before the direct sound.
            near = near.joined(late.chosen(soon & (late.delay_s > near.delay_s.min())))
            until = min(samples, START + int(near.delay_s.max() * SAMPLE_RATE) + 2 * TAPS)
            name = f"position{len(rows):03d}.flac"
            for array, folder, tail in zip(arrays, folders, tails, strict=True):
                response = tail.copy()
                response[:, :until] += encode(array, near, until)
                soundfile.write(folder / name, LEVEL * response.T, SAMPLE_RATE, subtype="PCM_24")
            rows.append((name, *np.round(room.seen(position - room.array_m), 4)))
    for folder in folders:
        write_table(folder / "positions.csv", ("file", "x_m", "y_m", "z_m"), rows)
    return len(rows)


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


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


def _draw_promising(rng: np.random.Generator, kind: str, rt60_s: float) -> ForeignRoom:
    """A room whose materials promise about this reverberation time: the best of many."""
    shape = min((_draw_shape(rng, kind) for _ in range(300)), key=lambda room: abs(np.log(room.eyring_s() / rt60_s)))
    low, high = shape.corners_m.min(0), shape.corners_m.max(0)
    top = min(shape.height_m, 2.0)  # arrays stand on tables and tripods
    array = np.zeros(3)
    while not shape.holds(array, ARRAY_MARGIN_M):
        array = rng.uniform([*low, 0.0], [*high, top])
    return furnish(rng, shape, array, rng.uniform(-180, 180))


def _draw_shape(rng: np.random.Generator, kind: str) -> Shape:
    length, width, height = rng.uniform([2.8, 2.8, 2.3], [9.0, 8.0, 4.0])
    corners = np.array([[0, 0], [length, 0], [length, width], [0, width]])
    if kind == "prism" and rng.random() < 0.5:
        x, y = rng.uniform(1.8, [0.75 * length, 0.75 * width])  # an array has room in both of its arms
        corners = np.array([[0, 0], [length, 0], [length, y], [x, y], [x, width], [0, width]])
    elif kind == "prism":
        corners = corners * rng.uniform(0.75, 1.0, (4, 2))
    walls = map(str, rng.choice(WALLS, len(corners)))
    scattering = rng.uniform(0.05, 0.3) if kind == "prism" else 0.0
    return Shape(kind, corners, height, (str(rng.choice(FLOORS)), str(rng.choice(CEILINGS)), *walls), scattering)


def _samples(shape: Shape) -> int:
    return START + int(shape.decay_s() * SAMPLE_RATE) + TAPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to fill")
    parser.add_argument("--rooms", type=int, default=24, help="how many rooms (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="rooms of one seed are the same (%(default)s)")
    parser.add_argument("--arrays", nargs="+", choices=("foa", "mic"), default=["foa", "mic"], help="who hears them")
    parser.add_argument("--lines", type=int, default=6, help="lines and arcs of positions in a room (%(default)s)")
    parser.add_argument("--singles", type=int, default=16, help="further positions in a room (%(default)s)")
    options = parser.parse_args()
    for name in ("rooms", "lines", "singles"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    make_rooms(options.output, options.rooms, options.seed, options.arrays, options.lines, options.singles)


if __name__ == "__main__":
    main()
