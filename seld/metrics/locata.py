"""The measures of the LOCATA challenge: how soon, how long and how steadily talkers are followed.

Conventions
-----------
A voice-active period is a run of consecutive frames of one reference (class and source). In each frame sources
and tracks are paired, as many as possible within the gate on the azimuth alone, and among those with the smallest
sum of azimuth errors; on a circle many sums are equal, and then the pairs that do not cross are chosen.
Elevations, classes and who was paired before do not matter. Figures "over periods" are means of one value for
each period, whatever its length. Rates are per second.

Metrics
-------
Pd               probability of detection: share of a period's frames that have a track, over periods.
FAR              false alarm rate: tracks without source, per second of the clip.
FAR_active       the same in frames in which any source is active, per second of those.
latency          track latency in seconds: from a period's first frame to the first one with a track, over
                 periods that ever have one.
TFR              track fragmentation rate: breaks in a period's track, per second of the period, over periods.
                 A break is where the track is lost and comes back, or gives way to another one, or both at once.
TSR              track swap rate: how often a source has another track than it last had, in the same period or
                 an earlier one, per second of the period, over periods.
azimuth_error    degrees, mean of a period's pairs, over periods with one; elevation_error likewise.

A mean over nothing is NaN. A period lasts its number of frames; a clip lasts `clip_seconds`, or else until the
last labelled frame of either side, since labels do not say how long the recording was.

How the published MATLAB code differs from these definitions (sap_locata_eval, functions/measures.m):
it pairs tracks with silent sources, too, so that a track near a silent talker is no false alarm; two talkers who
exchange their tracks have not swapped them; latency is the time of the FIRST MISS in a period; a period that is
active in the first sample has no beginning, and shifts the ends of all others; a late beginning counts as a
fragmentation, and a swap after a gap as two; a period lasts one sample less, so that one of a single sample
divides by 0; means over periods are taken within a source first, except for Pd and the errors.

References
----------
Evers, Loellmann, Mellmann, Schmidt, Barfuss, Naylor, Kellermann, "The LOCATA Challenge: Acoustic Source
Localization and Tracking", IEEE/ACM Transactions on Audio, Speech, and Language Processing 2020, section VI.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd

from seld.geometry import wrap_degrees
from seld.labels import FRAME_SECONDS
from seld.metrics.frames import ROUNDING_DEG, Frames, cheapest, check_angle, lay_out, per_clip, ratio
from seld.metrics.protocol import Figures, Sums

# Of a little of the squares: they are smallest without crossing, and without them rounding would choose.
_UNCROSS = 1e-6


@dataclass(frozen=True)
class Locata:
    """LOCATA's measures."""

    threshold_deg: float = 30.0
    """the gate: largest azimuth error of a source and its track"""
    frame_seconds: float = FRAME_SECONDS
    clip_seconds: float | None = None
    """of every clip; by default a clip ends with its last labelled frame"""

    reference_format: ClassVar[str] = "seld"
    prediction_format: ClassVar[str] = "seld"
    bias_corrected: ClassVar[bool] = False

    def __post_init__(self):
        check_angle("threshold_deg", self.threshold_deg)
        for name in ("frame_seconds", "clip_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise ValueError(f"{name} must be above 0, got {value}")

    def count(self, reference: pd.DataFrame, prediction: pd.DataFrame, clips: int) -> Sums:
        """(clips,): periods, the sums over them of what is averaged, false alarms, and seconds."""
        frames = lay_out(reference, prediction, clips)
        azimuth = np.abs(wrap_degrees(_difference(frames, reference, prediction, "azimuth")))
        elevation = np.abs(_difference(frames, reference, prediction, "elevation"))
        pair = _paired(frames, azimuth, self.threshold_deg + ROUNDING_DEG)
        return {
            **_sum_periods(_periods(frames, pair, azimuth, elevation), clips, self.frame_seconds),
            **self._false_alarms(frames, pair),
        }

    def score(self, sums: Sums) -> Figures:
        """The figures of the module's list."""
        over_periods = {"Pd": "detected_share_sum", "TFR": "fragmentation_rate_sum", "TSR": "swap_rate_sum"}
        over_found = {
            "latency": "latency_sum_s",
            "azimuth_error": "azimuth_error_sum_deg",
            "elevation_error": "elevation_error_sum_deg",
        }
        return {
            **{name: ratio(sums[total], sums["periods"]) for name, total in over_periods.items()},
            **{name: ratio(sums[total], sums["detected_periods"]) for name, total in over_found.items()},
            "FAR": ratio(sums["false_alarms"], sums["seconds"]),
            "FAR_active": ratio(sums["active_false_alarms"], sums["active_seconds"]),
        }

    def tables(self, sums: Sums) -> dict[str, dict[int, dict[str, float]]]:
        return {}

    def _false_alarms(self, frames: Frames, pair: np.ndarray) -> Sums:
        sources, tracks = (np.diff(edges) for edges in (frames.cells.reference_edges, frames.cells.prediction_edges))
        false = tracks - np.bincount(frames.pairs.cell[pair], minlength=len(tracks))
        seconds = np.zeros(frames.clips)
        np.maximum.at(seconds, frames.clip, (frames.cells.keys[:, 1] + 1) * self.frame_seconds)
        return {
            "false_alarms": per_clip(frames.clip, frames.clips, false),
            "active_false_alarms": per_clip(frames.clip, frames.clips, np.where(sources > 0, false, 0)),
            "seconds": seconds if self.clip_seconds is None else np.full(frames.clips, float(self.clip_seconds)),
            "active_seconds": per_clip(frames.clip, frames.clips, sources > 0) * self.frame_seconds,
        }


class _Periods(NamedTuple):
    """(periods,) each; those never detected have the sums and the delay 0."""

    clip: np.ndarray
    frames: np.ndarray
    hits: np.ndarray
    delay: np.ndarray
    """frames before the first one with a track"""
    breaks: np.ndarray
    swaps: np.ndarray
    azimuth: np.ndarray
    """sum of the errors of the hits in degrees"""
    elevation: np.ndarray


def _difference(frames: Frames, reference: pd.DataFrame, prediction: pd.DataFrame, angle: str) -> np.ndarray:
    """(pairs,)"""
    source, track = (table[angle].to_numpy(np.float64) for table in (reference, prediction))
    return source[frames.pairs.reference] - track[frames.pairs.prediction]


def _paired(frames: Frames, error: np.ndarray, gate: float) -> np.ndarray:
    """Numbers of the pairs: as many within the gate as possible, and the nearest of those."""
    chosen = [np.empty(0, dtype=np.int64)]
    for _, pairs in frames.squares:
        # One pair beyond the gate has to cost more than all others together.
        far = 2 * (gate + 1) * min(pairs.shape[1:])
        cost = error[pairs] + _UNCROSS * error[pairs] ** 2
        chosen.append(pairs[cheapest(np.where(error[pairs] <= gate, cost, far))].ravel())
    pair = np.concatenate(chosen)
    return pair[error[pair] <= gate]


def _periods(frames: Frames, pair: np.ndarray, azimuth: np.ndarray, elevation: np.ndarray) -> _Periods:
    side, row = frames.references, frames.pairs.reference[pair]
    track = np.full(len(side.clip), -1)
    track[row] = frames.predictions.identity[frames.pairs.prediction[pair]]
    errors = np.zeros((2, len(side.clip)))
    errors[:, row] = azimuth[pair], elevation[pair]
    order = np.lexsort((side.frame, side.identity))
    clip, frame, identity, track = side.clip[order], side.frame[order], side.identity[order], track[order]
    first = np.ones(len(frame), dtype=bool)
    first[1:] = (identity[1:] != identity[:-1]) | (frame[1:] != frame[:-1] + 1)
    period = np.cumsum(first) - 1
    hit = track >= 0
    piece = hit.copy()
    piece[1:] &= first[1:] | (track[1:] != track[:-1])
    swap, hits = np.zeros(len(hit), dtype=bool), np.flatnonzero(hit)
    swap[hits[1:]] = (identity[hits[1:]] == identity[hits[:-1]]) & (track[hits[1:]] != track[hits[:-1]])
    found, begin = np.unique(period[hits], return_index=True)
    delay = np.zeros(np.count_nonzero(first))
    delay[found] = hits[begin] - np.flatnonzero(first)[found]

    def total(value: np.ndarray) -> np.ndarray:
        return np.bincount(period, value, len(delay))

    breaks = np.maximum(total(piece) - 1, 0)
    return _Periods(
        clip[first], total(first | True), total(hit), delay, breaks, total(swap), *map(total, errors[:, order])
    )


def _sum_periods(periods: _Periods, clips: int, frame_seconds: float) -> Sums:
    seconds = periods.frames * frame_seconds
    hits = np.maximum(periods.hits, 1)
    values = {
        "periods": np.ones(len(seconds)),
        "detected_periods": periods.hits > 0,
        "detected_share_sum": periods.hits / periods.frames,
        "latency_sum_s": periods.delay * frame_seconds,
        "fragmentation_rate_sum": periods.breaks / seconds,
        "swap_rate_sum": periods.swaps / seconds,
        "azimuth_error_sum_deg": periods.azimuth / hits,
        "elevation_error_sum_deg": periods.elevation / hits,
    }
    return {name: per_clip(periods.clip, clips, value) for name, value in values.items()}
