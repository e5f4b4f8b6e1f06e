"""CLEAR-MOT: who is paired with whom, frame by frame, and what is counted of it (conventions in `mot`)."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from seld.metrics.frames import ROUNDING_DEG, Frames, per_clip, ratio
from seld.metrics.protocol import Figures, Sums

MOSTLY_TRACKED = 0.8
MOSTLY_LOST = 0.2


class Followed(NamedTuple):
    """Who was paired with whom."""

    pair: np.ndarray
    """(paired,) pair numbers (`Frames.pairs`), in the order of clips and time"""
    switched: np.ndarray
    """(paired,) bool"""


def follow(frames: Frames, threshold_deg: float) -> Followed:
    """Who is paired with whom, frame by frame as in the module's conventions."""
    gate = threshold_deg + ROUNDING_DEG
    cells, edges = frames.cells, frames.pairs.edges
    busy = np.flatnonzero(np.diff(edges))
    # Plain lists: in a loop over frames with a few rows each, arrays would spend their time on being made.
    angle = frames.pairs.angle_deg.tolist()
    sources = frames.references.identity[cells.references].tolist()
    tracks = frames.predictions.identity[cells.predictions].tolist()
    bounds = [
        edge[index].tolist() for edge in (cells.reference_edges, cells.prediction_edges) for index in (busy, busy + 1)
    ]
    last: dict[int, int] = {}
    pairs: list[int] = []
    switched: list[bool] = []
    for first, start, stop, left, right in zip(edges[busy].tolist(), *bounds, strict=True):
        column_of = {track: column for column, track in enumerate(tracks[left:right])}
        width = right - left
        rest = []
        for row, source in enumerate(sources[start:stop]):
            column = column_of.get(last.get(source))
            if column is not None and angle[first + row * width + column] <= gate:
                del column_of[last[source]]
                pairs.append(first + row * width + column)
                switched.append(False)
            else:
                rest.append(row)
        if rest and column_of:
            free = [(row, column) for row in rest for column in column_of.values()]
            allowed = {at: angle[first + at[0] * width + at[1]] for at in free}
            for row, column in _most_then_nearest({at: value for at, value in allowed.items() if value <= gate}):
                source = sources[start + row]
                pairs.append(first + row * width + column)
                switched.append(source in last)
                last[source] = tracks[left + column]
    return Followed(np.array(pairs, dtype=np.int64), np.array(switched, dtype=bool))


def _most_then_nearest(allowed: dict[tuple[int, int], float]) -> Iterable[tuple[int, int]]:
    """The pairs of an assignment with as many allowed ones as possible, and the smallest sum among those.

    Args:
        allowed: (row, column) -> angle.
    """
    rows, columns = sorted({row for row, _ in allowed}), sorted({column for _, column in allowed})
    if len(allowed) == len(rows) == len(columns):
        return allowed  # no two of them are in each other's way
    if len(rows) == 1 or len(columns) == 1:
        return [min(allowed, key=allowed.get)]
    # One pair that is not allowed has to cost more than all allowed ones together.
    forbidden = (max(allowed.values()) + 1) * min(len(rows), len(columns)) * 2
    cost = np.array([[allowed.get((row, column), forbidden) for column in columns] for row in rows])
    best = zip(*linear_sum_assignment(cost), strict=True)
    return [at for row, column in best if (at := (rows[row], columns[column])) in allowed]


def count(frames: Frames, threshold_deg: float) -> Sums:
    """The countable sums of each clip, (clips,) each."""
    followed = follow(frames, threshold_deg)
    clips, references = frames.clips, frames.references
    clip = references.clip[frames.pairs.reference[followed.pair]]
    paired = np.zeros(len(references.clip), dtype=bool)
    paired[frames.pairs.reference[followed.pair]] = True
    present = per_clip(references.clip, clips)
    pairs = per_clip(clip, clips)
    switches = per_clip(clip, clips, followed.switched)
    return {
        "references": present,
        "predictions": per_clip(frames.predictions.clip, clips),
        "matches": pairs - switches,
        "switches": switches,
        "misses": present - pairs,
        "false_positives": per_clip(frames.predictions.clip, clips) - pairs,
        "matched_angle_sum_deg": per_clip(clip, clips, frames.pairs.angle_deg[followed.pair]),
        **_lives(frames, paired),
    }


def _lives(frames: Frames, paired: np.ndarray) -> Sums:
    """Sums over whole sources, of (rows,) whether a row of the references is paired."""
    clip, references = frames.references.clip_of_identity, frames.references
    tracked = np.bincount(references.identity, paired, len(clip)) / np.bincount(
        references.identity, minlength=len(clip)
    )
    order = np.lexsort((references.frame, references.identity))
    identity, hit = references.identity[order], paired[order]
    begins = hit.copy()
    begins[1:] &= ~hit[:-1] | (identity[1:] != identity[:-1])
    pieces = np.bincount(identity[begins], minlength=len(clip))
    sums = {
        "fragmentations": np.maximum(pieces - 1, 0),
        "mostly_tracked": tracked >= MOSTLY_TRACKED,
        "mostly_lost": tracked < MOSTLY_LOST,
        "partially_tracked": (tracked >= MOSTLY_LOST) & (tracked < MOSTLY_TRACKED),
    }
    return {name: per_clip(clip, frames.clips, value) for name, value in sums.items()}


def score(sums: Sums) -> Figures:
    """MOTA, MOTP in degrees, recall, precision, and the numbers of errors and of sources by how they fared."""
    pairs = sums["matches"] + sums["switches"]
    errors = sums["misses"] + sums["false_positives"] + sums["switches"]
    numbers = (
        "switches", "misses", "false_positives", "fragmentations", "mostly_tracked", "partially_tracked", "mostly_lost"
    )  # fmt: skip
    return {
        "MOTA": 1 - ratio(errors, sums["references"]),
        "MOTP": ratio(sums["matched_angle_sum_deg"], pairs),
        "recall": ratio(pairs, sums["references"]),
        "precision": ratio(pairs, sums["predictions"]),
        **{name: sums[name] for name in numbers},
    }
