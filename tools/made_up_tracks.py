"""Made-up references, and what a fair system would say of them: something to draw."""

import numpy as np
import pandas as pd

from seld.geometry import wrap_degrees


def moving_sources(clips: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A made-up set: four sources in each clip that move and cross, and what a fair system would say of them."""
    generator = np.random.default_rng(seed)
    sides: tuple[list, list] = [], []
    for clip in range(clips):
        for source in range(4):
            for side, rows in zip(sides, _one_source(generator, source), strict=True):
                side.append(rows.assign(clip=clip))
        frames = np.arange(generator.integers(20, 40)) + generator.integers(0, 550)
        rows = {"frame": frames, "class": 0, "source": 4, "azimuth": generator.uniform(-160, 160), "elevation": 10}
        sides[1].append(pd.DataFrame(rows).assign(clip=clip))
    return tuple(pd.concat(side).sort_values(["clip", "frame"], ignore_index=True) for side in sides)


def _one_source(generator: np.random.Generator, source: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = np.arange(600)
    speed = generator.choice([0, 0.25, -0.35, 0.5])
    azimuth = generator.uniform(-180, 180) + speed * frame + 15 * np.sign(speed) * np.sin(frame / 45)
    elevation = np.clip(generator.normal(5, 22), -60, 60) + 6 * np.sin(frame / 70 + source)
    kind = int(generator.integers(4))
    active = _spells(generator, 60, 220, 20, 120)
    heard = active & _spells(generator, 80, 260, 3, 25)
    track, said = np.full(600, source), np.full(600, kind)
    track[generator.integers(100, 600) :] = source + 5  # another track goes on
    if generator.random() < 0.4:
        start = generator.integers(500)
        said[start : start + 100] = generator.integers(4)
    noise = generator.normal(0, 2.5, (2, 600)) + 4 * np.sin(frame / 60 + generator.uniform(0, 6, (2, 1)))
    truth = {"frame": frame, "class": kind, "source": source, "azimuth": azimuth, "elevation": elevation}
    estimate = {"frame": frame, "class": said, "source": track, "azimuth": azimuth + noise[0]}
    estimate["elevation"] = np.clip(0.8 * elevation + noise[1], -90, 90)
    tables = [pd.DataFrame(truth)[active].round(), pd.DataFrame(estimate)[heard]]
    return tuple(rows.assign(azimuth=wrap_degrees(rows["azimuth"])) for rows in tables)


def _spells(generator: np.random.Generator, *lengths: int) -> np.ndarray:
    """(600,) bool: on for lengths[0] to lengths[1] frames, then off for lengths[2] to lengths[3], and so on."""
    on, start = np.zeros(600, dtype=bool), int(generator.integers(0, 60))
    while start < 600:
        stop = start + int(generator.integers(*lengths[:2]))
        on[start:stop] = True
        start = stop + int(generator.integers(*lengths[2:]))
    return on
