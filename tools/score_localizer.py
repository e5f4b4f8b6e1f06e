"""How good a localizer is on clips with references, beside simpler ways to the same: tables in Markdown.

    python tools/score_localizer.py --model foa --data DIR [DIR ...]

tracks              what recipes/localize.py writes
nearest neighbours  the same estimates, linked to the nearest track of the frame before
output slots        the same estimates, one track for each output of the network
histogram           intensity histogram of `seld.classical` with its own count of sources (Ambisonics)
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from seld.classical import intensity_histogram
from seld.clips import find_clips, read_labels, read_recording
from seld.geometry import degrees_from_unit
from seld.localizer import Estimate, Localizer, estimated_rows, tracked_rows
from seld.metrics import compare
from seld.tracking import nearest_neighbours

SHOWN = {"LE": 1, "F20": 3, "LR": 3, "LP": 3, "MOTA": 3, "IDF1": 3, "switches": 0}  # figure -> decimals
WITH_INTERVAL = ("LE", "F20", "MOTA")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="foa", help="run folder, weights file, or name of a shipped model")
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="folders in DCASE layout")
    options = parser.parse_args()
    torch.set_num_threads(1)
    localizer = Localizer.from_pretrained(options.model)
    for folder in options.data:
        print(table(folder, localizer))


def table(folder: Path, localizer: Localizer) -> str:
    """The figures of all ways on one folder."""
    array, threshold, tracks = localizer.features.array, localizer.threshold, localizer.config.tracks
    clips = find_clips(folder, array)
    references = {clip.name: read_labels(clip) for clip in clips}
    rows: dict[str, dict[str, pd.DataFrame]] = {}
    for clip in tqdm(clips, str(folder), unit="clip", leave=False):
        audio = read_recording(clip.audio, array)
        estimate = localizer.locate(audio)
        ways = {
            "tracks": tracked_rows(estimate, threshold),
            "nearest neighbours": linked_rows(estimate, threshold),
            "output slots": estimated_rows(estimate, threshold),
        }
        if array.kind == "foa":
            ways["histogram"] = intensity_histogram(audio, tracks)
        for way, found in ways.items():
            rows.setdefault(way, {})[clip.name] = found
    scores = compare(references, rows, "doa+mot")["predictions"]
    lines = [f"| {folder.name}, {len(clips)} clips | {' | '.join(SHOWN)} |", "|" + "---|" * (1 + len(SHOWN))]
    lines += [f"| {way} | {' | '.join(cell(of_way, name) for name in SHOWN)} |" for way, of_way in scores.items()]
    return "\n".join(lines) + "\n"


def linked_rows(estimate: Estimate, threshold: float) -> pd.DataFrame:
    """DCASE rows of estimates (T, M, 3), (T, M), linked by nearest neighbours."""
    doa, active = estimate.doa.numpy(), estimate.activity_logit.sigmoid().numpy() > threshold
    found = nearest_neighbours(doa, active)
    azimuth, elevation = degrees_from_unit(found.doa)
    columns = {"frame": found.frame, "class": 0, "source": found.track, "azimuth": azimuth, "elevation": elevation}
    return pd.DataFrame(columns)


def cell(scores: dict, name: str) -> str:
    """A figure, some with their interval."""
    decimals = SHOWN[name]
    text = f"{scores[name]:.{decimals}f}"
    if name in WITH_INTERVAL:
        low, high = scores["jackknife"][name]
        text += f" ({low:.{decimals}f}-{high:.{decimals}f})"
    return text


if __name__ == "__main__":
    main()
