"""recipes/compare.py: what it trains, when, and what it makes of the runs."""

import contextlib
import fcntl
import importlib.util
import io
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest

from seld.training import resolved
from seld.training.processes import begin

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes/compare.py"
# Stands for train_doa.py: keeps a diary, takes a while, and leaves what compare.py looks at.
STUB = """
import json, os, pathlib, sys, time
from yaml import safe_load
options = safe_load(open(sys.argv[sys.argv.index("--config") + 1]))
folder = pathlib.Path(options["run_dir"])
def say(word):
    with open("diary.txt", "a") as diary:
        print(word, folder.name, os.environ["OMP_NUM_THREADS"], file=diary)
say("begin")
if pathlib.Path("fail").exists():
    sys.exit("error: out of luck")
time.sleep(float(pathlib.Path("seconds").read_text()))
for split, clips in (("train", options["scenes"]["clips"]), ("validation", 1), ("test", 1)):
    for clip in range(clips):
        path = pathlib.Path(options["data"]["made"]) / split / "metadata_dev" / f"{clip}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0,0,0,10,0\\n1,0,0,10,0\\n")
(folder / "estimates/localizer").mkdir(parents=True, exist_ok=True)
(folder / "estimates/localizer/0.csv").write_text(f"0,0,0,{12 + options['seed']},0\\n")
(folder / "scores.json").write_text(json.dumps({"LE": 2.0, "F20": 0.5, "MOTA": None}))
say("end")
"""
TINY = "{scenes: {clips: 2}, data: {made: data, validation_clips: 1, test_clips: 1}, run_dir: runs}"


def draw(table, path, panels, ways):
    """Stands for the picture, which takes half a second."""
    assert not table.duplicated(["group", "way", "figure"]).any()
    Path(path).write_text(f"{' '.join(panels)} of {' '.join(ways)}")


