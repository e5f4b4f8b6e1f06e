"""Clips and folders of clips: labels, noise, reproducibility, resuming."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seld.audio import SAMPLE_RATE, read_audio
from seld.labels import read_rows
from seld.scenes import SceneConfig, make_scenes
from seld.scenes.events import SyntheticEvents
from seld.scenes.mixing import Event, diffuse_noise, draw_schedule, label_rows, make_clip, noise_gain
from seld.scenes.rooms import Path as SourcePath
from seld.scenes.rooms import Room, draw_path, draw_room
from seld.scenes.synthesis import Sound

ROOM = Room(np.array([8.0, 8.0, 3.0]), np.array([4.0, 4.0, 1.5]), 0.0, np.array([0.3, 0.3]), np.ones(6))


def event(onset_s: float, end_s: float, points: list, class_index: int = 3) -> Event:
    audio = np.ones(round((end_s - onset_s) * SAMPLE_RATE), dtype=np.float32)
    path = SourcePath("line", np.array(points), end_s - onset_s)
    return Event(Sound(audio, class_index, "x"), onset_s, path, level_db=0.0)


def test_a_frame_is_labelled_when_the_sound_fills_half_of_it():
    left = [[4.0, 6.0, 1.5]]
    rows = label_rows([event(0.15, 0.45, left), event(0.451, 0.649, left)], ROOM, clip_seconds=1.0)
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
    noise = diffuse_noise(np.random.default_rng(0), 20 * SAMPLE_RATE)
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
    clip = make_clip(np.random.default_rng(0), SyntheticEvents(config), config)
    assert clip.audio.shape == (4, 5 * SAMPLE_RATE)
    assert np.abs(clip.audio).max() == pytest.approx(10 ** (-6 / 20), rel=1e-4)
    assert len(clip.description["events"]) >= clip.rows.source.nunique()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_in_dcase_layout_and_an_interrupted_run_ends_the_same(tmp_path):
    config = SceneConfig(clips=3, clip_seconds=2.0, split="test")
    make_scenes(config, tmp_path, progress=False)
    whole = contents(tmp_path)
    names = [f"fold1_room000{number}_mix001" for number in (1, 2, 3)]
    assert {name for name in whole if name.endswith((".flac", ".csv"))} == {
        *(f"foa_dev/{name}.flac" for name in names),
        *(f"metadata_dev/{name}.csv" for name in names),
    }
    assert read_audio(tmp_path / "foa_dev" / f"{names[0]}.flac").shape == (4, 2 * SAMPLE_RATE)
    read_rows(tmp_path / "metadata_dev" / f"{names[0]}.csv")
    scene = json.loads((tmp_path / "scene_dev" / f"{names[0]}.json").read_text())
    assert scene.keys() >= {"room", "snr_db", "events"}

    # Killed between the audio and the labels of one clip, and before another one.
    (tmp_path / "metadata_dev" / f"{names[1]}.csv").unlink()
    for folder, suffix in (("metadata_dev", "csv"), ("foa_dev", "flac"), ("scene_dev", "json")):
        (tmp_path / folder / f"{names[2]}.{suffix}").unlink()
    kept = (tmp_path / "foa_dev" / f"{names[0]}.flac").stat().st_mtime_ns
    make_scenes(config, tmp_path, progress=False)
    assert contents(tmp_path) == whole
    assert (tmp_path / "foa_dev" / f"{names[0]}.flac").stat().st_mtime_ns == kept


def test_splits_share_a_folder_and_not_a_scene(tmp_path):
    for split in ("train", "test"):
        make_scenes(SceneConfig(clips=1, clip_seconds=1.0, split=split), tmp_path, progress=False)
    scenes = [json.loads(path.read_text()) for path in (tmp_path / "scene_dev").iterdir()]
    assert len(scenes) == 2
    assert scenes[0]["room"] != scenes[1]["room"]


def test_a_folder_of_another_configuration_is_refused(tmp_path):
    make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path, progress=False)
    with pytest.raises(ValueError, match=r"holds train scenes made with seed 0, not 1"):
        make_scenes(SceneConfig(clips=1, clip_seconds=1.0, seed=1), tmp_path, progress=False)
    make_scenes(SceneConfig(clips=2, clip_seconds=1.0), tmp_path, progress=False)  # more of the same is fine
    assert len(list((tmp_path / "foa_dev").iterdir())) == 2


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path):
    config = SceneConfig(clips=4, clip_seconds=2.0)
    make_scenes(config, tmp_path / "one", workers=1, progress=False)
    make_scenes(config, tmp_path / "two", workers=2, progress=False)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("clips", 0),
        ("split", "dev"),
        ("max_overlap", 6),
        ("moving", 1.5),
        ("rt60_s", (0.8, 0.2)),
        ("rt60_s", (0.05, 0.2)),
        ("snr_db", (0.0, 20.0)),
        ("distance_m", (0.0, 2.0)),
        ("room_min_m", (13.0, 3.0, 2.4)),
    ],
)
def test_impossible_options_are_refused_by_name(option, value):
    with pytest.raises(ValueError, match=rf"scenes\.{option} must be"):
        SceneConfig(**{option: value})


def test_sources_too_far_for_the_room_are_refused():
    config = SceneConfig(distance_m=(9.0, 9.5), room_max_m=(5.0, 5.0, 3.0))
    with pytest.raises(ValueError, match=r"scenes\.distance_m must fit into the room"):
        draw_path(np.random.default_rng(0), draw_room(np.random.default_rng(0), config), 1.0, config)
