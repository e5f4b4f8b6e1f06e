"""What the DCASE protocols share: rows that count, angles in each year's form, pairs, sums by class, means.

The forms of the angle are those of the official scorers, operation by operation, so that an error of exactly the
threshold falls on the same side here and there. `chord` is the accurate one, for the strict protocols.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from seld.geometry import unit_from_degrees
from seld.metrics.cells import Cells, assign, blocks
from seld.metrics.protocol import Sums

EPS = float(np.finfo(np.float64).eps)
"""added to denominators by every official scorer"""
ROUNDING_DEG = 1e-6
"""what the strict protocols allow beyond the threshold: labels are whole degrees, so exact hits do occur"""

_DECIMALS = 9  # of an angle in degrees; double precision has 12 and more
_WHOLE = ("clip", "frame", "class", "source")

Columns = Mapping[str, np.ndarray]


class Pairs(NamedTuple):
    """The assignment within every cell, one entry for each reference, in the order of `Cells.references`."""

    prediction: np.ndarray
    """(references,) row number of the partner in the table of predictions, -1 without one"""
    angle_deg: np.ndarray
    """(references,) NaN without a partner"""


def columns_of(table: pd.DataFrame, *optional: str) -> dict[str, np.ndarray]:
    """The columns that every protocol needs, and those of `optional` that the table has."""
    names = ("clip", "frame", "class", "azimuth", "elevation", *(name for name in optional if name in table.columns))
    return {name: table[name].to_numpy(np.int64 if name in _WHOLE else np.float64) for name in names}


def take(rows: Columns, index: np.ndarray) -> dict[str, np.ndarray]:
    """The rows with these numbers, or those where `index` is true."""
    return {name: column[index] for name, column in rows.items()}


def within(rows: dict[str, np.ndarray], classes: int, frames: np.ndarray) -> dict[str, np.ndarray]:
    """The rows of the classes 0 .. classes - 1 and of the first frames of their clip, (clips,) frames[clip]."""
    keep = (rows["class"] >= 0) & (rows["class"] < classes)
    keep &= (rows["frame"] >= 0) & (rows["frame"] < frames[rows["clip"]])
    return rows if keep.all() else take(rows, keep)


def last_frames(rows: Columns, clips: int) -> np.ndarray:
    """(clips,) the largest frame index of each clip, 0 for a clip without rows."""
    last = np.zeros(clips, dtype=np.int64)
    np.maximum.at(last, rows["clip"], rows["frame"])
    return last


def in_order(cells: Cells, reference: Columns, prediction: Columns, row_order: str) -> Cells:
    """The cells with their rows in the order of the file, or sorted by distance and then by the other columns.

    By distance first, since that is what two estimates of one direction may differ in, however the scene is turned.
    """
    if row_order == "file":
        return cells
    return cells._replace(
        references=_sorted_within(cells.references, cells.reference_edges, reference),
        predictions=_sorted_within(cells.predictions, cells.prediction_edges, prediction),
    )


def crowded(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The slots of the cells that hold several rows, and the cell of each."""
    size = np.diff(edges)
    cell = np.repeat(np.arange(len(size)), size)
    slots = np.flatnonzero(size[cell] > 1)
    return slots, cell[slots]


def _sorted_within(row: np.ndarray, edges: np.ndarray, rows: Columns) -> np.ndarray:
    slots, cell = crowded(edges)
    names = [name for name in rows if name not in ("clip", "frame", "class")]
    names.sort(key=lambda name: name != "distance")
    # lexsort takes the last key first.
    order = np.lexsort([*(rows[name][row[slots]] for name in reversed(names)), cell])
    row = row.copy()
    row[slots] = row[slots[order]]
    return row


def pair(cells: Cells, reference: Columns, prediction: Columns, angle: str) -> Pairs:
    """The cheapest assignment by angle in each cell; `angle` is one of ANGLES."""
    directions, angle_deg = ANGLES[angle]
    references, predictions = directions(reference), directions(prediction)
    partner = np.full(len(cells.references), -1)
    angles = np.full(len(cells.references), np.nan)
    for block in blocks(cells):
        cost = angle_deg(references[:, block.references[:, :, None]], predictions[:, block.predictions[:, None, :]])
        rows, columns = assign(cost)
        slots = cells.reference_edges[block.cells, None] + rows
        cell = np.arange(len(cost))[:, None]
        partner[slots] = block.predictions[cell, columns]
        angles[slots] = cost[cell, rows, columns]
    return Pairs(partner, angles)


