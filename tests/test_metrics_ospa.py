from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracks import figures, rows, walk

from seld.metrics.mot import Mot

NAMES = ("OSPA", "OSPA2", "GOSPA", "GOSPA_localization", "GOSPA_missed", "GOSPA_false")


def ospa(reference, prediction, cutoff_deg=30.0, order=1.0, window=10):
    scores = figures(Mot(cutoff_deg=cutoff_deg, order=order, window=window), reference, prediction)
    return tuple(scores[name] for name in NAMES)


def test_every_figure_by_hand():
    # 6 degrees off, and one false track 60 degrees away.
    by_hand = ((6 + 30) / 2, (6 + 30) / 2, 6 + 15, 6, 0, 15)
    assert ospa(rows((0, 0, 0)), rows((0, 0, 6), (0, 1, 60))) == pytest.approx(by_hand)
    # Beyond the cut-off: 30 and not 40 degrees, a miss and a false track.
    assert ospa(rows((0, 0, 0)), rows((0, 0, 40))) == pytest.approx((30, 30, 30, 0, 15, 15))
    # Order 2: root of the mean of the squares, and terms in squared degrees.
    squared = (np.sqrt((36 + 900) / 2), np.sqrt((36 + 900) / 2), np.sqrt(36 + 450), 36, 450, 0)
    assert ospa(rows((0, 0, 0), (0, 1, 90)), rows((0, 0, 6)), order=2) == pytest.approx(squared)


def test_figures_are_means_over_frames_with_a_row():
    reference, prediction = rows((0, 0, 0), (7, 0, 0)), rows((0, 0, 10), (9, 0, 0))
    # 10 degrees, then a miss, then a false track; the frames between are silent.
    assert ospa(reference, prediction, window=1) == pytest.approx((70 / 3, 70 / 3, 40 / 3, 10 / 3, 5, 5))


def test_order_2_pairs_by_squares():
    reference, prediction = rows((0, 0, 0), (0, 1, 6)), rows((0, 0, 0), (0, 1, -9, 3))
    long, short = np.degrees(np.arccos(np.cos(np.radians([15, 9])) * np.cos(np.radians(3))))
    # 0 + 15.3 is less than 6 + 9.5, but the squares are more. Stone-Soup 1.9.1 pairs both as with order 1.
    assert ospa(reference, prediction, order=1)[0] == pytest.approx((0 + long) / 2)
    assert ospa(reference, prediction, order=2)[0] == pytest.approx(np.sqrt((36 + short**2) / 2))


