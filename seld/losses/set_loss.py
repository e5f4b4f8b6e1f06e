"""The distance between two sets of vectors under the best pairing (the Hungarian loss).

Each reference is paired with one prediction so that the total cost is least, and a loss is taken on the pairs;
no gradient flows through the choice of pairs (Carion et al., "End-to-end object detection with transformers",
ECCV 2020). Arguments and values are those of the TensorFlow package hungarian-loss, references first, with its
normalisations: `hungarian_loss` divides the cost of the pairs by the number of *possible* pairs (the mean of
the masked cost matrix), `HungarianLoss` takes the mean over pairs, then over slices. Added to it: the pairing is
always the best one, the sets may differ in size, and masks leave out padding, which then changes no value.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from seld.assignment import hungarian

PairFunction = Callable[[Tensor, Tensor], Tensor]
_EPSILON = 1e-4  # under the root, so that coincident vectors have a gradient; hungarian-loss has the same


class Matched(NamedTuple):
    """A set loss and the pairs that it was taken on."""

    loss: Tensor
    """scalar, or (batch,) without a reduction"""
    assignment: Tensor
    """(batch, references), the number of each reference's prediction; -1 for a reference without one"""


def euclidean_distance(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Distances sqrt(|a - b|^2 + 1e-4) of vectors (..., N, F) and (..., M, F) -> (..., N, M)."""
    return (torch.cdist(y_true, y_pred).square() + _EPSILON).sqrt()


def squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Mean squared difference over features, (..., F) twice -> (...)."""
    return (y_true - y_pred).square().mean(-1)


def hungarian_loss(
    y_true: Tensor,
    y_pred: Tensor,
    active: Tensor | None = None,
    present: Tensor | None = None,
    *,
    reduction: str = "mean",
    return_assignment: bool = False,
) -> Tensor | Matched:
    """Sum of the distances of the best pairs / (references x predictions), averaged over the batch.

    Args:
        y_true: (batch, references, features).
        y_pred: (batch, predictions, features).
        active: (batch, references) bool, references that take part; all by default.
        present: (batch, predictions) bool, predictions that take part; all by default.
        reduction: "mean" over the batch, or "none" for one value per sample. A sample without pairs counts 0.
        return_assignment: also say who was paired with whom, see `Matched`.
    Raises:
        ValueError: for shapes or masks that do not fit, and for distances that are not finite.
    """
    sets = _check(y_true, y_pred, active, present, reduction)
    pairs = _pair(sets, slice(None), euclidean_distance)
    distance = ((pairs.true - pairs.pred).square().sum(-1) + _EPSILON).sqrt()
    references = y_true.shape[1] if sets.active is None else sets.active.sum(1)
    predictions = y_pred.shape[1] if sets.present is None else sets.present.sum(1)
    possible = torch.as_tensor(references * predictions, device=distance.device).clamp_min(1)
    value = distance.masked_fill(~pairs.matched, 0).sum(1) / possible
    return _result(value, pairs, reduction, return_assignment)


class HungarianLoss(nn.Module):
    """The mean over slices of the feature vector of weight x mean loss of the best pairs.

    >>> loss = HungarianLoss([3, 1], slice_weights=[1.0, 0.5])  # direction and level; paired by direction
    >>> loss(torch.zeros(8, 2, 4), torch.zeros(8, 3, 4))  # 2 references, 3 predictions
    tensor(0.)

    Args:
        slice_sizes: numbers of features of the slices, in order; they add up to all features.
        slice_index_to_compute_assignment: the slice that decides who is paired with whom.
        compute_cost_matrix_fn: (true, pred) -> cost, from (batch, N, size) and (batch, M, size) to (batch, N, M).
            One that is written for a single sample becomes such a function by `torch.vmap`.
        slice_losses_fn: for each slice (true, pred) -> loss of each pair, from (batch, pairs, size) twice to
            (batch, pairs), or to (batch, pairs, ...), whose mean is taken; `squared_error` by default. torch's
            own losses take the prediction first and need reduction="none".
        slice_weights: of each slice; 1 by default.
        reduction: "mean" over the batch, or "none" for one value per sample. A sample without pairs counts 0.
    Raises:
        TypeError: when slice_sizes is None.
        ValueError: for sizes, an index, losses or weights that do not fit together.
    """

    def __init__(
        self,
        slice_sizes: Sequence[int],
        slice_index_to_compute_assignment: int = 0,
        compute_cost_matrix_fn: PairFunction = euclidean_distance,
        slice_losses_fn: Sequence[PairFunction] | None = None,
        slice_weights: Sequence[float] | None = None,
        reduction: str = "mean",
    ):
        super().__init__()
        if slice_sizes is None:
            raise TypeError("slice_sizes must be a list of sizes, got None")
        count = len(slice_sizes)
        if count == 0 or min(slice_sizes) < 1:
            raise ValueError(f"slice_sizes must be one or more sizes >= 1, got {slice_sizes}")
        if not 0 <= slice_index_to_compute_assignment < count:
            raise ValueError(
                f"slice_index_to_compute_assignment must be in [0, {count - 1}], "
                f"got {slice_index_to_compute_assignment}"
            )
        for name, values in (("slice_losses_fn", slice_losses_fn), ("slice_weights", slice_weights)):
            if values is not None and len(values) != count:
                raise ValueError(f"{name} must be as many as slice_sizes ({count}), got {len(values)}")
        _check_reduction(reduction)
        self.slice_sizes = list(slice_sizes)
        self.slice_index_to_compute_assignment = slice_index_to_compute_assignment
        self.compute_cost_matrix_fn = compute_cost_matrix_fn
        self.slice_losses_fn = [squared_error] * count if slice_losses_fn is None else list(slice_losses_fn)
        self.slice_weights = [1.0] * count if slice_weights is None else list(slice_weights)
        self.reduction = reduction

    def forward(
        self,
        y_true: Tensor,
        y_pred: Tensor,
        active: Tensor | None = None,
        present: Tensor | None = None,
        *,
        return_assignment: bool = False,
    ) -> Tensor | Matched:
        """The loss; arguments as in `hungarian_loss`."""
        sets = _check(y_true, y_pred, active, present, self.reduction)
        if sum(self.slice_sizes) != y_true.shape[2]:
            raise ValueError(f"slice_sizes must add up to the {y_true.shape[2]} features, got {self.slice_sizes}")
        start = sum(self.slice_sizes[: self.slice_index_to_compute_assignment])
        decides = slice(start, start + self.slice_sizes[self.slice_index_to_compute_assignment])
        pairs = _pair(sets, decides, self.compute_cost_matrix_fn)
        parts = zip(
            self.slice_losses_fn,
            self.slice_weights,
            pairs.true.split(self.slice_sizes, -1),
            pairs.pred.split(self.slice_sizes, -1),
            strict=True,
        )
        values = [weight * _of_pairs(loss, true, pred, pairs.matched) for loss, weight, true, pred in parts]
        value = sum(values) / len(values)
        return _result(value, pairs, self.reduction, return_assignment)


class _Sets(NamedTuple):
    true: Tensor
    """(batch, N, features), at least float32"""
    pred: Tensor
    """(batch, M, features)"""
    active: Tensor | None
    """(batch, N) bool; all without it"""
    present: Tensor | None
    """(batch, M) bool; all without it"""


class _Pairs(NamedTuple):
    """Both sides of each reference's pair; zeros where it has none."""

    true: Tensor
    """(batch, N, features)"""
    pred: Tensor
    """(batch, N, features)"""
    matched: Tensor
    """(batch, N) bool"""
    assignment: Tensor
    """(batch, N), -1 where there is no pair"""


def _check(y_true: Tensor, y_pred: Tensor, active: Tensor | None, present: Tensor | None, reduction: str) -> _Sets:
    _check_reduction(reduction)
    shapes = tuple(y_true.shape), tuple(y_pred.shape)
    if y_true.dim() != 3 or y_pred.dim() != 3 or shapes[0][::2] != shapes[1][::2]:
        raise ValueError(
            "y_true and y_pred must be (batch, slots, features) with equal batch and features, "
            f"got {shapes[0]} and {shapes[1]}"
        )
    dtype = torch.promote_types(torch.promote_types(y_true.dtype, y_pred.dtype), torch.float32)
    for name, mask, side in (("active", active, y_true), ("present", present, y_pred)):
        if mask is not None and (mask.shape != side.shape[:2] or mask.dtype != torch.bool):
            raise ValueError(f"{name} must be bool {tuple(side.shape[:2])}, got {mask.dtype} {tuple(mask.shape)}")
    return _Sets(y_true.to(dtype), y_pred.to(dtype), active, present)


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction must be mean or none, got {reduction!r}")


@torch.no_grad()
def _assign(sets: _Sets, decides: slice, cost_function: PairFunction) -> Tensor:
    """The number of each reference's prediction (batch, N), -1 where it has none."""
    true, pred = sets.true[..., decides], sets.pred[..., decides]
    cost = cost_function(true, pred)
    if cost.shape != (*true.shape[:2], pred.shape[1]):
        raise ValueError(
            f"compute_cost_matrix_fn must return {(*true.shape[:2], pred.shape[1])}, got {tuple(cost.shape)}"
        )
    # Padding may hold anything, even NaN.
    if sets.active is not None:
        cost = cost.masked_fill(~sets.active.unsqueeze(2), 0)
    if sets.present is not None:
        cost = cost.masked_fill(~sets.present.unsqueeze(1), 0)
    association = hungarian(cost.transpose(1, 2), sets.active, sets.present)
    slots = torch.arange(1, pred.shape[1] + 1, device=pred.device).unsqueeze(1)
    return (association.bool() * slots).sum(1) - 1


def _pair(sets: _Sets, decides: slice, cost_function: PairFunction) -> _Pairs:
    assignment = _assign(sets, decides, cost_function)
    matched = assignment >= 0
    # One slot of zeros at the end, which -1 picks: whatever a loss makes of it stays out of the gradient.
    padded = pad(sets.pred, (0, 0, 0, 1))
    index = assignment.remainder(padded.shape[1]).unsqueeze(-1).expand_as(sets.true)
    true = sets.true.masked_fill(~matched.unsqueeze(-1), 0)
    return _Pairs(true, padded.gather(1, index), matched, assignment)


def _of_pairs(loss: PairFunction, true: Tensor, pred: Tensor, matched: Tensor) -> Tensor:
    """Mean loss (batch,) of the pairs of each sample; 0 without any."""
    value = loss(true, pred)
    if value.shape[:2] != matched.shape:
        raise ValueError(
            f"slice_losses_fn must return one loss per pair {tuple(matched.shape)}, got {tuple(value.shape)}"
        )
    value = value.flatten(2).mean(2) if value.dim() > 2 else value
    return value.masked_fill(~matched, 0).sum(1) / matched.sum(1).clamp_min(1)


def _result(value: Tensor, pairs: _Pairs, reduction: str, return_assignment: bool) -> Tensor | Matched:
    if reduction == "mean":
        value = value.sum() / max(1, len(value))
    return Matched(value, pairs.assignment) if return_assignment else value