def sum_by(index: np.ndarray, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """float64 of this shape: the values that fall on each flat index, added up in their order."""
    return np.bincount(index, weights=values, minlength=int(np.prod(shape))).reshape(shape)


def errors(false_alarms: np.ndarray, misses: np.ndarray, clip: np.ndarray, clips: int) -> Sums:
    """Substitutions, deletions and insertions S, D, I (clips,), from both errors of each segment or frame."""
    return {
        "S": sum_by(clip, np.minimum(false_alarms, misses), (clips,)),
        "D": sum_by(clip, np.maximum(misses - false_alarms, 0), (clips,)),
        "I": sum_by(clip, np.maximum(false_alarms - misses, 0), (clips,)),
    }


def pooled(sums: Sums) -> Sums:
    """The same sums with all classes as one, (..., 1); S, D and I have no classes."""
    return {name: value if name in ("S", "D", "I") else value.sum(-1, keepdims=True) for name, value in sums.items()}


def ratio(part: np.ndarray, whole: np.ndarray, eps: float) -> np.ndarray:
    """part / (whole + eps); NaN for 0 / 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / (whole + eps))


def mean_of_defined(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """The mean without NaN, NaN where all are."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis), defined.sum(axis), 0.0)


def table_of(figures: Mapping[str, np.ndarray]) -> dict[str, dict[int, dict[str, float]]]:
    """name -> (classes,) as the class-wise table of a result."""
    classes = range(len(next(iter(figures.values()))))
    return {"classwise": {c: {name: float(values[c]) for name, values in figures.items()} for c in classes}}


def _polar(rows: Columns) -> np.ndarray:
    azimuth, elevation = rows["azimuth"] * np.pi / 180.0, rows["elevation"] * np.pi / 180.0
    return np.stack([azimuth, np.sin(elevation), np.cos(elevation)])


def _polar_angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    (azimuth_a, sin_a, cos_a), (azimuth_b, sin_b, cos_b) = a, b
    return _arccos_deg(sin_a * sin_b + cos_a * cos_b * np.cos(np.abs(azimuth_a - azimuth_b)))


def _cartesian(rows: Columns) -> np.ndarray:
    """Vectors that the official 1e-10 under the root keeps a little shorter than 1.

    `length` is a column of predictions that were given as vectors: the shorter one was, the shorter it stays.
    """
    azimuth, elevation = rows["azimuth"] * np.pi / 180.0, rows["elevation"] * np.pi / 180.0
    horizontal = np.cos(elevation)
    vector = np.stack([np.cos(azimuth) * horizontal, np.sin(azimuth) * horizontal, np.sin(elevation)])
    if "length" in rows:
        vector *= rows["length"]
    return vector / np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2 + 1e-10)


def _cartesian_angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _arccos_deg(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def _arccos_deg(cosine: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(cosine, -1, 1)) * 180 / np.pi


def _unit(rows: Columns) -> np.ndarray:
    return np.moveaxis(unit_from_degrees(rows["azimuth"], rows["elevation"]), -1, 0)


def _chord_angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    apart, along = (x * x + y * y + z * z for x, y, z in (a - b, a + b))
    # Rounded, so that angles that are equal but for rounding tie, and a turned scene is assigned as the first one.
    return np.round(np.rad2deg(2 * np.arctan2(np.sqrt(apart), np.sqrt(along))), _DECIMALS)


def _folded(rows: Columns) -> np.ndarray:
    azimuth = (rows["azimuth"] + 180) % 360 - 180
    return np.where(azimuth < -90, -180 - azimuth, np.where(azimuth > 90, 180 - azimuth, azimuth))[None]


def _folded_angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a[0] - b[0])


ANGLES: dict[str, tuple[Callable[[Columns], np.ndarray], Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "polar": (_polar, _polar_angle),
    "cartesian": (_cartesian, _cartesian_angle),
    "chord": (_unit, _chord_angle),
    "folded": (_folded, _folded_angle),
}
"""name -> (rows -> (numbers, rows), two arrays of such numbers -> angle in degrees):

polar       arccos of the spherical law of cosines, 2019 to 2023
cartesian   arccos of the product of vectors whose length has 1e-10 under the root, 2024: never below 0.0008 degrees
chord       twice the arctangent of the half chords: accurate to 1e-9 degrees everywhere
folded      difference of the azimuths folded to the front half circle, 2025
"""
