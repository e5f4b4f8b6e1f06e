"""DCASE 2020 to 2023: detection and localization counted together in segments of one second.

Conventions
-----------
A clip is cut into segments of 10 frames of 100 ms. Within a segment and class, references and predictions of each
frame are paired at the smallest sum of angles; each reference *track* gets the mean of its angles over the segment
and is a true positive if that is at most the threshold. `Segments.tracks` says what a track is. Everything else
is a matter of the switches, the fields of `Segments`; `seld.metrics.dcase` sets them by year.

Counters, per clip and class: TP; FP_spatial, paired but too far (in 2021 a part of FP); FP, FN; Nref; DE_TP, paired
at any angle; DE_FP, DE_FN; total_DE, the sum of the mean angles in degrees; 2020: Nsys, TN. Per clip: S, D, I, from
all classes of a segment.

Metrics
-------
ER     (S + D + I) / Nref, one number for all classes, whatever the average
F      location-dependent F-score, see `Segments.spatial_error`
LE     class-dependent localization error: total_DE / DE_TP in degrees
LR     class-dependent localization recall: DE_TP / (DE_TP + DE_FN)
SELD   mean of ER, 1 - F, LE / 180, 1 - LR: lower is better

References
----------
Mesaros et al., "Joint Measurement of Localization and Detection of Sound Events", WASPAA 2019.
Politis et al., "Overview and Evaluation of Sound Event Localization and Detection in DCASE 2019", TASLP 2020.
Official code: sharathadavanne/seld-dcase2020 384ad9b, seld-dcase2021 f8e09db, seld-dcase2022 c8adb1d,
seld-dcase2023 24d14c9, file SELD_evaluation_metrics.py in each; 2022 and 2023 are the same.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from seld.metrics import dcase_segment_sums
from seld.metrics.cells import group
from seld.metrics.dcase_options import check_angle, check_average, check_choice, check_counts
from seld.metrics.dcase_rows import (
    EPS,
    columns_of,
    in_order,
    last_frames,
    mean_of_defined,
    pair,
    pooled,
    ratio,
    table_of,
    within,
)
from seld.metrics.protocol import Figures, Sums


@dataclass(frozen=True)
class Segments:
    """A protocol in segments (`seld.metrics.protocol`); the defaults are the official scorer of 2022 and 2023."""

    year: int = 2022
    """names the file formats; the jackknife is bias-corrected from 2022 on"""
    classes: int = 13
    """rows of other classes are ignored, as in the official code"""
    average: str = "macro"
    """"macro": mean over classes; "micro": all classes pooled, the only way in 2020 and 2021"""
    doa_threshold_deg: float = 20.0
    angle: str = "polar"
    """form of the angle (`dcase_rows.ANGLES`). Official: "polar", or "cartesian" with use_polar_format=False.
    Neither is accurate near 0: a perfect prediction is up to 2e-6 (0.0008) degrees off. Strict: "chord"."""
    segment_frames: int = 10
    length: str = "last_reference"
    """which frames count. "last_reference" (2022 on; cls_compute_seld_results.py:66): ceil(m / 10) segments for the
    last reference frame m, counted from 0: a last frame that is a multiple of 10 is lost, and later false alarms are
    free. "fixed" (2020, 2021): the first `fixed_frames`. "full" (strict): all frames."""
    fixed_frames: int = 600
    counted: str = "tracks"
    """"tracks" (2021 on), or "class" (2020; :160-200): a class counts once in a segment, however many sources it has;
    its angle is the *sum* over pairs, averaged over common frames, so that two good pairs can exceed the threshold;
    LR is not a recall but an F-score (:67-69, confirmed by the author in issue 11)."""
    tracks: str = "row"
    """what a reference track is. "row" (official; :133-135): the position among the rows of its frame and class, so
    that swapping two rows makes two tracks out of pieces. "source" (strict): the source number; only rows that repeat
    class and source of one frame, as in STARSS, where sources are actors, are told apart by their order."""
    misses: str = "difference"
    """"difference" (official; :158-191): FN and FP are the differences of the largest numbers of rows in one frame,
    whatever was paired, and where no frame is common the number of *predictions* is added to FN, none to FP.
    "unpaired" (strict): each track is one reference, FN are those never paired, so that TP + FP_spatial + FN = Nref;
    where no frame is common all predictions are FP."""
    spatial_error: str = "full"
    """weight of a pair beyond the threshold in F. "full" (2022 on; :82): TP / (TP + FP_spatial + (FP + FN) / 2).
    "half" (2021; :57): FP_spatial is part of FP and weighs half of that. "miss" (2020): an FN, never an FP."""
    absent: str = "worst"
    """figures without anything to count. "worst" (official; :89-101): F 0, LE 180, LR 0, and they enter the mean over
    classes: a perfect system on a set with 1 of 13 classes has F 0.077. "left_out" (strict): undefined (NaN)
    and left out of means; the official 2.2e-16 in denominators goes as well."""
    rounding_deg: float = 0.0
    """allowed beyond the threshold. Official: 0, so that an error of exactly 20 degrees is a matter of rounding."""
    row_order: str = "file"
    """"file" (official): ties of the assignment are broken by the order of rows; "sorted" (strict): by distance, then
    by direction."""

    def __post_init__(self) -> None:
        check_counts(self, "classes", "segment_frames", "fixed_frames")
        check_angle(self, "doa_threshold_deg")
        check_average(self, micro_only=self.year < 2022 and self.absent == "worst")
        check_choice(self, "angle", ("polar", "cartesian", "chord"))
        check_choice(self, "length", ("last_reference", "fixed", "full"))
        check_choice(self, "counted", ("tracks", "class"))
        check_choice(self, "tracks", ("row", "source"))
        check_choice(self, "misses", ("difference", "unpaired"))
        check_choice(self, "spatial_error", ("full", "half", "miss"))
        check_choice(self, "absent", ("worst", "left_out"))
        check_choice(self, "row_order", ("file", "sorted"))
        if (self.counted == "class") != (self.spatial_error == "miss"):
            raise ValueError(f"spatial_error must be miss with counted=class and only then, got {self.spatial_error!r}")

    @property
    def reference_format(self) -> str:
        return f"dcase{self.year}"

    @property
    def prediction_format(self) -> str:
        return f"dcase{self.year}_output"

    @property
    def bias_corrected(self) -> bool:
        return self.year >= 2022

    def count(self, reference: pd.DataFrame, prediction: pd.DataFrame, clips: int) -> Sums:
        """The counters of each clip, (clips, classes), and S, D, I, (clips,): `seld.metrics.protocol`."""
        optional = ["source"] * (self.tracks == "source") + ["length"] * (self.angle == "cartesian")
        sides = [columns_of(side, *optional) for side in (reference, prediction)]
        frames = self._frames(sides, clips)
        references, predictions = (within(side, self.classes, frames) for side in sides)
        cells = group(references, predictions, ("clip", "class", "frame"))
        if self.tracks == "source":
            references["repeat"] = dcase_segment_sums.repeats(cells, references["source"])
        cells = in_order(cells, references, predictions, self.row_order)
        pairs = pair(cells, references, predictions, self.angle)
        layout = dcase_segment_sums.lay_out(cells, self.segment_frames, self.classes, clips)
        threshold_deg = self.doa_threshold_deg + self.rounding_deg
        if self.counted == "class":
            segments = -(-frames // self.segment_frames)
            return dcase_segment_sums.of_classes(layout, pairs, threshold_deg, segments)
        tracks = dcase_segment_sums.tracks_by_row(layout)
        if self.tracks == "source":
            numbers = (references[name][cells.references] for name in ("source", "repeat"))
            tracks = dcase_segment_sums.tracks_by_source(layout, *numbers)
        rows = dcase_segment_sums.RULES[self.misses]
        return dcase_segment_sums.of_tracks(layout, pairs, tracks, threshold_deg, rows, self.spatial_error == "half")

    def score(self, sums: Sums) -> Figures:
        """ER, F, LE, LR, SELD of sums with any leading axes."""
        if self.average == "micro":
            return {name: figure[..., 0] for name, figure in self.classwise(pooled(sums)).items()}
        by_class = self.classwise(sums)
        if self.absent == "worst":
            return {"ER": by_class["ER"][..., 0]} | {
                name: figure.mean(-1) for name, figure in by_class.items() if name != "ER"
            }
        figures = {name: mean_of_defined(figure) for name, figure in by_class.items()}
        return figures | {"SELD": _seld(figures)}

    def classwise(self, sums: Sums) -> Figures:
        """The figures of each class, (..., classes); ER is that of all classes."""
        eps = EPS if self.absent == "worst" else 0.0
        error_rate = ratio(sums["S"] + sums["D"] + sums["I"], sums["Nref"].sum(-1), eps)
        figures = {
            "ER": np.broadcast_to(error_rate[..., None], sums["TP"].shape),
            "F": self._f_score(sums, eps),
            "LE": ratio(sums["total_DE"], sums["DE_TP"], eps),
            "LR": self._recall(sums, eps),
        }
        # Left-out clips are subtracted, so that a sum of angles may be 1e-13 where there is no pair left.
        figures["LE"] = np.where(sums["DE_TP"] > 0, figures["LE"], 180.0 if self.absent == "worst" else np.nan)
        return figures | {"SELD": _seld(figures)}

    def tables(self, sums: Sums) -> dict[str, dict[int, dict[str, float]]]:
        """`classwise`: the figures of each class."""
        return table_of(self.classwise(sums))

    def _frames(self, sides: list[dict[str, np.ndarray]], clips: int) -> np.ndarray:
        """(clips,) the number of frames that count."""
        if self.length == "full":
            return np.maximum(*(last_frames(side, clips) for side in sides)) + 1
        if self.length == "fixed":
            return np.full(clips, self.fixed_frames)
        return -(-last_frames(sides[0], clips) // self.segment_frames) * self.segment_frames

    def _f_score(self, sums: Sums, eps: float) -> np.ndarray:
        if self.spatial_error == "miss":
            return _harmonic(sums["TP"], sums, eps)
        too_far = sums["FP_spatial"] if self.spatial_error == "full" else 0.0
        return ratio(sums["TP"], sums["TP"] + too_far + 0.5 * (sums["FP"] + sums["FN"]), eps)

    def _recall(self, sums: Sums, eps: float) -> np.ndarray:
        if self.counted == "class":
            return _harmonic(sums["DE_TP"], sums, eps)
        return ratio(sums["DE_TP"], sums["DE_TP"] + sums["DE_FN"], eps)


def _harmonic(hits: np.ndarray, sums: Sums, eps: float) -> np.ndarray:
    """F-score of hits over the numbers of predictions and references, as it was written in 2020."""
    precision, recall = ratio(hits, sums["Nsys"], eps), ratio(hits, sums["Nref"], eps)
    return ratio(2 * precision * recall, precision + recall, eps)


def _seld(figures: Figures) -> np.ndarray:
    return mean_of_defined(np.stack([figures["ER"], 1 - figures["F"], figures["LE"] / 180, 1 - figures["LR"]]), axis=0)
