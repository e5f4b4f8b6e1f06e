"""What the values of each column may be; said in the same words for files and for tables."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from seld.labels.formats import COLUMNS

# A thousand days of 20 ms frames fit; what is beyond would only overflow in the sums of those who count.
_MOST = 2**31 - 1
_DAY = 86400
_BOUNDS = {
    "frame": (0, _MOST),
    "class": (0, _MOST),
    "source": (-_MOST, _MOST),
    "azimuth": (-180, 180),
    "elevation": (-90, 90),
    "distance": (0, np.finfo(np.float64).max),
    # An estimate need not be of unit length, but a row in degrees or with a distance soon leaves this range.
    "x": (-2, 2),
    "y": (-2, 2),
    "z": (-2, 2),
    "length": (0, 4),
    "onscreen": (0, 1),
    "start": (0, _DAY),
    "end": (0, _DAY),
}
_WHOLE = ("frame", "class", "source", "onscreen")
_SHOWN = 60


class Fault(NamedTuple):
    row: int
    column: str


def first_fault(columns: Mapping[str, np.ndarray], whole_degrees: bool = False) -> Fault | None:
    """The first row, and in it the first column, whose value is out of bounds, not finite, or not whole.

    Args:
        columns: name -> values (rows,), whole numbers or float64.
        whole_degrees: whether azimuth and elevation must be whole, too.
    """
    faults = []
    for name, values in columns.items():
        low, high = _BOUNDS[name]
        # NaN fails every comparison.
        fine = len(values) == 0 or (values.min() >= low and values.max() <= high)
        must_be_whole = _is_whole(name, whole_degrees) and values.dtype.kind == "f"
        if fine and not must_be_whole:
            continue
        bad = ~((values >= low) & (values <= high))
        if must_be_whole:
            bad |= values != np.floor(values)
        if bad.any():
            faults.append(Fault(int(bad.argmax()), name))
    return min(faults, key=lambda fault: fault.row, default=None)


def rule(name: str, value: float | str, whole_degrees: bool = False) -> str:
    """What a column must be and is not: "azimuth must be a number from -180 to 180, got 200"."""
    low, high = _BOUNDS[name]
    kind = "a whole number" if _is_whole(name, whole_degrees) else "a number"
    if high >= _MOST:
        too_much = isinstance(value, float) and np.isfinite(value) and value > high
        bounds = f" up to {high}" if too_much else " >= 0" if low == 0 else ""
    else:
        bounds = f" from {low} to {high}"
    remedy = " (if the row holds azimuth and elevation, name a polar format)" if name in ("x", "y", "z") else ""
    return f"{name} must be {kind}{bounds}, got {value if isinstance(value, str) else f'{value:.9g}'}{remedy}"


def shown(text: str) -> str:
    """A piece of a file, fit for one line of a message."""
    text = text.strip()
    if not text:
        return "nothing"
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def check_rows(rows: pd.DataFrame, what: str, wraps: bool = True) -> pd.DataFrame:
    """A table given by a user, in the columns, types and bounds of `seld.labels`.

    Args:
        what: the table in words, for messages.
        wraps: whether azimuth 180 becomes -180.

    Raises:
        ValueError: begins with `what` and names the columns that are missing, or the row and column at fault.
    """
    missing = [name for name in COLUMNS if name not in rows.columns and name != "distance"]
    if missing:
        raise ValueError(f"{what}: the table must have the columns {', '.join(missing)}")
    names = [name for name in (*COLUMNS, "onscreen", "length") if name in rows.columns]
    columns = {name: _numbers(rows[name], what) for name in names}
    fault = first_fault(columns)
    if fault is not None:
        value = float(columns[fault.column][fault.row])
        raise ValueError(f"{what}, row {fault.row}: {rule(fault.column, value)}")
    types = {name: np.int64 if name in _WHOLE else np.float64 for name in names}
    checked = pd.DataFrame({name: values.astype(types[name]) for name, values in columns.items()})
    if wraps:
        checked["azimuth"] = wrapped(checked["azimuth"].to_numpy())
    return checked


def wrapped(azimuth: np.ndarray) -> np.ndarray:
    """180 as -180; all else untouched to the last digit, which a remainder would not leave."""
    return np.where(azimuth == 180, -180.0, azimuth)


def _is_whole(name: str, whole_degrees: bool) -> bool:
    return name in _WHOLE or (whole_degrees and name in ("azimuth", "elevation"))


def _numbers(column: pd.Series, what: str) -> np.ndarray:
    if column.dtype.kind in "iuf":
        return column.to_numpy()
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        raise ValueError(f"{what}: the column {column.name} must hold numbers, got {column.dtype}") from None
