"""Random shoebox rooms, and the places and paths of sources in them.

Room coordinates have their origin in a corner, axes along the walls, metres. The array stands anywhere and
looks anywhere in the horizontal plane, so directions (array coordinates) are turned against room coordinates:
otherwise every reflection of every room would come from a mirror image along the same three axes.
"""

from typing import NamedTuple

import numpy as np

from seld.geometry import unit_from_degrees
from seld.scenes.config import SceneConfig

WALL_MARGIN_M = 0.3  # sources stay this far from walls
ARRAY_MARGIN_M = 0.7

_TRIES = 400


class Room(NamedTuple):
    """A shoebox with a microphone array in it."""

    size_m: np.ndarray
    """(3,) length, width, height"""
    array_m: np.ndarray
    """(3,) position of the array"""
    yaw_deg: float
    """azimuth, in room coordinates, that the array's x axis points to"""
    rt60_s: np.ndarray
    """(bands,) reverberation time below and above the crossover of rir.py"""
    wall_weights: np.ndarray
    """(6,) how much each wall (low x, high x, low y, ...) absorbs; the mean over the surface is 1"""

    def directions(self, positions_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors (..., 3) in array coordinates and distances (...), metres, of positions (..., 3)."""
        away = positions_m - self.array_m
        distance = np.linalg.norm(away, axis=-1)
        return away @ self._axes().T / distance[..., None], distance

    def positions(self, directions: np.ndarray, distance_m: np.ndarray | float) -> np.ndarray:
        """Positions (..., 3) of unit vectors (..., 3) in array coordinates; reverses `directions`."""
        return self.array_m + np.asarray(distance_m)[..., None] * (directions @ self._axes())

    def _axes(self) -> np.ndarray:
        """The array's x, y, z axes as rows, in room coordinates."""
        return unit_from_degrees(np.array([self.yaw_deg, self.yaw_deg + 90, 0]), np.array([0, 0, 90]))


class Path(NamedTuple):
    """Where a source is while it sounds: linear between a few points."""

    kind: str
    """static, line, arc or measured"""
    points_m: np.ndarray
    """(points, 3) room coordinates, passed at equal intervals; one point when static"""
    seconds: float
    """from the first point to the last"""

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Positions (times, 3) in the room; before and after the path they rest at its ends."""
        if len(self.points_m) == 1:
            return np.repeat(self.points_m, len(times_s), axis=0)
        knots = np.linspace(0, self.seconds, len(self.points_m))
        return np.stack([np.interp(times_s, knots, axis) for axis in self.points_m.T], axis=1)


def draw_room(rng: np.random.Generator, config: SceneConfig) -> Room:
    """A random room whose reverberation time in the lower band lies in `config.rt60_s`."""
    size = rng.uniform(config.room_min_m, config.room_max_m)
    margin = np.minimum(ARRAY_MARGIN_M, 0.4 * size)
    high = size - margin
    high[2] = min(high[2], 2.0)  # arrays stand on tables and tripods
    surface = wall_surfaces(size)
    weights = rng.uniform(0.4, 1.6, 6)
    rt60 = rng.uniform(*config.rt60_s)
    return Room(
        size_m=size,
        array_m=rng.uniform(margin, high),
        yaw_deg=rng.uniform(-180, 180),
        rt60_s=rt60 * np.array([1.0, rng.uniform(0.5, 1.0)]),  # air and soft walls take the treble first
        wall_weights=weights * surface.sum() / (weights * surface).sum(),
    )


def wall_surfaces(size_m: np.ndarray) -> np.ndarray:
    """Area (6,), square metres, of the walls in the order of `Room.wall_weights`."""
    return np.repeat(size_m.prod() / size_m, 2)


def draw_path(rng: np.random.Generator, room: Room, seconds: float, config: SceneConfig) -> Path:
    """A random path for an event of this length, moving with the chance `config.moving`."""
    start = _draw_position(rng, room, config)
    if rng.random() >= config.moving:
        return Path("static", start[None], seconds)
    length = rng.uniform(*config.speed_m_per_s) * seconds
    kind = str(rng.choice(["line", "arc"]))
    draw = {"line": _draw_line, "arc": _draw_arc}[kind]
    for _ in range(20):
        points = draw(rng, room, start, length)
        if _is_free(points, room, config):
            return Path(kind, points, seconds)
        length *= 0.85  # a small room has no place for a long path: the source goes slower
    return Path("static", start[None], seconds)


def _draw_position(rng: np.random.Generator, room: Room, config: SceneConfig) -> np.ndarray:
    """A position (3,) in the room, every direction and distance that fits having the same chance.

    Raises:
        ValueError: when hardly a direction has room for the smallest distance.
    """
    nearest, farthest = config.distance_m
    direction = rng.standard_normal((_TRIES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    # Half of the tries at the smallest distance: a small room has no place for most of the range.
    distance = np.r_[rng.uniform(nearest, farthest, _TRIES // 2), np.full(_TRIES // 2, nearest)]
    position = room.positions(direction, distance)
    fits = ((position >= WALL_MARGIN_M) & (position <= room.size_m - WALL_MARGIN_M)).all(axis=1)
    if not fits.any():
        raise ValueError(
            f"scenes.distance_m must fit into the room, got at least {nearest:g} m in a room of "
            f"{' x '.join(f'{side:.1f}' for side in room.size_m)} m"
        )
    return position[np.argmax(fits)]


def _draw_line(rng: np.random.Generator, room: Room, start: np.ndarray, length: float) -> np.ndarray:
    """A straight line (2, 3), mostly level as people walk."""
    step = rng.standard_normal(3) * (1, 1, 0.3)
    return np.stack([start, start + length * step / np.linalg.norm(step)])


def _draw_arc(rng: np.random.Generator, room: Room, start: np.ndarray, length: float) -> np.ndarray:
    """A piece of a circle around the array's vertical axis (points, 3), that may climb or come closer."""
    away = start - room.array_m
    radius = np.hypot(away[0], away[1])
    sweep = np.clip(length / max(radius, 0.3), 0, np.pi) * rng.choice([-1, 1])
    share = np.linspace(0, 1, 2 + int(np.degrees(abs(sweep)) / 2))  # one point at least every 2 degrees
    turn = unit_from_degrees(np.degrees(share * sweep), np.zeros(len(share)))
    scale = 1 + share * rng.uniform(-0.3, 0.3)
    x, y = away[0] * turn[:, 0] - away[1] * turn[:, 1], away[0] * turn[:, 1] + away[1] * turn[:, 0]
    z = away[2] + share * rng.uniform(-0.3, 0.3) * length
    return room.array_m + np.stack([x * scale, y * scale, z], axis=1)


def _is_free(points: np.ndarray, room: Room, config: SceneConfig) -> bool:
    """Whether a path stays inside the room and between the smallest and the largest distance."""
    dense = Path("", points, 1.0).at(np.linspace(0, 1, 64))
    distance = np.linalg.norm(dense - room.array_m, axis=1)
    inside = (dense >= WALL_MARGIN_M).all() and (dense <= room.size_m - WALL_MARGIN_M).all()
    return bool(inside and distance.min() >= config.distance_m[0] and distance.max() <= config.distance_m[1])
