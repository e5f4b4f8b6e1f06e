"""Tracks over time: azimuth and elevation of estimates, against references where there are any."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seld.labels import FRAME_SECONDS
from seld.plots.canvas import COLOURS, REFERENCE_COLOUR, save, style

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
        style(panel)
    panels[-1].set_xlabel("time (s)")
    panels[-1].set_xlim(left=0)
    figure.legend(handles=_legend(reference, estimate), loc="outside right upper", frameon=False)
    figure.suptitle(title)
    save(figure, path)


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
