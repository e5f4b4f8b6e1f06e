"""What an experiment is made of: each dataclass stands beside the part that it shapes, `Experiment` composes them."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from seld.assignment import AssignmentConfig
from seld.clips import CachedFeatureConfig, SegmentConfig
from seld.command import check_same, parse, run, to_yaml
from seld.labels import FORMATS
from seld.localizer import LocalizerConfig
from seld.losses import LossConfig
from seld.scenes import SPLITS, SceneConfig

CHANGEABLE = ("run_dir", "data.workers", "data.loaders", "features.cache", "features.cache_dir")
"""options of an experiment that may be others when its run goes on"""
LEARNING_RATE = 3e-3
FINE_TUNING_RATE = 3e-4  # far enough for new rooms and microphones, near enough to the weights that it starts from

__all__ = [
    "CHANGEABLE",
    "FINE_TUNING_RATE",
    "LEARNING_RATE",
    "DataConfig",
    "Experiment",
    "TrainConfig",
    "check_same",
    "parse",
    "run",
    "to_yaml",
]


@dataclass
class DataConfig:
    """Where the clips lie; scenes are made for the splits that are given no folder."""

    folder: list[str] | str | None = None
    """folder in DCASE layout that the folds of all splits are taken from; a list of them is read as one"""
    train: list[str] | str | None = None
    """folder (or list) to train on, when it is not data.folder"""
    validation: list[str] | str | None = None
    """folder (or list) to choose the best epoch on, when it is not data.folder"""
    test: list[str] | str | None = None
    """folder (or list) for the final table, when it is not data.folder"""
    remember: list[str] | str | None = None
    """with --model: folder (or list) of the kind that the model knows already, by which is told what it forgets; by
    default scenes are made"""
    train_folds: list[int] | None = None
    """folds to train on, by the numbers that names begin with (fold3_room1_mix001); by default all of the folder"""
    validation_folds: list[int] | None = None
    """folds to choose the best epoch on"""
    test_folds: list[int] | None = None
    """folds for the final table"""
    format: str = "seld"
    """of the label files in these folders, by the names of recipes/convert_labels.py --help"""
    late_labels: Literal["refuse", "drop"] = "refuse"
    """what to do with labels beyond the end of their sound"""
    made: Path = Path("data/scenes")
    """folder for scenes that are made"""
    validation_clips: int = 20
    """scenes made for validation"""
    test_clips: int = 40
    """scenes made for the final table"""
    workers: int | None = None
    """processes that make scenes; one per core by default"""
    loaders: int | None = None
    """processes that load segments ahead; by default none on a CPU, up to 4 for each GPU"""
    segments: SegmentConfig = field(default_factory=SegmentConfig)

    def __post_init__(self):
        if self.format not in FORMATS:
            raise ValueError(f"data.format must be one of {', '.join(FORMATS)}, got {self.format}")
        if self.loaders is not None and self.loaders < 0:
            raise ValueError(f"data.loaders must be >= 0, got {self.loaders}")
        for name in ("validation_clips", "test_clips"):
            if getattr(self, name) < 1:
                raise ValueError(f"data.{name} must be >= 1, got {getattr(self, name)}")
        for name in ("folder", *SPLITS, "remember"):
            if getattr(self, name) is not None and not getattr(self, name):
                raise ValueError(f"data.{name} must name a folder, got none")
        shared = [split for split in SPLITS if self.folder is not None and getattr(self, split) is None]
        for split in shared:
            if getattr(self, f"{split}_folds") is None:
                raise ValueError(f"data.{split}_folds must be given when the split comes from data.folder")
        for split in shared[1:] if "train" in shared else ():
            common = set(self.train_folds) & set(getattr(self, f"{split}_folds"))
            if common:
                raise ValueError(f"data.{split}_folds must not be trained on, got {min(common)} in both")

    def loaders_for(self, device: str) -> int:
        """How many processes load segments for a device."""
        if self.loaders is not None:
            return self.loaders
        # On a CPU they would only take time from the network, which is the slower one by far.
        return 0 if device == "cpu" else min(4, max(1, (os.cpu_count() or 1) - 1))


@dataclass
class TrainConfig:
    """The optimization."""

    epochs: int = 20
    """passes over the training clips; a run that is through is trained on when it is started again with more"""
    batch: int = 8
    """segments per step and device"""
    learning_rate: float | None = None
    """highest rate of AdamW; it rises over the first tenth of the steps and falls to 0 along a cosine; by default 3e-3,
    and 3e-4 with --model"""
    weight_decay: float = 1e-2
    """of AdamW"""
    gradient_clip: float = 1.0
    """largest norm of the gradient"""
    accelerator: str = "auto"
    """cpu, cuda, mps or auto"""
    devices: int = 1
    """devices per machine"""
    machines: int = 1
    """machines that train together, each started by the cluster's launcher"""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """number format of the network"""

    def __post_init__(self):
        for name in ("epochs", "batch", "devices", "machines"):
            if getattr(self, name) < 1:
                raise ValueError(f"train.{name} must be >= 1, got {getattr(self, name)}")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"train.learning_rate must be above 0, got {self.learning_rate:g}")
        if not self.gradient_clip > 0:
            raise ValueError(f"train.gradient_clip must be above 0, got {self.gradient_clip:g}")
        if not self.weight_decay >= 0:
            raise ValueError(f"train.weight_decay must be >= 0, got {self.weight_decay:g}")


@dataclass
class Experiment:
    """What recipes/train_doa.py runs: data, network, loss and optimization."""

    run_dir: Path = Path("runs/seld")
    """folder for everything that the run makes"""
    seed: int = 0
    """of weights and segments; scenes have their own"""
    model: str | None = None
    """run folder, weights file or name of a shipped model to start from (fine-tuning); the options of localizer and
    features are its own then"""
    data: DataConfig = field(default_factory=DataConfig)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    features: CachedFeatureConfig = field(default_factory=CachedFeatureConfig)
    localizer: LocalizerConfig = field(default_factory=LocalizerConfig)
    assignment: AssignmentConfig = field(default_factory=AssignmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self):
        if self.seed < 0:
            raise ValueError(f"seed must be >= 0, got {self.seed}")
        if self.localizer.output == "accdoa":
            for name, part in (("assignment", self.assignment), ("loss", self.loss)):
                if part != type(part)():
                    raise ValueError(f"{name}.* must be left out with localizer.output accdoa, which trains with ADPIT")
