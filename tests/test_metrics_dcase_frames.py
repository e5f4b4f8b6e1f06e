"""Each quirk of the scorers of 2024 and 2025, small enough for paper, and what the strict protocol makes of it."""

import numpy as np
import pytest
from dcase_scenes import table

from seld.metrics.dcase import protocol


def sums(name, references, predictions, **options):
    """The protocol, and the sums of one clip of rows (frame, class, source, azimuth, elevation, distance, onscreen)."""
    kind = protocol(name, **options)
    sides = (table([(0, *row) for row in side]) for side in (references, predictions))
    return kind, {key: value.sum(axis=0) for key, value in kind.count(*sides, 1).items()}


def counters(name, references, predictions, **options):
    return {key: float(value.sum()) for key, value in sums(name, references, predictions, **options)[1].items()}


def figures(name, references, predictions, **options):
    kind, total = sums(name, references, predictions, **options)
    return {key: float(value) for key, value in kind.score(total).items()}


def row(frame, class_=0, azimuth=0.0, distance=1.0, source=0, onscreen=0, elevation=0.0):
    return (frame, class_, source, azimuth, elevation, distance, onscreen)


END = row(9, class_=12)
"""a last reference, which the official scorers drop"""


def test_a_frame_by_hand():
    references = [row(0, azimuth=0, distance=2), row(0, azimuth=90, distance=2), row(0, 1), row(1, 1), END]
    predictions = [row(0, azimuth=10, distance=3), row(0, azimuth=130, distance=1), row(0, 2), row(1, 1, azimuth=5)]
    found = counters("dcase2024", references, predictions)
    assert found == pytest.approx(
        {
            "TP": 2, "FP_spatial": 1, "FP": 1, "FN": 1, "Nref": 4, "DE_TP": 3, "DE_FP": 1, "DE_FN": 1,
            "total_AngE": 55, "total_DistE": 2, "total_RelDistE": 1, "idss": 0, "S": 1, "D": 0, "I": 1,
        },
        abs=1e-6,
    )  # fmt: skip
    micro = figures("dcase2024", references, predictions, average="micro")
    expected = {"ER": 2 / 4, "F": 2 / (3 + 0.5 * 2), "LE": 55 / 3, "LR": 3 / 4, "DistE": 2 / 3, "RelDistE": 1 / 3}
    expected["SELD"] = np.mean([1 - 0.5, 55 / 3 / 180, 1 / 3])
    assert micro == pytest.approx(expected, abs=1e-6)
    macro = figures("dcase2024", references, predictions, classes=3)
    assert macro["F"] == pytest.approx(np.mean([1 / 2, 1 / 1.5, 0]))
    assert macro["LE"] == pytest.approx(np.mean([25, 5]), abs=1e-6), "classes without a pair are left out"
    assert macro["LR"] == pytest.approx(np.mean([1, 1 / 2, 0])), "but enter here with 0"
    class_scores = [np.mean([1 - 1 / 2, 25 / 180, 1 / 2]), np.mean([1 - 1 / 1.5, 5 / 180, 0]), 1]
    assert macro["SELD"] == pytest.approx(np.mean(class_scores), abs=1e-6)
    strict = figures("dcase2024_strict", references[:-1], predictions, classes=3)
    assert strict["LR"] == pytest.approx(np.mean([1, 1 / 2])), "nothing to find in class 2"
    assert strict["SELD"] == pytest.approx(np.mean([1 - macro["F"], 15 / 180, 1 / 4]))
    without = figures("dcase2024", references, predictions, classes=3, evaluate_distance=False)
    assert without.keys() == {"ER", "F", "LE", "LR", "SELD"}
    class_scores = [
        np.mean([0.5, 1 - 1 / 2, 25 / 180, 0]), np.mean([0.5, 1 - 1 / 1.5, 5 / 180, 1 / 2]), np.mean([0.5, 1, 1])
    ]  # fmt: skip
    assert without["SELD"] == pytest.approx(np.mean(class_scores), abs=1e-6)


