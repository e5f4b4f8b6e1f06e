"""YAML and command line to dataclasses: types checked, unknown keys refused, every option explained.

Each dataclass stands beside the part that it shapes; `Experiment` composes them. The parsing itself is
jsonargparse's.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from seld.assignment import AssignmentConfig
from seld.clips import SegmentConfig
from seld.command import CONFIGS, parse, run, to_yaml
from seld.features import FeatureConfig
from seld.localizer import LocalizerConfig
from seld.losses import LossConfig
from seld.scenes import SceneConfig

__all__ = ["CONFIGS", "DataConfig", "Experiment", "TrainConfig", "parse", "run", "to_yaml"]


@dataclass
class DataConfig:
    """Where the clips lie; scenes are made for the splits that are not given."""

    train: Path | None = None
    """folder in DCASE layout to train on"""
    validation: Path | None = None
    """folder in DCASE layout to choose the best epoch on"""
    test: Path | None = None
    """folder in DCASE layout for the final table"""
    made: Path = Path("data/scenes")
    """folder for scenes that are made"""
    validation_clips: int = 20
    """scenes made for validation"""
    test_clips: int = 40
    """scenes made for the final table"""
    workers: int | None = None
    """processes that make scenes; one per core by default"""
    segments: SegmentConfig = field(default_factory=SegmentConfig)


@dataclass
class TrainConfig:
    """The optimization."""

    epochs: int = 20
    """passes over the training clips"""
    batch: int = 8
    """segments per step and device"""
    learning_rate: float = 3e-3
    """highest rate of AdamW; it rises over the first tenth of the steps and falls to 0 along a cosine"""
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


@dataclass
class Experiment:
    """What recipes/train_doa.py runs: data, network, loss and optimization."""

    run_dir: Path = Path("runs/seld")
    """folder for everything that the run makes"""
    seed: int = 0
    """of weights and segments; scenes have their own"""
    data: DataConfig = field(default_factory=DataConfig)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    localizer: LocalizerConfig = field(default_factory=LocalizerConfig)
    assignment: AssignmentConfig = field(default_factory=AssignmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
