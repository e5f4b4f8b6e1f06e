"""Results of `evaluate` and `compare` as text for people and as one flat table for programs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

TABLES = {"by_sources": "active sources", "classwise": "class", "files": "file"}
"""tables within a result -> what their rows are"""


def scores_text(result: Mapping[str, Any], tables: Sequence[str] = ("by_sources",)) -> str:
    """One line for each score with its interval, then the tables that are asked for, then the notes."""
    lines = [f"{result['clips']} clips"]
    rows = [(name, figure(result[name]), interval(*bounds)) for name, bounds in result["jackknife"].items()]
    lines += _aligned([("", "score", "95 % interval"), *rows], left=(0, 2))
    for table in tables:
        if result.get(table):
            lines += ["", *_table(result, table)]
    return "\n".join(lines + _notes(result))


def comparison_text(result: Mapping[str, Any], tables: Sequence[str] = ()) -> str:
    """The scores of all predictions side by side with their intervals, then the differences with their p-values."""
    systems = result["predictions"]
    names = next(iter(systems.values()))["jackknife"]
    rows = [[""] + [part for system in systems for part in (system, "95 % interval")]]
    for name in names:
        parts = ((figure(of[name]), interval(*of["jackknife"][name])) for of in systems.values())
        rows.append([name, *(part for both in parts for part in both)])
    lines = [f"{result['clips']} clips", *_aligned(rows, left=(0, *range(2, len(rows[0]), 2)))]
    header = ("", "", "difference", "95 % interval", "p", "p (Holm)")
    rows = [
        (f"{row['prediction']} - {row['against']}", row["figure"], figure(row["difference"]),
         interval(row["low"], row["high"]), figure(row["p"]), figure(row["p_holm"]))
        for row in sorted(result["differences"], key=lambda row: (row["prediction"], row["against"]))
    ]  # fmt: skip
    lines += ["", *_aligned([header, *rows], left=(0, 1, 3))]
    for name, of_system in systems.items():
        for table in tables:
            if of_system.get(table):
                lines += ["", name, *_table(of_system, table)]
    return "\n".join(lines + _notes(result))


def flat(result: Mapping[str, Any]) -> pd.DataFrame:
    """Every figure in a row of its own, of a result of `evaluate` or of `compare`.

    Returns:
        Columns `prediction` (empty without `compare`), `scope` (set, class, sources, file or difference), `name`
        (of the class, the file, or the prediction that is compared with), `figure`, `value`, `low`, `high`, and
        `p`, `p_holm` of differences.
    """
    if "predictions" not in result:
        rows = list(_flat_rows("", result))
    else:
        rows = [row for name, of_system in result["predictions"].items() for row in _flat_rows(name, of_system)]
        for row in result["differences"]:
            values = [row[key] for key in ("difference", "low", "high", "p", "p_holm")]
            rows.append((row["prediction"], "difference", row["against"], row["figure"], *values))
    columns = ["prediction", "scope", "name", "figure", "value", "low", "high", "p", "p_holm"]
    return pd.DataFrame(rows, columns=columns)


def figure(value: float) -> str:
    """At most three decimals: ratios, degrees and counts side by side."""
    if np.isnan(value):
        return "-"
    text = f"{value:.3f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def interval(low: float, high: float) -> str:
    return "" if np.isnan(low) or np.isnan(high) else f"{figure(low)} to {figure(high)}"


def _table(result: Mapping[str, Any], table: str) -> list[str]:
    rows = result[table]
    names = list(next(iter(rows.values())))
    cells = [[str(row), *(figure(values[name]) for name in names)] for row, values in rows.items()]
    return _aligned([[TABLES[table], *names], *cells], left=(0,))


def _flat_rows(prediction: str, result: Mapping[str, Any]) -> Iterator[tuple]:
    nan = np.nan
    for name, (low, high) in result["jackknife"].items():
        yield prediction, "set", "", name, result[name], low, high, nan, nan
    for table, scope in (("classwise", "class"), ("by_sources", "sources"), ("files", "file")):
        intervals = result.get("jackknife_classwise", {}) if scope == "class" else {}
        for row, values in result.get(table, {}).items():
            for name, value in values.items():
                low, high = intervals.get(row, {}).get(name, (nan, nan))
                yield prediction, scope, row, name, value, low, high, nan, nan


def _aligned(rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """Lines of columns two spaces apart, those in `left` aligned to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _notes(result: Mapping[str, Any]) -> list[str]:
    return ["", *(f"note: {note}" for note in result["notes"])] if result.get("notes") else []
