"""Intensity features, and what all kinds of features have in common."""

import feature_peers as peers
import librosa
import numpy as np
import pytest
import torch
from plane_waves import plane_waves, turned

from seld.arrays import ARRAYS, find_array
from seld.features import (
    LEVEL_CENTRE_DB,
    LEVEL_SPREAD_DB,
    FeatureConfig,
    LogMelIntensity,
    build_features,
    turn_features,
)
from seld.geometry import axis_symmetries, unit_from_degrees

KINDS = [
    ("logmel_intensity", "foa"), ("logmel_gcc", "mic"), ("logmel_gcc", "foa"), ("logmel_gcc", "binaural"),
    ("salsa", "foa"), ("salsa", "mic"), ("salsa", "respeaker_6"), ("salsa_lite", "mic"), ("phase", "mic"),
    ("phase", "respeaker_4"), ("logmel_steered", "mic"), ("logmel_steered", "respeaker_6"),
]  # fmt: skip


def plane_wave(azimuth, elevation, seconds=1.0, seed=0):
    """White noise from one direction, FOA in ACN order with SN3D scaling."""
    return plane_waves(ARRAYS["foa"], unit_from_degrees(azimuth, elevation), seconds, seed)


def noise(array, seconds=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(2, find_array(array).channels, round(24000 * seconds), generator=generator)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (90, 0), (-135, 40), (10, -80)])
def test_intensity_of_a_plane_wave_is_its_unit_vector(azimuth, elevation):
    features = LogMelIntensity()(plane_wave(azimuth, elevation).unsqueeze(0))[0]
    direction = torch.tensor(unit_from_degrees(azimuth, elevation), dtype=torch.float32)
    torch.testing.assert_close(features[4:7], direction[:, None, None].expand(3, 50, 64), rtol=0, atol=1e-4)


def test_intensity_of_a_diffuse_field_is_small():
    audio = torch.randn(1, 4, 240000, generator=torch.Generator().manual_seed(0))
    audio[:, 1:] /= 3**0.5
    assert LogMelIntensity()(audio)[0, 4:7].mean((1, 2)).abs().max() < 0.01


@pytest.mark.parametrize("audio", [noise("foa")[0], plane_wave(33, -20)], ids=["noise", "wave"])
def test_dcase_intensity_and_levels_are_those_of_the_baselines(audio):
    compute = LogMelIntensity(FeatureConfig(intensity="dcase", direct=False))
    features = compute(audio.unsqueeze(0))[0].double().numpy()
    spectra, bank = compute.spectrum(audio.unsqueeze(0))[0].to(torch.complex128).numpy(), peers.mel_bank()
    acn = [0, 2, 3, 1]
    level = features[:4][acn] * LEVEL_SPREAD_DB + LEVEL_CENTRE_DB
    np.testing.assert_allclose(level, peers.log_mel(spectra, bank, top_db=None), atol=1e-4)
    # The baselines sum under triangles where we take means.
    published = peers.intensity(spectra, bank)
    np.testing.assert_allclose(features[4:][[1, 2, 0]] * bank.sum(0), published, atol=1e-6)
    np.testing.assert_allclose(features[4:][[1, 2, 0]], published / bank.sum(0), atol=1e-4)


def test_dcase_intensity_of_a_plane_wave_points_to_it():
    direction = unit_from_degrees(-50, 30)
    features = LogMelIntensity(FeatureConfig(intensity="dcase"))(plane_wave(-50, 30).unsqueeze(0))[0]
    expected = torch.tensor(0.75 * direction, dtype=torch.float32)[:, None, None].expand(3, 50, 64)
    torch.testing.assert_close(features[4:7], expected, rtol=0, atol=1e-3)


def test_direct_intensity_counts_onsets_and_not_what_follows_them():
    """A burst, then the same from elsewhere 20 dB softer (an echo), then again as loud as the burst."""
    burst, echo = plane_wave(90, 0, seconds=0.2), plane_wave(-90, 0, seconds=0.2, seed=1)
    audio = torch.cat([burst, 0.1 * echo, burst, echo], -1).unsqueeze(0)
    direct = LogMelIntensity()(audio)[0, 7:].mean(-1)
    left = direct[1]
    assert left[2:8].min() > 0.1  # noise fluctuates: not every bin is louder than what it was before
    assert left[12:18].abs().max() < 0.01
    assert left[32:38].max() < -0.05


