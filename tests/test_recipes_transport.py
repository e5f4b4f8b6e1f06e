"""The recipes that draw barycenters and clusters, as a user runs them: options, files, exit code."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from seld.audio import write_audio
from seld.geometry import degrees_from_unit, fibonacci_sphere, unit_from_degrees

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def recipe(tmp_path, monkeypatch, capsys):
    """Runs a recipe's file as its own program in a folder: exit code, standard output and error.

    In this process, since starting one takes longer than these runs.
    """

    def run(name, *arguments):
        monkeypatch.chdir(tmp_path)
        path = str(ROOT / "recipes" / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return run


def blob(path, row, column, size=12):
    """A picture with a soft spot."""
    y, x = np.mgrid[:size, :size]
    spot = np.exp(-((y - row) ** 2 + (x - column) ** 2) / 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * spot).astype(np.uint8)).save(path)


@pytest.mark.parametrize("gradient", ["implicit", "unrolled"])
def test_the_barycenter_of_two_spots_lies_between_them_by_weight(tmp_path, recipe, gradient):
    blob(tmp_path / "a.png", 3, 2)
    blob(tmp_path / "b.png", 7, 10)
    code, _, err = recipe(
        "barycenter", "--inputs", "[a.png, b.png]", "--weights", "[3, 1]", "--gradient", gradient,
        "--iterations", 40, "--temperature", 0.005, "--steps", 40, "--run_dir", "run",
    )  # fmt: skip
    assert code == 0, err
    barycenter = np.load(tmp_path / "run/barycenter.npy")
    assert barycenter.sum() == pytest.approx(1)
    y, x = np.mgrid[:12, :12]
    centre = (barycenter * y).sum(), (barycenter * x).sum()
    assert centre == pytest.approx((4, 4), abs=0.3)
    scores = json.loads((tmp_path / "run/scores.json").read_text())
    # A quarter and three quarters of the way, whose square is 80 pixels out of 11² + 11².
    assert scores["costs"] == pytest.approx([80 / 242 / 16, 80 / 242 * 9 / 16], abs=0.02)
    loss = pd.read_csv(tmp_path / "run/log.csv")["loss"]
    assert len(loss) == 40 and scores["loss"] < loss[0]
    for name in ("barycenter.png", "loss.png"):
        with Image.open(tmp_path / "run" / name) as image:
            assert min(image.size) > 200


def test_the_barycenter_on_the_sphere_goes_around_the_back(tmp_path, recipe):
    """A map that is written down, and one of a recording: 150 degrees to the left and to the right."""
    signal = torch.randn(48000, generator=torch.Generator().manual_seed(0)) * 0.1
    x, y, z = unit_from_degrees(np.array(-150.0), np.array(0.0))
    write_audio(tmp_path / "right.wav", torch.stack([signal, y * signal, z * signal, x * signal]).float())
    code, _, err = recipe(
        "barycenter", "--sphere", "true", "--inputs", "[150/0/15, right.wav]", "--points", 150, "--steps", 40,
        "--temperature", 0.003, "--run_dir", "run",
    )  # fmt: skip
    assert code == 0, err
    barycenter = np.load(tmp_path / "run/barycenter.npy")
    azimuth, elevation = degrees_from_unit(barycenter @ fibonacci_sphere(150))
    assert abs(azimuth) > 165 and abs(elevation) < 15


def test_clusters_of_a_folder_are_its_subfolders(tmp_path, recipe):
    rng = np.random.default_rng(0)
    for label, column in {"left": 2, "right": 9}.items():
        for number in range(6):
            blob(tmp_path / f"spots/{label}/{number}.png", rng.uniform(4, 8), column + rng.uniform(-1, 1))
    options = ("--images", "spots", "--size", 6, "--starts", 1, "--epochs", 3, "--batch", 6)
    code, out, err = recipe("cluster", *options, "--run_dir", "run")
    assert code == 0, err
    assert "accuracy 1.000 in Wasserstein distance" in out
    scores = json.loads((tmp_path / "run/scores.json").read_text())
    assert scores["accuracy"] == 1 and scores["clusters"] == 2
    table = pd.read_csv(tmp_path / "run/clusters.csv")
    assert table.groupby("label")["cluster"].nunique().tolist() == [1, 1]
    centres = np.load(tmp_path / "run/centres.npy")
    columns = (centres * np.arange(6)).sum((1, 2))
    of_label = table.groupby("label")["cluster"].first()
    assert columns[of_label["left"]] < 2 and columns[of_label["right"]] > 3
    log = pd.read_csv(tmp_path / "run/log.csv")["cost"]
    assert log.iloc[-1] < log.iloc[0]
    assert (tmp_path / "run/clusters.png").is_file()


@pytest.mark.slow
def test_a_seed_gives_the_same_clusters_of_digits_again(tmp_path, recipe):
    tables = []
    for folder in ("first", "second"):
        options = ("--digits", 12, "--classes", 2, "--starts", 1, "--epochs", 1, "--seed", 3, "--clusters", 3)
        code, _, err = recipe("cluster", *options, "--run_dir", folder)
        assert code == 0, err
        tables.append((tmp_path / folder / "clusters.csv").read_text())
    assert tables[0] == tables[1] and tables[0].count("\n") == 13


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("barycenter", ["--inputs", "[ring]"], "inputs must be two or more, got 1"),
        ("barycenter", ["--weights", "[1, -1]"], "weights must be >= 0"),
        ("barycenter", ["--weights", "[1]"], "weights must be as many as inputs (2), got 1"),
        ("barycenter", ["--inputs", "[ring, none.png]"], "none.png: no such file"),
        ("barycenter", ["--inputs", "[small.png, large.png]"], "images must be of one size, got 4 x 4"),
        ("barycenter", ["--inputs", "[small.png, text.png]"], "text.png: not a readable image"),
        ("barycenter", ["--sphere", "true", "--inputs", "[0/0/20, 0/95/20]"], "got 0/95/20"),
        ("cluster", ["--images", "none"], "none: no such folder"),
        ("cluster", ["--images", "empty"], "empty: the folder must have images"),
        ("cluster", ["--digits", "5", "--clusters", "6"], "clusters must be at most the number of images (5), got 6"),
        ("cluster", ["--temperature", "0"], "temperature must be > 0, got 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(tmp_path, recipe, name, arguments, message):
    blob(tmp_path / "small.png", 1, 1, size=4)
    blob(tmp_path / "large.png", 1, 1, size=6)
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "empty").mkdir()
    code, _, err = recipe(name, *arguments, "--run_dir", "run")
    assert code == 2, err
    line = err.strip().splitlines()[-1]
    assert line.startswith("error: ") and message in line and "Traceback" not in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["barycenter", "cluster"])
def test_help_explains_every_option(name):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "recipes" / f"{name}.py"), "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"python recipes/{name}.py" in done.stdout
    for option, explained in {
        "--temperature": "blur of the plan",
        "--dark_ink": "are dark",
        "--seed": "of the",
    }.items():
        assert explained in " ".join(done.stdout[done.stdout.index(f"  {option}") :].split())[:300]
