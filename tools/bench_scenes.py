"""Scene making on one core, beside pyroomacoustics called once per source and position with SciPy convolution.

    python tools/bench_scenes.py [--clips 6] [--seconds 10] [--full 4]

The same random scenes (RT60 0.2-0.8 s, half of the events moving, up to 2 at once) are rendered both ways in turn;
processor time is counted, and the least of the rounds kept, so that other jobs on the machine disturb little. The
peer gets the same rooms, absorptions and positions (every 100 ms of a path), four omnidirectional microphones where
FOA's would cost it more, and no sounds to synthesise, noise, labels or second band. To have the reverberation that
the scenes have it needs image sources of a high order, or image sources up to order 3 and rays; both take it so long
that they are measured on --full positions and counted for all. Image sources up to order 10 alone, which leave most
of the reverberation out, are what it can do fast.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import pyroomacoustics
import torch
from scipy.signal import fftconvolve

from seld.arrays import ARRAYS
from seld.audio import SAMPLE_RATE
from seld.scenes import SceneConfig
from seld.scenes.drawing import draw_scene
from seld.scenes.events import open_events
from seld.scenes.making import clip_generator
from seld.scenes.mixing import mix
from seld.scenes.rendering import BLOCK_SECONDS
from seld.scenes.rir import wall_losses
from seld.scenes.scene import Event, Scene

CASES = {
    "foa": {},
    "mic": {"formats": ["mic"]},
    "foa + mic": {"formats": ["foa", "mic"]},
    "foa + respeaker_6": {"formats": ["foa", "respeaker_6"]},
    "foa, all moving": {"moving": 1.0},
    "foa, RT60 1 s": {"rt60_s": (1.0, 1.0)},
    "foa, up to 5 at once": {"max_overlap": 5},
}
WALLS = ("west", "east", "south", "north", "floor", "ceiling")
ORDER = 10


def spent(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def make(config: SceneConfig) -> list[Scene]:
    """Draw and mix all clips of a configuration."""
    events = open_events(config)
    scenes = [draw_scene(clip_generator(config, number), events, config) for number in range(config.clips)]
    for scene in scenes:
        mix(scene)
    return scenes


def positions_of(event: Event) -> np.ndarray:
    """Where the peer is asked for a response: (positions, 3)."""
    if len(event.path.points_m) == 1:
        return event.path.points_m
    return event.path.at(np.arange(0, event.path.seconds, BLOCK_SECONDS))


def peer_response(scene: Scene, position: np.ndarray, kind: str = "cut") -> list[np.ndarray]:
    """Responses of four microphones from pyroomacoustics: cut off, of the order that RT60 asks for, or with rays."""
    room = scene.room
    order = {"cut": ORDER, "rays": 3}.get(kind)
    if order is None:
        _, order = pyroomacoustics.inverse_sabine(room.rt60_s[0], room.size_m)
    absorption = 1 - np.exp(-wall_losses(room)[0])
    materials = {wall: pyroomacoustics.Material(float(a)) for wall, a in zip(WALLS, absorption, strict=True)}
    shoebox = pyroomacoustics.ShoeBox(
        room.size_m, fs=SAMPLE_RATE, materials=materials, max_order=order, ray_tracing=kind == "rays"
    )
    shoebox.add_source(position)
    shoebox.add_microphone_array((room.array_m + ARRAYS["mic"].positions).T)
    shoebox.compute_rir()
    return [channel[0] for channel in shoebox.rir]


def peer_mix(scene: Scene) -> np.ndarray:
    """The clip (4, samples): static events by one convolution, moving ones by one for each block of a path."""
    out = np.zeros((4, round((scene.clip_seconds + 10) * SAMPLE_RATE)), dtype=np.float32)
    for event in scene.events:
        places = positions_of(event)
        blocks = np.array_split(event.sound.audio, len(places))
        start = round(event.onset_s * SAMPLE_RATE)
        for place, block in zip(places, blocks, strict=True):
            for channel, response in zip(out, peer_response(scene, place), strict=True):
                wet = fftconvolve(block, response)[: out.shape[1] - start]
                channel[start : start + len(wet)] += wet
            start += len(block)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a clip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", type=int, default=4, help="positions on which full orders are measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    configs = {
        name: SceneConfig(clips=options.clips, clip_seconds=options.seconds, **case) for name, case in CASES.items()
    }
    seconds = options.clips * options.seconds
    for config in configs.values():  # compiles, and fills tables that are made once
        make(SceneConfig(clips=1, clip_seconds=2.0, formats=config.formats))
    scenes = make(configs["foa"])
    places = [(scene, place) for scene in scenes for event in scene.events for place in positions_of(event)]
    best = dict.fromkeys([*configs, "peer"], np.inf)
    for _ in range(options.rounds):
        for name, config in configs.items():
            best[name] = min(best[name], spent(lambda config=config: make(config)))
        best["peer"] = min(best["peer"], spent(lambda: [peer_mix(scene) for scene in scenes]))
    some = [places[i] for i in np.linspace(0, len(places) - 1, options.full).astype(int)]
    for kind in ("full", "rays"):
        taken = spent(lambda kind=kind: [peer_response(scene, place, kind) for scene, place in some])
        best[kind] = taken / len(some) * len(places)

    print(f"{options.clips} clips of {options.seconds:g} s, {len(places)} source positions, one core")
    for name in configs:
        against = f", {best[name] / best['foa']:.2f} of foa's time" if name != "foa" else ""
        print(f"{name:22s} {seconds / best[name]:6.1f} x real time{against}")
    peers = {"peer": f"order {ORDER} alone", "full": "full order", "rays": "order 3 and rays"}
    for name, what in peers.items():
        print(f"{f'peer, {what}':22s} {seconds / best[name]:6.2f} x real time")
    for name in ("foa", "mic", "foa + mic"):
        ratios = ", ".join(f"{best[peer] / best[name]:.1f} ({what})" for peer, what in peers.items())
        print(f"{name} is so many times as fast as the peer: {ratios}")


if __name__ == "__main__":
    main()
