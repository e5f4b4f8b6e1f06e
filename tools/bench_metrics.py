"""How much faster `seld.metrics` is than the official scorers, reading included, and how much memory it takes.

    python tools/bench_metrics.py --official-2022 DIR --official-2024 DIR
    python tools/bench_metrics.py --memory-files 10000

DIR is a checkout of sharathadavanne/seld-dcase2022 or partha2409/DCASE2024_seld_baseline. Files are made up: one
minute, 13 classes, 2.2 sources at a time, in the official layout. Every measurement runs in a process of its own, which
reports the CPU time of the work without imports, and its peak memory with them; rounds alternate between the two.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

FRAMES, CLASSES = 600, 13
SOURCES_AT_A_TIME = 2.2
EVENT_FRAMES = (20, 100)
THRESHOLD_DEG = 20
YEARS = (2022, 2024)
DIFFERENT = 200


def main() -> None:
    options = parse()
    if options.work:
        json.dump(measure(options), sys.stdout)
        return
    with tempfile.TemporaryDirectory() as folder:
        for year in YEARS:
            make(Path(folder) / str(year), year, options.files)
            compare(Path(folder) / str(year), year, getattr(options, f"official_{year}"), options.rounds)
        if options.memory_files:
            many = Path(folder) / "many"
            make(many, 2022, options.memory_files)
            result = run("ours", many, 2022)
            print(f"{options.memory_files} files: {result['cpu_s']:.1f} s, peak memory {result['peak_mb']:.0f} MB")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official-2022", type=Path, metavar="DIR")
    parser.add_argument("--official-2024", type=Path, metavar="DIR")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3, help="of ours; the official scorer runs in the first one only")
    parser.add_argument("--memory-files", type=int, default=0, help="files of another run, for its peak memory")
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--year", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--code", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(data: Path, year: int, code: Path | None, rounds: int) -> None:
    """Prints one line for each thing measured."""
    theirs: dict[str, float] = {}
    ours: list[dict[str, float]] = []
    for number in range(rounds):
        ours.append(run("ours", data, year))
        if code is not None and number == 0:
            theirs = run("official", data, year, code)
    own = {name: min(result[name] for result in ours) for name in ("cpu_s", "jackknife_s", "count_s", "peak_mb")}
    print(f"{year}: evaluate {own['cpu_s']:.2f} s, of which count {own['count_s']:.2f} s, peak {own['peak_mb']:.0f} MB")
    print(f"{year}: the jackknife adds {100 * own['jackknife_s'] / (own['cpu_s'] - own['jackknife_s']):.1f} %")
    if theirs:
        difference = abs(ours[0]["F"] - theirs["F"])
        faster = theirs["cpu_s"] / own["cpu_s"]
        print(
            f"{year}: official {theirs['cpu_s']:.1f} s, peak {theirs['peak_mb']:.0f} MB: "
            f"ours is {faster:.0f} times faster"
        )
        print(f"{year}: F {ours[0]['F']:.6f}, official {theirs['F']:.6f}, difference {difference:.1e}")


def run(work: str, data: Path, year: int, code: Path | None = None) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--work", work, "--data", str(data), "--year", str(year)]
    command += ["--code", str(code)] if code else []
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(options: argparse.Namespace) -> dict[str, float]:
    result = WORK[options.work](options)
    return result | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def measure_ours(options: argparse.Namespace) -> dict[str, float]:
    """CPU seconds of `evaluate` as a whole, of the jackknife in it, and of counting in it."""
    from seld.metrics import confidence, evaluate
    from seld.metrics.dcase_frames import Frames
    from seld.metrics.dcase_segments import Segments

    spent = {"count_s": 0.0, "jackknife_s": 0.0}
    for owner, name, key in (
        (Segments, "count", "count_s"),
        (Frames, "count", "count_s"),
        (confidence, "jackknife", "jackknife_s"),
    ):
        setattr(owner, name, timed(getattr(owner, name), spent, key))
    protocol = f"dcase{options.year}"
    started = time.process_time()
    result = evaluate(options.data / "reference", options.data / "prediction", protocol, on_repeat="keep")
    return {"cpu_s": time.process_time() - started, "F": float(result["F"])} | spent


def timed(function: Callable, spent: dict[str, float], key: str) -> Callable:
    def call(*arguments: object, **options: object) -> object:
        started = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            spent[key] += time.process_time() - started

    return call


def measure_official(options: argparse.Namespace) -> dict[str, float]:
    """CPU seconds of the official scorer, without jackknife, as its main script runs it."""
    scorer = official_module(options.code)
    scorer.cls_feature_class.FeatureClass.__init__ = _feature_class
    parameters = {"lad_doa_thresh": THRESHOLD_DEG, "average": "macro", "unique_classes": CLASSES}
    if options.year == 2024:
        parameters |= {"evaluate_distance": True, "segment_based_metrics": False}
        parameters |= {"lad_dist_thresh": float("inf"), "lad_reldist_thresh": 1.0}
    started = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = scorer.ComputeSELDResults(parameters, ref_files_folder=str(options.data / "reference"))
        scores = results.get_SELD_Results(str(options.data / "prediction"))
    return {"cpu_s": time.process_time() - started, "F": float(scores[1])}


def official_module(code: Path) -> types.ModuleType:
    """The module `cls_compute_seld_results` of a checkout, with what it imports for training replaced by nothing."""
    import scipy.io.wavfile
    import scipy.stats  # noqa: F401  before the stand-ins, which SciPy would ask about

    for name in ("float", "int"):
        setattr(np, name, {"float": float, "int": int}[name])
    np.NaN = np.nan
    absent = ("IPython", "librosa", "joblib", "sklearn", "sklearn.preprocessing", "cv2", "PIL", "PIL.Image", "torch")
    absent += ("matplotlib", "matplotlib.pyplot", "cls_vid_features", "torchvision", "torchvision.models")
    for name in absent:
        sys.modules[name] = _StandIn(name)
    for name in absent:
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, sys.modules[name])
    sys.path.insert(0, str(code.resolve()))
    return importlib.import_module("cls_compute_seld_results")


class _StandIn(types.ModuleType):
    """Has every attribute, can be called, and does nothing."""

    __path__: list[str] = []  # noqa: RUF012  a package, so that its modules can be imported

    def __getattr__(self, name: str) -> "_StandIn":
        if name.startswith("__"):
            raise AttributeError(name)
        return _StandIn(name)

    def __call__(self, *arguments: object, **options: object) -> None:
        return None


def _feature_class(self: object, parameters: dict[str, object]) -> None:
    """What scoring needs of the official FeatureClass; the rest asks for a data set."""
    self.__dict__ |= {"_nb_label_frames_1s": 10, "_nb_unique_classes": parameters["unique_classes"]}


def make(folder: Path, year: int, files: int) -> None:
    """Made-up files of a year: folder/reference/dev/*.csv, and folder/prediction/*.csv with errors of all kinds.

    After DIFFERENT of them they come again under other names.
    """
    sides = folder / "reference" / "dev", folder / "prediction"
    for side in sides:
        side.mkdir(parents=True)
    for number in range(files):
        paths = [side / f"clip{number:05}.csv" for side in sides]
        if number < DIFFERENT:
            reference, prediction = scene(np.random.default_rng([year, number]))
            write(paths[0], reference, year, vectors=False)
            write(paths[1], prediction, year, vectors=True)
        else:
            for path in paths:
                os.link(path.with_name(f"clip{number % DIFFERENT:05}.csv"), path)


def scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """References and predictions, (rows, 6): frame, class, source, azimuth and elevation in degrees, distance in m."""
    events = round(SOURCES_AT_A_TIME * FRAMES / np.mean(EVENT_FRAMES))
    references, predictions = [], []
    for source in range(events):
        length = int(rng.integers(*EVENT_FRAMES, endpoint=True))
        frame = int(rng.integers(0, FRAMES - length + 1)) + np.arange(length)
        azimuth = rng.uniform(-180, 180) + rng.normal(0, 3) * np.arange(length) / 10
        fixed = np.array([rng.integers(CLASSES), source, rng.uniform(-45, 45), rng.uniform(1, 5)])
        rows = np.column_stack([frame, np.tile(fixed[:2], (length, 1)), azimuth, np.tile(fixed[2:], (length, 1))])
        references.append(rows)
        heard = rows[rng.random(length) < 0.9]
        found = heard + np.array([0, 0, 0, 8, 6, 0.4]) * rng.normal(size=heard.shape)
        if rng.random() < 0.1:
            found[:, 1] = rng.integers(CLASSES)
        predictions.append(found)
    return tuple(side[np.argsort(side[:, 0], kind="stable")] for side in map(np.concatenate, (references, predictions)))


def write(path: Path, rows: np.ndarray, year: int, vectors: bool) -> None:
    """One file in the layout of the year's references, or of its predictions with x, y, z."""
    frame, class_, source, azimuth, elevation, distance = rows.T
    columns = [frame, class_, source * (not vectors)]
    numbers = ["%d", "%d", "%d"]
    if vectors:
        azimuth, elevation = np.deg2rad(azimuth), np.deg2rad(elevation)
        columns += [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        numbers += ["%.7f"] * 3
    else:
        columns += [(azimuth + 180) % 360 - 180, elevation]
        numbers += ["%d", "%d"]
    if year == 2024:
        columns.append(np.maximum(distance, 0.1) * (1 if vectors else 100))
        numbers.append("%.4f" if vectors else "%d")
    np.savetxt(path, np.column_stack(columns), fmt=",".join(numbers))


WORK = {"ours": measure_ours, "official": measure_official}


if __name__ == "__main__":
    main()
