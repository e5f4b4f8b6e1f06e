"""Other people's programs that make sounds: started, and missed in one line."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seld.audio import read_audio

_PATIENCE_S = 120.0  # for a few seconds of sound


class ProgramError(ValueError):
    """A program failed, crashed or hung."""


def run_program(package: str, command: Sequence[str], text: str = "") -> str:
    """What a program prints, given a text to read.

    Raises:
        FileNotFoundError: with its Debian package, when it is not installed.
        ProgramError: with its last line, when it fails, crashes or hangs.
    """
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_PATIENCE_S)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{command[0]} must be installed to render sounds (Debian and Ubuntu: apt install {package})"
        ) from None
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{command[0]} gave no answer in {_PATIENCE_S:g} s: {' '.join(command)}") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise ProgramError(f"{command[0]} failed: {said[-1]} ({' '.join(command)})")
    return done.stdout.decode(errors="replace")


def read_render(path: Path, rate: int) -> np.ndarray:
    """The sound (samples,) that a program wrote at this rate, channels averaged; empty when there is none."""
    if not path.is_file() or path.stat().st_size <= 44:  # a header alone
        return np.zeros(0, dtype=np.float32)
    return read_audio(path, sample_rate=rate).numpy().mean(axis=0)
