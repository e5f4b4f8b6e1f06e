"""Which clips there are: references and predictions as they come, paired by name. Nothing is read here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

Rows = pd.DataFrame | Mapping[str, pd.DataFrame | str | Path] | str | Path
"""One clip as a table or a file; many as a mapping (name -> table or file) or a folder with a file for each clip."""

ON_MISSING = ("error", "miss", "skip")

_SUFFIXES = (".csv", ".csv.gz")


class Pair(NamedTuple):
    """One clip: where its rows are. None stands for a missing side, which counts as silence."""

    name: str
    reference: pd.DataFrame | Path | None
    prediction: pd.DataFrame | Path | None


class Paired(NamedTuple):
    pairs: list[Pair]
    """in the order of their names"""
    lone_references: list[str]
    """names of the references that have no prediction"""
    lone_predictions: list[str]


def pair(reference: Rows, prediction: Rows, on_missing: str = "error") -> Paired:
    """The clips of both sides, paired by name: the file's without suffix, or the key of the mapping.

    Two tables, or two files whatever their names, are one clip. Folders are searched with their subfolders for
    .csv and .csv.gz; hidden files are left alone.

    Args:
        on_missing: what becomes of a clip that is on one side only. "error"; "miss": the other side is silent, so
            that all of it is missed, or all of it is false alarms; "skip": it is left out, as the official scorers do
            with a missing prediction.

    Raises:
        ValueError: lists the clips of one side only, unless told otherwise; for a folder that holds no CSV file or
            one name twice; when one side is one clip and the other many.
        FileNotFoundError: when there is no such file or folder.
    """
    if on_missing not in ON_MISSING:
        raise ValueError(f"on_missing must be one of {', '.join(ON_MISSING)}, got {on_missing!r}")
    for rows, side in ((reference, "reference"), (prediction, "prediction")):
        if isinstance(rows, str | Path) and not Path(rows).exists():
            raise FileNotFoundError(f"{rows}: no such {side} file or folder")
    if _is_many(reference) != _is_many(prediction):
        raise ValueError(
            "reference and prediction must both be one clip (a table or a file) or both be many "
            f"(a mapping or a folder), got {_describe(reference)} and {_describe(prediction)}"
        )
    if not _is_many(reference):
        sides = [_source(rows, side) for rows, side in ((reference, "reference"), (prediction, "prediction"))]
        named = [clip_name(side) for side in sides if isinstance(side, Path)]
        return Paired([Pair(named[0] if named else "", *sides)], [], [])
    references, predictions = _many(reference, "reference"), _many(prediction, "prediction")
    lone_references, lone_predictions = sorted(references.keys() - predictions), sorted(predictions.keys() - references)
    if on_missing == "error" and (lone_references or lone_predictions):
        alone = {"reference without prediction": lone_references, "prediction without reference": lone_predictions}
        listed = "; ".join(f"{what}: {_some(names)}" for what, names in alone.items() if names)
        raise ValueError(
            f"{listed} (on_missing 'miss' counts them as silent on the other side, 'skip' leaves them out)"
        )
    names = references.keys() & predictions if on_missing == "skip" else references.keys() | predictions
    if not names:
        raise ValueError(f"{_describe(reference)} and {_describe(prediction)} must share clips, got none in both")
    pairs = [Pair(name, references.get(name), predictions.get(name)) for name in sorted(names)]
    return Paired(pairs, lone_references, lone_predictions)


def clip_name(path: Path) -> str:
    """The name of a file without .csv or .csv.gz."""
    lower = path.name.lower()
    suffix = next((suffix for suffix in _SUFFIXES if lower.endswith(suffix)), path.suffix)
    return path.name[: len(path.name) - len(suffix)]


def _is_many(rows: Rows) -> bool:
    if isinstance(rows, pd.DataFrame):
        return False
    return isinstance(rows, Mapping) or Path(rows).is_dir()


def _source(rows: pd.DataFrame | str | Path, side: str) -> pd.DataFrame | Path:
    if isinstance(rows, pd.DataFrame):
        return rows
    if not Path(rows).is_file():
        raise FileNotFoundError(f"{rows}: no such {side} file")
    return Path(rows)


def _many(rows: Mapping[str, pd.DataFrame | str | Path] | str | Path, side: str) -> dict[str, pd.DataFrame | Path]:
    if isinstance(rows, Mapping):
        if not rows:
            raise ValueError(f"{side}: the mapping holds no clip")
        return {name: _source(source, side) for name, source in rows.items()}
    found: dict[str, Path] = {}
    for file in sorted(Path(rows).rglob("*")):
        # Hidden files are leftovers of killed jobs and of file managers.
        if file.name.startswith(".") or not file.name.lower().endswith(_SUFFIXES) or not file.is_file():
            continue
        name = clip_name(file)
        if name in found:
            raise ValueError(f"{side}: two clips are named {name}: {found[name]} and {file}")
        found[name] = file
    if not found:
        raise ValueError(f"{rows}: the {side} folder holds no CSV file")
    return found


def _describe(rows: Rows) -> str:
    return str(rows) if isinstance(rows, str | Path) else f"a {type(rows).__name__}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
