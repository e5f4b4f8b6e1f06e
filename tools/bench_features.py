"""How much faster than real time the FOA features are on one core, from samples and from a FLAC file.

    python tools/bench_features.py
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from seld.audio import SAMPLE_RATE, read_audio, write_audio
from seld.features import LogMelIntensity

SECONDS = 30
ROUNDS = 15


def best(work: Callable[[], object]) -> float:
    """Least process time of the rounds, in seconds: what the work costs when nothing disturbs it."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    torch.set_num_threads(1)
    features = LogMelIntensity()
    audio = 0.1 * torch.randn(4, SECONDS * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = Path(folder) / "clip.flac"
        write_audio(path, audio)
        computing = best(lambda: features(audio.unsqueeze(0)))
        reading = best(lambda: read_audio(path))
    print(f"features of {SECONDS} s of FOA, one core: {SECONDS / computing:.0f} times real time")
    print(f"with decoding 4 channels of FLAC:   {SECONDS / (computing + reading):.0f} times real time")


if __name__ == "__main__":
    main()
