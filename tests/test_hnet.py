"""The deep Hungarian network: exact where it must be, fair in ties, frozen in use, symmetric, finite."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.autograd import gradcheck
from torch.nn.functional import cosine_similarity

from seld.assignment.hnet import Hnet, HnetConfig, hnet_losses
from seld.assignment.hnet_data import CASES, HnetDataConfig, draw, margin
from seld.assignment.hnet_gru import GruNetwork
from seld.assignment.hungarian import hungarian
from seld.assignment.sinkhorn import Sinkhorn
from seld.assignment.transport import flatten
from seld.weights import save_weights


@pytest.fixture(scope="module")
def hnet():
    return Hnet.from_pretrained()


def problems(rows: int, columns: int, batch: int = 200, case: str = "independent", full: float = 1.0):
    config = HnetDataConfig(cases={case: 1.0}, full_share=full, resolutions_deg=[0])
    return draw(config, batch, rows, columns, torch.Generator().manual_seed(271))


def exact(hnet, examples) -> torch.Tensor:
    association = hnet(examples.cost, examples.active, examples.present)
    return ((association > 0.5) == (examples.association > 0.5)).flatten(1).all(1)


@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_exact_on_clear_problems_of_seen_and_unseen_sizes(hnet, size):
    examples = problems(size, size)
    assert exact(hnet, examples)[margin(examples) > 0.05].all()


PROMISED = {2: 0.9995, 3: 0.999, 5: 0.997, 8: 0.99, 10: 0.98}


@pytest.mark.slow
@pytest.mark.parametrize("full", [1.0, 0.0], ids=["full", "with absent slots"])
@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 3), (5, 5), (8, 8), (10, 10), (2, 5), (5, 3), (6, 10)])
def test_exactness_promised_on_the_data_of_the_paper(hnet, rows, columns, full):
    config = HnetDataConfig(cases={"angles": 1.0}, full_share=full, resolutions_deg="standard")
    examples = draw(config, 20000, rows, columns, torch.Generator().manual_seed(314))
    clear = margin(examples) > 0.05
    assert clear.sum() > 3000
    promised = min(share for size, share in PROMISED.items() if size <= max(rows, columns))
    assert exact(hnet, examples)[clear].float().mean() >= promised


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (2, 5), (5, 2)])
def test_exact_with_absent_slots_and_hard_cases(hnet, case, rows, columns):
    examples = problems(rows, columns, case=case, full=0.2)
    clear = margin(examples) > 0.01
    assert exact(hnet, examples)[clear].float().mean() > 0.995


@pytest.mark.parametrize("degrees", [0.5, 2.0, 5.0])
def test_close_sources_are_told_apart(hnet, degrees):
    # Four points along a line: two sources `degrees` apart, each with an estimate a tenth of that away.
    step = torch.tensor(degrees).deg2rad()
    estimate, reference = torch.tensor([1.1, 0.1]) * step, torch.tensor([0.0, 1.0]) * step
    association = hnet((estimate.unsqueeze(1) - reference).abs())
    assert torch.allclose(association, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), atol=0.01)


def test_ties_are_shared_out_instead_of_lost(hnet):
    half = torch.full((2, 2), 0.5)
    for level in (0.0, 0.3, torch.pi):
        assert torch.allclose(hnet(torch.full((2, 2), level)), half, atol=1e-4)
        assert torch.allclose(hnet(torch.full((3, 3), level)), torch.full((3, 3), 1 / 3), atol=1e-4)
    coincident_estimates = torch.tensor([[0.2, 1.0], [0.2, 1.0]])
    assert torch.allclose(hnet(coincident_estimates), half, atol=1e-4)
    two_estimates_on_one_source = torch.tensor([[0.0], [0.0]])
    assert torch.allclose(hnet(two_estimates_on_one_source), torch.full((2, 1), 0.5), atol=1e-4)


@pytest.mark.parametrize("architecture", ["equivariant", "gru"])
def test_sums_are_those_of_a_matching_even_untrained(architecture):
    torch.manual_seed(0)
    hnet = Hnet(HnetConfig(architecture))
    for rows, columns in ((3, 3), (5, 2), (2, 5)):
        examples = problems(rows, columns, full=0.3)
        association = hnet(examples.cost, examples.active, examples.present)
        assert association.min() >= 0
        assert association.sum(1).max() <= 1 + 1e-4
        assert association.sum(2).max() <= 1 + 1e-4
        pairs = torch.minimum(examples.active.sum(1), examples.present.sum(1))
        assert torch.allclose(association.sum((1, 2)), pairs.float(), atol=1e-3)
        assert (association.transpose(1, 2)[~examples.active] == 0).all()
        assert (association[~examples.present] == 0).all()


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-4), (torch.float64, 1e-11)])
@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (4, 3), (10, 10)])
def test_permuting_rows_and_columns_permutes_the_association(hnet, rows, columns, dtype, rounding):
    # Near a tie the association is steep: rounding of the cost shows a few hundred times larger in it.
    examples = problems(rows, columns, full=0.5)
    generator = torch.Generator().manual_seed(1)
    order, other = torch.randperm(rows, generator=generator), torch.randperm(columns, generator=generator)
    cost, active, present = examples.cost.to(dtype), examples.active, examples.present
    permuted = hnet(cost[:, order][:, :, other], active[:, other], present[:, order])
    expected = hnet(cost, active, present)[:, order][:, :, other]
    assert permuted.dtype == dtype
    assert torch.allclose(permuted, expected, atol=rounding, rtol=0)


def test_absent_slots_are_as_if_they_were_not_there(hnet):
    cost = problems(4, 4).cost
    active, present = torch.tensor([True, False, True, False]), torch.tensor([False, True, True, True])
    kept = hnet(cost, active, present)[:, 1:][:, :, [0, 2]]
    assert torch.allclose(kept, hnet(cost[:, 1:][:, :, [0, 2]]), atol=2e-4)


def test_unit_and_level_of_the_cost_do_not_matter(hnet):
    cost = problems(3, 3).cost
    assert torch.allclose(hnet(cost.rad2deg() + 7), hnet(cost), atol=1e-3)


@pytest.mark.parametrize("case", ["independent", "noisy"])
@pytest.mark.parametrize("size", [2, 5, 10])
def test_gradient_to_the_cost_is_that_of_the_exact_matching(hnet, case, size):
    # Promised: 0.94, and 0.99 with the association held fixed, whose gradient is the association.
    cost = problems(size, size, batch=2000 if size < 10 else 500, case=case).cost.requires_grad_()
    association = hnet(cost)
    (cost * association).sum().backward()
    exact_gradient = hungarian(cost).flatten(1)
    assert cosine_similarity(cost.grad.flatten(1), exact_gradient).mean() > 0.995
    assert cosine_similarity(association.detach().flatten(1), exact_gradient).mean() > 0.995


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 2), (3, 3), (2, 4), (5, 3)])
def test_gradient_to_the_cost_is_the_derivative(hnet, rows, columns):
    generator = torch.Generator().manual_seed(2)
    cost = 3 * torch.rand(3, rows, columns, dtype=torch.float64, generator=generator)
    active = torch.rand(3, columns, generator=generator) < 0.7
    present = torch.rand(3, rows, generator=generator) < 0.7
    cost.requires_grad_()
    fast = rows * columns > 4  # along random directions instead of entry by entry
    assert gradcheck(hnet, cost, fast_mode=fast)
    assert gradcheck(lambda cost: hnet(cost, active, present), cost, fast_mode=fast)
    assert gradcheck(lambda cost: hnet.logits(cost, active, present), cost, fast_mode=fast)


def test_gradient_near_a_tie_is_the_derivative(hnet):
    tie = torch.tensor([[0.2, 1.0, 0.3], [0.2, 1.0, 0.3], [0.9, 0.1, 0.5]], dtype=torch.float64)
    cost = (tie + 1e-5 * torch.arange(9.0).view(3, 3).sin()).requires_grad_()
    assert 0.01 < hnet(cost)[0, 0] < 0.99
    assert gradcheck(hnet, cost, eps=1e-9, atol=1e-3, rtol=1e-3)


def test_gradient_of_an_untrained_gru_is_the_derivative():
    torch.manual_seed(0)
    hnet = Hnet(HnetConfig("gru", slots=3)).double().freeze()
    cost = problems(3, 2, batch=4).cost.double().requires_grad_()
    assert gradcheck(hnet, cost)


@pytest.mark.parametrize("architecture", ["equivariant", "gru"])
def test_nothing_is_nan_at_the_edges(architecture):
    hnet = Hnet(HnetConfig(architecture))
    nobody = torch.zeros(2, dtype=torch.bool)
    for cost in (torch.zeros(2, 2), torch.full((2, 2), torch.pi), torch.tensor([[0.0, 1e-7], [1e-7, 0.0]])):
        for active in (~nobody, torch.tensor([True, False]), nobody):
            leaf = cost.clone().requires_grad_()
            association = hnet(leaf, active)
            (association * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
            assert association.isfinite().all()
            assert leaf.grad.isfinite().all()
    assert hnet(torch.rand(4, 3, 0)).shape == (4, 3, 0)


def test_any_batch_shape_and_masks_that_broadcast(hnet):
    cost = problems(3, 2, batch=24).cost
    active = torch.tensor([True, False])
    expected = hnet(cost, active)
    assert torch.equal(hnet(cost.view(2, 3, 4, 3, 2), active).flatten(0, 2), expected)
    assert torch.allclose(hnet(cost[5], active), expected[5], atol=1e-5)
    assert torch.allclose(hnet(cost, active.expand(24, 2)), expected)


@pytest.mark.parametrize("shape", [(0, 3, 3), (4, 0, 3), (4, 3, 0), (0, 0)])
def test_empty_input_gives_empty_output(hnet, shape):
    assert hnet(torch.rand(shape)).shape == shape
    assert hnet(torch.rand(shape), torch.ones(shape[-1], dtype=torch.bool)).shape == shape


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_precision_of_the_cost_is_kept(hnet, dtype):
    cost = torch.tensor([[0.25, 1.0], [1.0, 0.5]], dtype=dtype)
    association = hnet(cost)
    assert association.dtype == dtype
    assert torch.equal(association > 0.5, torch.eye(2) > 0)


@pytest.mark.parametrize("architecture", ["equivariant", "gru"])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_costs_that_are_not_finite_are_refused_unless_nobody_is_there(architecture, wrong):
    hnet = Hnet(HnetConfig(architecture))
    cost = torch.ones(3, 2, 2)
    cost[1, 0, 1] = wrong
    with pytest.raises(ValueError, match="cost must be finite, matrix 1 of the batch is not"):
        hnet(cost)
    assert hnet(cost, torch.tensor([True, False])).isfinite().all()


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
def test_finite_costs_of_any_size_give_no_nan(hnet, scale):
    cost = (scale * problems(4, 3, batch=20).cost).requires_grad_()
    association = hnet(cost)
    association[..., 0].sum().backward()
    assert association.isfinite().all()
    assert cost.grad.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(3),), r"cost must be \(..., M, N\), got shape \(3,\)"),
        ((torch.ones(2, 2), torch.ones(2)), "active must be bool, got torch.float32"),
        ((torch.ones(2, 2), torch.ones(3) > 0), r"active must broadcast to \(2,\), got shape \(3,\)"),
        ((torch.ones(2, 2), None, torch.ones(5, 2) > 0), r"present must broadcast to \(2,\), got shape \(5, 2\)"),
    ],
)
def test_input_of_the_wrong_form_is_refused(hnet, arguments, message):
    for layer in (hnet, Sinkhorn(), hungarian):
        with pytest.raises(ValueError, match=message):
            layer(*arguments)


def test_a_higher_temperature_is_softer_in_ties_and_as_exact_elsewhere(hnet):
    soft = Hnet(HnetConfig(temperature=5.0)).freeze()
    soft.load_state_dict(hnet.state_dict())
    tie = torch.tensor([[0.2, 1.0], [0.2, 1.0]])
    steep, gentle = (float(torch.autograd.functional.jacobian(net, tie).abs().max()) for net in (hnet, soft))
    assert gentle == pytest.approx(steep / 5, rel=0.01)
    examples = problems(5, 5)
    assert exact(soft, examples)[margin(examples) > 0.05].all()


def test_frozen_weights_stay_asleep_while_the_input_gets_its_gradient():
    parent = nn.ModuleDict({"hnet": Hnet.from_pretrained()})
    parent.train()
    assert not any(module.training for module in parent["hnet"].modules())
    assert not any(weight.requires_grad for weight in parent.parameters())
    cost = torch.tensor([[0.5, 1.0], [1.0, 1.5]], requires_grad=True)  # a tie, where the decision moves
    parent["hnet"](cost)[0, 0].backward()
    assert cost.grad[0, 0] < 0 < cost.grad[0, 1]


def test_the_derivative_of_the_derivative_is_refused(hnet):
    cost = torch.rand(2, 2, requires_grad=True)
    (grad,) = torch.autograd.grad(hnet(cost)[0, 0], cost, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_three_losses_by_hand():
    # Logit 0 everywhere: log 2 for entries, for rows and for columns.
    association = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    assert sum(hnet_losses(torch.zeros(1, 2, 2), association)).item() == pytest.approx(3 * 0.6931472, abs=1e-6)
    sure = 40 * association - 20
    assert sum(hnet_losses(sure, association)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("architecture", ["equivariant", "gru"])
def test_the_loss_teaches_the_weights(architecture):
    torch.manual_seed(0)
    hnet = Hnet(HnetConfig(architecture, slots=2))
    examples = problems(2, 2)
    losses = []
    for _ in range(15):
        loss = sum(hnet_losses(hnet.logits(examples.cost), examples.association))
        for weight, grad in zip(hnet.parameters(), torch.autograd.grad(loss, hnet.parameters()), strict=True):
            weight.data -= 0.1 * grad
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]


def test_gru_turns_angles_into_chords_unless_told_not_to():
    torch.manual_seed(0)
    network = GruNetwork(2, 8, 4.0)
    problem = flatten(torch.tensor([[torch.pi, 1.0], [0.5, 0.0]]), None, None)
    logits = network(problem)
    network.angles = False
    chords = torch.tensor([[[2.0, 0.9588511], [0.4948079, 0.0]]])
    assert torch.allclose(network(problem._replace(cost=chords)), logits, atol=1e-6)


def test_gru_takes_fewer_slots_but_not_more():
    hnet = Hnet(HnetConfig("gru", slots=3))
    assert hnet.logits(torch.rand(4, 2, 3)).shape == (4, 2, 3)
    with pytest.raises(ValueError, match="at most 3 rows and columns, got 4 x 2"):
        hnet(torch.rand(4, 4, 2))


@pytest.mark.parametrize("architecture", ["equivariant", "gru"])
def test_saved_weights_come_back_frozen_and_equal(architecture, tmp_path):
    torch.manual_seed(0)
    hnet = Hnet(HnetConfig(architecture, slots=4, width=6))
    hnet.save(tmp_path / "net.safetensors")
    again = Hnet.from_pretrained(tmp_path / "net.safetensors")
    assert again.frozen
    cost = problems(4, 4).cost
    assert torch.allclose(again.logits(cost), hnet.logits(cost), atol=1e-6)


def test_files_that_hold_no_hnet_are_refused(tmp_path):
    with pytest.raises(ValueError, match="hnet must be a weights file or one of hnet, got nowhere"):
        Hnet.from_pretrained("nowhere")
    whole = tmp_path / "whole.safetensors"
    Hnet().save(whole)
    (tmp_path / "half.safetensors").write_bytes(whole.read_bytes()[:500])
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    save_weights(tmp_path / "old.safetensors", Hnet(), "hnet", {"unknown": 1})
    for name, message in {
        "half": "not a readable safetensors file",
        "other": "holds weights of something else than hnet",
        "old": "these weights are of another version of the Hnet",
    }.items():
        with pytest.raises(ValueError, match=rf"{name}.safetensors: {message}"):
            Hnet.from_pretrained(tmp_path / f"{name}.safetensors")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "hnet.width must be >= 1, got 0"),
        ({"temperature": 0.0}, "hnet.temperature must be > 0, got 0.0"),
        ({"damping": 1.0}, r"hnet.damping must be in \[0, 1\), got 1.0"),
        ({"architecture": "mlp"}, "hnet.architecture must be equivariant or gru, got 'mlp'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HnetConfig(**options)


@pytest.mark.cuda
@pytest.mark.parametrize("architecture", ["equivariant", "gru"])
def test_a_frozen_net_passes_the_gradient_on_cuda(architecture):
    hnet = Hnet(HnetConfig(architecture)).freeze().cuda()
    cost = problems(3, 3).cost.cuda().requires_grad_()
    hnet(cost).square().sum().backward()
    assert cost.grad.isfinite().all()
