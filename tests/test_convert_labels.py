import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seld.labels import FORMATS, read_rows, write_rows

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "convert_labels.py"


@pytest.fixture
def convert(monkeypatch, capsys):
    """Runs the recipe's own lines in this process: (exit code, standard error)."""
    code = compile(RECIPE.read_text(), str(RECIPE), "exec")

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["convert_labels.py", *map(str, options)])
        status = 0
        try:
            exec(code, {"__name__": "__main__"})
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        return status, captured.err if status else captured.out + captured.err

    return run


def table(count=40, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "frame": np.sort(rng.integers(0, 20, count)),
            "class": rng.integers(0, 11, count),
            "source": rng.integers(0, 3, count),
            "azimuth": rng.integers(-180, 180, count).astype(float),
            "elevation": rng.integers(-90, 91, count).astype(float),
            "distance": rng.integers(1, 500, count) / 100,
        }
    ).drop_duplicates(["frame", "class", "source"], ignore_index=True)


def test_there_and_back_through_every_format_that_has_a_distance(tmp_path, convert):
    first = tmp_path / "first.csv"
    write_rows(first, table(), "dcase2024")
    for name in ("polar_m", "cartesian_cm", "cartesian_m", "dcase2024_output", "dcase2023_output", "seld"):
        for source, target, path in (("dcase2024", name, first), (name, "dcase2024", tmp_path / name)):
            output = tmp_path / name if path == first else tmp_path / "back.csv"
            status, said = convert("--input", path, "--from", source, "--to", target, "--output", output)
            assert (status, said) == (0, "")
        assert (tmp_path / "back.csv").read_text() == first.read_text(), name


def test_decimal_degrees_are_kept_unless_told_otherwise(tmp_path, convert, caplog):
    (tmp_path / "a.csv").write_text("0,0,0,10.123456,-20.5\n")
    options = ("--input", tmp_path / "a.csv", "--from", "polar", "--output", tmp_path / "b.csv")
    assert convert(*options, "--to", "dcase2022")[0] == 0
    assert (tmp_path / "b.csv").read_text() == "0,0,0,10.123456,-20.5\n"
    status, said = convert(*options, "--to", "dcase2022", "--decimals", 0)
    assert (status, said, caplog.messages) == (0, "", ["degrees are rounded to 0 decimals (1 file)"])
    assert (tmp_path / "b.csv").read_text() == "0,0,0,10,-20\n"


def test_a_folder_keeps_its_subfolders(tmp_path, convert):
    for name in ("dev-train/a", "dev-test/b"):
        write_rows(tmp_path / "in" / f"{name}.csv", table())
    (tmp_path / "in" / "dev-test" / "silent.csv").touch()
    options = ("--input", tmp_path / "in", "--from", "dcase2023", "--to", "dcase2022_output")
    assert convert(*options, "--output", tmp_path / "out")[0] == 0
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.csv"))
    assert written == ["dev-test/b.csv", "dev-test/silent.csv", "dev-train/a.csv"]
    assert len(read_rows(tmp_path / "out" / "dev-train" / "a.csv", "cartesian")) == len(table())


def test_frames_of_2019_and_later(tmp_path, convert):
    rows = table()
    rows["azimuth"], rows["elevation"] = (rows[["azimuth", "elevation"]] // 10 * 10).T.to_numpy()
    write_rows(tmp_path / "a.csv", rows, "dcase2024")
    there = convert(
        "--input", tmp_path / "a.csv", "--from", "dcase2024", "--to", "dcase2019", "--output", tmp_path / "b.csv"
    )
    assert there[0] == 0
    assert len(read_rows(tmp_path / "b.csv", "dcase2019")) == 5 * len(rows)
    back = convert(
        "--input", tmp_path / "b.csv", "--from", "dcase2019", "--to", "dcase2024", "--output", tmp_path / "c.csv"
    )
    assert back[0] == 0
    columns = ["frame", "class", "azimuth", "elevation", "distance"]
    again = read_rows(tmp_path / "c.csv", "dcase2024")[columns]
    pd.testing.assert_frame_equal(
        again.sort_values(columns, ignore_index=True), rows[columns].sort_values(columns, ignore_index=True)
    )


@pytest.mark.parametrize(
    ("source", "text", "target", "lost"),
    [
        ("dcase2025", "0,0,1,10,150,1", "bare", ["distance", "onscreen", "source"]),
        ("cartesian", "0,0,0,0,0.5,0", "polar", ["the length of the vectors"]),
        ("polar_cm", "0,0,0,10,0,100", "cartesian", ["distance"]),
        ("polar_cm", "0,0,0,10,0,100", "cartesian_m", []),
        ("cartesian_m", "0,0,0,0,0.5,0,1", "cartesian_cm", []),
    ],
)
def test_what_is_lost_is_said(tmp_path, convert, caplog, source, text, target, lost):
    header = ",".join(FORMATS[source].layouts[0].header) + "\n"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(header + text + "\n")
    (tmp_path / "in" / "silent.csv").write_text(header)
    done = convert("--input", tmp_path / "in", "--from", source, "--to", target, "--output", tmp_path / "out")
    assert done == (0, "")
    assert [message.split(" is left out")[0] for message in caplog.messages] == lost
    assert all(message.endswith(" (1 file)") for message in caplog.messages)


def test_times_that_do_not_fit_are_said(tmp_path, convert, caplog):
    (tmp_path / "a.csv").write_text("5,0,0,0\n6,0,0,0\n7,0,0,0\n")
    options = ("--input", tmp_path / "a.csv", "--from", "dcase2019_output", "--to", "polar")
    assert convert(*options, "--output", tmp_path / "b.csv") == (0, "")
    assert (tmp_path / "b.csv").read_text() == "1,0,0,0,0\n"
    assert caplog.messages == ["times are rounded: frames of 0.1 s, not 0.02 s (1 file)"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--from", "polar", "--to", "polar_cm"),
            "a.csv: format polar_cm needs the column distance, which the rows lack",
        ),
        (("--from", "polar_cm", "--to", "polar"), "a.csv:1: expected 6 columns in format polar_cm"),
        (("--from", "dcase1999", "--to", "polar"), "format must be one of polar,"),
        (("--from", "polar", "--to", "bare", "--decimals", "-1"), "--decimals must be at least 0"),
        (("--from", "polar", "--to", "bare", "--input", "nowhere"), "nowhere: no such file or folder"),
        (("--from", "polar"), "the following arguments are required: --to"),
        (("--from", "polar", "--to", "bare", "--frmat", "x"), "unrecognized arguments: --frmat x"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, convert, options, message):
    (tmp_path / "a.csv").write_text("0,0,0,10,20\n")
    status, said = convert("--input", tmp_path / "a.csv", "--output", tmp_path / "b.csv", *options)
    assert status == 2
    assert message in said and said.startswith("error: ") and said.count("\n") == 1
    assert not (tmp_path / "b.csv").exists()


def test_help_explains_every_format(convert):
    status, said = convert("--help")
    assert not status
    assert all(f"  {name} " in said for name in FORMATS)
