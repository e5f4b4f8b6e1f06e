"""Which recordings are taken of a package, and what is said when it cannot be had."""

import shutil
import subprocess
import sys
from pathlib import Path

import gather_recordings
import numpy as np
import pytest
import soundfile
from gather_recordings import Choice


def write(path, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(int(8000 * seconds), 0.1), 8000)


@pytest.fixture
def package(tmp_path):
    for number in range(6):
        write(tmp_path / f"usr/sounds/voices/{number}.wav", 1.0)
    write(tmp_path / "usr/sounds/voices/short.wav", 0.1)
    write(tmp_path / "usr/sounds/silence/1.wav", 1.0)
    (tmp_path / "usr/sounds/voices/broken.wav").write_text("no sound")
    (tmp_path / "usr/sounds/voices/readme.txt").write_text("free")
    return tmp_path


def taken(package, where, count):
    return [path.name for path in gather_recordings.chosen(package, Choice("any", where, "speech", count))]


def test_readable_sounds_that_last_are_taken_as_far_as_wanted(package):
    assert sorted(taken(package, "/sounds/(?!.*silence)", 100)) == [f"{number}.wav" for number in range(6)]
    assert taken(package, "/sounds/voices/", 3) == taken(package, "/sounds/voices/", 100)[:3]
    assert taken(package, "/sounds/silence/", 2) == ["1.wav"]


def test_a_package_becomes_files_of_its_classes(package, tmp_path, monkeypatch):
    def unpacked(command, cwd, **_):
        if command[0] == "apt-get":
            Path(cwd, "any_1.deb").touch()
        else:
            (package / "usr").rename(Path(cwd, "unpacked"))

    monkeypatch.setattr(subprocess, "run", unpacked)
    monkeypatch.setattr(gather_recordings, "CHOICES", (Choice("any", "/voices/", "speech", 2),))
    gather_recordings.gather("any", tmp_path / "out")
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.wav"))
    assert len(found) == 2
    assert all(name.startswith("speech/any_voices_") for name in found)


@pytest.fixture
def run(tmp_path, monkeypatch):
    def main(output):
        monkeypatch.setattr(sys, "argv", ["gather_recordings.py", "--output", str(output)])
        gather_recordings.main()

    monkeypatch.setattr(shutil, "which", lambda program: program)
    return main


def test_where_there_is_no_apt_one_line_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(SystemExit, match="^error: apt-get is missing; this needs Debian or one of its relatives$"):
        run(tmp_path / "out")


def test_what_apt_says_last_is_told(run, tmp_path, monkeypatch):
    def failing(command, **_):
        raise subprocess.CalledProcessError(100, command, stderr=b"W: slow\nE: Unable to locate package\n")

    monkeypatch.setattr(subprocess, "run", failing)
    with pytest.raises(SystemExit, match="^error: apt-get download -q .* failed: E: Unable to locate package$"):
        run(tmp_path / "out")


def test_an_output_that_is_a_file_is_refused_before_the_downloads(run, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(SystemExit, match="^error: .*File exists: .*file'$"):
        run(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"
