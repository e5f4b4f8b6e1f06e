"""The figures that the published DOAnet prints, for comparison with its tables only: most mean something else.

Conventions
-----------
Each frame's estimates and references are paired by the smallest sum of angles, whoever they are and however far
apart. The names end in `_doanet`, since those of LE, LR, LP, LF and MOTA stand for better figures in `doa` and
`mot`; WRONG says of each what is wrong with it. Scale as published: degrees, and percent except IDS.

Metrics
-------
LE     mean angle of the pairs. Angles are acos of a dot product clipped to 1 - 1e-7, so that a perfect
       estimate is 0.026 degrees off.
LR     pairs / references, LP: pairs / estimates, LF: their harmonic mean.
IDS    onsets: how often a track is active after a frame in which it was not, but for a clip's first frame.
MOTA   1 - (FP + FN + IDS) / references, where FP and FN are the differences of the two numbers in each frame.

The published code adds 1e-7 to denominators, once or twice, and so do we. It lays all segments of a batch end
to end before it counts onsets, and so counts some more where segments meet; here clips begin anew.

References
----------
Adavanne, Politis, Virtanen, "Differentiable Tracking-Based Training of Deep Learning Sound Source Localizers",
WASPAA 2021; `cls_metric.py` and `train_doanet.py` of its published code (doa-net, c9815e2).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from seld.metrics.frames import Frames, Side, cheapest, lay_out, per_clip, ratio
from seld.metrics.protocol import Figures, Sums

WRONG = {
    "LE_doanet": "as LE of doa, but never below 0.026 degrees",
    "LR_doanet": "counts sources, not where they are: estimates on the wrong side of the sphere have 100 %",
    "LP_doanet": "counts estimates, not where they are",
    "LF_doanet": "counts only, as LR and LP",
    "IDS_doanet": "counts onsets of tracks, not switches: an exchange of tracks costs 0, a source that begins 1",
    "MOTA_doanet": "has no gate and no identities: estimates on the wrong side have 100 %, and onsets count as errors",
}
"""figure -> what to know before comparing with it"""

_EPS = 1e-7


@dataclass(frozen=True)
class Doanet:
    """The published DOAnet's own figures; see WRONG. Without options, as there."""

    reference_format: ClassVar[str] = "seld"
    prediction_format: ClassVar[str] = "seld"
    bias_corrected: ClassVar[bool] = False

    @property
    def notes(self) -> list[str]:
        """One line for each figure that must not be taken for what it is called."""
        return [f"{name} {what}" for name, what in WRONG.items()]

    def count(self, reference: pd.DataFrame, prediction: pd.DataFrame, clips: int) -> Sums:
        """(clips,): references, estimates, pairs, the sum of their angles, too many, too few, onsets."""
        frames = lay_out(reference, prediction, clips)
        sources, tracks = (np.diff(edges) for edges in (frames.cells.reference_edges, frames.cells.prediction_edges))
        values = {
            "references": sources,
            "estimates": tracks,
            "pairs": np.minimum(sources, tracks),
            "angle_sum_deg": _angle_sums(frames),
            "too_many": np.maximum(tracks - sources, 0),
            "too_few": np.maximum(sources - tracks, 0),
        }
        sums = {name: per_clip(frames.clip, clips, value) for name, value in values.items()}
        return {**sums, "onsets": _onsets(frames.predictions, clips)}

    def score(self, sums: Sums) -> Figures:
        """The six figures of WRONG."""
        references, pairs = sums["references"] + _EPS, sums["pairs"]
        recall, precision = pairs / references, pairs / (sums["estimates"] + _EPS)
        errors = sums["too_many"] + sums["too_few"] + sums["onsets"]
        return {
            "LE_doanet": ratio(sums["angle_sum_deg"], pairs),
            "LR_doanet": 100 * recall,
            "LP_doanet": 100 * precision,
            "LF_doanet": 100 * 2 * precision * recall / (precision + recall + _EPS),
            "IDS_doanet": sums["onsets"],
            "MOTA_doanet": 100 * (1 - errors / (references + _EPS)),
        }

    def tables(self, sums: Sums) -> dict[str, dict[int, dict[str, float]]]:
        return {}


def _angle_sums(frames: Frames) -> np.ndarray:
    """(cells,) sums of the pairs' angles in degrees."""
    dot = np.cos(np.deg2rad(frames.pairs.angle_deg))
    angle = np.rad2deg(np.arccos(np.clip(dot, _EPS - 1, 1 - _EPS)))
    sums = np.zeros(len(frames.cells.keys))
    for cells, pairs in frames.squares:
        sums[cells] = angle[pairs[cheapest(angle[pairs])]].sum(axis=1)
    return sums


def _onsets(tracks: Side, clips: int) -> np.ndarray:
    """(clips,) how often a track is active after a frame in which it was not; frame 0 has no frame before it."""
    order = np.lexsort((tracks.frame, tracks.identity))
    frame, identity = tracks.frame[order], tracks.identity[order]
    goes_on = np.zeros(len(frame), dtype=bool)
    goes_on[1:] = (identity[1:] == identity[:-1]) & (frame[1:] == frame[:-1] + 1)
    return per_clip(tracks.clip[order], clips, ~goes_on & (frame > 0))
