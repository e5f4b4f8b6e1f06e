"""References and predictions as they come (tables, mappings, files, folders) -> tables of many clips at once.

`pair` finds out which clips there are, without reading any; its pairs are names, paths and tables, cheap to hand
to other processes. `chunks` reads them a group at a time, so that memory is bounded however many clips there are.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from seld.labels import check_rows, find_format, line_of, read_clips, unit_doubt
from seld.metrics.pairing import ON_MISSING, Pair, Paired, Rows, pair

__all__ = ["ON_MISSING", "ON_REPEAT", "Chunk", "Clip", "Pair", "Paired", "Rows", "chunks", "clips", "pair"]

ON_REPEAT = ("error", "keep")

Source = pd.DataFrame | Path | None

_CHUNK_BYTES = 1 << 23
_KEYS = ("clip", "frame", "class", "source")


class Chunk(NamedTuple):
    """Some of the clips, in the order of the pairs."""

    names: list[str]
    reference: pd.DataFrame
    """columns as in `seld.labels`, and `clip`, which counts the names from 0"""
    prediction: pd.DataFrame


class Clip(NamedTuple):
    name: str
    reference: pd.DataFrame
    prediction: pd.DataFrame


def chunks(
    pairs: Sequence[Pair],
    reference_format: str = "seld",
    prediction_format: str = "seld",
    size: int = 64,
    classes: int | None = None,
    on_repeat: str = "error",
) -> Iterator[Chunk]:
    """The rows of the clips, at most `size` clips or about 8 MB of text at a time.

    Args:
        reference_format, prediction_format: names of `seld.labels.FORMATS`, for the sides that are files.
        classes: how many there are; None allows any class.
        on_repeat: what to do with a second row of one class and source in one frame of a prediction: "error", or
            "keep". References may have them: STARSS numbers actors, not events.

    Raises:
        ValueError: `path:line: what is wrong there`, or the name of the table and its row.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    if on_repeat not in ON_REPEAT:
        raise ValueError(f"on_repeat must be one of {', '.join(ON_REPEAT)}, got {on_repeat!r}")
    doubts: set[str] = set()
    for group in _groups(pairs, size):
        reference = _read(group, "reference", reference_format, classes, once=False)
        prediction = _read(group, "prediction", prediction_format, classes, once=on_repeat == "error")
        for rows, format in ((reference, reference_format), (prediction, prediction_format)):
            doubt = unit_doubt(rows, find_format(format))
            if doubt and doubt not in doubts:
                doubts.add(doubt)
                warnings.warn(doubt, stacklevel=2)
        yield Chunk([clip.name for clip in group], reference, prediction)


def clips(reference: Rows, prediction: Rows) -> Iterator[Clip]:
    """The clips one by one, in the format `seld`; raises as `pair` and `chunks`."""
    for clip in pair(reference, prediction).pairs:
        names, *sides = next(chunks([clip], on_repeat="keep"))
        yield Clip(names[0], *(side.drop(columns="clip") for side in sides))


def _groups(pairs: Sequence[Pair], size: int) -> Iterator[list[Pair]]:
    group: list[Pair] = []
    weight = 0
    for clip in pairs:
        group.append(clip)
        weight += sum(side.stat().st_size for side in clip[1:] if isinstance(side, Path) and side.exists())
        if len(group) == size or weight >= _CHUNK_BYTES:
            yield group
            group, weight = [], 0
    if group:
        yield group


def _read(group: Sequence[Pair], side: str, format: str, classes: int | None, once: bool) -> pd.DataFrame:
    """One table of a side with a column `clip`, whose classes and repetitions (`once`: none) are checked."""
    sources = [getattr(clip, side) for clip in group]
    what = [f"{side} {clip.name}".strip() for clip in group]
    rows = _tables(sources, format, what)
    refused = _first_refused(rows, classes, once)
    if refused is None:
        return rows
    row, rule = refused
    clip = int(rows["clip"].iloc[row])
    within = row - int(np.searchsorted(rows["clip"], clip))
    source = sources[clip]
    place = f"{source}:{line_of(source, format, within)}" if isinstance(source, Path) else f"{what[clip]}, row {within}"
    raise ValueError(f"{place}: {rule}")


def _tables(sources: Sequence[Source], format: str, what: Sequence[str]) -> pd.DataFrame:
    files = [clip for clip, source in enumerate(sources) if isinstance(source, Path)]
    rows = read_clips([sources[clip] for clip in files], format, check_units=False)
    if len(files) == len(sources):
        return rows
    rows["clip"] = np.array(files, dtype=np.int64)[rows["clip"]]
    tables = [rows]
    wraps = find_format(format).layouts[0].wraps
    for clip, source in enumerate(sources):
        if isinstance(source, pd.DataFrame):
            checked = check_rows(source, what[clip], wraps)
            checked.insert(0, "clip", clip)
            tables.append(checked)
    # An empty table beside others would give them its columns; one alone gives the columns of the format.
    filled = [table for table in tables if len(table)] or tables[-1:]
    return pd.concat(filled).sort_values("clip", kind="stable", ignore_index=True)


def _first_refused(rows: pd.DataFrame, classes: int | None, once: bool) -> tuple[int, str] | None:
    """The first row with a class beyond the list, or that repeats another: its number and the rule."""
    if classes is not None and len(rows) and rows["class"].max() >= classes:
        row = int((rows["class"] >= classes).to_numpy().argmax())
        return row, f"class must be below {classes}, got {rows['class'].iloc[row]}"
    if once and _repeats(rows):
        row = int(rows.duplicated(list(_KEYS)).to_numpy().argmax())
        number, source, frame = (int(rows[name].iloc[row]) for name in ("class", "source", "frame"))
        return row, (
            f"class and source must occur once in a frame, got a second row of class {number}, source {source} "
            f"in frame {frame} (on_repeat 'keep' lets it pass)"
        )
    return None


def _repeats(rows: pd.DataFrame) -> bool:
    """Whether any row has the clip, frame, class and source of another. Sorting numbers is faster than hashing."""
    code, size = np.zeros(len(rows), dtype=np.int64), 1.0
    for name in _KEYS:
        if not len(rows):
            return False
        column = rows[name].to_numpy()
        low, high = int(column.min()), int(column.max())
        size *= high - low + 1
        if size >= 2.0**62:
            return bool(rows.duplicated(list(_KEYS)).any())
        code = code * (high - low + 1) + (column - low)
    code.sort()
    return bool((code[1:] == code[:-1]).any())
