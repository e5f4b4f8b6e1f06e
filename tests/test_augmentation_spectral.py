"""Changes of features that leave directions alone."""

import numpy as np
import pytest
import torch
from plane_waves import plane_waves

from seld.arrays import ARRAYS, Array, find_array
from seld.augmentation import Augmentation, AugmentationConfig, change_level, mask, shift_bands
from seld.features import LEVEL_SPREAD_DB, FeatureConfig, build_features
from seld.geometry import unit_from_degrees

DIRECTION = unit_from_degrees(-50, 25)
CUBE = Array(
    "cube", "open", positions_m=((0.02,) * 3, (0.02, -0.02, -0.02), (-0.02, 0.02, -0.02), (-0.02, -0.02, 0.02))
)
KINDS = [
    ("logmel_intensity", "foa"), ("salsa", "foa"), ("logmel_gcc", "mic"), ("salsa_lite", "mic"),
    ("phase", "square"),
]  # fmt: skip
GAINS_DB = torch.tensor([6.0, -4.0])


def computed(kind, array, seconds=0.4):
    """Features (1, ...) of one plane wave that begins after 0.2 s, with faint noise before it, and their module."""
    array = find_array(array) if isinstance(array, str) else array
    module = build_features(FeatureConfig(kind=kind), array)
    audio = plane_waves(array, DIRECTION, seconds)
    audio[:, :4800] = 1e-3 * torch.randn(array.channels, 4800, generator=torch.Generator().manual_seed(0))
    return module, module(audio.unsqueeze(0)), audio


def nothing(features):
    items, _, frames, bands = features.shape
    return torch.zeros(items, frames, dtype=torch.bool), torch.zeros(items, bands, dtype=torch.bool)


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_level_is_that_of_louder_audio(kind, name):
    module, features, audio = computed(kind, name)
    changed = change_level(features.expand(2, -1, -1, -1), GAINS_DB, module)
    louder = module(audio * 10 ** (GAINS_DB[:, None, None] / 20))
    torch.testing.assert_close(changed[:, : module.inputs], louder[:, : module.inputs], atol=1e-3, rtol=0)
    assert torch.isclose(changed, louder, rtol=0, atol=1e-3).float().mean() > 0.999
    assert (changed[:, : module.inputs] - features[:, : module.inputs])[0].median() == pytest.approx(
        6 / LEVEL_SPREAD_DB
    )


def test_digital_silence_stays_silent_at_any_level():
    module = build_features(FeatureConfig())
    silence = module(torch.zeros(1, 4, 24000))
    torch.testing.assert_close(
        change_level(silence.expand(2, -1, -1, -1), GAINS_DB, module), silence.expand(2, -1, -1, -1)
    )


def test_shifted_intensity_keeps_its_direction_and_moves_the_spectrum():
    module, features, _ = computed("logmel_intensity", "foa")
    shifted = shift_bands(features.expand(2, -1, -1, -1), torch.tensor([5, -3]), module)
    direction = torch.tensor(DIRECTION, dtype=torch.float32)
    for item in shifted:
        torch.testing.assert_close(item[4:7, 12:].mean((1, 2)), direction, atol=1e-2, rtol=0)
    torch.testing.assert_close(shifted[0, ..., 5:], features[0, ..., :-5])
    torch.testing.assert_close(shifted[0, ..., :5], features[0, ..., 1:6].flip(-1))
    torch.testing.assert_close(shifted[1, ..., :-3], features[0, ..., 3:])
    torch.testing.assert_close(shifted[1, ..., -3:], features[0, ..., -4:-1].flip(-1))


