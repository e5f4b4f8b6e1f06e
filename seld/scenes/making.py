"""Folders of clips in DCASE layout: made from a configuration, or rendered again from their descriptions."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from seld.arrays import ARRAYS, find_array
from seld.files import write_json
from seld.scenes.config import SPLITS, SceneConfig
from seld.scenes.description import describe_array, read_description
from seld.scenes.drawing import draw_scene
from seld.scenes.events import Events, open_events
from seld.scenes.scene import Scene
from seld.scenes.workers import work
from seld.scenes.writing import DESCRIPTIONS, METADATA, write_clip

_FOLD = {"train": 3, "validation": 2, "test": 1}  # as TAU-NIGENS 2020 numbers them
_CLASSES = "classes.json"


def make_scenes(
    config: SceneConfig,
    output: str | Path,
    workers: int = 1,
    progress: bool = True,
    shards: str = "1/1",
    ray: bool = False,
) -> None:
    """Fill `output` with `config.clips` clips of one split, leaving those that are already there.

    A clip is NAME.flac in the folder of each format (foa_dev/, mic_dev/, ...), metadata_dev/NAME.csv and
    scene_dev/NAME.json, its description, from which `render_scenes` makes it again. The configuration lies in
    scenes_SPLIT.json and the names of the classes in classes.json; splits may share a folder.

    Args:
        workers: processes; the bytes written do not depend on their number.
        shards: "i/n" makes only the clips i, i + n, i + 2 n, ... counted from 1, for the i-th of n machines.
        ray: spread over a Ray cluster in place of processes.

    Raises:
        ValueError: when the folder holds scenes of another configuration, or a file of events is bad.
    """
    shard, count = _shard(shards)
    output = Path(output)
    events = open_events(config)
    _claim(output, config, events)
    _write_classes(output, events.classes)
    numbers = range(shard - 1, config.clips, count)
    job = _Making(output, config)
    missing = [number for number in numbers if not job.is_done(number)]
    _run(work(job, missing, workers, ray), f"{config.split} scenes", len(numbers), len(missing), progress)


def render_scenes(
    source: str | Path,
    output: str | Path,
    formats: list[str] | None = None,
    events: str | None = None,
    workers: int = 1,
    progress: bool = True,
    ray: bool = False,
) -> None:
    """Render descriptions: a file, a folder of them, or a folder in DCASE layout with scene_dev/.

    Clips that are there already are replaced.

    Args:
        formats: names of arrays in place of those in the descriptions.
        events: folder of the sounds in place of the one in the descriptions.

    Raises:
        ValueError: `file: key must be ...` for a description that cannot be rendered. All are read before the
            first one is rendered.
    """
    source, output = Path(source), Path(output)
    files = _find_descriptions(source)
    for file in files:
        _read(file, formats, events)
    classes = next((path for path in _near(source) if path.is_file()), None)
    if classes is not None:
        _write_classes(output, tuple(_read_json(classes)))
    _run(work(_Rendering(output, formats, events), files, workers, ray), "scenes", len(files), len(files), progress)


def clip_name(split: str, number: int) -> str:
    """The name, without suffix, of clip `number` of a split; every clip has a room of its own."""
    return f"fold{_FOLD[split]}_room{number + 1:04d}_mix001"


def clip_generator(config: SceneConfig, number: int) -> np.random.Generator:
    """The source of everything random in one clip."""
    return np.random.default_rng([config.seed, SPLITS.index(config.split), number])


class _Making(NamedTuple):
    output: Path
    config: SceneConfig

    def start(self) -> Callable[[int], None]:
        events = open_events(self.config)

        def make(number: int) -> None:
            scene = draw_scene(clip_generator(self.config, number), events, self.config)
            write_clip(self.output, clip_name(self.config.split, number), scene)

        return make

    def is_done(self, number: int) -> bool:
        # The labels are written last.
        return (self.output / METADATA / f"{clip_name(self.config.split, number)}.csv").is_file()


class _Rendering(NamedTuple):
    output: Path
    formats: list[str] | None
    events: str | None

    def start(self) -> Callable[[Path], None]:
        return lambda file: write_clip(self.output, file.stem, _read(file, self.formats, self.events))


def _run(done: Iterator[None], label: str, total: int, missing: int, progress: bool) -> None:
    for _ in tqdm(done, label, total, initial=total - missing, unit="clip", disable=not progress):
        pass


def _shard(shards: str) -> tuple[int, int]:
    parts = shards.split("/")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        shard, count = map(int, parts)
        if 1 <= shard <= count:
            return shard, count
    raise ValueError(f"shards must be i/n with i from 1 to n, got {shards}")


def _find_descriptions(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise FileNotFoundError(f"{source}: no such file or folder of scenes")
    folder = source / DESCRIPTIONS if (source / DESCRIPTIONS).is_dir() else source
    files = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    if not files:
        raise ValueError(f"{folder}: expected descriptions of scenes (.json), found none")
    return files


def _near(source: Path) -> list[Path]:
    """Where the names of the classes may lie: in the folder in DCASE layout around the descriptions."""
    return [folder / _CLASSES for folder in (source, source.parent, source.parent.parent)]


def _read(file: Path, formats: list[str] | None, events: str | None) -> Scene:
    try:
        return read_description(_read_json(file), formats, events)
    except (ValueError, FileNotFoundError) as error:
        if str(error).startswith(f"{file}:"):
            raise
        raise type(error)(f"{file}: {error}") from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: expected JSON, {error.msg}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}:1: expected JSON, this is no text") from None


def _write_classes(output: Path, classes: tuple[str, ...]) -> None:
    """The names of the classes, in the order of their numbers."""
    path = output / _CLASSES
    names = [name or "sound" for name in classes]
    if path.is_file():
        if (stored := _read_json(path)) != names:
            raise ValueError(f"{path}: the folder's classes are {stored}, not {names}; use another folder")
        return
    write_json(path, names)


def _claim(output: Path, config: SceneConfig, events: Events) -> None:
    """Store the configuration in the folder, or see that the stored one is the same but for `clips`."""
    path = output / f"scenes_{config.split}.json"
    options = {field.name: getattr(config, field.name) for field in dataclasses.fields(SceneConfig)}
    # Through JSON and back, so that tuples compare with the lists that were read.
    arrays = [describe_array(find_array(name)) for name in config.formats]
    wanted = json.loads(json.dumps({**options, "classes": events.classes, "arrays": arrays}))
    if path.is_file():
        # A folder of an older version lacks the options that came later.
        default = json.loads(json.dumps(dataclasses.asdict(SceneConfig())))
        stored = default | {"arrays": [describe_array(ARRAYS["foa"])]} | _read_json(path)
        for key in wanted:
            if key != "clips" and stored.get(key) != wanted[key]:
                raise ValueError(
                    f"{output}: holds {config.split} scenes made with {key} {stored.get(key)}, not "
                    f"{wanted[key]}; use another folder or remove it"
                )
    write_json(path, wanted)
