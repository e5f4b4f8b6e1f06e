"""OSPA, OSPA(2) and GOSPA: how far apart the set of sources and the set of tracks are, in degrees.

Conventions
-----------
n sources and tracks on the larger side and m on the smaller are paired within each frame so that the sum of
min(angle, c)^p is smallest, c being the cut-off and p the order. The figures are means over frames with a row
on either side; frames that are silent on both count nothing, since labels do not say how long a clip is.

Metrics
-------
OSPA    [(sum over pairs of min(angle, c)^p + c^p (n - m)) / n]^(1/p): from 0 to c; c where one side is silent.
OSPA2   OSPA between whole tracks instead of points, in the window of so many frames that ends with the frame:
        the distance of a source and a track is the mean of min(angle, c), or c where only one of them is there,
        over the window's frames that have either. So an exchange of identities costs. With a window of one
        frame it is OSPA.
GOSPA   [sum over pairs nearer than c of angle^p + c^p / 2 (missed + false)]^(1/p): not divided by n. All others
        are missed or false. GOSPA_localization, GOSPA_missed and GOSPA_false are the means of the three terms;
        with p = 1 they add up to GOSPA.

References
----------
OSPA: Schuhmacher, Vo, Vo, "A Consistent Metric for Performance Evaluation of Multi-Object Filters", IEEE
Transactions on Signal Processing 2008. OSPA(2): Beard, Vo, Vo, "A Solution for Large-Scale Multi-Object
Tracking", IEEE Transactions on Signal Processing 2020. GOSPA (alpha = 2): Rahmathullah, Garcia-Fernandez,
Svensson, "Generalized Optimal Sub-Pattern Assignment Metric", FUSION 2017.
"""

from typing import NamedTuple

import numpy as np

from seld.metrics.cells import Cells, blocks
from seld.metrics.frames import Frames, Side, cheapest, per_clip, ratio
from seld.metrics.protocol import Figures, Sums

FIGURES = ("OSPA", "OSPA2", "GOSPA", "GOSPA_localization", "GOSPA_missed", "GOSPA_false")


def count(frames: Frames, cutoff_deg: float, order: float, window: int) -> Sums:
    """(clips,): the frames with a row on either side, and the sum over them of each figure."""
    distance, localization, missed, false = _points(frames, cutoff_deg, order)
    values = (
        distance,
        _tracks(frames, cutoff_deg, order, window),
        (localization + missed + false) ** (1 / order),
        localization,
        missed,
        false,
    )
    sums = {
        f"{name}_sum": per_clip(frames.clip, frames.clips, value) for name, value in zip(FIGURES, values, strict=True)
    }
    return {"frames": per_clip(frames.clip, frames.clips), **sums}


def score(sums: Sums) -> Figures:
    """Means over frames, NaN without one."""
    return {name: ratio(sums[f"{name}_sum"], sums["frames"]) for name in FIGURES}


def _points(frames: Frames, cutoff: float, order: float) -> tuple[np.ndarray, ...]:
    """(cells,) each: OSPA, and the terms of GOSPA: localization, missed, false."""
    sources, tracks = (np.diff(edges) for edges in (frames.cells.reference_edges, frames.cells.prediction_edges))
    cost, near, localization = np.zeros((3, len(sources)))
    for cells, pairs in frames.squares:
        angle = np.minimum(frames.pairs.angle_deg[pairs], cutoff)
        # The powers are what is added up; paired by plain angles the sum might not be the smallest.
        angle = angle[cheapest(angle**order)]
        cost[cells] = (angle**order).sum(axis=1)
        near[cells] = (angle < cutoff).sum(axis=1)
        localization[cells] = np.where(angle < cutoff, angle**order, 0).sum(axis=1)
    half = cutoff**order / 2
    distance = _ospa(cost, sources, tracks, cutoff, order)
    return distance, localization, half * (sources - near), half * (tracks - near)


def _ospa(cost: np.ndarray, sources: np.ndarray, tracks: np.ndarray, cutoff: float, order: float) -> np.ndarray:
    return ((cost + cutoff**order * np.abs(sources - tracks)) / np.maximum(sources, tracks)) ** (1 / order)


