"""Clips: schedules, labels, noise, levels."""

import numpy as np
import pandas as pd
import pytest

from seld.audio import SAMPLE_RATE
from seld.scenes import SceneConfig
from seld.scenes.drawing import draw_scene, draw_schedule
from seld.scenes.events import SyntheticEvents
from seld.scenes.mixing import label_rows, mix, noise_gain
from seld.scenes.noise import diffuse_noise
from seld.scenes.rooms import Path as SourcePath
from seld.scenes.rooms import Room, draw_path, draw_room
from seld.scenes.scene import Event
from seld.scenes.synthesis import Sound

ROOM = Room(np.array([8.0, 8.0, 3.0]), np.array([4.0, 4.0, 1.5]), 0.0, np.array([0.3, 0.3]), np.ones(6))


def event(onset_s: float, end_s: float, points: list, class_index: int = 3, source: int = 0) -> Event:
    audio = np.ones(round((end_s - onset_s) * SAMPLE_RATE), dtype=np.float32)
    path = SourcePath("line", np.array(points), end_s - onset_s)
    return Event(Sound(audio, class_index), onset_s, path, level_db=0.0, source=source)


def test_a_frame_is_labelled_when_the_sound_fills_half_of_it():
    left = [[4.0, 6.0, 1.5]]
    rows = label_rows([event(0.15, 0.45, left), event(0.451, 0.649, left, source=1)], ROOM, clip_seconds=1.0)
    assert rows[rows.source == 0].frame.tolist() == [1, 2, 3, 4]
    assert rows[rows.source == 1].frame.tolist() == [5]
    place = rows[["class", "azimuth", "elevation", "distance"]].drop_duplicates()
    assert place.to_numpy().tolist() == [[3, 90, 0, 2.0]]


def test_a_label_is_the_direction_at_the_centre_of_the_frame():
    # From straight ahead to the left in 1 s, on the line x + y = 2: at 0.45 s it is at (1.1, 0.9).
    rows = label_rows([event(0.0, 1.0, [[6.0, 4.0, 1.5], [4.0, 6.0, 1.5]])], ROOM, clip_seconds=1.0)
    row = rows[rows.frame == 4].iloc[0]
    assert row.azimuth == round(np.degrees(np.arctan2(0.9, 1.1)))
    assert row.distance == round(np.hypot(0.9, 1.1), 2)


def test_azimuth_behind_is_minus_180():
    behind = event(0.0, 0.1, [[2.0, 4.0 + 1e-6, 1.5]])
    assert label_rows([behind], ROOM, clip_seconds=0.1).azimuth.tolist() == [-180]


@pytest.mark.parametrize("most", [1, 2, 5])
def test_never_more_sources_than_allowed_and_sometimes_all_of_them(most):
    config = SceneConfig(max_overlap=most, clip_seconds=8.0, gap_seconds=(0.1, 0.2), event_seconds=(0.5, 3.0))
    counts = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        schedule = draw_schedule(rng, SyntheticEvents(config), ROOM, config)
        schedule = [event._replace(source=source) for source, event in enumerate(schedule)]
        rows = label_rows(schedule, ROOM, config.clip_seconds)
        counts.append(rows.groupby("frame").size().max())
        assert rows.frame.max() < 80
        assert not rows.duplicated(["frame", "source"]).any()
    assert max(counts) == most


def test_paths_stay_inside_the_room_and_the_range_and_keep_their_speed():
    config = SceneConfig(moving=1.0)
    moved = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        room = draw_room(rng, config)
        path = draw_path(rng, room, 3.0, config)
        points = path.at(np.linspace(0, 3, 61))
        assert (points > 0).all()
        assert (points < room.size_m).all()
        _, distance = room.directions(points)
        assert distance.min() > 0.49
        assert distance.max() < 5.01
        step = np.linalg.norm(np.diff(points, axis=0), axis=1) / 0.05
        assert step.max() < 1.5 * config.speed_m_per_s[1]
        moved += path.kind != "static"
    assert moved > 40


def test_ambient_noise_is_isotropic():
    (noise,) = diffuse_noise(np.random.default_rng(0), 20 * SAMPLE_RATE)
    covariance = np.cov(noise) / noise[0].var()
    np.testing.assert_allclose(np.diag(covariance), [1, 1 / 3, 1 / 3, 1 / 3], rtol=0.15)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.08


def test_noise_level_counts_labelled_frames_only():
    signal = np.zeros(SAMPLE_RATE)
    signal[: SAMPLE_RATE // 2] = 2.0
    rows = pd.DataFrame({"frame": [0, 1, 1, 2, 3, 4]})
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    scaled = noise * noise_gain(signal, noise, rows, snr_db=20.0)
    assert np.mean(scaled**2) == pytest.approx(4.0 / 100)


def test_a_clip_has_the_peak_asked_for_and_is_finite():
    config = SceneConfig(clip_seconds=5.0, peak_dbfs=(-6.0, -6.0))
    scene = draw_scene(np.random.default_rng(0), SyntheticEvents(config), config)
    clip = mix(scene)
    assert clip.audio["foa"].shape == (4, 5 * SAMPLE_RATE)
    assert np.abs(clip.audio["foa"]).max() == pytest.approx(10 ** (-6 / 20), rel=1e-4)
    assert len(scene.events) >= clip.rows.source.nunique()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("clips", 0),
        ("split", "dev"),
        ("max_overlap", 6),
        ("synthetic", 1.5),
        ("variation", 1.1),
        ("synthetic", -0.1),
        ("moving", 1.5),
        ("rt60_s", (0.8, 0.2)),
        ("rt60_s", (0.05, 0.2)),
        ("snr_db", (0.0, 20.0)),
        ("distance_m", (0.0, 2.0)),
        ("room_min_m", (13.0, 3.0, 2.4)),
        ("formats", []),
        ("formats", ["mic", "mic"]),
        ("formats", ["foa", "binaural"]),
    ],
)
def test_impossible_options_are_refused_by_name(option, value):
    with pytest.raises(ValueError, match=rf"scenes\.{option} must be"):
        SceneConfig(**{option: value})


def test_a_share_of_synthetic_sounds_needs_others():
    with pytest.raises(ValueError, match=r"scenes\.events must be given with synthetic between 0 and 1, got None"):
        SceneConfig(synthetic=0.5)
    assert SceneConfig(synthetic=1.0).synthetic == SceneConfig(synthetic=0.5, events="mine").synthetic * 2


def test_sources_too_far_for_the_room_are_refused():
    config = SceneConfig(distance_m=(9.0, 9.5), room_max_m=(5.0, 5.0, 3.0))
    with pytest.raises(ValueError, match=r"scenes\.distance_m must fit into the room"):
        draw_path(np.random.default_rng(0), draw_room(np.random.default_rng(0), config), 1.0, config)
