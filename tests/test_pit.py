import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from seld.assignment import Hungarian, ProbPIT, Sinkhorn, SinkPIT, hungarian

SCOPES = ("frame", "clip", "sliding")
STRAIGHT, CROSSED = torch.eye(2), torch.eye(2).flip(0)


def clips(estimates, references, frames=6, seed=0, batch=2, dtype=torch.float64):
    """Costs (batch, frames, estimates, references) in radians, and who sounds."""
    generator = torch.Generator().manual_seed(seed)
    cost = 3 * torch.rand(batch, frames, estimates, references, generator=generator, dtype=dtype)
    return cost, torch.rand(batch, frames, references, generator=generator) < 0.7


def seen_frames(scope, frame, frames, window):
    return {"frame": [frame], "clip": range(frames), "sliding": range(max(0, frame - window + 1), frame + 1)}[scope]


def mean_over_injections(cost, temperature):
    """The posterior mean of pairings of a small matrix, one pairing after the other."""
    wide = cost.T if cost.shape[0] > cost.shape[1] else cost
    mean, total = torch.zeros_like(wide), 0.0
    for columns in itertools.permutations(range(wide.shape[1]), wide.shape[0]):
        weight = math.exp(-sum(wide[row, column].item() for row, column in enumerate(columns)) / temperature)
        mean[range(wide.shape[0]), columns] += weight
        total += weight
    return (mean / total).T if cost.shape[0] > cost.shape[1] else mean / total


def pair_with_scipy(cost):
    pairs = torch.zeros_like(cost)
    pairs[linear_sum_assignment(cost)] = 1
    return pairs


def frame_by_frame(cost, active, scope, window, solve):
    """What a scope means, written as loops: the mean cost of its frames, solved among those that sound in it."""
    association = torch.zeros_like(cost)
    frames = cost.shape[1]
    for b, t in itertools.product(range(len(cost)), range(frames)):
        seen = list(seen_frames(scope, t, frames, window))
        sounding = active[b, seen]
        heard = sounding.any(0).nonzero().squeeze(1)
        if len(heard):
            mean = (cost[b, seen] * sounding.unsqueeze(1)).sum(0) / sounding.any(1).sum()
            association[b, t, :, heard] = solve(mean[:, heard])
        association[b, t, :, ~active[b, t]] = 0
    return association


def test_clip_scope_takes_one_permutation_for_all_frames():
    cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[3.0, 0.0], [0.0, 3.0]]])  # frame 2 outvotes frame 1
    both = torch.ones(2, 2, dtype=torch.bool)
    assert torch.equal(Hungarian("clip")(cost, both), CROSSED.expand(2, 2, 2))
    assert torch.equal(Hungarian("frame")(cost, both), torch.stack([STRAIGHT, CROSSED]))


def test_clip_scope_leaves_silent_frames_without_pairs():
    active = torch.tensor([[True, False], [False, False]])
    association = Hungarian("clip")(torch.tensor([[[2.0, 9.0], [1.0, 9.0]]] * 2), active)
    assert association.tolist() == [[[0, 0], [1, 0]], [[0, 0], [0, 0]]]


def test_sliding_scope_changes_the_pairing_when_the_window_does():
    # The straight pairing gains 1 in each of 4 frames, then the crossed one does.
    cost = torch.stack([CROSSED] * 4 + [STRAIGHT] * 4)
    active = torch.ones(8, 2, dtype=torch.bool)
    crossed_from = [Hungarian("sliding", window)(cost, active)[:, 0, 1].tolist().index(1) for window in (1, 3, 5)]
    assert crossed_from == [4, 5, 6]  # when the new pairing has the majority of the window


def test_sliding_scope_keeps_a_track_through_a_pause():
    # Both tracks are nearest to source 1 while source 0 pauses in frame 3; track 1 happens to be nearer then.
    cost = torch.tensor([[0.1, 1.0], [1.0, 0.1]]).repeat(5, 1, 1)
    cost[3, :, 1] = torch.tensor([0.1, 0.2])
    active = torch.ones(5, 2, dtype=torch.bool)
    active[3, 0] = False
    assert Hungarian("frame")(cost, active)[3].tolist() == [[0, 1], [0, 0]]
    assert Hungarian("sliding", 3)(cost, active)[3].tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("estimates", "references"), [(1, 1), (2, 2), (3, 2), (4, 4)])
