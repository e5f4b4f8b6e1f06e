"""References and predictions as they come (tables, mappings, files, folders) -> two tables for each clip."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from seld.labels import COLUMNS, read_rows

Rows = pd.DataFrame | Mapping[str, pd.DataFrame] | str | Path
"""One clip as a table or a CSV file; many as a mapping (name -> table) or a folder of CSV files."""


class Clip(NamedTuple):
    name: str
    reference: pd.DataFrame
    prediction: pd.DataFrame


def clips(reference: Rows, prediction: Rows) -> Iterator[Clip]:
    """The clips of both sides, paired by name: the stem of the file, or the key of the mapping.

    Two tables, or two files whatever their stems, are one clip. Folders are searched with their subfolders.

    Raises:
        ValueError: when one side lacks a clip of the other (an empty file stands for silence, a missing one
            for nothing), when a folder holds no CSV file or one stem twice, or when a table lacks a column.
        FileNotFoundError: when there is no such file or folder.
    """
    references, predictions = _sources(reference, "reference"), _sources(prediction, "prediction")
    if _is_many(reference) != _is_many(prediction):
        raise ValueError(
            "reference and prediction must both be one clip (a table or a file) or both be many "
            f"(a mapping or a folder), got {_describe(reference)} and {_describe(prediction)}"
        )
    if not _is_many(reference):
        yield Clip("", _table(references[""], "reference"), _table(predictions[""], "prediction"))
        return
    _refuse_unpaired(references.keys() - predictions.keys(), "reference without prediction")
    _refuse_unpaired(predictions.keys() - references.keys(), "prediction without reference")
    for name in sorted(references):
        reference_rows = _table(references[name], f"reference {name}")
        yield Clip(name, reference_rows, _table(predictions[name], f"prediction {name}"))


def _is_many(rows: Rows) -> bool:
    if isinstance(rows, pd.DataFrame):
        return False
    return isinstance(rows, Mapping) or Path(rows).is_dir()


def _sources(rows: Rows, side: str) -> Mapping[str, pd.DataFrame | Path]:
    if isinstance(rows, pd.DataFrame):
        return {"": rows}
    if isinstance(rows, Mapping):
        if not rows:
            raise ValueError(f"{side}: the mapping holds no clip")
        return rows
    path = Path(rows)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such {side} file or folder")
    if path.is_file():
        return {"": path}
    found: dict[str, Path] = {}
    for file in sorted(path.rglob("*.csv")):
        if file.stem in found:
            raise ValueError(f"{side}: two clips are named {file.stem}: {found[file.stem]} and {file}")
        found[file.stem] = file
    if not found:
        raise ValueError(f"{path}: the {side} folder holds no CSV file")
    return found


def _table(rows: pd.DataFrame | Path, what: str) -> pd.DataFrame:
    if isinstance(rows, Path):
        return read_rows(rows)
    missing = [name for name in COLUMNS if name not in rows.columns and name != "distance"]
    if missing:
        raise ValueError(f"{what}: the table must have the columns {', '.join(missing)}")
    return rows


def _describe(rows: Rows) -> str:
    return str(rows) if isinstance(rows, str | Path) else f"a {type(rows).__name__}"


def _refuse_unpaired(names: set[str], what: str) -> None:
    if names:
        shown = ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise ValueError(f"{what}: {shown}")
