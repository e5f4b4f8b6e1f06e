"""recipes/make_scenes.py as a user runs it, but in this process, since Python alone takes seconds to start."""

import json
import runpy
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "make_scenes.py"


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Runs the recipe in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments) -> None:
        monkeypatch.setattr(sys, "argv", [str(RECIPE), *map(str, arguments)])
        runpy.run_path(str(RECIPE), run_name="__main__")

    return run


def test_formats_are_words_and_descriptions_are_rendered_again(tmp_path, recipe):
    (tmp_path / "pair.yaml").write_text("name: pair\npositions_m: [[0, 0.1, 0], [0, -0.1, 0]]\n")
    options = ("--clips", 1, "--clip_seconds", 1)
    recipe("--formats", "foa", "mic", "pair.yaml", "--output", "out", *options)
    name = "fold3_room0001_mix001"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "foa_dev", "mic_dev", "pair_dev", "metadata_dev", "scene_dev", "classes.json", "scenes_train.json",
    }  # fmt: skip
    recipe("--render", f"out/scene_dev/{name}.json", "--output", "foa", "--formats", "foa")
    assert not (tmp_path / "foa" / "mic_dev").exists()
    recipe("--output", "both", *options)
    assert (tmp_path / "both/foa_dev" / f"{name}.flac").exists() and (
        tmp_path / "both/mic_dev" / f"{name}.flac"
    ).exists()
    (tmp_path / "pair.yaml").unlink()
    recipe("--render", f"out/scene_dev/{name}.json", "--output", "again")
    for folder in ("foa_dev", "mic_dev", "pair_dev"):
        sound = Path(folder) / f"{name}.flac"
        assert (tmp_path / "again" / sound).read_bytes() == (tmp_path / "out" / sound).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--formats", "binaural"), "scenes.formats must be arrays of known positions"),
        (("--formats", "foa", "none.yaml"), "array must be a YAML file or one of"),
        (("--shards", "4/3"), "shards must be i/n with i from 1 to n, got 4/3"),
        (("--responses", "none.sofa"), "none.sofa: no such file or folder of responses"),
        (("--ambience", "nowhere"), "nowhere: no such folder of ambient recordings"),
        (("--render", "nowhere"), "nowhere: no such file or folder of scenes"),
        (("--render", "bad.json"), "bad.json: room must be given"),
        (("--render", "bad.json", "--clips", 3), "clips must not be given with --render"),
        (("--render", "bad.json", "--shards", "1/2"), "shards must not be given with --render"),
    ],
)
def test_bad_input_is_one_line(tmp_path, recipe, capsys, arguments, message):
    (tmp_path / "bad.json").write_text(json.dumps({"clip_seconds": 5, "formats": ["foa"]}))
    with pytest.raises(SystemExit) as exit_:
        recipe("--output", "out", *arguments)
    assert exit_.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ") and message in last
