"""The golden values are what hungarian-loss d7a3fd0 returns on TensorFlow 2.21, where it pairs every object."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch.nn.functional import mse_loss

from seld.losses import HungarianLoss, euclidean_distance, hungarian_loss, squared_error

README_TRUE = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]] * 2)
README_PRED = torch.tensor([[[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]] * 2)


def waves(*shape):
    """References and predictions that any library can make again."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return (1.7 * k).sin().view(shape).float(), (2.3 * k + 0.4).cos().view(shape).float()


def random_sets(batch, references, predictions, features=3, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    sides = [
        torch.randn(batch, slots, features, generator=generator, dtype=dtype) for slots in (references, predictions)
    ]
    masks = [torch.rand(batch, slots, generator=generator) < 0.7 for slots in (references, predictions)]
    return *sides, *masks


def manhattan(true, pred):
    return torch.cdist(true, pred, p=1)


def absolute_error(true, pred):
    return (true - pred).abs().mean(-1)


def test_pairs_in_order_by_hand():
    expected = (math.sqrt(0 + 1 + 4 + 9 + 1e-4) + math.sqrt(9 + 16 + 25 + 36 + 1e-4)) / 2**2
    assert hungarian_loss(README_TRUE, README_PRED).item() == pytest.approx(expected, rel=1e-6)
    assert HungarianLoss([4])(README_TRUE, README_PRED).item() == pytest.approx((14 / 4 + 86 / 4) / 2)
    rmse = HungarianLoss([4], 0, euclidean_distance, [lambda true, pred: squared_error(true, pred).sqrt()], [1.0])
    assert rmse(README_TRUE, README_PRED).item() == pytest.approx((math.sqrt(14 / 4) + math.sqrt(86 / 4)) / 2)


@pytest.mark.parametrize(
    ("shape", "function", "slope", "of_class"),
    [
        ((4, 1, 3), 1.635413646697998, -0.28475797176361084, 1.0113831758499146),
        ((4, 2, 3), 0.843008279800415, 0.0670696496963501, 1.0903042554855347),
        ((5, 3, 5), 0.5505709052085876, -0.1408187747001648, 0.5879522562026978),
    ],
)
def test_values_and_gradients_are_those_of_hungarian_loss(shape, function, slope, of_class):
    true, pred = waves(*shape)
    loss = hungarian_loss(true, pred.requires_grad_())
    (grad,) = torch.autograd.grad(loss, pred)
    assert loss.item() == pytest.approx(function, rel=1e-6)
    assert (grad * torch.arange(grad.numel()).view(shape).sin()).sum().item() == pytest.approx(slope, rel=1e-6)
    assert HungarianLoss([shape[-1]])(true, pred).item() == pytest.approx(of_class, rel=1e-6)


def test_slices_losses_and_weights_are_those_of_hungarian_loss():
    true, pred = waves(5, 3, 5)
    loss = HungarianLoss([2, 3], 1, manhattan, [absolute_error, squared_error], [2.0, 0.5])(true, pred.requires_grad_())
    (grad,) = torch.autograd.grad(loss, pred)
    assert loss.item() == pytest.approx(0.9569920301437378, rel=1e-6)
    slope = (grad * torch.arange(75).view(5, 3, 5).sin()).sum().item()
    assert slope == pytest.approx(-0.11219985038042068, rel=1e-6)


def test_who_was_matched_with_whom():
    true, pred = waves(5, 3, 5)
    expected = [[2, 1, 0], [0, 2, 1], [2, 0, 1], [0, 2, 1], [1, 0, 2]]  # of hungarian-loss
    result = hungarian_loss(true, pred, return_assignment=True)
    assert result.assignment.tolist() == expected
    assert HungarianLoss([5])(true, pred, return_assignment=True).assignment.tolist() == expected
    assert result.loss == hungarian_loss(true, pred)


def test_every_reference_is_paired_where_hungarian_loss_leaves_one_out():
    cost = torch.tensor([[23.0, 9, 10, 19], [19, 21, 26, 9], [28, 1, 3, 29], [28, 9, 5, 10]])
    loss = HungarianLoss([1], compute_cost_matrix_fn=lambda true, pred: cost.expand(2, 4, 4))
    assignment = loss(torch.zeros(2, 4, 1), torch.zeros(2, 4, 1), return_assignment=True).assignment
    best = cost[range(4), assignment[0]].sum().item()
    assert sorted(assignment[0].tolist()) == [0, 1, 2, 3]
    assert best == cost[linear_sum_assignment(cost)].sum().item()


@pytest.mark.parametrize(("references", "predictions"), [(3, 3), (2, 5), (5, 2), (10, 10)])
def test_sizes_and_masks_agree_with_scipy_on_the_part_that_is_left(references, predictions):
    true, pred, active, present = random_sets(20, references, predictions, features=4, dtype=torch.float64)
    result = hungarian_loss(true, pred, active, present, reduction="none", return_assignment=True)
    of_class = HungarianLoss([3, 1], slice_weights=[1.0, 3.0], reduction="none")(true, pred, active, present)
    ends = HungarianLoss([1, 3], 1)(true.roll(1, -1), pred.roll(1, -1), active, present, return_assignment=True)
    for b in range(20):
        t, p = true[b][active[b]], pred[b][present[b]]
        distance = ((t[:, None] - p[None]).square().sum(-1) + 1e-4).sqrt()
        row, column = linear_sum_assignment(distance)
        expected = distance[row, column].sum().item() / max(1, distance.numel())
        assert result.loss[b].item() == pytest.approx(expected, abs=1e-12)
        paired = active[b].nonzero().squeeze(1)[row], present[b].nonzero().squeeze(1)[column]
        assignment = torch.full((references,), -1)
        assignment[paired[0]] = paired[1]
        assert torch.equal(result.assignment[b], assignment)

        row, column = linear_sum_assignment(((t[:, None, :3] - p[None, :, :3]).square().sum(-1) + 1e-4).sqrt())
        error = (t[row] - p[column]).square()
        expected = (error[:, :3].mean() + 3 * error[:, 3].mean()) / 2 if len(row) else torch.zeros(())
        assert of_class[b].item() == pytest.approx(expected.item(), abs=1e-12)
        assert (ends.assignment[b] >= 0).sum() == len(row)
    assert hungarian_loss(true, pred, active, present).item() == pytest.approx(result.loss.mean().item())


@pytest.mark.parametrize("padding", [0.0, 1e30, math.nan])
def test_padding_changes_neither_value_nor_gradient(padding):
    true, pred, *_ = random_sets(4, 2, 3)
    pred[:, 0] = 0  # as padding is inside, where a root has an infinite slope
    active, present = torch.ones(4, 2) > 0, torch.ones(4, 3) > 0
    padded_true = torch.nn.functional.pad(true, (0, 0, 0, 2), value=padding).requires_grad_()
    padded_pred = torch.nn.functional.pad(pred, (0, 0, 0, 1), value=padding).requires_grad_()
    masks = torch.nn.functional.pad(active, (0, 2)), torch.nn.functional.pad(present, (0, 1))

    def root(true, pred):  # infinite slope at zero
        return squared_error(true, pred).sqrt()

    for loss in (hungarian_loss, HungarianLoss([1, 2], slice_losses_fn=[root, absolute_error])):
        value = loss(padded_true, padded_pred, *masks)
        grads = torch.autograd.grad(value, (padded_true, padded_pred))
        leaves = true.clone().requires_grad_(), pred.clone().requires_grad_()
        expected = loss(*leaves)
        torch.testing.assert_close(value, expected)
        for grad, whole in zip(grads, torch.autograd.grad(expected, leaves), strict=True):
            slots = whole.shape[1]
            torch.testing.assert_close(grad[:, :slots], whole)
            assert (grad[:, slots:] == 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.randoms(use_true_random=False), st.integers(0, 10**6))
def test_the_order_of_slots_does_not_matter(references, predictions, random, seed):
    true, pred, active, present = random_sets(3, references, predictions, seed=seed, dtype=torch.float64)
    rows, columns = list(range(references)), list(range(predictions))
    random.shuffle(rows), random.shuffle(columns)
    turned = true[:, rows], pred[:, columns], active[:, rows], present[:, columns]
    for loss in (hungarian_loss, HungarianLoss([2, 1])):
        torch.testing.assert_close(loss(*turned), loss(true, pred, active, present))


@pytest.mark.parametrize(("references", "predictions"), [(3, 3), (2, 4), (4, 2)])
def test_gradients_are_those_of_finite_differences(references, predictions):
    true, pred, active, present = random_sets(3, references, predictions, dtype=torch.float64)
    sides = true.requires_grad_(), pred.requires_grad_()
    loss = HungarianLoss([1, 2], 1, slice_losses_fn=[absolute_error, squared_error], slice_weights=[0.3, 2.0])
    for function in (hungarian_loss, loss):
        assert torch.autograd.gradcheck(lambda a, b, function=function: function(a, b, active, present), sides)
    assert torch.autograd.gradgradcheck(lambda a, b: hungarian_loss(a, b, active, present), sides)


def test_perfect_predictions_have_a_finite_gradient():
    true = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    pred = true[:, [2, 0, 1]].clone().requires_grad_()
    loss = hungarian_loss(true, pred, return_assignment=True)
    loss.loss.backward()
    assert loss.assignment.tolist() == [[1, 2, 0]] * 2
    assert loss.loss.item() == pytest.approx(math.sqrt(1e-4) / 3)
    assert (pred.grad == 0).all()


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3), (2, 3, 0), (2, 3, 3)])
def test_nothing_to_match_costs_nothing(shape):
    batch, references, predictions = shape
    true, pred = torch.rand(batch, references, 2), torch.rand(batch, predictions, 2, requires_grad=True)
    nobody = torch.zeros(batch, references, dtype=torch.bool)
    for loss in (hungarian_loss, HungarianLoss([2])):
        result = loss(true, pred, nobody, return_assignment=True)
        result.loss.backward()
        assert result.loss == 0 and (pred.grad == 0).all()
        assert result.assignment.shape == nobody.shape and (result.assignment == -1).all()


