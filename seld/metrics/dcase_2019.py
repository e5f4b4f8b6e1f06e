"""DCASE 2019: detection in seconds by class, localization in frames whatever the class.

Conventions
-----------
Frames of 20 ms, clips of 3000 frames. Detection: a class is active in a second if it is in one of its frames.
Localization: in each frame the references and predictions of *all* classes are paired at the smallest sum of
angles, so that the right direction with the wrong class is no error here. The switches are the fields of
`Frames2019`.

Counters, per clip and class: TP, Nref, Nsys, seconds in which the class is active on both sides, in the reference, in
the prediction. Per clip: S, D, I, from all classes of a second; doa_loss_pred, the sum of the angles in degrees;
doa_loss_pred_cnt, the predictions; nb_pairs, the pairs; nb_frames; nb_good_pks, frames with as many predictions as
references; less_est_cnt, more_est_cnt, predictions too few and too many, and their frames, less_est_frame_cnt,
more_est_frame_cnt.

Metrics
-------
ER            (S + D + I) / Nref
F             2 TP / (Nsys + Nref), all classes pooled
DOA_error     in degrees, see `Frames2019.divisor`
frame_recall  nb_good_pks / nb_frames
SELD          mean of ER, 1 - F, DOA_error / 180, 1 - frame_recall: lower is better

References
----------
Adavanne et al., "A Multi-room Reverberant Dataset for Sound Event Localization and Detection", DCASE workshop 2019.
Official code: sharathadavanne/seld-dcase2019 e88c62b, metrics/evaluation_metrics.py (line numbers below).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from seld.metrics.cells import group
from seld.metrics.dcase_options import check_choice, check_counts
from seld.metrics.dcase_rows import (
    EPS,
    Columns,
    columns_of,
    errors,
    in_order,
    last_frames,
    mean_of_defined,
    pair,
    ratio,
    sum_by,
    table_of,
    take,
    within,
)
from seld.metrics.protocol import Figures, Sums

_FRAMES_PER_SECOND = 50
_AZIMUTHS, _ELEVATIONS, _STEP_DEG = (-180, 170), (-40, 40), 10


@dataclass(frozen=True)
class Frames2019:
    """The protocol of 2019 (`seld.metrics.protocol`); the defaults are the official scorer."""

    classes: int = 11
    """rows of other classes are ignored"""
    grid: bool = True
    """True (official; :515-523, cls_feature_class.py:149): directions are clipped to azimuths of -180 .. 170 and
    elevations of -40 .. 40 degrees and floored to steps of 10, so that 180 becomes 170, and rows of one class in one
    step of a frame merge. False (strict): directions as they are."""
    heard_frames: int = 49
    """frames of each second that the detection looks at. 49 (official; :63-79): a slice ends one too early, an event
    in the 50th frame alone is never detected. Strict: 50."""
    divisor: str = "predictions"
    """of the sum of angles in the DOA error. "predictions" (official; :115, :141): all of them, those without a
    partner add nothing to the sum, so that false alarms lower the error. "pairs" (strict)."""
    length: str = "fixed"
    """"fixed" (official): 3000 frames; the frame recall has the silent ones among them, later rows are dropped.
    "active" (strict): the frames with a row on either side."""
    absent: str = "worst"
    """"worst" (official): 2.2e-16 in the denominators of F, and SELD is undefined (NaN) without predictions.
    "left_out" (strict): undefined figures are left out of SELD."""
    row_order: str = "file"
    """"sorted" (strict): ties of the assignment do not depend on the order of rows"""

    fixed_frames = 3000
    reference_format = "dcase2019"
    prediction_format = "dcase2019_output"
    bias_corrected = False

    def __post_init__(self) -> None:
        check_counts(self, "classes", "heard_frames")
        check_choice(self, "divisor", ("predictions", "pairs"))
        check_choice(self, "length", ("fixed", "active"))
        check_choice(self, "absent", ("worst", "left_out"))
        check_choice(self, "row_order", ("file", "sorted"))

    def count(self, reference: pd.DataFrame, prediction: pd.DataFrame, clips: int) -> Sums:
        """The counters of each clip, (clips, classes) or (clips,): `seld.metrics.protocol`."""
        sides = [columns_of(side) for side in (reference, prediction)]
        if self.length == "fixed":
            frames = np.full(clips, self.fixed_frames)
        else:
            frames = np.maximum(*(last_frames(side, clips) for side in sides)) + 1
        sides = [within(side, self.classes, frames) for side in sides]
        if self.grid:
            sides = [_on_grid(side) for side in sides]
        return self._detection(*sides, clips) | self._localization(*sides, clips)

    def score(self, sums: Sums) -> Figures:
        """The figures of sums with any leading axes."""
        eps = EPS if self.absent == "worst" else 0.0
        whole = sums["doa_loss_pred_cnt"] if self.divisor == "predictions" else sums["nb_pairs"]
        figures = {
            "ER": ratio(sums["S"] + sums["D"] + sums["I"], sums["Nref"].sum(-1), 0.0),
            "F": _f_score(*(sums[name].sum(-1) for name in ("TP", "Nsys", "Nref")), eps),
            "DOA_error": np.where(whole > 0, ratio(sums["doa_loss_pred"], whole, 0.0), np.nan),
            "frame_recall": ratio(sums["nb_good_pks"], sums["nb_frames"], 0.0),
        }
        parts = [figures["ER"], 1 - figures["F"], figures["DOA_error"] / 180, 1 - figures["frame_recall"]]
        mean = np.mean if self.absent == "worst" else mean_of_defined
        return figures | {"SELD": mean(np.stack(parts), axis=0)}

    def classwise(self, sums: Sums) -> Figures:
        """F of each class, (..., classes); the official code has no figures by class."""
        eps = EPS if self.absent == "worst" else 0.0
        return {"F": _f_score(sums["TP"], sums["Nsys"], sums["Nref"], eps)}

    def tables(self, sums: Sums) -> dict[str, dict[int, dict[str, float]]]:
        """`classwise`: F of each class."""
        return table_of(self.classwise(sums))

    def _detection(self, reference: Columns, prediction: Columns, clips: int) -> Sums:
        sides = [take(side, side["frame"] % _FRAMES_PER_SECOND < self.heard_frames) for side in (reference, prediction)]
        sides = [side | {"second": side["frame"] // _FRAMES_PER_SECOND} for side in sides]
        cells = group(*sides, ("clip", "second", "class"))
        clip, second, class_ = cells.keys.T
        expected, claimed = np.diff(cells.reference_edges) > 0, np.diff(cells.prediction_edges) > 0
        key, shape = clip * self.classes + class_, (clips, self.classes)
        moments, moment = np.unique(np.stack([clip, second]), axis=1, return_inverse=True)
        moment = moment.reshape(-1)
        count = moments.shape[1]
        return {
            "TP": sum_by(key, expected & claimed, shape),
            "Nref": sum_by(key, expected, shape),
            "Nsys": sum_by(key, claimed, shape),
        } | errors(
            np.bincount(moment, claimed & ~expected, count),
            np.bincount(moment, expected & ~claimed, count),
            moments[0],
            clips,
        )

    def _localization(self, reference: Columns, prediction: Columns, clips: int) -> Sums:
        cells = group(reference, prediction, ("clip", "frame"))
        cells = in_order(cells, reference, prediction, self.row_order)
        pairs = pair(cells, reference, prediction, "polar" if self.grid else "chord")
        clip = cells.keys[:, 0]
        references, predictions = np.diff(cells.reference_edges), np.diff(cells.prediction_edges)
        slots = pairs.prediction >= 0
        extra = predictions - references

        def by_clip(values: np.ndarray, index: np.ndarray = clip) -> np.ndarray:
            return sum_by(index, values, (clips,))

        silent = self.fixed_frames - by_clip(np.ones(len(clip))) if self.length == "fixed" else np.zeros(clips)
        return {
            "doa_loss_pred": by_clip(pairs.angle_deg[slots], np.repeat(clip, references)[slots]),
            "doa_loss_pred_cnt": by_clip(predictions),
            "nb_pairs": by_clip(np.minimum(references, predictions)),
            "nb_frames": by_clip(np.ones(len(clip))) + silent,
            "nb_good_pks": by_clip(extra == 0) + silent,
            "less_est_cnt": by_clip(np.maximum(-extra, 0)),
            "less_est_frame_cnt": by_clip(extra < 0),
            "more_est_cnt": by_clip(np.maximum(extra, 0)),
            "more_est_frame_cnt": by_clip(extra > 0),
        }


def _on_grid(rows: Columns) -> dict[str, np.ndarray]:
    """Directions floored to the grid, one row for each step of a class and frame."""
    azimuth, elevation = (
        ((np.clip(rows[name], *limits) - limits[0]) // _STEP_DEG).astype(np.int64) * _STEP_DEG + limits[0]
        for name, limits in (("azimuth", _AZIMUTHS), ("elevation", _ELEVATIONS))
    )
    rows = {name: rows[name] for name in ("clip", "frame", "class")} | {"azimuth": azimuth, "elevation": elevation}
    cells = group(rows, take(rows, np.empty(0, dtype=np.int64)), tuple(rows))
    return take(rows, cells.references[cells.reference_edges[:-1]])


def _f_score(hits: np.ndarray, predictions: np.ndarray, references: np.ndarray, eps: float) -> np.ndarray:
    precision, recall = ratio(hits, predictions, eps), ratio(hits, references, eps)
    return ratio(2 * precision * recall, precision + recall, eps)
