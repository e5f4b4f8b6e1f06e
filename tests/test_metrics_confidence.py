import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from seld.metrics.confidence import (
    bootstrap,
    holm,
    jackknife,
    jackknife_tables,
    leave_one_out,
    percentile_interval,
    two_sided_p,
)


def ratio(sums):
    """Two figures of sums with any leading axes, one of them over two classes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"mean": sums["error"] / sums["pairs"], "F": (sums["hits"] / sums["pairs"][..., None]).mean(-1)}


def clips(seed: int, count: int):
    rng = np.random.default_rng(seed)
    return {
        "error": rng.uniform(0, 50, count),
        "pairs": rng.integers(1, 30, count).astype(float),
        "hits": rng.integers(0, 5, (count, 2)).astype(float),
    }


def test_the_interval_of_a_mean_is_that_of_student():
    """With one pair in each clip the figure is a plain mean, whose jackknife error is its standard error."""
    errors = np.array([2.0, 4.0, 9.0])
    sums = {"error": errors, "pairs": np.ones(3), "hits": np.ones((3, 2))}
    reach = student.ppf(0.975, 2) * errors.std(ddof=1) / np.sqrt(3)
    assert jackknife(sums, ratio)["mean"] == pytest.approx((5 - reach, 5 + reach))
    assert jackknife(sums, ratio)["F"] == (1, 1)


@pytest.mark.parametrize("bias_corrected", [False, True])
def test_same_as_leaving_out_clips_one_by_one(bias_corrected):
    sums = clips(0, 17)
    whole = {name: value.sum(0) for name, value in sums.items()}
    left_out = []
    for clip in range(17):
        rest = {name: np.delete(value, clip, axis=0).sum(0) for name, value in sums.items()}
        left_out.append(ratio(rest)["F"])
    theta, mean = ratio(whole)["F"], np.mean(left_out)
    bias = 16 * (mean - theta)
    error = np.sqrt(16 * np.mean((np.array(left_out) - mean) ** 2))
    centre = theta - bias if bias_corrected else theta
    reach = student.ppf(0.975, 16) * error
    assert jackknife(sums, ratio, bias_corrected)["F"] == pytest.approx((centre - reach, centre + reach), abs=1e-12)


def test_what_is_zero_without_a_clip_is_exactly_zero():
    angle = np.array([0.1, 0.2, 0.3, 0.0])
    left_out = leave_one_out({"angle": np.where(np.arange(4)[:, None] == [0, 1], angle[:, None], 0)})["angle"]
    assert left_out[0].tolist() == [0, 0.2] and left_out[1].tolist() == [0.1, 0]
    whole = leave_one_out({"angle": angle})["angle"]
    assert whole == pytest.approx(angle.sum() - angle)


def test_no_interval_of_one_clip_nor_of_an_undefined_figure():
    assert np.isnan(list(jackknife(clips(0, 1), ratio).values())).all()
    sums = {"error": np.array([1.0, 0.0]), "pairs": np.array([1.0, 0.0]), "hits": np.ones((2, 2))}
    assert np.isnan(jackknife(sums, ratio)["mean"]).all()  # 0 / 0 without the first clip


def test_intervals_of_a_table_are_those_of_its_figures():
    sums = clips(1, 9)

    def tables(of_set):
        return {"classwise": {kind: {"F": float(of_set["hits"][kind] / of_set["pairs"])} for kind in (0, 1)}}

    intervals = jackknife_tables(sums, tables, bias_corrected=True)
    for kind in (0, 1):
        alone = jackknife(sums, lambda s, kind=kind: {"F": s["hits"][..., kind] / s["pairs"]}, bias_corrected=True)
        assert intervals[kind]["F"] == pytest.approx(alone["F"])
    assert jackknife_tables(sums, lambda of_set: {}) == {}


def test_a_bootstrap_draws_the_same_clips_for_all_systems():
    sums = clips(2, 12)
    worse = sums | {"error": sums["error"] + sums["pairs"]}  # one degree more in every pair
    first, second, again = bootstrap([sums, worse, sums], ratio, resamples=300, seed=3)
    assert second["mean"] - first["mean"] == pytest.approx(np.ones(300))
    assert (first["mean"] == again["mean"]).all() and (first["F"] == second["F"]).all()
    assert first["mean"].std() > 0.1
    assert (bootstrap([sums], ratio, resamples=300, seed=4)[0]["mean"] != first["mean"]).any()


def test_the_spread_of_a_bootstrap_is_the_standard_error_of_a_mean():
    errors = np.random.default_rng(5).normal(10, 3, 40)
    sums = {"error": errors, "pairs": np.ones(40), "hits": np.ones((40, 2))}
    drawn = bootstrap([sums], ratio, resamples=4000)[0]["mean"]
    assert drawn.mean() == pytest.approx(errors.mean(), abs=0.03)
    assert drawn.std() == pytest.approx(errors.std() / np.sqrt(40), rel=0.05)
    low, high = percentile_interval(drawn)
    assert (drawn < low).mean() == pytest.approx(0.025, abs=0.001) and (drawn > high).mean() == pytest.approx(
        0.025, abs=0.001
    )


def test_p_values_by_hand():
    assert two_sided_p(np.zeros(99), 20) == 1  # identical predictions
    assert two_sided_p(np.ones(99), 20) == pytest.approx(2 / 100)
    assert two_sided_p(-np.ones(99), 20) == pytest.approx(2 / 100)
    assert two_sided_p(np.array([-1.0] * 9 + [1.0] * 90), 20) == pytest.approx(2 * 10 / 100)
    assert two_sided_p(np.full(99, 1e-14), 20) == 1  # rounding is no difference
    assert two_sided_p(np.ones(999), 3) == 1 / 4  # three clips can be exchanged in 8 ways
    assert np.isnan(two_sided_p(np.array([np.nan, np.inf]), 20))


def test_a_true_null_hypothesis_is_seldom_rejected():
    """Systems of equal quality: about 5 % of the comparisons have p < 0.05."""
    rng = np.random.default_rng(6)
    rejected = 0
    for trial in range(200):
        pairs = rng.integers(5, 30, 25).astype(float)
        one, two = ({"error": rng.gamma(4, 2, 25) * pairs, "pairs": pairs, "hits": np.ones((25, 2))} for _ in range(2))
        first, second = bootstrap([one, two], ratio, resamples=200, seed=trial)
        rejected += two_sided_p(first["mean"] - second["mean"], 25) < 0.05
    assert 2 <= rejected <= 22


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    corrected = holm([0.02, np.nan])
    assert corrected[0] == 0.02 and np.isnan(corrected[1])
    assert holm([]) == []


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(1e-4, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers_a_p_value(p_values):
    corrected = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
    assert all(1 >= after >= before for before, after in zip(p_values, corrected, strict=True))
