"""Training runs, each in a process of its own, several at once; several programs may work on the same runs."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from seld import config
from seld.clips import METADATA
from seld.config import Experiment
from seld.files import atomic_path
from seld.scenes import SPLITS


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One training run, in the folder of its experiment."""

    name: str
    """what it is called where its end is told"""
    experiment: Experiment

    @property
    def folder(self) -> Path:
        return self.experiment.run_dir

    @property
    def done(self) -> bool:
        return (self.folder / "scores.json").is_file()


class Working(NamedTuple):
    """A run whose process has begun."""

    planned: Planned
    process: subprocess.Popen
    since: float


def check(run: Planned) -> None:
    """See that what is in the folder of a run, if it has begun, is of this configuration.

    Raises:
        ValueError: when it is not, with the first option that differs.
    """
    if run.done or (run.folder / "last.ckpt").is_file():
        config.check_same(run.folder / "config.yaml", run.experiment, config.CHANGEABLE)


def finish(runs: Sequence[Planned], recipe: Path, parallel: int, tell: Callable[[str], None]) -> None:
    """Finish all runs by a training recipe, `parallel` at once; what other programs are at is waited for.

    `tell` is given a line for each run that ends.

    Raises:
        ValueError: when a run fails; the others are ended, and go on when this is started again.
    """
    waiting = [run for run in runs if not run.done]
    working: list[Working] = []
    try:
        while waiting or working:
            still = []
            for one in working:
                if line := ended(one):
                    tell(f"{line}, {len(runs) - len(waiting)} of {len(runs)} begun")
                else:
                    still.append(one)
            working = still
            waiting = [run for run in waiting if not run.done]
            for run in list(waiting):
                if len(working) < parallel and (process := begin(run, recipe, parallel)):
                    waiting.remove(run)
                    working.append(Working(run, process, time.monotonic()))
            time.sleep(0.2)
    finally:
        for one in working:
            one.process.terminate()
            one.process.wait()


def begin(run: Planned, recipe: Path, parallel: int) -> subprocess.Popen | None:
    """The process of a run, or None while another one is at it or makes its scenes.

    Locks are held by the process itself, so that they last exactly as long as it does, whatever becomes of this one.
    """
    locks = [lock(run.folder / "lock")]
    if not scenes_are_there(run.experiment):
        locks.append(lock(run.experiment.data.made / "lock"))
    try:
        if None in locks or run.done:  # another process may just have finished it
            return None
        with atomic_path(run.folder / "config.yaml") as temporary:
            temporary.write_text(config.to_yaml(run.experiment))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = {"OMP_NUM_THREADS": str(max(1, cores // parallel))}
        with (run.folder / "output.txt").open("a") as output:
            return subprocess.Popen(
                [sys.executable, str(recipe), "--config", str(run.folder / "config.yaml")],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=threads | os.environ,
                pass_fds=[held.fileno() for held in locks],
            )
    finally:
        for held in locks:
            if held is not None:
                held.close()


def lock(path: Path) -> IO | None:
    """The file, locked until everybody who inherits it has closed it; None when somebody else holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def scenes_are_there(one: Experiment) -> bool:
    wanted = dict(zip(SPLITS, (one.scenes.clips, one.data.validation_clips, one.data.test_clips), strict=True))
    return all(len(list((one.data.made / split).glob(f"{METADATA}/*.csv"))) >= clips for split, clips in wanted.items())


def ended(one: Working) -> str | None:
    """What there is to say of a process that is through; None of one that is not."""
    code = one.process.poll()
    if code is None:
        return None
    run = one.planned
    if code:
        lines = (run.folder / "output.txt").read_text().replace("\r", "\n").strip().splitlines()
        raise ValueError(f"{run.name}: exit code {code}, {lines[-1] if lines else 'without a word'}")
    scores = json.loads((run.folder / "scores.json").read_text())
    figures = ", ".join(f"{name} {scores[name]:.3g}" for name in ("LE", "F20", "MOTA") if scores[name] is not None)
    return f"{run.name}: {figures} ({(time.monotonic() - one.since) / 60:.1f} min)"
