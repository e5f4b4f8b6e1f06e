import numpy as np
import pandas as pd
import pytest
import tracks
from scipy.optimize import linear_sum_assignment

from seld.geometry import wrap_degrees
from seld.metrics import evaluate
from seld.metrics.doa import MOST_SOURCES, Doa


def rows(*directions: tuple[int, float, float]) -> pd.DataFrame:
    """(frame, azimuth, elevation) of each row; every row is a source of its own."""
    table = pd.DataFrame(directions, columns=["frame", "azimuth", "elevation"])
    return table.assign(**{"class": 0, "source": range(len(table))})


def test_every_figure_by_hand():
    reference = rows((0, 0, 0), (0, 90, 0), (1, 0, 0))
    prediction = rows((0, 60, 0), (0, 10, 0), (2, 5, 0))
    scores = evaluate(reference, prediction)
    # Pairs of frame 0: 10 and 30 degrees. Frame 1 is missed, frame 2 is a false alarm.
    assert scores["LE"] == pytest.approx(20)
    assert scores["LR"] == pytest.approx(2 / 3)
    assert scores["LP"] == pytest.approx(2 / 3)
    assert scores["LF"] == pytest.approx(2 / 3)
    assert scores["F20"] == pytest.approx(2 * 1 / (3 + 3))
    assert scores["counters"]["frames"] == 3


def test_pairs_have_the_smallest_sum_rather_than_the_nearest_first():
    scores = evaluate(rows((0, 0, 0), (0, 30, 0)), rows((0, 14, 0), (0, -20, 0)))
    assert scores["LE"] == pytest.approx((16 + 20) / 2)  # nearest first: (14 + 50) / 2
    assert scores["F20"] == 1


def test_spare_tracks_lower_precision_but_not_the_error():
    scores = evaluate(rows((0, 0, 0)), rows((0, 100, 0), (0, 3, 0), (0, -90, 0)))
    assert scores["LE"] == pytest.approx(3)
    assert (scores["LR"], scores["LP"], scores["LF"]) == (1, pytest.approx(1 / 3), pytest.approx(1 / 2))


@pytest.mark.parametrize(
    ("source", "track", "angle"),
    [
        ((-180, 0), (175, 0), 5),
        ((0, 90), (123, 85), 5),
        ((77, -90), (-12, -90), 0),
        ((0, 45), (90, 45), 60),  # the dot product is 1/2
        ((0, 0), (-180, 0), 180),
    ],
)
def test_the_error_is_the_angle_on_the_sphere(source, track, angle):
    assert evaluate(rows((0, *source)), rows((0, *track)))["LE"] == pytest.approx(angle, abs=1e-9)


def test_exactly_the_threshold_is_a_hit_in_every_direction():
    azimuth = range(-180, 180)
    reference = rows(*((frame, angle, 0) for frame, angle in enumerate(azimuth)))
    prediction = rows(*((frame, wrap_degrees(angle + 20), 0) for frame, angle in enumerate(azimuth)))
    assert evaluate(reference, prediction)["F20"] == 1
    assert evaluate(reference, prediction, threshold_deg=19.9)["F19.9"] == 0


def test_figures_for_each_number_of_active_sources():
    reference = rows((0, 0, 0), (1, 0, 0), (1, 90, 0))
    prediction = rows((0, 10, 0), (1, 4, 0), (2, 0, 0))
    by_sources = evaluate(reference, prediction)["by_sources"]
    assert list(by_sources) == [0, 1, 2]
    assert by_sources[1]["LE"] == pytest.approx(10)
    assert by_sources[2]["LE"] == pytest.approx(4)
    assert by_sources[2]["LR"] == 1 / 2
    assert by_sources[0]["LP"] == 0
    assert np.isnan(by_sources[0]["LR"])


def test_silence_is_no_error_and_no_score():
    scores = evaluate(rows(), rows())
    assert all(np.isnan(scores[name]) for name in ("LE", "LR", "LP", "LF", "F20"))
    missed = evaluate(rows((0, 0, 0)), rows())
    assert (missed["LR"], missed["F20"]) == (0, 0)
    assert np.isnan(missed["LE"]) and np.isnan(missed["LP"])


