"""What an Hnet takes for what, and how often it is right."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from seld.plots.canvas import NO_DATA_COLOUR, save

_FEW = 30  # problems from which a share says little


def plot_pairs(scores: Mapping[str, Mapping], path: str | Path) -> None:
    """Draw which entries were taken for what, one panel for each line of scores.

    Args:
        scores: name -> scores with the key "confusion", entries by truth and estimate, (2, 2).
        path: of the PNG file.
    """
    shown = {name: np.array(row["confusion"]) for name, row in scores.items() if row["problems"]}
    columns = min(len(shown), 4)
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(2.9 * columns, 2.9 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False)
    for panel, (name, counts) in zip(panels.flat, shown.items(), strict=False):
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        panel.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if share[row, column] > 0.5 else "black"
            text = f"{count:,}\n{100 * share[row, column]:.5g} %"
            panel.text(column, row, text, ha="center", va="center", color=colour, fontsize="small")
        panel.set_title(name, fontsize="medium")
        panel.set_xticks((0, 1), ("not matched", "matched"))
        panel.set_yticks((0, 1), ("not matched", "matched"), rotation=90, va="center")
    for spare in panels.flat[len(shown) :]:
        spare.remove()
    figure.supxlabel("what the Hnet says", fontsize="medium")
    figure.supylabel("what is right", fontsize="medium")
    figure.suptitle("Pairs of an estimate and a reference: number, and share of its line")
    save(figure, path)


def plot_separations(
    nets: Mapping[str, tuple[Sequence[int], Tensor, Tensor]], edges_deg: Sequence[float], path: str | Path
) -> None:
    """Draw heat maps of the share of exact associations, one for each network.

    Args:
        nets: title -> numbers of sources, and for them the share and the number of problems, both
            (numbers, bins); see `hnet_scores.separation_map`.
        edges_deg: edges of the bins of separation, degrees.
        path: of the PNG file.
    """
    lines = [len(counts) for counts, _, _ in nets.values()]
    size = 2.6 + 0.8 * (len(edges_deg) - 1), 1.6 + 0.36 * sum(lines) + 0.7 * len(nets)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(nets), 1, squeeze=False, height_ratios=lines)[:, 0]
    for panel, (title, (counts, exact, found)) in zip(panels, nets.items(), strict=True):
        image = _heat_map(panel, np.where(found.numpy() >= _FEW, 100 * exact.numpy(), np.nan))
        panel.set_title(title, fontsize="medium", loc="left")
        panel.set_yticks(range(len(counts)), counts)
        panel.set_xticks(np.arange(len(edges_deg)) - 0.5, [f"{edge:g}°" for edge in edges_deg])
        panel.set_ylabel("sources")
    panels[-1].set_xlabel("angle between the two closest sources")
    figure.colorbar(image, ax=list(panels), label="right associations (%)", aspect=15)
    figure.suptitle(
        "How often every estimate is given to the right source\n"
        "(estimates 0.5° to 20° off; grey: so many sources are hardly ever that far apart)",
        fontsize="medium",
    )
    save(figure, path)


def _heat_map(panel: Axes, share: np.ndarray):
    panel.set_facecolor(NO_DATA_COLOUR)
    image = panel.imshow(share, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(share):
        if np.isfinite(value):
            text = "100" if value == 100 else f"{min(value, 99.9):.1f}"
            colour = "black" if value > 60 else "white"
            panel.text(column, row, text, ha="center", va="center", fontsize="small", color=colour)
    return image
