"""DCASE rows in memory; reading and writing them as CSV; rows to frame grids and back.

A table of rows is a pandas DataFrame with the columns of COLUMNS, in the units of the files: `frame` counts
label frames of 100 ms, `class` and `source` are integers (in estimates `source` is the track), `azimuth` and
`elevation` are degrees, `distance`, which may be missing, is in centimetres (DCASE 2023).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from seld.files import atomic_path
from seld.geometry import degrees_from_unit, unit_from_degrees, wrap_degrees

COLUMNS = ("frame", "class", "source", "azimuth", "elevation", "distance")
FRAME_SECONDS = 0.1

_WHOLE = ("frame", "class", "source")
_RANGE = {
    "frame": (0, np.inf),
    "class": (0, np.inf),
    "source": (-np.inf, np.inf),
    "azimuth": (-180, 180),
    "elevation": (-90, 90),
    "distance": (0, np.inf),
}


class Grid(NamedTuple):
    """References of one clip by frame and slot; a source keeps its slot while it sounds."""

    doa: np.ndarray
    """(frames, slots, 3) unit vectors, float32; the front where the slot is silent"""
    active: np.ndarray
    """(frames, slots) bool"""


def read_rows(path: str | Path) -> pd.DataFrame:
    """The rows of a metadata or estimate file without header, 5 columns or 6 with the distance.

    An empty file is a silent clip. Azimuth 180 becomes -180.

    Raises:
        ValueError: `path:line: what is wrong there`.
        FileNotFoundError: when there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}:1: expected text, rows of {','.join(COLUMNS)}") from None
    numbered = [(number, line.split(",")) for number, line in enumerate(lines, 1) if line.strip()]
    width = len(numbered[0][1]) if numbered else 5
    if width not in (5, 6):
        raise ValueError(f"{path}:{numbered[0][0]}: expected 5 or 6 columns ({','.join(COLUMNS)}), got {width}")
    for number, fields in numbered:
        if len(fields) != width:
            raise ValueError(f"{path}:{number}: expected {width} columns as above, got {len(fields)}")
    names = COLUMNS[:width]
    values = np.array([_numbers(path, number, fields) for number, fields in numbered]).reshape(-1, width)
    for column, name in zip(values.T, names, strict=True):
        low, high = _RANGE[name]
        bad = ~((column >= low) & (column <= high))
        if name in _WHOLE:
            bad |= column != np.floor(column)
        if bad.any():
            line, value = numbered[bad.argmax()][0], column[bad.argmax()]
            kind = "a whole number" if name in _WHOLE else "a number"
            bounds = f" from {low:g} to {high:g}" if np.isfinite(high) else " >= 0" if low == 0 else ""
            raise ValueError(f"{path}:{line}: {name} must be {kind}{bounds}, got {value:g}")
    rows = pd.DataFrame(values, columns=names).astype(dict.fromkeys(_WHOLE, np.int64))
    rows["azimuth"] = wrap_degrees(rows["azimuth"])
    return rows


def write_rows(path: str | Path, rows: pd.DataFrame) -> None:
    """Write rows as the challenges do: no header, whole degrees and centimetres."""
    columns = [name for name in COLUMNS if name in rows.columns]
    table = rows[columns].round().astype(np.int64)
    table["azimuth"] = wrap_degrees(table["azimuth"])
    with atomic_path(path) as temporary:
        table.to_csv(temporary, header=False, index=False, lineterminator="\n")


def rows_from_grid(doa: np.ndarray, active: np.ndarray) -> pd.DataFrame:
    """Rows of class 0, one for each active track: (frames, tracks, 3) and (frames, tracks) -> table."""
    frame, track = np.nonzero(active)
    azimuth, elevation = degrees_from_unit(doa[frame, track])
    return pd.DataFrame({"frame": frame, "class": 0, "source": track, "azimuth": azimuth, "elevation": elevation})


def grid_from_rows(rows: pd.DataFrame, frames: int, slots: int) -> Grid:
    """References in `slots` columns. A source takes a free slot when it begins and holds it until it ends.

    Who is who is told by class and source (and by the order of the rows where a frame has both twice, as in
    STARSS). A source that returns after silence takes its former slot when that is free.

    Raises:
        ValueError: when a frame lies beyond `frames`, or more than `slots` sources sound at once.
    """
    rows = rows.sort_values("frame", kind="stable")
    if len(rows) and rows["frame"].iloc[-1] >= frames:
        raise ValueError(f"frame {rows['frame'].iloc[-1]} lies beyond the audio, which has {frames} frames")
    most = rows.groupby("frame").size().max() if len(rows) else 0
    if most > slots:
        raise ValueError(f"{most} sources sound at once, but there are only {slots} tracks")
    doa = np.zeros((frames, slots, 3), dtype=np.float32)
    doa[..., 0] = 1
    active = np.zeros((frames, slots), dtype=bool)
    vectors = unit_from_degrees(rows["azimuth"].to_numpy(), rows["elevation"].to_numpy())
    repeat = rows.groupby(["frame", "class", "source"]).cumcount()
    identities = list(zip(rows["class"], rows["source"], repeat, strict=True))
    held: dict[tuple, int] = {}
    former: dict[tuple, int] = {}
    for frame, index in rows.reset_index(drop=True).groupby("frame").indices.items():
        now = {identities[i]: i for i in index}
        held = {who: slot for who, slot in held.items() if who in now}
        for who in now:
            if who not in held:
                free = sorted(set(range(slots)) - set(held.values()))
                held[who] = former[who] if former.get(who) in free else free[0]
        former.update(held)
        for who, i in now.items():
            doa[frame, held[who]] = vectors[i]
            active[frame, held[who]] = True
    return Grid(doa, active)


def _numbers(path: Path, line: int, fields: list[str]) -> list[float]:
    try:
        return [float(field) for field in fields]
    except ValueError:
        raise ValueError(f"{path}:{line}: expected numbers without header, got {','.join(fields)!r}") from None
