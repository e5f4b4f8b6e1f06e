from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracks import figures, rows, sums, walk

from seld.metrics.locata import Locata

NAMES = ("Pd", "FAR", "FAR_active", "latency", "TFR", "TSR", "azimuth_error", "elevation_error")


def locata(reference, prediction, **options):
    scores = figures(Locata(**options), reference, prediction)
    return {name: scores[name] for name in NAMES}


def talker(*frames: int, source: int = 0, azimuth: float = 0, elevation: float = 0):
    return tuple((frame, source, azimuth, elevation) for frame in frames)


def test_every_figure_by_hand():
    reference = rows(*talker(*range(10)), *talker(*range(14, 18)))
    prediction = rows(
        *talker(2, 3, azimuth=10), *talker(5, 6, azimuth=-20, elevation=8), *talker(7, 8, source=1), (0, 2, 40),
        *talker(15, 16, source=1, azimuth=6), (12, 2, 0), (19, 2, 0),
    )  # fmt: skip
    scores = locata(reference, prediction)
    # Period 1: 10 frames, 6 found, the first after 2; lost and found again after frame 3, track 1 from frame 7 on.
    # Period 2: 4 frames, 2 found, the first after 1.
    assert scores["Pd"] == pytest.approx((6 / 10 + 2 / 4) / 2)
    assert scores["latency"] == pytest.approx((0.2 + 0.1) / 2)
    assert scores["TFR"] == pytest.approx((2 / 1.0 + 0 / 0.4) / 2)
    assert scores["TSR"] == pytest.approx((1 / 1.0 + 0 / 0.4) / 2)
    assert scores["azimuth_error"] == pytest.approx((60 / 6 + 6) / 2)
    assert scores["elevation_error"] == pytest.approx((16 / 6 + 0) / 2)
    # Tracks without source: in frame 0 (40 degrees off), 12 and 19; 2 s, of which 1.4 s active.
    assert scores["FAR"] == pytest.approx(3 / 2.0)
    assert scores["FAR_active"] == pytest.approx(1 / 1.4)


def test_a_perfect_track():
    track = rows(*talker(*range(3, 8), azimuth=179, elevation=20))
    assert locata(track, track) == dict.fromkeys(NAMES, 0) | {"Pd": 1}


def test_a_period_never_found_has_no_latency():
    found = rows(*talker(0, 1)), rows(*talker(0, 1, azimuth=31))
    scores = locata(*found)
    assert (scores["Pd"], scores["FAR"]) == (0, pytest.approx(2 / 0.2))
    assert all(np.isnan(scores[name]) for name in ("latency", "azimuth_error", "elevation_error"))
    assert locata(*found, threshold_deg=31)["Pd"] == 1


def test_elevation_is_no_matter_of_the_gate_and_azimuth_wraps():
    scores = locata(rows((0, 0, 170, -40)), rows((0, 0, -175, 60)))
    assert (scores["Pd"], scores["azimuth_error"], scores["elevation_error"]) == (1, 15, 100)


def test_as_many_pairs_as_possible_come_first():
    # Track 0 stands on source 0, but then source 1 and track 1, 50 degrees apart, would be left over.
    scores = locata(rows((0, 0, 0), (0, 1, 25)), rows((0, 0, 0), (0, 1, -25)))
    assert (scores["Pd"], scores["azimuth_error"], scores["FAR"]) == (1, 25, 0)


def test_of_equal_sums_the_pairs_that_do_not_cross_are_chosen():
    reference = rows(*talker(0, 1), *talker(0, 1, source=1, azimuth=5))
    prediction = rows((0, 0, 10), (0, 1, 17), (1, 1, 17), (1, 0, 10))
    # 10 + 12 = 17 + 5; neither the order of the rows nor rounding swaps them.
    assert locata(reference, prediction)["TSR"] == 0


