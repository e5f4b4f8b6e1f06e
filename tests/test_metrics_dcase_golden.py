"""What the official scorers gave on the clips of `dcase_scenes`, written in the layout of their year.

seld-dcase2019 e88c62b, 2020 384ad9b, 2021 f8e09db, 2022 c8adb1d, 2023 24d14c9, DCASE2024_seld_baseline 0b07887,
DCASE2025_seld_baseline 42a48b6, with np.float and np.NaN put back. Their jackknife fails in 2025.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from dcase_scenes import clips, clips_2019, tables, tables_2019
from scipy.stats import t as student

from seld.metrics.dcase import protocol

GOLDEN = json.loads((Path(__file__).parent / "dcase_golden.json").read_text())
CASES = [pytest.param(case, id=f"{case['protocol']}-{case['seed']}") for case in GOLDEN]
# Ten digits were kept.
EXACT = {"rtol": 1e-9, "atol": 1e-6, "equal_nan": True}


def counted(case):
    kind = protocol(case["protocol"], **case["options"])
    year = int(case["protocol"][5:9])
    scene = clips_2019(case["seed"]) if year == 2019 else clips(case["seed"])
    sides = tables_2019(scene) if year == 2019 else tables(scene, year)
    sums = kind.count(*sides, len(scene))
    return kind, sums, {name: value.sum(axis=0) for name, value in sums.items()}


def numbers(value):
    return np.array(value, dtype=np.float64)


@pytest.mark.parametrize("case", CASES)
def test_figures_are_the_official_ones(case):
    kind, _, total = counted(case)
    found = kind.score(total)
    assert found.keys() == case["figures"].keys()
    for name, expected in case["figures"].items():
        np.testing.assert_allclose(found[name], numbers(expected), err_msg=name, **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_counters_are_the_official_ones(case):
    _, _, total = counted(case)
    for name, expected in case["counters"].items():
        expected = numbers(expected)
        found = total[name] if expected.ndim else total[name].sum()
        if name.startswith(("total", "doa_loss_pred")):
            np.testing.assert_allclose(found, expected, err_msg=name, **EXACT)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.parametrize("case", [case for case in CASES if "classwise" in case.values[0]])
def test_class_wise_figures_are_the_official_ones(case):
    kind, _, total = counted(case)
    found = kind.tables(total)["classwise"]
    for name, expected in case["classwise"].items():
        np.testing.assert_allclose([found[c][name] for c in found], numbers(expected), err_msg=name, **EXACT)


@pytest.mark.parametrize("case", [case for case in CASES if "jackknife" in case.values[0]])
@pytest.mark.parametrize("by_class", [False, True], ids=["figures", "class-wise"])
def test_intervals_from_sums_left_out_are_the_official_ones(case, by_class):
    kind, sums, total = counted(case)
    assert kind.bias_corrected
    golden = case.get("class_jackknife", {}) if by_class else case["jackknife"]
    score = kind.classwise if by_class else kind.score
    whole, left_out = score(total), score({name: total[name] - value for name, value in sums.items()})
    clips_ = len(sums["TP"])
    for name, expected in golden.items():
        mean = left_out[name].mean(axis=0)
        estimate = whole[name] - (clips_ - 1) * (mean - whole[name])
        error = np.sqrt((clips_ - 1) * ((left_out[name] - mean) ** 2).mean(axis=0))
        reach = student.ppf(0.975, clips_ - 1) * error
        found = np.stack([estimate - reach, estimate + reach], axis=-1)
        np.testing.assert_allclose(found, numbers(expected), err_msg=name, **EXACT)
