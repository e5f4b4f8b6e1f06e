"""Pairs of channels: how they change places when a scene is turned."""

from typing import NamedTuple

import torch
from torch import Tensor

from seld.arrays import Array, Symmetry


class TurnedPairs(NamedTuple):
    """For each pair (i, j) of an array, where it was before the scene was turned; all (pairs,)."""

    index: Tensor
    """int, of the pair of the same two channels' former places"""
    swapped: Tensor
    """bool, whether that pair names them the other way round"""
    sign: Tensor
    """-1 where just one of the two has changed its sign, else 1"""


def turned_pairs(array: Array, symmetry: Symmetry) -> TurnedPairs:
    """Where the pairs of the turned scene are to be found in the scene as it was."""
    place = {pair: index for index, pair in enumerate(array.pairs)}
    former = [(int(symmetry.permutation[i]), int(symmetry.permutation[j])) for i, j in array.pairs]
    return TurnedPairs(
        torch.tensor([place[min(pair), max(pair)] for pair in former]),
        torch.tensor([i > j for i, j in former]),
        torch.tensor([float(symmetry.signs[i] * symmetry.signs[j]) for i, j in array.pairs]),
    )
