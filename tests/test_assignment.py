import math

import pytest
import torch

from seld import assignment
from seld.assignment import AssignmentConfig, Hungarian, ProbPIT, SinkPIT

KINDS = ("hnet", "sinkhorn", "hungarian", "pit", "sliding_pit", "prob_pit", "sinkpit", "none")


def frames(seed=0, tracks=3, sources=2):
    """Costs in radians of 2 clips of 8 frames, estimate n near reference n, and who sounds."""
    generator = torch.Generator().manual_seed(seed)
    cost = 1 + torch.rand(2, 8, tracks, sources, generator=generator)
    cost[..., range(sources), range(sources)] = 0.2 * torch.rand(2, 8, sources, generator=generator)
    return cost, torch.rand(2, 8, sources, generator=generator) < 0.7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tracks", [2, 3])
def test_every_layer_keeps_the_contract(kind, tracks):
    cost, active = frames(tracks=tracks)
    association = assignment.build(AssignmentConfig(kind))(cost, active)
    assert association.shape == cost.shape
    assert (association >= 0).all() and (association <= 1 + 1e-5).all()
    assert (association.sum(-1) <= 1 + 1e-4).all() and (association.sum(-2) <= 1 + 1e-4).all()
    assert (association.transpose(-1, -2)[~active] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_finds_the_clear_matching(kind):
    cost, active = frames()
    association = assignment.build(AssignmentConfig(kind))(cost, active)
    expected = torch.eye(3, 2).expand_as(cost) * active.unsqueeze(-2)
    torch.testing.assert_close(association, expected, rtol=0, atol=0.05)


@pytest.mark.parametrize("kind", ["hnet", "sinkhorn", "prob_pit", "sinkpit"])
def test_soft_layers_pass_a_gradient_to_the_cost(kind):
    cost, active = frames()
    cost.requires_grad_()
    layer = assignment.build(AssignmentConfig(kind, temperature=0.3))
    (layer(cost, active) * torch.rand(cost.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    assert cost.grad.isfinite().all() and cost.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["sinkhorn", "prob_pit", "sinkpit"])
def test_the_temperature_falls_to_its_end_by_half_of_the_steps(kind):
    config = AssignmentConfig(kind, temperature=0.02, first_temperature=0.5, schedule="geometric")
    layer = assignment.build(config)
    seen = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        assignment.anneal(layer, config, progress)
        seen.append(layer.temperature)
    assert seen == pytest.approx([0.5, 0.1, 0.02, 0.02])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.1, 0.1, 0.1, 0.1, 0.1]),
        ("linear", [0.9, 0.7, 0.5, 0.1, 0.1]),
        ("geometric", [0.9, 0.9 ** (3 / 4) * 0.1 ** (1 / 4), 0.3, 0.1, 0.1]),
        ("cosine", [0.9, 0.5 + 0.4 * 0.5**0.5, 0.5, 0.1, 0.1]),
    ],
)
def test_schedules_of_the_temperature_by_hand(schedule, expected):
    config = AssignmentConfig("sinkpit", temperature=0.1, first_temperature=0.9, schedule=schedule, schedule_share=0.8)
    layer = assignment.build(config)
    seen = []
    for progress in (0.0, 0.2, 0.4, 0.8, 1.0):
        assignment.anneal(layer, config, progress)
        seen.append(layer.temperature)
    assert seen == pytest.approx(expected)


def test_layers_without_a_temperature_are_not_annealed():
    for kind in ("hungarian", "sliding_pit", "none"):
        layer = assignment.build(AssignmentConfig(kind))
        assignment.anneal(layer, AssignmentConfig(kind), 0.3)
        assert not hasattr(layer, "temperature")


def test_options_reach_the_layer_that_they_are_for():
    config = {"scope": "sliding", "window": 4, "temperature": 0.2}
    assert assignment.build(AssignmentConfig("sliding_pit", **config)) == Hungarian("sliding", 4)
    assert assignment.build(AssignmentConfig("prob_pit", **config)) == ProbPIT(0.2, "sliding", 4)
    assert assignment.build(AssignmentConfig("sinkpit", **config)) == SinkPIT(0.2, "sliding", 4)
    assert assignment.build(AssignmentConfig("pit", **config)).scope == "clip"


def test_a_sounding_track_keeps_its_source_from_a_nearer_silent_one():
    distance, logit = torch.tensor([[0.3], [0.2]]), torch.tensor([5.0, -5.0])
    cost = assignment.matching_cost(distance, logit, 0.5)
    silent = 1 / (1 + 2.718281828**5)  # probability of silence at a logit of 5
    assert cost.flatten().tolist() == pytest.approx([0.3 + 0.5 * silent, 0.7 - 0.5 * silent])
    assert assignment.hungarian(distance).flatten().tolist() == [0, 1]
    assert assignment.hungarian(cost).flatten().tolist() == [1, 0]


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("kind", "day", "one of hnet, sinkhorn, hungarian, pit, sliding_pit, prob_pit, sinkpit, none"),
        ("scope", "day", "one of frame, clip, sliding"),
        ("schedule", "steps", "one of constant, linear, geometric, cosine"),
        ("schedule_share", 0, "above 0 and at most 1"),
        ("schedule_share", 1.5, "above 0 and at most 1"),
        ("window", 0, ">= 1 frames"),
        ("temperature", 0, "> 0"),
        ("first_temperature", -1, "> 0"),
        ("activity_weight", -1, ">= 0"),
    ],
)
def test_wrong_options_are_refused(option, value, rule):
    with pytest.raises(ValueError) as raised:
        AssignmentConfig(**{option: value})
    assert str(raised.value) == f"assignment.{option} must be {rule}, got {value}"


def test_the_schedule_of_sinkpit_is_one_of_them():
    """Its author lets the inverse temperature grow by 2 % per epoch, from 1 to 10."""
    config = AssignmentConfig(
        "sinkpit", first_temperature=1.0, temperature=0.1, schedule="geometric", schedule_share=1.0
    )
    epochs = math.log(10) / math.log(1.02)
    assert 1 / assignment.temperature_at(config, 30 / epochs) == pytest.approx(1.02**30)
