"""The worked examples of docs/metrics.md: what files hold, and which scores the page says they have."""

import io
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from seld.labels import read_rows
from seld.metrics import PROTOCOLS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "metrics.md"


class Scores(NamedTuple):
    """What an example says that a protocol gives."""

    protocol: str
    options: dict[str, str]
    expected: pd.DataFrame
    """figure, value as printed (text), and low and high where there are intervals"""


class Example(NamedTuple):
    reference: dict[str, str]
    """clip -> the file's text"""
    prediction: dict[str, str]
    scores: list[Scores]


def examples(page: str) -> dict[str, Example]:
    """The fenced blocks of the page: ```csv NAME SIDE [clip=CLIP], ```csv NAME PROTOCOL [OPTION=VALUE ...]."""
    found: dict[str, Example] = {}
    for words, text in re.findall(r"^```csv (.+?)\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE):
        name, what, *options = words.split()
        example = found.setdefault(name, Example({}, {}, []))
        given = dict(option.split("=") for option in options)
        if what in ("reference", "prediction"):
            getattr(example, what)[given.get("clip", name)] = text
        else:
            example.scores.append(Scores(what, given, pd.read_csv(io.StringIO(text), dtype=str)))
    return found


def rows_of(example: Example) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables of an example of one clip, read as its first protocol does."""
    protocol = PROTOCOLS[example.scores[0].protocol]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        tables = []
        for side in ("reference", "prediction"):
            path.write_text(next(iter(getattr(example, side).values())))
            tables.append(read_rows(path, getattr(protocol, f"{side}_format")))
    return tables[0], tables[1]
