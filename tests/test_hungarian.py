import pytest
import torch
from scipy.optimize import linear_sum_assignment

from seld.assignment.hungarian import hungarian


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["uniform", "integer", "constant", "huge"])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 2), (3, 2), (2, 5), (5, 5), (7, 7), (3, 9)])
def test_total_cost_is_that_of_scipy(rows, columns, kind):
    cost = random(50, rows, columns, seed=rows * 10 + columns)
    cost = {"integer": (cost * 4).floor(), "constant": cost * 0 + 2, "huge": cost * 1e30}.get(kind, cost)
    association = hungarian(cost)
    assert (association.sum(-1) <= 1).all() and (association.sum(-2) <= 1).all()
    assert (association.sum((-1, -2)) == min(rows, columns)).all()
    for matrix, pairs in zip(cost.double(), association.double(), strict=True):
        best = matrix[linear_sum_assignment(matrix)].sum()
        assert (matrix * pairs).sum().item() == pytest.approx(best.item(), rel=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (2, 4), (4, 2), (7, 8)])
def test_masks_give_the_solution_of_the_part_that_they_leave(rows, columns):
    generator = torch.Generator().manual_seed(3)
    cost = torch.rand((40, rows, columns), generator=generator) - 0.5
    active = torch.rand((40, columns), generator=generator) < 0.6
    present = torch.rand((40, rows), generator=generator) < 0.7
    association = hungarian(cost, active, present)
    for matrix, pairs, on, there in zip(cost, association, active, present, strict=True):
        assert pairs[:, ~on].sum() == 0 and pairs[~there].sum() == 0
        part = matrix[there][:, on]
        row, column = linear_sum_assignment(part)
        assert pairs.sum() == len(row)
        assert (matrix * pairs).sum().item() == pytest.approx(part[row, column].sum().item(), abs=1e-5)


def test_any_batch_shape_and_nothing_at_all():
    cost = random(2, 3, 4, 2, 2)
    assert torch.equal(hungarian(cost)[1, 2], hungarian(cost[1, 2]))
    assert hungarian(torch.zeros(0, 2, 2)).shape == (0, 2, 2)
    assert hungarian(torch.zeros(5, 0, 2)).shape == (5, 0, 2)
    assert hungarian(random(3, 2, 2), torch.zeros(3, 2, dtype=torch.bool)).sum() == 0


def test_a_cost_that_is_not_finite_is_located():
    cost = torch.zeros(4, 2, 2)
    cost[2, 0, 1] = torch.nan
    with pytest.raises(ValueError, match="matrix 2 of the batch"):
        hungarian(cost)
