"""How fast data get ready for training, beside what others do, all in one run on one core.

    OMP_NUM_THREADS=1 python tools/bench_data.py [--rounds 7] [--json FILE]

Every row is one piece of work. Its methods take turns, round after round, and the least processor time of each counts,
so that other jobs on the machine disturb little; `times` is how many times as long as ours a method takes, `real` how
many seconds of audio a second of one core gets through.

The peers are in feature_peers.py: the baselines' extraction written anew from their definitions, NumPy and librosa,
file by file, with the memory layouts and the calls of the public scripts, since these decide how long it takes: beside
the scripts themselves they took as long. All begin with a WAV file and end with features in memory; "to files" is with
what the scripts do then (save, load, standardise, save). Ours need no statistics, and are saved once.

The groups: features (from a 16-bit WAV file of four channels to features in memory).
"""

import argparse
import functools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import feature_peers as peers
import numpy as np
import torch

from seld.arrays import find_array, steering
from seld.audio import SAMPLE_RATE, read_audio, write_audio
from seld.features import FeatureConfig, build_features
from seld.geometry import unit_from_degrees

OURS = "seld"
SECONDS = 60  # as DCASE recordings
SALSA = {"fft": 512, "window": 512, "frames_per_label": 8}  # of the papers
Methods = dict[str, Callable[[], object]]


class Row(NamedTuple):
    """One method of one piece of work."""

    work: str
    method: str
    seconds: float
    """of processor time"""
    real: float
    """seconds of audio in a second"""
    times: float
    """as long as ours"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds that the methods take turns in, default 7")
    parser.add_argument("--json", type=Path, help="write all rows to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print(f"{'work':<34}{'method':<26}{'ms':>9}{'real':>9}{'times':>8}")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for work, methods in feature_work(Path(folder)).items():
            for row in race(work, methods, options.rounds):
                rows.append(row)
                print(f"{work:<34}{row.method:<26}{1e3 * row.seconds:>9.1f}{row.real:>9.0f}{row.times:>8.1f}")
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))


def race(work: str, methods: Methods, rounds: int) -> list[Row]:
    """The least process time of each method, first of them ours; slow ones (5 s) run once."""
    least = dict.fromkeys(methods, float("inf"))
    for _ in range(rounds):
        for name, method in methods.items():
            if 5 < least[name] < float("inf"):
                continue
            started = time.process_time()
            method()
            least[name] = min(least[name], time.process_time() - started)
    return [Row(work, name, value, SECONDS / value, value / least[OURS]) for name, value in least.items()]


def feature_work(folder: Path) -> dict[str, Methods]:
    """Features of recordings of one moving-about talker in noise, with what the baselines do with the same files."""
    foa, mic = (recording(folder / f"{name}.wav", name) for name in ("foa", "mic"))
    return {
        "log-mel + intensity, FOA": {
            OURS: ours(foa, intensity="dcase", direct=False),
            "seld, by bands": ours(foa, direct=False),
            "seld, with direct path": ours(foa),
            "seld, to files": saved(foa, intensity="dcase", direct=False),
            **baselines(foa),
        },
        "log-mel + GCC-PHAT, 4 channels": {
            OURS: ours(mic, kind="logmel_gcc", array="mic"),
            "seld, to files": saved(mic, kind="logmel_gcc", array="mic"),
            **baselines(mic),
        },
        "SALSA-Lite, 4 channels": {
            OURS: ours(mic, kind="salsa_lite", array="mic", **SALSA),
            "NumPy": lambda: salsa_lite(mic),
        },
        "SALSA, FOA": {
            OURS: ours(foa, kind="salsa", **SALSA),
            "NumPy, batched LAPACK": lambda: salsa(foa, upper=192),
            "NumPy, LAPACK bin by bin": lambda: salsa(foa, upper=192, loop=True),
        },
        "SALSA, MIC": {
            OURS: ours(mic, kind="salsa", array="mic", **SALSA),
            "NumPy, batched LAPACK": lambda: salsa(mic, upper=85, fft=512),
            "NumPy, LAPACK bin by bin": lambda: salsa(mic, upper=85, fft=512, loop=True),
        },
        "phases, 4 channels": {OURS: ours(mic, kind="phase", array="mic")},
    }


def recording(path: Path, name: str) -> Path:
    """A WAV file of bursts of noise from here and there, above noise 30 dB softer."""
    draw = np.random.default_rng(0)
    array, samples = find_array(name), SECONDS * SAMPLE_RATE
    audio = 0.003 * draw.standard_normal((array.channels, samples))
    burst = SAMPLE_RATE // 2
    for begin in range(0, samples - burst, 3 * burst // 2):
        direction = unit_from_degrees(draw.uniform(-180, 180), draw.uniform(-45, 45))
        response = steering(array, direction[None], np.fft.rfftfreq(burst, 1 / SAMPLE_RATE))[:, 0].T
        audio[:, begin : begin + burst] += np.fft.irfft(response * np.fft.rfft(0.1 * draw.standard_normal(burst)))
    write_audio(path, audio)
    return path


def ours(path: Path, **options: object) -> Callable[[], object]:
    compute = build_features(FeatureConfig(**options))
    return lambda: compute(read_audio(path).unsqueeze(0))


def saved(path: Path, **options: object) -> Callable[[], object]:
    compute = ours(path, **options)
    return lambda: np.save(path.with_suffix(".seld.npy"), compute().numpy())


def baselines(path: Path) -> Methods:
    """The published extractions up to the features, and up to the files that their scripts leave."""
    bank = peers.mel_bank()
    ways = {name: functools.partial(peers.extract, path, bank, script) for name, script in peers.SCRIPTS.items()}
    for name, script in peers.SCRIPTS.items():
        ways[f"{name}, to files"] = functools.partial(peers.extract_to_files, path, bank, script)
    return ways


def salsa_lite(path: Path) -> np.ndarray:
    spectra = peers.stft(peers.read(path), fft=512, window=512, hop=300)
    return np.concatenate([peers.log_linear(spectra), peers.salsa_lite(spectra, 512, upper=42)])[..., 1:192]


def salsa(path: Path, upper: int, **options: object) -> np.ndarray:
    spectra = peers.stft(peers.read(path), fft=512, window=512, hop=300)
    levels = peers.compressed(spectra, 1, 192)
    cue = peers.salsa(spectra[..., 1:upper], **options)
    return np.concatenate([levels, np.pad(cue, [(0, 0), (0, 0), (0, levels.shape[-1] - cue.shape[-1])])])


if __name__ == "__main__":
    main()
