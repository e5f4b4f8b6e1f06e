"""One clip: events in a room, ambient noise, labels.

Up to `max_overlap` voices take turns between an event and a gap, each on its own, so that never more than
that many sources sound at once and every number up to it occurs.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import fft

from seld.audio import SAMPLE_RATE
from seld.geometry import degrees_from_unit, wrap_degrees
from seld.labels import COLUMNS, FRAME_SECONDS
from seld.scenes.config import SceneConfig
from seld.scenes.events import Events
from seld.scenes.rendering import render
from seld.scenes.rooms import Path, Room, draw_path, draw_room
from seld.scenes.synthesis import Sound


class Event(NamedTuple):
    """A sound that is heard from `onset_s` on, on a path."""

    sound: Sound
    onset_s: float
    path: Path
    level_db: float
    """against the loudest event that the clip may hold"""

    @property
    def end_s(self) -> float:
        return self.onset_s + len(self.sound.audio) / SAMPLE_RATE


class Clip(NamedTuple):
    audio: np.ndarray
    """(4, samples) FOA, W Y Z X, SN3D, full scale 1.0"""
    rows: pd.DataFrame
    """labels in the columns of `seld.labels`"""
    description: dict
    """how the clip was made, ready for JSON"""


def make_clip(rng: np.random.Generator, events: Events, config: SceneConfig) -> Clip:
    """A random clip."""
    room = draw_room(rng, config)
    schedule = draw_schedule(rng, events, room, config)
    samples = round(config.clip_seconds * SAMPLE_RATE)
    audio = np.zeros((4, samples), dtype=np.float32)
    for event in schedule:
        wet = render(rng, event.sound.audio, room, event.path)
        add_at(audio, wet * level_gain(wet[0, : len(event.sound.audio)], event.level_db), event.onset_s)
    rows = label_rows(schedule, room, config.clip_seconds)
    snr_db = rng.uniform(*config.snr_db)
    noise = diffuse_noise(rng, samples)
    audio += noise * noise_gain(audio[0], noise[0], rows, snr_db)
    peak_dbfs = rng.uniform(*config.peak_dbfs)
    audio *= 10 ** (peak_dbfs / 20) / np.abs(audio).max()
    return Clip(audio, rows, _describe(room, schedule, snr_db, peak_dbfs))


def draw_schedule(rng: np.random.Generator, events: Events, room: Room, config: SceneConfig) -> list[Event]:
    """Events in the order of their onsets, never more than `max_overlap` at once."""
    # Crowded clips are drawn more often: overlap is what is hard, and a voice is silent half of the time.
    voices = rng.choice(np.arange(1, config.max_overlap + 1), p=_increasing(config.max_overlap))
    schedule = []
    for _ in range(voices):
        time = rng.uniform(-config.gap_seconds[1], config.gap_seconds[1])
        while time < config.clip_seconds:
            sound = _cut(events.draw(rng), time, config.clip_seconds)
            time = max(time, 0.0)
            seconds = len(sound.audio) / SAMPLE_RATE
            if seconds >= FRAME_SECONDS:
                path = draw_path(rng, room, seconds, config)
                schedule.append(Event(sound, time, path, -rng.uniform(0, config.level_spread_db)))
            time += seconds + rng.uniform(*config.gap_seconds)
    return sorted(schedule, key=lambda event: event.onset_s)


def add_at(audio: np.ndarray, wet: np.ndarray, onset_s: float) -> None:
    """Add (4, n) to a clip (4, samples), in place, from a time in seconds on; what sticks out is cut off."""
    start = round(onset_s * SAMPLE_RATE)
    part = wet[:, : audio.shape[1] - start]
    audio[:, start : start + part.shape[1]] += part


def level_gain(omni: np.ndarray, level_db: float) -> float:
    """The factor that brings a sound (samples,) to this level, decibels rms, as heard at the array."""
    return float(10 ** (level_db / 20) / np.sqrt(np.mean(omni**2) + 1e-12))


def noise_gain(omni: np.ndarray, noise: np.ndarray, rows: pd.DataFrame, snr_db: float) -> float:
    """The factor that puts noise (samples,) `snr_db` below the mean power of a clip's labelled frames."""
    frame = round(FRAME_SECONDS * SAMPLE_RATE)
    starts = np.unique(rows["frame"].to_numpy()) * frame
    heard = np.concatenate([omni[start : start + frame] for start in starts]) if len(starts) else np.ones(1)
    return float(np.sqrt(np.mean(heard**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20))


def diffuse_noise(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Isotropic ambient noise (4, samples): coloured, slowly swelling.

    In an isotropic field the SN3D channels are uncorrelated, and the dipoles have a third of W's power; so
    four independent noises are the field exactly, in the limit of many plane waves.
    """
    size = fft.next_fast_len(samples, real=True)
    frequency = np.maximum(fft.rfftfreq(size, 1 / SAMPLE_RATE), 40.0).astype(np.float32)
    slope_db = rng.uniform(-9, 0)  # per octave: from the rumble of rooms to hiss
    colour = frequency ** np.float32(slope_db / 6.02)
    colour += colour.mean() * np.float32(rng.uniform(0, 0.3))  # electronics hiss on top
    noise = np.empty((4, samples), dtype=np.float32)
    for channel in noise:
        # Uniform numbers cost a third of normal ones, and a sum of that many of them is Gaussian.
        spectrum = rng.random((len(frequency), 2), dtype=np.float32) - np.float32(0.5)
        channel[:] = fft.irfft(spectrum.view(np.complex64)[:, 0] * colour, size)[:samples]
    noise[1:] *= np.float32(3**-0.5)
    points = 2 + samples // (2 * SAMPLE_RATE)
    swell = 10 ** (rng.uniform(-3, 3, points) / 20)
    noise *= np.interp(np.arange(samples), np.linspace(0, samples, points), swell).astype(np.float32)
    return noise


def label_rows(schedule: list[Event], room: Room, clip_seconds: float) -> pd.DataFrame:
    """Labels: a source is active in a frame if its dry sound fills at least half of it.

    The direction is the one at the frame's centre; `source` counts the events of the clip.
    """
    frames = round(clip_seconds / FRAME_SECONDS)
    tables = []
    for source, event in enumerate(schedule):
        begin = np.arange(frames) * FRAME_SECONDS
        covered = np.minimum(event.end_s, begin + FRAME_SECONDS) - np.maximum(event.onset_s, begin)
        half = FRAME_SECONDS / 2 - 0.5 / SAMPLE_RATE  # half a sample of slack, since times are not exact
        frame = np.flatnonzero(covered >= half)
        centre = begin[frame] + FRAME_SECONDS / 2
        direction, distance = room.directions(event.path.at(centre - event.onset_s))
        azimuth, elevation = degrees_from_unit(direction)
        tables.append(
            np.column_stack(
                [
                    frame,
                    np.full_like(frame, event.sound.class_index),
                    np.full_like(frame, source),
                    wrap_degrees(np.rint(azimuth)),
                    np.rint(elevation),
                    np.rint(100 * distance) / 100,  # metres in whole centimetres, as files have them
                ]
            )
        )
    values = np.concatenate(tables) if tables else np.empty((0, len(COLUMNS)))
    whole = dict.fromkeys(("frame", "class", "source"), np.int64)
    rows = pd.DataFrame(values, columns=list(COLUMNS)).astype(whole)
    return rows.sort_values(["frame", "source"], ignore_index=True)


def _increasing(count: int) -> np.ndarray:
    weights = np.arange(1, count + 1)
    return weights / weights.sum()


def _cut(sound: Sound, onset_s: float, clip_seconds: float) -> Sound:
    """The part of a sound that lies inside the clip: it may have begun before, or go on after."""
    begin = round(-min(onset_s, 0.0) * SAMPLE_RATE)
    room_left = round((clip_seconds - max(onset_s, 0.0)) * SAMPLE_RATE)
    return sound._replace(audio=sound.audio[begin : begin + room_left])


def _describe(room: Room, schedule: list[Event], snr_db: float, peak_dbfs: float) -> dict:
    return {
        "room": {name: np.round(value, 4).tolist() for name, value in room._asdict().items()},
        "snr_db": round(snr_db, 2),
        "peak_dbfs": round(peak_dbfs, 2),
        "events": [
            {
                "source": source,
                "class": event.sound.class_index,
                "sound": event.sound.name,
                "onset_s": round(event.onset_s, 4),
                "end_s": round(event.end_s, 4),
                "level_db": round(event.level_db, 2),
                "path": event.path.kind,
                "positions_m": np.round(event.path.at(np.linspace(0, event.path.seconds, 5)), 3).tolist(),
            }
            for source, event in enumerate(schedule)
        ],
    }
