"""Measured impulse responses: folders of sound files and SOFA files that sofar wrote, static and moving sources."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seld.arrays import ARRAYS
from seld.audio import SAMPLE_RATE, read_audio
from seld.geometry import unit_from_degrees
from seld.labels import read_rows
from seld.scenes import SceneConfig, make_scenes, render_scenes
from seld.scenes.drawing import draw_measured_path
from seld.scenes.responses import LEAD, MeasuredRoom, find_responses, open_room
from seld.scenes.rooms import Path as SourcePath
from seld.scenes.sofa import read_sofa

FOA, MIC = ARRAYS["foa"], ARRAYS["mic"]
AZIMUTHS = np.arange(-180, 180, 10)


def foa_response(azimuth: float, delay: int = 100, rate: int = SAMPLE_RATE) -> np.ndarray:
    """A click from that azimuth on the horizon, then a weak one from above: (4, samples)."""
    x, y, _ = unit_from_degrees(float(azimuth), 0.0)
    response = np.zeros((4, rate // 10))
    response[:, delay] = 0.5 * np.array([1, y, 0, x])
    response[:, delay + rate // 50] = [0.02, 0, 0.02, 0]
    return response


def write_set(folder: Path, azimuths=AZIMUTHS, rate: int = SAMPLE_RATE, channels: int = 4) -> Path:
    """A folder of responses at 1.5 m, with positions.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file,azimuth,elevation,distance_m"]
    for azimuth in azimuths:
        name = f"at{azimuth}.wav"
        response = foa_response(azimuth, delay=100 + azimuth % 7, rate=rate)[:channels]
        soundfile.write(folder / name, response.T, rate, subtype="FLOAT")
        lines.append(f"{name},{azimuth},0,1.5")
    (folder / "positions.csv").write_text("\n".join(lines) + "\n")
    return folder


def intensity_azimuth(foa: np.ndarray) -> float:
    w, y, _, x = foa
    return float(np.degrees(np.arctan2((w * y).sum(), (w * x).sum())))


def test_a_set_is_read_aligned_with_its_positions(tmp_path):
    room = open_room(str(write_set(tmp_path)), FOA)
    assert room.audio.shape[:2] == (36, 4)
    assert (np.abs(room.audio[:, 0]).argmax(axis=1) == LEAD).all()
    np.testing.assert_allclose(room.positions_m, 1.5 * unit_from_degrees(AZIMUTHS.astype(float), np.zeros(36)))


def test_another_rate_is_resampled_and_json_and_cartesian_tables_are_read(tmp_path, caplog):
    write_set(tmp_path, azimuths=[90], rate=48_000)
    (tmp_path / "positions.csv").unlink()
    (tmp_path / "positions.json").write_text(json.dumps([{"file": "at90.wav", "x_m": 0, "y_m": 1.5, "z_m": 0}]))
    room = open_room(str(tmp_path), FOA)
    np.testing.assert_allclose(room.positions_m, [[0, 1.5, 0]])
    assert caplog.messages == [f"{tmp_path}: responses resampled from 48000 Hz to 24000 Hz"]
    response = room.audio[0]
    assert np.argmax(np.abs(response[0])) - LEAD in (0, 1, 2, 3)
    assert response.shape[1] < 0.11 * SAMPLE_RATE
    np.testing.assert_allclose(response[1, : LEAD + 60], response[0, : LEAD + 60], atol=1e-3)


def test_scenes_from_responses_have_sound_where_the_labels_say(tmp_path):
    write_set(tmp_path / "room")
    config = SceneConfig(
        clips=2, clip_seconds=6.0, responses=str(tmp_path / "room"), max_overlap=1, snr_db=(60.0, 60.0), moving=0.7
    )
    make_scenes(config, tmp_path / "out", progress=False)
    checked = 0
    for metadata in sorted((tmp_path / "out" / "metadata_dev").iterdir()):
        foa = read_audio(tmp_path / "out" / "foa_dev" / f"{metadata.stem}.flac").numpy()
        rows = read_rows(metadata)
        np.testing.assert_allclose(rows["distance"], 1.5, atol=0.03)  # chords between positions come a little nearer
        for row in rows.itertuples():
            frame = foa[:, row.frame * 2400 : (row.frame + 1) * 2400]
            if np.square(frame[0]).mean() < 0.1 * np.square(foa[0]).mean():
                continue  # what is left there is the end of a sound
            off = (intensity_azimuth(frame) - row.azimuth + 180) % 360 - 180
            assert abs(off) < 6
            checked += 1
    assert checked > 20
    render_scenes(tmp_path / "out", tmp_path / "again", progress=False)
    for name in ("foa_dev", "metadata_dev", "scene_dev"):
        for path in (tmp_path / "out" / name).iterdir():
            assert (tmp_path / "again" / name / path.name).read_bytes() == path.read_bytes()


