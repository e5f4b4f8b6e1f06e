"""Tables of rows for the tests of tracking, and the figures of a protocol object on them."""

import random

import numpy as np
import pandas as pd

from seld.geometry import degrees_from_unit, unit_from_degrees, wrap_degrees

CASES = {
    "three": (1, 3, 60),
    "twelve": (2, 12, 25),
    "gaps": (3, 4, 50, 12, 0.7, 0.3),
    "near": (4, 5, 40, 25, 0.2, 0.2),
}
"""arguments of `walk` for which the tests keep figures of other implementations"""

COLUMNS = ["frame", "source", "azimuth", "elevation", "class"]


def rows(*entries: tuple) -> pd.DataFrame:
    """(frame, source or track, azimuth[, elevation[, class]]) of each row."""
    table = pd.DataFrame([(*entry, 0, 0)[:5] if len(entry) < 5 else entry for entry in entries], columns=COLUMNS)
    return table.astype({"frame": int, "source": int, "class": int, "azimuth": float, "elevation": float})


def walk(seed: int, sources: int, frames: int, noise: float = 12, silent: float = 0.3, exchange: float = 0.1):
    """Sources wander about and pause; tracks follow them with errors and gaps, and exchange their numbers.

    False tracks come and go. Only random.random is used, whose numbers are the same in every version of Python.
    """
    chance = random.Random(seed).random
    azimuth = [360 * chance() for _ in range(sources)]
    elevation = [80 * chance() - 40 for _ in range(sources)]
    number = list(range(sources))
    reference, prediction = [], []
    for frame in range(frames):
        if chance() < exchange:
            one, other = int(sources * chance()), int(sources * chance())
            number[one], number[other] = number[other], number[one]
        for source in range(sources):
            azimuth[source] += 10 * chance() - 5
            where = azimuth[source] + noise * (2 * chance() - 1), elevation[source] + noise * (2 * chance() - 1) / 2
            if chance() >= silent:
                reference.append((frame, source, azimuth[source], elevation[source], source % 2))
            if chance() >= 0.2 + silent / 2:
                prediction.append((frame, number[source], *where, number[source] % 2))
        if chance() < 0.2:
            prediction.append((frame, sources + int(3 * chance()), 360 * chance(), 90 * chance() - 45, 0))
    tables = rows(*reference), rows(*prediction)
    return tuple(table.assign(azimuth=wrap_degrees(table["azimuth"])) for table in tables)


def figures(protocol, reference: pd.DataFrame, prediction: pd.DataFrame) -> dict[str, float]:
    """Of one clip."""
    sums = protocol.count(reference.assign(clip=0), prediction.assign(clip=0), 1)
    return {name: float(value[0]) for name, value in protocol.score(sums).items()}


def sums(protocol, *clips: tuple[pd.DataFrame, pd.DataFrame]) -> dict[str, np.ndarray]:
    """Of several clips (reference, prediction), counted together."""
    sides = [pd.concat([clip[side].assign(clip=i) for i, clip in enumerate(clips)]) for side in (0, 1)]
    return protocol.count(*sides, len(clips))


def turn(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """All directions under one random rotation."""
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    vectors = unit_from_degrees(table["azimuth"].to_numpy(), table["elevation"].to_numpy()) @ rotation
    azimuth, elevation = degrees_from_unit(vectors)
    return table.assign(azimuth=azimuth, elevation=elevation)
