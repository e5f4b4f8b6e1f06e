"""Confusion of classes: what references were taken for, what was missed, and what was made up."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seld.plots.canvas import class_name, save
from seld.plots.pairs import Pairs, pair, within


class Confusion(NamedTuple):
    classes: np.ndarray
    """(classes,) their numbers, ascending"""
    counts: np.ndarray
    """(classes + 1, classes + 1) pairs by class of the reference and of the prediction; the last column counts
    missed references, the last line false alarms"""


def plot_confusion(
    reference: pd.DataFrame,
    prediction: pd.DataFrame,
    path: str | Path,
    threshold_deg: float = 20.0,
    classes: Sequence[str] | None = None,
    title: str = "",
    pairs: Pairs | None = None,
) -> None:
    """Draw how many references of each class are paired with predictions of each class.

    Args:
        reference, prediction: rows (`seld.labels`) of one clip, or of many by a column `clip`.
        path: of the PNG file.
        threshold_deg: a pair farther apart is a missed reference and a false alarm.
        classes: names of the classes, all of which are shown; without them, those that occur.
        title: above the picture.
        pairs: what `seld.plots.pairs.pair` makes of the two, where that is known already.
    """
    found = confusion(reference, prediction, threshold_deg, classes, pairs)
    names = [class_name(number, classes) for number in found.classes]
    size = 0.55 * len(found.counts)
    figure = Figure(figsize=(3.4 + size, 1.9 + size), layout="constrained")
    panel = figure.subplots()
    image = _draw_counts(panel, found.counts)
    panel.set_xticks(range(len(found.counts)), [*names, "missed"], rotation=45, ha="right", rotation_mode="anchor")
    panel.set_yticks(range(len(found.counts)), [*names, "false alarm"])
    panel.set_xlabel("class of the prediction")
    panel.set_ylabel("class of the reference")
    figure.colorbar(image, ax=panel, label="share of the line (%)", shrink=0.8)
    figure.supxlabel(f"Numbers: sources in frames. Pairs are at most {threshold_deg:g}° apart.", fontsize="small")
    figure.suptitle(title)
    save(figure, path)


def confusion(
    reference: pd.DataFrame,
    prediction: pd.DataFrame,
    threshold_deg: float = 20.0,
    classes: Sequence[str] | None = None,
    pairs: Pairs | None = None,
) -> Confusion:
    """Classes of the references against classes of the predictions they are paired with; see `plot_confusion`."""
    kinds = [rows["class"].to_numpy(np.int64) for rows in (reference, prediction)]
    numbers = np.unique(np.concatenate([*kinds, np.arange(len(classes or ()))]))
    pairs = within(pairs or pair(reference, prediction), threshold_deg)
    of_reference, of_prediction = (np.searchsorted(numbers, side) for side in kinds)
    nobody = len(numbers)
    counts = np.zeros((nobody + 1, nobody + 1), dtype=np.int64)
    np.add.at(counts, (of_reference[pairs.reference], of_prediction[pairs.prediction]), 1)
    np.add.at(counts[:, nobody], of_reference[pairs.missed], 1)
    np.add.at(counts[nobody], of_prediction[pairs.false_alarms], 1)
    return Confusion(numbers, counts)


def _draw_counts(panel: Axes, counts: np.ndarray):
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Nothing can be both missed and a false alarm.
    share[-1, -1] = np.nan
    image = panel.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for (row, column), number in np.ndenumerate(counts):
        if number:
            colour = "white" if share[row, column] > 50 else "black"
            panel.text(column, row, f"{number:,}", color=colour, ha="center", va="center", fontsize="x-small")
    for side in (panel.axhline, panel.axvline):
        side(len(counts) - 1.5, color="black", linewidth=1.2)
    panel.spines[:].set_visible(False)
    return image
