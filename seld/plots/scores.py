"""All pictures that show what scores are made of, in one folder."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from seld.labels import FRAME_SECONDS
from seld.plots.confusion import plot_confusion
from seld.plots.errors import plot_errors
from seld.plots.events import plot_events
from seld.plots.pairs import Pairs, pair, within
from seld.plots.sphere import plot_error_on_sphere


def plot_scores(
    reference: pd.DataFrame,
    prediction: pd.DataFrame,
    folder: str | Path,
    threshold_deg: float = 20.0,
    clips: int = 4,
    names: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    frame_s: float = FRAME_SECONDS,
) -> list[Path]:
    """Write errors.png, error_on_sphere.png, confusion.png, and tracks_CLIP.png of the clips with most errors.

    Args:
        reference, prediction: rows (`seld.labels`) of one clip, or of many by a column `clip`.
        folder: of the pictures; made where it is missing.
        threshold_deg: largest angle of a hit, and gate of the tracks.
        clips: so many clips are drawn, those with the lowest F-score at the threshold first.
        names: of the clips, by the number in the column `clip`; without them, the numbers.
        classes: names of the classes.
        frame_s: length of a frame in seconds.

    Returns:
        The files.

    Raises:
        ValueError: when only one side has the column `clip`.
    """
    folder = Path(folder)
    files = [folder / name for name in ("errors.png", "error_on_sphere.png", "confusion.png")]
    pairs = pair(reference, prediction)
    plot_errors(reference, prediction, files[0], threshold_deg, pairs=pairs)
    plot_error_on_sphere(reference, prediction, files[1], pairs=pairs)
    plot_confusion(reference, prediction, files[2], threshold_deg, classes, pairs=pairs)
    if "clip" not in reference:
        reference, prediction = reference.assign(clip=0), prediction.assign(clip=0)
        names = names or [""]
    for clip in worst_clips(reference, prediction, within(pairs, threshold_deg))[:clips]:
        name = names[clip] if names is not None else str(clip)
        files.append(folder / (f"tracks_{name}.png" if name else "tracks.png"))
        rows = [side[side["clip"] == clip].reset_index(drop=True) for side in (reference, prediction)]
        title = name if names is not None else f"clip {clip}"
        plot_events(*rows, files[-1], threshold_deg, title, classes, frame_s)
    return files


def worst_clips(reference: pd.DataFrame, prediction: pd.DataFrame, hits: Pairs) -> list[int]:
    """The numbers of the clips with a row on either side, by their F-score of the pairs that are hits.

    Lowest first; clips of one score stay in the order of their numbers.
    """
    rows = pd.concat([reference["clip"], prediction["clip"]]).value_counts().sort_index()
    found = reference["clip"].iloc[hits.reference].value_counts()
    return (2 * found.reindex(rows.index, fill_value=0) / rows).sort_values(kind="stable").index.tolist()
