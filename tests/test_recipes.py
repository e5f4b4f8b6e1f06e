"""Every recipe as a user runs it: a process, its files, its exit code."""

import contextlib
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from seld.assignment import Hnet, Kind
from seld.audio import write_audio
from seld.labels import read_rows

ROOT = Path(__file__).resolve().parents[1]
TINY = """
scenes: {clips: 3, clip_seconds: 3}
data: {validation_clips: 2, test_clips: 2, segments: {seconds: 1}}
localizer: {filters: [4, 4, 4], recurrent_units: 8, recurrent_layers: 1}
train: {epochs: 2, batch: 2, accelerator: cpu}
"""


def recipe(name, *arguments, cwd):
    command = [sys.executable, str(ROOT / "recipes" / f"{name}.py"), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def fails(name, *arguments, cwd):
    """The one line of a recipe that refuses its input; in this process, which saves the seconds of its imports."""
    path, errors = ROOT / "recipes" / f"{name}.py", io.StringIO()
    argv = mock.patch.object(sys, "argv", [str(path), *map(str, arguments)])
    with contextlib.chdir(cwd), argv, contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as end:
        runpy.run_path(str(path), run_name="__main__")
    assert end.value.code == 2
    lines = errors.getvalue().strip().splitlines()
    assert lines[-1].startswith("error: ") and "Traceback" not in errors.getvalue()
    return lines[-1]


def test_bad_input_ends_a_process_with_one_line_and_exit_code_2(tmp_path):
    done = recipe("train_doa", "--train.epoch", "3", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and len(done.stderr.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with tiny scenes in data/scenes and a run in run."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    done = recipe("train_doa", "--config", "tiny.yaml", "--run_dir", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "intensity histogram" in done.stdout
    return folder


def test_training_leaves_a_whole_run_folder(trained):
    run = trained / "run"
    scores = json.loads((run / "scores.json").read_text())
    names = {"LE", "LR", "LP", "LF", "F20", "MOTA", "MOTP", "switches"}
    assert names <= set(scores) and names <= set(scores["baselines"]["intensity histogram"])
    assert len(pd.read_csv(run / "log.csv")) == 2
    assert "epochs: 2" in (run / "config.yaml").read_text()
    stems = {path.stem for path in (trained / "data/scenes/test/metadata_dev").iterdir()}
    assert {path.stem for path in (run / "estimates/localizer").iterdir()} == stems
    assert {path.stem for path in (run / "figures").iterdir()} == stems | {"curves"}


def test_a_stopped_run_ends_with_the_same_weights(trained):
    """Stopped after one epoch of two, as by a kill between the checkpoints, and started again."""
    tampered = trained / "stopped"
    (tampered / "run").mkdir(parents=True)
    shutil.copytree(trained / "data", tampered / "data")
    shutil.copy(trained / "tiny.yaml", tampered)
    script = (
        "import runpy, seld.run\n"
        "save = seld.run.Run.save\n"
        "def stop(run, state):\n"
        "    save(run, state)\n"
        "    raise KeyboardInterrupt\n"
        "seld.run.Run.save = stop\n"
        f"runpy.run_path({str(ROOT / 'recipes/train_doa.py')!r}, run_name='__main__')\n"
    )
    command = [sys.executable, "-c", script, "--config", "tiny.yaml", "--run_dir", "run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=tampered, env=environment, capture_output=True, timeout=300)
    assert len(pd.read_csv(tampered / "run/log.csv")) == 1
    assert recipe("train_doa", "--config", "tiny.yaml", "--run_dir", "run", cwd=tampered).returncode == 0
    expected = safetensors.torch.load_file(trained / "run/last.safetensors")
    for name, weight in safetensors.torch.load_file(tampered / "run/last.safetensors").items():
        assert torch.equal(weight, expected[name]), name


def test_a_run_that_is_through_is_trained_on_with_more_epochs(trained):
    longer = trained / "longer"
    shutil.copytree(trained / "run", longer)
    done = recipe("train_doa", "--config", "tiny.yaml", "--run_dir", "longer", "--train.epochs", "3", cwd=trained)
    assert done.returncode == 0, done.stderr
    log, before = pd.read_csv(longer / "log.csv"), pd.read_csv(trained / "run/log.csv")
    assert log["epoch"].tolist() == [1, 2, 3] and log["loss_total"].tolist()[:2] == before["loss_total"].tolist()
    weights, old = (safetensors.torch.load_file(folder / "last.safetensors") for folder in (longer, trained / "run"))
    assert any(not torch.equal(weights[name], old[name]) for name in weights)


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_a_run_goes_on_on_a_gpu(trained, precision):
    run = f"gpu_{precision}"
    options = ("--config", "tiny.yaml", "--run_dir", run, "--train.accelerator", "cuda", "--train.precision", precision)
    for epochs in (1, 2):
        done = recipe("train_doa", *options, "--train.epochs", epochs, cwd=trained)
        assert done.returncode == 0, done.stderr
    assert pd.read_csv(trained / run / "log.csv")["loss_total"].notna().tolist() == [True, True]


def test_localize_and_evaluate_a_recording(trained):
    test = trained / "data/scenes/test"
    recording = next((test / "foa_dev").iterdir())
    done = recipe("localize", recording, "--model", "run", "--output", "a.csv", "--plot", "a.png", cwd=trained)
    assert done.returncode == 0, done.stderr
    assert (trained / "a.png").read_bytes()[:4] == b"\x89PNG"
    expected = trained / "run/estimates/localizer" / f"{recording.stem}.csv"
    pd.testing.assert_frame_equal(read_rows(trained / "a.csv"), read_rows(expected))

    reference, prediction = test / "metadata_dev", trained / "run/estimates/localizer"
    done = recipe(
        "evaluate", "--reference", reference, "--prediction", prediction, "--protocol", "doa", "--json", "s.json",
        cwd=trained,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores = json.loads((trained / "s.json").read_text())
    kept = json.loads((trained / "run/scores.json").read_text())
    assert scores["F20"] == pytest.approx(kept["F20"], abs=0.05)  # written in whole degrees


def test_localize_does_the_good_files_of_a_folder(trained):
    folder = trained / "mixed"
    folder.mkdir()
    shutil.copy(next((trained / "data/scenes/test/foa_dev").iterdir()), folder / "good.flac")
    write_audio(folder / "stereo.wav", np.zeros((2, 24000)))
    done = recipe("localize", folder, "--model", "run", "--output", "estimates", cwd=trained)
    assert done.returncode == 1
    assert "stereo.wav: expected 4 channels for the array foa, found 2" in done.stderr
    assert [path.name for path in (trained / "estimates").iterdir()] == ["good.csv"]


def test_localize_refuses_bad_input(trained):
    (trained / "empty.wav").touch()
    assert "empty.wav: expected a sound file" in fails(
        "localize", "empty.wav", "--output", "x.csv", "--model", "run", cwd=trained
    )
    assert "none.wav: no such file" in fails("localize", "none.wav", "--output", "x.csv", cwd=trained)
    assert "nowhere: no run folder" in fails(
        "localize", "empty.wav", "--output", "x.csv", "--model", "nowhere", cwd=trained
    )
    assert not (trained / "x.csv").exists()


def test_training_refuses_bad_input(trained):
    assert "train.epoch" in fails("train_doa", "--train.epoch", "3", cwd=trained)
    assert "train.epochs" in fails("train_doa", "--train.epochs", "three", cwd=trained)
    assert "no file nothing.yaml" in fails("train_doa", "--config", "nothing.yaml", cwd=trained)
    assert "run/config.yaml: made with " in fails("train_doa", "--run_dir", "run", cwd=trained)
    assert "nowhere: expected a folder in DCASE layout" in fails(
        "train_doa", "--config", "tiny.yaml", "--run_dir", "other", "--data.train", "nowhere", cwd=trained
    )
    rows = "".join(f"0,0,{source},{source},0\n" for source in range(3))
    crowd = trained / "crowd"
    write_audio(crowd / "foa_dev/a.flac", np.zeros((4, 24000)))
    (crowd / "metadata_dev").mkdir()
    (crowd / "metadata_dev/a.csv").write_text(rows)
    assert "a.csv: 3 sources sound at once, but there are only 2 tracks" in fails(
        "train_doa", "--config", "tiny.yaml", "--run_dir", "other", "--data.train", "crowd", cwd=trained
    )


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.slow
def test_every_assignment_trains(trained, kind):
    arguments = ("--config", "tiny.yaml", "--run_dir", f"run_{kind}", "--assignment.kind", kind)
    done = recipe("train_doa", *arguments, cwd=trained)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(trained / f"run_{kind}/log.csv")["loss_total"].notna().all()


def test_an_hnet_trains_into_its_run_folder(tmp_path):
    shipped = ROOT / "seld/pretrained/hnet.safetensors"
    before = shipped.read_bytes()
    options = ("--train.steps", 3, "--validation.problems", 200, "--validation.sizes", "[2]")
    done = recipe("train_hnet", "--config", "hnet.yaml", *options, "--run_dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 references, 2 estimates" in done.stdout and "10-20 degrees" in done.stdout
    scores = json.loads((tmp_path / "run/scores.json").read_text())
    assert 0 <= scores["by_size"]["2 x 2"]["exact"] <= 1
    assert {"config.yaml", "associations.png"} < {path.name for path in (tmp_path / "run").iterdir()}
    assert Hnet.from_pretrained(tmp_path / "run/model.safetensors").frozen
    assert shipped.read_bytes() == before


def test_training_an_hnet_refuses_bad_options(tmp_path):
    assert "data.sizes must be numbers >= 1" in fails("train_hnet", "--data.sizes", "[0]", cwd=tmp_path)
    too_large = fails("train_hnet", "--config", "hnet_gru.yaml", "--data.sizes", "[3]", cwd=tmp_path)
    assert "at most hnet.slots (2) for gru" in too_large
    assert not (tmp_path / "runs").exists()
