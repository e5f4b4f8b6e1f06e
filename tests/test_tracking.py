"""Tracks: what keeps an identity and what begins a new one, crossings, delay, and the linker to compare with."""

import multiprocessing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seld.tracking import Tracker, TrackingConfig, Tracks, nearest_neighbours, track

HEARD, SILENT = 3.0, -9.0  # log-odds


def towards(azimuth_deg, elevation_deg=0.0) -> np.ndarray:
    azimuth, elevation = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg) + 0 * np.asarray(azimuth_deg)
    return np.stack([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)], -1)


def azimuth_deg(tracks: Tracks) -> np.ndarray:
    return np.rad2deg(np.arctan2(tracks.doa[:, 1], tracks.doa[:, 0]))


def steady(frames: int, *azimuths: float, noise_deg: float = 0.0, seed: int = 0):
    """Sources that stay where they are, each in a slot of its own."""
    error = np.random.default_rng(seed).normal(0, noise_deg, (frames, len(azimuths)))
    return towards(np.array(azimuths) + error), np.full((frames, len(azimuths)), HEARD)


def crossing(seed: int, frames: int = 60, speed: float = 3.0):
    """Two sources that pass through each other at frame 30, in slots that change at random; a tenth is not heard."""
    draw = np.random.default_rng(seed)
    way = speed * (np.arange(frames) - frames / 2)[:, None] * [1, -1]
    doa = towards(way + draw.normal(0, 3, way.shape), draw.normal(0, 3, way.shape))
    odds = np.where(draw.random(way.shape) < 0.1, SILENT, draw.normal(2, 1, way.shape))
    swapped = draw.random(frames) < 0.5
    doa[swapped], odds[swapped] = doa[swapped][:, ::-1], odds[swapped][:, ::-1]
    return doa, odds


def keeps_sides(tracks: Tracks, frames: int = 60) -> bool:
    """Whether whoever came from the right goes to the left, and the other way round."""

    def usual(first: int, last: int, sign: int) -> int:
        there = (tracks.frame >= first) & (tracks.frame < last) & (sign * azimuth_deg(tracks) > 0)
        return np.bincount(tracks.track[there]).argmax()

    return all(usual(0, 10, -side) == usual(frames - 10, frames, side) for side in (1, -1))


def test_two_sources_in_any_slots_are_two_tracks():
    doa, odds = steady(40, 0.0, 90.0)
    doa[::2] = doa[::2, ::-1]
    tracks = track(doa, odds)
    assert np.bincount(tracks.track).tolist() == [40, 40]
    for number in (0, 1):
        assert np.ptp(azimuth_deg(tracks)[tracks.track == number]) < 1e-6


@pytest.mark.parametrize(("pause", "tracks"), [(5, 1), (9, 1), (11, 2), (20, 2)])
def test_a_track_outlasts_pauses_of_up_to_a_second(pause, tracks):
    doa, odds = steady(60, 30.0)
    odds[20 : 20 + pause] = SILENT
    found = track(doa, odds)
    assert len(np.unique(found.track)) == tracks
    assert len(found.frame) == (60 if tracks == 1 else 60 - pause)  # the pause is bridged


def test_a_bridge_leads_straight_from_side_to_side():
    doa, odds = steady(40, 0.0)
    doa[20:] = towards(8.0)
    odds[18:22] = SILENT
    bridge = track(doa, odds, config=TrackingConfig(smoothing_s=0))
    azimuth = azimuth_deg(bridge)
    assert azimuth[17:23] == pytest.approx([0, 1.6, 3.2, 4.8, 6.4, 8], abs=0.01)


def test_a_lone_false_alarm_is_no_track_but_a_short_sound_is():
    doa, odds = steady(50, 0.0, -120.0)
    odds[:, 1] = SILENT
    odds[10, 1] = HEARD
    assert set(track(doa, odds).track) == {0}
    odds[10:14, 1] = HEARD
    assert np.bincount(track(doa, odds).track).tolist() == [50, 4]


def test_a_source_far_from_the_one_before_is_another():
    doa, odds = steady(40, 0.0)
    doa[20:] = towards(60.0)
    assert np.bincount(track(doa, odds).track).tolist() == [20, 20]


def test_a_faint_frame_inside_a_track_belongs_to_it_and_a_faint_source_is_none():
    doa, odds = steady(40, 0.0, 90.0)
    odds[:, 1] = -1.0
    odds[15, 0] = -1.0
    tracks = track(doa, odds)
    assert tracks.frame.tolist() == list(range(40)) and set(tracks.track) == {0}


def test_the_threshold_is_where_an_estimate_starts_to_pay():
    doa, odds = steady(40, 0.0)
    odds[:] = -0.5  # an activity of 0.38
    assert len(track(doa, odds, threshold=0.5).frame) == 0
    assert len(track(doa, odds, threshold=0.3).frame) == 40


def test_directions_are_smoothed_along_the_track():
    doa, odds = steady(400, 20.0, noise_deg=2.0)
    raw = np.std(azimuth_deg(track(doa, odds, config=TrackingConfig(smoothing_s=0))))
    smooth = np.std(azimuth_deg(track(doa, odds)))
    assert raw == pytest.approx(2, rel=0.15)
    # Independent errors under a Gaussian window of width w: 1 / sqrt(2 sqrt(pi) w) of them is left.
    assert smooth / raw == pytest.approx((2 * np.sqrt(np.pi) * 2) ** -0.5, rel=0.15)


