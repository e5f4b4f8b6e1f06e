"""Histogram of the angles of pairs: how far off the predictions are."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seld.plots.canvas import COLOURS, save, style
from seld.plots.pairs import Pairs, near, pair

# Bars within the threshold. Three times as many are shown, and a bar of its own for all angles beyond.
_BARS = 20
_SHOWN = 3
_GAP = 3


def plot_errors(
    reference: pd.DataFrame,
    prediction: pd.DataFrame,
    path: str | Path,
    threshold_deg: float = 20.0,
    title: str = "",
    pairs: Pairs | None = None,
) -> None:
    """Draw the histogram of the angles of the pairs, with their median and the share beyond the threshold.

    Args:
        reference, prediction: rows (`seld.labels`) of one clip, or of many by a column `clip`. They are paired
            frame by frame whatever their classes, as in the protocol `doa`.
        path: of the PNG file.
        threshold_deg: largest angle of a hit.
        title: above the picture.
        pairs: what `seld.plots.pairs.pair` makes of the two, where that is known already.
    """
    angles = (pairs or pair(reference, prediction)).angle_deg
    figure = Figure(figsize=(7.2, 4), layout="constrained")
    panel = figure.subplots()
    shown = _SHOWN * threshold_deg
    edges = np.linspace(0, shown, _SHOWN * _BARS + 1)
    # A hit of exactly the threshold belongs to the bars of the hits, hence intervals closed on the right.
    number = np.histogram(-angles, -edges[::-1])[0][::-1]
    share = 100 * np.append(number, np.count_nonzero(angles > shown)) / max(len(angles), 1)
    width = edges[1]
    left = np.append(edges[:-1], shown + _GAP * width)
    colours = np.where(np.arange(len(left)) < _BARS, COLOURS[0], COLOURS[1])
    bars = panel.bar(left, share, [*np.diff(edges), 2 * width], align="edge", color=colours, edgecolor="white")
    bars[-1].set_hatch("///")
    ticks = np.linspace(0, shown, 2 * _SHOWN + 1)
    panel.set_xticks([*ticks, left[-1] + width], [*(f"{tick:g}" for tick in ticks), f"> {shown:g}"])
    _draw_marks(panel, angles, threshold_deg)
    panel.set_xlabel("angle between a reference and its prediction (degrees)")
    panel.set_ylabel(f"share of the {len(angles):,} pairs (%)")
    style(panel)
    figure.suptitle(title)
    save(figure, path)


def _draw_marks(panel: Axes, angles: np.ndarray, threshold_deg: float) -> None:
    """Lines at the median and at the threshold, with what they say in words above the bars."""
    panel.set_ylim(top=1.25 * panel.get_ylim()[1])
    panel.axvline(threshold_deg, color="black", linestyle="--", linewidth=1.2)
    if len(angles) == 0:
        return
    median = np.median(angles)
    panel.axvline(min(median, _SHOWN * threshold_deg), color="black", linewidth=1.2)
    beyond = 100 * (1 - near(angles, threshold_deg).mean())
    look = {"transform": panel.get_xaxis_transform(), "va": "top", "bbox": {"color": "white", "pad": 1}}
    step = threshold_deg / 40
    panel.text(min(median, _SHOWN * threshold_deg) + step, 0.99, f"median {median:.1f}°", **look)
    panel.text(threshold_deg + step, 0.89, f"{beyond:.1f} % beyond {threshold_deg:g}°", **look)
