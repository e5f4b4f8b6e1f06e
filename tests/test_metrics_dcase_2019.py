import numpy as np
import pytest
from dcase_scenes import table

from seld.metrics.dcase import protocol


def scores(references, predictions, name="dcase2019", clips=1):
    """Figures and totals of rows (frame, class, azimuth, elevation) of one clip."""
    kind = protocol(name)
    sides = (table([(0, frame, c, 0, *place) for frame, c, *place in side]) for side in (references, predictions))
    total = {key: value.sum(axis=0) for key, value in kind.count(*sides, clips).items()}
    return {key: float(value) for key, value in kind.score(total).items()}, total


def event(frames, class_=0, azimuth=0, elevation=0):
    return [(frame, class_, azimuth, elevation) for frame in frames]


def test_by_hand():
    # Seconds 0 and 1: class 0 found in the first one only, class 1 claimed in the second: one substitution.
    figures, total = scores(event(range(100)), event(range(49), azimuth=30) + event(range(50, 60), 1))
    assert {name: float(total[name]) for name in "SDI"} == {"S": 1, "D": 0, "I": 0}
    assert figures["ER"] == pytest.approx(1 / 2)
    assert figures["F"] == pytest.approx(2 * 0.5 * 0.5 / (0.5 + 0.5))
    # 49 frames at 30 degrees, 10 frames of the wrong class at 0: the class has no part in it.
    assert figures["DOA_error"] == pytest.approx(49 * 30 / 59)
    # Of 3000 frames, 41 lack the prediction.
    assert figures["frame_recall"] == pytest.approx((3000 - 41) / 3000)
    assert figures["SELD"] == pytest.approx(np.mean([0.5, 0.5, 49 * 30 / 59 / 180, 41 / 3000]))


def test_the_last_frame_of_a_second_is_never_heard():
    assert scores(event([49]), [])[1]["Nref"].sum() == 0
    assert scores(event([49]), [], "dcase2019_strict")[1]["Nref"].sum() == 1


def test_false_alarms_lower_the_doa_error():
    references, predictions = event(range(10)), event(range(10), azimuth=20)
    alarms = predictions + event(range(20, 30))
    assert scores(references, predictions)[0]["DOA_error"] == pytest.approx(20)
    assert scores(references, alarms)[0]["DOA_error"] == pytest.approx(10)
    assert scores(references, alarms, "dcase2019_strict")[0]["DOA_error"] == pytest.approx(20)


def test_directions_fall_onto_the_grid():
    # 180 becomes 170, which is 10 degrees off -180; 19 becomes 10; an elevation of 60 becomes 40.
    predictions = event([0], azimuth=180) + event([1], azimuth=19) + event([2], elevation=60)
    references = event([0], azimuth=-180) + event([1], azimuth=10) + event([2], elevation=40)
    assert scores(references, predictions)[1]["doa_loss_pred"] == pytest.approx(10 + 0 + 0, abs=1e-4)
    assert scores(references, predictions, "dcase2019_strict")[1]["doa_loss_pred"] == pytest.approx(0 + 9 + 20)


def test_two_predictions_in_one_step_of_the_grid_merge():
    predictions = event([0], azimuth=12) + event([0], azimuth=17)
    assert scores(event([0], azimuth=10), predictions)[0]["frame_recall"] == 1
    assert scores(event([0], azimuth=10), predictions, "dcase2019_strict")[1]["more_est_cnt"] == 1


def test_frame_recall_counts_silent_frames_and_ends_after_a_minute():
    references = event([0, 1, 3000])
    assert scores(references, event([0]))[0]["frame_recall"] == pytest.approx(2999 / 3000)
    assert scores(references, event([0]), "dcase2019_strict")[0]["frame_recall"] == pytest.approx(1 / 3)


def test_without_predictions_or_references_figures_are_undefined():
    figures, _ = scores(event([0]), [])
    assert np.isnan(figures["DOA_error"]) and np.isnan(figures["SELD"])
    assert scores([], event([0]))[0]["ER"] == np.inf
    strict, _ = scores(event([0]), [], "dcase2019_strict")
    assert np.isnan(strict["DOA_error"]) and strict["SELD"] == pytest.approx(1)


def test_a_clip_of_silence_still_has_its_frames():
    figures, total = scores(event([0]), event([0]), clips=2)
    assert total["nb_frames"] == 6000
    assert figures["frame_recall"] == 1
