"""Folders of clips: layout, resuming, shards, workers, Ray, disks that fill."""

import dataclasses
import errno
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seld.audio import SAMPLE_RATE, read_audio
from seld.labels import read_rows
from seld.scenes import SceneConfig, make_scenes, making, writing


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
    assert json.loads((tmp_path / "classes.json").read_text())[:2] == ["speech", "instrument"]

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


def test_a_folder_of_an_older_version_is_gone_on_with(tmp_path):
    make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path, progress=False)
    path = tmp_path / "scenes_train.json"
    stored = json.loads(path.read_text())
    for key in ("formats", "responses", "ambience", "arrays", "synthetic"):
        del stored[key]
    path.write_text(json.dumps(stored))
    make_scenes(SceneConfig(clips=2, clip_seconds=1.0), tmp_path, progress=False)
    assert len(list((tmp_path / "foa_dev").iterdir())) == 2
    with pytest.raises(ValueError, match=r"made with formats \['foa'\], not \['mic'\]"):
        make_scenes(SceneConfig(clips=2, clip_seconds=1.0, formats=["mic"]), tmp_path, progress=False)


def test_an_array_file_that_was_changed_is_refused(tmp_path):
    file = tmp_path / "two.yaml"
    file.write_text("name: two\npositions_m: [[0, 0.1, 0], [0, -0.1, 0]]\n")
    config = SceneConfig(clips=1, clip_seconds=1.0, formats=[str(file)])
    make_scenes(config, tmp_path / "out", progress=False)
    assert read_audio(tmp_path / "out" / "two_dev" / "fold3_room0001_mix001.flac").shape == (2, SAMPLE_RATE)
    make_scenes(config, tmp_path / "out", progress=False)
    file.write_text("name: two\npositions_m: [[0, 0.2, 0], [0, -0.2, 0]]\n")
    with pytest.raises(ValueError, match="holds train scenes made with arrays"):
        make_scenes(config, tmp_path / "out", progress=False)


def test_classes_are_the_subfolders_and_differ_in_no_split(tmp_path):
    for name in ("bark", "alarm"):
        for number in range(12):
            write_click(tmp_path / "sounds" / name / f"{number}.wav")
    config = SceneConfig(clips=1, clip_seconds=1.0, events=str(tmp_path / "sounds"))
    make_scenes(config, tmp_path / "out", progress=False)
    assert json.loads((tmp_path / "out" / "classes.json").read_text()) == ["alarm", "bark"]
    with pytest.raises(ValueError, match=r"classes.json: the folder's classes are \['alarm', 'bark'\], not"):
        make_scenes(SceneConfig(clips=1, clip_seconds=1.0, split="test"), tmp_path / "out", progress=False)


def write_click(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.hanning(SAMPLE_RATE // 2), SAMPLE_RATE)


def test_shards_make_the_clips_of_the_whole(tmp_path):
    config = SceneConfig(clips=5, clip_seconds=1.0)
    make_scenes(config, tmp_path / "whole", progress=False)
    make_scenes(config, tmp_path / "parts", progress=False, shards="2/3")
    assert sorted(path.name[:14] for path in (tmp_path / "parts" / "foa_dev").iterdir()) == [
        "fold3_room0002",
        "fold3_room0005",
    ]
    for shard in ("1/3", "3/3"):
        make_scenes(config, tmp_path / "parts", progress=False, shards=shard)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize("shards", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_impossible_shards_are_refused(tmp_path, shards):
    with pytest.raises(ValueError, match=f"shards must be i/n with i from 1 to n, got {shards}"):
        make_scenes(SceneConfig(clips=1), tmp_path, shards=shards)


class FakeRay(types.ModuleType):
    """What of Ray is used, done at once in this process."""

    def __init__(self):
        super().__init__("ray")
        self.tasks, self.cancelled = 0, []
        error = type("RayError", (Exception,), {})
        self.exceptions = types.SimpleNamespace(RayError=error, RayTaskError=type("RayTaskError", (error,), {}))

    def is_initialized(self) -> bool:
        return True

    def put(self, value):
        return value

    def remote(self, function):
        def run(*arguments):
            self.tasks += 1
            try:
                return function(*arguments)
            except (ValueError, OSError) as error:
                return error

        return types.SimpleNamespace(remote=run)

    def wait(self, waiting, num_returns=1, timeout=None):
        return waiting[:num_returns], waiting[num_returns:]

    def get(self, result):
        if isinstance(result, Exception):
            told = self.exceptions.RayTaskError("ray::_work_in_ray() File workers.py, line 123, in _work_in_ray")
            told.cause = result
            raise told
        return result

    def cancel(self, task):
        self.cancelled.append(task)


def test_ray_makes_the_same_clips(tmp_path, monkeypatch):
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    config = SceneConfig(clips=6, clip_seconds=1.0)
    make_scenes(config, tmp_path / "ray", progress=False, ray=True)
    make_scenes(config, tmp_path / "here", progress=False)
    assert ray.tasks == 2
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")


def test_what_goes_wrong_in_ray_is_told_without_its_traces(tmp_path, monkeypatch):
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(writing, "write_rows", full)
    with pytest.raises(OSError, match="^.Errno 28. fold3_room0001_mix001 could not be written") as error:
        make_scenes(SceneConfig(clips=6, clip_seconds=1.0), tmp_path, progress=False, ray=True)
    assert error.value.errno == errno.ENOSPC and len(ray.cancelled) == 1

    def lost(result):
        raise ray.exceptions.RayError("the worker died")

    monkeypatch.setattr(ray, "get", lost)
    with pytest.raises(OSError, match="^Ray could not do the work: the worker died$"):
        make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path, progress=False, ray=True)


def test_missing_ray_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"ray must be installed .*pip install 'seld\[ray\]'"):
        make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path, progress=False, ray=True)


