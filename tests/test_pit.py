import pytest
import torch

from seld.assignment.pit import Hungarian


def test_clip_scope_takes_one_permutation_for_all_frames():
    cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[3.0, 0.0], [0.0, 3.0]]])  # frame 2 outvotes frame 1
    both = torch.ones(2, 2, dtype=torch.bool)
    crossed = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert torch.equal(Hungarian("clip")(cost, both), crossed.expand(2, 2, 2))
    assert torch.equal(Hungarian("frame")(cost, both), torch.stack([torch.eye(2), crossed]))


def test_clip_scope_leaves_silent_frames_without_pairs():
    active = torch.tensor([[True, False], [False, False]])
    association = Hungarian("clip")(torch.tensor([[[2.0, 9.0], [1.0, 9.0]]] * 2), active)
    assert association.tolist() == [[[0, 0], [1, 0]], [[0, 0], [0, 0]]]


def test_an_unknown_scope_is_refused():
    with pytest.raises(ValueError, match="scope must be frame or clip, got 'day'"):
        Hungarian("day")
