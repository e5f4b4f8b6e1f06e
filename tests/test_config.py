import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import yaml

from seld import command, config


@dataclass
class Part:
    width: int = 3
    """how wide, metres"""
    span: tuple[float, float] = (0.2, 0.8)

    def __post_init__(self):
        if self.width < 1:
            raise ValueError(f"part.width must be >= 1, got {self.width}")


@dataclass
class Whole:
    source: Path
    output: Path
    kind: Literal["a", "b"] = "a"
    part: Part = field(default_factory=Part)
    optional: Path | None = None


@dataclass
class Parts:
    train: list[str] | str | None = None
    folds: list[int] | None = None
    augment: bool = False


@dataclass
class Many:
    side_folders: list[Path] = field(default_factory=list)
    per_file: bool = False
    data: Parts = field(default_factory=Parts)


def parse(*argv):
    return config.parse(Whole, "A test.", argv, positional={"source": "where from"})


def test_options_override_files_override_defaults(tmp_path):
    (tmp_path / "a.yaml").write_text("output: here\npart:\n  width: 5\n  span: [0.1, 0.3]\n")
    parsed = parse("in", "--config", str(tmp_path / "a.yaml"), "--part.width", "7")
    assert parsed == Whole(Path("in"), Path("here"), "a", Part(7, (0.1, 0.3)))


@pytest.mark.parametrize(
    ("argv", "folders", "per_file"),
    [
        (["--side-folders", "a", "b-c", "--per-file"], ["a", "b-c"], True),
        (["--per_file", "--side_folders=a"], ["a"], True),
        (["--side_folders", "[a, b]", "--per-file", "false"], ["a", "b"], False),
        (["--per-file=true"], [], True),
    ],
)
def test_dashes_several_values_and_switches(argv, folders, per_file):
    assert config.parse(Many, "A test.", argv) == Many([Path(folder) for folder in folders], per_file)


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["--data.train", "a", "b", "--data.augment"], Parts(["a", "b"], None, True)),
        (["--data.train", "a", "--data.folds", "1", "2"], Parts("a", [1, 2])),
        (["--data.train=a", "--data.folds", "3"], Parts("a", [3])),
        (["--data.train", "[a, b]", "--data.folds=[3]"], Parts(["a", "b"], [3])),
        (["--data.folds", "null", "--data.augment", "false"], Parts()),
    ],
)
def test_so_do_those_of_sections(argv, parts):
    assert config.parse(Many, "A test.", argv).data == parts


def test_the_command_line_needs_no_torch():
    """It takes seconds to load, and hundreds of megabytes, in each worker of an evaluation too."""
    code = "import sys, seld.command, seld.metrics, seld.labels; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_bare_name_is_looked_up_in_configs(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "CONFIGS", tmp_path)
    (tmp_path / "mine.yaml").write_text("kind: b\n")
    assert parse("in", "--output", "x", "--config=mine.yaml").kind == "b"
    assert parse("in", "--output", "x", "--config", "mine").kind == "b"
    with pytest.raises(ValueError, match="--config: no file other"):
        parse("in", "--output", "x", "--config", "other")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--part.width", "0"], "part.width must be >= 1, got 0"),
        (["--part.width", "wide"], "part.width"),
        (["--part.wid", "3"], "--part.wid"),
        (["--kind", "c"], "kind"),
        (["--nonsense", "1"], "--nonsense"),
        (["--optional", ""], "argument 5 is empty; is a variable of the shell not set?"),
    ],
)
def test_a_bad_option_is_named(argv, message):
    with pytest.raises(ValueError, match=message):
        parse("in", "--output", "x", *argv)


@pytest.mark.parametrize(
    ("text", "message"),
    [("part:\n  wid: 3\n", "wid"), ("kinds: a\n", "kinds"), ("part:\n  width: x\n", "part.width"), ("a: [", "a.yaml")],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        parse("in", "--output", "x", "--config", str(tmp_path / "a.yaml"))


def test_a_missing_option_is_named():
    with pytest.raises(ValueError, match="output"):
        parse("in")


def test_yaml_reads_back_as_the_same_configuration(tmp_path):
    @dataclass
    class Plain:
        output: Path
        part: Part = field(default_factory=Part)

    written = Plain(Path("x"), Part(4, (0.5, 0.6)))
    (tmp_path / "a.yaml").write_text(config.to_yaml(written))
    assert config.parse(Plain, "A test.", ["--config", str(tmp_path / "a.yaml")]) == written
    assert yaml.safe_load((tmp_path / "a.yaml").read_text())["part"]["span"] == [0.5, 0.6]


def test_bad_input_ends_with_one_line_and_code_2(monkeypatch, capsys):
    def fail(options):
        raise ValueError("clip.wav: broken\n  in many ways")

    monkeypatch.setattr(sys, "argv", ["recipe", "in", "--output", "x"])
    with pytest.raises(SystemExit) as exit_:
        config.run(fail, Whole, "A test.", positional={"source": "where from"})
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: clip.wav: broken in many ways\n"


@pytest.mark.parametrize("option", [["--loss.gate_deg", "30"], ["--assignment.kind", "pit"]])
def test_options_that_accdoa_has_no_use_for_are_refused(option):
    with pytest.raises(ValueError, match=r"must be left out with localizer.output accdoa, which trains with ADPIT"):
        config.parse(config.Experiment, "A test.", ["--localizer.output", "accdoa", *option])
    assert config.parse(config.Experiment, "A test.", option)
