"""The threshold of activity at which a localizer's tracks have the best F20 on validation clips, kept with its weights.

    python tools/choose_threshold.py --model runs/foa --data DIR [DIR ...] --output seld/pretrained/foa.safetensors

Training chooses it by output slots, which takes no time; false alarms that tracking removes then count, so that the
threshold comes out too high, and recall too low.
"""

import argparse
from pathlib import Path

import torch
from tqdm import tqdm

from seld.clips import find_clips, read_labels, read_recording
from seld.localizer import Localizer, tracked_rows
from seld.metrics import evaluate

THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="run folder, weights file, or name of a shipped model")
    parser.add_argument("--data", nargs="+", required=True, help="folders in DCASE layout")
    parser.add_argument("--output", type=Path, required=True, help="weights file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    localizer = Localizer.from_pretrained(options.model)
    array = localizer.features.array
    clips = find_clips(options.data, array)
    references = {clip.name: read_labels(clip) for clip in clips}
    located = tqdm(clips, "localizing", unit="clip", leave=False)
    estimates = {clip.name: localizer.locate(read_recording(clip.audio, array)) for clip in located}

    def f20(threshold: float) -> float:
        rows = {name: tracked_rows(estimate, threshold) for name, estimate in estimates.items()}
        return evaluate(references, rows, "doa")["F20"]

    scores = {threshold: f20(threshold) for threshold in THRESHOLDS}
    print("  ".join(f"{threshold:g}: {score:.3f}" for threshold, score in scores.items()))
    localizer.threshold = max(scores, key=scores.__getitem__)
    localizer.save(options.output)


if __name__ == "__main__":
    main()
