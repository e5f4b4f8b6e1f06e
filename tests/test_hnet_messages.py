"""Messages of the Hnet: values by hand, against plain loops and autograd, exact derivatives."""

import pytest
import torch
from torch.autograd import gradcheck

from seld.assignment.hnet_messages import FAR, beliefs, best_other, prices


def random(*shape, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_best_other_by_hand():
    message = torch.tensor([[3.0, 1.0, 3.0, 2.0]]).unsqueeze(-1)
    nobody = torch.tensor([-100.0])
    assert best_other(message, 1, nobody).squeeze().tolist() == [3.0, 3.0, 3.0, 3.0]
    assert best_other(message, 0, nobody).unique().tolist() == [-100.0]
    assert best_other(message[:, 1:], 1, torch.tensor([2.5])).squeeze().tolist() == [3.0, 2.5, 3.0]


def test_gradient_of_best_other_by_hand():
    """The largest hears of all others, the second of the largest; ties share; a floor ends it."""

    def gradient(message, floor=-100.0):
        leaf = torch.tensor(message).view(1, -1, 1).requires_grad_()
        best = best_other(leaf, 1, torch.tensor([floor]))
        (best * torch.tensor([1.0, 2.0, 4.0]).view(1, -1, 1)).sum().backward()
        return leaf.grad.flatten().tolist()

    assert gradient([3.0, 1.0, 2.0]) == [6.0, 0.0, 1.0]
    assert gradient([3.0, 1.0, 3.0]) == [4.0 + 1.0, 0.0, 1.0 + 1.0]
    assert gradient([3.0, 2.0, 2.0]) == [6.0, 0.5, 0.5]
    assert gradient([3.0, 1.0, 2.0], floor=2.5) == [6.0, 0.0, 0.0]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("rows", "columns"), [(1, 3), (3, 1), (4, 3)])
def test_best_other_is_the_maximum_without_oneself_and_differentiable(axis, rows, columns):
    message, floor = random(rows, columns, 6).sub(0.5).requires_grad_(), torch.zeros(6, dtype=torch.float64)
    lines = message.movedim(axis, 0)
    for one, best in enumerate(best_other(message, axis, floor).movedim(axis, 0)):
        others = torch.cat((floor.expand(1, *lines.shape[1:]), lines[:one], lines[one + 1 :]))
        assert torch.equal(best, others.amax(0))
    assert gradcheck(lambda message: best_other(message, axis, floor), message)


def test_prices_after_many_rounds_are_those_of_a_plan_with_the_right_sums():
    cost, row_mass, column_mass = random(3, 4, 5), torch.ones(3, 5).double(), torch.full((4, 5), 0.75).double()
    row, column = prices(cost, row_mass, column_mass, [0.2] * 200)
    plan = ((row.unsqueeze(1) + column - cost) / 0.2).exp()
    assert torch.allclose(plan.sum(1), row_mass, atol=1e-9)
    assert torch.allclose(plan.sum(0), column_mass, atol=1e-9)


def test_absent_rows_change_no_price_of_the_others():
    cost, present = random(3, 3, 5), torch.ones(3, 5).double()
    row_mass = present.clone()
    row_mass[1] = 0
    column_mass = present * 2 / 3
    _, column = prices(cost, row_mass, column_mass, [0.2, 0.1])
    _, expected = prices(cost[[0, 2]], row_mass[[0, 2]], column_mass, [0.2, 0.1])
    assert torch.allclose(column, expected)


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (2, 4), (4, 2)])
def test_messages_have_exact_derivatives(rows, columns):
    row_mass, column_mass = torch.ones(rows, 4).double(), torch.full((columns, 4), rows / columns).double()
    row_mass[0, :2] = 0
    cost, price = random(rows, columns, 4).requires_grad_(), random(columns, 4, seed=1).requires_grad_()
    assert gradcheck(lambda cost: prices(cost, row_mass, column_mass, [0.15, 0.05, 0.0125]), cost)
    valid, surplus = random(rows, columns, 4, seed=2) < 0.8, torch.full((4,), rows - columns)
    for rounds in (1, 12):
        assert gradcheck(lambda *x, rounds=rounds: beliefs(*x, valid, surplus, rounds, 0.3), (cost, price))


def test_beliefs_settle_at_what_leaving_the_pair_out_would_cost():
    # Best: 0.1 + 0.2; the other pairing costs 0.7 + 0.9. Each pair is worth the difference, 1.3.
    cost = torch.tensor([[0.1, 0.7], [0.9, 0.2]]).unsqueeze(2)
    everyone, nobody_left = torch.ones(2, 2, 1, dtype=torch.bool), torch.zeros(1, dtype=torch.int64)
    belief = beliefs(cost, torch.zeros(2, 1), everyone, nobody_left, 1, 0.0).squeeze()
    assert torch.allclose(belief, torch.tensor([[1.3, -1.3], [-1.3, 1.3]]), atol=1e-5)


def test_beliefs_of_absent_entries_are_far_and_have_no_gradient():
    cost = random(3, 3, 2).requires_grad_()
    valid = torch.ones(3, 3, 2, dtype=torch.bool)
    valid[1] = False
    belief = beliefs(cost, random(3, 2), valid, torch.tensor([-1, -1]), 12, 0.3)
    assert (belief[1] == -FAR).all()
    belief.square().sum().backward()
    assert (cost.grad[1] == 0).all()
    assert (cost.grad[0] != 0).any()