def test_exchanged_tracks_cost_in_ospa2_only():
    reference = rows(*((frame, source, 90 * source) for frame in range(4) for source in (0, 1)))
    prediction = rows(*((frame, (source + frame // 2) % 2, 90 * source) for frame in range(4) for source in (0, 1)))
    point, track, *_ = ospa(reference, prediction, window=4)
    # Each source is with its track in the windows of frames 0 and 1, in 2 of 3 frames, in 2 of 4 frames.
    assert point == pytest.approx(0, abs=1e-9)
    assert track == pytest.approx((0 + 0 + 30 / 3 + 30 / 2) / 4)
    assert ospa(reference, prediction, window=1)[1] == pytest.approx(0, abs=1e-9)


def test_classes_apart_are_a_cutoff_apart():
    reference, prediction = rows((0, 0, 0, 0, 1)), rows((0, 0, 5, 0, 2))
    assert figures(Mot(), reference, prediction)["OSPA"] == pytest.approx(5)
    assert figures(Mot(class_aware=True), reference, prediction)["OSPA"] == pytest.approx(30)
    assert figures(Mot(class_aware=True), reference, prediction)["GOSPA_missed"] == pytest.approx(15)


def test_silence():
    assert np.isnan(ospa(rows(), rows())).all()
    assert ospa(rows((0, 0, 0)), rows()) == pytest.approx((30, 30, 15, 0, 15, 0))


@pytest.mark.parametrize(("option", "value"), [("cutoff_deg", 0), ("order", 0.5), ("window", 0), ("window", 2.5)])
def test_options_out_of_range(option, value):
    with pytest.raises(ValueError, match=f"{option} must be .*, got {value}"):
        Mot(**{option: value})


@pytest.mark.parametrize("options", [(30, 1, 10), (30, 1, 1), (10, 2, 3), (60, 1.5, 100)])
@pytest.mark.parametrize("seed", [5, 6])
def test_same_figures_as_every_way_to_pair_tried(seed, options):
    reference, prediction = walk(seed, 3, 12, 20, 0.3, 0.3)
    later = [table.assign(frame=table["frame"] + 4 * (table["frame"] > 6)) for table in (reference, prediction)]
    assert ospa(*later, *options) == pytest.approx(_tried(*later, *options), rel=1e-9)


def _tried(reference, prediction, cutoff, order, window):
    sides = [_directions(table) for table in (reference, prediction)]
    values = []
    for frame in sorted({frame for side in sides for frame, _ in side}):
        now = [[side[key] for key in side if key[0] == frame] for side in sides]
        angle = np.array([[_angle(a, b) for b in now[1]] for a in now[0]]).reshape(len(now[0]), len(now[1]))
        when = range(frame - window + 1, frame + 1)
        who = [sorted({key[1] for key in side if key[0] in when}) for side in sides]
        base = np.array([[_apart(*sides, a, b, when, cutoff) for b in who[1]] for a in who[0]])
        best = _gospa(angle, cutoff, order)
        points = _ospa(np.minimum(angle, cutoff), cutoff, order)
        values.append((points, _ospa(base.reshape(len(who[0]), len(who[1])), cutoff, order), *best))
    return tuple(np.mean(values, axis=0))


def _directions(table):
    angles = np.radians(table[["azimuth", "elevation"]].to_numpy())
    return {
        (frame, source): np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
        for frame, source, (a, e) in zip(table["frame"], table["source"], angles, strict=True)
    }


def _angle(a, b):
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))


def _apart(sources, tracks, source, track, when, cutoff):
    """Mean over the frames with either of the two."""
    values = []
    for frame in when:
        a, b = sources.get((frame, source)), tracks.get((frame, track))
        if a is not None and b is not None:
            values.append(min(cutoff, _angle(a, b)))
        elif a is not None or b is not None:
            values.append(cutoff)
    return np.mean(values)


def _ospa(distance, cutoff, order):
    if distance.shape[0] > distance.shape[1]:
        distance = distance.T
    few, many = distance.shape
    least = min(sum(distance[range(few), way] ** order) for way in map(list, permutations(range(many), few)))
    return ((least + cutoff**order * (many - few)) / many) ** (1 / order)


def _gospa(angle, cutoff, order):
    """GOSPA and its three terms, by every choice of pairs, few or many."""
    found = []
    for pairs in range(min(angle.shape) + 1):
        for chosen in combinations(range(angle.shape[0]), pairs):
            for way in permutations(range(angle.shape[1]), pairs):
                near = sum(angle[list(chosen), list(way)] ** order)
                rest = [cutoff**order / 2 * (size - pairs) for size in angle.shape]
                found.append((near + sum(rest), near, *rest))
    total, *terms = min(found)
    return total ** (1 / order), *terms


direction = st.tuples(st.integers(-180, 179), st.integers(-90, 90))
points = st.lists(direction, min_size=1, max_size=4)


def _frame(directions):
    return rows(*((0, number, *where) for number, where in enumerate(directions)))


@settings(deadline=None, max_examples=15)
@given(points, points, points, st.sampled_from([1.0, 2.0]))
def test_a_metric_between_sets(a, b, c, order):
    ab, ba, bc, ac, aa = (
        ospa(_frame(x), _frame(y), order=order)[:3] for x, y in ((a, b), (b, a), (b, c), (a, c), (a, a[::-1]))
    )
    assert ab == pytest.approx(ba)
    assert aa == pytest.approx((0, 0, 0), abs=1e-6)
    assert all(value >= 0 for value in ab) and ab[0] <= 30 + 1e-9
    assert all(far <= one + other + 1e-6 for far, one, other in zip(ac, ab, bc, strict=True))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_ospa2_is_symmetric_and_with_a_window_of_one_frame_ospa(seed):
    reference, prediction = walk(seed, 3, 8)
    if len(reference) + len(prediction):
        assert ospa(reference, prediction)[1] == pytest.approx(ospa(prediction, reference)[1])
        point, track, *_ = ospa(reference, prediction, window=1)
        assert track == pytest.approx(point)
