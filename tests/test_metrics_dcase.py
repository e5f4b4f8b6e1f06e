"""What holds for every DCASE protocol, official and strict."""

import numpy as np
import pytest
from dcase_scenes import table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from seld.geometry import degrees_from_unit, unit_from_degrees
from seld.metrics.dcase import PRESETS, protocol

NAMES = sorted(PRESETS)
STRICT = [name for name in NAMES if name.endswith("_strict")]
SPHERE = [name for name in NAMES if "2019" not in name and "2025" not in name] + ["dcase2019_strict"]
WITH_THRESHOLD = [name for name in NAMES if "2019" not in name]
CLIPS = 3
seeds = st.integers(0, 10**6)
quick = settings(max_examples=4, deadline=None)


def scene(seed):
    """References and predictions of three clips: up to three sources a class, errors of all sizes, random order."""
    rng = np.random.default_rng(seed)
    references, predictions = [], []
    for clip in range(CLIPS):
        for source in range(rng.integers(0, 6)):
            start, length = rng.integers(0, 40), rng.integers(1, 30)
            class_, onscreen = rng.integers(0, 3), rng.integers(0, 2)
            azimuth, elevation, distance = rng.uniform(-180, 180), rng.uniform(-80, 80), rng.uniform(0.5, 5)
            error = rng.choice([3, 15, 40])
            for frame in range(start, start + length):
                references.append((clip, frame, class_, source, azimuth, elevation, distance, onscreen))
                if rng.random() < 0.8:
                    wrong = rng.normal(0, error, 2), rng.normal(0, 1), rng.random() < 0.2
                    place = (azimuth + wrong[0][0], np.clip(elevation + wrong[0][1], -90, 90))
                    predictions.append((clip, frame, class_, source, *place, distance + abs(wrong[1]), wrong[2]))
        predictions.append((clip, rng.integers(0, 80), rng.integers(0, 13), 0, 10.0, 10.0))
    return tuple(table([side[i] for i in rng.permutation(len(side))]) for side in (references, predictions))


def figures(name, reference, prediction, clips=CLIPS, **options):
    kind = protocol(name, **options)
    total = {key: value.sum(axis=0) for key, value in kind.count(reference, prediction, clips).items()}
    return {key: float(value) for key, value in kind.score(total).items()}


def same(a, b, tolerance=0.0):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=tolerance, equal_nan=True, err_msg=name)


PERFECT = {"ER": 0, "F": 1, "LE": 0, "LR": 1, "DistE": 0, "RelDistE": 0, "OnscreenAcc": 1, "SELD": 0, "DOA_error": 0,
           "frame_recall": 1}  # fmt: skip


@quick
@given(seeds)
@pytest.mark.parametrize("name", STRICT)
def test_a_perfect_prediction_is_perfect_under_strict(name, seed):
    reference, _ = scene(seed)
    if len(reference):
        same(figures(name, reference, reference), {key: PERFECT[key] for key in figures(name, reference, reference)})


@quick
@given(seeds)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in STRICT and "2019" not in name])
def test_a_perfect_prediction_scores_what_the_year_allows(name, seed):
    # One source per class, resting, and enough frames for any tail rule: only absent classes and the 1e-10 are left.
    reference = table(
        [(clip, frame, clip, 0, 30.0 * seed % 360 - 180, 10.0) for clip in range(3) for frame in range(25)]
    )
    found = figures(name, reference, reference)
    macro = protocol(name).average == "macro"
    assert found["F"] == pytest.approx(3 / 13 if macro else 1)
    assert found.get("ER", 0) == 0
    assert found["LE"] == pytest.approx(180 * 10 / 13 if name in ("dcase2022", "dcase2023") else 0, abs=1e-3)


@quick
@given(seeds)
@pytest.mark.parametrize("name", SPHERE)
def test_rotating_both_sides_changes_nothing(name, seed):
    reference, prediction = scene(seed)
    # Whole degrees make exact ties, and so do several estimates at a pole, which official protocols break by order.
    prediction["azimuth"] = prediction["azimuth"] * 0.99 + np.random.default_rng(seed).uniform(0, 1, len(prediction))
    if name not in STRICT:
        prediction["elevation"] *= 0.99
    rotation = Rotation.random(random_state=seed).as_matrix().T
    turned = []
    for side in (reference, prediction):
        vector = unit_from_degrees(side["azimuth"].to_numpy(), side["elevation"].to_numpy()) @ rotation
        azimuth, elevation = degrees_from_unit(vector)
        turned.append(side.assign(azimuth=azimuth, elevation=elevation))
    # The arccos of the official forms is uncertain by 1e-6 degrees near 0.
    same(figures(name, reference, prediction), figures(name, *turned), tolerance=1e-5)


