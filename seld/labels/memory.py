"""Columns of a file to columns in memory: degrees, metres, one row for each frame and source."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from seld.labels.checking import wrapped
from seld.labels.formats import Format, Layout

_UNIT = 1e-6  # how far from 1 a vector's length may be for it to pass as a direction alone
_FAR_M, _NEAR_M = 50.0, 0.1


def rows_in_memory(columns: dict[str, np.ndarray], clip: np.ndarray, layout: Layout) -> pd.DataFrame:
    """A table with a column `clip`.

    `length` is there where Cartesian vectors are not all of unit length. `source` tells rows of one frame and
    class apart where the layout has none. Estimates of 2025 have no elevation: they lie on the horizon.

    Args:
        columns: by the names of the layout, in its units, checked.
        clip: (rows,) the clip of each row.
    """
    if layout.events:
        columns, clip = _frames(columns, clip)
    rows = {"clip": clip, "frame": columns["frame"], "class": columns["class"]}
    rows["source"] = columns["source"] if "source" in columns else _occurrence(rows)
    if layout.cartesian:
        rows |= _directions(columns["x"], columns["y"], columns["z"])
    else:
        rows["azimuth"] = columns["azimuth"].astype(np.float64)
        level = np.zeros(len(clip))
        rows["elevation"] = columns["elevation"].astype(np.float64) if "elevation" in columns else level
    if layout.wraps:
        rows["azimuth"] = wrapped(rows["azimuth"])
    if "distance" in columns:
        rows["distance"] = columns["distance"] / layout.units_per_metre
    if "onscreen" in columns:
        rows["onscreen"] = columns["onscreen"]
    return pd.DataFrame(rows)


def join(tables: Iterable[pd.DataFrame], layout: Layout) -> pd.DataFrame:
    """One table of consecutive ones; without any row it has the columns of this layout."""
    tables = [table for table in tables if len(table)]
    if not tables:
        nothing = {name: np.empty(0, np.int64 if layout.whole(name) else np.float64) for name in layout.columns}
        return rows_in_memory(nothing, np.empty(0, np.int64), layout)
    if len(tables) == 1:
        return tables[0]
    rows = pd.concat(tables, ignore_index=True)
    if "length" in rows:
        rows["length"] = rows["length"].fillna(1.0)
    return rows


def unit_doubt(rows: pd.DataFrame, format: Format) -> str | None:
    """A warning when the distances, in metres, would be likelier in the other unit."""
    if "distance" not in rows:
        return None
    units = {layout.units_per_metre for layout in format.layouts if "distance" in layout.columns}
    distance = rows["distance"].to_numpy()
    distance = distance[distance > 0]  # 0 stands for unknown in the estimates of the 2023 baseline
    if 100 in units and len(distance) and distance.max() < _NEAR_M:
        return f"format {format.name}: all distances are below {_NEAR_M} m; were metres read as centimetres?"
    if 1 in units and len(distance) and np.median(distance) > _FAR_M:
        return f"format {format.name}: most distances are above {_FAR_M} m; were centimetres read as metres?"
    return None


def _directions(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> dict[str, np.ndarray]:
    # Not by seld.geometry: to count exactly as the official scorers do, each step must round as in their
    # convert_output_format_cartesian_to_polar: hypot, rad2deg, and x * x for Python's x**2 differ in the last digit.
    flat = np.float_power(x, 2) + np.float_power(y, 2)
    length = np.sqrt(flat + z * z)
    found = {
        "azimuth": np.arctan2(y, x) * 180 / np.pi,
        "elevation": np.arctan2(z, np.sqrt(flat)) * 180 / np.pi,
    }
    if len(length) and np.abs(length - 1).max() > _UNIT:
        found["length"] = length
    return found


def _frames(columns: dict[str, np.ndarray], clip: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Events to frames of 20 ms, from floor(50 start) to ceil(50 end) inclusive as in the scorer of 2019.

    In the order of time; `source` is the number of the event in its file.
    """
    first = np.floor(columns["start"] * 50).astype(np.int64)
    count = np.ceil(columns["end"] * 50).astype(np.int64) - first + 1
    number = np.arange(len(clip)) - np.searchsorted(clip, clip)
    event = np.repeat(np.arange(len(clip)), count)
    frame = np.arange(len(event)) - np.repeat(np.cumsum(count) - count, count) + first[event]
    order = np.lexsort((event, frame, clip[event]))
    event, frame = event[order], frame[order]
    kept = {name: columns[name][event] for name in ("class", "azimuth", "elevation", "distance")}
    return {"frame": frame, "source": number[event], **kept}, clip[event]


def _occurrence(rows: dict[str, np.ndarray]) -> np.ndarray:
    return pd.DataFrame(rows).groupby(["clip", "frame", "class"]).cumcount().to_numpy()
