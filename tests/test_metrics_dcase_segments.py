"""Each quirk of the scorers of 2020 to 2023, small enough for paper, and what the strict protocol makes of it."""

import numpy as np
import pytest
from dcase_scenes import table

from seld.metrics.dcase import protocol


def counters(name, references, predictions, **options):
    """Sums over classes, and over the one clip, of rows (frame, class, source, azimuth, elevation)."""
    sides = (table([(0, *row) for row in side]) for side in (references, predictions))
    return {key: float(value.sum()) for key, value in protocol(name, **options).count(*sides, 1).items()}


def figures(name, references, predictions, **options):
    kind = protocol(name, **options)
    sides = (table([(0, *row) for row in side]) for side in (references, predictions))
    sums = {key: value.sum(axis=0) for key, value in kind.count(*sides, 1).items()}
    return {key: float(value) for key, value in kind.score(sums).items()}


def during(frames, class_=0, source=0, azimuth=0.0, elevation=0.0):
    return [(frame, class_, source, azimuth, elevation) for frame in frames]


def by_time(*tracks):
    return sorted((row for track in tracks for row in track), key=lambda row: row[0])


SECOND = range(10)
UP_TO_9 = during([15], class_=5)
"""a reference that makes the clip two segments long"""


def test_a_clip_by_hand():
    references = during(range(20)) + during(range(20), class_=1, azimuth=90)
    # Class 0: 10 degrees off in the first second, 40 in the other; class 1 in the first second only; class 2 never.
    predictions = during(SECOND, azimuth=10) + during(range(10, 20), azimuth=40)
    predictions += during(SECOND, class_=1, azimuth=90) + during(range(10, 20), class_=2)
    found = counters("dcase2022", references, predictions)
    assert found == pytest.approx(
        {
            "TP": 2, "FP_spatial": 1, "FP": 1, "FN": 1, "Nref": 4, "S": 1, "D": 0, "I": 1,
            "DE_TP": 3, "DE_FP": 1, "DE_FN": 1, "total_DE": 50,
        },
        abs=1e-4,
    )  # fmt: skip
    micro = figures("dcase2022", references, predictions, average="micro")
    assert micro["ER"] == pytest.approx(2 / 4)
    assert micro["F"] == pytest.approx(2 / (2 + 1 + 0.5 * 2))
    assert micro["LE"] == pytest.approx(50 / 3, abs=1e-5)
    assert micro["LR"] == pytest.approx(3 / 4)
    assert micro["SELD"] == pytest.approx(np.mean([0.5, 0.5, 50 / 3 / 180, 0.25]), abs=1e-6)
    macro = figures("dcase2022", references, predictions, classes=3)
    assert macro["ER"] == pytest.approx(2 / 4), "one number for all classes, also in macro"
    assert macro["F"] == pytest.approx(np.mean([0.5, 1 / 1.5, 0]))
    assert macro["LE"] == pytest.approx(np.mean([25, 0, 180]), abs=1e-5)
    assert macro["LR"] == pytest.approx(np.mean([1, 0.5, 0]))
    strict = figures("dcase2022_strict", references, predictions, classes=3)
    assert strict["LE"] == pytest.approx(np.mean([25, 0])), "nothing to average in class 2"
    assert strict["LR"] == pytest.approx(np.mean([1, 0.5]))
    assert strict["F"] == pytest.approx(macro["F"]), "a class with false alarms alone does occur"
    assert strict["SELD"] == pytest.approx(np.mean([0.5, 1 - macro["F"], 12.5 / 180, 0.25]))
    worst = [[0.5, 0.5, 25 / 180, 0], [0.5, 1 / 3, 0, 0.5], [0.5, 1, 1, 1]]
    assert macro["SELD"] == pytest.approx(np.mean(worst), abs=1e-6)


def test_2020_adds_up_the_angles_of_a_class():
    references = by_time(during(SECOND), during(SECOND, source=1, azimuth=90))
    predictions = by_time(during(SECOND, azimuth=15), during(SECOND, source=1, azimuth=105))
    found = counters("dcase2020", references, predictions)
    assert (found["TP"], found["FN"], found["FP"], found["total_DE"]) == (0, 1, 0, pytest.approx(30))
    assert counters("dcase2021", references, predictions)["TP"] == 2


def test_2020_counts_a_class_once_however_many_sources():
    references = by_time(during(SECOND), during(SECOND, source=1, azimuth=90))
    found = counters("dcase2020", references, during(SECOND))
    assert (found["Nref"], found["TP"], found["FN"]) == (1, 1, 0)
    found = counters("dcase2020_strict", references, during(SECOND))
    assert (found["Nref"], found["TP"], found["FN"]) == (2, 1, 1)


def test_2020_calls_an_f_score_recall():
    found = figures("dcase2020", during(SECOND), during(SECOND) + during(SECOND, class_=1))
    assert found["LR"] == pytest.approx(2 / 3)
    assert figures("dcase2020_strict", during(SECOND), during(SECOND) + during(SECOND, class_=1))["LR"] == 1


