import csv
import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seld.labels import write_rows
from seld.metrics import PROTOCOLS, SUMMARIES, counting, evaluate
from seld.metrics.registry import protocols

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
    """Three clips of one source at the front; predictions that are 0, 6 and 12 degrees off, others 3 degrees more."""
    for side, error, offset in (("reference", 0, 0), ("prediction", 6, 0), ("other", 6, 3)):
        for clip in range(3):
            azimuth = clip * error + offset
            rows = {"frame": range(20), "class": 0, "source": 0, "azimuth": azimuth, "elevation": 0}
            write_rows(tmp_path / side / f"clip{clip}.csv", pd.DataFrame(rows))
    return tmp_path


def command(recipe, monkeypatch, *options) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, options)])
    recipe.command()


def scenes(clips: int, seed: int = 0) -> tuple[dict, dict]:
    """Clips of three classes, two sources at a time; predictions err, miss and add."""
    rng = np.random.default_rng(seed)
    sides: tuple[dict, dict] = ({}, {})
    for clip in range(clips):
        frame, source = np.divmod(np.flatnonzero(rng.random(120) < 0.8), 2)
        kind = (frame // 20 + source) % 3
        azimuth = np.round(90 * source + rng.normal(0, 5, len(frame)))
        rows = {"frame": frame, "class": kind, "source": source, "azimuth": azimuth, "elevation": 10.0, "distance": 2.0}
        table = pd.DataFrame(rows)
        noisy = table.assign(azimuth=table["azimuth"] + np.round(rng.normal(0, 12, len(table))), distance=2.4)
        for side, one in zip(sides, (table, noisy[rng.random(len(table)) < 0.9].reset_index(drop=True)), strict=True):
            side[f"clip{clip}"] = one
    return sides


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


def test_every_option_in_either_spelling(recipe, monkeypatch, folders, capsys):
    sides = ("--reference", folders / "reference", "--prediction", folders / "prediction")
    files = ("--json", folders / "s.json", "--csv", folders / "s.csv")
    rest = ("--threshold-deg", "10", "--on_missing=skip", "--reference-format", "dcase2023", "--workers", "1")
    options = ("--average", "micro", "--options.segment_frames", "5", "--classes=2", "--per-class", "--per_file")
    command(recipe, monkeypatch, *sides, *files, "--protocol", "dcase2023", *rest, *options)
    printed = capsys.readouterr().out
    scores = json.loads((folders / "s.json").read_text())
    assert scores["F"] == pytest.approx(2 / 3) and list(scores["classwise"]) == ["0", "1"]
    assert scores["files"]["clip2"]["F"] == 0 and scores["files"]["clip1"]["LE"] == pytest.approx(6, abs=1e-4)
    assert scores["jackknife_classwise"]["0"]["F"] == pytest.approx(scores["jackknife"]["F"])
    assert any(line.startswith("clip2 ") for line in printed.splitlines())
    table = pd.read_csv(folders / "s.csv")
    of_set = table[table["scope"] == "set"].set_index("figure")
    assert of_set.loc["F", "value"] == scores["F"] and of_set.loc["F", "low"] == scores["jackknife"]["F"][0]
    assert set(table["scope"]) == {"set", "class", "file"}


def test_pictures(recipe, monkeypatch, folders):
    sides = (folders / side / "clip1.csv" for side in ("reference", "prediction"))
    options = (argument for pair in zip(("--reference", "--prediction"), sides, strict=True) for argument in pair)
    command(recipe, monkeypatch, *options, "--protocol", "mot", "--plot", folders / "plots")
    assert {"errors.png", "confusion.png", "tracks_clip1.png"} <= {file.name for file in (folders / "plots").iterdir()}


def test_several_predictions_are_compared(recipe, monkeypatch, folders, capsys):
    predictions = ("--prediction", folders / "prediction", folders / "other")
    outputs = ("--json", folders / "s.json", "--csv", folders / "s.csv")
    command(recipe, monkeypatch, "--reference", folders / "reference", *predictions, "--resamples", "99", *outputs)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert next(line for line in lines if line[:1] == ["LE"])[:2] == ["LE", "6"]
    assert next(line for line in lines if line[3:4] == ["LE"])[:5] == ["prediction", "-", "other", "LE", "-3"]
    result = json.loads((folders / "s.json").read_text())
    assert result["predictions"]["other"]["LE"] == pytest.approx(9)
    with open(folders / "s.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["scope"] == "difference" and row["figure"] == "LE"]
    assert [(row["prediction"], row["name"], float(row["value"])) for row in rows] == [("prediction", "other", -3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--protocol", "dcase1999"), "protocol must be one of doa, mot"),
        (("--reference", "nowhere"), "nowhere: no such reference file or folder"),
        (("--threshold_deg", "-1"), "threshold_deg must be above 0"),
        (("--thresholds", "5"), "thresholds"),
        (
            ("--options.colour", "red"),
            "colour must be an option of the protocol, got colour='red': doa has threshold_deg",
        ),
        (("--options.threshold_deg", "near"), "threshold_deg must be a number, got 'near'"),
        (("--average", "micro"), "average must be an option of the protocol"),
        (("--on-missing", "never"), "on_missing"),
        (("--workers", "0"), "workers must be >= 1, got 0"),
        (("--reference-format", "dcase1999"), "dcase1999"),
        (("--prediction",), "prediction must be one path or several"),
        (("--prediction", "a", "a"), "prediction must be different paths"),
        (("--protocol", "doanet", "--threshold-deg", "3"), "doanet has no threshold"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(recipe, monkeypatch, folders, capsys, options, message):
    sides = ("--reference", folders / "reference", "--prediction", folders / "prediction")
    with pytest.raises(SystemExit) as stop:
        command(recipe, monkeypatch, *sides, *options)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,0,0,1\n", "clip1.csv:1: "),
        ("0,0,0,0,0\n1,0,0,x,0\n", "clip1.csv:2: "),
        ("0,0,0,0,95\n", "clip1.csv:1: elevation"),
    ],
)
def test_a_broken_file_is_named(recipe, monkeypatch, folders, capsys, text, message):
    (folders / "prediction" / "clip1.csv").write_text(text)
    with pytest.raises(SystemExit) as stop:
        command(recipe, monkeypatch, "--reference", folders / "reference", "--prediction", folders / "prediction")
    error = capsys.readouterr().err
    assert stop.value.code == 2 and message in error and error.count("\n") == 1


def test_help_explains_every_protocol(recipe, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        command(recipe, monkeypatch, "--help")
    lines = capsys.readouterr().out.splitlines()
    assert stop.value.code == 0
    assert all(any(line.split()[:1] == [name] for line in lines) for name in PROTOCOLS)
    assert SUMMARIES.keys() == PROTOCOLS.keys()


def test_missing_files_are_noted(folders):
    (folders / "prediction" / "clip1.csv").unlink()
    sides = folders / "reference", folders / "prediction"
    with pytest.raises(ValueError, match="reference without prediction: clip1"):
        evaluate(*sides)
    missed, skipped = (evaluate(*sides, on_missing=what) for what in ("miss", "skip"))
    assert (missed["LR"], skipped["LR"]) == (pytest.approx(2 / 3), 1)
    assert (missed["clips"], skipped["clips"]) == (3, 2)
    assert missed["notes"] == ["reference without prediction, counted as missed: 1 (clip1)"]
    assert skipped["notes"] == ["reference without prediction, left out: 1 (clip1)"]


def test_classes_beyond_the_list_are_an_error_unless_ignored():
    reference, prediction = scenes(2)
    prediction["clip0"].loc[3, "class"] = 13
    with pytest.raises(ValueError, match=r"prediction clip0, row 3: class must be below 13"):
        evaluate(reference, prediction, "dcase2022")
    assert 0 < evaluate(reference, prediction, "dcase2022", on_class="ignore")["F"] < 1
    assert evaluate(reference, prediction)["LR"] < 1  # class-free protocols have no list


def test_official_and_strict_figures_that_differ_are_noted():
    reference, prediction = scenes(3)
    result = evaluate(reference, prediction, "dcase2022")
    strict = evaluate(reference, prediction, "dcase2022_strict")
    (note,) = result["notes"]
    assert note.startswith("dcase2022 and dcase2022_strict differ by more than half a point: ")
    named = dict(re.findall(r"(\w+) ([\d.]+) \(strict", note))
    without = dict(re.findall(r"(\w+) [\d.]+ \(strict ([\d.]+)\)", note))
    assert set(named) == {"F", "LE", "LR", "SELD"}  # the rate of errors is the same: absent classes have none
    for name in named:
        assert float(named[name]) == pytest.approx(result[name], abs=6e-4)
        assert float(without[name]) == pytest.approx(strict[name], abs=6e-4)
    assert strict["notes"] == []
    assert evaluate(reference, prediction, "dcase2022", strict_twin=False)["notes"] == []
    # Three classes, all of them there, no quirk at work but the lost end of the clip.
    alike = {
        name: table.assign(**{"class": 0, "source": 0}).drop_duplicates("frame") for name, table in reference.items()
    }
    assert evaluate(alike, alike, "dcase2024", classes=1)["notes"] == []


def test_joined_protocols_that_share_a_figure_say_whose_it_is():
    reference, prediction = scenes(4)
    joined = evaluate(reference, prediction, "dcase2022+dcase2024+doa", per_file=True)
    alone = {name: evaluate(reference, prediction, name) for name in ("dcase2022", "dcase2024", "doa")}
    for name, of_one in alone.items():
        assert joined[f"{name}.LE"] == of_one["LE"] and joined["jackknife"][f"{name}.LE"] == of_one["jackknife"]["LE"]
    assert joined["F20"] == alone["doa"]["F20"] and joined["DistE"] == alone["dcase2024"]["DistE"]
    assert joined["classwise"][1]["dcase2024.F"] == alone["dcase2024"]["classwise"][1]["F"]
    assert joined["counters"]["dcase2022.TP"] == alone["dcase2022"]["counters"]["TP"]
    assert joined["counters"]["pairs"] == alone["doa"]["counters"]["pairs"]
    assert joined["files"]["clip3"]["doa.LE"] == evaluate(reference["clip3"], prediction["clip3"])["LE"]


def same(one, other) -> bool:
    """Equal to the last digit, NaN with NaN."""
    return json.dumps(one) == json.dumps(other)


def test_order_of_files_changes_nothing():
    reference, prediction = scenes(7)
    expected = evaluate(reference, prediction, "dcase2024+mot", per_file=True)
    backwards = [dict(sorted(side.items(), reverse=True)) for side in (reference, prediction)]
    assert same(evaluate(*backwards, "dcase2024+mot", per_file=True), expected)


def test_clips_count_alike_in_any_group(monkeypatch):
    reference, prediction = scenes(5)
    whole = evaluate(reference, prediction, "dcase2022+mot", per_file=True)
    monkeypatch.setattr(counting, "GROUP", 2)
    parts = evaluate(reference, prediction, "dcase2022+mot", per_file=True)
    for clip, scores in whole["files"].items():
        assert parts["files"][clip] == pytest.approx(scores, nan_ok=True, abs=1e-9)
    assert parts["counters"]["switches"] == whole["counters"]["switches"]


def test_protocols_of_several_formats_want_one_named_for_files(tmp_path):
    sides = files(tmp_path, 2)
    with pytest.raises(ValueError, match=r"reference_format must be given .*\(dcase2022, dcase2023\)"):
        evaluate(*sides, "dcase2022+dcase2023")
    with pytest.warns(UserWarning, match="distances"):
        result = evaluate(*sides, "dcase2022+dcase2023", reference_format="polar_cm", prediction_format="polar_cm")
    assert result["dcase2022.F"] == result["dcase2023.F"]


def files(folder: Path, clips: int) -> tuple[Path, Path]:
    """Distances are below any that a room has, so that reading them gives a warning."""
    for side, tables in zip(("r", "p"), scenes(clips), strict=True):
        for name, table in tables.items():
            write_rows(folder / side / f"{name}.csv", table.assign(distance=0.01), format="polar_cm")
    return folder / "r", folder / "p"


def test_workers_change_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(counting, "GROUP", 2)
    sides = files(tmp_path, 5)
    results = []
    for workers in (1, 2):
        with pytest.warns(UserWarning, match="distances") as warned:
            results.append(evaluate(*sides, "dcase2023+doa", workers=workers, per_file=True))
        assert len(warned) == 2  # once for each side, not once for each group
    assert same(*results)


@pytest.mark.slow
def test_a_broken_file_stops_all_workers(monkeypatch, tmp_path):
    monkeypatch.setattr(counting, "GROUP", 1)
    sides = files(tmp_path, 5)
    (sides[1] / "clip3.csv").write_text("0,0,0,0\n")
    with pytest.raises(ValueError, match=r"clip3.csv:1"):
        evaluate(*sides, "dcase2023", workers=2)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_intervals_are_those_of_leaving_out_files(name):
    """Every protocol's sums add up over clips: leaving out a file and leaving out its sums is the same."""
    reference, prediction = scenes(4)
    given = {"reference_format": "seld"}
    whole = evaluate(reference, prediction, name, strict_twin=False, **given)
    bias_corrected = protocols(name)[name].bias_corrected
    keys = list(whole["jackknife"])
    left_out = []
    for clip in reference:
        rest = [{key: side[key] for key in side if key != clip} for side in (reference, prediction)]
        of_rest = evaluate(*rest, name, strict_twin=False)
        left_out.append([of_rest[key] for key in keys])
    theta, left_out = np.array([whole[key] for key in keys]), np.array(left_out)
    mean = left_out.mean(0)
    centre = theta - 3 * (mean - theta) if bias_corrected else theta
    reach = 3.182446305284263 * np.sqrt(3 * np.mean((left_out - mean) ** 2, axis=0))
    expected = np.stack([centre - reach, centre + reach], axis=1)
    np.testing.assert_allclose([whole["jackknife"][key] for key in keys], expected, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(["doa", "mot", "dcase2019", "dcase2021", "dcase2022", "dcase2024", "locata", "doa+dcase2023"]),
    st.dictionaries(
        st.sampled_from(
            ["threshold_deg", "average", "classes", "tracks", "cutoff_deg", "year", "reference_format", "nonsense"]
        ),
        st.one_of(
            st.none(), st.integers(-2, 200), st.floats(), st.text(max_size=4), st.sampled_from(["macro", "micro"])
        ),
        max_size=3,
    ),
)
def test_options_either_work_or_are_refused_in_one_line(name, options):
    reference, prediction = FUZZED
    try:
        result = evaluate(reference, prediction, name, **options)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert result["clips"] == 2


FUZZED = scenes(2)


def test_a_clip_without_the_distances_that_a_protocol_needs_is_named(tmp_path):
    for side in ("reference", "prediction"):
        (tmp_path / side).mkdir()
        for name, distance in (("a", ",200" if side == "reference" else ",2.0"), ("b", "")):
            (tmp_path / side / f"{name}.csv").write_text(f"0,1,0,10,0{distance}\n1,1,0,10,0{distance}\n")
    with pytest.raises(ValueError, match="dcase2024, clip b: reference must have a distance in every row"):
        evaluate(tmp_path / "reference", tmp_path / "prediction", "dcase2024")
