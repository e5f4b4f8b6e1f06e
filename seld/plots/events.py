"""Tracking of one clip over time, with what went wrong: misses, false alarms and switches of tracks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from seld.labels import FRAME_SECONDS
from seld.metrics import mot
from seld.plots.canvas import COLOURS, class_name, save, style
from seld.plots.tracks import (
    RANGE_DEG,
    REFERENCE_WIDTH,
    draw_estimates,
    draw_references,
    identities,
    lines,
    reference_handle,
    style_angles,
    track_handles,
    track_look,
)

MISSED_COLOUR = "#555555"
FALSE_ALARM_WIDTH = 5
# kind of event -> what its lane says
LANES = {"switch": "switches", "miss": "misses", "false_positive": "false alarms"}
# A reference that begins after this much silence is named again.
_NAMED_AGAIN_S = 3.0


def plot_events(
    reference: pd.DataFrame,
    prediction: pd.DataFrame,
    path: str | Path,
    threshold_deg: float = 20.0,
    title: str = "",
    classes: Sequence[str] | None = None,
    frame_s: float = FRAME_SECONDS,
) -> None:
    """Draw the tracks of one clip against the reference, with the events that CLEAR-MOT counts.

    A line is solid where a reference and a track are paired and hollow where not: a hollow reference is a
    miss, a hollow track a false alarm. A diamond stands where a reference goes on with another track.

    Args:
        reference, prediction: rows of one clip (`seld.labels`).
        path: of the PNG file.
        threshold_deg: the gate of the pairs.
        title: above the picture.
        classes: names of the classes.
        frame_s: length of a frame in seconds.
    """
    events = mot.events(reference, prediction, threshold_deg)
    rows = {kind: events[events["kind"] == kind] for kind in LANES}
    missed = reference.iloc[rows["miss"]["reference"]]
    spurious = np.zeros(len(prediction), dtype=bool)
    spurious[rows["false_positive"]["prediction"]] = True
    switched = prediction.iloc[rows["switch"]["prediction"]]
    figure = Figure(figsize=(9.6, 6.6), layout="constrained")
    *panels, strip = figure.subplots(3, 1, sharex=True, height_ratios=(6, 4, 1.5))
    for panel, angle in zip(panels, RANGE_DEG, strict=True):
        draw_references(panel, reference, angle, frame_s)
        for _, track in identities(missed):
            _hollow(panel, lines(track, angle, frame_s), MISSED_COLOUR, REFERENCE_WIDTH)
        draw_estimates(panel, prediction, angle, frame_s)
        for number, (_, track) in enumerate(identities(prediction.assign(spurious=spurious))):
            _hollow(panel, lines(track[track["spurious"]], angle, frame_s), track_look(number)[0], FALSE_ALARM_WIDTH)
        time = (switched["frame"] + 0.5) * frame_s
        panel.plot(time, switched[angle], "D", color="black", mec="white", mew=1, markersize=7, zorder=5)
        style_angles(panel, angle)
    if reference["class"].nunique() > 1:
        _name_references(panels[0], reference, classes, frame_s)
    _draw_lanes(strip, rows, frame_s)
    frames = pd.concat([reference["frame"], prediction["frame"]])
    strip.set_xlim(0, (frames.max() + 1 if len(frames) else 1) * frame_s)
    figure.legend(handles=_handles(prediction, classes), loc="outside right upper", frameon=False)
    figure.suptitle(title)
    save(figure, path)


def _hollow(panel: Axes, line: tuple[np.ndarray, np.ndarray], colour: str, width: float) -> None:
    for shade, wide in ((colour, width), ("white", width - 2.4)):
        panel.plot(*line, "o-", color=shade, linewidth=wide, markersize=wide, mew=0, solid_capstyle="butt", zorder=3)


def _name_references(panel: Axes, rows: pd.DataFrame, classes: Sequence[str] | None, frame_s: float) -> None:
    """The class of each reference, where it begins."""
    for (kind, _, _), track in identities(rows):
        begins = track[~(track["frame"].diff() * frame_s < _NAMED_AGAIN_S)]
        for frame, azimuth in zip(begins["frame"], begins["azimuth"], strict=True):
            panel.annotate(
                class_name(kind, classes), (frame * frame_s, azimuth), xytext=(0, 6), textcoords="offset points",
                fontsize="x-small", color=MISSED_COLOUR, zorder=6,
            )  # fmt: skip


def _draw_lanes(panel: Axes, rows: Mapping[str, pd.DataFrame], frame_s: float) -> None:
    """One lane for each kind of event with a stroke for each frame that has one, and their number."""
    labels = []
    for height, (kind, label) in enumerate(LANES.items()):
        frames = np.unique(rows[kind]["frame"])
        # A stroke is at least as wide as can be seen in a clip of a minute.
        width = max(frame_s, 0.1)
        panel.broken_barh([(frame * frame_s, width) for frame in frames], (-height - 0.35, 0.7), color=MISSED_COLOUR)
        labels.append(f"{label}: {len(rows[kind])}")
    panel.set_yticks(-np.arange(len(LANES)), labels)
    panel.set_ylim(0.5 - len(LANES), 0.5)
    panel.set_xlabel("time (s)")
    style(panel)


def _handles(prediction: pd.DataFrame, classes: Sequence[str] | None) -> list[Artist]:
    def hollow(colour: str, width: float, label: str) -> Patch:
        return Patch(facecolor="white", edgecolor=colour, linewidth=(width - 2) / 2, label=label)

    switch = Line2D([], [], color="black", marker="D", mec="white", markersize=7, linestyle="none", label="switch")
    missed = hollow(MISSED_COLOUR, 5, "missed")
    spurious = hollow(COLOURS[0], 5, "false alarm\n(any colour)")
    return [reference_handle(), missed, switch, *track_handles(prediction, classes), spurious]
