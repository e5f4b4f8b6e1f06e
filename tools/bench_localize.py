"""How fast recordings are localized and how much memory that takes, by their length, all in one run on one core.

    OMP_NUM_THREADS=1 python tools/bench_localize.py --model runs/seld [--minutes 1 10 60 120] [--tile CLIP.wav]

Each run is a process of its own, as a user starts recipes/localize.py. Runs of all lengths take turns, round after
round, and the least processor time of each counts, so that other jobs on the machine disturb little. `real` is how many
seconds of sound a second of the core gets through, from a WAV file to a CSV file: first without and then with the start
of the process (libraries, weights). `peak` is the largest resident memory of the process, `over` how much more that is
than at the shortest length. The other method reads the recording into memory first, as a script of three lines would.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from bench_data import recording

ROOT = Path(__file__).resolve().parents[1]
RECIPE = """
import json, re, runpy, sys, time
from pathlib import Path
path, table, model = sys.argv[1:]
recipe = runpy.run_path({recipe!r})
options = recipe["Config"](Path(path), Path(table), model)
localizer = recipe["Localizer"].from_pretrained(model)
started = time.process_time()
{work}
now = time.process_time()
# Not getrusage, whose peak begins with that of the process that started this one.
peak = int(re.search("VmHWM: *([0-9]+)", Path("/proc/self/status").read_text().replace(chr(9), " "))[1])
print(json.dumps([now - started, now, peak / 1024]))
"""
METHODS = {
    "recipes/localize.py": "recipe['localize'](localizer, options.input, options.output, None, options)",
    "read first": (
        "from seld.clips import read_recording; from seld.labels import write_rows; "
        "from seld.localizer import tracked_rows\n"
        "estimate = localizer.locate(read_recording(path, localizer.features.array))\n"
        "write_rows(table, tracked_rows(estimate, localizer.threshold))"
    ),
}


class Row(NamedTuple):
    """The least of all rounds."""

    method: str
    minutes: float
    seconds: float
    """of processor time, without the start"""
    with_start: float
    """of processor time"""
    peak_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="run folder, weights file, or name of a shipped model")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60, 120], help="lengths of recordings")
    parser.add_argument("--tile", type=Path, help="recording to repeat; by default bursts of noise from everywhere")
    parser.add_argument("--rounds", type=int, default=2, help="rounds that the runs take turns in, default 2")
    parser.add_argument("--read-first", type=float, default=10, help="longest minutes of the other method, default 10")
    parser.add_argument("--json", type=Path, help="write all rows to this file")
    options = parser.parse_args()
    rows: dict[tuple[str, float], Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        tile = options.tile or recording(Path(folder) / "tile.wav", "foa")
        paths = {minutes: tiled(tile, Path(folder) / f"{minutes:g}.wav", minutes) for minutes in options.minutes}
        for _ in range(options.rounds):
            for minutes, path in paths.items():
                for method in METHODS:
                    if method != "read first" or minutes <= options.read_first:
                        found = Row(method, minutes, *run(method, path, options.model))
                        best = rows.get((method, minutes), found)
                        rows[method, minutes] = Row(method, minutes, *map(min, found[2:], best[2:]))
    table(list(rows.values()))
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows.values()], indent=1))


def tiled(tile: Path, path: Path, minutes: float) -> Path:
    """A WAV file of so many minutes that repeats another one."""
    audio, rate = soundfile.read(tile, dtype="int16", always_2d=True)
    left = round(60 * minutes * rate)
    with soundfile.SoundFile(path, "w", rate, audio.shape[1], "PCM_16") as file:
        while left > 0:
            file.write(np.ascontiguousarray(audio[:left]))
            left -= len(audio)
    return path


def run(method: str, path: Path, model: str) -> list[float]:
    """Processor seconds without and with the start, and peak memory in MB, of one process."""
    code = RECIPE.format(recipe=str(ROOT / "recipes" / "localize.py"), work=METHODS[method])
    command = [sys.executable, "-c", code, str(path), str(path.with_suffix(".csv")), model]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def table(rows: list[Row]) -> None:
    print(f"{'method':<22}{'minutes':>8}{'seconds':>9}{'real':>7}{'with start':>12}{'peak MB':>9}{'over':>7}")
    for row in sorted(rows):
        sound = 60 * row.minutes
        least = min(other.peak_mb for other in rows if other.method == row.method)
        speeds = f"{row.seconds:>9.2f}{sound / row.seconds:>7.0f}{sound / row.with_start:>12.0f}"
        print(f"{row.method:<22}{row.minutes:>8g}{speeds}{row.peak_mb:>9.0f}{row.peak_mb - least:>7.0f}")


if __name__ == "__main__":
    main()
