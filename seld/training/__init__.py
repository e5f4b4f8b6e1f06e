"""What a training recipe needs around its loop: the clips of each split, validation, starting from given weights."""

from seld.training.finetuning import REMEMBERED, TUNED, Choice, resolved, settle
from seld.training.splits import remembered_clips, split_clips
from seld.training.validation import KEPT, Validation, validate

__all__ = [
    "KEPT",
    "REMEMBERED",
    "TUNED",
    "Choice",
    "Validation",
    "remembered_clips",
    "resolved",
    "settle",
    "split_clips",
    "validate",
]
