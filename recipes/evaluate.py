"""Scores of estimates against references, with 95 % confidence intervals over clips.

    python recipes/evaluate.py --reference data/metadata_dev --prediction estimates --protocol doa+mot

Both sides are folders with one CSV file for each clip (same stems, DCASE rows), or two files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seld.config import run
from seld.files import write_json
from seld.metrics import evaluate


@dataclass(kw_only=True)
class Config:
    reference: Path
    """folder of reference files, or one file"""
    prediction: Path
    """folder of estimated files, or one file"""
    protocol: str = "doa"
    """doa (class-free localization), mot (CLEAR-MOT tracking), or doa+mot"""
    threshold_deg: float = 20.0
    """largest angle in degrees between a source and an estimate that counts as found"""
    json: Path | None = None
    """file for the scores, intervals and counters, by their names"""


def main(config: Config) -> None:
    result = evaluate(config.reference, config.prediction, config.protocol, config.threshold_deg)
    print(table(result))
    if config.json is not None:
        write_json(config.json, result)


def table(result: dict[str, Any]) -> str:
    """One line for each score with its interval, then the scores for each number of active sources."""
    lines = [f"{result['clips']} clips", f"{'':16}{'score':>10}    95 % interval"]
    for name, (low, high) in result["jackknife"].items():
        lines.append(f"{name:16}{figure(result[name]):>10}    {figure(low)} to {figure(high)}")
    by_sources = result.get("by_sources")
    if by_sources:
        names = next(iter(by_sources.values()))
        lines += ["", f"{'active sources':16}" + "".join(f"{name:>10}" for name in names)]
        for sources, scores in by_sources.items():
            lines.append(f"{sources:<16}" + "".join(f"{figure(score):>10}" for score in scores.values()))
    return "\n".join(lines)


def figure(value: float) -> str:
    """At most three decimals: ratios, degrees and counts side by side."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    run(main, Config, __doc__.splitlines()[0])
