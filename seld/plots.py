"""Pictures as PNG files: tracks over time, training curves.

Figures are drawn without pyplot: no window, no global state, safe in threads and worker processes.
Colours: Okabe and Ito, "Color Universal Design" (2008), told apart by colour-blind readers too.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from seld.files import atomic_path
from seld.labels import FRAME_SECONDS

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
REFERENCE_COLOUR = "#BBBBBB"
RANGE_DEG = {"azimuth": 180, "elevation": 90}


def plot_tracks(reference: pd.DataFrame | None, estimate: pd.DataFrame, path: str | Path, title: str = "") -> None:
    """Draw azimuth and elevation over time: references wide and grey, estimates in one colour per track.

    Args:
        reference, estimate: tables of rows (`seld.labels`); no reference where the truth is unknown.
        path: of the PNG file.
        title: above the picture.
    """
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for panel, (angle, limit) in zip(panels, RANGE_DEG.items(), strict=True):
        if reference is not None:
            for _, rows in reference.groupby(["class", "source"]):
                # The marker is as wide as the line, so that what sounds in one frame only is seen as well.
                panel.plot(*_lines(rows, angle), "o-", color=REFERENCE_COLOUR, linewidth=6, markersize=6, mew=0)
        for number, (_, rows) in enumerate(estimate.groupby(["class", "source"])):
            colour = COLOURS[number % len(COLOURS)]
            panel.plot(*_lines(rows, angle), ".-", color=colour, linewidth=1.2, markersize=4)
        panel.set_ylabel(f"{angle} (degrees)")
        panel.set_ylim(-1.05 * limit, 1.05 * limit)
        panel.set_yticks(np.linspace(-limit, limit, 5))
        _style(panel)
    panels[-1].set_xlabel("time (s)")
    panels[-1].set_xlim(left=0)
    figure.legend(handles=_legend(reference, estimate), loc="outside right upper", frameon=False)
    figure.suptitle(title)
    _save(figure, path)


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
        _style(panel)
    for spare in axes[len(panels) :]:
        spare.remove()
    _save(figure, path)


def plot_associations(shown: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], path: str | Path) -> None:
    """Draw cost, true and estimated association side by side, one line of pictures per problem.

    Args:
        shown: name of the problem -> cost in radians (NaN where nobody is), exact association and estimated
            association, each (M, N), estimates by references.
        path: of the PNG file.
    """
    figure = Figure(figsize=(7.2, 2.1 * len(shown)), layout="constrained")
    lines = figure.subplots(len(shown), 3, squeeze=False)
    for line, (name, matrices) in zip(lines, shown.items(), strict=True):
        for panel, matrix in zip(line, matrices, strict=True):
            is_cost = panel is line[0]
            colours, most = ("viridis_r", np.pi) if is_cost else ("Greys", 1)
            panel.imshow(matrix, cmap=colours, vmin=0, vmax=most)
            for (row, column), value in np.ndenumerate(matrix):
                if np.isfinite(value):
                    dark = value > 1 if is_cost else value > 0.5
                    panel.text(
                        column, row, f"{value:.2f}", color="white" if dark else "black",
                        ha="center", va="center", fontsize="x-small",
                    )  # fmt: skip
            panel.set_xticks(range(matrix.shape[1]))
            panel.set_yticks(range(matrix.shape[0]))
        line[0].set_ylabel(f"{name}\nestimate", fontsize="small")
    titles = ("cost (radians)", "true association", "estimated association")
    for top, bottom, title in zip(lines[0], lines[-1], titles, strict=True):
        top.set_title(title, fontsize="medium")
        bottom.set_xlabel("reference", fontsize="small")
    _save(figure, path)


def _lines(rows: pd.DataFrame, angle: str) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and angles (degrees) of one identity, broken by NaN where nothing is to be joined.

    That is where it is silent, and where the azimuth goes around the back: a line across the picture would
    look like a source that flies through the front.
    """
    rows = rows.sort_values("frame")
    frame, degrees = rows["frame"].to_numpy(), rows[angle].to_numpy(dtype=np.float64)
    breaks = np.flatnonzero((np.diff(frame) != 1) | (np.abs(np.diff(degrees)) > 180)) + 1
    time = (frame + 0.5) * FRAME_SECONDS
    return np.insert(time, breaks, np.nan), np.insert(degrees, breaks, np.nan)


def _legend(reference: pd.DataFrame | None, estimate: pd.DataFrame) -> list[Line2D]:
    """A wide grey line for all references, and a line for each track by its number (and class, if not 0)."""
    wide = Line2D([], [], color=REFERENCE_COLOUR, linewidth=6, label="reference")
    handles = [] if reference is None else [wide]
    for number, (kind, track) in enumerate(estimate.groupby(["class", "source"]).groups):
        label = f"track {track}" if kind == 0 else f"track {track}, class {kind}"
        handles.append(Line2D([], [], color=COLOURS[number % len(COLOURS)], marker=".", label=label))
    return handles


def _style(axes: Axes) -> None:
    axes.grid(color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: str | Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
