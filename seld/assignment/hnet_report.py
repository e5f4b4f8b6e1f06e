"""Scores and associations of an Hnet for people: tables as text, figures as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from seld.files import atomic_path

_COLUMNS = {
    "problems": "problems", "exact": "exact", "clear": "clear", "exact_clear": "exact",
    "precision_weighted": "P", "recall_weighted": "R", "F1_weighted": "F1",
    "precision_macro": "P", "recall_macro": "R", "F1_macro": "F1",
}  # fmt: skip
_FEW = 30  # problems from which a share says little


def score_table(scores: Mapping[str, Mapping]) -> str:
    """What `hnet_scores.score` gives, as text; "clear" is a best pairing that wins by more than 0.05."""
    heads = list(_COLUMNS.values())
    lines = [f"{'':64}{'weighted':^21}{'macro':^21}".rstrip()]
    lines.append(" " * 28 + "".join(f"{head:>9}" for head in heads[:4]) + "".join(f"{head:>7}" for head in heads[4:]))
    groups = {"": {"all": scores["all"]}} | {group: scores[group] for group in scores if group != "all"}
    for group, rows in groups.items():
        lines.append(group.replace("_", " "))
        lines += [f"  {name:26}{_line(row)}" for name, row in rows.items()]
    return "\n".join(lines)


def _line(row: Mapping) -> str:
    if not row["problems"]:
        return f"{0:9}"
    wide, narrow = [row[column] for column in _COLUMNS][:4], [row[column] for column in _COLUMNS][4:]
    text = "".join(f"{value:9.4f}" if isinstance(value, float) else f"{value:9}" for value in wide)
    return text + "".join(f"{value:7.3f}" for value in narrow)


def balance_table(shares: Tensor, matched: float) -> str:
    """Percentages of training problems, references down and estimates across."""
    most = len(shares) - 1
    lines = ["training problems in %, by number of references (down) and estimates (across)"]
    lines.append(f"{'':4}" + "".join(f"{count:6}" for count in range(most + 1)))
    for count, row in enumerate(shares.tolist()):
        lines.append(f"{count:4}" + "".join(f"{100 * value:6.1f}" for value in row))
    return "\n".join([*lines, f"{100 * matched:.1f} % of the possible pairs are matched"])


def plot_confusion(scores: Mapping[str, Mapping], path: str | Path) -> None:
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
    _save(figure, path)


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
    _save(figure, path)


def _heat_map(panel: Axes, share: np.ndarray):
    panel.set_facecolor("#DDDDDD")
    image = panel.imshow(share, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(share):
        if np.isfinite(value):
            text = "100" if value == 100 else f"{min(value, 99.9):.1f}"
            colour = "black" if value > 60 else "white"
            panel.text(column, row, text, ha="center", va="center", fontsize="small", color=colour)
    return image


def _save(figure: Figure, path: str | Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
