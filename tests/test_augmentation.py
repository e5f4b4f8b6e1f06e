"""All changes together: drawn from one generator, on single segments and batches."""

import numpy as np
import pytest
import torch
from directions import angle_deg, beam_direction, intensity_direction
from plane_waves import plane_waves

from seld.arrays import ARRAYS, find_array
from seld.augmentation import Augmentation, AugmentationConfig, Segment
from seld.features import FeatureConfig, build_features
from seld.geometry import unit_from_degrees

DIRECTION = unit_from_degrees(60, -15)
ALL = {
    "level_db": 6.0, "shift_bands": 4, "time_masks": 2, "frequency_masks": 2,
    "mix": 0.5, "reverberation": 0.5, "noise": 0.5,
}  # fmt: skip
OFF = AugmentationConfig(turn="off", level_db=0)


def segment(array, items=None, frames=2, slots=2, direction=DIRECTION):
    """One wave, in the first slot; a batch where `items` are asked for."""
    audio = plane_waves(array, direction, 0.1 * frames)
    doa = torch.zeros(frames, slots, 3)
    doa[:] = torch.as_tensor(direction, dtype=torch.float32)
    active = torch.zeros(frames, slots, dtype=torch.bool)
    active[:, 0] = True
    single = Segment(audio, doa, active)
    return single if items is None else Segment(*(part.expand(items, *part.shape).clone() for part in single))


def vary(augmentation, before, module, seed):
    """As the loader does with audio."""
    draw = np.random.default_rng(seed)
    after = augmentation.audio(*before, draw, partner=lambda draw: before)
    computed = module(after.signal if after.signal.ndim == 3 else after.signal.unsqueeze(0))
    computed = computed if after.signal.ndim == 3 else computed[0]
    return after, augmentation.spectrum(computed, draw, module)


@pytest.mark.parametrize("items", [None, 2])
@pytest.mark.parametrize(
    ("name", "kind", "turn"), [("foa", "logmel_intensity", "rotate"), ("mic", "salsa_lite", "swap")]
)
def test_the_same_generator_gives_the_same_and_inputs_stay(name, kind, turn, items):
    array = find_array(name)
    module = build_features(FeatureConfig(kind=kind, array=name))
    augmentation = Augmentation(AugmentationConfig(turn=turn, **ALL), array)
    before = segment(array, items)
    kept = Segment(*(part.clone() for part in before))
    results = [vary(augmentation, before, module, seed) for seed in (5, 5, 6)]
    assert all(torch.equal(one, other) for one, other in zip(before, kept, strict=True))
    (one, one_features), (again, again_features), (other, _) = results
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert torch.equal(one_features, again_features)
    assert not torch.equal(one.signal, other.signal)
    assert [part.shape for part in one] == [part.shape for part in before]


def test_features_from_a_cache_come_from_their_references_and_stay_in_it():
    module = build_features(FeatureConfig())
    before = segment(ARRAYS["foa"], items=4)
    features = module(before.signal)
    kept = features.clone()
    config = AugmentationConfig(shift_bands=3)
    for items in (slice(None), 0):  # a batch, and one
        given = (features[items], before.doa[items], before.active[items])
        after = Augmentation(config, ARRAYS["foa"]).features(*given, np.random.default_rng(2), module)
        assert [part.shape for part in after] == [part.shape for part in given]
        intensity = after.signal[..., 4:7, :, :].mean((-1, -2))
        torch.testing.assert_close(intensity, after.doa[..., 0, 0, :], atol=1e-2, rtol=0)
    assert torch.equal(features, kept)


def test_each_item_of_a_batch_is_varied_on_its_own():
    after = Augmentation(AugmentationConfig(), ARRAYS["foa"]).audio(
        *segment(ARRAYS["foa"], items=64), np.random.default_rng(0)
    )
    assert len(after.doa[:, 0, 0].round(decimals=3).unique(dim=0)) > 30
    loudness = after.signal[:, 0].square().mean(1)
    gains_db = 10 * (loudness / segment(ARRAYS["foa"]).signal[0].square().mean()).log10()
    assert gains_db.abs().max() <= 6 and gains_db.std() == pytest.approx(12 / 12**0.5, abs=0.6)


