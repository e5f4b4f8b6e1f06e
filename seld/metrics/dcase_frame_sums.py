"""Counters of the DCASE protocols in frames (2024, 2025): what is counted; the switches are in `dcase_frames`."""

from typing import Protocol as Interface

import numpy as np

from seld.metrics.cells import Cells, group
from seld.metrics.dcase_rows import EPS, Columns, Pairs, crowded, errors, in_order, pair, sum_by, take
from seld.metrics.protocol import ClipError, Sums

_CELL = ("clip", "frame", "class")


class Switches(Interface):
    """The fields of `dcase_frames.Frames` that the counters depend on."""

    year: int
    classes: int
    doa_threshold_deg: float
    rounding_deg: float
    distance_threshold_m: float
    relative_distance_threshold: float
    evaluate_distance: bool
    require_onscreen: bool
    angle: str
    row_order: str


def count(switches: Switches, reference: Columns, prediction: Columns, clips: int) -> Sums:
    """The counters of rows that all count."""
    cells = in_order(group(reference, prediction, _CELL), reference, prediction, switches.row_order)
    pairs = pair(cells, reference, prediction, switches.angle)
    clip, _, class_ = cells.keys.T
    key, shape = clip * switches.classes + class_, (clips, switches.classes)
    references, predictions = np.diff(cells.reference_edges), np.diff(cells.prediction_edges)
    false_alarms = np.maximum(predictions - references, 0)
    misses = np.maximum(references - predictions, 0)
    slots = np.flatnonzero(pairs.prediction >= 0)
    cell = np.repeat(np.arange(len(key)), references)[slots]
    values = _of_pairs(switches, reference, prediction, cells.references[slots], pairs.prediction[slots])
    wrong = pairs.angle_deg[slots] > switches.doa_threshold_deg + switches.rounding_deg
    wrong |= values.pop("wrong")
    sums = {
        "FP": sum_by(key, false_alarms, shape),
        "FN": sum_by(key, misses, shape),
        "Nref": sum_by(key, references, shape),
        "DE_TP": sum_by(key, np.minimum(references, predictions), shape),
        "FP_spatial": sum_by(key[cell], wrong, shape),
        "total_AngE": sum_by(key[cell], pairs.angle_deg[slots], shape),
    }
    sums |= {name: sum_by(key[cell], value, shape) for name, value in values.items()}
    sums |= {"TP": sums["DE_TP"] - sums["FP_spatial"], "DE_FP": sums["FP"], "DE_FN": sums["FN"]}
    if switches.year == 2024:
        sums["idss"] = _switches(cells, pairs, reference, prediction, switches.classes, clips)
        wrong_in_cell = np.bincount(cell, wrong, len(key))
        sums |= _errors(cells.keys, false_alarms + wrong_in_cell, misses, clips)
    return sums


def at_most(rows: dict[str, np.ndarray], limit: int) -> dict[str, np.ndarray]:
    """The rows that are left where one frame and class holds no more than `limit` of them (2025).

    A row keeps its source number as its track if that is free, else it gets the lowest free one; when none is left,
    it takes the place of track 0.
    """
    cells = group(rows, take(rows, np.empty(0, dtype=np.int64)), _CELL)
    full = np.flatnonzero(np.diff(cells.reference_edges) > limit)
    if len(full) == 0:
        return rows
    index, keep = np.arange(len(rows["frame"])), np.ones(len(rows["frame"]), dtype=bool)
    for cell in full:
        mine = cells.references[cells.reference_edges[cell] : cells.reference_edges[cell + 1]]
        tracks: list[int] = []
        for source in rows["source"][mine[:limit]]:
            taken = source in tracks or source >= limit
            tracks.append(min(set(range(limit)) - set(tracks)) if taken else int(source))
        index[mine[tracks.index(0)]] = mine[-1]
        keep[mine[limit:]] = False
    return take(rows, index[keep])