@pytest.mark.parametrize("shift", [10, -10])
@pytest.mark.parametrize("kind", ["salsa", "salsa_lite"])
def test_shifted_distances_to_the_source_give_its_direction(kind, shift):
    module, features, _ = computed(kind, CUBE)
    shifted = shift_bands(features, torch.tensor([shift]), module)[0]
    end = module.bins.spatial.stop
    assert shifted[4:, :, end:].abs().sum() == 0
    torch.testing.assert_close(shifted[:4, :, 10:-10], features[0, :4, :, 10 - shift : features.shape[-1] - 10 - shift])
    cells = shifted[4:, 15:, :end].flatten(1).T.double() * module.unit_m
    cells = cells[cells.abs().sum(-1) > 0]
    across = torch.tensor(CUBE.positions[:1] - CUBE.positions[1:])
    estimate = torch.linalg.solve(across, cells.median(0).values)
    np.testing.assert_allclose(estimate.numpy(), DIRECTION, atol=0.05)


def test_correlations_stay_at_their_lags():
    module, features, _ = computed("logmel_gcc", "mic")
    shifted = shift_bands(features, torch.tensor([4]), module)
    assert torch.equal(shifted[:, 4:], features[:, 4:])
    torch.testing.assert_close(shifted[:, :4, :, 4:], features[:, :4, :, :-4])


def test_phases_cannot_be_shifted():
    module, features, _ = computed("phase", "square")
    with pytest.raises(ValueError, match=r"augmentation.shift_bands must be 0 for features.kind phase"):
        shift_bands(features, torch.tensor([1]), module)
    with pytest.raises(ValueError, match=r"augmentation.shift_bands must be 0"):
        Augmentation(AugmentationConfig(shift_bands=3), module.array).check(module, cached=False)


def test_shifts_beyond_the_bands_are_finite():
    module, features, _ = computed("salsa_lite", "mic")
    far = shift_bands(features.expand(2, -1, -1, -1), torch.tensor([10_000, -10_000]), module)
    assert far.isfinite().all() and far.shape[1:] == features.shape[1:]


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_masked_cells_hold_usual_levels_without_direction(kind, name):
    module, features, _ = computed(kind, name)
    frames, bands = nothing(features)
    frames[0, 3:7] = bands[0, 10:14] = True
    masked = mask(features, frames, bands, module)
    level = masked[:, : module.inputs]
    mean = features[:, : module.inputs].mean((2, 3), keepdim=True)
    torch.testing.assert_close(level[:, :, 3:7], mean.expand_as(level[:, :, 3:7]))
    torch.testing.assert_close(level[..., 10:14], mean.expand_as(level[..., 10:14]))
    assert masked[:, module.inputs :, 3:7].abs().sum() == 0
    cells = frames[0, :, None] | (bands[0] & (kind != "logmel_gcc"))
    assert torch.equal(masked[0, module.inputs :, ~cells], features[0, module.inputs :, ~cells])
    assert masked[0, module.inputs :, cells].abs().sum() == 0
    open_cells = ~(frames[0, :, None] | bands[0])
    assert torch.equal(masked[0, : module.inputs, open_cells], features[0, : module.inputs, open_cells])


def test_masks_are_as_many_and_as_long_as_asked_for():
    module, features, _ = computed("logmel_intensity", "foa", seconds=1.0)
    config = AugmentationConfig(time_masks=2, time_mask_s=0.2, frequency_masks=1, frequency_mask_bands=6)
    augmentation = Augmentation(config, ARRAYS["foa"])
    frames, bands = [], []
    for seed in range(100):
        masked = augmentation.spectrum(features[0], np.random.default_rng(seed), module)
        changed = (masked != features[0]).any(0)
        frames.append(changed.all(1).sum().item())
        bands.append(changed.all(0).sum().item())
    assert max(frames) <= 20 and max(bands) <= 6  # two times 0.2 s are 20 frames
    assert np.mean(frames) == pytest.approx(9, abs=1.5) and np.mean(bands) == pytest.approx(3, abs=0.5)


def test_no_masks_and_no_shift_change_nothing():
    module, features, _ = computed("salsa", "foa")
    assert torch.equal(mask(features, *nothing(features), module), features)
    assert torch.equal(shift_bands(features, torch.tensor([0]), module), features)
    torch.testing.assert_close(change_level(features, torch.tensor([0.0]), module), features)
