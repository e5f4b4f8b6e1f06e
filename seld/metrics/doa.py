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

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from seld.metrics.frames import ROUNDING_DEG, frame_pairs

COUNTS = ("frames", "references", "estimates", "pairs", "angle_sum_deg", "hits")


def count(reference: pd.DataFrame, prediction: pd.DataFrame, threshold_deg: float = 20.0) -> pd.DataFrame:
    """The countable sums of one clip, one row for each number of active sources that occurs in it.

    Args:
        reference, prediction: tables of rows as in `seld.labels`.
        threshold_deg: the largest angle of a hit.

    Returns:
        Columns COUNTS, index `sources`: frames with a row on either side, references, estimates, pairs, the
        sum of their angles in degrees, and hits (pairs within the threshold).
    """
    sums: dict[int, np.ndarray] = {}
    for frame in frame_pairs(reference, prediction):
        angles = frame.distance_deg[linear_sum_assignment(frame.distance_deg)]
        hits = np.count_nonzero(angles <= threshold_deg + ROUNDING_DEG)
        tracks, sources = frame.distance_deg.shape
        sums.setdefault(sources, np.zeros(len(COUNTS)))
        sums[sources] += (1, sources, tracks, len(angles), angles.sum(), hits)
    index = pd.Index(sorted(sums), name="sources", dtype=np.int64)
    return pd.DataFrame([sums[sources] for sources in index], index=index, columns=COUNTS, dtype=np.float64)


def score(counts: pd.DataFrame, threshold_deg: float = 20.0) -> pd.DataFrame:
    """LE in degrees, LR, LP, LF and the F-score named after its threshold (F20), for each row of counts."""
    references, estimates, pairs = counts["references"], counts["estimates"], counts["pairs"]
    # pandas divides 0 by 0 to NaN, in silence.
    return pd.DataFrame(
        {
            "LE": counts["angle_sum_deg"] / pairs,
            "LR": pairs / references,
            "LP": pairs / estimates,
            "LF": 2 * pairs / (references + estimates),
            f"F{threshold_deg:g}": 2 * counts["hits"] / (references + estimates),
        }
    )
