import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracks import CASES, figures, rows, sums, turn, walk

from seld.metrics import mot
from seld.metrics.mot import Mot

CLEAR = ("MOTA", "MOTP", "switches", "misses", "false_positives")


def clear(reference: pd.DataFrame, prediction: pd.DataFrame, **options):
    scores = figures(Mot(**options), reference, prediction)
    return pytest.approx(tuple(scores[name] for name in CLEAR), abs=1e-9, nan_ok=True)


def test_a_perfect_track_whatever_its_number():
    assert clear(rows((0, 0, 10), (1, 0, 20)), rows((0, 7, 10), (1, 7, 20))) == (1, 0, 0, 0, 0)


def test_a_miss_a_false_alarm_and_a_track_beyond_the_gate():
    reference = rows((0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0))
    prediction = rows((0, 0, 5), (2, 0, 15), (2, 1, 90), (3, 0, 21))
    # Frame 1 is a miss, track 1 a false alarm; frame 3, 21 degrees off, is both.
    assert clear(reference, prediction) == (1 - 4 / 4, 10, 0, 2, 2)


def test_exactly_the_gate_is_allowed():
    assert clear(rows((0, 0, 0)), rows((0, 0, 20))) == (1, 20, 0, 0, 0)


def test_exchanged_identities_are_two_switches_once():
    reference = rows(*((frame, source, 90 * source) for frame in range(4) for source in (0, 1)))
    prediction = rows(*((frame, (source + (frame >= 2)) % 2, 90 * source) for frame in range(4) for source in (0, 1)))
    assert clear(reference, prediction) == (1 - 2 / 8, 0, 2, 0, 0)


def test_a_pair_is_carried_over_although_another_is_nearer():
    reference = rows((0, 0, 0), (0, 1, 10), (1, 0, 0), (1, 1, 10))
    prediction = rows((0, 0, 0), (0, 1, 10), (1, 0, 10), (1, 1, 0))
    assert clear(reference, prediction) == (1, 5, 0, 0, 0)


def test_a_source_that_pauses_should_come_back_as_the_same_track():
    reference = rows((0, 0, 0), (5, 0, 0))
    assert clear(reference, rows((0, 3, 0), (5, 3, 0))) == (1, 0, 0, 0, 0)
    assert clear(reference, rows((0, 3, 0), (5, 4, 0))) == (1 - 1 / 2, 0, 1, 0, 0)


def test_more_pairs_come_before_nearer_pairs():
    # Track 0 stands on source 0, but then source 1 and track 1, 38 degrees apart, would be left over.
    assert clear(rows((0, 0, 0), (0, 1, 19)), rows((0, 0, 0), (0, 1, -19))) == (1, 19, 0, 0, 0)


def test_two_sources_that_claim_one_track_are_served_in_the_order_of_rows():
    reference = rows((0, 0, 0), (1, 1, 0), (2, 0, 2), (2, 1, 0))
    prediction = rows((0, 5, 0), (1, 5, 0), (2, 5, 0))
    assert clear(reference, prediction) == (1 - 1 / 4, 2 / 3, 0, 1, 0)


def test_identities_end_with_the_clip():
    clips = (rows((0, 0, 0)), rows((0, 0, 0))), (rows((0, 0, 0)), rows((0, 1, 0)))
    assert sums(Mot(), *clips)["switches"].tolist() == [0, 0]


def test_sources_of_two_classes_may_share_a_number():
    reference = rows((0, 0, 0), (0, 0, 90), (1, 0, 0), (1, 0, 90)).assign(**{"class": [1, 2, 1, 2]})
    prediction = rows((0, 0, 0), (0, 1, 90), (1, 0, 0), (1, 1, 90))
    assert clear(reference, prediction) == (1, 0, 0, 0, 0)


def test_a_number_twice_in_a_frame_is_two_sources():
    reference = rows((0, 0, 0), (0, 0, 90), (1, 0, 0), (1, 0, 90))
    prediction = rows((0, 0, 0), (0, 1, 90), (1, 0, 0), (1, 1, 90))
    assert clear(reference, prediction) == (1, 0, 0, 0, 0)


def test_across_the_wrap():
    assert clear(rows((0, 0, -180), (1, 0, 179)), rows((0, 0, 178), (1, 0, -179))) == (1, 2, 0, 0, 0)


def test_silence():
    assert clear(rows(), rows()) == (np.nan, np.nan, 0, 0, 0)
    assert clear(rows(), rows((0, 0, 0))) == (-np.inf, np.nan, 0, 0, 1)
    assert clear(rows((0, 0, 0)), rows()) == (0, np.nan, 0, 1, 0)


