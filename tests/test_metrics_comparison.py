import json

import numpy as np
import pandas as pd
import pytest

from seld.metrics import compare, comparison_text, evaluate
from seld.metrics.report import figure, flat, scores_text

CLIPS = 20


def system(error_deg: float, seed: int, clips: int = CLIPS) -> dict[str, pd.DataFrame]:
    """Each clip has ten frames of one source, off by about so many degrees."""
    rng = np.random.default_rng(seed)
    tables = {}
    for clip in range(clips):
        azimuth = np.abs(error_deg + 2 * rng.normal() + rng.normal(size=10)) if error_deg else 0.0
        rows = {"frame": range(10), "class": 0, "source": 0, "azimuth": azimuth, "elevation": 0.0}
        tables[f"clip{clip:02}"] = pd.DataFrame(rows)
    return tables


REFERENCE = system(0, 0)
GOOD, ALIKE, BAD = system(6, 1), system(6, 2), system(12, 3)


def row(result, first, second, name="LE"):
    (found,) = [
        row
        for row in result["differences"]
        if (row["prediction"], row["against"], row["figure"]) == (first, second, name)
    ]
    return found


def test_scores_are_those_of_evaluate():
    result = compare(REFERENCE, {"good": GOOD, "bad": BAD}, "doa+mot", resamples=50, per_file=True)
    expected = evaluate(REFERENCE, BAD, "doa+mot", per_file=True)
    expected.pop("notes")
    assert json.dumps(result["predictions"]["bad"]) == json.dumps(expected)
    assert row(result, "good", "bad")["difference"] == pytest.approx(
        evaluate(REFERENCE, GOOD)["LE"] - evaluate(REFERENCE, BAD)["LE"]
    )


def test_identical_predictions_do_not_differ():
    result = compare(REFERENCE, {"one": GOOD, "two": {name: table.copy() for name, table in GOOD.items()}})
    for difference in result["differences"]:
        assert (difference["difference"], difference["low"], difference["high"]) == (0, 0, 0)
        assert difference["p"] == difference["p_holm"] == 1


def test_a_better_prediction_is_told_from_one_of_the_same_quality():
    result = compare(REFERENCE, {"good": GOOD, "alike": ALIKE, "bad": BAD})
    better = row(result, "good", "bad")
    assert better["p"] == pytest.approx(2 / 2001) and better["high"] < -4 and better["low"] > -8
    assert row(result, "good", "alike")["p"] > 0.05
    assert row(result, "good", "bad")["p_holm"] == pytest.approx(3 * 2 / 2001)
    assert row(result, "good", "alike")["p_holm"] == row(result, "good", "alike")["p"]


def test_pairing_finds_what_unpaired_intervals_hide():
    """A degree more everywhere is certain, though clips differ by more than that."""
    worse = {name: table.assign(azimuth=table["azimuth"] + 1) for name, table in GOOD.items()}
    result = compare(REFERENCE, {"good": GOOD, "worse": worse})
    assert row(result, "good", "worse")["p"] < 0.01
    low, high = result["predictions"]["good"]["jackknife"]["LE"]
    assert high > result["predictions"]["worse"]["jackknife"]["LE"][0] and high - low > 1
    assert row(result, "good", "worse")["low"] == pytest.approx(-1)


def test_a_baseline_is_what_all_others_are_compared_with():
    three = {"good": GOOD, "alike": ALIKE, "bad": BAD}
    result = compare(REFERENCE, three, baseline="alike", resamples=50)
    assert {(row["prediction"], row["against"]) for row in result["differences"]} == {
        ("good", "alike"),
        ("bad", "alike"),
    }
    with pytest.raises(ValueError, match="baseline must be one of good, alike, bad, got 'none'"):
        compare(REFERENCE, three, baseline="none")


def test_the_same_seed_gives_the_same_result():
    both = {"good": GOOD, "alike": ALIKE}
    one, again, other = (compare(REFERENCE, both, resamples=100, seed=seed) for seed in (1, 1, 2))
    assert one == again != other