def test_a_disk_that_fills_leaves_nothing_half_made(tmp_path):
    resource = pytest.importorskip("resource")
    config = SceneConfig(clips=2, clip_seconds=2.0, formats=["foa", "mic"])
    make_scenes(config, tmp_path / "whole", progress=False)
    sizes = [path.stat().st_size for path in (tmp_path / "whole" / "mic_dev").iterdir()]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Below the last bytes of a FLAC file, of which libsndfile would not complain.
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(sizes) - 20, limits[1]))
    try:
        with pytest.raises(OSError, match=r"room000\d_mix001 could not be written to .*File too large"):
            make_scenes(config, tmp_path / "full", progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    left = {name.split("/")[0] for name in contents(tmp_path / "full")} - {"classes.json", "scenes_train.json"}
    made = {Path(name).stem for name in contents(tmp_path / "full") if name.startswith("metadata_dev")}
    for folder in left:
        assert {path.stem for path in (tmp_path / "full" / folder).iterdir()} == made
    make_scenes(config, tmp_path / "full", progress=False)
    assert contents(tmp_path / "full") == contents(tmp_path / "whole")


def full(path, rows):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_labels_that_cannot_be_written_take_the_sounds_with_them(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "write_rows", full)
    with pytest.raises(OSError, match="fold3_room0001_mix001 could not be written to .*: No space left on device"):
        make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path, progress=False)
    assert not contents(tmp_path)


def test_a_disk_without_room_for_the_configuration_stays_empty(tmp_path, monkeypatch):
    def fills(path, value):
        if path.name == "scenes_train.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value))

    monkeypatch.setattr(making, "write_json", fills)
    with pytest.raises(OSError, match=r"scenes_train.json could not be written: No space left on device"):
        make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path / "out", progress=False)
    assert not contents(tmp_path / "out")


def test_a_folder_in_which_no_clip_could_be_made_is_free_for_other_options(tmp_path):
    wrong = SceneConfig(clips=1, clip_seconds=1.0, ambience=str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="none: no such folder of ambient recordings"):
        make_scenes(wrong, tmp_path / "out", progress=False)
    right = SceneConfig(clips=1, clip_seconds=1.0)
    make_scenes(right, tmp_path / "out", progress=False)
    before = contents(tmp_path / "out")
    with pytest.raises(ValueError, match="made with ambience None, not"):
        make_scenes(wrong, tmp_path / "out", progress=False)
    with pytest.raises(FileNotFoundError, match="none: no such folder of ambient recordings"):
        make_scenes(dataclasses.replace(wrong, split="test"), tmp_path / "out", progress=False)
    assert contents(tmp_path / "out") == before


def test_a_refused_split_leaves_nothing_behind(tmp_path):
    for number in range(12):
        write_click(tmp_path / "sounds" / f"{number}.wav")
    make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path / "out", progress=False)
    before = contents(tmp_path / "out")
    other = SceneConfig(clips=1, clip_seconds=1.0, split="test", events=str(tmp_path / "sounds"))
    with pytest.raises(ValueError, match=r"classes.json: the folder's classes are .*, not \['sound'\]"):
        make_scenes(other, tmp_path / "out", progress=False)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("text", ["[]", "{", "7"])
def test_damaged_files_of_a_folder_are_named(tmp_path, text):
    make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path, progress=False)
    (tmp_path / "scenes_train.json").write_text(text)
    with pytest.raises(ValueError, match=r"scenes_train.json:.*expected"):
        make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path, progress=False)
    (tmp_path / "scenes_train.json").unlink()
    (tmp_path / "classes.json").write_text(text.replace("[]", "[1]"))
    with pytest.raises(ValueError, match=r"classes.json:.*expected"):
        make_scenes(SceneConfig(clips=1, clip_seconds=1.0), tmp_path, progress=False)
