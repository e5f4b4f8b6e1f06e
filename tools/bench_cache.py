"""How segments of clips are loaded: from the cache, from memory, and decoded and computed for each.

    OMP_NUM_THREADS=1 python tools/bench_cache.py [--only segments many step] [--seconds 30] [--rounds 7]

segments  one core's processor time for a segment of 5 s, least of interleaved rounds; a ratio is how many times as
          long as from the cache on disk. off is --features.cache off; bare is decoding and features alone
many      10,000 clips (hard links of a few): time to open them, resident memory and open files before and after an
          epoch
step      the share of a training step of seld.yaml's network, batch and loss that is not waiting for data
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from seld import assignment
from seld.assignment import matching_cost
from seld.audio import write_audio
from seld.clips import CachedFeatureConfig, SegmentConfig, Segments, collate, find_clips, open_clips, read_recording
from seld.config import Experiment
from seld.geometry import pairwise_angular_distance
from seld.labels import write_rows
from seld.localizer import Estimate, Localizer
from seld.losses import mot_loss

GROUPS = ("segments", "many", "step")
MANY, COPIED = 10_000, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="groups of rows; all by default")
    parser.add_argument("--seconds", type=float, default=30, help="length of the clips of segments and step")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that the ways of loading take turns in")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for group in options.only:
            {"segments": segments_rows, "many": many_rows, "step": step_rows}[group](Path(folder) / group, options)


def write_clips(folder: Path, clips: int, seconds: float) -> None:
    """Four channels of noise that a file takes as much room for as for recordings, and one source."""
    draw = np.random.default_rng(0)
    for index in range(clips):
        write_audio(folder / f"data/foa_dev/{index:05}.flac", draw.normal(0, 0.01, (4, round(24000 * seconds))))
        frames = np.arange(round(10 * seconds))
        rows = pd.DataFrame({"frame": frames, "class": 0, "source": 0, "azimuth": frames % 180, "elevation": 0})
        write_rows(folder / f"data/metadata_dev/{index:05}.csv", rows)


def opened(folder: Path, localizer: Localizer, cache: str, augment: bool = True) -> Segments:
    options = CachedFeatureConfig(cache=cache, cache_dir=folder / "cache")
    clips = open_clips(find_clips(folder / "data"), localizer.features, localizer.config.tracks, options)
    return Segments(clips, SegmentConfig(augment=augment), localizer.features, seed=0)


def segments_rows(folder: Path, options: argparse.Namespace) -> None:
    write_clips(folder, 8, options.seconds)
    localizer = Localizer()
    for augment in (False, True):
        ways = {cache: opened(folder, localizer, cache, augment).__getitem__ for cache in ("disk", "memory", "off")}
        if not augment:
            ways["bare"] = bare(folder, localizer)
        items = range(round(8 * options.seconds / 5))
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(options.rounds):
            for way, load in ways.items():
                best[way] = min(best[way], processor_time(partial(each, load, items)) / len(items))
        print(f"segments of 5 s{', turned and levelled' if augment else ''}")
        for way, seconds in best.items():
            print(f"    {way:8} {1e3 * seconds:8.3f} ms {seconds / best['disk']:8.2f}")


def bare(folder: Path, localizer: Localizer) -> Callable[[int], torch.Tensor]:
    """Nothing but decoding 5 s and computing their features: no labels, no surroundings."""
    clips = find_clips(folder / "data")

    def load(index: int) -> torch.Tensor:
        audio = read_recording(clips[index % len(clips)].audio, localizer.features.array, 24000 * (index % 20), 120000)
        with torch.inference_mode():
            return localizer.features(audio.unsqueeze(0))[0]

    return load


def each(work: Callable[[int], object], items: Iterable[int]) -> None:
    for item in items:
        work(item)


def many_rows(folder: Path, options: argparse.Namespace) -> None:
    write_clips(folder, COPIED, 10)
    for part, suffix in (("foa_dev", "flac"), ("metadata_dev", "csv")):
        for index in range(COPIED, MANY):
            original = folder / f"data/{part}/{index % COPIED:05}.{suffix}"
            os.link(original, folder / f"data/{part}/{index:05}.{suffix}")
    localizer = Localizer()
    print(f"many: nothing opened yet, {state()}")
    for time_ in ("first", "second"):
        started = time.perf_counter()
        segments = opened(folder, localizer, "disk")
        taken = time.perf_counter() - started
        print(f"    {len(segments.clips)} clips opened for the {time_} time in {taken:.1f} s, {state()}")
    for index in range(0, len(segments), 100):
        segments[index]
    print(f"    before the epoch {state()}")
    started = time.perf_counter()
    for index in range(len(segments)):
        segments[index]
    each = (time.perf_counter() - started) / len(segments)
    print(f"    after {len(segments)} segments {state()}, {1e3 * each:.2f} ms each")


def step_rows(folder: Path, options: argparse.Namespace) -> None:
    experiment = Experiment()
    torch.set_flush_denormal(True)
    write_clips(folder, 16, options.seconds)
    localizer = Localizer(experiment.localizer, experiment.features.features()).train()
    optimizer = torch.optim.AdamW(localizer.parameters())
    assign = assignment.build(experiment.assignment, torch.device("cpu"))
    print(f"step: batch {experiment.train.batch} of 5 s on a CPU, one thread")
    for cache in ("disk", "memory", "off"):
        segments = opened(folder, localizer, cache)
        loader = iter(DataLoader(segments, experiment.train.batch, shuffle=True, collate_fn=collate))
        waited, worked = [], []
        for _ in range(min(8, len(segments) // experiment.train.batch)):
            held = []
            waited.append(processor_time(lambda into=held, source=loader: into.append(next(source))))
            worked.append(processor_time(lambda batch=held[0]: step(experiment, localizer, optimizer, assign, batch)))
        wait, work = min(waited), min(worked)
        share = 100 * work / (wait + work)
        print(
            f"    {cache:8} loading {1e3 * wait:7.1f} ms, network {1e3 * work:7.1f} ms: {share:.1f} % is the network's"
        )


def step(experiment: Experiment, localizer: Localizer, optimizer, assign, batch) -> None:
    estimate = Estimate(*localizer(batch.features))
    cost = pairwise_angular_distance(estimate.doa, batch.doa)
    price = experiment.assignment.activity_weight
    association = assign(matching_cost(cost, estimate.activity_logit, price), batch.active)
    loss = mot_loss(cost, association, estimate.activity_logit, batch.active, experiment.loss)
    loss.total.backward()
    optimizer.step()
    optimizer.zero_grad()


def processor_time(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def state() -> str:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(os.listdir("/proc/self/fd"))
    return f"{pages * resource.getpagesize() / 1e6:.0f} MB resident, {descriptors} files open"


if __name__ == "__main__":
    main()