def test_clips_that_one_prediction_lacks():
    fewer = {name: table for name, table in BAD.items() if name != "clip03"}
    predictions = {"good": GOOD, "fewer": fewer}
    with pytest.raises(ValueError, match="reference without prediction: clip03"):
        compare(REFERENCE, predictions)
    skipped = compare(REFERENCE, predictions, on_missing="skip", resamples=50)
    assert skipped["clips"] == skipped["predictions"]["good"]["clips"] == CLIPS - 1
    rest = {name: table for name, table in GOOD.items() if name != "clip03"}
    of_rest = evaluate({name: REFERENCE[name] for name in rest}, rest)
    assert skipped["predictions"]["good"]["LE"] == of_rest["LE"]
    assert skipped["notes"] == [
        "fewer: reference without prediction, left out: 1 (clip03)",
        "compared on the 19 clips that all predictions have",
        "p-values of fewer than 20 clips are too small",
    ]
    missed = compare(REFERENCE, predictions, on_missing="miss", resamples=50)
    assert missed["predictions"]["fewer"]["LR"] == pytest.approx(19 / 20)


@pytest.mark.parametrize(
    ("predictions", "options", "message"),
    [
        ({"good": GOOD}, {}, "predictions must be two or more, got 1"),
        ({"good": GOOD, "bad": BAD}, {"resamples": 0}, "resamples must be >= 1, got 0"),
        ({"good": GOOD, "bad": BAD}, {"colour": "red"}, "colour must be an option of the protocol"),
        ({"good": GOOD, "bad": BAD}, {"workers": 0}, "workers must be >= 1"),
    ],
)
def test_what_does_not_fit_is_refused(predictions, options, message):
    with pytest.raises(ValueError, match=message):
        compare(REFERENCE, predictions, **options)


def test_figures_without_value_have_no_p_value():
    silent = {name: table.iloc[:0] for name, table in GOOD.items()}
    result = compare(REFERENCE, {"good": GOOD, "silent": silent}, resamples=50)
    difference = row(result, "good", "silent")
    assert all(np.isnan(difference[name]) for name in ("difference", "low", "high", "p", "p_holm"))
    assert row(result, "good", "silent", "LR")["difference"] == 1
    assert "-" in comparison_text(result)


def test_the_printed_table_has_every_figure_and_difference():
    result = compare(REFERENCE, {"good": GOOD, "bad": BAD}, "doa", resamples=100)
    lines = [line.split() for line in comparison_text(result, ["by_sources"]).splitlines()]
    by_name = {line[0]: line for line in lines if line}
    assert by_name["LE"][1] == figure(result["predictions"]["good"]["LE"])
    assert by_name["LE"][5] == figure(result["predictions"]["bad"]["LE"])
    (difference,) = [line for line in lines if line[:4] == ["good", "-", "bad", "LE"]]
    assert difference[4] == figure(row(result, "good", "bad")["difference"])
    assert difference[-1] == figure(row(result, "good", "bad")["p_holm"])
    assert scores_text(result["predictions"]["good"], ["by_sources"]).count("active sources") == 1


def test_the_flat_table_has_every_number():
    result = compare(REFERENCE, {"good": GOOD, "bad": BAD}, "dcase2022+doa", resamples=50, class_intervals=True)
    table = flat(result)
    of_class = table[(table["prediction"] == "bad") & (table["scope"] == "class") & (table["figure"] == "F")]
    assert of_class.set_index("name").loc[0, "value"] == result["predictions"]["bad"]["classwise"][0]["F"]
    assert of_class.set_index("name").loc[0, "low"] == result["predictions"]["bad"]["jackknife_classwise"][0]["F"][0]
    assert set(table["scope"]) == {"set", "class", "sources", "difference"}
    assert (table["scope"] == "difference").sum() == len(result["differences"])


def test_numbers_as_people_read_them():
    assert [figure(value) for value in (6.0, 0.1234, 200.0, -0.0001, np.nan, -np.inf)] == [
        "6",
        "0.123",
        "200",
        "0",
        "-",
        "-inf",
    ]
