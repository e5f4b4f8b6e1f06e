"""The entropic layer: values by hand, the exact matching as limit, the gradient, and what broke others."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from seld.assignment.hungarian import hungarian
from seld.assignment.sinkhorn import Sinkhorn
from seld.geometry import pairwise_angular_distance

SIZES = [(1, 1), (2, 2), (5, 3), (3, 5), (1, 4), (12, 11)]
BATCH = 32


def directions(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, 3, generator=generator, dtype=dtype), dim=-1)


def hard_costs(rows: int, columns: int) -> dict[str, torch.Tensor]:
    """Angles (BATCH, rows, columns) where plans are nearly permutations, or tied."""
    reference, estimate = directions(BATCH, columns), directions(BATCH, rows, seed=1)
    pairs = min(rows, columns)
    cases = {name: estimate.clone() for name in ("random", "perfect", "opposite", "coincident")}
    cases["perfect"][:, :pairs] = reference[:, :pairs]
    cases["opposite"][:, :pairs] = -reference[:, :pairs]
    cases["coincident"][:] = estimate[:, :1]
    return {name: pairwise_angular_distance(case, reference) for name, case in cases.items()}


def test_two_by_two_is_the_logistic_function_of_the_gain():
    # Both plans of a 2 x 2 problem weigh exp(-total / temperature / 2) on their diagonal.
    cost = torch.tensor([[0.1, 0.6], [0.9, 0.3]], dtype=torch.float64)
    association = Sinkhorn(temperature=0.2, tolerance=1e-12)(cost)
    expected = 1 / (1 + math.exp(-((0.6 + 0.9) - (0.1 + 0.3)) / (2 * 0.2)))
    assert association[0, 0].item() == pytest.approx(expected, abs=1e-12)
    assert association[1, 0].item() == pytest.approx(1 - expected, abs=1e-12)


def test_a_reference_that_two_estimates_share_is_split_by_softmax():
    # With the slack column a 2 x 2 problem again: the odds squared are exp(cost difference / temperature).
    cost = torch.tensor([[0.2], [0.5]], dtype=torch.float64)
    share = Sinkhorn(temperature=0.3, tolerance=1e-12)(cost)[:, 0]
    assert (share[0] / (1 - share[0])).item() == pytest.approx(math.exp(0.3 / 0.3 / 2), rel=1e-9)
    assert share.sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 0.01, 0.001])
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_sums_hold_and_nothing_is_nan_where_others_break(rows, columns, temperature):
    masks = torch.rand(BATCH, columns, generator=torch.Generator().manual_seed(2))
    for name, cost in hard_costs(rows, columns).items():
        for active in (masks < 2, masks < 0.6, masks < 0):
            cost.requires_grad_().grad = None
            association = Sinkhorn(temperature)(cost, active)
            (association * torch.arange(rows * columns).view(rows, columns)).sum().backward()
            assert association.isfinite().all(), name
            assert cost.grad.isfinite().all(), name
            assert (association.transpose(1, 2)[~active] == 0).all()
            assert (cost.grad.transpose(1, 2)[~active] == 0).all()
            assert association.min() >= 0
            assert association.sum(1).max() <= 1 + 2e-5
            assert association.sum(2).max() <= 1 + 2e-5
            pairs = active.sum(1).clamp(max=rows)
            assert torch.allclose(association.sum((1, 2)), pairs.float(), atol=1e-4), name


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_low_temperature_finds_the_exact_matching(rows, columns):
    cost = hard_costs(rows, columns)["random"]
    active = torch.rand(BATCH, columns, generator=torch.Generator().manual_seed(3)) < 0.7
    soft = Sinkhorn(0.001)(cost, active)
    total, least = (cost * soft).sum((1, 2)), (cost * hungarian(cost, active)).sum((1, 2))
    assert torch.allclose(total, least, atol=2e-3)


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 4), (4, 2)])
@pytest.mark.parametrize("temperature", [0.5, 0.05])
def test_gradient_agrees_with_finite_differences(rows, columns, temperature):
    cost = pairwise_angular_distance(
        directions(2, rows, dtype=torch.float64), directions(2, columns, seed=1, dtype=torch.float64)
    ).requires_grad_()
    active = torch.ones(2, columns, dtype=torch.bool)
    active[1, 0] = False
    layer = Sinkhorn(temperature, tolerance=1e-13)
    assert torch.autograd.gradcheck(lambda x: layer(x, active), cost, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 0.01])
def test_float32_gradient_agrees_with_float64(temperature):
    cost = hard_costs(5, 5)["random"]
    weight = directions(BATCH, 5, 5).sum(-1)
    grads = []
    for dtype in (torch.float32, torch.float64):
        leaf = cost.to(dtype, copy=True).requires_grad_()
        (Sinkhorn(temperature)(leaf) * weight).sum().backward()
        grads.append(leaf.grad.double())
    assert (grads[0] - grads[1]).abs().max() < 2e-5 * grads[1].abs().max()


def test_absent_estimates_are_left_out():
    cost = torch.tensor([[0.0, 1.0], [1.0, 0.1], [0.1, 0.0]])
    association = Sinkhorn(0.02)(cost, present=torch.tensor([True, True, False]))
    assert torch.allclose(association, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), atol=1e-4)


def test_nobody_on_either_side_is_an_empty_association():
    nobody = torch.zeros(2, dtype=torch.bool)
    assert (Sinkhorn()(torch.rand(2, 2), nobody, nobody) == 0).all()
    assert Sinkhorn()(torch.rand(4, 3, 0)).shape == (4, 3, 0)


def test_batch_axes_do_not_mix():
    cost = hard_costs(3, 2)["random"].view(4, 8, 3, 2)
    active = torch.rand(4, 8, 2, generator=torch.Generator().manual_seed(4)) < 0.6
    whole = Sinkhorn(0.1)(cost, active)
    assert torch.allclose(whole[2, 5], Sinkhorn(0.1)(cost[2, 5], active[2, 5]), atol=2e-5)


def test_a_permutation_of_either_side_permutes_the_association():
    cost = hard_costs(4, 3)["random"]
    rows, columns = torch.tensor([2, 0, 3, 1]), torch.tensor([1, 2, 0])
    permuted = Sinkhorn(0.05)(cost[:, rows][:, :, columns])
    assert torch.allclose(permuted, Sinkhorn(0.05)(cost)[:, rows][:, :, columns], atol=2e-5)


def test_second_derivatives_are_refused():
    cost = torch.rand(2, 2, requires_grad=True)
    (grad,) = torch.autograd.grad(Sinkhorn()(cost).square().sum(), cost, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


@pytest.mark.parametrize("option", ["temperature", "tolerance", "max_iterations"])
def test_options_must_be_positive(option):
    with pytest.raises(ValueError, match=rf"sinkhorn\.{option} must be > 0, got 0"):
        Sinkhorn(**{option: 0})
