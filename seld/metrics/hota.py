"""HOTA: detection and association weighed alike, averaged over how near is near enough.

Conventions
-----------
The similarity of a pair falls in a straight line with its angle: S = max(0, 1 - angle / zero_distance_deg),
so that with 40 degrees S = 0.5 means 20 degrees, the gate of the other scores. In each frame sources and
tracks are paired so that the sum of S times how well the two go together over the whole clip is largest; a
pair counts at the threshold alpha if S >= alpha. Every figure is the mean over alpha = 0.05, 0.10, ... 0.95
(with 40 degrees: within 38, 36, ... 2 degrees).

Metrics
-------
At each alpha TP pairs count, FN references and FP predictions do not.

DetA   TP / (TP + FN + FP); DetRe = TP / (TP + FN), DetPr = TP / (TP + FP).
AssA   mean over TP of TPA / (TPA + FNA + FPA): of the frames that have the pair's source or its track, the share
       in which the two are paired with each other. AssRe: of the source's frames; AssPr: of the track's.
HOTA   sqrt(DetA AssA).
LocA   mean S of TP.

Without a pair AssA and HOTA are 0 and LocA is 1, as in TrackEval; without a row on either side all are NaN
(TrackEval: 0). Over clips TP, FN, FP and S add up, and the AssA of clips weigh by their TP.

References
----------
Luiten, Osep, Dendorfer, Torr, Geiger, Leal-Taixe, Leibe, "HOTA: A Higher Order Metric for Evaluating
Multi-Object Tracking", International Journal of Computer Vision 2021. Same figures as TrackEval on the same S.
"""

import numpy as np

from seld.metrics.frames import ROUNDING_DEG, Frames, cheapest, meetings, per_clip, ratio
from seld.metrics.protocol import Figures, Sums

ALPHAS = np.arange(1, 20) / 20


def count(frames: Frames, zero_distance_deg: float) -> Sums:
    """(clips, alphas): TP, their S, and the sums over TP whose means are AssA, AssRe and AssPr."""
    similarity = np.maximum(0, 1 - frames.pairs.angle_deg / zero_distance_deg)
    meeting = meetings(frames, similarity > 0)
    clip = frames.references.clip_of_identity[meeting.source]
    sources = np.bincount(frames.references.identity)[meeting.source]
    tracks = np.bincount(frames.predictions.identity)[meeting.track]
    number = np.full(len(similarity), -1)
    number[similarity > 0] = meeting.of_pair
    pair = _best(frames, similarity, _alignment(frames, similarity, number, sources, tracks))
    sums = []
    for alpha in ALPHAS:
        near = pair[similarity[pair] >= alpha - ROUNDING_DEG / zero_distance_deg]
        together = np.bincount(number[near], minlength=len(clip))
        sums.append(
            (
                per_clip(clip, frames.clips, together),
                per_clip(frames.clip[frames.pairs.cell[near]], frames.clips, similarity[near]),
                per_clip(clip, frames.clips, together * ratio(together, sources + tracks - together)),
                per_clip(clip, frames.clips, together * ratio(together, sources)),
                per_clip(clip, frames.clips, together * ratio(together, tracks)),
            )
        )
    names = ("hota_pairs", "hota_similarity", "hota_association", "hota_recall", "hota_precision")
    return dict(zip(names, np.moveaxis(np.array(sums), 0, -1), strict=True))


def score(sums: Sums) -> Figures:
    """Means over alpha; `sums` holds references and predictions, too."""
    references, predictions = (sums[name][..., None] for name in ("references", "predictions"))
    pairs = sums["hota_pairs"]
    detection = ratio(pairs, references + predictions - pairs)
    association, recall, precision = (
        ratio(sums[name], np.maximum(pairs, 1)) for name in ("hota_association", "hota_recall", "hota_precision")
    )
    figures = {
        "HOTA": np.sqrt(detection * association),
        "DetA": detection,
        "AssA": association,
        "LocA": np.where(pairs > 0, ratio(sums["hota_similarity"], pairs), 1),
        "DetRe": ratio(pairs, references),
        "DetPr": ratio(pairs, predictions),
        "AssRe": recall,
        "AssPr": precision,
    }
    silent = sums["references"] + sums["predictions"] == 0
    return {name: np.where(silent, np.nan, value.mean(axis=-1)) for name, value in figures.items()}


def _alignment(
    frames: Frames, similarity: np.ndarray, number: np.ndarray, sources: np.ndarray, tracks: np.ndarray
) -> np.ndarray:
    """(pairs,) how well the source and the track of each pair go together over the clip, 0 to 1.

    A Jaccard index: soft counts of the frames that they share, over those that either has. In each frame a
    pair gets its share of the similarities in its row and column.
    """
    pairs = frames.pairs
    row = np.bincount(pairs.reference, similarity, len(frames.references.clip))[pairs.reference]
    column = np.bincount(pairs.prediction, similarity, len(frames.predictions.clip))[pairs.prediction]
    near = number >= 0
    share = similarity[near] / (row + column - similarity)[near]
    shared = np.bincount(number[near], share, len(sources))
    aligned = np.zeros(len(similarity))
    aligned[near] = (shared / (sources + tracks - shared))[number[near]]
    return aligned


def _best(frames: Frames, similarity: np.ndarray, alignment: np.ndarray) -> np.ndarray:
    """Numbers of the pairs that the frames' assignments choose; those without similarity are left out."""
    chosen = [np.empty(0, dtype=np.int64)]
    for _, pairs in frames.squares:
        chosen.append(pairs[cheapest(-alignment[pairs] * similarity[pairs])].ravel())
    pair = np.concatenate(chosen)
    return pair[similarity[pair] > 0]