def test_exact_pairing_is_that_of_scipy_frame_by_frame(estimates, references, scope):
    cost, active = clips(estimates, references)
    expected = frame_by_frame(cost, active, scope, 3, pair_with_scipy)
    assert torch.equal(Hungarian(scope, 3)(cost, active), expected)


def test_one_frame_is_the_smallest_window_and_the_clip_the_largest():
    cost, active = clips(3, 4)
    active[:] = True
    assert torch.equal(Hungarian("sliding", 1)(cost, active), Hungarian("frame")(cost, active))
    whole = Hungarian("clip")(cost, active)
    assert torch.equal(Hungarian("sliding", 6)(cost, active)[:, -1], whole[:, -1])
    assert torch.equal(Hungarian("sliding", 99)(cost, active)[:, -1], whole[:, -1])


def test_a_reference_that_sounds_longer_is_not_left_out_for_that():
    # One track, three references: 0 sounds in all frames at 0.5, 1 in one frame at 0.1, 2 as long but too far.
    cost = torch.tensor([[[0.5, 0.1, 2.0]]]).repeat(4, 1, 1)
    active = torch.tensor([[True, False, True]] * 3 + [[True, True, True]])
    expected = [[[1, 0, 0]]] * 4
    assert Hungarian("clip")(cost, active).tolist() == expected
    for soft in (ProbPIT(0.01), SinkPIT(0.01)):
        torch.testing.assert_close(soft(cost, active), torch.tensor(expected, dtype=torch.float32), atol=1e-4, rtol=0)


def test_two_by_two_is_the_logistic_function_of_the_gain():
    cost = torch.tensor([[[0.1, 0.6], [0.9, 0.3]]], dtype=torch.float64)
    association = ProbPIT(0.2)(cost, torch.ones(1, 2, dtype=torch.bool))[0]
    straight = 1 / (1 + math.exp(-((0.6 + 0.9) - (0.1 + 0.3)) / 0.2))
    expected = straight * STRAIGHT.double() + (1 - straight) * CROSSED.double()
    torch.testing.assert_close(association, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("estimates", "references"), [(1, 1), (2, 2), (4, 2), (3, 3), (4, 4)])
def test_prob_pit_is_the_mean_over_all_pairings(estimates, references, scope):
    cost, active = clips(estimates, references)
    expected = frame_by_frame(cost, active, scope, 3, lambda mean: mean_over_injections(mean, 0.4))
    torch.testing.assert_close(ProbPIT(0.4, scope, 3)(cost, active), expected, atol=1e-12, rtol=0)


def test_prob_pit_is_the_mean_over_pairings_of_few_estimates_too():
    cost, active = clips(2, 4, frames=20)
    expected = frame_by_frame(cost, active, "frame", 1, lambda mean: mean_over_injections(mean, 0.4))
    torch.testing.assert_close(ProbPIT(0.4, "frame")(cost, active), expected, atol=1e-12, rtol=0)


def test_prob_pit_is_the_slope_of_the_soft_minimum():
    cost, _ = clips(3, 3, batch=1, frames=1)
    cost.requires_grad_()
    totals = [cost[0, 0, range(3), order].sum() for order in itertools.permutations(range(3))]
    soft_minimum = -0.3 * torch.logsumexp(-torch.stack(totals) / 0.3, 0)
    (slope,) = torch.autograd.grad(soft_minimum, cost)
    torch.testing.assert_close(ProbPIT(0.3)(cost, torch.ones(1, 1, 3) > 0), slope)