def test_strict_2024_has_none_of_it():
    references = [row(0), row(1), row(2)]
    assert figures("dcase2024", references, references)["F"] == pytest.approx(1 / 13)
    assert figures("dcase2024_strict", references, references) == {
        "ER": 0, "F": 1, "LE": 0, "LR": 1, "DistE": 0, "RelDistE": 0, "SELD": 0,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["dcase2024", "dcase2025"])
def test_the_last_labelled_frame_is_dropped(name):
    references = [row(frame) for frame in range(5)]
    late = [row(frame) for frame in range(4, 20)]
    assert counters(name, references, late)["Nref"] == 4
    assert counters(name, references, late)["FP"] == 0
    assert counters(f"{name}_strict", references, late)["Nref"] == 5
    assert counters(f"{name}_strict", references, late)["FP"] == 15


@pytest.mark.parametrize("name", ["dcase2024", "dcase2025"])
def test_false_alarms_in_a_silent_clip_are_free(name):
    assert counters(name, [], [row(0), row(1)])["FP"] == 0
    assert counters(f"{name}_strict", [], [row(0), row(1)])["FP"] == 2


def test_a_pair_is_wrong_by_angle_distance_or_relative_distance():
    references = [row(0, distance=2), END]
    for prediction, options, hit in (
        (row(0, azimuth=19, distance=2), {}, 1),
        (row(0, azimuth=21, distance=2), {}, 0),
        (row(0, distance=4), {}, 1),
        (row(0, distance=4.01), {}, 0),
        (row(0, distance=4.01), {"relative_distance_threshold": np.inf}, 1),
        (row(0, distance=2.6), {"distance_threshold_m": 0.5}, 0),
        (row(0, azimuth=21, distance=2), {"threshold_deg": 30}, 1),
    ):
        for name in ("dcase2024", "dcase2025"):
            assert counters(name, references, [prediction], **options)["TP"] == hit, (prediction, options)


def test_distance_has_no_part_in_the_matching():
    references = [row(0, distance=1), row(0, azimuth=1, distance=5), END]
    predictions = [row(0, azimuth=0, distance=5), row(0, azimuth=1, distance=1)]
    assert counters("dcase2024", references, predictions)["total_DistE"] == pytest.approx(8)


def test_an_error_of_exactly_the_threshold_is_always_wrong_in_2024():
    references = [row(frame, azimuth=frame - 180.0) for frame in range(360)] + [row(360)]
    predictions = [row(frame, azimuth=frame - 160.0) for frame in range(360)]
    assert counters("dcase2024", references, predictions)["TP"] == 0
    assert counters("dcase2024_strict", references, predictions)["TP"] == 360


def test_identity_switches_are_counted_between_neighbouring_frames():
    references = [row(frame) for frame in (0, 1, 2, 4)] + [row(5), row(6), END]
    tracks = [0, 1, 1, 0, 3, 3]
    predictions = [row(frame, source=track) for frame, track in zip((0, 1, 2, 4, 5, 6), tracks, strict=True)]
    # 0 -> 1 and 0 -> 3; not 1 -> 0, since frame 3 is silent.
    assert counters("dcase2024", references, predictions)["idss"] == 2


def test_repeated_source_numbers_get_numbers_of_their_own():
    # Sources 0 and its repeat, numbered -1, are tracked by 0 and -1 in frame 0, by -1 and 0 in frame 1.
    references = [row(frame, azimuth=azimuth) for frame in (0, 1) for azimuth in (0, 90)] + [END]
    predictions = [row(0), row(0, azimuth=90), row(1, azimuth=90), row(1)]
    assert counters("dcase2024", references, predictions)["idss"] == 2


def test_a_missing_distance_is_an_error_where_it_is_evaluated():
    side = table([(0, *row(0)), (0, *row(1))])
    for broken, message in (
        (side.drop(columns="distance"), "reference must have a distance in every row that has a partner"),
        (side.assign(distance=np.nan), "in every row that has a partner, got none"),
    ):
        with pytest.raises(ValueError, match=message):
            protocol("dcase2024").count(broken, side, 1)
        assert protocol("dcase2024", evaluate_distance=False).count(broken, side, 1)["TP"].sum() == 1


