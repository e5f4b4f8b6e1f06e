import pytest
import safetensors.torch
import torch

from seld.weights import read_weights, save_weights


def test_what_is_saved_is_read(tmp_path):
    network = torch.nn.Linear(2, 3)
    save_weights(tmp_path / "a.safetensors", network, "toy", {"size": [2, 3]}, scores="none")
    weights = read_weights(tmp_path / "a.safetensors", "toy")
    assert weights.config == {"size": [2, 3]}
    assert weights.tensors.keys() == {"weight", "bias"}
    assert torch.equal(weights.tensors["weight"], network.weight)


def test_other_kinds_and_damaged_files_are_named(tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights(path, torch.nn.Linear(1, 1), "toy", {})
    with pytest.raises(ValueError, match=r"a.safetensors: holds weights of something else than seld.localizer"):
        read_weights(path, "seld.localizer")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"a.safetensors: not a readable safetensors file"):
        read_weights(path, "toy")
    with pytest.raises(ValueError, match=r"b.safetensors: not a readable safetensors file"):
        read_weights(tmp_path / "b.safetensors", "toy")


def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    save_weights(path, torch.nn.Linear(1, 1), "toy", {})
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(safetensors.torch, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_weights(path, torch.nn.Linear(2, 2), "toy", {})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