@pytest.mark.parametrize(("frames_per_label", "seconds"), [(1, 22), (5, 6)])
def test_direct_intensity_follows_its_definition_across_blocks(frames_per_label, seconds):
    """Decay and directness bin by bin, over a recording of several blocks, whose level changes."""
    config = FeatureConfig(frames_per_label=frames_per_label, window=2400, fft=4096)
    compute = LogMelIntensity(config)
    level = torch.rand(seconds, generator=torch.Generator().manual_seed(1)) ** 3
    audio = noise("foa", seconds=seconds)[:1] * level.repeat_interleave(24000)
    spectra = compute.spectrum(audio)[0].to(torch.complex128).numpy()
    energy = np.maximum((np.abs(spectra) ** 2).sum(0) / 2, 1e-10)
    decay = 10 ** (-6 * config.hop / 24000 / 0.7)
    left, explained = np.zeros_like(energy[0]), np.zeros_like(energy)
    for frame in range(2, len(energy)):
        left = np.maximum(left * decay, energy[frame - 2])
        explained[frame] = left * decay**2 * 10**0.3
    vector = np.real(np.conj(spectra[:1]) * spectra[[3, 1, 2]]) / energy
    directness = np.sqrt((vector**2).sum(0))
    weighted = vector * directness**3 * np.maximum(1 - explained / energy, 0)
    bank = peers.mel_bank(4096)
    expected = weighted @ bank / bank.sum(0)
    np.testing.assert_allclose(compute(audio)[0, 7:].numpy(), expected, atol=1e-4)


def test_level_is_that_of_librosa():
    audio = plane_wave(20, 10)
    features = LogMelIntensity()(audio.unsqueeze(0))[0]
    # Frame k is centred on sample 480 k + 240: librosa's frames on a signal that starts 272 samples earlier.
    padded = np.pad(audio[0].numpy(), (272, 1024))
    mel = librosa.feature.melspectrogram(
        y=padded, sr=24000, n_fft=1024, win_length=960, hop_length=480, n_mels=64, center=False
    )[:, :50]
    expected = (librosa.power_to_db(mel, amin=1e-10, top_db=None) - LEVEL_CENTRE_DB) / LEVEL_SPREAD_DB
    np.testing.assert_allclose(features[0].numpy(), expected.T, atol=1e-3)


@pytest.mark.parametrize(("fft", "window", "frames_per_label"), [(1024, 960, 5), (512, 512, 8), (2048, 1501, 4)])
def test_the_spectrum_is_that_of_torch(fft, window, frames_per_label):
    config = FeatureConfig(fft=fft, window=window, frames_per_label=frames_per_label)
    audio, left = noise("foa", seconds=4.03), (fft - config.hop) // 2
    spectrum = LogMelIntensity(config).spectrum(audio)
    padded = torch.nn.functional.pad(audio, (left, 4800)).flatten(0, 1)
    hann = torch.hann_window(window)
    expected = torch.stft(padded, fft, config.hop, window, hann, center=False, return_complex=True)
    expected = expected.unflatten(0, (2, 4)).transpose(-1, -2)[:, :, : spectrum.shape[2]]
    assert spectrum.shape[2] == 41 * frames_per_label
    torch.testing.assert_close(spectrum, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("kind", "array"), KINDS)
def test_frames_lie_inside_their_label_frame(kind, array):
    audio = torch.zeros(1, find_array(array).channels, 24000)
    audio[..., 2400 * 3 : 2400 * 4] = torch.randn(2400, generator=torch.Generator().manual_seed(0))
    level = build_features(FeatureConfig(kind=kind, array=array))(audio)[0, 0].mean(-1)
    loud = (level > level.max() - 0.2).nonzero().flatten().tolist()
    assert loud == [15, 16, 17, 18, 19]


@pytest.mark.parametrize(("kind", "array"), KINDS)
@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (2400, 1), (2401, 2), (50000, 21)])
def test_every_started_label_frame_is_covered(kind, array, samples, frames):
    features = build_features(FeatureConfig(kind=kind, array=array))
    audio = torch.ones(2, features.inputs, samples)
    assert features.label_frames(samples) == frames
    assert features(audio).shape == (2, features.channels, 5 * frames, features.bands)


@pytest.mark.parametrize(("kind", "array"), KINDS)
def test_silence_dead_channels_and_loud_channels_are_finite(kind, array):
    compute = build_features(FeatureConfig(kind=kind, array=array))
    assert compute(torch.zeros(1, compute.inputs, 4800)).isfinite().all()
    for channel in range(compute.inputs):
        audio = noise(array, seconds=0.3)
        audio[0, channel] = 0
        audio[1, channel] *= 1e4
        audio = audio.requires_grad_()
        features = compute(audio)
        assert features.isfinite().all()
        features.sum().backward()
        assert audio.grad.isfinite().all()