def test_2020_and_2021_end_after_a_minute():
    for name in ("dcase2020", "dcase2021"):
        assert counters(name, during([599, 600]), [])["Nref"] == 1
        assert counters(f"{name}_strict", during([599, 600]), [])["Nref"] == 2


def test_2020_takes_rows_without_common_frame_for_a_miss():
    found = counters("dcase2020", during([0]), during([5]))
    assert (found["FN"], found["FP"], found["DE_TP"]) == (1, 0, 0)


def test_a_spatial_error_weighs_half_in_2021():
    references = during(SECOND) + during(SECOND, class_=1) + UP_TO_9
    predictions = during(SECOND) + during(SECOND, class_=1, azimuth=60) + UP_TO_9
    hit_and_miss = references[:-1], predictions[:-1]
    assert figures("dcase2021", *hit_and_miss)["F"] == pytest.approx(2 / 3)
    assert figures("dcase2022", *hit_and_miss, average="micro")["F"] == pytest.approx(1 / 2)
    assert figures("dcase2021_strict", *hit_and_miss)["F"] == pytest.approx(1 / 2)
    assert counters("dcase2021", *hit_and_miss)["FP"] == 1


@pytest.mark.parametrize("name", ["dcase2022", "dcase2023"])
def test_an_absent_class_is_as_bad_as_can_be(name):
    found = figures(name, during(range(12)), during(range(12)))
    assert found["ER"] == 0
    assert found["F"] == pytest.approx(1 / 13)
    assert found["LE"] == pytest.approx(180 * 12 / 13)
    assert found["LR"] == pytest.approx(1 / 13)
    assert found["SELD"] == pytest.approx(0.75 * 12 / 13)
    assert figures(f"{name}_strict", during(range(12)), during(range(12))) == {
        "ER": 0, "F": 1, "LE": 0, "LR": 1, "SELD": 0,
    }  # fmt: skip


def test_a_track_is_a_row_position_and_gets_the_mean_of_its_angles():
    predictions = [(frame, 0, 0, 10.0 if frame % 2 else 40.0, 0.0) for frame in SECOND]
    found = counters("dcase2022", during(SECOND), predictions)
    assert (found["TP"], found["FP_spatial"], found["total_DE"]) == (0, 1, pytest.approx(25))


def test_swapped_rows_make_two_tracks_out_of_pieces():
    a, b = during(SECOND), during(SECOND, source=1, azimuth=120)
    predictions = by_time(a, during(SECOND, source=1, azimuth=170))
    swapped = [row for frame in SECOND for row in ((a[frame], b[frame]) if frame % 2 else (b[frame], a[frame]))]
    for references, f in ((by_time(a, b), 0.5), (swapped, 0.0)):
        assert figures("dcase2022", references, predictions, average="micro")["F"] == pytest.approx(f)
        assert figures("dcase2022_strict", references, predictions)["F"] == 0.5


def test_one_prediction_that_alternates_finds_both_and_misses_one():
    references = by_time(during(SECOND), during(SECOND, source=1, azimuth=120))
    predictions = [(frame, 0, 0, 120.0 * (frame % 2), 0.0) for frame in SECOND]
    found = counters("dcase2022", references, predictions)
    assert (found["DE_TP"], found["FN"], found["Nref"]) == (2, 1, 2)
    found = counters("dcase2022_strict", references, predictions)
    assert (found["DE_TP"], found["FN"], found["Nref"]) == (2, 0, 2)


def test_rows_that_coincide_once_count_once():
    references = by_time(during([0]), during([0], source=1, azimuth=90)) + UP_TO_9
    predictions = during([0]) + during([5]) + during([5], azimuth=90) + UP_TO_9
    found = counters("dcase2022", references, predictions)
    assert (found["TP"], found["FN"], found["FP"], found["Nref"]) == (2, 0, 0, 3)
    found = counters("dcase2022_strict", references, predictions)
    assert (found["TP"], found["FN"], found["FP"], found["Nref"]) == (2, 1, 0, 3)


def test_predictions_beside_a_reference_are_misses():
    references, predictions = during([0]) + UP_TO_9, during([5]) + during([5], azimuth=90)
    found = counters("dcase2022", references, predictions)
    assert (found["FN"], found["FP"], found["Nref"]) == (2 + 1, 0, 2)
    found = counters("dcase2022_strict", references, predictions)
    assert (found["FN"], found["FP"], found["Nref"]) == (1 + 1, 2, 2)


def test_a_reference_in_the_first_frame_alone_has_no_segment():
    assert counters("dcase2022", during([0]), during([0]))["Nref"] == 0
    assert counters("dcase2022_strict", during([0]), during([0]))["TP"] == 1


def test_a_last_frame_that_is_a_multiple_of_ten_is_lost():
    for last, segments in ((9, 1), (10, 1), (11, 2)):
        assert counters("dcase2022", during(range(last + 1)), [])["Nref"] == segments
    assert counters("dcase2022_strict", during(range(11)), [])["Nref"] == 2


