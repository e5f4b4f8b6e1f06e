import librosa
import numpy as np
import pytest
import torch

from seld.features import LEVEL_CENTRE_DB, LEVEL_SPREAD_DB, FeatureConfig, LogMelIntensity, turn_features
from seld.geometry import axis_symmetries, unit_from_degrees


def plane_wave(azimuth, elevation, seconds=1.0, seed=0):
    """White noise from one direction, FOA in ACN order with SN3D scaling."""
    x, y, z = unit_from_degrees(azimuth, elevation)
    source = np.random.default_rng(seed).standard_normal(round(24000 * seconds)) * 0.1
    return torch.tensor(np.stack([source, y * source, z * source, x * source]), dtype=torch.float32)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (90, 0), (-135, 40), (10, -80)])
def test_intensity_of_a_plane_wave_is_its_unit_vector(azimuth, elevation):
    features = LogMelIntensity()(plane_wave(azimuth, elevation).unsqueeze(0))[0]
    direction = torch.tensor(unit_from_degrees(azimuth, elevation), dtype=torch.float32)
    torch.testing.assert_close(features[4:7], direction[:, None, None].expand(3, 50, 64), rtol=0, atol=1e-4)


def test_intensity_of_a_diffuse_field_is_small():
    audio = torch.randn(1, 4, 240000, generator=torch.Generator().manual_seed(0))
    audio[:, 1:] /= 3**0.5
    assert LogMelIntensity()(audio)[0, 4:7].mean((1, 2)).abs().max() < 0.01


def test_direct_intensity_counts_onsets_and_not_what_follows_them():
    """A burst, then the same from elsewhere 20 dB softer (an echo), then again as loud as the burst."""
    burst, echo = plane_wave(90, 0, seconds=0.2), plane_wave(-90, 0, seconds=0.2, seed=1)
    audio = torch.cat([burst, 0.1 * echo, burst, echo], -1).unsqueeze(0)
    direct = LogMelIntensity()(audio)[0, 7:].mean(-1)
    left = direct[1]
    assert left[2:8].min() > 0.1  # noise fluctuates: not every bin is louder than what it was before
    assert left[12:18].abs().max() < 0.01
    assert left[32:38].max() < -0.05


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


def test_frames_lie_inside_their_label_frame():
    audio = torch.zeros(1, 4, 24000)
    audio[..., 2400 * 3 : 2400 * 4] = torch.randn(2400, generator=torch.Generator().manual_seed(0))
    level = LogMelIntensity()(audio)[0, 0].mean(-1)
    loud = (level > level.max() - 0.2).nonzero().flatten().tolist()
    assert loud == [15, 16, 17, 18, 19]


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (2400, 1), (2401, 2), (24000, 10)])
def test_every_started_label_frame_is_covered(samples, frames):
    features = LogMelIntensity()
    assert features.label_frames(samples) == frames
    assert features(torch.zeros(2, 4, samples)).shape == (2, 10, 5 * frames, 64)


def test_silence_is_finite():
    assert LogMelIntensity()(torch.zeros(1, 4, 4800)).isfinite().all()


@pytest.mark.parametrize("index", [0, 7, 25, 47])
def test_turned_features_are_those_of_the_turned_scene(index):
    rotation = axis_symmetries()[index]
    audio = plane_wave(33, 21) + plane_wave(-120, -50, seed=1)
    turned = audio.clone()
    turned[[3, 1, 2]] = torch.tensor(rotation, dtype=torch.float32) @ audio[[3, 1, 2]]
    compute = LogMelIntensity()
    matrix = torch.tensor(rotation, dtype=torch.float32).unsqueeze(0)
    expected = compute(turned.unsqueeze(0))
    torch.testing.assert_close(turn_features(compute(audio.unsqueeze(0)), matrix), expected, rtol=0, atol=1e-4)


def test_impossible_resolutions_are_refused():
    with pytest.raises(ValueError, match=r"features.frames_per_label must divide 2400 samples, got 7"):
        FeatureConfig(frames_per_label=7)
    with pytest.raises(ValueError, match="hop <= window <= fft, got 480, 960 and 512"):
        FeatureConfig(fft=512)
