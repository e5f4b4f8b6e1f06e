import math

import pytest
import torch

from seld.features import FeatureConfig, build_features
from seld.localizer import Estimate, Localizer, LocalizerConfig
from seld.localizer.trust import Trust


def features(kinds, frames=40, seed=0):
    """Level, then vectors (2, 1 + 3 kinds, frames, 16) of lengths from 0 to 1."""
    torch.manual_seed(seed)
    vectors = torch.randn(2, kinds, 3, frames, 16)
    vectors = vectors / vectors.norm(dim=2, keepdim=True) * torch.rand(2, kinds, 1, frames, 16)
    return torch.cat([torch.randn(2, 1, frames, 16), vectors.flatten(1, 2)], 1)


def trained(kinds, size, by=0.3):
    torch.manual_seed(1)
    trust = Trust(kinds, size).eval()
    for weight in trust.parameters():
        weight.data += by * torch.randn(weight.shape)
    return trust


@pytest.mark.parametrize("size", [0, 6])
@pytest.mark.parametrize("kinds", [1, 2])
def test_nothing_is_changed_at_the_start(kinds, size):
    given = features(kinds)
    torch.testing.assert_close(Trust(kinds, size)(given), given[:, -3:])


@pytest.mark.parametrize(("size", "most"), [(0, 2.0), (6, math.exp(3))])
@pytest.mark.parametrize("kinds", [1, 2])
def test_vectors_change_in_length_alone_and_not_without_bounds(kinds, size, most):
    given = features(kinds)
    before, after = given[:, -3:], trained(kinds, size, by=3.0)(given)
    ratio = (after * before).sum(1) / before.square().sum(1)
    torch.testing.assert_close(after, ratio.unsqueeze(1) * before)
    assert ratio.min() >= 0 and ratio.max() <= most * 1.0001 and ratio.std() > 0.1


def test_lengths_stay_the_same_when_the_scene_turns():
    given, trust = features(2), trained(2, 6)
    rotation = torch.linalg.qr(torch.randn(3, 3))[0]
    turned = torch.cat(
        [given[:, :1], torch.einsum("ij,bkj...->bki...", rotation, given[:, 1:].unflatten(1, (2, 3))).flatten(1, 2)], 1
    )
    torch.testing.assert_close(
        trust(turned), torch.einsum("ij,bj...->bi...", rotation, trust(given)), atol=1e-4, rtol=1e-3
    )


def test_what_is_far_away_in_time_changes_nothing():
    given, trust = features(2), trained(2, 6)
    other = given.clone()
    other[:, :, :20] = features(2, seed=5)[:, :, :20]
    changed = (trust(other) - trust(given)).abs().amax((0, 1, 3)) > 1e-6
    assert changed[:20].all() and changed[20:35].any() and not changed[35:].any()


@pytest.mark.parametrize("given", [torch.zeros(1, 7, 30, 8), features(2)[:1]])
def test_gradients_are_finite_also_in_silence(given):
    trust = trained(2, 6)
    given.requires_grad_()
    trust(given).square().sum().backward()
    assert given.grad.isfinite().all() and all(weight.grad.isfinite().all() for weight in trust.parameters())


def test_features_tell_how_many_kinds_of_vectors_they_end_with():
    kinds = {(True, "logmel_intensity"): 2, (False, "logmel_intensity"): 1, (True, "salsa"): 0}
    for (direct, kind), wanted in kinds.items():
        assert build_features(FeatureConfig(kind=kind, direct=direct)).vectors == wanted
    assert build_features(FeatureConfig(kind="logmel_steered", array="mic")).vectors == 1


@pytest.mark.parametrize(("kind", "array"), [("logmel_intensity", "foa"), ("logmel_steered", "mic")])
def test_a_localizer_with_trust_and_brief_peaks_is_trained_saved_and_read(tmp_path, kind, array):
    sizes = {
        "filters": [4, 4],
        "time_pool": [5, 1],
        "frequency_pool": [8, 2],
        "recurrent_units": 8,
        "candidate_size": 8,
    }
    features = build_features(FeatureConfig(kind=kind, array=array))
    config = LocalizerConfig(**sizes, brief_peaks=2, trust_size=4)
    localizer = Localizer(config, features.config, features.array)
    audio = 0.1 * torch.randn(4, 24000)
    estimate = Estimate(*localizer(localizer.features(audio[None])))
    (estimate.activity_logit.sum() + estimate.doa.sum()).backward()
    assert all(weight.grad.isfinite().all() for weight in localizer.parameters())
    localizer.save(tmp_path / "made.safetensors")
    read = Localizer.from_pretrained(tmp_path / "made.safetensors")
    assert read.config == config
    torch.testing.assert_close(read.locate(audio), localizer.eval().locate(audio))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"trust_size": -1}, "localizer.trust_size must be >= 0, got -1"),
        ({"brief_peaks": -1}, "localizer.brief_peaks must be >= 0, got -1"),
        ({"head": "linear", "brief_peaks": 1}, "brief_peaks and trust_size need localizer.head candidates, got linear"),
        ({"linear_layers": -3}, "localizer.linear_layers must be >= 0, got -3"),
        ({"candidate_layers": -1}, "localizer.candidate_layers must be >= 0, got -1"),
        ({"filters": [24, 0, 48]}, r"localizer.filters must be one or more numbers >= 1, got \[24, 0, 48\]"),
        ({"frequency_pool": [4, 0, 2]}, r"localizer.frequency_pool must be one or more numbers >= 1, got"),
        ({"filters": [], "time_pool": [], "frequency_pool": []}, "localizer.filters must be one or more"),
    ],
)
def test_sizes_that_cannot_be_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        LocalizerConfig(**sizes)