def load(path):
    """The recipe as a module."""
    spec = importlib.util.spec_from_file_location("compare_recipe", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up their types
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a copy of the recipe that trains by the stub."""
    (tmp_path / "recipes").mkdir()
    shutil.copy(RECIPE, tmp_path / "recipes")
    (tmp_path / "recipes/train_doa.py").write_text(STUB)
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "seconds").write_text("0")
    monkeypatch.setattr("seld.plots.plot_intervals", draw)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path


def run(*arguments):
    """What the recipe prints, in this process, or the one line with which it ends."""
    argv = ["compare.py", "--config", "tiny.yaml", *map(str, arguments)]
    out, errors = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            runpy.run_path("recipes/compare.py", run_name="__main__")
        except SystemExit as end:
            assert end.code == 2 and len(errors.getvalue().strip().splitlines()) == 1
            return errors.getvalue().strip()
    return out.getvalue()


def diary():
    path = Path("diary.txt")
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def begun():
    return [name for word, name, _ in diary() if word == "begin"]


def changes(one, base, prefix=""):
    """Options in which one differs from the other, by their names."""
    found = {}
    for name, value in one.items():
        if isinstance(value, dict):
            found |= changes(value, base[name], f"{prefix}{name}.")
        elif value != base[name]:
            found[prefix + name] = value
    return found


def test_a_run_is_planned_as_it_is_written_down():
    recipe = load(RECIPE)
    for one in recipe.plan(recipe.Comparison(seeds=[0], overlaps=[2])):
        assert one.experiment == resolved(one.experiment)  # which train_doa.py writes to config.yaml


def test_arms_differ_in_nothing_but_their_own_options():
    recipe = load(RECIPE)
    runs = recipe.plan(recipe.Comparison())
    assert len(runs) == 42 and len({one.folder for one in runs}) == 42
    assert [one.seed for one in runs] == [0] * 14 + [1] * 14 + [2] * 14
    for one in runs:
        name = f"hungarian-0 of {one.overlap} sources"  # the defaults
        base = next(other for other in runs if other.name == name)
        found = changes(asdict(one.experiment), asdict(base.experiment))
        assert found.pop("run_dir", base.folder) == Path(f"runs/seld/{one.overlap}/{one.arm}-{one.seed}")
        assert found.pop("seed", 0) == one.seed
        assert found.items() <= recipe.ARMS[one.arm].items()
    assert len({tuple(recipe.ARMS[one.arm].items()) for one in runs}) == 7
    three = next(one.experiment for one in runs if one.overlap == 3)
    assert (three.scenes.max_overlap, three.localizer.tracks, str(three.data.made)) == (3, 3, "data/scenes/3")


def test_every_run_is_trained_once_and_compared(folder):
    text = run("--arms", "hungarian", "pit", "--seeds", 0, 1, "--overlaps", 2, 3)
    assert sorted(begun()) == sorted(2 * [f"{arm}-{seed}" for arm in ("hungarian", "pit") for seed in (0, 1)])
    # Two references, of which one is found: 2 degrees off with seed 0, 3 degrees with seed 1.
    assert "| 3 sources | `pit` | 2 | 2.5 (2.0 to 3.0) | 0.667" in text
    assert "| 3 sources | `pit` - `hungarian` | +0.0 (+0.0 to +0.0) p 1 |" in text
    assert "Not there yet" not in text and Path("runs/comparison.md").read_text() in text
    results = json.loads(Path("runs/comparison.json").read_text())
    assert results["missing"] == []
    assert results["results"]["2 sources"]["ways"]["pit"]["figures"]["LE"] == pytest.approx(2.5)
    table = pd.read_csv("runs/comparison.csv")
    assert set(table["group"]) == {"2 sources", "3 sources"}
    assert Path("runs/comparison.png").read_text() == "LE F20 LR MOTA IDF1 of hungarian pit"
    before = diary()
    assert "`pit`" in run("--arms", "hungarian", "pit", "--seeds", 0, 1)
    assert diary() == before


def test_an_arm_alone_is_compared_with_nobody(folder):
    text = run("--arms", "pit", "--seeds", 0, "--overlaps", 2)
    assert "| 2 sources | `pit` | 1 | 2.0" in text and "difference" not in text


def test_what_is_missing_is_said(folder):
    run("--arms", "pit", "--seeds", 0, "--overlaps", 2)
    before = diary()
    text = run("--arms", "hnet", "pit", "--seeds", 0, 1, "--overlaps", 2, "--summarize")
    assert "Not there yet: hnet-0 of 2 sources, hnet-1 of 2 sources, pit-1 of 2 sources." in text
    assert diary() == before
    assert run("--arms", "hnet", "--summarize") == "error: runs: no finished runs of these arms, seeds and overlaps"


def test_results_go_between_the_markers_of_a_page(folder):
    page = folder / "page.md"
    page.write_text("# Ours\n<!-- results: written by recipes/compare.py -->\nold\n<!-- end of results -->\nmore\n")
    given = ("--arms", "pit", "--seeds", 0, "--overlaps", 2, "--page", page)
    run(*given)
    text = page.read_text()
    assert text.startswith("# Ours\n<!--") and text.endswith("-->\nmore\n") and "old" not in text
    assert "| `pit` | 1 | 2.0" in text and "(page.png)" in text and (folder / "page.png").is_file()
    run(*given)
    assert page.read_text() == text
    page.write_text("no markers")
    assert "page.md must have lines <!-- results" in run(*given)
    assert page.read_text() == "no markers"


def test_scenes_are_made_by_one_run_before_others_begin(folder):
    (folder / "seconds").write_text("0.3")
    run("--arms", "hungarian", "pit", "hnet", "--seeds", 0, "--overlaps", 2, "--parallel", 3)
    words = [word for word, _, _ in diary()]
    assert words[:2] == ["begin", "end"] and words[2:4] == ["begin", "begin"]
    assert {threads for _, _, threads in diary()} == {str(max(1, len(os.sched_getaffinity(0)) // 3))}


def test_a_failed_run_ends_with_its_last_line_and_goes_on_later(folder):
    (folder / "fail").touch()
    given = ("--arms", "pit", "--seeds", 0, "--overlaps", 2)
    assert run(*given) == "error: pit-0 of 2 sources: exit code 1, error: out of luck"
    (folder / "fail").unlink()
    assert "`pit`" in run(*given)


def test_a_run_that_another_process_is_at_is_waited_for(folder):
    """The lock is that of whoever trains, also when the recipe that began it was killed."""
    (folder / "seconds").write_text("1")
    given = ("--arms", "pit", "--seeds", 0, "--overlaps", 2)
    recipe = load("recipes/compare.py")
    options = recipe.Comparison(run_dir=Path("runs"), arms=["pit"], seeds=[0], overlaps=[2])
    options.scenes.clips, options.data.made = 2, Path("data")
    options.data.validation_clips = options.data.test_clips = 1
    (planned,) = recipe.plan(options)
    process = begin(planned, Path("recipes/train_doa.py"), 1)
    assert process is not None and begin(planned, Path("recipes/train_doa.py"), 1) is None
    assert "`pit`" in run(*given)
    assert process.wait() == 0 and begun() == ["pit-0"]


def test_another_configuration_is_refused(folder):
    given = ("--arms", "pit", "--seeds", 0, "--overlaps", 2)
    run(*given)
    expected = "error: runs/2/pit-0/config.yaml: made with train.epochs 20, not 5; choose another --run_dir"
    assert run(*given, "--train.epochs", 5) == run(*given, "--train.epochs", 5, "--summarize") == expected


def test_runs_from_before_an_option_came_are_kept_and_go_on(folder):
    given = ("--arms", "pit", "--seeds", 0, "--overlaps", 2)
    run(*given)
    path = folder / "runs/2/pit-0/config.yaml"
    whole = path.read_text()
    older = "".join(line for line in whole.splitlines(True) if "gate_deg" not in line)
    path.write_text(older)
    assert "`pit`" in run(*given)
    assert path.read_text() == older and len(begun()) == 1
    (path.parent / "scores.json").rename(path.parent / "last.ckpt")  # as if it had been stopped
    assert "`pit`" in run(*given)
    assert path.read_text() == whole and len(begun()) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--arms", "pit", "best"),
            "arms must be of none, pit, hungarian, sinkhorn, hnet, hnet_detached, accdoa, got best",
        ),
        (("--arms", "pit", "pit"), "arms must be one or more, each once, got pit, pit"),
        (("--seeds", 1, 1), "seeds must be one or more, each once, got 1, 1"),
        (("--overlaps", 6), "overlaps must be from 1 to 5, got 6"),
        (("--overlaps", "two"), "overlaps"),
        (("--parallel", 0), "parallel must be >= 1, got 0"),
        (("--data.test", "x"), "data.test must be left out, since scenes are made, got x"),
        (("--model", "foa"), "model must be left out, since all arms start anew, got foa"),
    ],
)
def test_bad_options_are_refused(folder, options, words):
    assert words in run(*options)
    assert not diary()


@pytest.mark.slow
def test_ended_processes_leave_nothing_that_goes_on(folder):
    (folder / "seconds").write_text("60")
    command = [sys.executable, "recipes/compare.py", "--config", "tiny.yaml", "--overlaps", "2"]
    recipe = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
    while not begun():
        time.sleep(0.1)
    recipe.send_signal(signal.SIGTERM)
    assert recipe.wait(20) == 143
    with (folder / "runs/2/none-0/lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.slow
def test_two_arms_train_on_tiny_scenes(tmp_path):
    (tmp_path / "tiny.yaml").write_text(
        "scenes: {clips: 3, clip_seconds: 3}\n"
        "data: {made: data, validation_clips: 2, test_clips: 2, segments: {seconds: 1}}\n"
        "localizer: {filters: [4, 4, 4], recurrent_units: 8, recurrent_layers: 1}\n"
        "train: {epochs: 1, batch: 2, accelerator: cpu}\nrun_dir: runs\n"
    )
    arms = ("none", "pit", "hungarian", "sinkhorn", "hnet", "hnet_detached", "accdoa")
    command = [sys.executable, RECIPE, "--config", "tiny.yaml", "--seeds", "0", "--overlaps", "3"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for arm in arms:
        assert f"| 3 sources | `{arm}` | 1 |" in done.stdout
        assert "tracks: 3" in (tmp_path / f"runs/3/{arm}-0/config.yaml").read_text()
    losses = {pd.read_csv(tmp_path / f"runs/3/{arm}-0/log.csv")["loss_total"][0] for arm in arms}
    assert len(losses) == len(arms)
