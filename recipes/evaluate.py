"""Scores of estimates against references, with 95 % confidence intervals over clips.

    python recipes/evaluate.py --reference data/metadata_dev --prediction estimates --protocol doa+mot
    python recipes/evaluate.py --reference DIR --prediction OURS THEIRS --protocol dcase2023 --json scores.json

Both sides are folders with one CSV file for each clip (same names), or two files. Several predictions are compared:
one table, and for each pair of them a paired bootstrap over clips. Dashes in options may be written for underscores.
"""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seld.command import run
from seld.files import atomic_path, write_json
from seld.labels import FRAME_SECONDS
from seld.metrics import SUMMARIES, compare, evaluate
from seld.metrics.counting import Reading, read
from seld.metrics.registry import protocols, threshold
from seld.metrics.report import comparison_text, flat, scores_text

_LISTED = "\n".join(f"  {name:18}{text}" for name, text in SUMMARIES.items())
HELP = f"{__doc__}\nprotocols:\n{_LISTED}"


@dataclass(kw_only=True)
class Config:
    """What is scored, and how."""

    reference: Path
    """folder of reference files, or one file"""
    prediction: list[Path]
    """folder of estimated files, or one file; several for a comparison"""
    protocol: str = "doa"
    """see above; several are joined by +"""
    threshold_deg: float | None = None
    """largest angle in degrees between a source and an estimate that counts as found; the protocol's own by default"""
    average: Literal["macro", "micro"] | None = None
    """mean over classes, or all classes pooled (DCASE)"""
    classes: int | None = None
    """number of classes (DCASE)"""
    distance_threshold_m: float | None = None
    """largest error of the distance of a true positive (dcase2024, dcase2025)"""
    relative_distance_threshold: float | None = None
    """the same, as a part of the true distance"""
    cartesian: bool = False
    """angles as the official scorer takes them of Cartesian outputs (dcase2020 to dcase2023)"""
    options: dict[str, Any] = field(default_factory=dict)
    """any other option of the protocol: --options.NAME VALUE"""
    reference_format: str | None = None
    """format of the reference files, a name of seld.labels.FORMATS; the protocol's own by default"""
    prediction_format: str | None = None
    """format of the estimated files"""
    on_missing: Literal["error", "miss", "skip"] = "error"
    """a file that one side lacks: an error, counted as silent there, or left out as the official scorers do"""
    on_repeat: Literal["error", "keep"] = "error"
    """two rows for one class and track in one frame of an estimate: an error, or kept (outputs of DCASE baselines)"""
    on_class: Literal["error", "ignore"] = "error"
    """a class beyond the protocol's list: an error, or ignored as the official scorers do"""
    per_class: bool = False
    """print the scores of each class"""
    per_file: bool = False
    """print the scores of each file"""
    baseline: str | None = None
    """of several predictions, the one that the others are compared with; each pair by default"""
    resamples: int = 2000
    """of the bootstrap"""
    seed: int = 0
    """of the bootstrap"""
    json: Path | None = None
    """file for scores, intervals, tables and counters, by their names"""
    csv: Path | None = None
    """file for the same figures, one in a row"""
    plot: Path | None = None
    """folder for pictures of errors, tracks and confusions; one folder within it for each of several predictions"""
    workers: int = 1
    """processes"""
    progress: bool = False
    """show a bar"""


def main(config: Config) -> None:
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    names = prediction_names(config.prediction)
    common = options(config)
    if len(names) == 1:
        result = evaluate(config.reference, config.prediction[0], config.protocol, **common)
        text = scores_text
    else:
        predictions = dict(zip(names, config.prediction, strict=True))
        settings = {"baseline": config.baseline, "resamples": config.resamples, "seed": config.seed}
        result = compare(config.reference, predictions, config.protocol, **settings, **common)
        text = comparison_text
    tables = ["by_sources"] if len(names) == 1 else []
    print(text(result, tables + ["classwise"] * config.per_class + ["files"] * config.per_file))
    if config.json is not None:
        write_json(config.json, result)
    if config.csv is not None:
        with atomic_path(config.csv) as temporary:
            flat(result).to_csv(temporary, index=False, lineterminator="\n")
    if config.plot is not None:
        for name, prediction in zip(names, config.prediction, strict=True):
            plot(config, prediction, config.plot if len(names) == 1 else config.plot / name)


def options(config: Config) -> dict[str, Any]:
    """What `evaluate` and `compare` take alike; options of protocols only where they are given."""
    names = ("threshold_deg", "average", "classes", "distance_threshold_m", "relative_distance_threshold")
    given = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
    if config.cartesian:
        given["cartesian"] = True
    names = ("reference_format", "prediction_format", "on_missing", "on_repeat", "on_class", "workers", "progress")
    reading = {name: getattr(config, name) for name in names}
    for name in config.options:
        if name in given or name in reading:
            raise ValueError(f"options.{name} must be given as --{name}")
    return {**config.options, **given, **reading, "per_file": config.per_file, "class_intervals": config.per_class}


def prediction_names(paths: Sequence[Path]) -> list[str]:
    """The last part of each path; the whole paths where those are not all different."""
    if not paths:
        raise ValueError("prediction must be one path or several, got none")
    if len({str(path) for path in paths}) < len(paths):
        raise ValueError(f"prediction must be different paths, got {', '.join(map(str, paths))}")
    short = [path.stem if path.is_file() else path.resolve().name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]


def plot(config: Config, prediction: Path, folder: Path) -> None:
    # Drawing takes a second to load, and most runs draw nothing.
    from seld.plots import plot_scores

    given = options(config)
    reading = Reading(**{name: given[name] for name in Reading._fields})
    chosen = protocols(config.protocol, config.threshold_deg)
    threshold_deg = next((angle for angle in map(threshold, chosen.values()) if angle is not None), 20.0)
    names, *sides = read(chosen, config.reference, prediction, reading)
    frame_s = 0.02 if config.protocol.startswith("dcase2019") else FRAME_SECONDS
    plot_scores(*sides, folder, threshold_deg, names=names, frame_s=frame_s)


def command() -> None:
    run(main, Config, HELP)


if __name__ == "__main__":
    command()