def test_a_static_source_is_a_plain_convolution(tmp_path):
    room = open_room(str(write_set(tmp_path)), FOA)
    dry = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    heard = room.render(dry, SourcePath("static", room.positions_m[3:4], 1.0))
    expected = np.stack([np.convolve(dry, channel) for channel in room.audio[3]])
    np.testing.assert_allclose(heard, expected, atol=1e-4)


def test_moving_fades_from_each_position_to_the_next_without_a_step():
    audio = np.zeros((3, 1, 4), dtype=np.float32)
    audio[:, 0, 0] = [1, 2, 4]
    room = MeasuredRoom("x", np.eye(3), audio)
    heard = room.render(np.ones(1001, dtype=np.float32), SourcePath("measured", np.eye(3), 1.0))
    np.testing.assert_allclose(heard[0, [0, 250, 500, 750, 1000]], [1, 1.5, 2, 3, 4], atol=0.01)
    assert np.abs(np.diff(heard[0, :1001])).max() < 0.005


def test_paths_go_from_neighbour_to_neighbour_at_about_the_speed_asked_for(tmp_path):
    room = open_room(str(write_set(tmp_path)), FOA)
    config = SceneConfig(moving=1.0, speed_m_per_s=(0.5, 1.0), distance_m=(1.0, 2.0))
    lengths = []
    for seed in range(20):
        path = draw_measured_path(np.random.default_rng(seed), room, 4.0, config)
        steps = np.linalg.norm(np.diff(path.points_m, axis=0), axis=1)
        assert steps.max() < 1.5 * 2 * np.sin(np.radians(10)) + 0.01
        turns = np.unwrap(np.arctan2(*path.points_m.T[1::-1]))
        assert (np.diff(turns) > 0).all() or (np.diff(turns) < 0).all()  # it does not turn back
        lengths.append(steps.sum())
    assert min(lengths) > 1.9 and max(lengths) < 4.6


def test_lone_positions_stay_static_and_far_ones_are_refused(tmp_path):
    room = open_room(str(write_set(tmp_path, azimuths=[0, 90])), FOA)
    path = draw_measured_path(np.random.default_rng(0), room, 4.0, SceneConfig(moving=1.0))
    assert path.kind == "static" and len(path.points_m) == 1
    with pytest.raises(ValueError, match=r"scenes.distance_m must hold a source of .*, whose sources are 1.50 to 1.50"):
        draw_measured_path(np.random.default_rng(0), room, 4.0, SceneConfig(distance_m=(3.0, 4.0)))


def test_a_folder_of_sets_is_several_rooms(tmp_path):
    for name in ("b", "a"):
        write_set(tmp_path / name, azimuths=[0])
    (tmp_path / "other").mkdir()
    assert find_responses(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ValueError, match="expected SOFA files, or sound files with positions.csv"):
        find_responses(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="nowhere: no such file or folder"):
        find_responses(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,azimuth\nat0.wav,1\n", r"positions.csv: expected the columns file and azimuth, .* got file, azimuth"),
        ("file,azimuth,elevation,distance_m\n", "positions.csv: expected at least one response, found none"),
        ("file,azimuth,elevation,distance_m\nat0.wav,left,0,1\n", "three numbers for response 1"),
        ("file,x_m,y_m,z_m\nat0.wav,0,0,0\n", "must be at least 0.05 m from the array, got 0 m"),
        ("file,azimuth,elevation,distance_m\nat0.wav,0,0,0\n", "distance_m above 0, got 0 and 0 for response 1"),
        ("file,azimuth,elevation,distance_m\nat0.wav,0,0,1\nat0.wav,0,91,1\n", "got 91 and 1 for response 2"),
        ("file,azimuth,elevation,distance_m\ngone.wav,0,0,1\n", "gone.wav: no such file"),
        ("", "positions.csv: not a table"),
    ],
)
def test_bad_tables_are_named(tmp_path, table, message):
    write_set(tmp_path, azimuths=[0])
    (tmp_path / "positions.csv").write_text(table)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        open_room(str(tmp_path), FOA)


def test_bad_responses_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"at0.wav: expected 4 channels for the array foa, found 2"):
        open_room(str(write_set(tmp_path / "two", azimuths=[0], channels=2)), FOA)
    silent = write_set(tmp_path / "silent", azimuths=[0])
    soundfile.write(silent / "at0.wav", np.zeros((100, 4)), SAMPLE_RATE)
    with pytest.raises(ValueError, match="silent: measurement 0 must not be silent"):
        open_room(str(silent), FOA)
    with pytest.raises(ValueError, match=r"scenes.formats must be one, the array that scenes.responses"):
        SceneConfig(formats=["foa", "mic"], responses=str(silent))
    (tmp_path / "a.wav").touch()
    with pytest.raises(ValueError, match=r"a.wav: expected a SOFA file"):
        open_room(str(tmp_path / "a.wav"), FOA)


def test_without_netcdf_the_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "netCDF4", None)
    (tmp_path / "a.sofa").touch()
    with pytest.raises(ValueError, match=r"a.sofa: netCDF4 must be installed .*pip install 'seld\[sofa\]'"):
        read_sofa(tmp_path / "a.sofa")
