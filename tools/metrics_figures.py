"""Drawings of the worked examples of docs/metrics.md."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metrics_examples import Example, rows_of

from seld.metrics.hota import ALPHAS
from seld.metrics.mot import Mot, events
from seld.plots import COLOURS, REFERENCE_COLOUR
from seld.plots.canvas import style
from seld.plots.pairs import pair

MISSED_COLOUR = "#555555"


def draw_timeline(
    panel: Axes, reference: pd.DataFrame, prediction: pd.DataFrame, by_class: bool, distance: bool
) -> None:
    """Azimuths over frames; a dotted line with its angle joins each pair of a frame, within its class if `by_class`."""
    for (kind, source), rows in reference.groupby(["class", "source"]):
        panel.plot(rows["frame"], rows["azimuth"], "o-", color=REFERENCE_COLOUR, linewidth=9, markersize=9, mew=0)
        name = f"class {kind}" if by_class or reference["class"].nunique() > 1 else ""
        name += f" source {source}" if reference.groupby("class")["source"].nunique().max() > 1 else ""
        last = rows.iloc[0]
        text = f"{name.strip()}" + (f", {last['distance']:g} m" if distance else "")
        panel.annotate(text, (last["frame"], last["azimuth"]), xytext=(-10, 0), textcoords="offset points", ha="right",
                       va="center", color=MISSED_COLOUR, fontsize="small")  # fmt: skip
    for number, (_, rows) in enumerate(prediction.groupby(["class", "source"])):
        panel.plot(rows["frame"], rows["azimuth"], "o", color=COLOURS[number], markersize=7)
    kinds = sorted(set(reference["class"]) | set(prediction["class"])) if by_class else [None]
    for kind in kinds:
        sides = [side if kind is None else side[side["class"] == kind] for side in (reference, prediction)]
        _draw_pairs(panel, *sides, distance)
    panel.set_xlabel("frame")
    panel.set_ylabel("azimuth (degrees)")
    frames = pd.concat([reference["frame"], prediction["frame"]])
    panel.set_xticks(np.unique(frames))
    span = frames.max() + 1
    panel.set_xlim(-0.3 * span, frames.max() + 0.25 * span)
    panel.margins(y=0.2)
    style(panel)


def _draw_pairs(panel: Axes, reference: pd.DataFrame, prediction: pd.DataFrame, distance: bool) -> None:
    pairs = pair(reference, prediction)
    for row, column, angle in zip(pairs.reference, pairs.prediction, pairs.angle_deg, strict=True):
        source, track = reference.iloc[row], prediction.iloc[column]
        panel.plot([source["frame"]] * 2, [source["azimuth"], track["azimuth"]], ":", color="black", linewidth=1)
        text = f"{angle:.0f}°" + (f", {track['distance']:g} m" if distance else "")
        panel.annotate(text, (track["frame"], track["azimuth"]), xytext=(7, 0), textcoords="offset points", va="center")
    for row in pairs.missed:
        _note(panel, reference.iloc[row], "missed")
    for row in pairs.false_alarms:
        _note(panel, prediction.iloc[row], f"class {prediction.iloc[row]['class']:.0f}:\nfalse alarm")


def _note(panel: Axes, row: pd.Series, text: str) -> None:
    panel.annotate(
        text, (row["frame"], row["azimuth"]), xytext=(7, -9), textcoords="offset points", fontsize="small", va="top"
    )


def timeline(example: Example, by_class: bool = True, distance: bool = False) -> Figure:
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    panel = figure.subplots()
    reference, prediction = rows_of(example)
    draw_timeline(panel, reference, prediction, by_class, distance)
    if distance:  # the year that has distances drops the last labelled frame
        last = reference["frame"].max()
        panel.axvspan(last - 0.5, last + 0.6, color="#F0F0F0", zorder=-2)
        panel.text(last, panel.get_ylim()[0] + 12, "does not count", ha="center", color=MISSED_COLOUR)
    return figure


def tracks(example: Example) -> Figure:
    """The tracking example: tracks as lines, with what CLEAR-MOT says."""
    reference, prediction = rows_of(example)
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    panel = figure.subplots()
    for name, rows in reference.groupby("source"):
        panel.plot(rows["frame"], rows["azimuth"], "o-", color=REFERENCE_COLOUR, linewidth=9, markersize=9, mew=0)
        panel.annotate(("first", "second")[name] + " source", (0, rows["azimuth"].iloc[0]), xytext=(-10, 0),
                       textcoords="offset points", ha="right", va="center", color=MISSED_COLOUR)  # fmt: skip
    for number, (track, rows) in enumerate(prediction.groupby("source")):
        panel.plot(rows["frame"], rows["azimuth"], "o-", color=COLOURS[number], markersize=7, label=f"track {track}")
    for event in events(reference, prediction).itertuples():
        row = reference.iloc[event.reference] if event.kind == "miss" else prediction.iloc[event.prediction]
        text = {
            "match": f"{event.angle_deg:.0f}°", "switch": f"switch, {event.angle_deg:.0f}°",
            "miss": "miss", "false_positive": "false positive, 32° off",
        }[event.kind]  # fmt: skip
        side = {"miss": (0, -8, "center", "top"), "false_positive": (-9, -4, "right", "center")}
        x, y, ha, va = side.get(event.kind, (0, 8, "center", "bottom"))
        panel.annotate(
            text, (row["frame"], row["azimuth"]), xytext=(x, y), textcoords="offset points", ha=ha, va=va
        )  # fmt: skip
    panel.set_xlabel("frame")
    panel.set_ylabel("azimuth (degrees)")
    panel.set_xticks(range(5))
    panel.set_xlim(-1.1, 4.6)
    panel.set_ylim(-48, 90)
    panel.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.12))
    style(panel)
    return figure


def identity(example: Example) -> Figure:
    """Which track each source has in each frame."""
    reference, prediction = rows_of(example)
    found = events(reference, prediction)
    figure = Figure(figsize=(7, 1.9), layout="constrained")
    panel = figure.subplots()
    for row in reference.itertuples():
        panel.barh(-row.source, 1, 0.6, left=row.frame, facecolor="white", edgecolor=MISSED_COLOUR)
    for event in found[found["reference"].ge(0) & found["prediction"].ge(0)].itertuples():
        track = prediction["source"].iloc[event.prediction]
        height = -reference["source"].iloc[event.reference]
        panel.barh(height, 1, 0.6, left=event.frame, color=COLOURS[track - 1], edgecolor="white")
        panel.text(event.frame + 0.5, height, f"track {track}", color="white", ha="center", va="center")
    panel.set_yticks([0, -1], ["first source", "second source"])
    panel.set_xticks(np.arange(5) + 0.5, range(5))
    panel.set_xlabel("frame (white: no track within 20 degrees)")
    panel.spines[:].set_visible(False)
    return figure


def hota(example: Example) -> Figure:
    """Detection, association and HOTA by threshold."""
    sums = {
        name: value[0] for name, value in Mot().count(*(side.assign(clip=0) for side in rows_of(example)), 1).items()
    }
    pairs = sums["hota_pairs"]
    detection = pairs / (sums["references"] + sums["predictions"] - pairs)
    association = np.divide(sums["hota_association"], pairs, out=np.zeros(len(pairs)), where=pairs > 0)
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    panel = figure.subplots()
    for colour, (name, values) in zip(
        COLOURS,
        {"DetA": detection, "AssA": association, "HOTA": np.sqrt(detection * association)}.items(),
        strict=False,
    ):
        panel.plot(ALPHAS, values, "o-", color=colour, markersize=4, label=f"{name}, mean {values.mean():.3f}")
    panel.set_xlabel("alpha: pairs count whose similarity is at least that")
    panel.set_ylim(-0.03, 1)
    panel.set_xlim(0, 1)
    panel.secondary_xaxis("top", functions=(lambda s: 40 * (1 - s), lambda d: 1 - d / 40)).set_xlabel("angle (degrees)")
    panel.legend(frameon=False, loc="lower left")
    style(panel)
    return figure


def sets(example: Example) -> Figure:
    """OSPA, and the terms of GOSPA, of each frame."""
    reference, prediction = rows_of(example)
    lines = []
    for frame in range(5):
        sides = [side[side["frame"] == frame].assign(clip=0) for side in (reference, prediction)]
        protocol = Mot()
        lines.append(protocol.score({name: value[0] for name, value in protocol.count(*sides, 1).items()}))
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.bar(range(5), [line["OSPA"] for line in lines], color=COLOURS[0])
    left.set_title("OSPA", fontsize="medium")
    bottom = np.zeros(5)
    for colour, hatch, term in zip(COLOURS, ("", "//", ".."), ("localization", "missed", "false"), strict=False):
        height = np.array([float(line[f"GOSPA_{term}"]) for line in lines])
        right.bar(range(5), height, bottom=bottom, color=colour, hatch=hatch, edgecolor="white", label=term)
        bottom += height
    right.set_title("GOSPA", fontsize="medium")
    right.legend(frameon=False, loc="upper left", fontsize="small")
    for panel in (left, right):
        panel.set_xlabel("frame")
        panel.set_ylabel("degrees")
        style(panel)
    return figure


def stereo(example: Example) -> Figure:
    """Seen from above, frames 0 and 1: where predictions and references are folded to."""
    reference, prediction = rows_of(example)
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    for frame, panel in enumerate(figure.subplots(1, 2)):
        turn = np.linspace(0, 2 * np.pi, 200)
        panel.plot(np.cos(turn), np.sin(turn), color="#E5E5E5")
        panel.plot([-1, 1], [0, 0], ":", color=MISSED_COLOUR, linewidth=1)
        for rows, colour, radius, name in (
            (reference, MISSED_COLOUR, 1.0, "reference"),
            (prediction, COLOURS[0], 0.8, "prediction"),
        ):  # fmt: skip
            azimuth = rows.loc[rows["frame"] == frame, "azimuth"].item()
            folded = azimuth if abs(azimuth) <= 90 else np.sign(azimuth) * 180 - azimuth
            (x, y), (x1, y1) = (_from_above(angle, radius) for angle in (azimuth, folded))
            panel.plot(x1, y1, "o", color=colour, markersize=9)
            left = name == "reference"
            panel.annotate(
                f"{name} {folded:.0f}°", (x1, y1), xytext=(-8 if left else 8, 4), textcoords="offset points",
                ha="right" if left else "left",
            )  # fmt: skip
            if folded != azimuth:
                panel.plot(x, y, "o", mfc="white", color=colour, markersize=9)
                panel.annotate("", (x1, y1), (x, y), arrowprops={"arrowstyle": "->", "color": colour, "shrinkB": 6})
                panel.annotate(
                    f"{azimuth:.0f}°", (x, y), xytext=(0, -9), textcoords="offset points", ha="center", va="top"
                )
        panel.text(0, 1.25, "front", ha="center", fontsize="small", color=MISSED_COLOUR)
        panel.text(-1.12, 0, "left", ha="right", va="center", fontsize="small", color=MISSED_COLOUR)
        panel.set_title(f"frame {frame}", fontsize="medium")
        panel.set_xlim(-1.9, 1.1)
        panel.set_ylim(-1.2, 1.4)
        panel.set_aspect("equal")
        panel.axis("off")
    return figure


def _from_above(azimuth_deg: float, radius: float) -> tuple[float, float]:
    """The front is up, the left on the left."""
    azimuth = np.deg2rad(azimuth_deg)
    return -radius * np.sin(azimuth), radius * np.cos(azimuth)
