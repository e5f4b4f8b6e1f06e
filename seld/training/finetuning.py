"""Training that starts from given weights, on data that may be little, without forgetting what they knew.

Weights on the straight line from the given to the fine-tuned ones have most of the gain on the new data long before
they have lost much on the old (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). How far to go is
not guessed but measured, on clips of the new and of the old kind.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import NamedTuple

from torch import Tensor

from seld.clips import Clip, open_clips
from seld.config import FINE_TUNING_RATE, LEARNING_RATE, Experiment
from seld.features import FeatureConfig
from seld.localizer import Localizer
from seld.run import Run
from seld.training.validation import KEPT, THRESHOLDS, Validation

TUNED = "tuned.safetensors"  # the best epoch, as it was trained
REMEMBERED = "remembered"  # the clips of the old kind
_CHOICE = "fine_tuning.json"
_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_ALLOWED = 0.005  # what each of these may lose on old clips; half of what is promised of others, which differ by chance
_GUARDED = ("F20", "LR", "LP", "MOTA")
_ALLOWED_DEG = 0.5
"""what LE may lose"""


class Choice(NamedTuple):
    """What is kept of a fine-tuning."""

    share: float
    """0: the given weights, 1: the fine-tuned ones"""
    threshold: float
    scores: dict[str, dict[str, float]]
    """of the given weights and of those that are kept, on new validation clips and on clips of the old kind"""


class _Tried(NamedTuple):
    share: float
    threshold: float
    worth: float
    """F20 on the new clips"""


def resolved(options: Experiment) -> Experiment:
    """The options with what depends on the weights to start from: their sizes and features, a lower learning rate.

    Raises:
        ValueError: when there are no such weights, or an option asks for other sizes or features than they have; one
            that is as by default asks for nothing.
    """
    rate = options.train.learning_rate
    if options.model is None:
        return replace(options, train=replace(options.train, learning_rate=rate or LEARNING_RATE))
    start = Localizer.from_pretrained(options.model)
    return replace(
        options,
        localizer=replace(options.localizer, **_own(options, "localizer", start.config)),
        features=replace(options.features, **_own(options, "features", start.features.config)),
        train=replace(options.train, learning_rate=rate or FINE_TUNING_RATE),
    )


def settle(options: Experiment, run: Run, new: Sequence[Clip], old: Sequence[Clip]) -> Choice | None:
    """Write best.safetensors: as far from the given to the fine-tuned weights as is best for the new validation clips.

    Of what costs the old clips more than half a point of any score, nothing is taken.

    Returns:
        What was chosen, or None when it had been chosen before.
    """
    if (run.folder / _CHOICE).is_file():
        return None
    start, tuned = (Localizer.from_pretrained(path) for path in (options.model, run.folder / TUNED))
    kept = (start.features, start.config.tracks, options.features)
    sides = [
        Validation(clips, open_clips(clips, *kept, f"{name} features"))
        for name, clips in (("validation", new), (REMEMBERED, old))
    ]
    choice, localizer = _choose(start, tuned, *sides)
    localizer.save(run.folder / "best.safetensors")
    run.write_json(_CHOICE, choice._asdict())
    return choice


def _choose(start: Localizer, tuned: Localizer, new: Validation, old: Validation) -> tuple[Choice, Localizer]:
    given, learned = ({name: value.clone() for name, value in one.state_dict().items()} for one in (start, tuned))
    estimates, tried = {}, []
    for share in _SHARES:
        start.load_state_dict(_between(given, learned, share))
        estimates[share] = [side.estimates(start) for side in (new, old)]
        for threshold in {*THRESHOLDS, start.threshold}:
            tried.append(_Tried(share, threshold, new.scores(estimates[share][0], threshold, "doa")["F20"]))
    before = [side.scores(found, start.threshold) for side, found in zip((new, old), estimates[0.0], strict=True)]
    for share, threshold, _ in sorted(tried, key=lambda one: -one.worth):
        after = old.scores(estimates[share][1], threshold)
        if (share, threshold) == (0.0, start.threshold) or _remembers(before[1], after):
            break
    start.load_state_dict(_between(given, learned, share))
    start.threshold = threshold
    found = (*before, new.scores(estimates[share][0], threshold), after)
    names = ("new clips before", "old clips before", "new clips", "old clips")
    table = {name: {key: one[key] for key in KEPT} for name, one in zip(names, found, strict=True)}
    return Choice(share, threshold, table), start


def _remembers(before: dict[str, float], after: dict[str, float]) -> bool:
    kept = all(after[name] >= before[name] - _ALLOWED for name in _GUARDED)
    return kept and after["LE"] <= before["LE"] + _ALLOWED_DEG


def _between(given: dict[str, Tensor], learned: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """A share of the way from one to the other; counters of steps are those of the second."""
    return {
        name: value.lerp(learned[name], share) if value.is_floating_point() else learned[name]
        for name, value in given.items()
    }


def _own(options: Experiment, section: str, weights: object) -> dict[str, object]:
    """The options of a section as the weights have them, unless others are asked for."""
    asked = getattr(options, section)
    found = {}
    kind = FeatureConfig if section == "features" else type(weights)
    for field in fields(kind):
        own, given = getattr(weights, field.name), getattr(asked, field.name)
        if given not in (own, getattr(kind(), field.name)):
            raise ValueError(f"{section}.{field.name} must be {own} as in the weights {options.model}, got {given}")
        found[field.name] = own
    return found
