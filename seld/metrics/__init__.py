"""Scores of estimated rows against reference rows. Metrics see labels only, never a model.

A protocol is a module with two functions: `count` turns one clip into a table of countable sums, `score`
turns sums into figures, row by row. Sums add up over clips, so that clips can be left out for the intervals.
"""

from typing import Any

import pandas as pd

from seld.metrics import doa, mot
from seld.metrics.confidence import jackknife
from seld.metrics.inputs import Rows, clips

PROTOCOLS = {"doa": doa, "mot": mot}


def evaluate(reference: Rows, prediction: Rows, protocol: str = "doa", threshold_deg: float = 20.0) -> dict[str, Any]:
    """Scores of the predictions, by the names that the protocol's module defines (`LE`, `F20`, `MOTA`, ...).

    Args:
        reference, prediction: a table of rows (`seld.labels`), a CSV file, a mapping from clip names to
            tables, or a folder with one CSV file for each clip; both of the same kind.
        protocol: "doa" (class-free localization), "mot" (CLEAR-MOT), or several joined: "doa+mot".
        threshold_deg: largest angle of a true positive (`doa`) and the gate (`mot`). F20 is named after it.

    Returns:
        The scores, and beside them
        `jackknife`: name -> (low, high), 95 % confidence intervals over clips;
        `counters`: the sums over all clips that the scores were made of;
        `by_sources`: number of active sources in a frame -> scores of those frames (`doa` only);
        `clips`: how many clips there were.

    Raises:
        ValueError: for an unknown protocol, and for inputs that do not fit (`seld.metrics.inputs.clips`).
        FileNotFoundError: when there is no such file or folder.
    """
    names = protocol.split("+")
    for name in names:
        if name not in PROTOCOLS:
            known = ", ".join(PROTOCOLS)
            raise ValueError(f"protocol must be one of {known}, or several joined by +, got {protocol!r}")
    if not 0 < threshold_deg <= 180:
        raise ValueError(f"threshold_deg must be above 0 and at most 180, got {threshold_deg}")
    counts: dict[str, dict[str, pd.DataFrame]] = {name: {} for name in names}
    for clip in clips(reference, prediction):
        for name in names:
            counts[name][clip.name] = PROTOCOLS[name].count(clip.reference, clip.prediction, threshold_deg)
    result: dict[str, Any] = {"jackknife": {}, "counters": {}}
    for name in names:
        scored = _score(name, counts[name], threshold_deg)
        result["jackknife"] |= scored.pop("jackknife")
        result["counters"] |= scored.pop("counters")
        result |= scored
    return result


def _score(protocol: str, counts: dict[str, pd.DataFrame], threshold_deg: float) -> dict[str, Any]:
    """The part of the result that one protocol contributes."""

    def score(rows: pd.DataFrame) -> pd.DataFrame:
        return PROTOCOLS[protocol].score(rows, threshold_deg)

    rows = pd.concat(counts, names=["clip"])
    # A clip that is silent on both sides has no row to group by, yet it is one of the clips.
    per_clip = rows.groupby(level="clip").sum().reindex(list(counts), fill_value=0.0)
    total = per_clip.sum()
    result: dict[str, Any] = _plain(score(total.to_frame().T).iloc[0])
    result["jackknife"] = jackknife(per_clip, score)
    result["counters"] = _plain(total)
    if "sources" in rows.index.names:
        by_sources = score(rows.groupby(level="sources").sum())
        result["by_sources"] = {int(sources): _plain(row) for sources, row in by_sources.iterrows()}
    result["clips"] = len(counts)
    return result


def _plain(row: pd.Series) -> dict[str, float]:
    return {name: float(value) for name, value in row.items()}
