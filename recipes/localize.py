"""Localize the sources of a recording, or of every recording in a folder, made with the array of the model.

    python recipes/localize.py IN.wav --output OUT.csv --plot OUT.png --model runs/seld
    python recipes/localize.py RECORDINGS --output ESTIMATES --plot FIGURES --model runs/seld

Writes rows frame,class,track,azimuth,elevation (frames of 100 ms, degrees, class 0) without header.
"""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from seld import config
from seld.clips import SUFFIXES, read_recording
from seld.labels import write_rows
from seld.localizer import Localizer, estimated_rows
from seld.plots import plot_tracks

_log = logging.getLogger(__name__)


@dataclass
class Config:
    """What to localize, with what."""

    input: Path
    output: Path
    """CSV file for the rows, or a folder for one file per recording"""
    model: str = "runs/seld"
    """run folder, weights file, or name of a shipped model"""
    plot: Path | None = None
    """PNG file, or folder, for pictures of the tracks over time"""
    threshold: float | None = None
    """activity above which a track counts as sounding; by default what the model was validated with"""
    device: str = "cpu"
    """torch device that the model runs on"""

    def __post_init__(self):
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be between 0 and 1, got {self.threshold}")


def main(options: Config) -> None:
    if not options.input.exists():
        raise FileNotFoundError(f"{options.input}: no such file or folder")
    localizer = Localizer.from_pretrained(options.model).to(options.device)
    if options.threshold is not None:
        localizer.threshold = options.threshold
    if options.input.is_file():
        localize(localizer, options.input, options.output, options.plot)
        return
    recordings = sorted(path for path in options.input.iterdir() if path.suffix.lower() in SUFFIXES)
    if not recordings:
        raise ValueError(f"{options.input}: no sound files ({', '.join(SUFFIXES)})")
    failed = 0
    for recording in tqdm(recordings, "localizing", unit="clip"):
        table = options.output / f"{recording.stem}.csv"
        picture = options.plot / f"{recording.stem}.png" if options.plot else None
        try:
            localize(localizer, recording, table, picture)
        except (ValueError, OSError) as error:  # the other recordings are still worth doing
            failed += 1
            _log.error("%s", error)
    if failed:
        _log.error("%d of %d recordings could not be localized", failed, len(recordings))
        sys.exit(1)


def localize(localizer: Localizer, recording: Path, table: Path, picture: Path | None) -> None:
    """Write the rows of one recording, and draw them when a picture is asked for."""
    audio = read_recording(recording, localizer.features.array)
    rows = estimated_rows(localizer.locate(audio), localizer.threshold)
    write_rows(table, rows)
    if picture:
        plot_tracks(None, rows, picture)


if __name__ == "__main__":
    config.run(main, Config, __doc__, positional={"input": "recording, or folder of recordings"})
