"""References and predictions in pairs, frame by frame and whatever their classes: what the score pictures show."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from seld.geometry import pairwise_angular_distance, unit_from_degrees
from seld.metrics.cells import assign, blocks, group
from seld.metrics.frames import ROUNDING_DEG


class Pairs(NamedTuple):
    """Pairs of rows, and the rows that are in none."""

    reference: np.ndarray
    """(pairs,) row numbers in the table of references"""
    prediction: np.ndarray
    """(pairs,) row numbers in the table of predictions"""
    angle_deg: np.ndarray
    """(pairs,) angle between the two"""
    missed: np.ndarray
    """row numbers of the references without prediction"""
    false_alarms: np.ndarray
    """row numbers of the predictions without reference"""


def pair(reference: pd.DataFrame, prediction: pd.DataFrame) -> Pairs:
    """The pairs of each frame with the smallest sum of angles, min(references, predictions) of them.

    Those of the protocol `doa`. Where two assignments are equally good, as where two references share a
    direction, the one with more pairs of equal class is taken: a tie is no confusion of classes.

    Args:
        reference, prediction: rows of one clip, or of many by a column `clip` on both sides.

    Raises:
        ValueError: when only one side has the column `clip`.
    """
    if ("clip" in reference) != ("clip" in prediction):
        raise ValueError("reference and prediction must both have a column clip or neither, got one")
    by = ["clip", "frame"] if "clip" in reference else ["frame"]
    doa = [torch.from_numpy(_units(rows)) for rows in (reference, prediction)]
    classes = [rows["class"].to_numpy() for rows in (reference, prediction)]
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for block in blocks(group(reference, prediction, by)):
        cost = np.rad2deg(pairwise_angular_distance(doa[0][block.references], doa[1][block.predictions]).numpy())
        differ = classes[0][block.references][:, :, None] != classes[1][block.predictions][:, None, :]
        rows, columns = assign(cost + ROUNDING_DEG * differ)
        cell = np.arange(len(rows))[:, None]
        ends = block.references[cell, rows], block.predictions[cell, columns], cost[cell, rows, columns]
        found.append(tuple(part.ravel() for part in ends))
    references, predictions, angles = (np.concatenate(part) for part in zip(*found, strict=True))
    missed = np.setdiff1d(np.arange(len(reference)), references)
    return Pairs(references, predictions, angles, missed, np.setdiff1d(np.arange(len(prediction)), predictions))


def near(angle_deg: np.ndarray, threshold_deg: float) -> np.ndarray:
    """Whether angles are at most the threshold."""
    return angle_deg <= threshold_deg + ROUNDING_DEG


def within(pairs: Pairs, threshold_deg: float) -> Pairs:
    """The pairs within the threshold; the rows of the others count as missed and as false alarms."""
    kept = near(pairs.angle_deg, threshold_deg)
    return Pairs(
        pairs.reference[kept],
        pairs.prediction[kept],
        pairs.angle_deg[kept],
        np.union1d(pairs.missed, pairs.reference[~kept]),
        np.union1d(pairs.false_alarms, pairs.prediction[~kept]),
    )


def _units(rows: pd.DataFrame) -> np.ndarray:
    return unit_from_degrees(rows["azimuth"].to_numpy(np.float64), rows["elevation"].to_numpy(np.float64))