def test_whole_numbers_and_half_precision_are_taken_as_float32_and_double_stays():
    value = hungarian_loss(README_TRUE, README_PRED)
    assert hungarian_loss(README_TRUE.long(), README_PRED.long()) == value
    assert hungarian_loss(README_TRUE.half(), README_PRED.half()) == value
    assert HungarianLoss([4])(README_TRUE.double(), README_PRED).dtype == torch.float64


def test_functions_for_one_sample_are_batched_by_vmap():
    true, pred, *_ = random_sets(6, 3, 3)
    by_sample = HungarianLoss(
        [3],
        compute_cost_matrix_fn=torch.vmap(lambda a, b: (a[:, None] - b[None]).abs().sum(-1)),
        slice_losses_fn=[torch.vmap(torch.vmap(mse_loss))],
    )
    expected = HungarianLoss([3], 0, manhattan)(true, pred)
    torch.testing.assert_close(by_sample(true, pred), expected)
    elementwise = HungarianLoss([3], 0, manhattan, [lambda true, pred: mse_loss(pred, true, reduction="none")])
    torch.testing.assert_close(elementwise(true, pred), expected)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None,), TypeError, "slice_sizes must be a list of sizes, got None"),
        (([],), ValueError, "slice_sizes must be one or more sizes >= 1, got []"),
        (([3, 0],), ValueError, "slice_sizes must be one or more sizes >= 1, got [3, 0]"),
        (([4], 1), ValueError, "slice_index_to_compute_assignment must be in [0, 0], got 1"),
        (([4, 2], -1), ValueError, "slice_index_to_compute_assignment must be in [0, 1], got -1"),
        (([4], 0, manhattan, []), ValueError, "slice_losses_fn must be as many as slice_sizes (1), got 0"),
        (([4], 0, manhattan, None, []), ValueError, "slice_weights must be as many as slice_sizes (1), got 0"),
        (([4], 0, manhattan, None, None, "sum"), ValueError, "reduction must be mean or none, got 'sum'"),
    ],
)
def test_wrong_options_are_refused(arguments, error, message):
    with pytest.raises(error) as raised:
        HungarianLoss(*arguments)
    assert str(raised.value) == message


