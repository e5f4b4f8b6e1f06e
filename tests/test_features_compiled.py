"""Features by compiled loops and by tensors, and the published extractions, against each other."""

import feature_peers as peers
import numpy as np
import pytest
import torch

from seld.audio import write_audio
from seld.features import FeatureConfig, LogMelIntensity, build_features, gcc, spectrogram
from seld.features.spectrogram import MelBank


def recordings(seconds=4.5, channels=4):
    """Two, of several blocks: noise with a silence in it; noise of changing level, one channel loud, one dead."""
    audio = 0.1 * torch.randn(2, channels, round(24000 * seconds), generator=torch.Generator().manual_seed(0))
    audio[0, :, 30000:60000] = 0
    audio[1] *= torch.linspace(-4, 0, audio.shape[-1]).exp()
    audio[1, -2] *= 1e4
    audio[1, -1] = 0
    return audio


@pytest.mark.parametrize(
    "options",
    [
        {}, {"direct": False}, {"intensity": "dcase"}, {"intensity": "dcase", "direct": False}, {"mel_bands": 5},
        {"fft": 2048, "window": 1501, "frames_per_label": 4},
    ],
    ids=str,
)  # fmt: skip
def test_compiled_loops_and_tensors_give_the_same_features(options, monkeypatch):
    compute, audio = LogMelIntensity(FeatureConfig(**options)), recordings()
    by_tensors = compute(audio.clone().requires_grad_())
    assert by_tensors.requires_grad
    monkeypatch.setattr(LogMelIntensity, "_bins", None)  # only the compiled ones are left
    torch.testing.assert_close(compute(audio), by_tensors.detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("array", ["mic", "binaural", "respeaker_6"])
@pytest.mark.parametrize(
    ("options", "seconds"),
    [({}, 4.5), ({"mel_bands": 5}, 0.2), ({"fft": 4096, "window": 2500, "frames_per_label": 1}, 0.01)],
    ids=str,
)
def test_correlations_by_compiled_loops_are_those_by_tensors(array, options, seconds, monkeypatch):
    compute = build_features(FeatureConfig(kind="logmel_gcc", array=array, **options))
    audio = recordings(seconds, compute.inputs)
    by_tensors = compute(audio.clone().requires_grad_())
    assert by_tensors.requires_grad
    monkeypatch.setattr(gcc, "cross_spectra", None)
    torch.testing.assert_close(compute(audio), by_tensors.detach(), rtol=0, atol=2e-5)


def test_whitened_spectra_by_hand():
    spectrum = torch.tensor([3 + 4j, -2j, 0, 1e-12]).reshape(1, 4, 1, 1).to(torch.complex64)
    power, cross = gcc.whitened(spectrum)
    torch.testing.assert_close(power.flatten(), torch.tensor([25.0, 4, 0, 1e-24]), rtol=1e-6, atol=0)
    # 4 - 3i over 5 turned by -90 degrees; nothing with silence; what is next to nothing counts little.
    expected = torch.tensor([-0.8 - 0.6j, 0, (0.6 - 0.8j) * 0.01, 0, 0.01j, 0])
    torch.testing.assert_close(cross.flatten(), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*(filterbank|filters)")  # 512 bands are more than bins at low frequencies
@pytest.mark.parametrize("shape", [(1,), (2, 7), (8,), (3, 3), (1, 2, 17)])
@pytest.mark.parametrize(
    "options", [{}, {"mel_bands": 1}, {"mel_bands": 512}, {"fft": 512, "window": 512}, {"fft": 4096, "mel_bands": 40}]
)
def test_bands_are_sums_under_triangles(shape, options, monkeypatch):
    config = FeatureConfig(**options)
    mel, bins = MelBank(config), torch.randn(*shape, config.fft // 2 + 1, generator=torch.Generator().manual_seed(0))
    by_tensors = mel(bins.clone().requires_grad_()).detach()
    monkeypatch.setattr(spectrogram.torch, "cat", None)
    sums = mel(bins)
    torch.testing.assert_close(sums, by_tensors, rtol=0, atol=1e-6)
    expected = bins.double().numpy() @ peers.mel_bank(config.fft, config.mel_bands)
    np.testing.assert_allclose(sums.numpy(), expected, rtol=0, atol=1e-5)


def test_double_precision_is_kept():
    compute, audio = LogMelIntensity().double(), recordings(0.5)
    torch.testing.assert_close(compute(audio.double()).float(), LogMelIntensity()(audio), rtol=0, atol=1e-4)
    assert compute(audio.double()).dtype == torch.float64


def test_features_are_those_of_the_scenes_alone_whatever_was_computed_before():
    """What is remembered of one recording must not be heard in the next."""
    compute, audio = LogMelIntensity(), recordings(2.5)
    first = compute(audio[1:])
    compute(100 * audio)
    torch.testing.assert_close(compute(audio[1:]), first, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["foa", "mic"])
def test_the_published_extractions_differ_in_time_only(name, tmp_path):
    path, bank = tmp_path / f"{name}.wav", peers.mel_bank()
    write_audio(path, recordings(0.5)[0])
    plain, *others = (peers.extract(path, bank, script) for script in peers.SCRIPTS.values())
    for other in others:
        np.testing.assert_allclose(other, plain, rtol=0, atol=1e-5)
