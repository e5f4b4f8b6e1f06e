"""Weights that the authors of the Hnet paper published: the same outputs as their network."""

import pytest
import torch

from seld.assignment.hnet import Hnet
from seld.geometry import pairwise_angular_distance


def published(slots: int = 2, width: int = 128, seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict of the published form with random weights."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "gru.weight_ih_l0": (3 * width, slots),
        "gru.weight_hh_l0": (3 * width, width),
        "gru.bias_ih_l0": (3 * width,),
        "gru.bias_hh_l0": (3 * width,),
        "attn.conv_Q.weight": (width, width, 1),
        "attn.conv_K.weight": (width, width, 1),
        "attn.conv_V.weight": (width, width, 1),
        "fc1.weight": (slots, width),
        "fc1.bias": (slots,),
    }
    return {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def logits_by_formula(weights: dict[str, torch.Tensor], chord: torch.Tensor) -> torch.Tensor:
    """The network of the paper from its equations, for chord lengths (batch, rows, columns)."""
    width = weights["gru.weight_hh_l0"].shape[1]
    state, states = chord.new_zeros(len(chord), width), []
    for row in chord.unbind(1):
        heard = row @ weights["gru.weight_ih_l0"].T + weights["gru.bias_ih_l0"]
        kept = state @ weights["gru.weight_hh_l0"].T + weights["gru.bias_hh_l0"]
        reset, update = (heard + kept)[:, : 2 * width].sigmoid().chunk(2, 1)
        new = (heard[:, 2 * width :] + reset * kept[:, 2 * width :]).tanh()
        state = (1 - update) * new + update * state
        states.append(state)
    states = torch.stack(states, 1)
    query, key, value = (states @ weights[f"attn.conv_{letter}.weight"].squeeze(2).T for letter in "QKV")
    attention = torch.exp(query @ key.mT)
    mixed = attention / attention.sum(2, keepdim=True) @ value
    return mixed.tanh() @ weights["fc1.weight"].T + weights["fc1.bias"]


def directions(batch: int, slots: int, seed: int) -> torch.Tensor:
    drawn = torch.randn(batch, slots, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=-1)


@pytest.mark.parametrize("slots", [2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_are_those_of_the_published_network(tmp_path, slots, dtype):
    weights = published(slots)
    torch.save(weights, tmp_path / "hnet_model.pt")
    hnet = Hnet.load_published(tmp_path / "hnet_model.pt").to(dtype)
    estimate, reference = directions(300, slots, 1), directions(300, slots, 2)
    angle = pairwise_angular_distance(estimate, reference).to(dtype)
    chord = torch.cdist(estimate, reference)
    expected = logits_by_formula({name: weight.double() for name, weight in weights.items()}, chord)
    assert torch.allclose(hnet(angle).double(), expected.sigmoid(), atol=1e-6, rtol=0)
    assert hnet.frozen and hnet(angle).dtype == dtype


def test_absent_slots_are_far_away_and_never_matched(tmp_path):
    torch.save(published(), tmp_path / "hnet_model.pt")
    hnet = Hnet.load_published(tmp_path / "hnet_model.pt")
    association = hnet(torch.tensor([[0.3, 2.0], [1.0, 0.1]]), torch.tensor([True, False]))
    chord = torch.tensor([[[2 * torch.sin(torch.tensor(0.15)), 17.3], [2 * torch.sin(torch.tensor(0.5)), 17.3]]])
    assert torch.allclose(association[:, 0], logits_by_formula(published(), chord)[0, :, 0].sigmoid(), atol=1e-6)
    assert (association[:, 1] == 0).all()


def test_balanced_gives_every_reference_an_estimate(tmp_path):
    torch.save(published(), tmp_path / "hnet_model.pt")
    cost = pairwise_angular_distance(directions(50, 2, 1), directions(50, 2, 2))
    sums = Hnet.load_published(tmp_path / "hnet_model.pt", balanced=True)(cost).sum(1)
    assert torch.allclose(sums, torch.ones_like(sums), atol=1e-5)
    assert not torch.allclose(Hnet.load_published(tmp_path / "hnet_model.pt")(cost).sum(1), sums, atol=0.01)


def test_saved_again_in_this_form_it_stays_the_same(tmp_path):
    torch.save(published(), tmp_path / "hnet_model.pt")
    hnet = Hnet.load_published(tmp_path / "hnet_model.pt")
    hnet.save(tmp_path / "again.safetensors")
    cost = torch.rand(20, 2, 2)
    assert torch.equal(Hnet.from_pretrained(tmp_path / "again.safetensors")(cost), hnet(cost))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "file.pt"
    with pytest.raises(ValueError, match="file.pt: no such file"):
        Hnet.load_published(path)
    path.write_bytes(b"no torch file")
    with pytest.raises(ValueError, match="file.pt: not a readable torch file"):
        Hnet.load_published(path)
    whole = published()
    others = {
        "without attn.conv_K.weight": {name: whole[name] for name in whole if name != "attn.conv_K.weight"},
        "and also gru.weight_ih_l1": whole | {"gru.weight_ih_l1": torch.zeros(2)},
        "without attn.conv_K.weight ": [1, 2],
        "other shapes": whole | {"fc1.weight": torch.zeros(3, 128)},
    }
    for message, content in others.items():
        torch.save(content, path)
        with pytest.raises(
            ValueError, match=f"file.pt must hold the state dict of a published Hnet.*{message.strip()}"
        ):
            Hnet.load_published(path)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('ran')",)


def test_no_code_of_a_file_is_run(tmp_path):
    torch.save(Evil(), tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil.pt: not a readable torch file \(UnpicklingError\)"):
        Hnet.load_published(tmp_path / "evil.pt")
