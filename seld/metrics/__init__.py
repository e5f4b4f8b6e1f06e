"""Scores of estimated rows against reference rows. Metrics see labels only, never a model.

What a protocol is: `seld.metrics.protocol`.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from seld.metrics import doa, mot
from seld.metrics.inputs import Rows, clips
from seld.metrics.protocol import Protocol, Sums

PROTOCOLS = {"doa": doa.Doa, "mot": mot.Mot}


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
    protocols = [PROTOCOLS[name](threshold_deg=threshold_deg) for name in names]
    found = list(clips(reference, prediction))
    sides = [
        pd.concat([side.assign(clip=number) for number, side in enumerate(tables)], ignore_index=True)
        for tables in ([clip.reference for clip in found], [clip.prediction for clip in found])
    ]
    result: dict[str, Any] = {"jackknife": {}, "counters": {}, "clips": len(found)}
    for part in protocols:
        sums = part.count(*sides, len(found))
        total = {name: value.sum(axis=0) for name, value in sums.items()}
        result |= {name: float(value) for name, value in part.score(total).items()} | part.tables(total)
        result["counters"] |= {name: float(value) for name, value in total.items() if value.ndim == 0}
        result["jackknife"] |= _jackknife(sums, total, part)
    return result


def _jackknife(sums: Sums, total: Sums, protocol: Protocol) -> dict[str, tuple[float, float]]:
    each = pd.DataFrame({name: np.atleast_1d(value) for name, value in protocol.score(sums).items()})
    if len(each) < 2:
        return dict.fromkeys(each, (np.nan, np.nan))
    score = pd.Series({name: float(value) for name, value in protocol.score(total).items()})
    rest = pd.DataFrame(protocol.score({name: total[name] - value for name, value in sums.items()}))
    rest = rest.replace([np.inf, -np.inf], np.nan)
    variance = (len(rest) - 1) * rest.var(ddof=0, skipna=False)
    reach = student.ppf(0.975, len(rest) - 1) * np.sqrt(variance)
    return {name: (float((score - reach)[name]), float((score + reach)[name])) for name in each}
