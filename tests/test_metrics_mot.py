import numpy as np
import pandas as pd
import pytest

from seld.metrics import evaluate

FIGURES = ("MOTA", "MOTP", "switches", "misses", "false_positives")


def rows(*entries: tuple[int, int, float]) -> pd.DataFrame:
    """(frame, source or track, azimuth) of each row, on the horizon."""
    table = pd.DataFrame(entries, columns=["frame", "source", "azimuth"])
    return table.assign(**{"class": 0, "elevation": 0})


def mot(reference: pd.DataFrame, prediction: pd.DataFrame):
    scores = evaluate(reference, prediction, "mot")
    return pytest.approx(tuple(scores[name] for name in FIGURES), abs=1e-9)


def test_a_perfect_track_whatever_its_number():
    assert mot(rows((0, 0, 10), (1, 0, 20)), rows((0, 7, 10), (1, 7, 20))) == (1, 0, 0, 0, 0)


def test_a_miss_a_false_alarm_and_a_track_beyond_the_gate():
    reference = rows((0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0))
    prediction = rows((0, 0, 5), (2, 0, 15), (2, 1, 90), (3, 0, 21))
    # Frame 1 is a miss, track 1 a false alarm; frame 3, 21 degrees off, is both.
    assert mot(reference, prediction) == (1 - 4 / 4, 10, 0, 2, 2)


def test_exactly_the_gate_is_allowed():
    assert mot(rows((0, 0, 0)), rows((0, 0, 20))) == (1, 20, 0, 0, 0)


def test_exchanged_identities_are_two_switches_once():
    reference = rows(*((frame, source, 90 * source) for frame in range(4) for source in (0, 1)))
    prediction = rows(
        *((frame, (source + (frame >= 2)) % 2, 90 * source) for frame in range(4) for source in (0, 1))
    )
    assert mot(reference, prediction) == (1 - 2 / 8, 0, 2, 0, 0)


def test_a_pair_is_carried_over_although_another_is_nearer():
    reference = rows((0, 0, 0), (0, 1, 10), (1, 0, 0), (1, 1, 10))
    prediction = rows((0, 0, 0), (0, 1, 10), (1, 0, 10), (1, 1, 0))
    assert mot(reference, prediction) == (1, 5, 0, 0, 0)


def test_a_source_that_pauses_should_come_back_as_the_same_track():
    reference = rows((0, 0, 0), (5, 0, 0))
    assert mot(reference, rows((0, 3, 0), (5, 3, 0))) == (1, 0, 0, 0, 0)
    assert mot(reference, rows((0, 3, 0), (5, 4, 0))) == (1 - 1 / 2, 0, 1, 0, 0)


def test_more_pairs_come_before_nearer_pairs():
    # Track 0 stands on source 0, but then source 1 and track 1, 38 degrees apart, would be left over.
    assert mot(rows((0, 0, 0), (0, 1, 19)), rows((0, 0, 0), (0, 1, -19))) == (1, 19, 0, 0, 0)


def test_two_sources_that_claim_one_track_are_served_in_the_order_of_rows():
    reference = rows((0, 0, 0), (1, 1, 0), (2, 0, 2), (2, 1, 0))
    prediction = rows((0, 5, 0), (1, 5, 0), (2, 5, 0))
    assert mot(reference, prediction) == (1 - 1 / 4, 2 / 3, 0, 1, 0)


def test_identities_end_with_the_clip():
    reference = {"a": rows((0, 0, 0)), "b": rows((0, 0, 0))}
    prediction = {"a": rows((0, 0, 0)), "b": rows((0, 1, 0))}
    assert evaluate(reference, prediction, "mot")["switches"] == 0


def test_sources_of_two_classes_may_share_a_number():
    reference = rows((0, 0, 0), (0, 0, 90), (1, 0, 0), (1, 0, 90)).assign(**{"class": [1, 2, 1, 2]})
    prediction = rows((0, 0, 0), (0, 1, 90), (1, 0, 0), (1, 1, 90))
    assert mot(reference, prediction) == (1, 0, 0, 0, 0)


def test_a_number_twice_in_a_frame_is_two_sources():
    reference = rows((0, 0, 0), (0, 0, 90), (1, 0, 0), (1, 0, 90))
    prediction = rows((0, 0, 0), (0, 1, 90), (1, 0, 0), (1, 1, 90))
    assert mot(reference, prediction) == (1, 0, 0, 0, 0)


def test_across_the_wrap():
    assert mot(rows((0, 0, -180), (1, 0, 179)), rows((0, 0, 178), (1, 0, -179))) == (1, 2, 0, 0, 0)


def test_silence():
    scores = evaluate(rows(), rows(), "mot")
    assert np.isnan(scores["MOTA"]) and np.isnan(scores["MOTP"])
    assert (scores["switches"], scores["misses"], scores["false_positives"]) == (0, 0, 0)
    assert evaluate(rows(), rows((0, 0, 0)), "mot")["MOTA"] == -np.inf
    assert evaluate(rows((0, 0, 0)), rows(), "mot")["MOTA"] == 0


@pytest.mark.parametrize(
    ("seed", "expected"),
    [  # by py-motmetrics 1.4.0 on the same angles, NaN beyond 20 degrees
        (0, (0.31785714285714284, 7.544033278893628, 43, 56, 92)),
        (1, (0.35018050541516244, 7.319645597123674, 33, 50, 97)),
        (2, (0.3945578231292517, 7.317238124435877, 40, 65, 73)),
    ],
)
def test_same_figures_as_py_motmetrics(seed, expected):
    """Four sources walk and pause at random; tracks follow with noise and change their numbers."""
    rng = np.random.default_rng(seed)
    azimuth, number = rng.uniform(-60, 60, 4), np.arange(4)
    reference, prediction = [], []
    for frame in range(100):
        azimuth = azimuth + rng.normal(0, 3, 4)
        if rng.random() < 0.1:
            number = rng.permutation(4)
        heard, found = rng.random((2, 4)) < [[0.7], [0.8]]
        noisy = azimuth + rng.normal(0, 9, 4)
        reference += [(frame, source, azimuth[source]) for source in np.flatnonzero(heard)]
        prediction += [(frame, number[source], noisy[source]) for source in np.flatnonzero(found)]
    assert mot(rows(*reference), rows(*prediction)) == expected