def test_sources_by_how_they_fared():
    """Five sources of 5 frames, 60 degrees apart, found in 5, 4, 3, 1 and 0 frames."""
    reference = rows(*((frame, source, 60 * source) for frame in range(5) for source in range(5)))
    found = {0: (0, 1, 2, 3, 4), 1: (0, 1, 3, 4), 2: (0, 2, 4), 3: (3,), 4: ()}
    prediction = rows(*((frame, source, 60 * source) for source in found for frame in found[source]))
    scores = figures(Mot(), reference, prediction)
    # 4 of 5 frames are 80 %, which is mostly tracked, 1 of 5 are 20 %, which is not mostly lost.
    assert (scores["mostly_tracked"], scores["partially_tracked"], scores["mostly_lost"]) == (2, 2, 1)
    # One gap of source 1, two of source 2; source 3 comes late and goes early, which breaks nothing.
    assert scores["fragmentations"] == 3
    assert (scores["recall"], scores["precision"]) == (13 / 25, 1)


def test_a_pause_of_the_source_is_no_fragment():
    scores = figures(Mot(), rows((0, 0, 0), (5, 0, 0)), rows((0, 0, 0), (5, 0, 0)))
    assert (scores["fragmentations"], scores["mostly_tracked"]) == (0, 1)


def test_classes_may_matter():
    reference, prediction = rows((0, 0, 0, 0, 1)), rows((0, 0, 5, 0, 2))
    assert clear(reference, prediction) == (1, 5, 0, 0, 0)
    assert clear(reference, prediction, class_aware=True) == (-1, np.nan, 0, 1, 1)
    scores = figures(Mot(class_aware=True), reference, prediction)
    assert (scores["IDF1"], scores["HOTA"]) == (0, 0)


@pytest.mark.parametrize("option", ["threshold_deg", "zero_distance_deg", "cutoff_deg"])
@pytest.mark.parametrize("angle", [0, -1, 181, np.nan])
def test_angles_out_of_range(option, angle):
    with pytest.raises(ValueError, match=f"{option} must be above 0 and at most 180, got {angle}"):
        Mot(**{option: angle})


def test_clips_add_up_whatever_their_order():
    clips = [walk(seed, 3, 12) for seed in range(4)] + [(rows(), rows()), (rows((0, 0, 0)), rows())]
    together, turned = sums(Mot(), *clips), sums(Mot(), *clips[::-1])
    for name, value in together.items():
        one_by_one = np.concatenate([sums(Mot(), clip)[name] for clip in clips])
        np.testing.assert_allclose(value, one_by_one, rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(value, turned[name][::-1], rtol=1e-12, atol=1e-9)


PEER = (
    "switches", "misses", "false_positives", "fragmentations", "mostly_tracked", "partially_tracked", "mostly_lost",
    "MOTA", "MOTP", "recall", "precision", "IDF1", "IDP", "IDR",
)  # fmt: skip
PY_MOTMETRICS = {
    "three": (11, 38, 48, 27, 0, 3, 0,
              0.2421875, 7.116202830013183, 0.703125, 0.6521739130434783,
              0.39849624060150374, 0.38405797101449274, 0.4140625),
    "twelve": (21, 57, 50, 35, 2, 10, 0,
               0.4046511627906977, 7.048212267180632, 0.7348837209302326, 0.7596153846153846,
               0.6004728132387707, 0.6105769230769231, 0.5906976744186047),
    "gaps": (10, 35, 63, 14, 0, 4, 0,
             -0.7142857142857142, 7.1998008385409, 0.4444444444444444, 0.3076923076923077,
             0.19480519480519481, 0.16483516483516483, 0.23809523809523808),
    "near": (19, 66, 58, 33, 0, 5, 0,
             0.10624999999999996, 12.195482793663881, 0.5875, 0.618421052631579,
             0.4423076923076923, 0.45394736842105265, 0.43125),
}  # fmt: skip
PY_MOTMETRICS_CLASS_BY_CLASS = {
    "twelve": (11, 106, 99, 26, 1, 8, 3,
               -0.0046511627906977715, 7.055549634359519, 0.5069767441860465, 0.5240384615384616,
               0.43498817966903075, 0.4423076923076923, 0.42790697674418604),
    "near": (6, 102, 94, 25, 0, 3, 2,
             -0.26249999999999996, 13.28921296998779, 0.3625, 0.3815789473684211,
             0.26282051282051283, 0.26973684210526316, 0.25625),
}  # fmt: skip
PY_MOTMETRICS_OF_ALL = (61, 196, 219, 109, 2, 22, 0,
                        0.1590106007067138, 8.383907024322367, 0.6537102473498233, 0.6281833616298812,
                        0.45714285714285713, 0.44821731748726656, 0.4664310954063604)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_same_figures_as_py_motmetrics(case):
    """py-motmetrics 1.4.0 on the same angles, NaN beyond 20 degrees; mostly_tracked ... are its counts, too."""
    scores = figures(Mot(), *walk(*CASES[case]))
    assert tuple(scores[name] for name in PEER) == pytest.approx(PY_MOTMETRICS[case], rel=1e-12)


def test_same_figures_as_py_motmetrics_over_clips():
    total = {name: value.sum(axis=0) for name, value in sums(Mot(), *(walk(*case) for case in CASES.values())).items()}
    scores = Mot().score(total)
    assert tuple(scores[name] for name in PEER) == pytest.approx(PY_MOTMETRICS_OF_ALL, rel=1e-12)


@pytest.mark.parametrize("case", PY_MOTMETRICS_CLASS_BY_CLASS)
def test_same_figures_as_py_motmetrics_class_by_class(case):
    """One accumulator of py-motmetrics for each class."""
    scores = figures(Mot(class_aware=True), *walk(*CASES[case]))
    assert tuple(scores[name] for name in PEER) == pytest.approx(PY_MOTMETRICS_CLASS_BY_CLASS[case], rel=1e-12)


def test_events_by_hand():
    reference = rows((0, 0, 0), (1, 0, 0), (2, 0, 0), (2, 1, 90))
    prediction = rows((0, 0, 5), (2, 1, 170), (1, 1, 6), (2, 2, 91)).set_index(pd.Index([9, 9, 7, 7]))
    expected = [
        (0, "match", 0, 0, 5),
        (1, "switch", 1, 2, 6),
        (2, "match", 3, 3, 1),
        (2, "miss", 2, -1, np.nan),
        (2, "false_positive", -1, 1, np.nan),
    ]
    found = mot.events(reference, prediction)
    wanted = pd.DataFrame(expected, columns=["frame", "kind", "reference", "prediction", "angle_deg"])
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, atol=1e-9)
    assert mot.events(reference, prediction, threshold_deg=5.5)["kind"].tolist()[1:3] == ["miss", "false_positive"]
    assert len(mot.events(rows(), rows())) == 0
    with pytest.raises(ValueError, match="threshold_deg"):
        mot.events(reference, prediction, threshold_deg=0)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([5.0, 20.0, 60.0]))
