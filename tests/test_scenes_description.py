"""Descriptions of scenes: rendered again to the byte, edited, and refused with file and key."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from seld.audio import SAMPLE_RATE, read_audio
from seld.geometry import unit_from_degrees
from seld.labels import read_rows
from seld.scenes import SceneConfig, make_scenes, render_scenes

NAME = "fold3_room0001_mix001"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Two clips of 6 s in two formats."""
    folder = tmp_path_factory.mktemp("made")
    config = SceneConfig(clips=2, clip_seconds=6.0, formats=["foa", "mic"], event_seconds=(1.0, 3.0))
    make_scenes(config, folder, progress=False)
    return folder


def scene_of(folder: Path) -> dict:
    return json.loads((folder / "scene_dev" / f"{NAME}.json").read_text())


def render(scene: dict, folder: Path, **options) -> Path:
    """Write a description, render it, and give the folder of the result."""
    path = folder / f"{NAME}.json"
    path.write_text(json.dumps(scene))
    render_scenes(path, folder / "out", progress=False, **options)
    return folder / "out"


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("scenes_"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_unedited_descriptions_give_the_same_bytes(made, tmp_path):
    render_scenes(made, tmp_path / "whole", progress=False)
    assert contents(tmp_path / "whole") == contents(made)
    render_scenes(made / "scene_dev" / f"{NAME}.json", tmp_path / "one", progress=False)
    assert contents(tmp_path / "one").items() <= contents(made).items()


def test_scenes_of_recorded_and_synthetic_sounds_give_the_same_bytes(tmp_path):
    for number in range(8):
        tone = np.sin(np.arange(SAMPLE_RATE) * (0.1 + 0.02 * number))
        path = tmp_path / "sounds" / "tone" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.5 * tone, SAMPLE_RATE)
    config = SceneConfig(clips=2, clip_seconds=5.0, events=str(tmp_path / "sounds"), synthetic=0.5, variation=0.5)
    make_scenes(config, tmp_path / "made", progress=False)
    scenes = [json.loads(path.read_text()) for path in (tmp_path / "made" / "scene_dev").iterdir()]
    sounds = [event["sound"] for scene in scenes for event in scene["events"]]
    for key in ("file", "family", "variation"):
        assert {key in sound for sound in sounds} == {True, False}, key
    render_scenes(tmp_path / "made", tmp_path / "again", progress=False)
    assert contents(tmp_path / "again") == contents(tmp_path / "made")


def test_a_single_event_can_be_moved_in_space_and_time(made, tmp_path):
    scene = scene_of(made)
    event = scene["events"][0]
    room = scene["room"]
    room["yaw_deg"] = 0.0
    room["array_m"] = [2.0, 2.0, 1.5]
    room["size_m"] = [8.0, 8.0, 3.0]
    event |= {"onset_s": 2.0, "seconds": 1.0, "path": {"kind": "static", "points_m": [[2.0, 4.0, 1.5]]}}
    scene |= {"events": [event], "snr_db": 60.0}
    out = render(scene, tmp_path)
    rows = read_rows(out / "metadata_dev" / f"{NAME}.csv")
    assert rows["frame"].tolist() == list(range(20, 30))
    assert (rows[["azimuth", "elevation", "distance"]].drop_duplicates().to_numpy() == [[90, 0, 2.0]]).all()
    text = (out / "metadata_dev" / f"{NAME}.csv").read_text().splitlines()
    assert text[0] == f"20,{event['class']},{event['source']},90,0,200"  # centimetres in the file
    w, y, z, x = read_audio(out / "foa_dev" / f"{NAME}.flac").numpy()
    assert np.square(w[: 2 * SAMPLE_RATE - 24]).mean() < 1e-3 * np.square(w).mean()
    first = slice(2 * SAMPLE_RATE, round(2.005 * SAMPLE_RATE))  # before any wall answers
    assert np.corrcoef(w[first], y[first])[0, 1] > 0.99
    assert np.abs(np.r_[x[first], z[first]]).max() < 0.1 * np.abs(y[first]).max()


