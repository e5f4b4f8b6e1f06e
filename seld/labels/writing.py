"""Tables of rows to files."""

from pathlib import Path

import numpy as np
import pandas as pd

from seld.files import atomic_path
from seld.geometry import unit_from_degrees
from seld.labels.checking import wrapped
from seld.labels.formats import CLASSES_2019, Format, Layout, find_format


def write_rows(path: str | Path, rows: pd.DataFrame, format: str = "seld", decimals: int | None = None) -> None:
    """Write the rows of a clip, in their order.

    A format of several layouts takes the first one that the rows can fill: with the distance, if they have one.
    Columns that the layout lacks are left out. A path that ends in .gz is packed.

    Args:
        rows: columns and units of memory (`seld.labels`).
        format: a name of `seld.labels.FORMATS`.
        decimals: the most digits behind the point of degrees and centimetres. None writes whole ones, as the
            challenges publish them. Coordinates and metres are always written in full.

    Raises:
        ValueError: when the rows lack a column of the format, or hold what it cannot express.
    """
    chosen = find_format(format)
    layout = layout_for(rows, chosen)
    if len(rows) == 0:
        table = pd.DataFrame(columns=list(layout.columns))
    else:
        table = _events(rows, layout) if layout.events else _columns(rows, layout, decimals or 0)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, header=list(layout.header) or False, index=False, lineterminator="\n")


def layout_for(rows: pd.DataFrame, format: Format) -> Layout:
    """The layout that a table is written in; silence fits into any."""
    if len(rows) == 0:
        return format.layouts[0]
    lacking = {}
    for layout in format.layouts:
        needed = [name for name in ("distance", "onscreen") if name in layout.columns]
        lacking[layout.name] = [name for name in needed if name not in rows or rows[name].isna().any()]
        if not lacking[layout.name]:
            return layout
    name = format.layouts[-1].name
    raise ValueError(f"format {format.name} needs the column {' and '.join(lacking[name])}, which the rows lack")


def _columns(rows: pd.DataFrame, layout: Layout, decimals: int) -> pd.DataFrame:
    columns = {}
    if layout.cartesian:
        vectors = unit_from_degrees(rows["azimuth"].to_numpy(), rows["elevation"].to_numpy())
        if "length" in rows:
            vectors = vectors * rows["length"].to_numpy()[:, None]
        columns |= dict(zip("xyz", vectors.T, strict=True))
    for name in layout.columns:
        if name in ("azimuth", "elevation"):
            degrees = np.round(rows[name].to_numpy(np.float64), 0 if layout.whole_degrees else decimals)
            columns[name] = _short(wrapped(degrees) if name == "azimuth" and layout.wraps else degrees)
        elif name == "distance":
            distance = rows[name].to_numpy(np.float64) * layout.units_per_metre
            columns[name] = _short(distance if layout.units_per_metre == 1 else np.round(distance, decimals))
        elif name not in columns:
            columns[name] = rows[name].to_numpy(np.int64)
    return pd.DataFrame({name: columns[name] for name in layout.columns})


def _short(values: np.ndarray) -> np.ndarray:
    """Whole numbers without a point."""
    if (values == np.round(values)).all() and (np.abs(values) < 2**53).all():
        return values.astype(np.int64)
    return np.array([repr(value).removesuffix(".0") for value in values.tolist()], dtype=object)


def _events(rows: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Frames of 20 ms to events: consecutive ones of a source that stays where it is."""
    if rows["class"].max() >= len(CLASSES_2019):
        raise ValueError(f"class must be below {len(CLASSES_2019)} in format {layout.name}, got {rows['class'].max()}")
    rows = rows.reset_index(drop=True)
    rows = rows.assign(repeat=rows.groupby(["frame", "class", "source"]).cumcount())
    rows[["azimuth", "elevation"]] = rows[["azimuth", "elevation"]].round()
    who = ["class", "source", "repeat"]
    rows = rows.sort_values([*who, "frame"], kind="stable")
    place = rows[[*who, "azimuth", "elevation", "distance"]]
    goes_on = (place == place.shift()).all(axis=1) & (rows["frame"].diff() == 1)
    events = rows.groupby((~goes_on).cumsum())
    first, last = events["frame"].first(), events["frame"].last()
    kept = events[["class", "source", "azimuth", "elevation", "distance"]].first()
    seconds = [_seconds(*frames) for frames in zip(first, last, strict=True)]
    table = pd.DataFrame(
        {
            "class": [CLASSES_2019[number] for number in kept["class"]],
            "start": [start for start, _ in seconds],
            "end": [end for _, end in seconds],
            "elevation": _short(kept["elevation"].to_numpy()),
            "azimuth": _short(kept["azimuth"].to_numpy()),
            "distance": _short(kept["distance"].to_numpy()),
            "order": first.to_numpy(),
            "source": kept["source"].to_numpy(),
        }
    )
    return table.sort_values(["order", "source"], kind="stable")[list(layout.columns)]


def _seconds(first: int, last: int) -> tuple[float, float]:
    """Start and end that are read as these frames: floor(50 start) and ceil(50 end), in floating point."""
    start, end = first / 50, last / 50
    if np.floor(start * 50) != first:
        start = round(start + 0.005, 3)
    if np.ceil(end * 50) != last:
        end = round(end - 0.005, 3)
    if end < start:
        raise ValueError(f"frame {first} alone must be part of a longer event: its seconds are read as two frames")
    return start, end
