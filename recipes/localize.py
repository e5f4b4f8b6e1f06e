"""Localize the sources of a recording, or of every recording in a folder, made with the array of the model.

    python recipes/localize.py IN.wav --output OUT.csv --plot OUT.png
    python recipes/localize.py IN.wav --output OUT.csv --model mic
    python recipes/localize.py RECORDINGS --output ESTIMATES --plot FIGURES --model runs/seld

Writes rows frame,class,track,azimuth,elevation (frames of 100 ms, degrees, class 0) without header. A track is one
source for as long as it sounds: estimates of all frames are joined (`seld.tracking`).

Recordings may be of any length, in memory that stays flat, and of any sampling rate. The rest of a last frame is taken
for silence, also in a recording that is shorter than one. Clipping, dead channels and silence are warned of. Of a
folder all sound files are taken, not those of folders in it; what cannot be localized is listed at the end, and the
exit code is 1.
"""

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from seld.clips import SUFFIXES, Recording
from seld.command import run
from seld.labels import write_rows
from seld.localizer import Localizer, stream_rows
from seld.tracking import TrackingConfig

_log = logging.getLogger(__name__)


@dataclass
class Config:
    """What to localize, with what."""

    input: Path
    output: Path
    """CSV file for the rows, or a folder for one file per recording"""
    model: str = "foa"
    """what ships as foa (Ambisonics) or mic (the DCASE tetrahedron); or a run folder, or a weights file"""
    plot: Path | None = None
    """PNG file, or folder, for pictures of the tracks over time"""
    threshold: float | None = None
    """activity above which a track counts as sounding; by default what the model was validated with"""
    join: bool = True
    """join estimates into tracks; false: the network's output slots as they are"""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    device: str = "cpu"
    """torch device that the model runs on"""

    def __post_init__(self):
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be between 0 and 1, got {self.threshold}")


def main(options: Config) -> None:
    if not options.input.exists():
        raise FileNotFoundError(f"{options.input}: no such file or folder")
    check_outputs(options)
    localizer = Localizer.from_pretrained(options.model)
    try:
        localizer.to(options.device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {options.device} cannot be used: {str(error).splitlines()[0]}") from None
    if options.threshold is not None:
        localizer.threshold = options.threshold
    if options.input.is_file():
        localize(localizer, options.input, options.output, options.plot, options)
    elif failed := localize_folder(localizer, options):
        found = "\n".join(f"  {error}" for error in failed)
        _log.error("%d recordings could not be localized:\n%s", len(failed), found)
        sys.exit(1)


def check_outputs(options: Config) -> None:
    """See that results can be written where they are to go, before the work is done and not after it."""
    taken = [options.input.resolve()]
    for path in (options.output, options.plot):
        if path is None:
            continue
        if options.input.is_dir():
            if path.exists() and not path.is_dir():
                raise ValueError(f"{path}: expected a folder for the results of a folder, this is a file")
            path.mkdir(parents=True, exist_ok=True)
            continue
        if path.is_dir():
            raise ValueError(f"{path}: expected a file for the results of one recording, this is a folder")
        if path.resolve() in taken:
            raise ValueError(f"{path}: would be written over; input, output and plot must be different files")
        taken.append(path.resolve())
        path.parent.mkdir(parents=True, exist_ok=True)


def localize_folder(localizer: Localizer, options: Config) -> list[str]:
    """Do all recordings of a folder; what is wrong with those that could not be done, one line each."""
    # Hidden files are leftovers of killed jobs and of file managers; a link to nowhere is a recording that is missing.
    recordings = [path for path in sorted(options.input.iterdir()) if path.suffix.lower() in SUFFIXES]
    recordings = [path for path in recordings if not path.is_dir() and not path.name.startswith(".")]
    if not recordings:
        raise ValueError(f"{options.input}: no sound files ({', '.join(SUFFIXES)})")
    done, failed = {}, []
    for recording in tqdm(recordings, "localizing", unit="clip"):
        table = options.output / f"{recording.stem}.csv"
        picture = options.plot / f"{recording.stem}.png" if options.plot else None
        try:
            if table in done:
                raise ValueError(f"{recording}: {done[table].name} has the same name")
            localize(localizer, recording, table, picture, options)
            done[table] = recording
        except (ValueError, OSError) as error:  # the other recordings are still worth doing
            failed.append(" ".join(str(error).split()))
    return failed


def localize(localizer: Localizer, path: Path, table: Path, picture: Path | None, options: Config) -> None:
    """Write the rows of one recording, and draw them when a picture is asked for."""
    recording = Recording(path, localizer.features.array)
    estimates = localizer.stream(recording.read, recording.frames)
    rows = stream_rows(estimates, localizer.threshold, options.tracking, options.join)
    write_rows(table, rows)
    if picture:
        # Drawing takes a second to load, and most runs draw nothing.
        from seld.plots import plot_tracks

        plot_tracks(None, rows, picture)
    for doubt in recording.doubts():
        _log.warning("%s: %s", path, doubt)


if __name__ == "__main__":
    run(main, Config, __doc__, positional={"input": "recording, or folder of recordings"})