def test_events_are_what_is_counted(seed, gate):
    reference, prediction = walk(seed, 4, 10, 15)
    found = mot.events(reference, prediction, gate)
    counted = {name: value[0] for name, value in sums(Mot(threshold_deg=gate), (reference, prediction)).items()}
    kinds = dict(match="matches", switch="switches", miss="misses", false_positive="false_positives")
    assert {kind: (found["kind"] == kind).sum() for kind in kinds} == {k: counted[name] for k, name in kinds.items()}
    assert found["angle_deg"].sum() == pytest.approx(counted["matched_angle_sum_deg"])
    for side, table in (("reference", reference), ("prediction", prediction)):
        numbers = found.loc[found[side] >= 0]
        assert sorted(numbers[side]) == list(range(len(table)))  # each row is in one event
        assert (table["frame"].to_numpy()[numbers[side]] == numbers["frame"]).all()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_one_rotation_of_both_sides_changes_nothing(seed):
    tables = walk(seed, 4, 10, 15)
    before, after = figures(Mot(), *tables), figures(Mot(), *(turn(table, seed) for table in tables))
    assert after == pytest.approx(before, rel=1e-6, abs=1e-6, nan_ok=True)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_a_perfect_prediction_is_perfect(seed):
    reference, _ = walk(seed, 5, 10)
    if len(reference):
        scores = figures(Mot(), reference, reference.assign(source=7 - reference["source"]).sample(frac=1))
        ones = ("MOTA", "recall", "precision", "IDF1", "IDP", "IDR", "HOTA", "DetA", "AssA", "LocA")
        assert [scores[name] for name in ones] == pytest.approx([1] * len(ones))
        noughts = ("MOTP", "switches", "misses", "false_positives", "fragmentations", "OSPA", "OSPA2", "GOSPA")
        assert [scores[name] for name in noughts] == pytest.approx([0] * len(noughts), abs=1e-6)
        assert scores["mostly_tracked"] == reference["source"].nunique()


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_shuffled_identities_raise_switches_only(data):
    """Three sources, 120 degrees apart, so that each has no track but its own within any gate."""
    error = st.integers(-19, 19)
    frames = data.draw(
        st.lists(st.tuples(st.tuples(error, error, error), st.permutations(range(3))), min_size=2, max_size=6)
    )
    reference = rows(*((frame, source, 120 * source) for frame in range(len(frames)) for source in range(3)))
    followed = rows(*((f, s, 120 * s + e[s]) for f, (e, _) in enumerate(frames) for s in range(3)))
    shuffled = followed.assign(source=np.concatenate([order for _, order in frames]))
    before, after = figures(Mot(), reference, followed), figures(Mot(), reference, shuffled)
    exchanges = sum(a != b for (_, x), (_, y) in itertools.pairwise(frames) for a, b in zip(x, y, strict=True))
    assert (before["switches"], after["switches"]) == (0, exchanges)
    same = ("misses", "false_positives", "fragmentations", "MOTP", "DetA", "LocA", "OSPA", "GOSPA", "recall")
    assert [after[name] for name in same] == pytest.approx([before[name] for name in same])
    for name in ("MOTA", "IDF1", "HOTA", "AssA"):
        assert after[name] <= before[name] + 1e-12
    assert after["OSPA2"] >= before["OSPA2"] - 1e-12
