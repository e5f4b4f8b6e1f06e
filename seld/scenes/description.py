"""Scenes to JSON and back: the list of scenes that people edit and render again.

Numbers are written in full, so that an unedited description gives the same bytes. What may be edited: the room and
where the array stands in it, sounds (`file`, or `family` and `seed`), when they begin and how long they last, the
points that a source stands on or passes, levels, noise, formats; events may be added and left out. `random` is the
state that a reverberant tail or noise is drawn from; a whole number there draws another one.
"""

import dataclasses
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from seld.arrays import ARRAYS, Array, find_array
from seld.audio import SAMPLE_RATE
from seld.scenes.config import SceneConfig, check_formats
from seld.scenes.events import read_sound
from seld.scenes.keys import Keys
from seld.scenes.responses import MeasuredRoom, open_room
from seld.scenes.rooms import Path, Room, wall_surfaces
from seld.scenes.scene import Event, Noise, Scene, thaw
from seld.scenes.synthesis import FAMILIES, Sound, synthesize
from seld.scenes.variation import vary

_SCENE = ("clip_seconds", "formats", "sounds", "room", "snr_db", "peak_dbfs", "noise", "events")
_EVENT = ("source", "class", "sound", "onset_s", "skip_s", "seconds", "level_db", "path", "random")
_SOUND = ("file", "begin_s", "family", "seed", "length_s", "variation")
_ARRAY = tuple(field.name for field in dataclasses.fields(Array))
_KINDS = ("foa", "open", "sphere", "channels")
_NEAREST_M = 0.1  # of a source from the array


def describe(scene: Scene) -> dict[str, Any]:
    """A scene as JSON can hold it."""
    if isinstance(scene.room, Room):
        room = {name: np.asarray(value).tolist() for name, value in scene.room._asdict().items()}
    else:
        room = {"responses": scene.room.name}
    return {
        "clip_seconds": scene.clip_seconds,
        "formats": [describe_array(array) for array in scene.formats],
        "sounds": scene.sounds,
        "room": room,
        "snr_db": scene.snr_db,
        "peak_dbfs": scene.peak_dbfs,
        "noise": _describe_noise(scene.noise),
        "events": [_describe_event(event) for event in scene.events],
    }


def describe_array(array: Array) -> str | dict[str, Any]:
    """Its name when it is built in, or all of it, so that no other file is needed."""
    if ARRAYS.get(array.name) == array:
        return array.name
    given = {field.name: field.default for field in dataclasses.fields(Array)}
    return {name: getattr(array, name) for name in _ARRAY if getattr(array, name) != given[name]}


def read_description(value: Any, formats: list[str] | None = None, sounds: str | None = None) -> Scene:
    """The scene of a description.

    Args:
        formats: names in place of those in the description.
        sounds: folder in place of the one in the description.

    Raises:
        ValueError: with the key, the rule and the value, when something is missing, unknown or impossible.
        FileNotFoundError: when a file that it names is missing.
    """
    keys = Keys(value, "", _SCENE)
    clip_seconds = keys.number("clip_seconds", 1, 3600)
    if formats is None:
        arrays = tuple(read_array(entry, f"formats[{i}]") for i, entry in enumerate(keys.list("formats")))
    else:
        arrays = tuple(find_array(name) for name in formats)
    measured = isinstance(keys.get("room"), dict) and "responses" in keys.get("room")
    noise = _read_noise(keys.inner("noise", ("kind", "random", "folder", "file", "begin_s", "seconds")))
    check_formats(arrays, measured, noise.kind != "diffuse")
    room = open_room(keys.inner("room", ("responses",)).text("responses"), arrays[0]) if measured else _read_room(keys)
    sounds = sounds or keys.text("sounds", None)
    events = []
    for number, entry in enumerate(keys.list("events")):
        event = _read_event(Keys(entry, f"events[{number}]", _EVENT), number, room, sounds, clip_seconds)
        if any(event.source == other.source for other in events):
            raise ValueError(f"events[{number}].source must be another one for each event, got {event.source}")
        events.append(event)
    return Scene(
        clip_seconds, arrays, sounds, room, tuple(events), keys.number("snr_db", -60, 120), noise,
        keys.number("peak_dbfs", -60, 0),
    )  # fmt: skip