def test_crossing_sources_pass_through_each_other():
    right = [keeps_sides(track(*crossing(seed))) for seed in range(40)]
    nearest = [keeps_sides(nearest_neighbours(doa, odds > 0, 30, 0.5)) for doa, odds in map(crossing, range(40))]
    assert np.mean(right) >= 0.9
    assert np.mean(right) > np.mean(nearest) + 0.3


def test_sources_that_stay_close_together_are_not_exchanged():
    doa, odds = steady(60, 0.0, 9.0, noise_deg=1.0)
    tracks = track(doa, odds)
    for number, place in enumerate((0, 9)):
        assert azimuth_deg(tracks)[tracks.track == number] == pytest.approx(np.full(60, place), abs=3)


@pytest.mark.parametrize("block", [1, 7, 50])
def test_live_tracks_are_those_of_the_whole_recording(block):
    doa, odds = crossing(3, frames=120, speed=1.5)
    tracker = Tracker()
    parts = [tracker.push(doa[at : at + block], odds[at : at + block]) for at in range(0, 120, block)]
    parts.append(tracker.finish())
    live = Tracks(*(np.concatenate(values) for values in zip(*parts, strict=True)))
    whole = track(doa, odds)
    assert live.frame.tolist() == whole.frame.tolist()
    assert live.track.tolist() == whole.track.tolist()
    assert np.abs(live.doa - whole.doa).max() < 0.02


def test_rows_come_out_after_the_delay_and_not_before():
    tracker = Tracker(config=TrackingConfig(delay_s=1.5))
    doa, odds = steady(40, 0.0)
    latest = [tracker.push(doa[[at]], odds[[at]]).frame.max(initial=-1) for at in range(40)]
    assert latest == [max(-1, at - 15) for at in range(40)]
    assert tracker.finish().frame.tolist() == list(range(25, 40))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(0, 4))
def test_any_input_gives_each_track_at_most_once_a_frame(seed, frames, slots):
    draw = np.random.default_rng(seed)
    doa = draw.normal(size=(frames, slots, 3))
    doa /= np.linalg.norm(doa, axis=-1, keepdims=True)
    tracks = track(doa, draw.normal(0, 4, (frames, slots)), config=TrackingConfig(deviation_deg=30))
    assert len(np.unique(np.stack([tracks.frame, tracks.track]), axis=1).T) == len(tracks.frame)
    assert np.allclose(np.linalg.norm(tracks.doa, axis=1), 1)
    assert (np.diff(tracks.frame) >= 0).all()
    assert set(tracks.track) == set(range(tracks.track.max(initial=-1) + 1))
    assert np.bincount(tracks.frame, minlength=1).max() <= max(slots, 1) * 12  # bridges only add what is a track


def _track_near_ties(seed: int) -> None:
    """Three slots that point the same way, and never move but for rounding errors."""
    rng = np.random.default_rng(seed)
    middle, _, noise = rng.standard_normal((1, 3, 3)), rng.choice(5), rng.standard_normal((300, 3, 3))
    doa = middle + 1e-7 * noise
    doa[:, 1:] = doa[:, :1]
    doa = (doa / np.linalg.norm(doa, axis=-1, keepdims=True)).astype(np.float32)
    logit = rng.uniform(-3, 0) + rng.choice([0, 1e-6, 0.1, 1]) * rng.standard_normal((300, 3))
    track(doa, logit.astype(np.float32), 0.25)


def test_near_ties_are_decided_at_once():
    process = multiprocessing.get_context("spawn").Process(target=_track_near_ties, args=(122,))
    process.start()
    process.join(60)  # a second, imports included; for hours when prices are not in whole steps
    ended = process.exitcode
    process.kill()
    assert ended == 0


def test_nothing_gives_nothing():
    tracks = track(np.empty((0, 2, 3)), np.empty((0, 2)))
    assert (len(tracks.frame), len(tracks.track), tracks.doa.shape) == (0, 0, (0, 3))
    assert len(nearest_neighbours(np.empty((5, 0, 3)), np.empty((5, 0), dtype=bool)).frame) == 0


def test_nearest_neighbours_by_hand():
    doa = towards(np.array([[0.0, 90.0], [10.0, 95.0], [35.0, 93.0]]))
    tracks = nearest_neighbours(doa, np.array([[1, 1], [1, 0], [1, 1]], dtype=bool))
    # The second source is not heard in frame 1, and comes back as a new one; the first jumps by 25 degrees.
    assert tracks.track.tolist() == [0, 1, 0, 2, 3]
    assert nearest_neighbours(doa, np.array([[1, 1], [1, 0], [1, 1]], dtype=bool), 30, 0.2).track.tolist() == [
        0, 1, 0, 0, 1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"birth": -1}, "tracking.birth must be from 0 to 100, got -1"),
        ({"deviation_deg": 0}, "tracking.deviation_deg must be from 0.1 to 90, got 0"),
        ({"gap_s": 0}, "tracking.gap_s must be from 0.1 to 60, got 0"),
        ({"smoothing_s": -0.1}, "tracking.smoothing_s must be from 0 to 5, got -0.1"),
        ({"delay_s": 0.5}, "tracking.delay_s must be at least gap_s, 1.0, got 0.5"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrackingConfig(**options)


def test_wrong_input_is_refused():
    doa, odds = steady(5, 0.0)
    with pytest.raises(ValueError, match="threshold must be between 0 and 1, got 1"):
        track(doa, odds, threshold=1)
    with pytest.raises(ValueError, match=r"must be \(frames, slots, 3\) and \(frames, slots\), got \(5, 1, 3\) and"):
        track(doa, odds[:4])
    odds[3] = np.nan
    with pytest.raises(ValueError, match="must be finite, got others from frame 0 on"):
        track(doa, odds)
