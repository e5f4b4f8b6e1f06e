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
    """The sums of several groups of clips as those of one: (clips, ...) each.

    Contiguous, since NumPy adds up in an order that depends on how an array lies in memory.
    """
    return {name: np.ascontiguousarray(np.concatenate([part[name] for part in parts])) for name in parts[0]}


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
    return {
        key: {name: f"{key}.{name}" if often[name] > 1 else name for name in of_one} for key, of_one in names.items()
    }


def summarize(
    protocols: Mapping[str, Protocol],
    sums: Mapping[str, Sums],
    clips: Sequence[str] | None = None,
    class_intervals: bool = False,
) -> dict[str, Any]:
    """The result of `seld.metrics.evaluate`, but for the notes.

    Args:
        protocols: by name.
        sums: name of the protocol -> sums of each clip, (clips, ...).
        clips: their names, where scores of each clip are wanted (`files`).
        class_intervals: whether the scores of each class get intervals too.
    """
    scores: dict[str, float] = {}
    parts: dict[str, dict] = {"jackknife": {}, "counters": _counters(sums)}
    keys = renamed(protocols, sums)
    for name, protocol in protocols.items():
        key, score, tables = keys[name], partial(figures, protocol), partial(_tables, protocol)
        of_set = total(sums[name])
        scores |= {key[figure]: float(value) for figure, value in score(of_set).items()}
        intervals = confidence.jackknife(sums[name], score, protocol.bias_corrected)
        parts["jackknife"] |= {key[figure]: interval for figure, interval in intervals.items()}
        found = tables(of_set)
        if class_intervals and "classwise" in found:
            found["jackknife_classwise"] = confidence.jackknife_tables(sums[name], tables, protocol.bias_corrected)
        if clips is not None:
            found["files"] = _by_clip(clips, score(sums[name]))
        for table, rows in found.items():
            merged = parts.setdefault(table, {})
            for row, values in rows.items():
                merged.setdefault(row, {}).update({key.get(figure, figure): values[figure] for figure in values})
    return scores | parts | {"clips": len(next(iter(next(iter(sums.values())).values())))}


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


def _tables(protocol: Protocol, of_set: Sums) -> dict[str, dict]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return dict(protocol.tables(of_set))


def _counters(sums: Mapping[str, Sums]) -> dict[str, Any]:
    """Numbers, and lists of numbers (of each class). Where joined protocols disagree, by `protocol.name`."""
    named: dict[str, dict[str, Any]] = {}
    for protocol, of_clips in sums.items():
        for name, value in total(of_clips).items():
            if np.ndim(value) < 2:  # tables within the sums are not for reading
                named.setdefault(name, {})[protocol] = value.tolist()
    counters = {}
    for name, values in named.items():
        first, *others = values.values()
        agree = all(other == first for other in others)
        counters |= {name: first} if agree else {f"{protocol}.{name}": value for protocol, value in values.items()}
    return counters


def _by_clip(clips: Sequence[str], each: Figures) -> dict[str, dict[str, float]]:
    columns = {name: np.broadcast_to(value, len(clips)).tolist() for name, value in each.items()}
    return {clip: {name: column[index] for name, column in columns.items()} for index, clip in enumerate(clips)}


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