def test_false_alarms_after_the_last_reference_are_free():
    late = during(range(100, 700))
    assert figures("dcase2022", during(SECOND), during(SECOND) + late)["ER"] == 0
    assert figures("dcase2022_strict", during(SECOND), during(SECOND) + late)["ER"] == 60
    assert figures("dcase2021", during(SECOND), during(SECOND) + late)["ER"] == pytest.approx(50)


def test_classes_beyond_the_list_are_ignored():
    assert counters("dcase2022", during(SECOND), during(SECOND) + during(SECOND, class_=13))["FP"] == 0
    assert counters("dcase2022", during(SECOND, class_=13), [])["Nref"] == 0


def test_errors_of_all_classes_in_a_segment_make_substitutions():
    found = counters("dcase2022", during(SECOND), during(SECOND, class_=1) + during(SECOND, class_=2))
    assert (found["S"], found["D"], found["I"]) == (1, 0, 1)


def test_an_error_of_exactly_the_threshold_is_a_matter_of_rounding():
    references = [(10 * i + 5, 0, 0, float(i - 180), 0.0) for i in range(360)]
    predictions = [(frame, 0, 0, azimuth + 20, 0.0) for frame, _, _, azimuth, _ in references]
    assert 0 < counters("dcase2022", references, predictions)["TP"] < 360
    assert counters("dcase2022", references, predictions, cartesian=True)["TP"] == 0
    assert counters("dcase2022_strict", references, predictions)["TP"] == 360


def test_ties_depend_on_the_order_of_rows_in_the_official_protocols_alone():
    rng = np.random.default_rng(0)
    differ = {"dcase2022": 0, "dcase2022_strict": 0}
    for _ in range(20):
        # On the horizon, on a grid of 10 degrees: many assignments have the same sum of angles.
        references, predictions = (
            [(frame, 0, source, 10.0 * rng.integers(0, 6), 0.0) for frame in range(12) for source in range(3)]
            for _ in range(2)
        )
        for name in differ:
            kept, turned = (
                figures(name, references[::step], predictions[::step], average="micro", threshold_deg=15)
                for step in (1, -1)
            )
            differ[name] += kept != pytest.approx(turned, abs=1e-9)
    assert differ["dcase2022"] > 0
    assert differ["dcase2022_strict"] == 0


def test_a_perfect_cartesian_prediction_is_a_little_off():
    off = {name: figures(name, during(range(12)), during(range(12)), average="micro", **options)["LE"] for name, options
           in (("dcase2022", {"cartesian": True}), ("dcase2023", {}), ("dcase2022_strict", {}))}  # fmt: skip
    assert off["dcase2022"] == pytest.approx(np.rad2deg(np.sqrt(2e-10)), rel=1e-3)
    assert off["dcase2023"] < 3e-6
    assert off["dcase2022_strict"] == 0


def test_a_short_vector_is_a_little_further_off():
    reference, prediction = table([(0, 0), (0, 15)]), table([(0, 0), (0, 15)]).assign(length=0.5)
    kind = protocol("dcase2022", cartesian=True, average="micro")
    total = {name: value.sum(axis=0) for name, value in kind.count(reference, prediction, 1).items()}
    # 1e-10 weighs 4 times as much under the root: cos = 1 - 0.5e-10 - 2e-10.
    assert kind.score(total)["LE"] == pytest.approx(np.rad2deg(np.sqrt(5e-10)), rel=1e-3)


def test_sources_that_a_frame_repeats_are_told_apart_by_their_order():
    both = by_time(during(SECOND), during(SECOND, azimuth=120))
    found = counters("dcase2022_strict", both, both)
    assert (found["Nref"], found["TP"]) == (2, 2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dcase2020", {"average": "macro"}, "average must be one of micro"),
        ("dcase2022", {"average": "mean"}, "average must be one of macro, micro"),
        ("dcase2022", {"doa_threshold_deg": 0}, "doa_threshold_deg must be above 0"),
        ("dcase2022", {"threshold_deg": 181}, "doa_threshold_deg must be above 0 and at most 180, got 181"),
        ("dcase2022", {"classes": 0}, "classes must be a whole number of at least 1"),
        ("dcase2022", {"evaluate_distance": True}, "options of dcase2022 must be among .*, got evaluate_distance"),
        ("dcase2019", {"doa_threshold_deg": 20}, "options of dcase2019 must be among .*, got doa_threshold_deg"),
        ("dcase2024", {"relative_distance_threshold": 0}, "relative_distance_threshold must be above 0"),
        ("dcase2024", {"require_onscreen": True}, "require_onscreen must be false except in 2025"),
        ("dcase2025", {"evaluate_distance": False}, "evaluate_distance must be true except in 2024"),
        ("dcase2018", {}, "protocol must be one of dcase2019, .*, got 'dcase2018'"),
    ],
)
def test_options_are_refused_in_one_line(name, options, message):
    with pytest.raises(ValueError, match=message):
        protocol(name, **options)
