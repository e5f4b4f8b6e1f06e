"""Class-free localization: how far off the directions are, and how well sources are counted.

Conventions
-----------
Each frame stands for itself: its tracks and sources are paired by the exact assignment with the smallest sum
of great-circle angles, min(tracks, sources) pairs, whatever their identities and classes. Counts add up over
frames and clips, and every figure is a ratio of sums: clips weigh by what sounds in them.

Metrics
-------
LE    localization error in degrees: mean angle of all pairs, however far apart.
LR    localization recall: pairs / references. Only the number of sources counts, not where they are.
LP    localization precision: pairs / estimates.
LF    harmonic mean of LR and LP: 2 pairs / (references + estimates).
F20   F-score of pairs that are at most 20 degrees apart: 2 hits / (references + estimates). The threshold
      gates the pairs of the assignment above, as in DCASE 2024; a gate before the assignment could find more
      hits, but the pairs would then depend on the threshold and differ from those of LE.

A figure whose denominator is 0 is NaN: without a pair there is no error, neither 0 nor 180 degrees.

References
----------
LE, LR, LP, LF: Adavanne, Politis, Virtanen, "Differentiable Tracking-Based Training of Deep Learning Sound
Source Localizers", WASPAA 2021, section 4. Thresholded F-score: Mesaros et al., "Joint Measurement of
Localization and Detection of Sound Events", WASPAA 2019; its frame-wise form is that of DCASE 2024.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from seld.metrics.frames import ROUNDING_DEG, cheapest, check_angle, lay_out, per_clip, ratio
from seld.metrics.protocol import Figures, Sums

COUNTS = ("frames", "references", "estimates", "pairs", "angle_sum_deg", "hits")
MOST_SOURCES = 31
"""frames with more sources than that share its line of `by_sources`"""


@dataclass(frozen=True)
class Doa:
    """Class-free localization, frame by frame."""

    threshold_deg: float = 20.0
    """largest angle of a hit; the F-score is named after it"""

    reference_format: ClassVar[str] = "seld"
    prediction_format: ClassVar[str] = "seld"
    bias_corrected: ClassVar[bool] = False

    def __post_init__(self):
        check_angle("threshold_deg", self.threshold_deg)

    def count(self, reference: pd.DataFrame, prediction: pd.DataFrame, clips: int) -> Sums:
        """COUNTS (clips,): frames with a row on either side, references, estimates, pairs, their angles, hits.

        `by_sources` (clips, MOST_SOURCES + 1, 6) holds the same for each number of active sources.
        """
        frames = lay_out(reference, prediction, clips)
        sources, estimates = np.diff(frames.cells.reference_edges), np.diff(frames.cells.prediction_edges)
        values = np.zeros((len(COUNTS), len(sources)))
        values[:4] = np.ones(len(sources)), sources, estimates, np.minimum(sources, estimates)
        for cells, pairs in frames.squares:
            angle = frames.pairs.angle_deg[pairs]
            angle = angle[cheapest(angle)]
            values[4, cells] = angle.sum(axis=1)
            values[5, cells] = np.count_nonzero(angle <= self.threshold_deg + ROUNDING_DEG, axis=1)
        bins = MOST_SOURCES + 1
        line = frames.clip * bins + np.minimum(sources, MOST_SOURCES)
        table = np.stack([per_clip(line, clips * bins, value) for value in values], axis=-1).reshape(clips, bins, -1)
        return {**dict(zip(COUNTS, table.sum(axis=1).T, strict=True)), "by_sources": table}

    def score(self, sums: Sums) -> Figures:
        """LE in degrees, LR, LP, LF and the F-score named after its threshold (F20)."""
        both = sums["references"] + sums["estimates"]
        return {
            "LE": ratio(sums["angle_sum_deg"], sums["pairs"]),
            "LR": ratio(sums["pairs"], sums["references"]),
            "LP": ratio(sums["pairs"], sums["estimates"]),
            "LF": ratio(2 * sums["pairs"], both),
            f"F{self.threshold_deg:g}": ratio(2 * sums["hits"], both),
        }

    def tables(self, sums: Sums) -> dict[str, dict[int, dict[str, float]]]:
        """`by_sources`: number of active sources -> figures of the frames that have so many."""
        lines = {}
        for sources, line in enumerate(sums["by_sources"]):
            if line[0]:
                figures = self.score(dict(zip(COUNTS, line, strict=True)))
                lines[sources] = {name: float(value) for name, value in figures.items()}
        return {"by_sources": lines}