@pytest.mark.parametrize(("kind", "array"), KINDS)
def test_gradients_reach_the_audio_and_are_finite_in_silence(kind, array):
    compute = build_features(FeatureConfig(kind=kind, array=array))
    audio = torch.zeros(1, compute.inputs, 9600)
    audio[..., :4800] = noise(array, seconds=0.2)[:1]
    audio.requires_grad_()
    compute(audio).square().sum().backward()
    assert audio.grad.isfinite().all()
    assert (audio.grad[..., :4800].abs().amax(-1) > 0).all()


@pytest.mark.parametrize(("kind", "array"), KINDS)
def test_recordings_of_a_batch_do_not_touch(kind, array):
    compute = build_features(FeatureConfig(kind=kind, array=array))
    audio = noise(array, seconds=2.5)
    together = compute(audio)
    for item in range(2):
        torch.testing.assert_close(compute(audio[item : item + 1])[0], together[item], rtol=0, atol=1e-5)


@pytest.mark.parametrize("index", [0, 7, 25, 47])
def test_turned_features_are_those_of_the_turned_scene(index):
    rotation = axis_symmetries()[index]
    audio = plane_wave(33, 21) + plane_wave(-120, -50, seed=1)
    moved = audio.clone()
    moved[[3, 1, 2]] = torch.tensor(rotation, dtype=torch.float32) @ audio[[3, 1, 2]]
    compute = LogMelIntensity()
    matrix = torch.tensor(rotation, dtype=torch.float32).unsqueeze(0)
    expected = compute(moved.unsqueeze(0))
    torch.testing.assert_close(turn_features(compute(audio.unsqueeze(0)), matrix), expected, rtol=0, atol=1e-4)


# SALSA of microphones has a test of its own: its magnitude test hears the first channel alone. So has logmel_steered,
# in which rounding decides between directions that fit equally well.
@pytest.mark.parametrize(
    ("kind", "array"),
    [pair for pair in KINDS if pair[0] not in ("salsa", "logmel_steered") or pair == ("salsa", "foa")],
)
def test_every_kind_turns_as_its_array_does(kind, array):
    compute = build_features(FeatureConfig(kind=kind, array=array))
    audio = noise(array, seconds=0.3)[0]
    features = compute(audio.unsqueeze(0))
    symmetries = compute.array.symmetries()
    expected = compute(torch.stack([turned(audio, symmetry) for symmetry in symmetries]))
    found = compute.turn(features.expand(len(symmetries), -1, -1, -1), symmetries)
    if kind == "logmel_gcc":  # lag -32 has no counterpart
        found, expected = found[..., 1:], expected[..., 1:]
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "logmel_intensity", "array": "mic"}, "array must be Ambisonics for logmel_intensity, got mic"),
        ({"kind": "salsa_lite"}, "microphones at different places for salsa_lite, got foa"),
        ({"kind": "phase"}, "microphones at different places for phase, got foa"),
        ({"kind": "phase", "array": "binaural"}, "features.spatial_hz must be given for an array without positions"),
        ({"kind": "salsa", "array": "nothing"}, "array must be a YAML file or one of foa, mic"),
        ({"kind": "mel"}, "features.kind must be one of logmel_intensity, logmel_steered"),
        ({"kind": "salsa", "spatial_hz": 60.0, "fft": 512, "window": 512}, "must leave bins above 50 Hz at fft 512"),
    ],
)  # fmt: skip
def test_features_that_an_array_cannot_have_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_features(FeatureConfig(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames_per_label": 7}, r"features.frames_per_label must divide 2400 samples, got 7"),
        ({"fft": 512}, "hop <= window <= fft, got 480, 960 and 512"),
        ({"mel_bands": 0}, "features.mel_bands must be from 1 to 512, got 0"),
        ({"lowest_hz": 9000.0}, "0 <= lowest_hz < highest_hz <= 12000, got 9000 and 9000"),
        ({"highest_hz": 24000.0}, "lowest_hz < highest_hz <= 12000, got 50 and 24000"),
        ({"spatial_hz": 40.0}, "features.spatial_hz must be above lowest_hz and at most 12000, got 40"),
        ({"signal_ratio": -1.0}, "features.signal_ratio must be >= 0, got -1"),
        ({"coherence_ratio": 1.0}, "features.coherence_ratio must be >= 1.5, got 1"),
    ],
)
def test_impossible_resolutions_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FeatureConfig(**options)


@pytest.mark.parametrize("shape", [(4, 24000), (1, 3, 24000), (1, 4, 0)])
def test_audio_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"audio must be \(batch, 4, samples\), got"):
        LogMelIntensity()(torch.zeros(shape))
