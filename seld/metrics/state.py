"""Scores that are updated batch by batch, as a torchmetrics.Metric: in training loops, Lightning, several processes.

What is kept is the protocol's sums of each clip, a few hundred bytes however long the clip is. So the scores of an
epoch are those of all its clips together, as `seld.metrics.evaluate` gives them, not a mean over batches; and merging
two states, or the states of all processes, is putting their clips side by side.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torchmetrics import Metric

from seld.geometry import degrees_from_unit
from seld.metrics.protocol import Sums
from seld.metrics.registry import protocols
from seld.metrics.results import figures, renamed, summarize

_OF_TORCHMETRICS = (
    "compute_on_cpu", "compute_with_cache", "dist_sync_fn", "dist_sync_on_step", "distributed_available_fn",
    "process_group", "sync_on_compute",
)  # fmt: skip
_COLUMNS = ("frame", "class", "source", "azimuth", "elevation")

Grid = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]
"""`doa` (batch, frames, slots, 3) of any length, `active` (batch, frames, slots) bool, and where classes matter
`class` (batch, frames, slots) int64; without the batch axis for one clip. A slot is a source or a track."""


class Scores(Metric):
    """The scores of a protocol, or of several joined by +, over everything since the last `reset`.

    In plain PyTorch, or with Fabric::

        scores = Scores("doa+mot", threshold_deg=20)
        for features, doa, active in batches:
            estimate = localizer(features)
            scores.update((doa, active), (estimate.doa, estimate.activity_logit > 0))
        print(scores.compute()["LE"])           # a tensor, degrees; over the clips of all processes
        print(scores.result()["jackknife"]["LE"])  # and everything else that `evaluate` returns
        scores.reset()

    In Lightning the metric is an attribute of the module, which moves it to the device::

        class Training(lightning.LightningModule):
            def __init__(self, localizer):
                super().__init__()
                self.localizer, self.scores = localizer, Scores("doa+mot")

            def validation_step(self, batch, index):
                estimate = self.localizer(batch.features)
                self.scores.update((batch.doa, batch.active), (estimate.doa, estimate.activity_logit > 0))

            def on_validation_epoch_end(self):
                self.log_dict(self.scores.compute())
                self.scores.reset()

    Each element of a batch is a clip of its own: segments of one recording are scored as if they were recordings, so
    that tracks end with them. A distributed sampler that repeats clips to fill the last batch has them counted twice.

    Args:
        protocol: as in `seld.metrics.evaluate`.
        threshold_deg: largest angle of a pair, whatever the protocol calls it.
        options: of the protocol (its fields), and those of every torchmetrics.Metric (`sync_on_compute`, ...).

    Raises:
        ValueError: for an unknown protocol or option.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    def __init__(self, protocol: str = "doa", *, threshold_deg: float | None = None, **options: Any):
        super().__init__(**{name: options.pop(name) for name in _OF_TORCHMETRICS if name in options})
        self.protocols = protocols(protocol, threshold_deg, options)
        nothing = pd.DataFrame({name: pd.Series(dtype=np.int64) for name in (*_COLUMNS, "clip")})
        # One state for all sums, a row for each clip: one message between the processes instead of one per sum.
        self._layout = {
            name: {key: value.shape[1:] for key, value in one.count(nothing, nothing, 1).items()}
            for name, one in self.protocols.items()
        }
        self._columns = sum(int(np.prod(shape)) for sums in self._layout.values() for shape in sums.values())
        self.add_state("sums", default=[], dist_reduce_fx="cat")

    def update(self, reference: pd.DataFrame | Mapping | Grid, prediction: pd.DataFrame | Mapping | Grid) -> None:
        """Take in one clip as two tables of rows, several as two mappings from names to tables, or a batch as grids.

        Args:
            reference: a table (`seld.labels`; distances in metres), a mapping, or a Grid of sources.
            prediction: the same of tracks.

        Raises:
            ValueError: when both sides are not of one kind, or do not have the same clips.
        """
        clips, references = _table(reference)
        others, predictions = _table(prediction)
        if clips != others:
            raise ValueError(f"reference and prediction must have the same clips, got {clips} and {others}")
        counted = [one.count(references, predictions, len(clips)) for one in self.protocols.values()]
        flat = [value.reshape(len(clips), -1) for sums in counted for value in sums.values()]
        self.sums.append(torch.from_numpy(np.concatenate(flat, axis=1, dtype=np.float64)).to(_home(self.device)))

    def compute(self) -> dict[str, Tensor]:
        """The scores by name, each a float64 scalar on the CPU; of all processes' clips, when there are several."""
        sums = self._split()
        keys = renamed(self.protocols, sums)
        scores = {}
        for name, protocol in self.protocols.items():
            total = {key: value.sum(axis=0) for key, value in sums[name].items()}
            for figure, value in figures(protocol, total).items():
                scores[keys[name][figure]] = torch.tensor(float(value), dtype=torch.float64)
        return scores

    def result(self, class_intervals: bool = False) -> dict[str, Any]:
        """What `seld.metrics.evaluate` returns: scores, `jackknife`, `counters`, `classwise`, `clips`."""
        with self.sync_context(
            dist_sync_fn=self.dist_sync_fn, should_sync=self.sync_on_compute and not self._is_synced
        ):
            return summarize(self.protocols, self._split(), class_intervals=class_intervals)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """As torchmetrics' own; a process that has seen no clip takes part with none."""
        if isinstance(self.sums, list) and not self.sums:
            self.sums = [torch.zeros((0, self._columns), dtype=torch.float64, device=_home(self.device))]
        super().sync(*args, **kwargs)

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> Metric:
        """Moves with its module, but stays in float64 when that becomes bfloat16."""
        return super()._apply(
            lambda tensor: tensor.to(_home(fn(torch.empty(0, device=tensor.device)).device)), *args, **kwargs
        )

    def _split(self) -> dict[str, Sums]:
        """The state as each protocol's sums, (clips, ...)."""
        parts = self.sums if isinstance(self.sums, list) else [self.sums]
        rows = np.concatenate([np.zeros((0, self._columns)), *(part.cpu().numpy() for part in parts)])
        split: dict[str, Sums] = {}
        start = 0
        for name, sums in self._layout.items():
            split[name] = {}
            for key, shape in sums.items():
                stop = start + int(np.prod(shape))
                split[name][key] = rows[:, start:stop].reshape(len(rows), *shape)
                start = stop
        return split


