"""Folders of clips in DCASE layout: worker processes, and a run that goes on where it stopped."""

import dataclasses
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from seld.audio import write_audio
from seld.files import write_json
from seld.labels import write_rows
from seld.scenes.config import SPLITS, SceneConfig
from seld.scenes.events import Events, open_events
from seld.scenes.mixing import make_clip

_FOLD = {"train": 3, "validation": 2, "test": 1}  # as TAU-NIGENS 2020 numbers them


def make_scenes(config: SceneConfig, output: str | Path, workers: int = 1, progress: bool = True) -> None:
    """Fill `output` with `config.clips` clips of one split, leaving those that are already there.

    A clip is foa_dev/NAME.flac, metadata_dev/NAME.csv and scene_dev/NAME.json (how it was made: room, noise,
    every event). The configuration lies in scenes_SPLIT.json; splits may share a folder.

    Args:
        workers: processes; the bytes written do not depend on their number.

    Raises:
        ValueError: when the folder holds scenes of another configuration, or a file of events is bad.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    output = Path(output)
    events = open_events(config)
    _claim(output, config, events)
    missing = [number for number in range(config.clips) if not _paths(output, config, number)[-1].is_file()]
    if workers == 1 or len(missing) < 2:
        made = (_make(output, config, events, number) for number in missing)
    else:
        made = _make_in_parallel(output, config, missing, min(workers, len(missing)))
    done = config.clips - len(missing)
    bar = tqdm(made, f"{config.split} scenes", config.clips, initial=done, unit="clip", disable=not progress)
    for _ in bar:
        pass


def clip_name(split: str, number: int) -> str:
    """The name, without suffix, of clip `number` of a split; every clip has a room of its own."""
    return f"fold{_FOLD[split]}_room{number + 1:04d}_mix001"


def clip_generator(config: SceneConfig, number: int) -> np.random.Generator:
    """The source of everything random in one clip."""
    return np.random.default_rng([config.seed, SPLITS.index(config.split), number])


def _make(output: Path, config: SceneConfig, events: Events, number: int) -> None:
    clip = make_clip(clip_generator(config, number), events, config)
    description, audio, metadata = _paths(output, config, number)
    write_json(description, clip.description)
    write_audio(audio, clip.audio)
    write_rows(metadata, clip.rows)


def _paths(output: Path, config: SceneConfig, number: int) -> tuple[Path, Path, Path]:
    """The files of a clip in the order of writing: the clip is done when the last one is there."""
    name = clip_name(config.split, number)
    return (
        output / "scene_dev" / f"{name}.json",
        output / "foa_dev" / f"{name}.flac",
        output / "metadata_dev" / f"{name}.csv",
    )


def _claim(output: Path, config: SceneConfig, events: Events) -> None:
    """Store the configuration in the folder, or see that the stored one is the same but for `clips`."""
    path = output / f"scenes_{config.split}.json"
    options = {field.name: getattr(config, field.name) for field in dataclasses.fields(SceneConfig)}
    # Through JSON and back, so that tuples compare with the lists that were read.
    wanted = json.loads(json.dumps({**options, "classes": events.classes}))
    if path.is_file():
        try:
            stored = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{error.lineno}: expected JSON, {error.msg}") from None
        for key in wanted.keys() - {"clips"}:
            if stored.get(key) != wanted[key]:
                raise ValueError(
                    f"{output}: holds {config.split} scenes made with {key} {stored.get(key)}, not "
                    f"{wanted[key]}; use another folder or remove it"
                )
    write_json(path, wanted)


def _make_in_parallel(output: Path, config: SceneConfig, numbers: list[int], workers: int) -> Iterator[None]:
    """Make clips in worker processes; yields whenever one is done."""
    pool = ProcessPoolExecutor(workers, _process_context(), _start_worker, (output, config))
    try:
        for made in as_completed([pool.submit(_work, number) for number in numbers]):
            yield made.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _process_context() -> multiprocessing.context.BaseContext:
    """How workers start. Forking a process whose torch threads run can hang; a clean server can be forked.

    The server imports torch once, which takes seconds, where spawned workers would each do so.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


_worker: tuple[Path, SceneConfig, Events]


def _start_worker(output: Path, config: SceneConfig) -> None:
    """Runs once in each worker process."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which lets the workers finish
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _worker = (output, config, open_events(config))


def _end_with_parent() -> None:
    """Wait for the parent process and end this one, which would wait for work for ever if that is killed."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _work(number: int) -> None:
    _make(*_worker, number)