@pytest.mark.parametrize("name", ["dcase2023_strict", "dcase2024_strict"])
def test_estimates_of_one_direction_are_told_apart_by_distance_however_the_scene_is_turned(name):
    # Two estimates at the pole, equally far from the one source: which of them is paired decides the distance error.
    reference = table([(0, 0, 0, 0, 20.0, 70.0, 2.0)])
    prediction = table([(0, 0, 0, 0, 150.0, 90.0, 5.0), (0, 0, 0, 1, -60.0, 90.0, 3.0)])
    turned = prediction.assign(azimuth=[-60.0, 150.0])
    same(figures(name, reference, prediction), figures(name, reference, turned))
    same(figures(name, reference, prediction), figures(name, reference, prediction[::-1]))


@quick
@given(seeds, st.floats(1, 90), st.floats(1, 90))
@pytest.mark.parametrize("name", WITH_THRESHOLD)
def test_a_rising_threshold_never_lowers_f(name, seed, a, b):
    low, high = (figures(name, *scene(seed), threshold_deg=threshold)["F"] for threshold in sorted((a, b)))
    assert not low > high


@quick
@given(seeds)
@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_clips_changes_nothing(name, seed):
    sides = scene(seed)
    turned = (side.assign(clip=(side["clip"] + 1) % CLIPS) for side in sides)
    # The tables come sorted by clip, the rows of one clip in the order of its file.
    there = [side.sort_values("clip", kind="stable") for side in turned]
    here = [side.sort_values("clip", kind="stable") for side in sides]
    before, after = (protocol(name).count(*both, CLIPS) for both in (here, there))
    for key in before:
        np.testing.assert_array_equal(np.roll(before[key], 1, axis=0), after[key], err_msg=key)


@quick
@given(seeds)
@pytest.mark.parametrize("name", STRICT)
def test_the_order_of_rows_changes_nothing_under_strict(name, seed):
    sides = scene(seed)
    shuffled = (side.sample(frac=1, random_state=seed) for side in sides)
    same(figures(name, *sides), figures(name, *shuffled), tolerance=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_sums_of_clips_do_not_depend_on_the_others(name):
    reference, prediction = scene(3)
    kind = protocol(name)
    together = kind.count(reference, prediction, CLIPS)
    for clip in range(CLIPS):
        one = kind.count(*(side[side["clip"] == clip].assign(clip=0) for side in (reference, prediction)), 1)
        for key in together:
            np.testing.assert_allclose(one[key][0], together[key][clip], rtol=0, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_many_sums_are_those_of_each(name):
    kind = protocol(name)
    sums = kind.count(*scene(5), CLIPS)
    together = kind.score(sums)
    for clip in range(CLIPS):
        one = kind.score({key: value[clip] for key, value in sums.items()})
        same({key: value[clip] for key, value in together.items()}, one)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_at_all_is_counted_as_nothing(name):
    silence = table([]).astype(object)
    kind = protocol(name)
    sums = kind.count(silence, silence, 2)
    # Apart from frames of silence that are rightly silent.
    assert not any(value.any() for key, value in sums.items() if key not in ("nb_frames", "nb_good_pks", "TN"))
    assert kind.score({key: value.sum(axis=0) for key, value in sums.items()}).keys() == kind.score(sums).keys()


@quick
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 10**7), st.integers(-2, 20), st.integers(-3, 12),
                          st.floats(-720, 720), st.floats(-90, 90), st.floats(0, 1e6)), max_size=8), seeds)  # fmt: skip
@pytest.mark.parametrize("name", NAMES)
def test_any_numbers_are_counted(name, rows, seed):
    side = table(rows)
    for sums in (protocol(name).count(side, side.sample(frac=0.7, random_state=seed), 2),):
        assert all(np.isfinite(value).all() and (value >= 0).all() for value in sums.values())


@pytest.mark.parametrize("name", NAMES)
def test_formats_are_those_of_the_year(name):
    year = name[:9]
    kind = protocol(name)
    assert kind.reference_format == year
    assert kind.prediction_format == (year if year == "dcase2025" else f"{year}_output")
    assert kind.bias_corrected == (year >= "dcase2022")


def test_class_wise_figures_come_by_class():
    kind = protocol("dcase2022")
    total = {key: value.sum(axis=0) for key, value in kind.count(*scene(7), CLIPS).items()}
    table_ = kind.tables(total)["classwise"]
    assert list(table_) == list(range(13))
    assert np.mean([table_[c]["F"] for c in table_]) == pytest.approx(float(kind.score(total)["F"]))