def test_order_of_rows_and_rotation_of_both_sides_change_nothing():
    rng = np.random.default_rng(0)
    tables = [
        rows(*zip(rng.integers(0, 30, 60), rng.uniform(-180, 180, 60), rng.uniform(-90, 90, 60), strict=True))
        for _ in range(2)
    ]
    before = evaluate(*tables)
    turned = [table.assign(azimuth=wrap_degrees(table["azimuth"] + 47)) for table in tables]
    shuffled = [table.sample(frac=1, random_state=1) for table in turned]
    assert evaluate(*shuffled)["counters"] == pytest.approx(before["counters"])


def test_a_wider_threshold_never_lowers_f():
    rng = np.random.default_rng(1)
    reference = rows(*((frame, *rng.uniform(-90, 90, 2)) for frame in range(40)))
    prediction = rows(*((frame, *rng.uniform(-90, 90, 2)) for frame in range(40)))
    scores = [evaluate(reference, prediction, "doa", angle)[f"F{angle}"] for angle in (1, 10, 20, 60, 180)]
    assert scores == sorted(scores)
    assert scores[-1] == 1


@pytest.mark.parametrize("case", tracks.CASES)
def test_same_figures_as_a_loop_over_frames(case):
    reference, prediction = (table.groupby("frame") for table in tracks.walk(*tracks.CASES[case]))
    angles, sizes = [], []
    for frame in set(reference.groups) | set(prediction.groups):
        sides = [np.radians(_where(side, frame)) for side in (reference, prediction)]
        sizes.append([len(side) for side in sides])
        source, track = sides[0][:, None], sides[1][None]
        dot = np.sin(source[..., 1]) * np.sin(track[..., 1])
        dot += np.cos(source[..., 1]) * np.cos(track[..., 1]) * np.cos(source[..., 0] - track[..., 0])
        angle = np.degrees(np.arccos(np.clip(dot, -1, 1)))
        angles += angle[linear_sum_assignment(angle)].tolist()
    (sources, estimates), hits = np.sum(sizes, axis=0), sum(angle <= 20 for angle in angles)
    expected = {
        "LE": np.mean(angles),
        "LR": len(angles) / sources,
        "LP": len(angles) / estimates,
        "LF": 2 * len(angles) / (sources + estimates),
        "F20": 2 * hits / (sources + estimates),
    }
    assert tracks.figures(Doa(), *tracks.walk(*tracks.CASES[case])) == pytest.approx(expected, rel=1e-9)


def _where(side, frame):
    """(rows, 2) azimuth and elevation."""
    return side.get_group(frame)[["azimuth", "elevation"]].to_numpy() if frame in side.groups else np.empty((0, 2))


def test_clips_add_up_whatever_their_order():
    clips = [tracks.walk(seed, 3, 12) for seed in range(4)] + [(tracks.rows(), tracks.rows())]
    together, turned = tracks.sums(Doa(), *clips), tracks.sums(Doa(), *clips[::-1])
    for name, value in together.items():
        one_by_one = np.concatenate([tracks.sums(Doa(), clip)[name] for clip in clips])
        np.testing.assert_allclose(value, one_by_one, rtol=1e-12)
        np.testing.assert_allclose(value, turned[name][::-1], rtol=1e-12)


def test_more_sources_than_there_are_lines_share_the_last_one():
    crowd = tracks.rows(*((0, source, source) for source in range(MOST_SOURCES + 3)))
    found = tracks.sums(Doa(), (crowd, crowd))
    total = {name: value[0] for name, value in found.items()}
    assert list(Doa().tables(total)["by_sources"]) == [MOST_SOURCES]
    assert total["pairs"] == MOST_SOURCES + 3


@pytest.mark.parametrize("angle", [0, -1, 181, np.nan])
def test_a_threshold_out_of_range(angle):
    with pytest.raises(ValueError, match=f"threshold_deg must be above 0 and at most 180, got {angle}"):
        Doa(threshold_deg=angle)
