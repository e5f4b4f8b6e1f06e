"""CLEAR-MOT on the sphere: tracking errors counted per frame, with identities that last over the clip.

Conventions
-----------
A source is told by its class and source number, a track by its class and track number; a source and a track
may differ in class. Identities end with the clip. A pair is allowed if its angle is at most the gate.
In each frame, in this order:

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
switches, misses, false_positives   their numbers.

Without references MOTA is NaN, or minus infinity where there are false positives; without pairs MOTP is NaN.

References
----------
Bernardin, Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", EURASIP
Journal on Image and Video Processing 2008. Details as py-motmetrics 1.4.0 (`MOTAccumulator.update`, `mota`,
`motp`) on distances in degrees, where pairs beyond the gate are NaN.
"""

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from seld.metrics.frames import ROUNDING_DEG, FramePair, frame_pairs

COUNTS = ("references", "matches", "switches", "misses", "false_positives", "matched_angle_sum_deg")


def count(reference: pd.DataFrame, prediction: pd.DataFrame, threshold_deg: float = 20.0) -> pd.DataFrame:
    """The countable sums of one clip: a single row with the columns COUNTS.

    Args:
        reference, prediction: tables of rows as in `seld.labels`.
        threshold_deg: the gate, the largest angle between a source and its track.
    """
    source_ids, track_ids = _identities(reference), _identities(prediction)
    last_track: dict[int, int] = {}
    sums = np.zeros(len(COUNTS))
    for frame in frame_pairs(reference, prediction):
        sums += _count_frame(frame, source_ids, track_ids, last_track, threshold_deg + ROUNDING_DEG)
    return pd.DataFrame([sums], columns=COUNTS)


def score(counts: pd.DataFrame, threshold_deg: float = 20.0) -> pd.DataFrame:
    """MOTA, MOTP in degrees, and the numbers of errors, for each row of counts."""
    errors = counts[["misses", "false_positives", "switches"]]
    # pandas divides 0 by 0 to NaN, in silence.
    return pd.DataFrame(
        {
            "MOTA": 1 - errors.sum(axis=1) / counts["references"],
            "MOTP": counts["matched_angle_sum_deg"] / (counts["matches"] + counts["switches"]),
            **{name: counts[name] for name in ("switches", "misses", "false_positives")},
        }
    )


def _identities(rows: pd.DataFrame) -> np.ndarray:
    """A number for each row that is the same for rows of one class and source.

    Where a frame holds a class and source twice (STARSS numbers actors, not events), the order of its rows
    tells them apart.
    """
    repeat = rows.groupby(["frame", "class", "source"]).cumcount()
    return rows.assign(repeat=repeat).groupby(["class", "source", "repeat"]).ngroup().to_numpy()


def _count_frame(
    frame: FramePair,
    source_ids: np.ndarray,
    track_ids: np.ndarray,
    last_track: dict[int, int],
    gate_deg: float,
) -> tuple[float, ...]:
    """The sums of one frame, in the order of COUNTS; `last_track` (source -> track) is brought up to date."""
    distance = np.where(frame.distance_deg <= gate_deg, frame.distance_deg, np.inf)
    sources, tracks = source_ids[frame.references], track_ids[frame.estimates]
    angles, switches = [], 0
    column_of = {track: row for row, track in enumerate(tracks)}
    for column, source in enumerate(sources):
        row = column_of.get(last_track.get(source))
        if row is not None and np.isfinite(distance[row, column]):
            angles.append(distance[row, column])
            distance[row, :] = distance[:, column] = np.inf
    for row, column in _most_then_nearest(distance):
        angles.append(distance[row, column])
        switches += sources[column] in last_track
        last_track[sources[column]] = tracks[row]
    pairs = len(angles)
    return len(sources), pairs - switches, switches, len(sources) - pairs, len(tracks) - pairs, sum(angles)


def _most_then_nearest(distance: np.ndarray) -> list[tuple[int, int]]:
    """The allowed (finite) pairs of an assignment with the most of them, and the smallest sum among those."""
    allowed = np.isfinite(distance)
    if not allowed.any():
        return []
    # One pair that is not allowed has to cost more than all allowed ones together.
    forbidden = (distance[allowed].max() + 1) * min(distance.shape) * 2
    rows, columns = linear_sum_assignment(np.where(allowed, distance, forbidden))
    return [(row, column) for row, column in zip(rows, columns, strict=True) if allowed[row, column]]
