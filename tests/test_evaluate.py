import importlib.util
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from seld.config import run
from seld.labels import write_rows

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "evaluate.py"


@pytest.fixture
def recipe(monkeypatch):
    spec = importlib.util.spec_from_file_location("evaluate_recipe", RECIPE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folders(tmp_path):
    for side, error in (("reference", 0), ("prediction", 6)):
        for clip in range(3):
            rows = {"frame": range(4), "class": 0, "source": 0, "azimuth": clip * error, "elevation": 0}
            write_rows(tmp_path / side / f"clip{clip}.csv", pd.DataFrame(rows))
    return tmp_path


def command(recipe, monkeypatch, *options) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, options)])
    run(recipe.main, recipe.Config, "")


def test_table_and_json(recipe, monkeypatch, folders, capsys):
    sides = ("--reference", folders / "reference", "--prediction", folders / "prediction")
    command(recipe, monkeypatch, *sides, "--protocol", "doa+mot", "--json", folders / "scores.json")
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line)
    assert printed["LE"].split() == ["6", "-8.905", "to", "20.905"]  # 4.303 x 6 / sqrt(3) on both sides
    assert printed["MOTA"].split()[0] == "1"
    scores = json.loads((folders / "scores.json").read_text())
    assert scores["LE"] == pytest.approx(6)
    assert (scores["F20"], scores["switches"], scores["clips"]) == (1, 0, 3)


def test_figures_that_are_not_defined_are_null(recipe, monkeypatch, folders):
    (folders / "silence.csv").touch()
    sides = ("--reference", folders / "silence.csv", "--prediction", folders / "silence.csv")
    command(recipe, monkeypatch, *sides, "--json", folders / "scores.json")
    assert json.loads((folders / "scores.json").read_text())["LE"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--protocol", "dcase1999"), "protocol must be one of doa, mot"),
        (("--reference", "nowhere"), "nowhere: no such reference file or folder"),
        (("--threshold_deg", "-1"), "threshold_deg must be above 0"),
        (("--thresholds", "5"), "thresholds"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(recipe, monkeypatch, folders, capsys, options, message):
    sides = ("--reference", folders / "reference", "--prediction", folders / "prediction")
    with pytest.raises(SystemExit) as stop:
        command(recipe, monkeypatch, *sides, *options)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in error and error.count("\n") == 1