class _Seen(NamedTuple):
    """In how many frames, and with which sum, something is there; something being a source, a track, a pair."""

    key: np.ndarray
    """(rows,) span * number + frame, ascending"""
    total: np.ndarray
    """(rows + 1,) running sums of the values in that order"""
    span: int
    """above every frame by 2 at least, so that what comes before frame 0 belongs to nobody"""

    def within(self, number: np.ndarray, frame: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
        """(...) numbers -> how many rows they have in the windows that end with the frames, and their sum."""
        end = number * self.span + frame
        low, high = (np.searchsorted(self.key, at, side="right") for at in (end - np.minimum(window, frame + 1), end))
        return high - low, self.total[high] - self.total[low]


def _seen(number: np.ndarray, frame: np.ndarray, value: np.ndarray, span: int) -> _Seen:
    key = number * span + frame
    order = np.argsort(key, kind="stable")
    return _Seen(key[order], np.append(0.0, np.cumsum(value[order])), span)


def _tracks(frames: Frames, cutoff: float, order: float, window: int) -> np.ndarray:
    """(cells,) OSPA(2) of the window that ends with the frame."""
    sides, pairs = (frames.references, frames.predictions), frames.pairs
    span = 2 + max((int(side.frame.max()) for side in sides if len(side.frame)), default=0)
    sources, tracks = (_seen(side.identity, side.frame, np.zeros(len(side.frame)), span) for side in sides)
    met = _seen(
        _both(frames, sides[0].identity[pairs.reference], sides[1].identity[pairs.prediction]),
        frames.cells.keys[pairs.cell, 1],
        np.minimum(pairs.angle_deg, cutoff),
        span,
    )
    shown = [_shown(frames, side, window, span) for side in sides]
    cells = _windows(frames, [cell for cell, _ in shown])
    cost = np.zeros(len(cells.keys))
    for block in blocks(cells):
        frame = cells.keys[block.cells, 1][:, None, None]
        source, track = shown[0][1][block.references][:, :, None], shown[1][1][block.predictions][:, None, :]
        alone = sources.within(source, frame, window)[0] + tracks.within(track, frame, window)[0]
        together, angles = met.within(_both(frames, source, track), frame, window)
        distance = ((angles + cutoff * (alone - 2 * together)) / (alone - together)) ** order
        cost[block.cells] = distance[cheapest(distance)].sum(axis=1)
    return _ospa(cost, np.diff(cells.reference_edges), np.diff(cells.prediction_edges), cutoff, order)


def _both(frames: Frames, source: np.ndarray, track: np.ndarray) -> np.ndarray:
    """A number for the source and the track together."""
    return source * len(frames.predictions.clip_of_identity) + track


def _shown(frames: Frames, side: Side, window: int, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame (its number in frames.cells) and identity of whoever has a row in the window that ends there, once each."""
    order = np.lexsort((side.frame, side.identity))
    clip, frame, identity = side.clip[order], side.frame[order], side.identity[order]
    # A row is seen in the windows from its own frame on, until the next row of its identity takes over.
    goes_on = np.zeros(len(frame), dtype=bool)
    goes_on[:-1] = identity[1:] == identity[:-1]
    until = np.where(goes_on, np.roll(frame, -1), np.iinfo(np.int64).max)
    last = np.zeros(frames.clips, dtype=np.int64)
    np.maximum.at(last, frames.clip, frames.cells.keys[:, 1])
    length = np.minimum(np.minimum(until - frame, window), last[clip] - frame + 1)
    row = np.repeat(np.arange(len(frame)), length)
    end = clip[row] * span + frame[row] + np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
    busy = frames.clip * span + frames.cells.keys[:, 1]
    cell = np.searchsorted(busy, end)
    labelled = busy[cell] == end
    return cell[labelled], identity[row[labelled]]


def _windows(frames: Frames, shown: list[np.ndarray]) -> Cells:
    """The cells of (rows,) frame numbers of sources and of tracks, which are never without any row."""
    every = np.arange(len(frames.cells.keys) + 1)
    orders = [np.argsort(cell, kind="stable") for cell in shown]
    edges = [np.searchsorted(cell[order], every) for cell, order in zip(shown, orders, strict=True)]
    return Cells(frames.cells.keys, orders[0], edges[0], orders[1], edges[1])
