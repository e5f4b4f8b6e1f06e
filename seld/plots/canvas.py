"""What all pictures share: colours, frames, and files that appear whole.

Figures are drawn without pyplot: no window, no global state, safe in threads and worker processes.
Colours: Okabe and Ito, "Color Universal Design" (2008), told apart by colour-blind readers too.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seld.files import atomic_path

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
REFERENCE_COLOUR = "#BBBBBB"
NO_DATA_COLOUR = "#DDDDDD"


def style(axes: Axes) -> None:
    axes.grid(color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def class_name(number: int, classes: Sequence[str] | None) -> str:
    return classes[number] if classes is not None and number < len(classes) else f"class {number}"


def save(figure: Figure, path: str | Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
