"""Training curves over epochs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seld.plots.canvas import COLOURS, save, style


def plot_curves(
    history: pd.DataFrame | str | Path, path: str | Path, panels: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Draw training curves over the column `epoch`.

    Args:
        history: one row for each epoch, as a table or a CSV file with header. Missing values are left out, so
            that a score may be taken every few epochs.
        path: of the PNG file.
        panels: label of the axis, with its unit -> the columns drawn in that panel. Without it, each column
            has a panel of its own.
    """
    history = history if isinstance(history, pd.DataFrame) else pd.read_csv(history)
    if panels is None:
        panels = {name: [name] for name in history.columns if name != "epoch"}
    columns = min(len(panels), 4)
    lines = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(3.8 * columns, 2.9 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).flat
    for panel, (label, curves) in zip(axes, panels.items(), strict=False):
        for number, name in enumerate(curves):
            values = history[["epoch", name]].dropna()
            colour = COLOURS[number % len(COLOURS)]
            panel.plot(values["epoch"], values[name], ".-", color=colour, linewidth=1.5, markersize=4, label=name)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.set_ylabel(label)
        if len(curves) > 1:
            panel.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
        style(panel)
    for spare in axes[len(panels) :]:
        spare.remove()
    save(figure, path)
