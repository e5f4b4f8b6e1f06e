"""The recipes of the Hnet as a user runs them: files, resumption, options, errors."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import seld.run
from seld import config
from seld.assignment import Hnet

ROOT = Path(__file__).resolve().parents[1]
TINY = """
data: {sizes: [2]}
train: {steps: 6, every: 2, batch: 8, device: cpu}
validation: {problems: 200, sizes: [2]}
"""


@pytest.fixture(scope="module")
def recipes():
    """The recipes as modules, in this process: starting one takes longer than what it does here."""
    found = {}
    for name in ("train_hnet", "visualize_hnet"):
        spec = importlib.util.spec_from_file_location(name, ROOT / "recipes" / f"{name}.py")
        found[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found[name])
    yield found
    for name in found:
        del sys.modules[name]


def parsed(recipe, *arguments):
    return config.parse(recipe.Config, recipe.__doc__, [*map(str, arguments)])


def process(name, *arguments, cwd):
    """The recipe as a user starts it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "recipes" / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "tiny.yaml").write_text(TINY)
    return folder


@pytest.fixture(scope="module")
def train(recipes, folder):
    """Trains into a run folder of this name, without the scores and the figures at the end."""

    def trained(name, *options):
        options = parsed(recipes["train_hnet"], "--config", folder / "tiny.yaml", "--run_dir", folder / name, *options)
        recipes["train_hnet"].train(options, seld.run.Run(folder / name, options))
        return folder / name

    return trained


@pytest.fixture(scope="module")
def run(recipes, folder):
    options = parsed(recipes["train_hnet"], "--config", folder / "tiny.yaml", "--run_dir", folder / "run")
    recipes["train_hnet"].main(options)
    return folder / "run"


def test_training_leaves_networks_logs_scores_and_figures(run):
    log = pd.read_csv(run / "log.csv")
    assert log["step"].tolist() == [2, 4, 6]
    assert log.notna().all().all()
    figures = {"associations.png", "confusion.png", "separations.png", "curves.png"}
    assert figures < {path.name for path in run.iterdir()}
    assert any((run / "tensorboard").iterdir())
    scores = json.loads((run / "scores.json").read_text())
    assert {"precision_weighted", "recall_macro", "F1_macro", "exact", "confusion"} < set(scores["by_case"]["close"])
    assert Hnet.from_pretrained(run / "model.safetensors").frozen
    assert torch.load(run / "last.ckpt", weights_only=True)["history"][-1]["step"] == 6


def test_the_best_network_is_kept_and_not_the_last(train):
    """With a rate that destroys what was learned, the first checkpoint is the best."""
    broken = train("broken", "--train.learning_rate", "30", "--seed", 1)
    assert pd.read_csv(broken / "log.csv")["validation_loss"].idxmin() < 2
    last = torch.load(broken / "last.ckpt", weights_only=True)["net"]
    best = Hnet.from_pretrained(broken / "model.safetensors").state_dict()
    assert any(not torch.equal(last[name], best[name]) for name in last)


def test_a_stopped_run_ends_with_the_same_weights(train, run, monkeypatch):
    save = seld.run.Run.save

    def stop(run, state):
        save(run, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(seld.run.Run, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            train("stopped")
    assert pd.read_csv(run.parent / "stopped/log.csv")["step"].tolist() == [2]
    train("stopped")
    whole, resumed = (
        torch.load(run.parent / name / "last.ckpt", weights_only=True)["net"] for name in ("run", "stopped")
    )
    for name, weight in whole.items():
        assert torch.equal(resumed[name], weight), name


def test_loss_weights_decide_what_is_learned(train, run):
    weights = torch.load(train("pairs", "--train.loss_weights", "[1, 0, 0]") / "last.ckpt", weights_only=True)["net"]
    even = torch.load(run / "last.ckpt", weights_only=True)["net"]
    assert not torch.equal(weights["network.output.bias"], even["network.output.bias"])


@pytest.mark.slow
def test_a_cost_of_ones_own_trains_from_the_working_folder(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "mine.py").write_text(
        "def squared(estimate, reference):\n"
        "    return (estimate.unsqueeze(2) - reference.unsqueeze(1)).square().sum(-1)\n"
    )
    options = ("--data.cost", "mine.squared", "--data.resolutions_deg", "coarse", "--run_dir", "mine")
    done = process("train_hnet", "--config", "tiny.yaml", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "by number of references (down) and estimates (across)" in done.stdout
    assert "2 references, 1 estimates" in done.stdout
    assert not (tmp_path / "mine/separations.png").exists()  # drawn for angles


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data.cost", "nowhere.cost"), "data.cost must be angle, chord or package.module.function"),
        (("--data.resolutions_deg", "rough"), "data.resolutions_deg"),
        (("--train.loss_weights", "[1, 1]"), "train.loss_weights must be three weights"),
        (("--train.device", "gpu"), "train.device"),
        (("--run_dir", ROOT / "seld/pretrained"), "run_dir must be another folder than that of the shipped weights"),
        (("--config", "hnet_gru.yaml", "--data.cost", "chord"), "hnet.angles must be false for gru"),
    ],
)
def test_training_refuses_bad_options(recipes, options, message):
    with pytest.raises(ValueError, match=message):
        parsed(recipes["train_hnet"], *options)


def test_a_network_is_drawn(recipes, run, tmp_path):
    options = ("--hnet", run / "model.safetensors", "--sources", "[2, 3]", "--problems", 50)
    recipes["visualize_hnet"].main(parsed(recipes["visualize_hnet"], *options, "--output", tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"associations.png", "separations.png"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--separations_deg", "[10, 5]"), r"separations_deg must rise within \[0, 180\], got \[10.0, 5.0\]"),
        (("--sources", "[1]"), "sources must be numbers >= 2"),
        (("--problems", "0"), "problems must be >= 1, got 0"),
        (("--case_names", "[odd]"), "case_names must be among independent"),
    ],
)
def test_drawing_refuses_bad_options(recipes, options, message):
    with pytest.raises(ValueError, match=message):
        parsed(recipes["visualize_hnet"], *options)


def test_a_missing_network_ends_with_one_line(tmp_path):
    done = process("visualize_hnet", "--published", "nowhere.pt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == "error: nowhere.pt: no such file"
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["train_hnet", "visualize_hnet"])
def test_help_shows_examples_and_every_option(recipes, name, capsys):
    with pytest.raises(SystemExit, match="0"):
        parsed(recipes[name], "--help")
    shown = capsys.readouterr().out
    assert f"python recipes/{name}.py" in shown
    wanted = ["loss_weights", "resolutions_deg"] if name == "train_hnet" else ["published", "sources"]
    assert all(option in shown for option in wanted)