@pytest.mark.parametrize("scope", SCOPES)
def test_sink_pit_is_the_sinkhorn_layer_on_the_mean_cost(scope):
    cost, active = clips(3, 2)
    layer = Sinkhorn(0.2)
    expected = frame_by_frame(cost, active, scope, 3, layer)
    torch.testing.assert_close(SinkPIT(0.2, scope, 3)(cost, active), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("make", [ProbPIT, SinkPIT])
def test_a_clip_that_is_twice_as_long_or_padded_with_silence_is_as_soft(make):
    cost, active = clips(3, 3)
    once = make(0.3)(cost, active)
    twice = make(0.3)(cost.repeat(1, 2, 1, 1), active.repeat(1, 2, 1))
    torch.testing.assert_close(twice, once.repeat(1, 2, 1, 1), atol=1e-4, rtol=0)
    longer, silent = torch.cat((cost, 100 * cost), 1), torch.cat((active, active < 0), 1)
    torch.testing.assert_close(make(0.3)(longer, silent)[:, :6], once, atol=1e-4, rtol=0)


layers = st.one_of(
    st.builds(Hungarian, st.sampled_from(SCOPES), st.integers(1, 8)),
    st.builds(ProbPIT, st.floats(0.002, 2), st.sampled_from(SCOPES), st.integers(1, 8)),
    st.builds(SinkPIT, st.floats(0.002, 2), st.sampled_from(SCOPES), st.integers(1, 8)),
)
sizes = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 6))


@settings(max_examples=60, deadline=None)
@given(layers, sizes, st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]), st.booleans())
def test_every_layer_keeps_the_contract(layer, size, seed, dtype, masked):
    cost, active = clips(*size, seed=seed, dtype=dtype)
    present = torch.rand(cost.shape[:-1], generator=torch.Generator().manual_seed(seed)) < 0.8 if masked else None
    association = layer(cost.requires_grad_(), active, present)
    assert association.shape == cost.shape and association.dtype == dtype
    assert association.isfinite().all() and (association >= 0).all()
    assert (association.sum(-1) <= 1 + 1e-4).all() and (association.sum(-2) <= 1 + 1e-4).all()
    assert (association.transpose(-1, -2)[~active] == 0).all()
    if masked:
        assert (association[~present] == 0).all()
    elif layer.scope == "frame":
        pairs = active.sum(-1).clamp_max(size[0]).to(dtype)
        torch.testing.assert_close(association.sum((-1, -2)), pairs, atol=1e-3, rtol=0)
    if association.requires_grad:
        (grad,) = torch.autograd.grad(association.square().sum(), cost)
        assert grad.isfinite().all() and (grad.transpose(-1, -2)[~active] == 0).all()


@settings(max_examples=40, deadline=None)
@given(layers, sizes, st.integers(0, 10**6), st.sampled_from([math.nan, math.inf, -1e30, 1e30]))
def test_the_cost_of_silent_references_decides_nothing(layer, size, seed, junk):
    cost, active = clips(*size, seed=seed)
    spoilt = cost.masked_fill(~active.unsqueeze(-2), junk)
    assert torch.equal(layer(spoilt, active), layer(cost, active))


@settings(max_examples=40, deadline=None)
@given(layers, sizes, st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_slots_does_not_matter(layer, size, seed, random):
    cost, active = clips(*size, seed=seed)
    rows, columns = list(range(size[0])), list(range(size[1]))
    random.shuffle(rows), random.shuffle(columns)
    turned = layer(cost[:, :, rows][..., columns], active[..., columns])
    torch.testing.assert_close(turned, layer(cost, active)[:, :, rows][..., columns], atol=1e-4, rtol=0)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([ProbPIT, SinkPIT]), sizes, st.integers(0, 10**6), st.sampled_from([0.01, 0.5, 64.0]))
def test_scale_of_cost_and_temperature_together_change_nothing(make, size, seed, scale):
    cost, active = clips(*size, seed=seed)
    scaled = make(0.3 * scale)(cost * scale, active)
    torch.testing.assert_close(scaled, make(0.3)(cost, active), atol=1e-4, rtol=0)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([ProbPIT, SinkPIT]), st.sampled_from(SCOPES), sizes, st.integers(0, 10**6))
def test_towards_temperature_zero_soft_layers_cost_as_little_as_the_exact_one(make, scope, size, seed):
    cost, active = clips(*size, seed=seed)
    active = active | (scope != "frame")  # a pairing that holds for a silent reference would be missing below
    decisive = frame_by_frame(cost, active, scope, 3, lambda mean: mean)
    soft, exact = (decisive * layer(cost, active) for layer in (make(0.0005, scope, 3), Hungarian(scope, 3)))
    torch.testing.assert_close(soft.sum((-1, -2)), exact.sum((-1, -2)), atol=5e-3, rtol=0)


