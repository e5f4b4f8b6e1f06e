"""Scores of a localizer on whole clips whose features are there."""

from collections.abc import Sequence

from seld.clips import Clip, Clips, read_labels
from seld.localizer import Estimate, Localizer, tracked_rows
from seld.metrics import evaluate

THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
SAME_F20 = 0.005  # F20s this near are taken for equal
KEPT = ("LE", "F20", "LR", "LP", "LF", "MOTA", "MOTP", "switches")


class Validation:
    """Clips to validate on."""

    def __init__(self, clips: Sequence[Clip], data: Clips):
        """`data`: the features and references of the clips."""
        self.clips, self.data = clips, data
        self.references = {clip.name: read_labels(clip) for clip in clips}

    def estimates(self, localizer: Localizer) -> dict[str, Estimate]:
        """What the localizer says of each clip."""
        pairs = zip(self.clips, self.data, strict=True)
        return {clip.name: localizer.locate_features(loaded.features) for clip, loaded in pairs}

    def scores(self, estimates: dict[str, Estimate], threshold: float, protocol: str = "doa+mot") -> dict[str, float]:
        """Scores of the tracks of what is more active than the threshold.

        Not of the output slots: false alarms that tracking removes would count, and the threshold come out too high.
        """
        rows = {name: tracked_rows(estimate, threshold) for name, estimate in estimates.items()}
        return evaluate(self.references, rows, protocol)


def validate(localizer: Localizer, clips: Sequence[Clip], data: Clips) -> dict[str, float]:
    """Scores at the threshold that is best by F20, which stays with the localizer.

    F20 hardly changes over many thresholds. Of those that are as good as the best, the lowest is taken: in rooms
    harder than these it is recall that falls, not precision.
    """
    validation = Validation(clips, data)
    estimates = validation.estimates(localizer)
    found = {threshold: validation.scores(estimates, threshold, "doa")["F20"] for threshold in THRESHOLDS}
    localizer.threshold = min(one for one in found if found[one] >= max(found.values()) - SAME_F20)
    best = validation.scores(estimates, localizer.threshold)
    return {name: best[name] for name in KEPT} | {"threshold": localizer.threshold}