def read_array(entry: Any, where: str) -> Array:
    """The array that `describe_array` has described, or that an edited description names."""
    if isinstance(entry, str):
        return find_array(entry)
    keys = Keys(entry, where, _ARRAY)
    keys.text("name")
    keys.check("kind", f"one of {', '.join(_KINDS)}", keys.get("kind") in _KINDS)
    values = {key: _tuples(keys.get(key)) for key in _ARRAY if key in keys}
    try:
        return Array(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _describe_noise(noise: Noise) -> dict[str, Any]:
    if noise.kind == "recording":
        return {name: getattr(noise, name) for name in ("kind", "folder", "file", "begin_s", "seconds")}
    return {"kind": "diffuse", "random": noise.random} if noise.kind == "diffuse" else {"kind": "none"}


def _read_noise(keys: Keys) -> Noise:
    kind = keys.text("kind")
    keys.check("kind", "diffuse, recording or none", kind in ("diffuse", "recording", "none"))
    if kind == "recording":
        begin_s, seconds = keys.number("begin_s", 0, 1e6), keys.number("seconds", 0.1, 3600)
        return Noise(kind, 0, keys.text("folder"), keys.text("file"), begin_s, seconds)
    return Noise(kind, _random(keys, 0) if kind == "diffuse" else 0)


def _read_room(keys: Keys) -> Room:
    keys = keys.inner("room", Room._fields)
    size = keys.array("size_m", (3,), 1, 200)
    array_m = keys.array("array_m", (3,), 0, 200)
    inside = bool(((array_m > 0.05) & (array_m < size - 0.05)).all())
    keys.check("array_m", f"5 cm inside the room of {size.tolist()} m", inside)
    weights = keys.array("wall_weights", (6,), 0, 100)
    surfaces = wall_surfaces(size)
    mean = (weights * surfaces).sum() / surfaces.sum()
    keys.check("wall_weights", "above 0 for a wall at least", bool(mean > 0))
    if abs(mean - 1) > 1e-6:  # the room or the weights were edited; the reverberation time shall hold all the same
        weights = weights / mean
    yaw_deg = keys.number("yaw_deg", -360, 360)
    return Room(size, array_m, yaw_deg, keys.array("rt60_s", (2,), 0.01, 10), weights)


def _describe_event(event: Event) -> dict[str, Any]:
    return {
        "source": event.source,
        "class": event.sound.class_index,
        "sound": dict(event.sound.recipe),
        "onset_s": event.onset_s,
        "skip_s": event.skip_s,
        "seconds": len(event.sound.audio) / SAMPLE_RATE,
        "level_db": event.level_db,
        "path": {"kind": event.path.kind, "points_m": event.path.points_m.tolist()},
        "random": event.random,
    }


def _read_event(keys: Keys, number: int, room: Room | MeasuredRoom, sounds: str | None, clip_seconds: float) -> Event:
    onset = keys.number("onset_s", 0, clip_seconds)
    source = keys.whole("source", number)
    sound = _read_sound(keys, sounds)
    skip = keys.number("skip_s", 0, len(sound.audio) / SAMPLE_RATE, 0.0)
    left = sound.audio[round(skip * SAMPLE_RATE) :]
    longest = len(left) / SAMPLE_RATE
    seconds = keys.number("seconds", 0.001, longest, longest)
    audio = left[: round(seconds * SAMPLE_RATE)]
    keys.check("seconds", "long enough for a sound", len(audio) > 0)
    path = _read_path(keys, room, len(audio) / SAMPLE_RATE)
    level_db = keys.number("level_db", -100, 100, 0.0)
    return Event(sound._replace(audio=audio), onset, path, level_db, source, _random(keys, number), skip)


def _read_sound(keys: Keys, sounds: str | None) -> Sound:
    class_index = keys.whole("class")
    recipe = keys.get("sound")
    keys = keys.inner("sound", _SOUND)
    audio = _read_audio(keys, sounds)
    if "variation" in keys:
        audio = vary(np.random.default_rng(keys.whole("variation")), audio)
    return Sound(audio, class_index, recipe)


def _read_audio(keys: Keys, sounds: str | None) -> np.ndarray:
    if "file" in keys:
        path = FilePath(sounds or "") / keys.text("file")
        return read_sound(path, keys.number("begin_s", 0, 1e6, 0.0), keys.number("length_s", 0.001, 3600, None))
    family = keys.text("family", None)
    keys.check("family", f"one of {', '.join(FAMILIES)}", family is None or family in FAMILIES)
    low, high = SceneConfig.event_seconds
    if "length_s" in keys:
        low, high = keys.array("length_s", (2,), 0.1, 3600).tolist()
        keys.check("length_s", "the shortest and the longest length", low <= high)
    return synthesize(np.random.default_rng(keys.whole("seed")), (low, high), family)[0]


def _read_path(keys: Keys, room: Room | MeasuredRoom, seconds: float) -> Path:
    keys = keys.inner("path", ("kind", "points_m"))
    kind, points = keys.text("kind"), keys.array("points_m", (None, 3), -200, 200)
    keys.check("kind", "static, line, arc or measured", kind in ("static", "line", "arc", "measured"))
    keys.check(
        "points_m", "one point of a static source, more of a moving one", (kind == "static") == (len(points) == 1)
    )
    if isinstance(room, MeasuredRoom):
        points = room.positions_m[room.nearest(points)]  # where there are responses, and so the labels
    else:
        inside = bool(((points > 0) & (points < room.size_m)).all())
        keys.check("points_m", f"inside the room of {room.size_m.tolist()} m", inside)
        _, distance = room.directions(Path(kind, points, 1.0).at(np.linspace(0, 1, 1000)))
        keys.check(
            "points_m", f"at least {_NEAREST_M:g} m from the array on the way", bool(distance.min() >= _NEAREST_M)
        )
    return Path(kind, points, seconds)


def _random(keys: Keys, default: int) -> str | int:
    word = keys.get("random", default)
    try:
        holds = isinstance(word, str | int) and not isinstance(word, bool) and thaw(word) is not None
    except ValueError:
        holds = False
    keys.check("random", "a whole number from 0, or a state as it was written", holds)
    return word
