"""Two tables of rows laid out frame by frame, with identities and angles: what class-free metrics start from."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from seld.geometry import unit_from_degrees
from seld.metrics.cells import Cells, assign, blocks, group

# Labels are whole degrees, so that angles of exactly the threshold do occur; rounding in the last digit
# must not decide whether they are "at most" the threshold.
ROUNDING_DEG = 1e-6


class Side(NamedTuple):
    """References or predictions of all clips."""

    clip: np.ndarray
    """(rows,) clip of each row"""
    frame: np.ndarray
    """(rows,)"""
    identity: np.ndarray
    """(rows,) number of the source or track that a row belongs to; no two clips share one"""
    clip_of_identity: np.ndarray
    """(identities,) clip of each of them"""


class Pairs(NamedTuple):
    """Every reference with every prediction of its frame: frame by frame, reference by reference."""

    cell: np.ndarray
    """(pairs,) index of the frame in Cells.keys"""
    reference: np.ndarray
    """(pairs,) row number in the table of references"""
    prediction: np.ndarray
    """(pairs,) row number in the table of predictions"""
    angle_deg: np.ndarray
    """(pairs,) great-circle angle; infinite where the classes differ and that matters"""
    edges: np.ndarray
    """(cells + 1,): the pairs of frame i are edges[i] to edges[i + 1]"""


class Frames(NamedTuple):
    clips: int
    cells: Cells
    """one for each frame of a clip with a row on either side, in the order of clips and time"""
    references: Side
    predictions: Side
    pairs: Pairs
    squares: list[tuple[np.ndarray, np.ndarray]]
    """The frames with rows on both sides, those of one shape together: their numbers, and pair numbers (cells, R, P).

    `pairs.angle_deg[pair numbers]` are their matrices of angles, references by predictions.
    """

    @property
    def clip(self) -> np.ndarray:
        """(cells,) clip of each frame."""
        return self.cells.keys[:, 0]


def lay_out(reference: pd.DataFrame, prediction: pd.DataFrame, clips: int, class_aware: bool = False) -> Frames:
    """Both tables (rows as in `seld.labels`, with a column `clip`) frame by frame.

    Args:
        class_aware: whether a pair of two classes is out of the question (its angle infinite).
    """
    cells = group(reference, prediction, ("clip", "frame"))
    pairs = _pairs(cells, unit_vectors(reference), unit_vectors(prediction))
    if class_aware:
        classes = [table["class"].to_numpy() for table in (reference, prediction)]
        pairs.angle_deg[classes[0][pairs.reference] != classes[1][pairs.prediction]] = np.inf
    squares = []
    for block in blocks(cells):
        shape = (block.references.shape[1], block.predictions.shape[1])
        numbers = pairs.edges[block.cells, None, None] + np.arange(np.prod(shape)).reshape(shape)
        squares.append((block.cells, numbers))
    return Frames(clips, cells, _side(reference), _side(prediction), pairs, squares)


class Meetings(NamedTuple):
    """The sources and tracks that share a frame, each couple once."""

    source: np.ndarray
    """(couples,) number of the source's identity, ascending and so in the order of clips"""
    track: np.ndarray
    """(couples,)"""
    of_pair: np.ndarray
    """(allowed pairs,) number of the couple"""


def meetings(frames: Frames, allowed: np.ndarray) -> Meetings:
    """The couples of the pairs (pairs,) that are allowed."""
    tracks = max(len(frames.predictions.clip_of_identity), 1)
    source = frames.references.identity[frames.pairs.reference[allowed]]
    track = frames.predictions.identity[frames.pairs.prediction[allowed]]
    couple, of_pair = np.unique(source * tracks + track, return_inverse=True)
    return Meetings(*np.divmod(couple, tracks), of_pair)


def cheapest(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The index by which an array like cost (cells, R, P) gives its values (cells, min(R, P)) at the best pairs."""
    return np.arange(len(cost))[:, None], *assign(cost)


def per_clip(clip: np.ndarray, clips: int, weight: np.ndarray | None = None) -> np.ndarray:
    """(clips,) float64 sums of the weights (ones by default) of each clip."""
    return np.bincount(clip, weight, minlength=clips).astype(np.float64)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; NaN for 0 / 0, in silence."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(part, np.float64) / whole


def unit_vectors(rows: pd.DataFrame) -> np.ndarray:
    """(rows, 3) float64."""
    return unit_from_degrees(rows["azimuth"].to_numpy(np.float64), rows["elevation"].to_numpy(np.float64))


def check_angle(name: str, value: float) -> None:
    """Refuse an angle that cannot part near from far."""
    if not 0 < value <= 180:
        raise ValueError(f"{name} must be above 0 and at most 180, got {value}")


def _pairs(cells: Cells, reference: np.ndarray, prediction: np.ndarray) -> Pairs:
    references, predictions = np.diff(cells.reference_edges), np.diff(cells.prediction_edges)
    edges = np.append(0, np.cumsum(references * predictions))
    cell = np.repeat(np.arange(len(cells.keys)), references * predictions)
    row, column = np.divmod(np.arange(len(cell)) - edges[cell], predictions[cell])
    row = cells.references[cells.reference_edges[cell] + row]
    column = cells.predictions[cells.prediction_edges[cell] + column]
    return Pairs(cell, row, column, _angle_deg(reference[row], prediction[column]), edges)


def _angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # Half chords, since acos loses small angles (as in geometry.angular_distance, here without tensors).
    half = np.arctan2(*(np.sqrt(np.einsum("ij,ij->i", chord, chord)) for chord in (a - b, a + b)))
    return np.rad2deg(2 * half)


def _side(rows: pd.DataFrame) -> Side:
    """Identities are told by class and source, and by the order of rows where a frame has both twice.

    STARSS numbers actors, not events, so that one number may sound twice at once.
    """
    clip, kind, source, frame = (rows[name].to_numpy(np.int64) for name in ("clip", "class", "source", "frame"))
    order, first = _runs(clip, kind, source, frame)
    begin = np.flatnonzero(first)
    repeat = np.empty(len(rows), np.int64)
    repeat[order] = np.arange(len(rows)) - np.repeat(begin, np.diff(np.append(begin, len(rows))))
    order, first = _runs(clip, kind, source, repeat)
    identity = np.empty(len(rows), np.int64)
    identity[order] = np.cumsum(first) - 1
    return Side(clip, frame, identity, clip[order[first]])


def _runs(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of the rows by (rows,) keys, the first one counting most; where in it a row begins that differs."""
    order = np.lexsort(keys[::-1])
    first = np.zeros(len(order), dtype=bool)
    first[:1] = True
    for key in keys:
        first[1:] |= key[order[1:]] != key[order[:-1]]
    return order, first
