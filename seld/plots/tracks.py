"""Tracks over time: azimuth and elevation of estimates, against references where there are any."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seld.labels import FRAME_SECONDS
from seld.plots.canvas import COLOURS, REFERENCE_COLOUR, class_name, save, style

RANGE_DEG = {"azimuth": 180, "elevation": 90}
REFERENCE_WIDTH = 6
# More tracks than colours: the second seven carry triangles, the third squares.
_MARKERS = ("", "^", "s", "D")
_MARKED_S = 2.0
_LISTED = 18


def plot_tracks(reference: pd.DataFrame | None, estimate: pd.DataFrame, path: str | Path, title: str = "") -> None:
    """Draw azimuth and elevation over time: references wide and grey, estimates in one colour per track.

    Args:
        reference, estimate: tables of rows (`seld.labels`); no reference where the truth is unknown.
        path: of the PNG file.
        title: above the picture.
    """
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for panel, angle in zip(panels, RANGE_DEG, strict=True):
        if reference is not None:
            draw_references(panel, reference, angle, FRAME_SECONDS)
        draw_estimates(panel, estimate, angle, FRAME_SECONDS)
        style_angles(panel, angle)
    panels[-1].set_xlabel("time (s)")
    panels[-1].set_xlim(left=0)
    handles = [] if reference is None else [reference_handle()]
    figure.legend(handles=handles + track_handles(estimate), loc="outside right upper", frameon=False)
    figure.suptitle(title)
    save(figure, path)


def draw_references(panel: Axes, rows: pd.DataFrame, angle: str, frame_s: float) -> None:
    """Wide grey lines, one for each reference."""
    look = {"color": REFERENCE_COLOUR, "linewidth": REFERENCE_WIDTH, "markersize": REFERENCE_WIDTH, "mew": 0}
    for _, track in identities(rows):
        # The marker is as wide as the line, so that what sounds in one frame only is seen as well.
        panel.plot(*lines(track, angle, frame_s), "o-", **look)


def draw_estimates(panel: Axes, rows: pd.DataFrame, angle: str, frame_s: float) -> None:
    """Thin lines, one for each track, told apart by colour and beyond seven of them by markers, too."""
    for number, (_, track) in enumerate(identities(rows)):
        colour, marker = track_look(number)
        panel.plot(*lines(track, angle, frame_s), ".-", color=colour, linewidth=1.2, markersize=4)
        if marker:
            stretch = track["frame"] // round(_MARKED_S / frame_s)
            marked = track[stretch != stretch.shift()]
            panel.plot((marked["frame"] + 0.5) * frame_s, marked[angle], marker, color=colour, markersize=6)


def identities(rows: pd.DataFrame) -> Iterator[tuple[tuple[int, int, int], pd.DataFrame]]:
    """(class, source, repeat) and the rows of each source or track, in the order of time.

    `repeat` counts the rows of one class and source in one frame: two actors of one number, or the output of
    a method that does not number its tracks, are not joined by a zigzag.
    """
    rows = rows.sort_values("frame", kind="stable")
    repeat = rows.groupby(["frame", "class", "source"]).cumcount().rename("repeat")
    yield from rows.groupby([rows["class"], rows["source"], repeat])


def track_look(number: int) -> tuple[str, str]:
    """Colour and marker (or "") of a track by its place among the tracks."""
    return COLOURS[number % len(COLOURS)], _MARKERS[number // len(COLOURS) % len(_MARKERS)]


def lines(rows: pd.DataFrame, angle: str, frame_s: float = FRAME_SECONDS) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and angles (degrees) of one identity, broken by NaN where nothing is to be joined.

    That is where it is silent, and where the azimuth goes around the back: a line across the picture would
    look like a source that flies through the front.
    """
    rows = rows.sort_values("frame")
    frame, degrees = rows["frame"].to_numpy(), rows[angle].to_numpy(dtype=np.float64)
    breaks = np.flatnonzero((np.diff(frame) != 1) | (np.abs(np.diff(degrees)) > 180)) + 1
    time = (frame + 0.5) * frame_s
    return np.insert(time, breaks, np.nan), np.insert(degrees, breaks, np.nan)


def reference_handle() -> Line2D:
    return Line2D([], [], color=REFERENCE_COLOUR, linewidth=REFERENCE_WIDTH, label="reference")


def track_handles(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> list[Line2D]:
    """A line for each track by its number (and class, if they are not all 0), the first ones if they are very many."""
    handles = []
    tracks = [who for who, _ in identities(rows)]
    for number, (kind, track, repeat) in enumerate(tracks[:_LISTED]):
        colour, marker = track_look(number)
        label = f"track {track}" + (f" ({repeat + 1}.)" if repeat else "")
        if classes or rows["class"].any():
            label += f", {class_name(kind, classes)}"
        handles.append(Line2D([], [], color=colour, marker=marker or ".", label=label))
    if len(tracks) > _LISTED:
        handles.append(Line2D([], [], linestyle="none", label=f"and {len(tracks) - _LISTED} more"))
    return handles


def style_angles(panel: Axes, angle: str) -> None:
    limit = RANGE_DEG[angle]
    panel.set_ylabel(f"{angle} (degrees)")
    panel.set_ylim(-1.05 * limit, 1.05 * limit)
    panel.set_yticks(np.linspace(-limit, limit, 5))
    style(panel)
