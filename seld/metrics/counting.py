"""References and predictions -> the sums of each clip, a group of clips at a time, in one process or in several.

What is in memory is one group of clips for each process, and the sums of all, never all rows. The groups do not depend
on the number of processes, and their results are put together in the order of the clips' names: so the figures are
the same to the last digit whatever the number, and whatever the order of the files.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tqdm import tqdm

from seld.metrics.inputs import Pair, Paired, Rows, chunks, pair
from seld.metrics.protocol import ClipError, Protocol, Sums
from seld.metrics.results import concatenate

GROUP = 32
"""clips that are read and counted at once"""


class Reading(NamedTuple):
    """How clips are found and read: the arguments of `seld.metrics.evaluate` of these names."""

    reference_format: str | None = None
    prediction_format: str | None = None
    on_missing: str = "error"
    on_repeat: str | None = None
    on_class: str = "error"
    workers: int = 1
    progress: bool = False


class Counted(NamedTuple):
    clips: list[str]
    """names, in the order of the sums"""
    sums: dict[str, Sums]
    """name of the protocol -> (clips, ...) each"""
    notes: list[str]
    """what was left out, or counted as silence"""


class _Group(NamedTuple):
    sums: dict[str, Sums]
    warnings: list[tuple[type[Warning], str]]


def count(protocols: Mapping[str, Protocol], reference: Rows, prediction: Rows, reading: Reading) -> Counted:
    """The sums of all clips.

    Raises:
        ValueError, FileNotFoundError: as `seld.metrics.evaluate`.
        RuntimeError: when a worker process dies.
    """
    if reading.workers < 1:
        raise ValueError(f"workers must be >= 1, got {reading.workers}")
    paired = pair(reference, prediction, reading.on_missing)
    read_group = _reader(protocols, paired.pairs, reading)
    groups = [paired.pairs[start : start + GROUP] for start in range(0, len(paired.pairs), GROUP)]
    done = _each(partial(_count, protocols, read_group), groups, reading.workers)
    counted: list[_Group] = []
    with tqdm(total=len(paired.pairs), unit="clip", leave=False, disable=not reading.progress) as bar:
        for group, result in zip(groups, done, strict=True):
            counted.append(result)
            bar.update(len(group))
    for category, text in dict.fromkeys(warning for group in counted for warning in group.warnings):
        warnings.warn(text, category, stacklevel=3)
    sums = {name: concatenate([group.sums[name] for group in counted]) for name in protocols}
    return Counted([clip.name for clip in paired.pairs], sums, _notes(paired, reading.on_missing))


def read(
    protocols: Mapping[str, Protocol], reference: Rows, prediction: Rows, reading: Reading
) -> tuple[list[str], pd.DataFrame, pd.DataFrame]:
    """The names of all clips, and all rows of both sides with a column `clip`: for pictures."""
    pairs = pair(reference, prediction, reading.on_missing).pairs
    parts: list[tuple[pd.DataFrame, ...]] = []
    names: list[str] = []
    for chunk in _reader(protocols, pairs, reading)(pairs):
        parts.append(tuple(side.assign(clip=side["clip"] + len(names)) for side in chunk[1:]))
        names += chunk.names
    references, predictions = (pd.concat(side, ignore_index=True) for side in zip(*parts, strict=True))
    return names, references, predictions


def _reader(protocols: Mapping[str, Protocol], pairs: Sequence[Pair], reading: Reading) -> partial:
    """`chunks` as the options and the protocols want it, to be given pairs."""
    if reading.on_class not in ("error", "ignore"):
        raise ValueError(f"on_class must be one of error, ignore, got {reading.on_class!r}")
    listed = [protocol.classes for protocol in protocols.values() if hasattr(protocol, "classes")]
    formats = {}
    for side in ("reference", "prediction"):
        option = f"{side}_format"
        # Class-free protocols take what the others need.
        own = {getattr(protocol, option) for protocol in protocols.values()} - {"seld"}
        chosen = getattr(reading, option)
        if chosen is None and len(own) > 1 and any(isinstance(getattr(clip, side), Path) for clip in pairs):
            raise ValueError(
                f"{option} must be given where protocols have several ({', '.join(sorted(own))}), got none"
            )
        formats[option] = chosen if chosen is not None else min(own, default="seld")
    return partial(
        chunks,
        **formats,
        classes=min(listed) if listed and reading.on_class == "error" else None,
        on_repeat=reading.on_repeat or "error",
        size=GROUP,
    )


def _count(
    protocols: Mapping[str, Protocol], read: Callable[[Sequence[Pair]], Iterator], group: Sequence[Pair]
) -> _Group:
    """The sums of one group; what is warned of is carried along, since workers have no say on the user's screen."""
    parts: dict[str, list[Sums]] = {name: [] for name in protocols}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for chunk in read(group):
            for name, protocol in protocols.items():
                try:
                    parts[name].append(protocol.count(chunk.reference, chunk.prediction, len(chunk.names)))
                except ClipError as error:
                    raise ValueError(f"{name}, clip {chunk.names[error.clip]}: {error}") from None
    sums = {name: concatenate(part) for name, part in parts.items()}
    return _Group(sums, [(one.category, str(one.message)) for one in caught])


def _each(work: Callable[[list[Pair]], _Group], groups: Sequence[list[Pair]], workers: int) -> Iterator[_Group]:
    """The work of each group, in their order."""
    if workers == 1 or len(groups) < 2:
        yield from map(work, groups)
        return
    # Spawned, not forked: a fork of a process with threads, such as torch's, may hang.
    with ProcessPoolExecutor(min(workers, len(groups)), mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[_Group]] = deque()
        try:
            for group in groups:
                waiting.append(pool.submit(work, group))
                if len(waiting) > 2 * workers:  # not all at once: groups may hold tables
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise RuntimeError(
                "a worker process died: it was out of memory, or the script that called has no "
                'if __name__ == "__main__": around what it runs'
            ) from None
        finally:
            for future in waiting:
                future.cancel()


def _notes(paired: Paired, on_missing: str) -> list[str]:
    fates = {
        "reference without prediction": (paired.lone_references, "counted as missed"),
        "prediction without reference": (paired.lone_predictions, "counted as false alarms"),
    }
    return [
        f"{what}, {'left out' if on_missing == 'skip' else fate}: {len(names)} ({_some(names)})"
        for what, (names, fate) in fates.items()
        if names
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
