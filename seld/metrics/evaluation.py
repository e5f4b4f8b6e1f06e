"""Scores of one prediction."""

from typing import Any

from seld.metrics.counting import Reading, count
from seld.metrics.inputs import Rows
from seld.metrics.registry import STRICT, protocols, strict_twins
from seld.metrics.results import strict_notes, summarize


def evaluate(
    reference: Rows,
    prediction: Rows,
    protocol: str = "doa",
    threshold_deg: float | None = None,
    *,
    reference_format: str | None = None,
    prediction_format: str | None = None,
    on_missing: str = "error",
    on_repeat: str | None = None,
    on_class: str = "error",
    workers: int = 1,
    per_file: bool = False,
    class_intervals: bool = False,
    strict_twin: bool = True,
    progress: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Scores of the predictions, by the names that the protocol gives them (`LE`, `F20`, `MOTA`, ...).

    Args:
        reference, prediction: a table of rows (`seld.labels`), a file, a mapping from clip names to tables or files,
            or a folder with one file for each clip; both one clip, or both many.
        protocol: its name (`seld.metrics.PROTOCOLS`), or several joined by +: "doa+mot". A figure that two of them
            give carries the name of its protocol: `dcase2022.F`.
        threshold_deg: largest angle of a true positive, whatever the protocol calls it; 20 unless its year had another.
        reference_format, prediction_format: names of `seld.labels.FORMATS` for files; the protocol's own by default.
        on_missing: what to do with a reference without prediction: "error"; "miss", count its sources as missed;
            "skip", leave it out, as the official DCASE code does.
        on_repeat: two rows for one class and track in one frame of a prediction: "error", or "keep", as the outputs of
            the DCASE baselines need, whose track column is always 0.
        on_class: a class beyond the protocol's list: "error", or "ignore", as the official DCASE code does.
        workers: processes. The result is the same whatever their number. With more than one, a script needs the usual
            `if __name__ == "__main__":` around what it runs.
        per_file: add `files`, clip -> its scores.
        class_intervals: add `jackknife_classwise`, class -> name -> interval.
        strict_twin: count official DCASE protocols a second time without their quirks, for `notes`.
        progress: show a bar on standard error.
        options: of the protocol, by name: `average="micro"`, `classes=12`, ... (fields of the protocol's class).

    Returns:
        The scores, and beside them
        `jackknife`: name -> (low, high), 95 % confidence intervals over clips;
        `counters`: the sums over all clips that the scores were made of, a list where there is one for each class;
        `classwise`: class -> scores (DCASE), `by_sources`: number of active sources in a frame -> scores (`doa`);
        `clips`: how many clips there were;
        `notes`: lines about what may surprise: clips left out or counted as missed, official figures that differ from
            the strict ones by more than half a point.

    Raises:
        ValueError: one line, for an unknown protocol, option or format, and for inputs that are broken or do not fit.
        FileNotFoundError: when there is no such file or folder.
    """
    chosen = protocols(protocol, threshold_deg, options)
    twins = strict_twins(protocol, threshold_deg, options) if strict_twin else {}
    twins = {name: twin for name, twin in twins.items() if name + STRICT not in chosen}
    every = chosen | {name + STRICT: twin for name, twin in twins.items()}
    reading = Reading(reference_format, prediction_format, on_missing, on_repeat, on_class, workers, progress)
    counted = count(every, reference, prediction, reading)
    sums = {name: counted.sums[name] for name in chosen}
    result = summarize(chosen, sums, counted.clips if per_file else None, class_intervals)
    result["notes"] = list(counted.notes)
    for name, twin in twins.items():
        result["notes"] += strict_notes(name, chosen[name], sums[name], twin, counted.sums[name + STRICT])
    return result
