"""A run folder: resolved configuration, logs, checkpoints; a run that was stopped goes on from it.

config.yaml         the whole configuration
log.csv             one line per epoch
tensorboard/        the same, as curves
last.ckpt           everything that training needs to go on exactly
best.safetensors    weights at the best validation score
scores.json         the final table
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.utils.tensorboard import SummaryWriter

from seld.command import check_same, to_yaml
from seld.files import atomic_path, write_json


class Run:
    """The folder of one training run.

    Args:
        options: the configuration, a dataclass.
        changeable: names of options that may be others when a run goes on.
        growing: names of those that may be larger.

    Raises:
        ValueError: when the folder holds a run of another configuration, with the first option that differs.
    """

    def __init__(
        self, folder: str | Path, options: Any, changeable: Collection[str] = (), growing: Collection[str] = ()
    ):
        self.folder = Path(folder)
        path = self.folder / "config.yaml"
        if path.is_file() and self.checkpoint.is_file():
            check_same(path, options, changeable, growing)
        self.write("config.yaml", to_yaml(options))

    @property
    def checkpoint(self) -> Path:
        """the last checkpoint"""
        return self.folder / "last.ckpt"

    def write(self, name: str, text: str) -> None:
        """Put a text file into the folder."""
        with atomic_path(self.folder / name) as temporary:
            temporary.write_text(text)

    def write_json(self, name: str, value: Any) -> None:
        """Put a JSON file into the folder; a figure that is not defined (NaN) becomes null."""
        write_json(self.folder / name, value)

    def save(self, state: dict[str, Any]) -> None:
        """Write the checkpoint; the one before stays until this one is whole."""
        with atomic_path(self.checkpoint) as temporary:
            torch.save(state, temporary)

    def load(self) -> dict[str, Any] | None:
        """The checkpoint, or None when there is none yet.

        Raises:
            ValueError: when the file is damaged.
        """
        if not self.checkpoint.is_file():
            return None
        try:
            return torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(f"{self.checkpoint}: not a readable checkpoint ({type(error).__name__})") from None

    def log(self, history: list[dict[str, float]]) -> None:
        """Write the table of all epochs so far and add its last line to the TensorBoard curves.

        The table is written whole, so that a resumed run leaves no line twice.
        """
        with atomic_path(self.folder / "log.csv") as temporary:
            pd.DataFrame(history).to_csv(temporary, index=False)
        with SummaryWriter(os.fspath(self.folder / "tensorboard")) as writer:
            for name, value in history[-1].items():
                writer.add_scalar(name, value, history[-1]["epoch"])