@pytest.mark.parametrize(("name", "turn"), [("foa", "rotate"), ("foa", "swap"), ("mic", "swap")])
def test_all_that_is_heard_comes_from_the_references(name, turn):
    """Turned, reverberant, noisy, louder: the direction is measured again."""
    array = find_array(name)
    config = AugmentationConfig(
        turn=turn, reverberation=1.0, reverberation_db=(-12.0, -9.0), noise=1.0, noise_snr_db=(15.0, 20.0)
    )
    after = Augmentation(config, array).audio(*segment(array, items=5, frames=5), np.random.default_rng(4))
    angles = []
    for audio, doa in zip(after.signal, after.doa[:, 0, 0], strict=True):
        measured = intensity_direction(audio) if name == "foa" else beam_direction(array, audio)
        angles.append(angle_deg(measured, doa))
    assert np.mean(angles) < 6 and np.max(angles) < 12


@pytest.mark.parametrize(("name", "kind"), [("foa", "salsa"), ("mic", "logmel_gcc"), ("respeaker_6", "phase")])
def test_silence_stays_finite(name, kind):
    array = find_array(name)
    module = build_features(FeatureConfig(kind=kind, array=name))
    options = ALL | {"mix": 1.0, "reverberation": 1.0, "noise": 1.0, "shift_bands": 0}
    silent = segment(array)
    silent = Segment(torch.zeros_like(silent.signal), silent.doa, torch.zeros_like(silent.active))
    after, features = vary(Augmentation(AugmentationConfig(**options), array), silent, module, seed=0)
    assert after.signal.abs().max() == 0 and not after.active.any()
    assert features.isfinite().all() and after.doa.isfinite().all()


def test_no_strength_changes_nothing():
    module = build_features(FeatureConfig())
    before = segment(ARRAYS["foa"], items=2)
    augmentation = Augmentation(OFF, ARRAYS["foa"])
    after = augmentation.audio(*before, np.random.default_rng(0))
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    features = module(before.signal)
    same = augmentation.features(features, *before[1:], np.random.default_rng(0), module)
    assert all(torch.equal(one, other) for one, other in zip((features, *before[1:]), same, strict=True))


def test_what_needs_audio_is_refused_for_cached_features():
    module = build_features(FeatureConfig())
    augmentation = Augmentation(AugmentationConfig(turn="rotate", mix=0.5, noise=0.1), ARRAYS["foa"])
    augmentation.check(module, cached=False)
    with pytest.raises(ValueError, match=r"augmentation.turn, augmentation.mix, augmentation.noise"):
        augmentation.check(module, cached=True)
    before = segment(ARRAYS["foa"])
    with pytest.raises(ValueError, match=r"not cached, for augmentation.turn"):
        augmentation.features(module(before.signal.unsqueeze(0))[0], *before[1:], np.random.default_rng(0), module)


def test_audio_of_another_array_is_refused():
    with pytest.raises(ValueError, match="audio must have 6 channels, got 4"):
        Augmentation(OFF, find_array("respeaker_6")).audio(*segment(ARRAYS["foa"]), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"turn": "spin"}, "augmentation.turn must be off, swap or rotate, got spin"),
        ({"level_db": -1.0}, "augmentation.level_db must be at least 0, got -1.0"),
        ({"mix": 1.5}, "augmentation.mix must be from 0 to 1, got 1.5"),
        ({"noise": float("nan")}, "augmentation.noise must be from 0 to 1, got nan"),
        ({"time_mask_s": 0.0}, "augmentation.time_mask_s must be above 0"),
        ({"frequency_mask_bands": 0}, "augmentation.frequency_mask_bands must be at least 1"),
        ({"noise_snr_db": (30.0, 10.0)}, r"augmentation.noise_snr_db must be two numbers from -20 to 100, the smaller"),
        ({"reverberation_rt60_s": (0.0, 1.0)}, "augmentation.reverberation_rt60_s must be two numbers from 0.05 to 5"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        AugmentationConfig(**options)


@pytest.mark.cuda
@pytest.mark.parametrize("name", ["foa", "mic"])
def test_batches_are_varied_on_the_gpu(name):
    array = find_array(name)
    kind = "logmel_intensity" if name == "foa" else "logmel_gcc"
    module = build_features(FeatureConfig(kind=kind, array=name)).cuda()
    config = AugmentationConfig(**ALL | {"mix": 1.0, "reverberation": 1.0, "noise": 1.0, "noise_snr_db": (20.0, 30.0)})
    before = Segment(*(part.cuda() for part in segment(array, items=4)))
    _, features = vary(Augmentation(config, array), before, module, seed=0)
    assert features.is_cuda and features.isfinite().all()
    turned = Augmentation(AugmentationConfig(), array).audio(*before, np.random.default_rng(0))
    here = Augmentation(AugmentationConfig(), array).audio(*(part.cpu() for part in before), np.random.default_rng(0))
    for there, expected in zip(turned, here, strict=True):
        torch.testing.assert_close(there.cpu(), expected)
