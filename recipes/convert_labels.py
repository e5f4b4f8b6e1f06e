"""Label and estimate files from one format to another, a file or a whole folder with its subfolders.

    python recipes/convert_labels.py --input estimates --from dcase2024_output --to polar_cm --output converted
    python recipes/convert_labels.py --input clip.csv --from dcase2019 --to seld --output out.csv --decimals 0

What the new format cannot hold is left out with a note; what it needs and the old one lacks is an error.
"""

import argparse
import logging
import sys
import warnings
from pathlib import Path

import pandas as pd

from seld.labels import FORMATS, Format, Layout, change_frames, find_format, layout_for, read_rows, write_rows

_log = logging.getLogger(__name__)
# Enough for the digits of any file, too few for the rounding errors of a turn through Cartesian coordinates.
DECIMALS = 9
SUFFIXES = (".csv", ".csv.gz")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"error: {message}\n")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    width = max(map(len, FORMATS))
    formats = "\n".join(f"  {name:{width}}  {format.about}" for name, format in FORMATS.items())
    parser = Parser(
        description=__doc__,
        epilog=f"formats:\n{formats}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--input", type=Path, required=True, help="file or folder to read (.csv, .csv.gz)")
    parser.add_argument("--from", dest="source", required=True, metavar="FORMAT", help="format of the input")
    parser.add_argument("--to", dest="target", required=True, metavar="FORMAT", help="format of the output")
    parser.add_argument("--output", type=Path, required=True, help="file or folder to write")
    parser.add_argument(
        "--decimals",
        type=int,
        default=DECIMALS,
        help=f"most digits behind the point of degrees and centimetres (default {DECIMALS}; 0 as the challenges have)",
    )
    return parser.parse_args(argv)


def main(options: argparse.Namespace) -> None:
    source, target = find_format(options.source), find_format(options.target)
    if options.decimals < 0:
        raise ValueError(f"--decimals must be at least 0, got {options.decimals}")
    notes: dict[str, int] = {}
    for path, output in files(options.input, options.output):
        rows = read_rows(path, source.name)
        try:
            for note in convert(rows, source, target, output, options.decimals):
                notes[note] = notes.get(note, 0) + 1
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    for note, count in notes.items():
        _log.warning("%s (%d %s)", note, count, "file" if count == 1 else "files")


def files(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """What is to be read, and where it goes; a folder keeps its subfolders."""
    if source.resolve() == target.resolve():
        raise ValueError(f"--output must not be the input, got {target}")
    if source.is_file():
        return [(source, target / source.name if target.is_dir() else target)]
    if not source.is_dir():
        raise FileNotFoundError(f"{source}: no such file or folder")
    if target.is_file():
        raise ValueError(f"--output must be a folder as the input is, got the file {target}")
    found = [path for path in sorted(source.rglob("*")) if path.name.lower().endswith(SUFFIXES) and path.is_file()]
    found = [path for path in found if not path.name.startswith(".") and target.resolve() not in path.resolve().parents]
    if not found:
        raise ValueError(f"{source}: the folder holds no CSV file")
    return [(path, target / path.relative_to(source)) for path in found]


def convert(rows: pd.DataFrame, source: Format, target: Format, output: Path, decimals: int) -> list[str]:
    """Write one table; notes say what of it is lost."""
    layout = layout_for(rows, target)
    changed = change_frames(rows, source.frame_seconds, target.frame_seconds)
    write_rows(output, changed, target.name, decimals)
    notes = losses(rows, layout, decimals)
    back = change_frames(changed, target.frame_seconds, source.frame_seconds)
    if not _sorted(rows).equals(_sorted(back)):
        notes.append(f"times are rounded: frames of {target.frame_seconds:g} s, not {source.frame_seconds:g} s")
    return notes


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(list(rows.columns), ignore_index=True)


def losses(rows: pd.DataFrame, layout: Layout, decimals: int) -> list[str]:
    """What a layout cannot hold of a table, in words."""
    columns = layout.columns
    notes: list[str] = []
    if len(rows) == 0:
        return notes
    if "distance" in rows and "distance" not in columns:
        notes.append(f"distance is left out: {layout.name} has none")
    if "onscreen" in rows and "onscreen" not in columns:
        notes.append(f"onscreen is left out: {layout.name} has none")
    if "length" in rows and not layout.cartesian:
        notes.append(f"the length of the vectors is left out: {layout.name} has directions only")
    if "source" not in columns and rows["source"].any():
        notes.append(f"source is left out: {layout.name} has none")
    if not layout.cartesian:
        degrees = rows[[name for name in ("azimuth", "elevation") if name in columns]]
        digits = 0 if layout.whole_degrees else decimals
        if ((degrees - degrees.round(digits)).abs() > 10.0**-DECIMALS).any(axis=None):
            notes.append(f"degrees are rounded to {digits} decimals")
        if "elevation" not in columns and rows["elevation"].any():
            notes.append(f"elevation is left out: {layout.name} has none")
    return notes


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="note: %(message)s")
    warnings.formatwarning = lambda message, *_: f"note: {message}\n"
    try:
        main(arguments())
    except (ValueError, OSError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
