"""A scene to a clip: events in a room, ambient noise, labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from seld.arrays import ARRAYS, Array
from seld.audio import SAMPLE_RATE
from seld.geometry import degrees_from_unit, wrap_degrees
from seld.labels import COLUMNS, FRAME_SECONDS
from seld.scenes.ambience import format_folder, read_excerpt
from seld.scenes.noise import diffuse_noise
from seld.scenes.rendering import Wet, render
from seld.scenes.responses import LEAD, MeasuredRoom
from seld.scenes.rooms import Room
from seld.scenes.scene import Event, Scene, thaw

_SILENT = 1e-9  # a scene without events and noise stays silent


class Clip(NamedTuple):
    audio: dict[str, np.ndarray]
    """(channels, samples), full scale 1.0, by the name of the format"""
    rows: pd.DataFrame
    """labels in the columns of `seld.labels`"""


def mix(scene: Scene) -> Clip:
    """The clip of a scene in each of its formats.

    Levels count in FOA, whatever the formats, so that one format's audio does not depend on the others; with
    measured responses or recorded noise they count in the first format. All formats are lowered together where one
    of them would exceed full scale.
    """
    samples = round(scene.clip_seconds * SAMPLE_RATE)
    heard = _heard(scene)
    mixed = [np.zeros((array.channels, samples), dtype=np.float32) for array in heard]
    for event in scene.events:
        wets = _wets(event, scene.room, heard)
        first = wets[0].audio[0, wets[0].lead :][: len(event.sound.audio)]
        gain = level_gain(first, event.level_db)
        for audio, wet in zip(mixed, wets, strict=True):
            add_at(audio, wet.audio * gain, event.onset_s, wet.lead)
    rows = label_rows(scene.events, scene.room, scene.clip_seconds)
    recorded = scene.noise.kind == "recording"
    parts = _formats(scene, heard, mixed) if recorded else mixed
    noises = _ambience(scene, samples) if recorded else _diffuse(scene, heard, samples)
    gain = noise_gain(parts[0][0], noises[0][0], rows, scene.snr_db) if noises else 0.0
    for part, noise in zip(parts, noises, strict=False):
        part += noise * gain
    gain = 10 ** (scene.peak_dbfs / 20) / max(np.abs(parts[0]).max(), _SILENT)
    audio = [part * gain for part in (parts if recorded else _formats(scene, heard, parts))]
    loudest = max(np.abs(part).max() for part in audio)
    if loudest > 1 + 1e-4:
        audio = [part / loudest for part in audio]
    return Clip({array.name: part for array, part in zip(scene.formats, audio, strict=True)}, rows)


def add_at(audio: np.ndarray, wet: np.ndarray, onset_s: float, lead: int = 0) -> None:
    """Add (channels, n) to a clip (channels, samples), in place, its sample `lead` at a time in seconds.

    What sticks out is cut off.
    """
    start = round(onset_s * SAMPLE_RATE) - lead
    wet = wet[:, max(0, -start) :]
    start = max(0, start)
    part = wet[:, : max(0, audio.shape[1] - start)]
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


def label_rows(events: Sequence[Event], room: Room | MeasuredRoom, clip_seconds: float) -> pd.DataFrame:
    """Labels: a source is active in a frame if its dry sound fills at least half of it.

    The direction is the one at the frame's centre; `source` is the event's number.
    """
    frames = round(clip_seconds / FRAME_SECONDS)
    tables = []
    for event in events:
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
                    np.full_like(frame, event.source),
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


def _heard(scene: Scene) -> list[Array]:
    """The arrays to render: FOA, which levels count in and coincident formats are made of, and all microphones."""
    if isinstance(scene.room, MeasuredRoom):
        return list(scene.formats)
    return [ARRAYS["foa"], *(array for array in scene.formats if array.foa_gains is None)]


def _wets(event: Event, room: Room | MeasuredRoom, heard: list[Array]) -> list[Wet]:
    dry = event.sound.audio
    if isinstance(room, MeasuredRoom):
        return [Wet(room.render(dry, event.path), LEAD)]
    return render(thaw(event.random), dry, room, event.path, heard)


def _formats(scene: Scene, heard: list[Array], mixed: list[np.ndarray]) -> list[np.ndarray]:
    """The formats of what the arrays heard."""
    if isinstance(scene.room, MeasuredRoom):
        return mixed
    found = {array.name: audio for array, audio in zip(heard[1:], mixed[1:], strict=True)}
    return [found[array.name] if array.name in found else _coincident(array, mixed[0]) for array in scene.formats]


def _coincident(array: Array, foa: np.ndarray) -> np.ndarray:
    return foa.copy() if array.kind == "foa" else array.foa_gains.astype(np.float32) @ foa


def _diffuse(scene: Scene, heard: list[Array], samples: int) -> list[np.ndarray]:
    if scene.noise.kind == "none":
        return []
    microphones = [array for array in heard if array.foa_gains is None]
    foa, *rest = diffuse_noise(thaw(scene.noise.random), samples, microphones)
    found = {array.name: noise for array, noise in zip(microphones, rest, strict=True)}
    return [found[array.name] if array.name in found else _coincident(array, foa) for array in heard]


def _ambience(scene: Scene, samples: int) -> list[np.ndarray]:
    noise = scene.noise
    folders = [format_folder(noise.folder, array, scene.formats) for array in scene.formats]
    return [
        read_excerpt(Path(folder) / noise.file, array, noise.begin_s, noise.seconds, samples)
        for folder, array in zip(folders, scene.formats, strict=True)
    ]
