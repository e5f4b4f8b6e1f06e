"""Results of `compare_seeds`, one for each of several groups of recordings, as tables in Markdown and for programs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seld.files import atomic_path

BEGIN, END = "<!-- results: written by recipes/compare.py -->", "<!-- end of results -->"
"""lines of a page, between which results are put"""

SHOWN = {"LE": 1, "F20": 3, "LR": 3, "LP": 3, "LF": 3, "MOTA": 3, "IDF1": 3, "switches": 0}
"""figure -> decimals"""
DIFFERENCES = ("LE", "F20", "LF", "MOTA", "IDF1")

Results = Mapping[str, Mapping[str, Any]]
"""group -> what `compare_seeds` returns"""


def scores_table(results: Results) -> str:
    """A line for each group and way: mean over seeds and interval of every figure."""
    lines = [["group", "way", "seeds", *SHOWN]]
    for group, result in results.items():
        for way, one in result["ways"].items():
            cells = [
                _cell(one["figures"][name], *one["intervals"][name], f".{decimals}f")
                for name, decimals in SHOWN.items()
            ]
            lines.append([group, f"`{way}`", str(len(one["seeds"])), *cells])
    return _markdown(lines)


def differences_table(results: Results) -> str:
    """A line for each group and way but the baseline: differences with interval and p-value; "" without any."""
    lines = []
    for group, result in results.items():
        rows = {(row["prediction"], row["figure"]): row for row in result["differences"]}
        for way in dict.fromkeys(way for way, _ in rows):
            cells = []
            for name in DIFFERENCES:
                row = rows[way, name]
                cell = _cell(row["difference"], row["low"], row["high"], f"+.{SHOWN[name]}f")
                cells.append(cell if cell == "-" else f"{cell} p {row['p_holm']:.2g}")
            lines.append([group, f"`{way}` - `{rows[way, DIFFERENCES[0]]['against']}`", *cells])
    return _markdown([["group", "difference", *DIFFERENCES], *lines]) if lines else ""


def flat(results: Results) -> pd.DataFrame:
    """Every figure in a row of its own.

    Returns:
        Columns `group`, `way`, `seed`, `against`, `figure`, `value`, `low`, `high`, `p`, `p_holm`. A row is the mean
        of a way (no seed, not against another), one of its seeds, or its difference from another way.
    """
    columns = ["group", "way", "seed", "against", "figure", "value", "low", "high", "p", "p_holm"]
    rows = [row for group, result in results.items() for row in _rows(group, result)]
    return pd.DataFrame(rows, columns=columns).astype({"seed": "Int64"})


def insert(page: Path, text: str) -> None:
    """Put the text between the markers of a page, in place of what stands there.

    Raises:
        ValueError: when the page has no such lines.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} must have lines {BEGIN} and {END}, got none")
    with atomic_path(page) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _rows(group: str, result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for way, one in result["ways"].items():
        for figure, value in one["figures"].items():
            low, high = one["intervals"][figure]
            yield {"group": group, "way": way, "figure": figure, "value": value, "low": low, "high": high}
        for seed, figures in one["by_seed"].items():
            for figure, value in figures.items():
                yield {"group": group, "way": way, "seed": seed, "figure": figure, "value": value}
    for row in result["differences"]:
        names = {"way": row["prediction"], "value": row["difference"]}
        yield names | {"group": group} | {key: row[key] for key in ("against", "figure", "low", "high", "p", "p_holm")}


def _cell(value: float, low: float, high: float, form: str) -> str:
    """A figure with its interval; a dash for one that is not defined."""
    if value != value:
        return "-"
    return f"{value:{form}} ({low:{form}} to {high:{form}})" if low == low else f"{value:{form}}"


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *body = lines
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *body])
