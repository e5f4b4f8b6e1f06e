"""Sums of clips -> the mapping of figures, intervals, tables and counters that users get."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from seld.metrics import confidence
from seld.metrics.confidence import total
from seld.metrics.protocol import Figures, Protocol, Sums

# What official and strict figures may differ by before it is said: half a point, or half a degree.
_HALF_A_POINT = {"LE": 0.5, "DOA_error": 0.5}
_POINTS = ("ER", "F", "LR", "SELD", "frame_recall", "RelDistE", "OnscreenAcc")
_HALF_A_POINT |= dict.fromkeys(_POINTS, 0.005)


def concatenate(parts: Sequence[Sums]) -> Sums:
    """The sums of several groups of clips as those of one: (clips, ...) each."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def figures(protocol: Protocol, sums: Sums) -> Figures:
    """The protocol's figures, undefined ones NaN in silence."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return protocol.score(sums)


def renamed(protocols: Mapping[str, Protocol], sums: Mapping[str, Sums]) -> dict[str, dict[str, str]]:
    """Protocol -> its name of a figure -> the figure's key in the result.

    They are the same, but that figures which two of the joined protocols give carry the name of the protocol:
    `dcase2022.F` and `dcase2024.F`.
    """
    names = {key: list(figures(protocol, total(sums[key]))) for key, protocol in protocols.items()}
    often = Counter(name for of_one in names.values() for name in of_one)
    return {key: {name: f"{key}.{name}" if often[name] > 1 else name for name in of_one} for key, of_one in names.items()}


def summarize(
    protocols: Mapping[str, Protocol],
    sums: Mapping[str, Sums],
    clips: Sequence[str] | None = None,
    class_intervals: bool = False,
) -> dict[str, Any]:
    """The result of `seld.metrics.evaluate`.

    Args:
        protocols: by name.
        sums: name of the protocol -> sums of each clip, (clips, ...).
        clips: their names, where scores of each clip are wanted (`files`).
        class_intervals: whether the scores of each class get intervals too.
    """
    result: dict[str, Any] = {}
    parts: dict[str, dict] = {"jackknife": {}, "counters": {}}
    keys = renamed(protocols, sums)
    for name, protocol in protocols.items():
        of_set, key = total(sums[name]), keys[name]
        result |= {key[figure]: float(value) for figure, value in figures(protocol, of_set).items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            intervals = confidence.jackknife(sums[name], partial(figures, protocol), protocol.bias_corrected)
            tables = protocol.tables(of_set)
            if class_intervals and "classwise" in tables:
                tables["jackknife_classwise"] = confidence.jackknife_tables(
                    sums[name], protocol.tables, protocol.bias_corrected
                )
        parts["jackknife"] |= {key[figure]: interval for figure, interval in intervals.items()}
        parts["counters"] |= _counters(of_set)
        for table, rows in tables.items():
            _merge(parts.setdefault(table, {}), _with_keys(rows, key, name, len(protocols) > 1))
        if clips is not None:
            each = {key[figure]: value for figure, value in figures(protocol, sums[name]).items()}
            _merge(parts.setdefault("files", {}), _by_clip(clips, each))
    return result | parts | {"clips": len(next(iter(next(iter(sums.values())).values())))}


def strict_notes(name: str, protocol: Protocol, sums: Sums, twin: Protocol, twin_sums: Sums) -> list[str]:
    """A line that says which official figures differ from the strict ones by more than half a point; none if none does.

    Args:
        name, protocol, sums: the official one, with its sums (clips, ...).
        twin, twin_sums: the strict one.
    """
    official, strict = figures(protocol, total(sums)), figures(twin, total(twin_sums))
    far = []
    for figure, limit in _HALF_A_POINT.items():
        if figure in official and figure in strict:
            given, without = float(official[figure]), float(strict[figure])
            if not (abs(given - without) <= limit or (np.isnan(given) and np.isnan(without))):
                far.append(f"{figure} {_short(given)} (strict {_short(without)})")
    return [f"{name} and {name}_strict differ by more than half a point: {', '.join(far)}"] if far else []


def _counters(of_set: Sums) -> dict[str, Any]:
    """Numbers, and lists of numbers (of each class); tables within the sums are not for reading."""
    return {name: value.tolist() for name, value in of_set.items() if np.ndim(value) < 2}


def _with_keys(rows: dict, key: Mapping[str, str], name: str, joined: bool) -> dict:
    """The rows of a table; figures of joined protocols that clash carry the protocol's name there too."""
    if not joined:
        return rows
    return {row: {key.get(figure, figure): value for figure, value in values.items()} for row, values in rows.items()}


def _by_clip(clips: Sequence[str], each: Figures) -> dict[str, dict[str, float]]:
    columns = {name: np.broadcast_to(value, len(clips)).tolist() for name, value in each.items()}
    return {clip: {name: column[index] for name, column in columns.items()} for index, clip in enumerate(clips)}


def _merge(into: dict, rows: Mapping) -> None:
    for row, values in rows.items():
        into.setdefault(row, {}).update(values)


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
