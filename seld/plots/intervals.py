"""Figures of several ways of doing something, as points with their intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from seld.plots.canvas import COLOURS, save, style


def plot_intervals(table: pd.DataFrame, path: str | Path, panels: Mapping[str, str], ways: Sequence[str]) -> None:
    """Draw a panel for each figure with a line for each way, the first at the top, and a colour for each group.

    Args:
        table: columns `group`, `way`, `figure`, `value`, `low`, `high`; of an interval that is NaN only the point is
            drawn, and nothing of a way that is missing.
        path: of the PNG file.
        panels: figure -> label of its axis, with the unit.
        ways: their order.
    """
    groups = list(dict.fromkeys(table["group"]))
    figure = Figure(figsize=(1.3 + 2.9 * len(panels), 1.6 + 0.45 * len(ways)), layout="constrained")
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (name, label) in zip(every, panels.items(), strict=True):
        for number, group in enumerate(groups):
            chosen = table[(table["figure"] == name) & (table["group"] == group) & table["way"].isin(ways)]
            shift = 0.3 * ((number + 0.5) / len(groups) - 0.5) * 2
            height = [ways.index(way) + shift for way in chosen["way"]]
            colour = COLOURS[number % len(COLOURS)]
            panel.hlines(height, chosen["low"], chosen["high"], color=colour, linewidth=2)
            panel.plot(chosen["value"], height, "o", color=colour, markersize=5, label=group)
        panel.set_xlabel(label)
        style(panel)
    every[0].set_yticks(range(len(ways)), ways)
    every[0].set_ylim(len(ways) - 0.5, -0.5)
    if groups:
        figure.legend(
            *every[0].get_legend_handles_labels(), loc="outside upper center", frameon=False, ncols=len(groups)
        )
    save(figure, path)
