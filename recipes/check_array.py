"""Check a microphone array by a recording of a few claps from known directions.

    python recipes/check_array.py IN.wav --array respeaker_4 --directions 0 90 180 -90
    python recipes/check_array.py IN.wav --array my_array.yaml --directions 0 60,30 120 180,-20 -120,10 -60
    python recipes/check_array.py IN.wav --array foa --claps claps.csv --plot check.png --mended foa_mended.yaml

Clap once in each direction, some seconds apart, at arm's length or further (more for arrays larger than 20 cm), best
also above and below. Directions are azimuths, or azimuth,elevation, in degrees and in order of time: 0 is the front,
90 the left. Tells swapped channels, flipped signs, turned or mirrored axes, clocks that drift, dead and soft
channels, and the wrong convention of Ambisonics, with the remedy for each. Exit code 0: as declared; 1: a fault.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from seld import config
from seld.arrays import Array, array_yaml, find_array
from seld.arrays.checking import Diagnosis, diagnose, mended
from seld.audio import SAMPLE_RATE, read_audio
from seld.files import atomic_path, write_json
from seld.geometry import degrees_from_unit, unit_from_degrees
from seld.plots import COLOURS, REFERENCE_COLOUR
from seld.plots.canvas import save


@dataclass
class Config:
    """The recording, the array and the claps."""

    input: Path
    array: str = "foa"
    """YAML file, or one of foa, mic, stereo, binaural and those in configs/arrays/"""
    directions: str = ""
    """of each clap in order of time: azimuth or azimuth,elevation in degrees, with spaces between claps"""
    claps: Path | None = None
    """CSV file instead of directions, with the header azimuth,elevation or azimuth,elevation,time (seconds)"""
    tolerance_deg: float = 5.0
    """how exactly the directions are told, degrees; a turn of the array by less is no fault"""
    json: Path | None = None
    """file for the verdict, by names"""
    plot: Path | None = None
    """PNG file for a picture of directions and delays"""
    mended: Path | None = None
    """YAML file for the array as it was found to be"""

    def __post_init__(self):
        if bool(self.directions) == (self.claps is not None):
            raise ValueError("there must be either directions or claps")
        if not 0.1 <= self.tolerance_deg <= 45:
            raise ValueError(f"tolerance_deg must be from 0.1 to 45, got {self.tolerance_deg:g}")


def main(options: Config) -> None:
    array = find_array(options.array)
    told, times = read_claps(options.claps) if options.claps else (parse_directions(options.directions), None)
    audio = read_audio(options.input).numpy()
    try:
        diagnosis, times = diagnose(audio, SAMPLE_RATE, array, told, options.tolerance_deg, times)
    except ValueError as error:
        raise ValueError(f"{options.input}: {error}") from None
    print(verdict(options.input, array, diagnosis, times))
    better = mended(array, diagnosis)
    text = array_yaml(better) if better and array.kind != "channels" else ""
    if text:
        print(f"\nThe array as it was found to be, for its YAML file:\n\n{text}")
    if options.mended and text:
        with atomic_path(options.mended) as temporary:
            temporary.write_text(text)
    if options.json:
        write_json(options.json, as_json(array, diagnosis, times))
    if options.plot:
        draw(array, diagnosis, times, options.plot)
    sys.exit(1 if diagnosis.faults else 0)


def parse_directions(text: str) -> np.ndarray:
    """Unit vectors (claps, 3) of `azimuth` or `azimuth,elevation` in degrees between spaces."""
    return np.array([_direction(clap.split(","), clap) for clap in text.split()])


def read_claps(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Unit vectors (claps, 3), and times (claps,) in seconds where there are any, of a CSV file with header."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected a CSV file in UTF-8") from None
    lines = [(number, row) for number, row in enumerate(csv.reader(text.splitlines()), 1) if row]
    header = [name.strip() for name in lines[0][1]] if lines else []
    if header not in (["azimuth"], ["azimuth", "elevation"], ["azimuth", "elevation", "time"]):
        raise ValueError(
            f"{path}:1: header must be azimuth,elevation or azimuth,elevation,time, got {','.join(header)}"
        )
    told, times = [], []
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise ValueError(f"{path}:{number}: expected {len(header)} columns, got {len(row)}")
        told.append(_direction(row[:2], f"{path}:{number}: {','.join(row)}"))
        times.append(_number(row[2], f"{path}:{number}: time must be seconds, got {row[2]}") if len(row) > 2 else 0.0)
    return np.array(told).reshape(-1, 3), np.array(times) if len(header) > 2 else None


def verdict(path: Path, array: Array, diagnosis: Diagnosis, times: np.ndarray) -> str:
    """The report that people read: claps, faults with remedies, and what could not be told."""
    lines = [f"{path}: {len(times)} claps, heard by {array.name}", ""]
    lines.append(f"{'clap':>4}{'time':>9}   {'told':17}{'as declared':17}{'after the remedies':17}  azimuth, elevation")
    directions = (diagnosis.told, diagnosis.declared, diagnosis.mended)
    for clap, time in enumerate(times):
        cells = "".join(f"{_degrees(vectors[clap]):17}" for vectors in directions)
        lines.append(f"{clap + 1:4}{time:7.2f} s   {cells}")
    lines.append("")
    for fault in diagnosis.faults:
        lines += [f"FAULT   {fault.kind}: {fault.text}", f"remedy  {fault.remedy}"]
    if not diagnosis.faults:
        lines.append("The array is as declared.")
    return "\n".join([*lines, *(f"note    {note}" for note in diagnosis.notes)])


def as_json(array: Array, diagnosis: Diagnosis, times: np.ndarray) -> dict:
    """The verdict by names; directions in degrees."""
    angles = {}
    for name in ("told", "declared", "mended"):
        pairs = np.stack(degrees_from_unit(getattr(diagnosis, name)), 1).tolist()
        angles[name] = [{"azimuth": azimuth, "elevation": elevation} for azimuth, elevation in pairs]
    return {
        "array": array.name,
        "as_declared": not diagnosis.faults,
        "faults": [fault._asdict() for fault in diagnosis.faults],
        "notes": diagnosis.notes,
        "array_values": diagnosis.values,
        "claps": [{"time": time, **{name: angles[name][clap] for name in angles}} for clap, time in enumerate(times)],
        "late_s": diagnosis.clock[0].tolist(),
        "drift_ppm": (1e6 * diagnosis.clock[1]).tolist(),
    }


def draw(array: Array, diagnosis: Diagnosis, times: np.ndarray, path: Path) -> None:
    """Directions on the sphere; delays or gains against the expected ones; clocks over time, if they differ."""
    clocks = any(fault.kind.startswith("clock") for fault in diagnosis.faults)
    figure = Figure(figsize=(9.5 + 3.6 * clocks, 4.4), layout="constrained")
    grid = figure.add_gridspec(1, 2 + clocks, width_ratios=[1.75, 1, 1][: 2 + clocks])
    _draw_sphere(figure.add_subplot(grid[0], projection="mollweide"), diagnosis)
    _draw_pairs(figure.add_subplot(grid[1]), diagnosis, "gain" if array.foa_gains is not None else "delay (us)")
    if clocks:
        panel = figure.add_subplot(grid[2])
        for channel, (late, drift) in enumerate(diagnosis.clock.T):
            colour = COLOURS[channel % len(COLOURS)]
            panel.plot(times, 1e6 * (late + drift * (times - times[0])), ".-", color=colour, label=f"channel {channel}")
        panel.set(xlabel="time (s)", ylabel="late (us)", title="clocks")
        panel.legend(frameon=False, fontsize="small")
    faults = ", ".join(fault.kind for fault in diagnosis.faults)
    figure.suptitle(f"{array.name}: {faults or 'as declared'}")
    save(figure, path)


def _draw_sphere(panel, diagnosis: Diagnosis) -> None:
    def place(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        azimuth, elevation = degrees_from_unit(vectors)
        return np.deg2rad(-azimuth), np.deg2rad(elevation)  # the left is on the left, as seen from the array

    told = np.stack(place(diagnosis.told), 1)
    panel.scatter(
        *told.T, s=260, facecolors="none", edgecolors=REFERENCE_COLOUR, linewidths=3, label="told", clip_on=False
    )
    panel.scatter(*place(diagnosis.declared), marker="x", color=COLOURS[1], label="as declared")
    if diagnosis.faults:
        panel.scatter(*place(diagnosis.mended), marker=".", color=COLOURS[0], label="after the remedies")
    for clap, (x, y) in enumerate(told):
        panel.annotate(str(clap + 1), (x, y), xytext=(9, 7), textcoords="offset points", weight="bold")
    across, up = np.arange(-120, 121, 60), np.arange(-60, 61, 30)
    panel.set_xticks(np.deg2rad(across), [f"{-tick}°" for tick in across], fontsize="small", color="#888888")
    panel.set_yticks(np.deg2rad(up), [f"{tick}°" for tick in up], fontsize="small", color="#888888")
    panel.grid(color="#E5E5E5")
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.05), ncols=3, frameon=False, fontsize="small")


def _draw_pairs(panel, diagnosis: Diagnosis, label: str) -> None:
    scale = 1e6 if label.startswith("delay") else 1
    expected, measured, corrected = (
        scale * values for values in (diagnosis.expected, diagnosis.measured, diagnosis.corrected)
    )
    reach = 1.15 * np.abs(expected).max(initial=0.1)
    panel.plot([-reach, reach], [-reach, reach], color=REFERENCE_COLOUR, linewidth=3)
    panel.plot(expected.ravel(), measured.ravel(), "x", color=COLOURS[1])
    if diagnosis.faults:
        panel.plot(expected.ravel(), corrected.ravel(), ".", color=COLOURS[0])
    # Another clock's delays may be far outside: the picture keeps to where the array's own are.
    panel.set(xlim=(-reach, reach), ylim=(-1.6 * reach, 1.6 * reach))
    what = "pairs of channels" if scale != 1 else ", ".join(diagnosis.columns)
    panel.set(xlabel=f"expected {label}", ylabel=f"measured {label}", title=what)
    panel.grid(color="#E5E5E5")
    panel.spines[["top", "right"]].set_visible(False)


def _degrees(vector: np.ndarray) -> str:
    if not np.isfinite(vector).all():
        return "unknown"
    azimuth, elevation = degrees_from_unit(vector)
    return f"{azimuth:.0f}, {elevation:.0f}"


def _direction(cells: list[str], where: str) -> np.ndarray:
    message = f"directions must be azimuth or azimuth,elevation in degrees, got {where}"
    angles = [_number(cell, message) for cell in cells]
    if len(angles) > 2 or not (-360 <= angles[0] <= 360 and -90 <= ([*angles, 0.0])[1] <= 90):
        raise ValueError(message)
    return unit_from_degrees(np.array(angles[0]), np.array(angles[1] if len(angles) > 1 else 0.0))


def _number(text: str, message: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(message) from None
    if not np.isfinite(value):
        raise ValueError(message)
    return value


def _join_directions(argv: list[str]) -> list[str]:
    """The arguments with what follows --directions joined to it, since -120,10 looks like an option."""
    if "--directions" not in argv:
        return argv
    start = argv.index("--directions")
    end = start + 1
    while end < len(argv) and not argv[end].startswith("--"):
        end += 1
    return [*argv[:start], f"--directions={' '.join(argv[start + 1 : end])}", *argv[end:]]


if __name__ == "__main__":
    sys.argv[1:] = _join_directions(sys.argv[1:])
    config.run(main, Config, __doc__, positional={"input": "recording of the claps"})