def test_another_onset_moves_sound_and_labels_and_nothing_else(made, tmp_path):
    scene = scene_of(made) | {"noise": {"kind": "none"}}
    scene["events"] = scene["events"][:1]
    scene["events"][0]["seconds"] = 1.0
    later = json.loads(json.dumps(scene))
    scene["events"][0]["onset_s"], later["events"][0]["onset_s"] = 1.0, 2.5
    before, after = render(scene, tmp_path), None
    heard = {folder: read_audio(before / folder / f"{NAME}.flac") for folder in ("foa_dev", "mic_dev")}
    rows = read_rows(before / "metadata_dev" / f"{NAME}.csv")
    after = render(later, tmp_path)
    shift = round(1.5 * SAMPLE_RATE)
    for folder, audio in heard.items():
        moved = read_audio(after / folder / f"{NAME}.flac")
        np.testing.assert_allclose(moved[:, shift:], audio[:, :-shift], atol=2e-4)
        assert moved.abs().max() > 0.01
    expected = rows.assign(frame=rows["frame"] + 15)
    pd.testing.assert_frame_equal(read_rows(after / "metadata_dev" / f"{NAME}.csv"), expected)


def test_a_short_event_from_a_file_can_be_added(made, tmp_path):
    tone = np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    soundfile.write(tmp_path / "tone.wav", 0.5 * tone, SAMPLE_RATE)
    scene = scene_of(made)
    place = scene["events"][0]["path"]["points_m"][:1]
    added = {"class": 12, "onset_s": 4.0, "path": {"kind": "static", "points_m": place}, "source": 99}
    scene |= {"sounds": str(tmp_path), "events": [added | {"sound": {"file": "tone.wav"}, "seconds": 0.5}]}
    out = render(scene, tmp_path)
    rows = read_rows(out / "metadata_dev" / f"{NAME}.csv")
    assert rows["class"].unique().tolist() == [12] and rows["source"].unique().tolist() == [99]
    assert rows["frame"].tolist() == [40, 41, 42, 43, 44]
    for folder in ("foa_dev", "mic_dev"):
        part = read_audio(out / folder / f"{NAME}.flac").numpy()[0, 4 * SAMPLE_RATE :][: SAMPLE_RATE // 2]
        assert np.argmax(np.abs(np.fft.rfft(part))) * 2 == pytest.approx(1000, abs=4)


def test_formats_can_be_added_to_clips_that_are_there(made, tmp_path):
    render_scenes(made, tmp_path, formats=["mic", "respeaker_4"], progress=False)
    assert {path.name for path in tmp_path.iterdir() if path.name.endswith("_dev")} == {
        "mic_dev", "respeaker_4_dev", "metadata_dev", "scene_dev",
    }  # fmt: skip
    mic = Path("mic_dev") / f"{NAME}.flac"
    assert (tmp_path / mic).read_bytes() == (made / mic).read_bytes()
    written = scene_of(tmp_path)["formats"]
    assert written[0] == "mic" and len(written[1]["positions_m"]) == 4  # no other file is needed to render it again
    again = tmp_path / "again"
    render_scenes(tmp_path, again, progress=False)
    assert (
        contents(again)[f"respeaker_4_dev/{NAME}.flac"] == (tmp_path / "respeaker_4_dev" / f"{NAME}.flac").read_bytes()
    )


def test_walls_that_are_moved_keep_the_reverberation_time(made, tmp_path):
    from seld.scenes.description import read_description
    from seld.scenes.rooms import wall_surfaces

    scene = scene_of(made)
    scene["room"]["size_m"] = [side + 3 for side in scene["room"]["size_m"]]
    room = read_description(scene).room
    surfaces = wall_surfaces(room.size_m)
    assert (room.wall_weights * surfaces).sum() == pytest.approx(surfaces.sum())


OUTSIDE = {"kind": "static", "points_m": [[-1, 1, 1]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("room"), "room must be given"),
        (lambda s: s["room"].update(size="big"), r"room\.size must be one of the keys size_m"),
        (lambda s: s["room"].update(array_m=[1, 1]), r"room\.array_m must be 3 numbers from 0 to 200, got \[1, 1\]"),
        (lambda s: s["room"].update(array_m=[1, 1, 99]), r"room\.array_m must be 5 cm inside the room of"),
        (lambda s: s["room"].update(rt60_s=[0, 1]), r"room\.rt60_s must be 2 numbers from 0.01 to 10"),
        (lambda s: s["events"][1].update(onset_s=-1), r"events\[1\]\.onset_s must be a number from 0 to 6, got -1"),
        (lambda s: s["events"][1].update(onset_s="late"), r"events\[1\]\.onset_s must be a number .* got 'late'"),
        (lambda s: s["events"][0].update(seconds=50), r"events\[0\]\.seconds must be a number from 0.001 to"),
        (lambda s: s["events"][0].update({"class": -1}), r"events\[0\]\.class must be a whole number from 0, got -1"),
        (
            lambda s: s["events"][0].update({"class": 10**30}),
            r"events\[0\]\.class must be a whole number from 0, got 1",
        ),
        (lambda s: s["events"][0].update(path=OUTSIDE), r"events\[0\]\.path\.points_m must be inside the room"),
        (
            lambda s: s["events"][0]["path"].update(kind="line", points_m=[[1, 1, 1]]),
            r"path\.points_m must be one point",
        ),
        (lambda s: s["events"][0].update(sound={}), r"events\[0\]\.sound\.seed must be given"),
        (lambda s: s["events"][0].update(sound={"file": "no.wav"}), r"no\.wav: no such file"),
        (lambda s: s["events"][0]["sound"].update(family="cat"), r"events\[0\]\.sound\.family must be one of speech"),
        (lambda s: s["events"][1].update(source=s["events"][0]["source"]), r"events\[1\]\.source must be another one"),
        (lambda s: s["events"][0].update(random="x"), r"events\[0\]\.random must be a whole number from 0, or a state"),
        (lambda s: s.update(formats=["foa", "tetra"]), "array must be a YAML file or one of"),
        (lambda s: s.update(formats=[{"name": "a", "kind": "open"}]), r"formats\[0\]: positions_m must be at least 2"),
        (lambda s: s.update(formats=[{"name": "a", "kind": "flat"}]), r"formats\[0\]\.kind must be one of foa, open"),
        (lambda s: s.update(formats=[{"kind": "open"}]), r"formats\[0\]\.name must be given"),
        (lambda s: s.update(noise={"kind": "pink"}), r"noise\.kind must be diffuse, recording or none, got 'pink'"),
        (lambda s: s.update(snr_db=None), "snr_db must be given"),
        (lambda s: s.update(events={}), r"events must be a list, got \{\}"),
    ],
)
def test_a_bad_edit_is_named_by_file_and_key(made, tmp_path, change, message):
    scene = scene_of(made)
    change(scene)
    with pytest.raises((ValueError, FileNotFoundError), match=rf"{NAME}\.json: .*{message}"):
        render(scene, tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_scene_of_nothing_is_silent(made, tmp_path):
    out = render(scene_of(made) | {"events": [], "noise": {"kind": "none"}}, tmp_path)
    for folder in ("foa_dev", "mic_dev"):
        assert not read_audio(out / folder / f"{NAME}.flac").any()
    assert not len(read_rows(out / "metadata_dev" / f"{NAME}.csv"))


def test_no_description_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such file or folder of scenes"):
        render_scenes(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ValueError, match=r"expected descriptions of scenes \(.json\), found none"):
        render_scenes(tmp_path, tmp_path / "out")
    (tmp_path / "a.json").write_text('{\n"room": }')
    with pytest.raises(ValueError, match=r"a\.json:2: expected JSON"):
        render_scenes(tmp_path, tmp_path / "out")


def test_a_source_at_the_edge_of_a_sphere_is_refused(made, tmp_path):
    scene = scene_of(made)
    array = np.array(scene["room"]["array_m"])
    near = array + 0.05 * unit_from_degrees(10.0, 0.0)
    scene["events"][0]["path"] = {"kind": "static", "points_m": [near.tolist()]}
    with pytest.raises(ValueError, match=r"points_m must be at least 0\.1 m from the array"):
        render(scene, tmp_path)