def test_2025_mirrors_azimuths_to_the_front():
    references = [row(0, azimuth=80), row(1, azimuth=-170), row(2, azimuth=180), END]
    predictions = [row(0, azimuth=100), row(1, azimuth=-5), row(2, azimuth=-180)]
    assert counters("dcase2025", references, predictions)["total_AngE"] == 0 + 5 + 0


def test_2025_counts_centimetres_and_the_screen():
    references = [row(0, distance=0.29, onscreen=1), row(1, distance=2, onscreen=1), END]
    predictions = [row(0, distance=0.58, onscreen=0), row(1, distance=1, onscreen=1)]
    found = figures("dcase2025", references, predictions, average="micro")
    assert found == pytest.approx({"F": 1, "LE": 0, "DistE": (29 + 100) / 2, "RelDistE": 0.75, "OnscreenAcc": 0.5})
    strict = figures("dcase2025", references, predictions, average="micro", require_onscreen=True)
    assert strict["F"] == pytest.approx(0.5)


def test_2025_compares_whole_centimetres():
    # As doubles, 100 * 1.09 - 100 * 0.09 is above 100.
    references = [row(n, distance=n / 100 + 1) for n in range(600)] + [row(600)]
    predictions = [row(n, distance=n / 100) for n in range(600)]
    assert (
        counters("dcase2025", references, predictions, distance_threshold_m=1, relative_distance_threshold=2)["TP"]
        == 600
    )


def test_2025_without_the_screen_leaves_its_accuracy_undefined():
    side = table([(0, *row(0)), (0, *row(1))]).drop(columns="onscreen")
    kind = protocol("dcase2025")
    total = {name: value.sum(axis=0) for name, value in kind.count(side, side, 1).items()}
    assert np.isnan(kind.score(total)["OnscreenAcc"]) and kind.score(total)["F"] > 0
    with pytest.raises(ValueError, match="require_onscreen must be false where a side has no column onscreen"):
        protocol("dcase2025", require_onscreen=True).count(side, side, 1)


def test_on_a_line_assignments_tie_and_the_order_of_rows_decides():
    # 0, 10 against 20, 30: both ways are 40 degrees in sum, either 20 + 20 or 30 + 10.
    references = [row(0, azimuth=0), row(0, azimuth=10)]
    predictions = [row(0, azimuth=20, distance=3), row(0, azimuth=30, distance=1)]
    found = {
        name: {
            counters(name, [*a, END], b)["TP"]
            for a in (references, references[::-1])
            for b in (predictions, predictions[::-1])
        }
        for name in ("dcase2025", "dcase2025_strict")
    }
    assert len(found["dcase2025"]) == 2
    assert len(found["dcase2025_strict"]) == 1


def test_2025_has_room_for_ten_rows_of_a_class_and_the_next_takes_the_place_of_track_0():
    predictions = [row(0, azimuth=float(5 * n), source=n) for n in range(10)] + [row(0, azimuth=80.0, source=10)]
    found = counters("dcase2025", [row(0, azimuth=0.0), END], predictions)
    assert (found["FP"], found["total_AngE"]) == (9, 5)
    found = counters("dcase2025_strict", [row(0, azimuth=0.0), END], predictions)
    assert (found["FP"], found["total_AngE"]) == (10, 0)


def test_source_numbers_decide_which_row_is_track_0():
    # The first row claims track 3, the second one has it taken and gets the lowest free one: 0.
    sources = [3, 3, 1, 2, 4, 5, 6, 7, 8, 9, 3]
    predictions = [row(0, azimuth=float(5 * n), source=source) for n, source in enumerate(sources)]
    found = counters("dcase2025", [row(0, azimuth=5.0), END], predictions)
    assert (found["FP"], found["total_AngE"]) == (9, 5)
