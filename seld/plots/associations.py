"""Association matrices beside the costs that they were made of."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from seld.plots.canvas import save

ABSENT = "no cost: the estimate or the reference is absent"


def plot_associations(shown: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], path: str | Path) -> None:
    """Draw cost, true and estimated association side by side, one line of pictures per problem.

    A cost is white where nobody is on one of the sides, and a caption says so if there is any such.

    Args:
        shown: name of the problem -> cost in radians (NaN where nobody is), exact association and estimated
            association, each (M, N), estimates by references.
        path: of the PNG file.
    """
    absent = any(np.isnan(cost).any() for cost, _, _ in shown.values())
    figure = Figure(figsize=(7.2, 2.1 * len(shown) + 0.3 * absent), layout="constrained")
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
    if absent:
        white = Patch(facecolor="white", edgecolor="black", linewidth=0.8, label=ABSENT)
        figure.legend(handles=[white], loc="outside lower left", frameon=False, fontsize="small")
    save(figure, path)
