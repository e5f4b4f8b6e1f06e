"""Draw the figures of docs/metrics.md into docs/figures: its worked examples, and pictures of a made-up set.

python tools/draw_metrics_figures.py
"""

import argparse
import re
import tempfile
from pathlib import Path

from made_up_tracks import moving_sources
from matplotlib.figure import Figure
from metrics_examples import PAGE, ROOT, examples
from metrics_figures import hota, identity, sets, stereo, timeline, tracks
from PIL import Image

from seld.files import atomic_path
from seld.plots import plot_scores

FIGURES = ROOT / "docs" / "figures"


def write(figure: Figure, path: Path) -> None:
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        figure.savefig(file.name, dpi=110)
        shrink(Path(file.name), path)


def shrink(source: Path, path: Path) -> None:
    """A PNG with a palette, less than half of the size."""
    with atomic_path(path) as temporary, Image.open(source) as picture:
        picture.convert("RGB").quantize(256, kmeans=4, dither=Image.Dither.NONE).save(temporary, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FIGURES)
    folder = parser.parse_args().folder
    found = examples(PAGE.read_text())
    for draw in (tracks, identity, hota, sets):
        write(draw(found["tracks"]), folder / f"{draw.__name__}.png")
    write(stereo(found["stereo"]), folder / "stereo.png")
    write(timeline(found["dcase2019"], by_class=False), folder / "dcase2019.png")
    write(timeline(found["segments"]), folder / "segments.png")
    write(timeline(found["frames"], distance=True), folder / "frames.png")
    with tempfile.TemporaryDirectory() as pictures:
        names = ["speech", "music", "door", "knock"]
        for path in plot_scores(*moving_sources(12), pictures, clips=1, classes=names):
            name = re.sub(r"^tracks_\d+", "tracks", path.stem)
            shrink(path, folder / f"example_{name}.png")


if __name__ == "__main__":
    main()
