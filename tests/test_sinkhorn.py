"""The entropic layer: values by hand, the exact matching as limit, the gradient, and what broke others."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from seld.assignment import transport
from seld.assignment.hungarian import hungarian
from seld.assignment.sinkhorn import Sinkhorn
from seld.geometry import pairwise_angular_distance

SIZES = [(1, 1), (2, 2), (5, 3), (3, 5), (1, 4), (7, 8)]
BATCH = 16
LIMITS = {"compiled": (99, 0), "small": (0, 99), "large": (0, 0)}  # slots that the first two solvers take


@pytest.fixture(params=LIMITS)
def solver(request, monkeypatch):
    """Each solver for problems of any size."""
    compiled, small = LIMITS[request.param]
    monkeypatch.setattr(transport, "_MOST_COMPILED", compiled)
    monkeypatch.setattr(transport, "_MOST_SMALL", small)
    return request.param


def directions(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, 3, generator=generator, dtype=dtype), dim=-1)


def masses(batch: int, slots: int, seed: int = 0) -> torch.Tensor:
    """Positive masses (batch, slots) in float64, of total 1."""
    mass = 0.1 + torch.rand(batch, slots, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mass / mass.sum(1, keepdim=True)


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
def test_sums_hold_and_nothing_is_nan_where_others_break(rows, columns, temperature, solver):
    cases = torch.cat(list(hard_costs(rows, columns).values()))
    chance = torch.rand(len(cases), columns, generator=torch.Generator().manual_seed(2))
    active = torch.cat((chance < 2, chance < 0.6, chance < 0))  # everyone, some, nobody
    cost = cases.repeat(3, 1, 1).requires_grad_()
    association = Sinkhorn(temperature)(cost, active)
    (association * torch.arange(rows * columns).view(rows, columns)).sum().backward()
    assert association.isfinite().all()
    assert cost.grad.isfinite().all()
    assert (association.transpose(1, 2)[~active] == 0).all()
    assert (cost.grad.transpose(1, 2)[~active] == 0).all()
    assert association.min() >= 0
    assert association.sum(1).max() <= 1 + 2e-5
    assert association.sum(2).max() <= 1 + 2e-5
    pairs = active.sum(1).clamp(max=rows)
    assert torch.allclose(association.sum((1, 2)), pairs.float(), atol=1e-4)


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
def test_float32_gradient_agrees_with_float64(temperature, solver):
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
    cost = hard_costs(3, 2)["random"].view(4, 4, 3, 2)
    active = torch.rand(4, 4, 2, generator=torch.Generator().manual_seed(4)) < 0.6
    whole = Sinkhorn(0.1)(cost, active)
    assert torch.allclose(whole[2, 3], Sinkhorn(0.1)(cost[2, 3], active[2, 3]), atol=2e-5)


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


def test_every_solver_agrees_with_iterating_in_float64(solver):
    cost = hard_costs(12, 11)["random"].double()[:4]
    row_mass, column_mass = masses(4, 12, seed=5), masses(4, 11, seed=6)
    log_row, log_column = row_mass.log().unsqueeze(2), column_mass.log().unsqueeze(1)
    log_plan = -cost / 0.2
    for _ in range(2000):
        log_plan = log_plan - log_plan.logsumexp(1, keepdim=True) + log_column
        log_plan = log_plan - log_plan.logsumexp(2, keepdim=True) + log_row
    plan = transport.plan(cost, row_mass, column_mass, 0.2, tolerance=1e-12)
    assert torch.allclose(plan, log_plan.exp(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (4, 3), (9, 8)])
@pytest.mark.parametrize("temperature", [0.5, 0.05])
def test_gradients_to_cost_and_masses_agree_with_finite_differences(rows, columns, temperature, solver):
    inputs = hard_costs(rows, columns)["random"].double()[:2], masses(2, rows, seed=5), masses(2, columns, seed=6)
    inputs = tuple(tensor.requires_grad_() for tensor in inputs)

    def plan(cost, row_mass, column_mass):
        return transport.plan(cost, row_mass, column_mass, temperature, tolerance=1e-13)

    assert torch.autograd.gradcheck(plan, inputs, atol=1e-6, rtol=1e-6, fast_mode=solver != "compiled" or rows > 4)


@pytest.mark.parametrize(("rows", "columns"), [(4, 5), (5, 4)])
def test_gradient_at_no_mass_is_that_of_the_first_mass_to_arrive(rows, columns, solver):
    cost = directions(1, rows, columns, dtype=torch.float64).sum(-1)
    row_mass, column_mass = masses(1, rows, seed=5), masses(1, columns, seed=6)
    row_mass[0, 1] = column_mass[0, 2] = 0
    row_mass, column_mass = row_mass / row_mass.sum(), column_mass / column_mass.sum()
    weight = directions(1, rows, columns, seed=3, dtype=torch.float64).sum(-1)

    def value(row_mass, column_mass):
        return (weight * transport.plan(cost, row_mass, column_mass, 0.2, tolerance=1e-14)).sum()

    leaves = row_mass.requires_grad_(), column_mass.requires_grad_()
    base = value(*leaves)
    base.backward()
    for leaf, slot in zip(leaves, (1, 2), strict=True):
        step = torch.zeros_like(leaf)
        step[0, slot] = 1e-6
        moved = value(*(other.detach() + step if other is leaf else other.detach() for other in leaves))
        assert ((moved - base) / 1e-6).item() == pytest.approx(leaf.grad[0, slot].item(), rel=1e-4)


def test_images_with_nearly_black_pixels_converge_in_float32(pixels=24):
    # What float32 rounds off the bright pixels is more than the dark ones have.
    side = torch.linspace(0, 1, pixels)
    place = torch.cartesian_prod(side, side)
    images = torch.rand(2, 1, pixels**2, generator=torch.Generator().manual_seed(0)) ** 4
    images = images / images.sum(2, keepdim=True)
    solved = transport.solve(torch.cdist(place, place).square().unsqueeze(0), *images, temperature=0.005)
    assert solved.marginal_error.item() <= 1e-5 / pixels**2
    assert torch.allclose(solved.plan.sum(2), images[0], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_the_unit_of_mass_does_not_matter(unit):
    cost, row_mass, column_mass = hard_costs(5, 3)["random"], masses(BATCH, 5).float(), masses(BATCH, 3).float()
    plan = transport.plan(cost, row_mass * unit, column_mass * unit, 0.1)
    assert torch.allclose(plan / unit, transport.plan(cost, row_mass, column_mass, 0.1), atol=1e-5)


def test_one_set_of_masses_serves_a_whole_batch():
    cost = hard_costs(3, 2)["random"].view(4, 4, 3, 2)
    even = transport.solve(cost, torch.full((3,), 1 / 3), torch.full((2,), 1 / 2), 0.1)
    assert even.plan.shape == cost.shape and even.marginal_error.shape == even.iterations.shape == (4, 4)
    assert torch.allclose(even.plan.sum(-1), torch.tensor(1 / 3), atol=1e-5)
    assert torch.allclose(even.plan.sum(-2), torch.tensor(1 / 2), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost": torch.tensor([[0.0, math.nan]])}, "cost must be finite, got nan"),
        ({"row_mass": torch.tensor([-1.0])}, "mass must be >= 0, got -1.0"),
        ({"row_mass": torch.zeros(1), "column_mass": torch.zeros(2)}, "total mass must be > 0, got 0.0"),
        ({"row_mass": torch.ones(1)}, "column masses must have the total of the row masses, got 2.0 times as much"),
        ({"temperature": 0.0}, "temperature must be > 0, got 0.0"),
    ],
)
def test_impossible_transport_is_refused(change, message):
    possible = {
        "cost": torch.zeros(1, 2),
        "row_mass": torch.full((1,), 2.0),
        "column_mass": torch.ones(2),
        "temperature": 0.1,
    }
    with pytest.raises(ValueError, match=message):
        transport.plan(**(possible | change))


def test_the_report_says_how_far_it_got(solver, size=6):
    cost = hard_costs(size, size)["random"]
    whole = Sinkhorn(0.02).solve(cost.view(4, 4, size, size))
    assert whole.marginal_error.shape == whole.iterations.shape == (4, 4)
    assert whole.marginal_error.max() <= 1e-5
    sums = torch.cat((whole.association.sum(-1), whole.association.sum(-2)), -1)
    assert torch.allclose((sums - 1).abs().amax(-1), whole.marginal_error, atol=2e-6)
    cut = Sinkhorn(0.02, max_iterations=1).solve(cost)
    assert cut.marginal_error.max() > 1e-3
    assert cut.iterations.max() < whole.iterations.max()


def test_a_priced_slack_at_two_slots_is_known_in_closed_form():
    # One pair: with matched share p, the odds squared are exp((price - cost) / temperature).
    cost = torch.tensor([[[0.3]], [[0.7]]], dtype=torch.float64)
    share = Sinkhorn(0.2, tolerance=1e-12, slack_price=0.5)(cost).flatten()
    expected = [1 / (1 + math.exp(-(0.5 - c) / (2 * 0.2))) for c in (0.3, 0.7)]
    assert share.tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (5, 3), (3, 5), (12, 14)])
def test_a_priced_slack_leaves_pairs_unmade_that_cost_more(rows, columns):
    cost = hard_costs(rows, columns)["random"]
    active = torch.rand(BATCH, columns, generator=torch.Generator().manual_seed(3)) < 0.7
    soft = Sinkhorn(0.001, slack_price=1.0)(cost, active)
    assert (soft.transpose(1, 2)[~active] == 0).all()
    gain = (1 - cost).relu()  # worth pairing at all; no pair is worth 0
    best = hungarian(-gain, active)
    assert torch.allclose(((1 - cost) * soft).sum((1, 2)), (gain * best).sum((1, 2)), atol=5e-3)
    assert soft[cost > 1.02].max() < 1e-3


def test_a_priced_slack_passes_gradcheck():
    cost = hard_costs(3, 2)["random"].double()[:2].requires_grad_()
    layer = Sinkhorn(0.2, tolerance=1e-13, slack_price=1.2)
    assert torch.autograd.gradcheck(layer, cost, atol=1e-6, rtol=1e-6)


PROBLEMS = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31))


def problem(shape):
    """Cost (rows, columns) in float64, who is active and who is present, of a drawn shape and seed."""
    rows, columns, seed = shape
    generator = torch.Generator().manual_seed(seed)
    cost = math.pi * torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    return cost, torch.rand(columns, generator=generator) < 0.7, torch.rand(rows, generator=generator) < 0.7


@settings(max_examples=25, deadline=None)
@given(PROBLEMS, st.randoms(use_true_random=False))
def test_any_permutation_permutes_the_association(shape, random):
    cost, active, present = problem(shape)
    rows, columns = random.sample(range(shape[0]), shape[0]), random.sample(range(shape[1]), shape[1])
    layer = Sinkhorn(0.05, tolerance=1e-11)
    permuted = layer(cost[rows][:, columns], active[columns], present[rows])
    assert torch.allclose(permuted, layer(cost, active, present)[rows][:, columns], atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(PROBLEMS, st.floats(0.01, 100), st.sampled_from([None, 1.0]))
def test_cost_and_temperature_scale_together(shape, factor, price):
    cost, active, present = problem(shape)
    base = Sinkhorn(0.05, tolerance=1e-11, slack_price=price)
    scaled = Sinkhorn(0.05 * factor, tolerance=1e-11, slack_price=price and price * factor)
    assert torch.allclose(scaled(cost * factor, active, present), base(cost, active, present), atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(PROBLEMS, st.sampled_from([None, 1.0]))
def test_masks_leave_the_solution_of_the_part(shape, price):
    cost, active, present = problem(shape)
    layer = Sinkhorn(0.05, tolerance=1e-11, slack_price=price)
    association = layer(cost, active, present)
    part = layer(cost[present][:, active])
    assert torch.allclose(association[present][:, active], part, atol=1e-8)
    assert association.sum().item() == pytest.approx(part.sum().item(), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(PROBLEMS)
def test_towards_temperature_0_it_costs_what_the_exact_matching_costs(shape):
    cost, active, present = problem(shape)
    soft, hard = Sinkhorn(1e-4)(cost, active, present), hungarian(cost, active, present)
    assert (cost * soft).sum().item() == pytest.approx((cost * hard).sum().item(), abs=1e-3)


def test_memory_does_not_grow_with_the_iterations():
    cost = hard_costs(5, 5)["random"].double().requires_grad_()
    sizes = []
    for iterations in (2, 60):
        kept = 0

        def keep(tensor):
            nonlocal kept
            kept += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            Sinkhorn(0.03, tolerance=1e-300, max_iterations=iterations)(cost)
        sizes.append(kept)
    assert sizes[0] == sizes[1] <= 4 * cost.numel()


@pytest.mark.parametrize("price", [0, -1.0, math.inf, math.nan])
def test_a_slack_price_must_be_a_positive_number(price):
    with pytest.raises(ValueError, match=rf"sinkhorn.slack_price must be > 0 and finite, got {price}"):
        Sinkhorn(slack_price=price)


@pytest.mark.cuda
@pytest.mark.parametrize("size", [4, 24])
def test_a_gpu_gives_the_same_association_and_gradient(size):
    cost = hard_costs(size, size)["random"]
    grads = []
    for device in ("cpu", "cuda"):
        leaf = cost.to(device, copy=True).requires_grad_()
        (Sinkhorn(0.05)(leaf) * torch.arange(size, device=device)).sum().backward()
        grads.append(leaf.grad.cpu())
    assert torch.allclose(*grads, atol=1e-3 * grads[0].abs().max().item())