def _home(device: torch.device) -> torch.device:
    """Where sums are kept: on the device, but that Apple's have no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def _table(side: pd.DataFrame | Mapping | Grid) -> tuple[list, pd.DataFrame]:
    """The clips' names or numbers, and one table of their rows with a column `clip`, from 0 on."""
    if isinstance(side, pd.DataFrame):
        return [0], _checked(side).assign(clip=0)
    if not isinstance(side, Mapping):
        return _table_of_grid(*side)
    names = sorted(side)
    tables = [_checked(side[name]) for name in names]
    clip = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return names, pd.concat(tables, ignore_index=True).assign(clip=clip)


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in _COLUMNS if name not in rows]
    if missing:
        raise ValueError(f"the table must have the columns {', '.join(missing)}, got {', '.join(map(str, rows))}")
    return rows


def _table_of_grid(doa: Tensor, active: Tensor, classes: Tensor | None = None) -> tuple[list, pd.DataFrame]:
    if doa.shape[:-1] != active.shape or doa.shape[-1:] != (3,) or active.ndim not in (2, 3):
        raise ValueError(
            "doa and active must have the shapes (batch, frames, slots, 3) and (batch, frames, slots), "
            f"got {tuple(doa.shape)} and {tuple(active.shape)}"
        )
    if active.ndim == 2:
        return _table_of_grid(doa[None], active[None], None if classes is None else classes[None])
    on = active.detach().bool().cpu().numpy()
    clip, frame, slot = np.nonzero(on)
    azimuth, elevation = degrees_from_unit(doa.detach().double().cpu().numpy()[on])
    kind = 0 if classes is None else classes.detach().cpu().numpy()[on]
    columns = {"clip": clip, "frame": frame, "class": kind, "source": slot, "azimuth": azimuth, "elevation": elevation}
    return list(range(len(on))), pd.DataFrame(columns)
