import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from seld import compiling
from seld.assignment import augmenting, enumerating
from seld.assignment.hungarian import hungarian

SIZES = [(1, 1), (2, 2), (3, 2), (2, 5), (4, 4), (5, 5), (6, 3), (7, 7), (3, 9), (20, 31), (40, 40)]
INF = math.inf


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def chance(*shape, share, seed):
    return random(*shape, seed=seed) < share


def least_total(matrix):
    matrix = matrix.double()
    return matrix[linear_sum_assignment(matrix)].sum().item()


@pytest.mark.parametrize("kind", ["uniform", "integer", "constant", "huge", "tiny", "negative", "mixed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_total_cost_is_that_of_scipy(rows, columns, dtype, kind):
    cost = random(20, rows, columns, seed=rows * 10 + columns).to(dtype)
    edge = torch.finfo(dtype)
    kinds = {
        "uniform": cost,
        "integer": (cost * 4).floor(),
        "constant": cost * 0 + 2,
        "huge": cost * (edge.max / 1e3),  # SciPy itself overflows where sums leave float64
        "tiny": cost * edge.tiny * 1e3,
        "negative": cost - 2,
        "mixed": 10 ** (12 * cost - 6),
    }
    cost = kinds[kind]
    association = hungarian(cost)
    assert association.dtype == dtype
    assert (association.sum(-1) <= 1).all() and (association.sum(-2) <= 1).all()
    assert (association.sum((-1, -2)) == min(rows, columns)).all()
    for matrix, pairs in zip(cost, association, strict=True):
        assert matrix[pairs == 1].double().sum().item() == pytest.approx(least_total(matrix), rel=1e-12)


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_masks_give_the_solution_of_the_part_that_they_leave(rows, columns):
    cost = random(40, rows, columns, seed=1) - 0.5
    active, present = chance(40, columns, share=0.6, seed=2), chance(40, rows, share=0.7, seed=3)
    association = hungarian(cost, active, present)
    for matrix, pairs, on, there in zip(cost, association, active, present, strict=True):
        assert pairs[:, ~on].sum() == 0 and pairs[~there].sum() == 0
        part = matrix[there][:, on]
        assert pairs.sum() == min(part.shape)
        assert matrix[pairs == 1].double().sum().item() == pytest.approx(least_total(part), abs=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 5), (5, 3), (5, 5)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_three_solvers_agree(rows, columns, masked):
    cost = random(200, rows, columns, seed=5)
    share = 0.6 if masked else 1.1
    active, present = chance(200, columns, share=share, seed=6), chance(200, rows, share=share, seed=7)
    scored = enumerating.score(cost, active, present).float()
    paths = np.zeros_like(cost.numpy())
    augmenting.match(cost.numpy(), active.numpy(), present.numpy(), paths)
    assert torch.equal(scored, torch.from_numpy(paths))
    assert torch.equal(scored, hungarian(cost, active, present))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 8), st.integers(1, 8))
def test_any_matrix_of_few_different_numbers(data, rows, columns):
    values = st.sampled_from([-3.0, 0.0, 0.1, 0.2, 0.30000001, 1.0, 1e9])  # ties, and scales that hide each other
    cost = torch.from_numpy(data.draw(arrays(np.float64, (rows, columns), elements=values)))
    pairs = hungarian(cost) == 1
    assert pairs.sum() == min(rows, columns)
    assert cost[pairs].sum().item() == pytest.approx(least_total(cost), rel=1e-12, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(5)), st.permutations(range(7)), st.floats(1e-20, 1e20), st.floats(-10, 10))
def test_order_unit_and_level_of_the_cost_do_not_matter(rows, columns, unit, level):
    cost = random(4, 5, 7).double()
    moved = (unit * (cost + level))[:, rows][:, :, columns]
    assert torch.equal(hungarian(moved), hungarian(cost)[:, rows][:, :, columns])


def test_any_batch_shape_and_nothing_at_all():
    cost = random(2, 3, 4, 2, 2)
    assert torch.equal(hungarian(cost)[1, 2], hungarian(cost[1, 2]))
    assert torch.equal(hungarian(cost.transpose(-1, -2)), hungarian(cost).transpose(-1, -2))
    assert hungarian(torch.tensor([[1.0, 0.0], [0.0, 3.0]])).tolist() == [[0, 1], [1, 0]]
    assert hungarian(torch.zeros(0, 2, 2)).shape == (0, 2, 2)
    assert hungarian(torch.zeros(5, 0, 2)).shape == (5, 0, 2)
    assert hungarian(random(3, 2, 2), torch.zeros(3, 2, dtype=torch.bool)).sum() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.int64])
def test_other_types_are_solved_too(dtype):
    cost = (100 * random(9, 6, 6)).to(dtype)
    pairs = hungarian(cost)
    assert pairs.dtype == dtype
    assert torch.equal(pairs.double(), hungarian(cost.double()))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_cost_that_is_not_finite_is_located(bad):
    cost = torch.zeros(4, 2, 2)
    cost[2, 0, 1] = bad
    with pytest.raises(ValueError, match=rf"cost must be finite, got {bad} in matrix 2 of the batch"):
        hungarian(cost)
    with pytest.raises(ValueError, match=r"in matrix \(1, 0\) of the batch"):
        hungarian(cost.view(2, 2, 2, 2))


@pytest.mark.parametrize("bad", [torch.nan, -torch.inf])
def test_only_plus_infinity_forbids(bad):
    with pytest.raises(ValueError, match=rf"got {bad} in matrix 1 of the batch"):
        hungarian(torch.tensor([[[INF]], [[bad]]]), forbid=True)


def test_a_forbidden_pair_is_avoided_at_any_price():
    cost = torch.tensor([[[1.0, INF], [0.0, 1e6]], [[1.0, 2.0], [0.0, 0.0]]])
    assert hungarian(cost, forbid=True).tolist() == [[[1, 0], [0, 1]], [[1, 0], [0, 1]]]


def test_who_has_only_forbidden_pairs_stays_unmatched():
    cost = torch.tensor([[INF, INF, INF], [5.0, 1.0, 2.0], [5.0, INF, 3.0]])
    assert hungarian(cost, forbid=True).tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert hungarian(torch.full((2, 3, 4), INF), forbid=True).sum() == 0
    active = torch.tensor([True, False, False])
    assert hungarian(cost, active, forbid=True).sum() == 1


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (4, 6), (9, 7)])
def test_forbidden_pairs_match_a_solver_of_the_largest_matching(rows, columns):
    cost = random(60, rows, columns, seed=8)
    cost[chance(60, rows, columns, share=0.6, seed=9)] = INF
    association = hungarian(cost, forbid=True)
    for matrix, pairs in zip(cost, association, strict=True):
        # Worth 1e3 a pair, so that one pair more outweighs every cost; what is forbidden is worth nothing.
        gain = torch.where(matrix.isinf(), 0, 1e3 - matrix.double())
        assert gain[pairs == 1].sum().item() == pytest.approx(-least_total(-gain), rel=1e-12)
        assert matrix[pairs == 1].isfinite().all()


def test_compiled_code_is_kept_nowhere_if_nothing_can_be_written(monkeypatch):
    def refuse(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(compiling, "njit", refuse)
    assert compiling.compiled(least_total) is least_total


@pytest.mark.cuda
@pytest.mark.parametrize("size", [3, 12])
def test_a_gpu_gives_the_same_pairs(size):
    cost, active = random(30, size, size), chance(30, size, share=0.7, seed=1)
    association = hungarian(cost.cuda(), active.cuda())
    assert association.is_cuda
    assert torch.equal(association.cpu(), hungarian(cost, active))
