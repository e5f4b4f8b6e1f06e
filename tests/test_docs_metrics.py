"""The page about metrics keeps its word: its worked examples are evaluated, its names exist, its figures are there."""

import re
from pathlib import Path

import pytest

from seld.labels import FORMATS
from seld.metrics import PROTOCOLS, evaluate

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "metrics.md").read_text()


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        from metrics_examples import examples

        return examples(PAGE)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", sorted(set(re.findall(r"^```csv (\S+) reference", PAGE, flags=re.MULTILINE))))
def test_examples_have_the_scores_that_are_printed(found, name, tmp_path):
    example = found[name]
    assert example.scores
    for side in ("reference", "prediction"):
        (tmp_path / side).mkdir()
        for clip, text in getattr(example, side).items():
            (tmp_path / side / f"{clip}.csv").write_text(text)
    for scores in example.scores:
        result = evaluate(tmp_path / "reference", tmp_path / "prediction", scores.protocol, **scores.options)
        assert len(scores.expected)
        for row in scores.expected.itertuples():
            value = result[row.figure] if row.figure in result else total(result["counters"][row.figure])
            assert value == printed(row.value), (scores.protocol, row.figure)
            if "low" in scores.expected:
                assert result["jackknife"][row.figure] == (printed(row.low), printed(row.high))


def test_every_protocol_has_an_example(found):
    shown = {scores.protocol for example in found.values() for scores in example.scores}
    shown.add("dcase2023")  # the same as dcase2022
    assert {name.removesuffix("_strict") for name in PROTOCOLS} <= shown


def test_every_protocol_and_format_is_named():
    for name in (*PROTOCOLS, *FORMATS):
        plain = name.removesuffix("_strict")
        assert f"`{plain}`" in PAGE, name


def test_options_that_are_named_exist():
    options = set(re.findall(r"`(\w+)=[\"\w]", PAGE)) - {"on_class", "on_repeat", "on_missing", "use_polar_format"}
    known = {field for name in PROTOCOLS for field in PROTOCOLS[name]().__dataclass_fields__} | {"cartesian"}
    assert options - {"threshold_deg"} <= known
    assert len(options) > 10


def test_figures_exist_and_are_small():
    shown = set(re.findall(r"!\[.*?\]\((.*?)\)", PAGE))
    drawn = {f"figures/{path.name}" for path in (ROOT / "docs" / "figures").iterdir()}
    elsewhere = set(re.findall(r"!\[.*?\]\((.*?)\)", (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")))
    assert shown | elsewhere == drawn
    assert sum((ROOT / "docs" / path).stat().st_size for path in shown) < 600_000


def test_links_within_the_page_lead_somewhere():
    titles = re.findall(r"^#+ (.*)$", PAGE, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    anchors |= set(re.findall(r'<a id="(.*?)">', PAGE))
    assert set(re.findall(r"\]\(#(.*?)\)", PAGE)) <= anchors


def total(counter: float | list[float]) -> float:
    return sum(counter) if isinstance(counter, list) else counter


def printed(text: str):
    """Equal to what rounds to this text."""
    decimals = len(text.partition(".")[2])
    return pytest.approx(float(text), abs=0.5 * 10**-decimals + 1e-9, rel=0)