def _of_pairs(
    switches: Switches, reference: Columns, prediction: Columns, row: np.ndarray, partner: np.ndarray
) -> dict[str, np.ndarray]:
    """(pairs,) each: what is summed apart from the angle, and `wrong`, judged by all but the angle."""
    wrong = np.zeros(len(row), dtype=bool)
    values: dict[str, np.ndarray] = {}
    if switches.evaluate_distance:
        unit = 1 if switches.year == 2024 else 100
        true = _in_unit(_distances(reference, row, "reference"), unit)
        found = _in_unit(_distances(prediction, partner, "prediction"), unit)
        values["total_DistE"] = np.abs(true - found)
        values["total_RelDistE"] = values["total_DistE"] / (true + EPS)
        wrong |= values["total_DistE"] > _in_unit(switches.distance_threshold_m, unit)
        wrong |= values["total_RelDistE"] > switches.relative_distance_threshold
    if switches.year == 2025:
        known = "onscreen" in reference and "onscreen" in prediction
        if not known and switches.require_onscreen:
            raise ValueError("require_onscreen must be false where a side has no column onscreen, got True")
        same = reference["onscreen"][row] == prediction["onscreen"][partner] if known else np.full(len(row), np.nan)
        values["total_OnscreenCorrect"] = same
        if switches.require_onscreen:
            wrong |= ~same
    return values | {"wrong": wrong}


def _distances(side: Columns, rows: np.ndarray, what: str) -> np.ndarray:
    distance = side["distance"][rows] if "distance" in side else np.full(len(rows), np.nan)
    if np.isnan(distance).any():
        clip = int(side["clip"][rows[np.isnan(distance).argmax()]])
        raise ClipError(clip, f"{what} must have a distance in every row that has a partner, got none")
    return distance


def _in_unit(metres: np.ndarray | float, unit: int) -> np.ndarray | float:
    """2025 computes in centimetres; a whole number of them has to come back as one, while 0.29 * 100 is below 29."""
    return metres if unit == 1 else np.round(metres * unit, 6)


def _errors(keys: np.ndarray, false_alarms: np.ndarray, misses: np.ndarray, clips: int) -> Sums:
    """S, D, I from all classes of a frame; `keys` are sorted by clip and frame."""
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (np.diff(keys[:, 0]) != 0) | (np.diff(keys[:, 1]) != 0)
    moment = np.cumsum(new) - 1
    moments = int(new.sum())
    return errors(np.bincount(moment, false_alarms, moments), np.bincount(moment, misses, moments), keys[new, 0], clips)


def _switches(
    cells: Cells, pairs: Pairs, reference: Columns, prediction: Columns, classes: int, clips: int
) -> np.ndarray:
    """(clips, classes): pairs whose source had another partner in the frame before (2024; :386-388)."""
    cell = np.repeat(np.arange(len(cells.keys)), np.diff(cells.reference_edges))
    source = _numbers(cells.reference_edges, reference["source"][cells.references])
    track = np.empty(len(cells.predictions), dtype=np.int64)
    track[cells.predictions] = _numbers(cells.prediction_edges, prediction["source"][cells.predictions])
    paired = np.flatnonzero(pairs.prediction >= 0)
    clip, frame, class_ = cells.keys[cell[paired]].T
    key = clip * classes + class_
    order = np.lexsort((frame, source[paired], key))
    key, frame = key[order], frame[order]
    source, track = source[paired][order], track[pairs.prediction[paired]][order]
    goes_on = (np.diff(key) == 0) & (np.diff(source) == 0) & (np.diff(frame) == 1)
    return sum_by(key[1:], goes_on & (np.diff(track) != 0), (clips, classes))


def _numbers(edges: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The source numbers of rows cell by cell; those that a cell repeats get -1, -2, ... (cls_feature_class.py:627)."""
    slots, cell = crowded(edges)
    order = np.lexsort((source[slots], cell))
    repeats = np.zeros(len(source), dtype=bool)
    repeats[slots[order[1:]]] = (np.diff(cell[order]) == 0) & (np.diff(source[slots[order]]) == 0)
    number = np.cumsum(repeats)
    before = np.append(0, number)[np.repeat(edges[:-1], np.diff(edges))]
    return np.where(repeats, before - number, source)
