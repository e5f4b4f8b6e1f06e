"""DCASE 2024 and 2025: detection and localization counted together frame by frame, with distance.

Conventions
-----------
In each frame and class, R references and P predictions are paired at the smallest sum of angles; distance has no part
in it. Of the K = min(R, P) pairs those are wrong whose angle, distance error or relative distance error is above its
threshold, or (2025, on request) whose on-screen flags differ. The switches are the fields of `Frames`;
`seld.metrics.dcase` sets them by year.

Counters, per clip and class: TP, pairs that are not wrong; FP_spatial, the wrong ones; FP = max(P - R, 0);
FN = max(R - P, 0); Nref; DE_TP = K; DE_FP = FP; DE_FN = FN; total_AngE in degrees, total_DistE, total_RelDistE, over
the K pairs whatever the thresholds. 2024: idss, sources whose partner is not that of the frame before; per clip
S, D, I, from all classes of a frame. 2025: total_OnscreenCorrect.

Metrics
-------
ER           2024: (S + D + I) / Nref, one number for all classes
F            TP / (TP + FP_spatial + (FP + FN) / 2)
LE           "AngE", "DOAE_CD": total_AngE / DE_TP in degrees
LR           2024: DE_TP / (DE_TP + DE_FN)
DistE        total_DistE / DE_TP, in metres in 2024, in centimetres in 2025
RelDistE     "RDE_CD": total_RelDistE / DE_TP
SELD         2024: mean of 1 - F, LE / 180, RelDistE; without distances of ER, 1 - F, LE / 180, 1 - LR
OnscreenAcc  2025: total_OnscreenCorrect / DE_TP

References
----------
Krause et al., "Sound Event Detection and Localization with Distance Estimation", EUSIPCO 2024; DCASE 2025, task 3.
Official code: partha2409/DCASE2024_seld_baseline 0b07887, SELD_evaluation_metrics.py:216-445 (line numbers
below), partha2409/DCASE2025_seld_baseline 42a48b6, metrics.py.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seld.metrics import dcase_frame_sums
from seld.metrics.dcase_options import check_above_zero, check_angle, check_average, check_choice, check_counts
from seld.metrics.dcase_rows import (
    EPS,
    columns_of,
    last_frames,
    mean_of_defined,
    pooled,
    ratio,
    table_of,
    within,
)
from seld.metrics.protocol import Figures, Sums


@dataclass(frozen=True)
class Frames:
    """A protocol in frames (`seld.metrics.protocol`); the defaults are the official scorer of 2024."""

    year: int = 2024
    """2024 or 2025: names the file formats, the unit of distances and the figures"""
    classes: int = 13
    """rows of other classes are ignored, as in the official code"""
    average: str = "macro"
    """"macro": mean over classes; "micro": all classes pooled"""
    doa_threshold_deg: float = 20.0
    distance_threshold_m: float = math.inf
    relative_distance_threshold: float = 1.0
    """of |error| / distance of the reference"""
    evaluate_distance: bool = True
    """2024 only: without, no distances are needed, and SELD is that of 2023"""
    require_onscreen: bool = False
    """2025 only: a pair also has to agree whether the source is on screen (audio-visual track)"""
    angle: str = "cartesian"
    """form of the angle (`dcase_rows.ANGLES`). "cartesian" (2024; :462-479): never below 0.0008 degrees, so that an
    error of exactly 20 degrees is always wrong. "folded" (2025, utils.py:467-479): azimuths mirrored to the front; on
    that line many assignments tie. "chord" (strict 2024) is accurate."""
    length: str = "last_reference"
    """which frames count. "last_reference" (official; 2025 metrics.py:223): those before the last frame of the
    reference, so that the last labelled frame is always lost, later false alarms are free, and in a clip without
    references all are. "full" (strict): all frames."""
    track_limit: int | None = None
    """2025 (utils.py `organize_labels`): 10; of more rows of one class in one frame the last one takes the place of
    that with track 0. None (2024, strict): no limit."""
    absent: str = "worst"
    """classes without anything to count. "worst" (official; :304-328): F 0 and LR 0 enter the mean over classes, and in
    2024 SELD 1 does; errors are left out where there is no pair. "left_out" (strict): undefined (NaN) figures are left
    out of means, SELD is made of means; the official 2.2e-16 in denominators goes as well."""
    rounding_deg: float = 0.0
    """allowed beyond the threshold of the angle; strict: 1e-6"""
    row_order: str = "file"
    """"file" (official): ties of the assignment are broken by the order of rows; "sorted" (strict): by distance, then
    by direction."""

    def __post_init__(self) -> None:
        check_counts(self, "classes")
        check_average(self, micro_only=False)
        check_angle(self, "doa_threshold_deg")
        check_above_zero(self, "distance_threshold_m", "relative_distance_threshold")
        check_choice(self, "angle", ("cartesian", "chord", "folded"))
        check_choice(self, "length", ("last_reference", "full"))
        check_choice(self, "absent", ("worst", "left_out"))
        check_choice(self, "row_order", ("file", "sorted"))
        if self.year != 2024 and not self.evaluate_distance:
            raise ValueError("evaluate_distance must be true except in 2024, got False")
        if self.year != 2025 and self.require_onscreen:
            raise ValueError("require_onscreen must be false except in 2025, got True")

    @property
    def reference_format(self) -> str:
        return f"dcase{self.year}"

    @property
    def prediction_format(self) -> str:
        return "dcase2025" if self.year == 2025 else f"dcase{self.year}_output"

    @property
    def bias_corrected(self) -> bool:
        return True

    def count(self, reference: pd.DataFrame, prediction: pd.DataFrame, clips: int) -> Sums:
        """The counters of each clip, (clips, classes), and S, D, I, (clips,): `seld.metrics.protocol`.

        Raises:
            ValueError: where a pair lacks a distance that is to be evaluated.
        """
        sides = [columns_of(side, "distance", "onscreen", "source") for side in (reference, prediction)]
        if self.length == "full":
            frames = np.maximum(*(last_frames(side, clips) for side in sides)) + 1
        else:
            frames = last_frames(sides[0], clips)
        sides = [within(side, self.classes, frames) for side in sides]
        if self.track_limit is not None:
            sides = [dcase_frame_sums.at_most(side, self.track_limit) for side in sides]
        return dcase_frame_sums.count(self, *sides, clips)

    def score(self, sums: Sums) -> Figures:
        """The figures of sums with any leading axes."""
        if self.average == "micro":
            return {name: figure[..., 0] for name, figure in self.classwise(pooled(sums)).items()}
        by_class = self.classwise(sums)
        figures = {name: mean_of_defined(figure) for name, figure in by_class.items()}
        if self.absent == "left_out" and self.year == 2024:
            return figures | {"SELD": self._seld(figures)}
        return figures

    def classwise(self, sums: Sums) -> Figures:
        """The figures of each class, (..., classes); ER is that of all classes."""
        eps = EPS if self.absent == "worst" else 0.0
        wrong = sums["FP_spatial"] + 0.5 * (sums["FP"] + sums["FN"])
        figures = {"F": ratio(sums["TP"], sums["TP"] + wrong, eps), "LE": self._per_pair(sums, "total_AngE", eps)}
        if self.year == 2024:
            error_rate = ratio(sums["S"] + sums["D"] + sums["I"], sums["Nref"].sum(-1), eps)
            figures = {"ER": np.broadcast_to(error_rate[..., None], sums["TP"].shape)} | figures
            figures["LR"] = ratio(sums["DE_TP"], sums["DE_TP"] + sums["DE_FN"], eps)
        if self.evaluate_distance:
            figures["DistE"] = self._per_pair(sums, "total_DistE", eps)
            figures["RelDistE"] = self._per_pair(sums, "total_RelDistE", eps)
        if self.year == 2024:
            return figures | {"SELD": self._seld(figures)}
        return figures | {"OnscreenAcc": self._per_pair(sums, "total_OnscreenCorrect", eps)}

    def tables(self, sums: Sums) -> dict[str, dict[int, dict[str, float]]]:
        """`classwise`: the figures of each class."""
        return table_of(self.classwise(sums))

    def _per_pair(self, sums: Sums, total: str, eps: float) -> np.ndarray:
        # Left-out clips are subtracted, so that a total may be 1e-13 where there is no pair left.
        return np.where(sums["DE_TP"] > 0, ratio(sums[total], sums["DE_TP"], eps), np.nan)

    def _seld(self, figures: Figures) -> np.ndarray:
        if self.evaluate_distance:
            parts = [1 - figures["F"], figures["LE"] / 180, figures["RelDistE"]]
        else:
            parts = [figures["ER"], 1 - figures["F"], figures["LE"] / 180, 1 - figures["LR"]]
        return mean_of_defined(np.stack(parts), axis=0)
