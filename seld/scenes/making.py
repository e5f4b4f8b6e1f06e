"""Folders of clips in DCASE layout: made from a configuration, or rendered again from their descriptions."""

import contextlib
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
from seld.scenes.formats import arrays_in, check_arrays
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
        ValueError: when the folder holds scenes of another configuration, or sounds of another array where those of a
            format go, or a file of events is bad.
        OSError: when the disk is full, or the folder cannot be written. What was made before stays.
    """
    shard, count = _shard(shards)
    output = Path(output)
    events = open_events(config)
    numbers = range(shard - 1, config.clips, count)
    job = _Making(output, config)
    missing = [number for number in numbers if not job.is_done(number)]
    with _claim(output, config, events):
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
    made = arrays_in(output)
    for file in files:
        check_arrays(output, made, _read(file, formats, events).formats)
    classes = next((path for path in _near(source) if path.is_file()), None)
    if classes is not None:
        _write_classes(output, _read_classes(classes))
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
    around = source.parent if source.is_file() else source
    return [folder / _CLASSES for folder in (around, around.parent)]


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


def _read_classes(path: Path) -> list[str]:
    names = _read_json(path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: expected a list of the names of classes, got {names}")
    return names


def _write_classes(output: Path, names: list[str]) -> list[Path]:
    """Write the names of the classes, in the order of their numbers, unless they are there; what is new."""
    path = output / _CLASSES
    if path.is_file():
        if (stored := _read_classes(path)) != names:
            raise ValueError(f"{path}: the folder's classes are {stored}, not {names}; use another folder")
        return []
    _write(path, names)
    return [path]


def _write(path: Path, value: Any) -> None:
    try:
        write_json(path, value)
    except OSError as error:
        raise OSError(error.errno, f"{path} could not be written: {error.strerror or error}") from None


@contextlib.contextmanager
def _claim(output: Path, config: SceneConfig, events: Events) -> Iterator[None]:
    """Store the configuration in the folder, or see that the stored one is the same but for `clips`.

    Where not a clip could be made, the folder is free again: what was wrong may have been an option.
    """
    path = output / f"scenes_{config.split}.json"
    new = [] if path.is_file() else [path]
    wanted = _described(config, events)
    _check_claim(output, path, config.split, wanted)
    check_arrays(output, arrays_in(output), [find_array(name) for name in config.formats])
    try:
        new += _write_classes(output, [name or "sound" for name in events.classes])
        _write(path, wanted)
        yield
    except BaseException:
        if not any((output / METADATA).glob(f"fold{_FOLD[config.split]}_*.csv")):
            for path in new:
                path.unlink(missing_ok=True)
        raise


def _described(config: SceneConfig, events: Events) -> dict[str, Any]:
    """What clips depend on, as JSON gives it back."""
    options = {field.name: getattr(config, field.name) for field in dataclasses.fields(SceneConfig)}
    arrays = [describe_array(find_array(name)) for name in config.formats]
    return json.loads(json.dumps({**options, "classes": events.classes, "arrays": arrays}))


def _check_claim(output: Path, path: Path, split: str, wanted: dict[str, Any]) -> None:
    if not path.is_file():
        return
    claim = _read_json(path)
    if not isinstance(claim, dict):
        raise ValueError(f"{path}: expected the options of scenes, got {claim}")
    # A folder of an older version lacks the options that came later.
    default = json.loads(json.dumps(dataclasses.asdict(SceneConfig())))
    stored = default | {"arrays": [describe_array(ARRAYS["foa"])]} | claim
    for key in wanted:
        if key != "clips" and stored.get(key) != wanted[key]:
            raise ValueError(
                f"{output}: holds {split} scenes made with {key} {stored.get(key)}, not "
                f"{wanted[key]}; use another folder or remove it"
            )