def test_wrong_inputs_are_refused():
    sets = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    for true, pred in ((sets[0][0], sets[1]), (sets[0], sets[1][:1]), (sets[0], sets[1][..., :2])):
        with pytest.raises(ValueError, match=r"must be \(batch, slots, features\) with equal batch and features, got"):
            hungarian_loss(true, pred)
    for sizes in ([5], [2, 1]):
        with pytest.raises(ValueError, match=r"slice_sizes must add up to the 4 features, got"):
            HungarianLoss(sizes)(*sets)
    with pytest.raises(ValueError, match=r"active must be bool \(2, 3\), got torch.bool \(2, 4\)"):
        hungarian_loss(*sets, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"present must be bool \(2, 3\), got torch.float32 \(2, 3\)"):
        hungarian_loss(*sets, present=torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"slice_losses_fn must return one loss per pair \(2, 3\), got \(\)"):
        HungarianLoss([4], slice_losses_fn=[mse_loss])(*sets)
    with pytest.raises(ValueError, match=r"compute_cost_matrix_fn must return \(2, 3, 3\), got \(2, 3\)"):
        HungarianLoss([4], 0, squared_error)(*sets)
    with pytest.raises(ValueError, match="matrix 1 of the batch"):
        hungarian_loss(sets[0], torch.stack((sets[1][0], sets[1][1] * math.nan)))
