"""Text to columns, twice: fast for many files at once, and with care for the one that the fast way refuses.

The fast way (pandas' C parser on the joined bytes of many files) may refuse good text but accepts no bad one; the
careful way goes line by line and can name the file, the line and the column at fault.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from seld.labels.checking import first_fault, rule, shown
from seld.labels.formats import CLASSES_2019, Layout

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MOST_SECONDS = 400_000  # of events in one file, which become 50 rows a second: a gigabyte
_SPACE = " \t\v\f"
_PLAIN = b"0123456789+-.eE \n"
# Since 3.1 pandas reads every decimal to the nearest float, and objects to being asked for it.
_EXACT = {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}


class Piece(NamedTuple):
    """Whole lines of one file, without its header; every line ends with a line feed."""

    path: Path
    clip: int
    line: int
    """number of the first line in the file, from 1"""
    layout: Layout
    data: bytes
    opens: bool
    """whether this is where the rows of the file begin"""


class Parsed(NamedTuple):
    columns: dict[str, np.ndarray]
    """name -> values (rows,) in the units of the file, checked"""
    counts: np.ndarray
    """(pieces,) rows of each"""
    lines: np.ndarray
    """(rows,) line numbers; empty where nobody asked for them"""


def parse_fast(pieces: Sequence[Piece]) -> Parsed | None:
    """The columns of pieces of one layout, or None where only the careful way can tell what is the matter."""
    layout = pieces[0].layout
    texts = [_without_blank_lines(piece.data) for piece in pieces]
    data = b"".join(texts)
    counts = np.array([text.count(b"\n") for text in texts])
    # pandas would take "True" for 1, stop at a zero byte, skip lines of spaces, and cut rows that are too long.
    commas = b"," * int(counts.sum() * (len(layout.columns) - 1))
    if layout.events or data.translate(None, _PLAIN) != commas:
        return None
    types = {name: np.int64 if layout.whole(name) else np.float64 for name in layout.columns}
    try:
        with np.errstate(all="ignore"):
            table = pd.read_csv(
                io.BytesIO(data),
                header=None,
                names=list(layout.columns),
                dtype=types,
                index_col=False,
                na_filter=False,
                quoting=3,
                **_EXACT,
            )
    except (ValueError, OverflowError):
        return None
    columns = {name: table[name].to_numpy() for name in layout.columns}
    if len(table) != counts.sum() or first_fault(columns) is not None:
        return None
    return Parsed(columns, counts, np.empty(0, dtype=np.int64))


def _without_blank_lines(data: bytes) -> bytes:
    while b"\n\n" in data:
        data = data.replace(b"\n\n", b"\n")
    return data.removeprefix(b"\n")


def parse_carefully(piece: Piece) -> Parsed:
    """The columns of one piece.

    Raises:
        ValueError: `path:line: what is wrong there`, for the first line at fault.
    """
    layout = piece.layout
    rows, lines, stop = _rows(piece)
    values = np.array(rows, dtype=np.float64).reshape(-1, len(layout.columns))
    columns = dict(zip(layout.columns, values.T, strict=True))
    fault = first_fault(columns, layout.whole_degrees)
    if layout.events:
        _check_events(piece, columns, lines, len(rows) if fault is None else fault.row)
    if fault is not None:
        what = rule(fault.column, float(columns[fault.column][fault.row]), layout.whole_degrees)
        stop = f"{piece.path}:{lines[fault.row]}: {what}"
    if stop is not None:
        raise ValueError(stop)
    columns = {name: column.astype(np.int64) if layout.whole(name) else column for name, column in columns.items()}
    return Parsed(columns, np.array([len(rows)]), np.array(lines, dtype=np.int64))


def _rows(piece: Piece) -> tuple[list[list[float]], list[int], str | None]:
    """The numbers of each row, its line, and what is wrong with the line that ended the reading."""
    names = piece.layout.columns
    text, stop = _text(piece)
    rows: list[list[float]] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), piece.line):
        if not line.strip(_SPACE):
            continue
        fields = line.split(",")
        if len(fields) != len(names):
            return rows, lines, f"{piece.path}:{number}: expected {len(names)} columns as above, got {len(fields)}"
        try:
            rows.append([_value(name, field, piece.layout) for name, field in zip(names, fields, strict=True)])
        except ValueError as error:
            what = str(error)
            if piece.opens and not rows and not any(_NUMBER.fullmatch(field.strip(_SPACE)) for field in fields):
                what = f"expected numbers without header, got {shown(line)!r}"
            return rows, lines, f"{piece.path}:{number}: {what}"
        lines.append(number)
    return rows, lines, stop


def _check_events(piece: Piece, columns: dict[str, np.ndarray], lines: list[int], count: int) -> None:
    """Refuse the first of `count` events that ends before it starts, and events that fill the memory."""
    start, end = columns["start"][:count], columns["end"][:count]
    if (end < start).any():
        row = int((end < start).argmax())
        what = f"end must not be before start, {start[row]:g}, got {end[row]:g}"
        raise ValueError(f"{piece.path}:{lines[row]}: {what}")
    seconds = (end - start).sum()
    if seconds > _MOST_SECONDS:
        raise ValueError(f"{piece.path}: all events must last at most {_MOST_SECONDS} s together, got {seconds:.0f} s")


def _text(piece: Piece) -> tuple[str, str | None]:
    """The text as far as it is text, and what is wrong with the line after it."""
    try:
        return piece.data.decode("utf-8"), None
    except UnicodeDecodeError as error:
        good = piece.data[: piece.data.rfind(b"\n", 0, error.start) + 1]
        return good.decode("utf-8"), not_text(piece.path, piece.line + good.count(b"\n"), piece.layout)


def not_text(path: Path, line: int, layout: Layout) -> str:
    """The message about a line that is not even text."""
    return f"{path}:{line}: expected text (UTF-8), rows of {','.join(layout.columns)}"


def _value(name: str, field: str, layout: Layout) -> float:
    field = field.strip(_SPACE)
    if layout.events and name == "class":
        if field not in CLASSES_2019:
            raise ValueError(f"class must be one of {', '.join(CLASSES_2019)}, got {shown(field)}")
        return float(CLASSES_2019.index(field))
    if not _NUMBER.fullmatch(field):
        raise ValueError(rule(name, shown(field), layout.whole_degrees))
    return float(field)
