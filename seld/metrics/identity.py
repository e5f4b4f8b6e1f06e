"""Identity scores: how much of the time each source is followed by the one track that suits it best.

Conventions
-----------
Each source is given at most one track for the whole clip, and each track at most one source, so that as many
rows as possible come out paired within the gate; who was paired frame by frame does not matter.

Metrics
-------
IDF1   2 IDTP / (references + predictions), where IDTP counts the rows paired so.
IDP    IDTP / predictions.
IDR    IDTP / references.

A figure whose denominator is 0 is NaN.

References
----------
Ristani, Solera, Zou, Cucchiara, Tomasi, "Performance Measures and a Data Set for Multi-Target, Multi-Camera
Tracking", ECCV Workshops 2016. Same figures as py-motmetrics 1.4.0 and, where there are rows on both sides,
TrackEval; the assignment with the most IDTP is the one with the least IDFP + IDFN, which they look for.
"""

from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from seld.metrics.frames import ROUNDING_DEG, Frames, meetings, ratio
from seld.metrics.protocol import Figures, Sums


def count(frames: Frames, threshold_deg: float) -> Sums:
    """IDTP of each clip, (clips,)."""
    meeting = meetings(frames, frames.pairs.angle_deg <= threshold_deg + ROUNDING_DEG)
    together = np.bincount(meeting.of_pair, minlength=len(meeting.source))
    clip = frames.references.clip_of_identity[meeting.source]
    edges = np.searchsorted(clip, np.arange(frames.clips + 1))
    found = np.zeros(frames.clips)
    for number, (start, stop) in enumerate(pairwise(edges)):
        if start < stop:
            sources, row = np.unique(meeting.source[start:stop], return_inverse=True)
            tracks, column = np.unique(meeting.track[start:stop], return_inverse=True)
            matrix = np.zeros((len(sources), len(tracks)))
            matrix[row, column] = together[start:stop]
            found[number] = matrix[linear_sum_assignment(matrix, maximize=True)].sum()
    return {"identity_matches": found}


def score(sums: Sums) -> Figures:
    """IDF1, IDP and IDR; `sums` holds references and predictions, too."""
    found, references, predictions = sums["identity_matches"], sums["references"], sums["predictions"]
    return {
        "IDF1": ratio(2 * found, references + predictions),
        "IDP": ratio(found, predictions),
        "IDR": ratio(found, references),
    }
