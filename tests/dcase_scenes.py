"""Small made-up clips for the tests of the DCASE protocols, the same on every machine and with every library.

Only `random.Random.random` is used, whose numbers are guaranteed. What the official scorers say about these clips,
written in the layout of their year, is in `dcase_golden.json`.
"""

import math
import random
from typing import NamedTuple

import numpy as np
import pandas as pd

COLUMNS = ("clip", "frame", "class", "source", "azimuth", "elevation", "distance", "onscreen", "length")
WHOLE = ("clip", "frame", "class", "source", "onscreen")
CLASS_NAMES = {
    "knock": 0, "drawer": 1, "clearthroat": 2, "phone": 3, "keysDrop": 4, "speech": 5, "keyboard": 6, "pageturn": 7,
    "cough": 8, "doorslam": 9, "laughter": 10,
}  # fmt: skip


class Found(NamedTuple):
    """One predicted row as a system would write it."""

    frame: int
    class_: int
    source: int
    azimuth: int
    elevation: int
    length: float
    """of the vector in Cartesian files"""
    distance_cm: int
    onscreen: int


class Labelled(NamedTuple):
    frame: int
    class_: int
    source: int
    azimuth: int
    elevation: int
    distance_cm: int
    onscreen: int


class Clip(NamedTuple):
    references: list[Labelled]
    predictions: list[Found]


def clips(seed: int, number: int = 4) -> list[Clip]:
    """Moving and resting sources, overlaps of one class, swapped rows, shifted, lost and false predictions."""
    return [_clip(random.Random(1000 * seed + index).random, index) for index in range(number)]


def _clip(uniform, index: int) -> Clip:
    def below(limit: int) -> int:
        return int(uniform() * limit)

    frames = (41, 40, 27, 63)[index % 4]
    references, predictions = [], []
    for _ in range(6):
        class_, source = (0, 0, 1, 3, 7)[below(5)], below(2)
        start = below(frames - 10)
        stop = min(start + 8 + below(25), frames)
        azimuth, elevation, speed = below(360) - 180, below(100) - 50, (0, 0, 3, -8)[below(4)]
        distance, onscreen = 50 + below(400), below(2)
        missed, wrong_class, shift = uniform() < 0.15, uniform() < 0.1, (0, 0, 0, 4)[below(4)]
        error = (0, 20, -20, 7, 30)[below(5)]
        for frame in range(start, stop):
            moved = (azimuth + speed * (frame - start) + 180) % 360 - 180
            references.append(Labelled(frame, class_, source, moved, elevation, distance, onscreen))
            if missed or uniform() < 0.2:
                continue
            estimate = (moved + error + below(7) * (error == 7) + 180) % 360 - 180
            predictions.append(
                Found(
                    frame + shift,
                    below(2) * 12 + 1 if wrong_class else class_,
                    source * below(2),
                    estimate,
                    min(max(elevation + below(9) * (error == 7), -90), 90),
                    0.5 + uniform() / 2,
                    distance * (1 + below(3)) + below(20),
                    onscreen if uniform() < 0.8 else 1 - onscreen,
                )
            )
    predictions.append(Found(frames + 15, 0, 0, 10, 10, 1.0, 100, 0))
    references.sort(key=lambda row: (row.frame, uniform()))
    predictions.sort(key=lambda row: (row.frame, uniform()))
    return Clip(references, predictions if index % 4 != 2 else [])


def vector(row: Found) -> tuple[float, float, float]:
    """x, y, z with six digits, as they stand in a Cartesian file."""
    azimuth, elevation = math.radians(row.azimuth), math.radians(row.elevation)
    x, y = math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation)
    return tuple(round(part * row.length, 6) for part in (x, y, math.sin(elevation)))


def tables(scene: list[Clip], year: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """References and predictions as the readers of that year's files give them."""
    references, predictions = [], []
    for index, clip in enumerate(scene):
        for row in clip.references:
            elevation = 0 if year == 2025 else row.elevation
            place = (row.azimuth, elevation, row.distance_cm / 100, row.onscreen, 1.0)
            references.append((index, row.frame, row.class_, row.source, *place))
        for row in clip.predictions:
            place = (row.azimuth, 0, row.distance_cm / 100)
            length = 1.0
            if year < 2025:
                x, y, z = vector(row)
                length = math.sqrt(x * x + y * y + z * z)
                azimuth, elevation = np.arctan2(y, x) * 180 / np.pi, np.arctan2(z, np.sqrt(x * x + y * y)) * 180 / np.pi
                place = (azimuth, elevation, row.distance_cm / 100)
            predictions.append((index, row.frame, row.class_, row.source, *place, row.onscreen, length))
    return table(references), table(predictions)


def table(rows: list[tuple[float, ...]]) -> pd.DataFrame:
    """Rows in the order of COLUMNS; what is left out at their end has a default."""
    defaults = (0, 0, 0, 0, 0.0, 0.0, 1.0, 0, 1.0)
    frame = pd.DataFrame([(*row, *defaults[len(row) :]) for row in rows], columns=list(COLUMNS))
    return frame.astype({name: np.int64 if name in WHOLE else np.float64 for name in COLUMNS})


class Event(NamedTuple):
    """A line of a description file of 2019."""

    name: str
    start_s: float
    stop_s: float
    elevation: int
    azimuth: int


def clips_2019(seed: int, number: int = 3) -> list[tuple[list[Event], list[tuple[int, int, int, int]]]]:
    """Events, and predictions (frame of 20 ms, class, azimuth, elevation), with errors that leave the grid."""
    return [_clip_2019(random.Random(2000 * seed + index).random) for index in range(number)]


def _clip_2019(uniform) -> tuple[list[Event], list[tuple[int, int, int, int]]]:
    def below(limit: int) -> int:
        return int(uniform() * limit)

    events, predictions = [], []
    for _ in range(8):
        name = list(CLASS_NAMES)[below(11)]
        start = round(58 * uniform(), 3)
        stop = round(start + (0.02, 0.5, 1.3)[below(3)], 3)
        event = Event(name, start, stop, 10 * (below(9) - 4), 10 * (below(36) - 18))
        events.append(event)
        class_ = CLASS_NAMES[name] if uniform() < 0.8 else below(11)
        azimuth, elevation = event.azimuth + (0, 5, 180)[below(3)], event.elevation + (0, 15)[below(2)]
        for frame in range(int(start * 50), int(stop * 50) + 1):
            if uniform() < 0.9:
                predictions.append((frame, class_, azimuth, elevation))
    return events, predictions


def tables_2019(scene) -> tuple[pd.DataFrame, pd.DataFrame]:
    """References and predictions of `clips_2019`, frame by frame."""
    references, predictions = [], []
    for index, (events, found) in enumerate(scene):
        for event in events:
            for frame in range(math.floor(event.start_s * 50), math.ceil(event.stop_s * 50) + 1):
                references.append((index, frame, CLASS_NAMES[event.name], 0, event.azimuth, event.elevation))
        predictions += [(index, frame, class_, 0, *place) for frame, class_, *place in found]
    return table(references), table(predictions)
