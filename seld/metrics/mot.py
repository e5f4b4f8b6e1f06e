"""Multi-object tracking on the sphere: errors counted per frame, with identities that last over the clip.

Conventions
-----------
A source is told by its class and source number, a track by its class and track number; a source and a track
may differ in class unless `class_aware`. Identities end with the clip. A pair is allowed if its angle is at
most the gate. In each frame, in this order:

1. a source whose last track (however long ago) is active, free and allowed keeps it: a match;
2. the others are paired with as many allowed pairs as possible, and among those with the smallest sum of
   angles: a switch where the source had another track before, else a match;
3. each source left over is a miss, each track left over a false positive.

The paper carries a pair over from the frame before only; py-motmetrics keeps it through gaps, and so do we:
a source that pauses should come back as the same track.

Metrics
-------
MOTA             1 - (misses + false positives + switches) / references, at most 1, without lower bound.
MOTP             mean angle in degrees of the pairs, switches included: lower is better.
recall           pairs / references; precision: pairs / predictions. Switches are pairs.
switches, misses, false_positives   their numbers.
fragmentations   how often a source that was paired is missed and paired again later.
mostly_tracked   sources paired in at least 80 % of their frames; mostly_lost: in less than 20 %;
                 partially_tracked: the others.
IDF1, IDP, IDR   `identity`: one track for each source, over the whole clip.
HOTA and parts   `hota`: detection, association and localization over many thresholds.
OSPA, OSPA2, GOSPA and parts   `ospa`: metric distances between the sets of sources and of tracks.

Without references MOTA is NaN, or minus infinity where there are false positives; without pairs MOTP is NaN.
Sums add up over clips, so that figures of a set are those of its clips laid end to end; that is how
py-motmetrics and TrackEval combine, but for MOTP, which py-motmetrics makes NaN where one clip has no pair.

References
----------
Bernardin, Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", EURASIP
Journal on Image and Video Processing 2008. mostly_tracked, mostly_lost, fragmentations: Li, Huang, Nevatia,
"Learning to Associate: HybridBoosted Multi-Target Tracker for Crowded Scene", CVPR 2009. Details as
py-motmetrics 1.4.0 on distances in degrees, where pairs beyond the gate are NaN. TrackEval differs: it
carries over from the frame before only, and mostly_tracked is above 80 %.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from seld.metrics import clear, hota, identity, ospa
from seld.metrics.frames import check_angle, lay_out
from seld.metrics.protocol import Figures, Sums

EVENTS = ("match", "switch", "miss", "false_positive")


@dataclass(frozen=True)
class Mot:
    """CLEAR-MOT, IDF1, HOTA, OSPA and GOSPA in one go."""

    threshold_deg: float = 20.0
    """the gate, the largest angle between a source and its track"""
    class_aware: bool = False
    """whether a source may only be paired with a track of its class"""
    zero_distance_deg: float = 40.0
    """angle at which the similarity of HOTA is 0; twice the gate, so that the gate is at 0.5"""
    cutoff_deg: float = 30.0
    """of OSPA, OSPA2 and GOSPA: no error of a pair, and no missing one, weighs more (30: as LOCATA)"""
    order: float = 1.0
    """of OSPA, OSPA2 and GOSPA: above 1, far pairs weigh more than many"""
    window: int = 10
    """of OSPA2, in frames: how long identities are remembered"""

    reference_format: ClassVar[str] = "seld"
    prediction_format: ClassVar[str] = "seld"
    bias_corrected: ClassVar[bool] = False

    def __post_init__(self):
        for name in ("threshold_deg", "zero_distance_deg", "cutoff_deg"):
            check_angle(name, getattr(self, name))
        if not 1 <= self.order < np.inf:
            raise ValueError(f"order must be at least 1, got {self.order}")
        if self.window < 1 or self.window != int(self.window):
            raise ValueError(f"window must be a whole number of frames, at least 1, got {self.window}")

    def count(self, reference: pd.DataFrame, prediction: pd.DataFrame, clips: int) -> Sums:
        """The countable sums of each clip, all of them (clips,) or (clips, thresholds of HOTA)."""
        frames = lay_out(reference, prediction, clips, self.class_aware)
        return {
            **clear.count(frames, self.threshold_deg),
            **identity.count(frames, self.threshold_deg),
            **hota.count(frames, self.zero_distance_deg),
            **ospa.count(frames, self.cutoff_deg, self.order, self.window),
        }

    def score(self, sums: Sums) -> Figures:
        """Every figure of the module's list."""
        return {**clear.score(sums), **identity.score(sums), **hota.score(sums), **ospa.score(sums)}

    def tables(self, sums: Sums) -> dict[str, dict[int, dict[str, float]]]:
        return {}


def events(reference: pd.DataFrame, prediction: pd.DataFrame, threshold_deg: float = 20.0) -> pd.DataFrame:
    """What happened in one clip, in the order of time: the pairs, misses and false positives that `Mot` counts.

    Args:
        reference, prediction: rows of one clip as in `seld.labels`.
        threshold_deg: the gate.

    Returns:
        frame; kind, one of EVENTS; reference and prediction, the numbers of the rows (counted from 0, whatever
        the table's index is), -1 where there is none; angle_deg, NaN without a pair. In a frame the pairs come
        first, then the misses, each in the order of the references, then the false positives.

    Raises:
        ValueError: for a gate outside of (0, 180].
    """
    check_angle("threshold_deg", threshold_deg)
    frames = lay_out(reference.assign(clip=0), prediction.assign(clip=0), clips=1)
    followed = clear.follow(frames, threshold_deg)
    order = np.argsort(frames.pairs.reference[followed.pair])
    pair, switched = followed.pair[order], followed.switched[order]
    row, column = frames.pairs.reference[pair], frames.pairs.prediction[pair]
    missed = np.setdiff1d(np.arange(len(reference)), row)
    false = np.setdiff1d(np.arange(len(prediction)), column)
    sizes = (len(pair), len(missed), len(false))
    references, predictions = frames.references.frame, frames.predictions.frame
    table = pd.DataFrame(
        {
            "frame": np.concatenate([references[row], references[missed], predictions[false]]),
            "kind": np.array(EVENTS)[np.concatenate([switched.astype(np.int64), np.repeat([2, 3], sizes[1:])])],
            "reference": np.concatenate([row, missed, np.full(len(false), -1)]),
            "prediction": np.concatenate([column, np.full(len(missed), -1), false]),
            "angle_deg": np.concatenate([frames.pairs.angle_deg[pair], np.full(sum(sizes[1:]), np.nan)]),
        }
    )
    return table.sort_values("frame", kind="stable", ignore_index=True)
