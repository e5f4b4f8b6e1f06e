"""References and predictions -> the sums of each clip, a group of clips at a time, in one process or in several.

What is in memory is one group of clips and the sums of all, never all rows.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seld.metrics.inputs import Rows, clips
from seld.metrics.protocol import Protocol, Sums
from seld.metrics.results import concatenate


class Reading(NamedTuple):
    """How clips are found and read: the arguments of `seld.metrics.evaluate` of these names."""

    reference_format: str | None = None
    prediction_format: str | None = None
    on_missing: str = "error"
    on_repeat: str | None = None
    workers: int = 1
    progress: bool = False


class Counted(NamedTuple):
    clips: list[str]
    """names, in the order of the sums"""
    sums: dict[str, Sums]
    """name of the protocol -> (clips, ...) each"""
    notes: list[str]


def count(protocols: Mapping[str, Protocol], reference: Rows, prediction: Rows, reading: Reading) -> Counted:
    names, parts = [], []
    group = list(clips(reference, prediction))
    sides = [pd.concat([c[i].assign(clip=n) for n, c in enumerate(group)]) for i in (1, 2)]
    names = [c.name for c in group]
    return Counted(names, {k: p.count(*sides, len(group)) for k, p in protocols.items()}, [])