def test_a_swap_is_counted_although_both_tracks_stay_in_use():
    """The published code counts none here."""
    reference = rows(*talker(*range(10)), *talker(*range(10), source=1, azimuth=90))
    prediction = reference.assign(source=(reference["source"] + reference["frame"] // 5) % 2)
    scores = locata(reference, prediction)
    assert (scores["TSR"], scores["TFR"]) == (pytest.approx(1), pytest.approx(1))


def test_a_swap_between_periods_is_no_fragment():
    scores = locata(rows(*talker(0, 1), *talker(5, 6)), rows(*talker(0, 1), *talker(5, 6, source=1)))
    assert scores["TSR"] == pytest.approx((0 + 1 / 0.2) / 2)
    assert scores["TFR"] == 0


def test_a_swap_after_a_gap_is_one_break():
    """The published code counts two: one for the gap, one for the swap."""
    scores = locata(rows(*talker(*range(10))), rows(*talker(0, 1, 2), *talker(5, 6, source=1)))
    assert (scores["TFR"], scores["TSR"]) == (pytest.approx(1), pytest.approx(1))


def test_a_track_near_a_silent_talker_is_a_false_alarm():
    """The published code takes it for valid."""
    scores = locata(rows(*talker(0), *talker(0, 1, source=1, azimuth=90)), rows(*talker(0, 1)))
    assert scores["FAR_active"] == pytest.approx(1 / 0.2)


def test_time_is_told_by_options():
    reference, prediction = rows(*talker(0, 1)), rows(*talker(1), (1, 1, 90))
    scores = locata(reference, prediction, frame_seconds=0.5, clip_seconds=20)
    assert (scores["latency"], scores["FAR"], scores["FAR_active"]) == (0.5, 1 / 20, 1)


@pytest.mark.parametrize("option", ["frame_seconds", "clip_seconds", "threshold_deg"])
@pytest.mark.parametrize("value", [0, -1, np.nan])
def test_options_out_of_range(option, value):
    with pytest.raises(ValueError, match=f"{option} must be above 0"):
        Locata(**{option: value})


def test_silence():
    assert all(np.isnan(value) for value in locata(rows(), rows()).values())
    scores = locata(rows(), rows((9, 0, 0)))
    assert scores["FAR"] == 1 and np.isnan(scores["FAR_active"]) and np.isnan(scores["Pd"])
    assert locata(rows(), rows(), clip_seconds=5)["FAR"] == 0


def test_clips_add_up():
    clips = [walk(seed, 3, 15) for seed in range(4)] + [(rows(), rows()), (rows(), rows((0, 0, 0)))]
    together = sums(Locata(), *clips)
    for name, value in together.items():
        one_by_one = np.concatenate([sums(Locata(), clip)[name] for clip in clips])
        np.testing.assert_allclose(value, one_by_one, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(0, 359))
def test_turning_both_sides_about_the_vertical_changes_nothing(seed, angle):
    tables = walk(seed, 3, 10)
    turned = [table.assign(azimuth=(table["azimuth"] + angle + 180) % 360 - 180) for table in tables]
    assert locata(*turned) == pytest.approx(locata(*tables), rel=1e-6, nan_ok=True)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_same_figures_as_a_loop_over_frames_and_sources(seed):
    reference, prediction = walk(seed, 3, 12, 20)
    assert locata(reference, prediction) == pytest.approx(_looped(reference, prediction), nan_ok=True)


def _looped(reference, prediction):
    """The definitions, read literally, with every way to pair tried."""
    sides = [_by_frame(table) for table in (reference, prediction)]
    tracks, false = {}, {}
    for frame in sorted(set(sides[0]) | set(sides[1])):
        pairs = _nearest(sides[0].get(frame, []), sides[1].get(frame, []))
        tracks |= {(frame, source[0]): (track[0], *error) for source, track, *error in pairs}
        false[frame] = len(sides[1].get(frame, [])) - len(pairs)
    values = {name: [] for name in ("Pd", "latency", "TFR", "TSR", "azimuth_error", "elevation_error")}
    for source in sorted({source[0] for sources in sides[0].values() for source in sources}):
        last = None
        for period in _runs([frame for frame, sources in sides[0].items() if source in [s[0] for s in sources]]):
            last = _follow([tracks.get((frame, source)) for frame in period], last, values)
    scores = {name: np.mean(value) if value else np.nan for name, value in values.items()}
    scores["FAR"] = sum(false.values()) / (0.1 * (max(false) + 1)) if false else np.nan
    active = sum(false[frame] for frame in sides[0])
    scores["FAR_active"] = active / (0.1 * len(sides[0])) if sides[0] else np.nan
    return scores


def _by_frame(table):
    """frame -> [(identity, azimuth, elevation)]"""
    frames = {}
    for frame, kind, source, *where in table[["frame", "class", "source", "azimuth", "elevation"]].itertuples(
        index=False
    ):
        frames.setdefault(frame, []).append(((kind, source), *where))
    return frames


def _nearest(sources, tracks):
    """[(source, track, azimuth error, elevation error)], as many within 30 degrees as possible."""
    ways = []
    for way in permutations([*tracks, *[None] * len(sources)], len(sources)):
        pairs = [
            (source, track, abs((source[1] - track[1] + 180) % 360 - 180), abs(source[2] - track[2]))
            for source, track in zip(sources, way, strict=True)
            if track
        ]
        if all(pair[2] <= 30 for pair in pairs):
            ways.append((-len(pairs), sum(pair[2] + 1e-6 * pair[2] ** 2 for pair in pairs), pairs))
    return min(ways, key=lambda way: way[:2])[2]


def _runs(frames):
    """Consecutive frames together."""
    runs = []
    for frame in sorted(frames):
        if runs and runs[-1][-1] == frame - 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs


def _follow(hits, last, values):
    """Adds one period's values, and tells which track it had last."""
    tracks = [hit and hit[0] for hit in hits]
    seen = [track for track in tracks if track is not None]
    pieces = sum(now is not None and now != before for before, now in pairwise([None, *tracks]))
    values["Pd"].append(len(seen) / len(hits))
    values["TFR"].append(max(pieces - 1, 0) / (0.1 * len(hits)))
    values["TSR"].append(
        sum(None not in pair and pair[0] != pair[1] for pair in pairwise([last, *seen])) / (0.1 * len(hits))
    )
    if seen:
        values["latency"].append(0.1 * min(number for number, hit in enumerate(hits) if hit))
        values["azimuth_error"].append(np.mean([hit[1] for hit in hits if hit]))
        values["elevation_error"].append(np.mean([hit[2] for hit in hits if hit]))
    return seen[-1] if seen else last
