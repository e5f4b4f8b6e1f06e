import numpy as np
import pandas as pd
import pytest

from seld.metrics import compare, evaluate
from seld.metrics.seeds import compare_seeds
from seld.metrics.seeds_report import differences_table, flat, scores_table

CLIPS = 20


def clips(error_deg, spread_deg=0.0, seed=0):
    """Each clip has ten frames of one source, off by an angle that is drawn for each clip."""
    rng = np.random.default_rng(seed)
    tables = {}
    for clip in range(CLIPS):
        azimuth = error_deg + spread_deg * rng.random()
        rows = {"frame": range(10), "class": 0, "source": 0, "azimuth": azimuth, "elevation": 0.0}
        tables[f"clip{clip:02}"] = pd.DataFrame(rows)
    return tables


REFERENCE = clips(0)
THREE = {"steady": {seed: clips(seed + 1) for seed in (0, 1, 2)}}  # LE of 1, 2 and 3 degrees


def difference(result, figure="LE"):
    (found,) = [row for row in result["differences"] if row["figure"] == figure]
    return found


def test_with_one_seed_it_is_the_paired_bootstrap_over_clips():
    first, second = clips(4, 6, seed=1), clips(5, 6, seed=2)
    result = compare_seeds(REFERENCE, {"a": {7: first}, "b": {3: second}}, "doa+mot", baseline="b")
    expected = compare(REFERENCE, {"a": first, "b": second}, "doa+mot", baseline="b")
    for name, value in result["ways"]["a"]["figures"].items():
        assert value == pytest.approx(expected["predictions"]["a"][name], nan_ok=True)
    for ours, its in zip(result["differences"], expected["differences"], strict=True):
        for key in ("figure", "difference", "low", "high", "p"):
            assert ours[key] == pytest.approx(its[key], nan_ok=True), (ours["figure"], key)


def test_figures_are_means_over_seeds_and_those_of_each_seed_are_kept():
    one = compare_seeds(REFERENCE, THREE, "doa+mot")["ways"]["steady"]
    assert one["figures"]["LE"] == pytest.approx(2) and one["seeds"] == [0, 1, 2]
    for seed, rows in THREE["steady"].items():
        assert one["by_seed"][seed]["MOTP"] == pytest.approx(evaluate(REFERENCE, rows, "mot")["MOTP"])


def test_intervals_hold_what_comes_from_the_seeds():
    # All clips are alike. One in 27 draws has the lowest seed three times, which is more than 2.5 %.
    low, high = compare_seeds(REFERENCE, THREE)["ways"]["steady"]["intervals"]["LE"]
    assert (low, high) == (pytest.approx(1), pytest.approx(3))


def test_what_seeds_and_clips_have_in_common_cancels():
    runs = {
        "worse": {seed: clips(seed + 2, 5, seed) for seed in range(3)},
        "better": {seed: clips(seed + 1, 5, seed) for seed in range(3)},
    }
    result = compare_seeds(REFERENCE, runs, baseline="better")
    row = difference(result)
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((1, 1, 1), abs=1e-6)
    assert row["p"] == pytest.approx(2 / 2001)
    low, high = result["ways"]["better"]["intervals"]["LE"]
    assert high - low > 1


def test_ways_of_unlike_seeds_that_vary_more_than_they_differ_are_not_told_apart():
    runs = {
        "a": {seed: clips(2 + 3 * (seed % 2)) for seed in range(4)},
        "b": {seed: clips(3 + seed) for seed in (0, 1)},
    }
    row = difference(compare_seeds(REFERENCE, runs, baseline="b"))
    assert row["low"] < 0 < row["high"] and row["p"] > 0.05


def test_p_values_are_corrected_for_the_number_of_ways():
    runs = {name: {0: clips(error, 3, seed=error)} for name, error in (("a", 1), ("b", 5), ("c", 9))}
    rows = [row for row in compare_seeds(REFERENCE, runs, baseline="a")["differences"] if row["figure"] == "LE"]
    assert [row["p_holm"] for row in rows] == pytest.approx([2 * row["p"] for row in rows])


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="runs must be at least one, got none"):
        compare_seeds(REFERENCE, {"a": {}})
    with pytest.raises(ValueError, match="baseline must be one of steady, got 'b'"):
        compare_seeds(REFERENCE, THREE, baseline="b")
    with pytest.raises(ValueError, match="resamples must be >= 1, got 0"):
        compare_seeds(REFERENCE, THREE, resamples=0)


@pytest.fixture(scope="module")
def results():
    runs = THREE | {"exact": {0: clips(0)}, "silent": {0: {name: rows[:0] for name, rows in REFERENCE.items()}}}
    return {"2 sources": compare_seeds(REFERENCE, runs, "doa+mot", baseline="exact")}


def test_tables_show_means_and_intervals(results):
    lines = scores_table(results).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| 2 sources | `steady` | 3 | 2.0 (1.0 to 3.0) | 1.000 (1.000 to 1.000) |")
    assert lines[4].startswith("| 2 sources | `silent` | 1 | - | 0.000 (0.000 to 0.000) |")
    lines = differences_table(results).splitlines()
    assert lines[2].startswith("| 2 sources | `steady` - `exact` | +2.0 (+1.0 to +3.0) p 0.001 |")
    assert len(lines) == 4 and lines[3].startswith(
        "| 2 sources | `silent` - `exact` | - | -1.000 (-1.000 to -1.000) p "
    )


def test_without_a_baseline_there_is_no_table_of_differences():
    assert differences_table({"": compare_seeds(REFERENCE, THREE, "doa+mot")}) == ""


def test_every_figure_is_a_row_for_programs(results):
    table = flat(results)
    means = table[table["seed"].isna() & table["against"].isna() & (table["figure"] == "LE")].set_index("way")
    assert means.loc["steady", ["value", "low", "high"]].tolist() == pytest.approx([2, 1, 3])
    seeds = table[(table["way"] == "steady") & (table["figure"] == "LE")].dropna(subset="seed")
    assert dict(zip(seeds["seed"], seeds["value"], strict=True)) == pytest.approx({0: 1, 1: 2, 2: 3})
    against = table[(table["against"] == "exact") & (table["figure"] == "LE") & (table["way"] == "steady")]
    assert against["p_holm"].item() == pytest.approx(2 / 2001)