@pytest.mark.parametrize("make", [ProbPIT, SinkPIT])
@pytest.mark.parametrize(("scope", "estimates", "references"), [("frame", 2, 3), ("clip", 3, 2), ("sliding", 2, 3)])
def test_gradients_are_those_of_finite_differences(make, scope, estimates, references):
    cost, active = clips(estimates, references, frames=2, batch=1)
    layer = make(0.5, scope, 2)
    if make is SinkPIT:
        layer.tolerance = 1e-11
    assert torch.autograd.gradcheck(lambda cost: layer(cost, active), cost.requires_grad_(), atol=1e-6, rtol=1e-6)
    if make is ProbPIT and scope == "clip":
        assert torch.autograd.gradgradcheck(lambda cost: layer(cost, active), cost)


def test_an_absent_estimate_leaves_its_source_to_others():
    cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [0.3, 0.9]]]).repeat(3, 1, 1)
    active = torch.tensor([[False, False], [True, True], [True, True]])
    present = torch.tensor([[False] * 3, [False, True, True], [True] * 3])  # nobody is missed in silence
    without_first = [[0, 0], [0, 1], [1, 0]]
    assert Hungarian("frame")(cost, active, present)[2].tolist() == [[1, 0], [0, 1], [0, 0]]
    for layer in (Hungarian("clip"), Hungarian("sliding", 2)):
        assert layer(cost, active, present)[1:].tolist() == [without_first] * 2
    for layer in (ProbPIT(0.01), SinkPIT(0.01)):
        expected = torch.tensor([without_first] * 2, dtype=torch.float32)
        torch.testing.assert_close(layer(cost, active, present)[1:], expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("layer", [Hungarian("clip"), ProbPIT(), SinkPIT()])
def test_costs_of_any_size_and_precision(layer):
    cost, active = clips(3, 3, dtype=torch.float32)
    assert layer(cost * 1e30, active).isfinite().all()
    assert layer(cost * 1e-30, active).isfinite().all()
    half = layer(cost.bfloat16(), active)
    assert half.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(cost, active), layer(cost.clone(), active))
        assert layer(cost, active).dtype == torch.float32


def test_batch_axes_do_not_mix():
    cost, active = clips(3, 2, batch=6)
    for layer in (Hungarian("sliding", 3), ProbPIT(0.2, "sliding", 3), SinkPIT(0.2, "sliding", 3)):
        whole = layer(cost.view(2, 3, 6, 3, 2), active.view(2, 3, 6, 2))
        torch.testing.assert_close(whole[1, 2], layer(cost[5], active[5]), atol=1e-4, rtol=0)


def test_frame_scope_needs_no_frames_and_the_others_do():
    cost = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    both = torch.ones(2, dtype=torch.bool)
    assert torch.equal(Hungarian("frame")(cost, both), hungarian(cost))
    for layer in (Hungarian("clip"), ProbPIT(), SinkPIT(scope="sliding")):
        with pytest.raises(ValueError, match=r"frames third from last for scope (clip|sliding), got \(2, 2\)"):
            layer(cost, both)


def test_too_many_pairings_are_refused():
    assert ProbPIT(0.1)(torch.rand(1, 7, 7), torch.ones(1, 7) > 0).sum().item() == pytest.approx(7, abs=1e-4)
    with pytest.raises(ValueError, match=r"at most 5040 pairings \(7 x 7\) for ProbPIT, got 20160 \(8 x 6\)"):
        ProbPIT(0.1)(torch.rand(1, 8, 6), torch.ones(1, 6) > 0)


def test_wrong_options_are_refused():
    for make in (Hungarian, ProbPIT, SinkPIT):
        with pytest.raises(ValueError, match="scope must be frame, clip or sliding, got 'day'"):
            make(scope="day")
        with pytest.raises(ValueError, match="window must be >= 1 frames, got 0"):
            make(window=0)
    with pytest.raises(ValueError, match=r"prob_pit.temperature must be > 0, got 0"):
        ProbPIT(0)
    with pytest.raises(ValueError, match=r"sinkpit.temperature must be > 0, got nan"):
        SinkPIT(math.nan)
