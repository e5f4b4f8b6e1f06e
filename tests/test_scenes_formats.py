"""A folder of sounds belongs to one array, whoever writes or reads it."""

import json

import pytest

from seld.arrays import ARRAYS, find_array
from seld.clips import find_clips
from seld.scenes import SceneConfig, make_scenes, render_scenes
from seld.scenes.formats import arrays_in

NAME = "fold3_room0001_mix001"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A clip of FOA, and beside it arrays whose files name the folder of another one."""
    folder = tmp_path_factory.mktemp("made")
    line = "positions_m: [[0.1, 0, 0], [0.03, 0, 0], [-0.03, 0, 0], [-0.1, 0, 0]]\n"
    (folder / "line.yaml").write_text(f"name: line4\nfolder: foa_dev\n{line}")
    (folder / "same.yaml").write_text("name: mine\nfolder: foa_dev\nconvention: acn_sn3d\n")
    (folder / "labels.yaml").write_text(f"name: metadata\n{line}")
    make_scenes(SceneConfig(clips=1, clip_seconds=1.0), folder / "foa", progress=False)
    return folder


def config(made, *formats, **options):
    return SceneConfig(clips=1, clip_seconds=1.0, formats=[*map(str, formats)], **options)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_formats_of_one_folder_are_refused(made, tmp_path):
    message = r"scenes.formats must be arrays of different folders, got \['foa_dev', 'foa_dev'\]"
    with pytest.raises(ValueError, match=message):
        config(made, "foa", made / "line.yaml")
    both = ["foa", str(made / "line.yaml")]
    with pytest.raises(ValueError, match=rf"{NAME}.json: {message}"):
        render_scenes(made / "foa", tmp_path / "out", formats=both, progress=False)
    scene = json.loads((made / "foa" / "scene_dev" / f"{NAME}.json").read_text())
    (tmp_path / f"{NAME}.json").write_text(json.dumps(scene | {"formats": both}))
    with pytest.raises(ValueError, match=rf"{NAME}.json: {message}"):
        render_scenes(tmp_path / f"{NAME}.json", tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_sounds_of_another_array_are_not_written_beside(made):
    before = contents(made / "foa")
    message = "foa_dev: holds sounds of the array foa, not of line4 as it is now"
    with pytest.raises(ValueError, match=message):
        make_scenes(config(made, made / "line.yaml", split="test"), made / "foa", progress=False)
    with pytest.raises(ValueError, match=message):
        render_scenes(made / "foa", made / "foa", formats=[str(made / "line.yaml")], progress=False)
    assert contents(made / "foa") == before


def test_folders_of_rendered_scenes_know_their_arrays_too(made, tmp_path):
    render_scenes(made / "foa", tmp_path, formats=[str(made / "line.yaml")], progress=False)
    assert arrays_in(tmp_path) == [find_array(made / "line.yaml")]
    with pytest.raises(ValueError, match="foa_dev: holds sounds of the array line4, not of foa"):
        render_scenes(made / "foa", tmp_path, progress=False)
    with pytest.raises(ValueError, match="foa_dev: holds sounds of the array line4, not of foa"):
        find_clips(tmp_path)


def test_sounds_of_another_array_are_not_read(made):
    assert len(find_clips(made / "foa")) == 1
    assert len(find_clips(made / "foa", find_array(made / "same.yaml"))) == 1  # but for its name it is FOA
    with pytest.raises(ValueError, match="foa_dev: holds sounds of the array foa, not of line4"):
        find_clips(made / "foa", find_array(made / "line.yaml"))


def test_an_array_of_the_same_name_that_was_changed_is_not_read(tmp_path):
    file = tmp_path / "two.yaml"
    file.write_text("name: two\npositions_m: [[0, 0.1, 0], [0, -0.1, 0]]\n")
    make_scenes(config(tmp_path, file), tmp_path / "out", progress=False)
    file.write_text("name: two\nsigns: [1, -1]\npositions_m: [[0, 0.1, 0], [0, -0.1, 0]]\n")
    with pytest.raises(ValueError, match="two_dev: holds sounds of another array two, not of two as it is now"):
        find_clips(tmp_path / "out", find_array(file))


@pytest.mark.parametrize("folder", ["../foa_dev", "/tmp/foa_dev", "metadata_dev", "scene_dev", "a b"])
def test_sounds_go_to_a_plain_folder_of_their_own(made, tmp_path, folder):
    scene = json.loads((made / "foa" / "scene_dev" / f"{NAME}.json").read_text())
    array = {"name": "a", "kind": "open", "positions_m": [[0, 0, 0], [0, 0, 0.1]], "folder": folder}
    (tmp_path / "a.json").write_text(json.dumps(scene | {"formats": [array]}))
    with pytest.raises(ValueError, match=r"folder of the array a must be letters, digits, _ and -, other than"):
        render_scenes(tmp_path / "a.json", tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_labels_and_sounds_share_no_folder(made, tmp_path):
    with pytest.raises(ValueError, match="folder of the array metadata must be .* got metadata_dev"):
        make_scenes(config(made, made / "labels.yaml"), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_files_that_tell_nothing_of_arrays_hinder_nobody(tmp_path):
    assert arrays_in(tmp_path) == []
    for number, text in enumerate(
        ['{"arrays": ["foa", {"name": "x"}]}', "[]", "{", '{"arrays": 7}', '{"arrays": [7]}']
    ):
        (tmp_path / f"scenes_{number}.json").write_text(text)
    assert arrays_in(tmp_path) in ([], [ARRAYS["foa"]])
