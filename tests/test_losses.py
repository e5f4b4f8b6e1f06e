import pytest
import torch

from seld.geometry import pairwise_angular_distance
from seld.losses import LossConfig, mot_loss

SURE = 20.0  # a logit of activity that is practically 1


def random_clip(seed=0, frames=6, tracks=3, sources=2):
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand(2, frames, tracks, sources, generator=generator)
    association = torch.zeros(2, frames, tracks, sources)
    association[..., 0, 0] = association[..., 2, 1] = 1
    logit = torch.randn(2, frames, tracks, generator=generator)
    active = torch.rand(2, frames, sources, generator=generator) < 0.7
    return cost, association, logit, active


def two_frames(first, second, active=((True, True), (True, True))):
    """Associations of one clip of two frames, sure tracks."""
    association = torch.tensor([[first, second]], dtype=torch.float32)
    active = torch.tensor([active])
    logit = torch.full(association.shape[:3], SURE)
    return mot_loss(torch.zeros_like(association), association, logit, active)


STRAIGHT, CROSSED = [[1, 0], [0, 1]], [[0, 1], [1, 0]]


def test_localization_is_the_mean_angle_of_the_pairs():
    cost = torch.tensor([[[[0.2, 9.0], [9.0, 0.4]], [[0.6, 9.0], [9.0, 9.0]]]])
    active = torch.tensor([[[True, True], [True, False]]])
    loss = mot_loss(cost, torch.eye(2).expand(1, 2, 2, 2), torch.zeros(1, 2, 2), active)
    assert loss.localization.item() == pytest.approx((0.2 + 0.4 + 0.6) / 3)


def test_perfect_tracks_cost_nothing():
    assert two_frames(STRAIGHT, STRAIGHT).total.item() == pytest.approx(0, abs=1e-6)


def test_a_swap_is_two_switches_of_four_references():
    assert two_frames(STRAIGHT, CROSSED).switches.item() == pytest.approx(2 / 4)


def test_onset_end_and_steady_doubt_are_no_switches():
    onset = two_frames([[1, 0], [0, 0]], STRAIGHT, active=((True, False), (True, True)))
    end = two_frames(STRAIGHT, [[0, 0], [0, 1]], active=((True, True), (False, True)))
    doubt = two_frames([[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]])
    assert onset.switches == end.switches == doubt.switches == 0


def test_switches_do_not_reach_from_one_clip_into_the_next():
    association = torch.tensor([STRAIGHT, CROSSED], dtype=torch.float32).unsqueeze(1)  # two clips of one frame
    active = torch.ones(2, 1, 2, dtype=torch.bool)
    assert mot_loss(torch.zeros(2, 1, 2, 2), association, torch.zeros(2, 1, 2), active).switches == 0


def test_misses_and_false_alarms_are_counted():
    association = torch.tensor([[[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]])
    active = torch.ones(1, 1, 2, dtype=torch.bool)
    logit = torch.tensor([[[SURE, -SURE, SURE]]])  # finds reference 0, misses 1, a false alarm on track 2
    assert mot_loss(torch.zeros(1, 1, 3, 2), association, logit, active).count.item() == pytest.approx(2 / 2)


def test_a_pair_far_apart_is_a_miss_and_a_false_alarm():
    association = torch.ones(1, 3, 1, 1)
    cost = torch.deg2rad(torch.tensor([0.0, 20.0, 50.0])).reshape(1, 3, 1, 1)  # counts 1, 1/2, 0 at a gate of 40
    active, logit = torch.ones(1, 3, 1, dtype=torch.bool), torch.full((1, 3, 1), SURE)
    loss = mot_loss(cost, association, logit, active, LossConfig(gate_deg=40))
    assert loss.count.item() == pytest.approx((0 + 1 + 2) / 3)


def test_activity_follows_the_annotation_through_the_association():
    logit = torch.zeros(1, 1, 2, requires_grad=True)
    association = torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])
    active = torch.tensor([[[False, True]]])
    mot_loss(torch.zeros(1, 1, 2, 2), association, logit, active, LossConfig(count_weight=0)).total.backward()
    assert logit.grad[0, 0, 0] < 0 < logit.grad[0, 0, 1]


def test_silence_is_finite_and_quiets_every_track():
    cost = torch.rand(1, 4, 2, 2, requires_grad=True)
    logit = torch.zeros(1, 4, 2, requires_grad=True)
    loss = mot_loss(cost, cost * 0, logit, torch.zeros(1, 4, 2, dtype=torch.bool))
    loss.total.backward()
    assert loss.localization == 0 and loss.total.isfinite()
    assert (logit.grad > 0).all() and cost.grad.isfinite().all()


def test_order_of_tracks_and_sources_does_not_matter():
    cost, association, logit, active = random_clip()
    rows, columns = torch.tensor([2, 0, 1]), torch.tensor([1, 0])
    turned = mot_loss(
        cost[:, :, rows][..., columns], association[:, :, rows][..., columns], logit[..., rows], active[..., columns]
    )
    torch.testing.assert_close(turned, mot_loss(cost, association, logit, active))


def test_detached_association_only_weighs_distances():
    cost, association, logit, active = random_clip()
    association.requires_grad_()
    only_distance = LossConfig(count_weight=0, switch_weight=0, activity_weight=0)
    mot_loss(cost, association, logit, active, only_distance).total.backward()
    assert association.grad.abs().sum() == 0
    only_distance.detach_association = False
    mot_loss(cost, association, logit, active, only_distance).total.backward()
    assert association.grad.abs().sum() > 0


def test_gradient_to_the_distances_is_that_of_finite_differences():
    cost, association, logit, active = random_clip()
    # The gate holds the distance fixed, which finite differences would see.
    config = LossConfig(count_weight=0, activity_weight=0)
    assert torch.autograd.gradcheck(
        lambda cost: mot_loss(cost, association.double(), logit.double(), active, config).total,
        cost.double().requires_grad_(),
    )


def test_gradient_to_association_and_activity_is_that_of_finite_differences():
    cost, association, logit, active = random_clip()
    soft = torch.rand(association.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) / 3
    # The annotation that activity is trained against is a constant of the loss.
    config = LossConfig(detach_association=False, activity_weight=0)
    assert torch.autograd.gradcheck(
        lambda soft, logit: mot_loss(cost.double(), soft, logit, active, config).total,
        (soft.requires_grad_(), logit.double().requires_grad_()),
    )
    assert torch.autograd.gradcheck(
        lambda logit: mot_loss(cost.double(), association.double(), logit, active).total,
        logit.double().requires_grad_(),
    )


def test_squared_distance_is_that_of_unit_vectors():
    unit = torch.nn.functional.normalize
    estimate, reference = unit(torch.randn(2, 1, 4, 2, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    cost = pairwise_angular_distance(estimate, reference)
    active = torch.ones(1, 4, 2, dtype=torch.bool)
    loss = mot_loss(cost, torch.eye(2).expand(1, 4, 2, 2), torch.zeros(1, 4, 2), active, LossConfig(distance="squared"))
    expected = (estimate - reference).square().sum(-1).mean()
    torch.testing.assert_close(loss.localization, expected)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match=r"loss.switch_weight must be >= 0, got -1"):
        LossConfig(switch_weight=-1)
    with pytest.raises(ValueError, match=r"loss.gate_deg must be above 0 and at most 360, got 0"):
        LossConfig(gate_deg=0)
    with pytest.raises(ValueError, match=r"loss.distance must be one of angle, squared, got chord"):
        LossConfig(distance="chord")
