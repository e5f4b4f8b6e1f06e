"""How many times faster than real time one core makes scenes.

    python tools/bench_scenes.py [--clips 20]

Prints the default scenes (RT60 0.2-0.8 s, half of the events moving, up to 2 at once) and harder ones, file
writing included. Processor time is counted, so that other jobs on the machine disturb little.
"""

import argparse
import tempfile
import time

import torch

from seld.scenes import SceneConfig, make_scenes

CASES = {
    "default": {},
    "all moving": {"moving": 1.0},
    "RT60 1 s": {"rt60_s": (1.0, 1.0)},
    "up to 5 at once": {"max_overlap": 5},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20, help="clips of 30 s for each case")
    clips = parser.parse_args().clips
    torch.set_num_threads(1)
    for name, options in CASES.items():
        config = SceneConfig(clips=clips, **options)
        with tempfile.TemporaryDirectory() as folder:
            begin = time.process_time()
            make_scenes(config, folder, progress=False)
            elapsed = time.process_time() - begin
        print(f"{name:16s} {clips * config.clip_seconds / elapsed:6.1f} x real time")


if __name__ == "__main__":
    main()
