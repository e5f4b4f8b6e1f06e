"""Features of microphone arrays: equal to the papers' equations, and directions can be told from them."""

import feature_peers as peers
import numpy as np
import pytest
import torch
from plane_waves import plane_waves, turned

from seld.arrays import ARRAYS, Array, find_array
from seld.features import LEVEL_CENTRE_DB, LEVEL_SPREAD_DB, FeatureConfig, LogMelGcc, build_features
from seld.features.bins import aliasing_hz
from seld.features.gcc import GAIN
from seld.geometry import unit_from_degrees

SALSA = {"fft": 512, "window": 512, "frames_per_label": 8}  # of the papers
DIRECTION = unit_from_degrees(-50, 25)
# The corners of a cube, some of them; half a sample of delay is 3 degrees here.
WIDE = Array("wide", "open", positions_m=((0.1, 0.1, 0.1), (0.1, -0.1, -0.1), (-0.1, 0.1, -0.1), (-0.1, -0.1, 0.1)))
SMALL = Array("small", "open", positions_m=tuple(tuple(0.2 * x for x in position) for position in WIDE.positions_m))


def noise(channels=4, seconds=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(channels, round(24000 * seconds), generator=generator)


def scene(array, seconds=2.0, noise_db=-20.0):
    """Two waves one after the other, with pauses, in noise: bins that pass the tests of SALSA and bins that do not."""
    audio = plane_waves(array, unit_from_degrees(70, -10), seconds)
    other = plane_waves(array, DIRECTION, seconds, seed=1)
    samples = audio.shape[-1]
    audio[:, : samples // 4] = 0
    other[:, : samples // 2] = 0
    audio[:, samples * 3 // 4 :] = 0
    return audio + other + 10 ** (noise_db / 20) * noise(len(audio), seconds, seed=2)


def spectra(compute, audio):
    return compute.spectrum(audio.unsqueeze(0))[0].to(torch.complex128).numpy()


def decibels(level):
    return level.double().numpy() * LEVEL_SPREAD_DB + LEVEL_CENTRE_DB


@pytest.mark.parametrize("array", ["mic", "respeaker_4", "binaural"])
@pytest.mark.parametrize("bands", [64, 40])
def test_gcc_is_that_of_the_baselines(array, bands):
    compute = build_features(FeatureConfig(kind="logmel_gcc", array=array, mel_bands=bands))
    for audio in (noise(compute.inputs), noise(1).expand(compute.inputs, -1)):
        features, spectrum = compute(audio.unsqueeze(0))[0], spectra(compute, audio)
        level = peers.log_mel(spectrum, peers.mel_bank(bands=bands), top_db=None)
        np.testing.assert_allclose(decibels(features[: compute.inputs]), level, atol=1e-4)
        published = peers.gcc_phat(spectrum, bands)
        np.testing.assert_allclose(features[compute.inputs :].numpy() / GAIN, published, atol=1e-5)


def test_gcc_peaks_at_the_delay():
    source = noise(1, seconds=0.5)[0]
    audio = torch.stack([source, source.roll(7), source.roll(-3)])
    array = Array("three", "open", positions_m=((0, 0, 0), (0.1, 0, 0), (0, 0.1, 0)))
    features = LogMelGcc(FeatureConfig(kind="logmel_gcc"), array)(audio.unsqueeze(0))[0, 3:, 2:-2].mean(1)
    assert (features.argmax(-1) - 32).tolist() == [7, -3, -10]
    assert features.max() > 0.8 * GAIN


def test_a_silent_channel_has_no_correlation():
    audio = noise()
    audio[2] = 0
    compute = build_features(FeatureConfig(kind="logmel_gcc", array="mic"))
    correlation = compute(audio.unsqueeze(0))[0, 4:]
    dead = [2 in pair for pair in ARRAYS["mic"].pairs]
    assert (correlation.abs().amax((1, 2)) == 0).tolist() == dead


@pytest.mark.parametrize("array", ["mic", "respeaker_6"])
def test_salsa_lite_is_that_of_the_paper(array):
    compute = build_features(FeatureConfig(kind="salsa_lite", array=array, spatial_hz=2000.0, **SALSA))
    for audio in (noise(compute.inputs), plane_waves(compute.array, DIRECTION)):
        features, spectrum = compute(audio.unsqueeze(0))[0], spectra(compute, audio)
        assert features.shape[-1] == 191
        level, distance = features[: compute.inputs], features[compute.inputs :].double().numpy() * compute.unit_m
        np.testing.assert_allclose(decibels(level), peers.log_linear(spectrum)[..., 1:192], atol=1e-3)
        published = peers.salsa_lite(spectrum, 512, upper=42)[..., 1:192]
        # Phases of -pi and pi are the same.
        turn = np.where(np.arange(1, 192) < 42, 343.0 * 512 / 24000 / np.arange(1, 192), 1.0)
        difference = distance - published
        np.testing.assert_allclose(difference - turn * np.round(difference / turn), 0, atol=1e-4)
        assert (np.abs(difference) > 1e-4).mean() < 1e-4


@pytest.mark.parametrize(("kind", "options"), [("salsa_lite", {}), ("salsa", {})])
def test_distances_to_the_source_give_its_direction(kind, options):
    compute = build_features(FeatureConfig(kind=kind, **SALSA, **options), SMALL)
    features = compute(scene(SMALL, noise_db=-40.0).unsqueeze(0))[0, 4:]
    cells = features[:, 130:].flatten(1).T * compute.unit_m  # after 1.6 s the second source alone sounds
    cells = cells[cells.abs().sum(-1) > 0].double()
    across = torch.tensor(SMALL.positions[:1] - SMALL.positions[1:])
    estimate = torch.linalg.lstsq(across.expand(1, 3, 3), cells.median(0).values.reshape(1, 3, 1)).solution[0, :, 0]
    np.testing.assert_allclose(estimate.numpy(), DIRECTION, atol=0.02)


@pytest.mark.parametrize("array", ["foa", "mic"])
@pytest.mark.parametrize("loop", [False, True])
def test_salsa_is_that_of_the_paper(array, loop):
    compute = build_features(FeatureConfig(kind="salsa", array=array, **SALSA))
    upper = {"foa": 192, "mic": 85}[array]
    audio = scene(compute.array, seconds=0.8 if loop else 3.0)
    features, spectrum = compute(audio.unsqueeze(0))[0], spectra(compute, audio)
    order = [0, 2, 3, 1] if array == "foa" else [0, 1, 2, 3]  # ours is W, X, Y, Z
    np.testing.assert_allclose(decibels(features[:4][order]), peers.compressed(spectrum, 1, 192), atol=1e-3)
    assert features.shape[-1] == 200
    published = peers.salsa(spectrum[..., 1:upper], fft=None if array == "foa" else 512, loop=loop)
    cue = features[4:].double().numpy()
    cue = cue[[1, 2, 0]] if array == "foa" else cue * compute.unit_m
    assert (cue[..., upper - 1 :] == 0).all()
    cue = cue[..., : upper - 1]
    passed, expected = (cue != 0).any(0), (published != 0).any(0)
    assert 0.05 < expected.mean() < 0.8
    assert (passed != expected).mean() < 1e-4  # of cells at the very edge of a test
    both = passed & expected
    difference = (cue - published)[:, both]
    if array == "mic":
        turn = (343.0 * 512 / 24000 / np.arange(1, upper))[np.nonzero(both)[1]]
        difference = difference - turn * np.round(difference / turn)
    np.testing.assert_allclose(difference, 0, atol=1e-4)


def test_eigenvectors_of_ambisonics_point_to_the_source():
    compute = build_features(FeatureConfig(kind="salsa", **SALSA))
    vectors = compute(scene(ARRAYS["foa"]).unsqueeze(0))[0, 4:, 130:].flatten(1)
    vectors = vectors[:, vectors.abs().sum(0) > 0]
    assert vectors.shape[1] > 500
    torch.testing.assert_close(vectors.norm(dim=0), torch.ones(vectors.shape[1]), rtol=0, atol=1e-4)
    assert (torch.tensor(DIRECTION, dtype=torch.float32) @ vectors).quantile(0.1) > 0.97


def test_salsa_leaves_out_noise_that_stays_and_bins_of_two_sources():
    compute = build_features(FeatureConfig(kind="salsa", **SALSA))
    foa = ARRAYS["foa"]
    both = plane_waves(foa, unit_from_degrees(90, 0)) + plane_waves(foa, unit_from_degrees(-90, 0), seed=1)
    one = plane_waves(foa, unit_from_degrees(90, 0))
    share = [(compute(audio.unsqueeze(0))[0, 4:, 10:, :191] != 0).any(0).float().mean() for audio in (both, one)]
    assert share[0] < 0.5 * share[1]
    # Steady noise of one direction is learned as the floor, and its sound is not heard any more.
    steady = compute(plane_waves(foa, DIRECTION, seconds=20).unsqueeze(0))[0, 4:, :, :191].ne(0).any(0).float().mean(1)
    assert steady[-200:].mean() < 0.5 * steady[20:60].mean()


def test_salsa_of_microphones_turns_where_both_hear_the_bin():
    compute = build_features(FeatureConfig(kind="salsa", array="mic", **SALSA))
    audio = scene(ARRAYS["mic"], seconds=1.0)
    features = compute(audio.unsqueeze(0))
    for symmetry in compute.array.symmetries()[::5]:
        expected = compute(turned(audio, symmetry).unsqueeze(0))
        found = compute.turn(features, [symmetry])
        torch.testing.assert_close(found[:, :4], expected[:, :4], rtol=0, atol=1e-4)
        heard = [cells[:, 4:].ne(0).any(1, keepdim=True) for cells in (found, expected)]
        assert (heard[0] != heard[1]).float().mean() < 0.02
        difference = ((found - expected)[:, 4:] * (heard[0] & heard[1])).abs()
        assert (difference > 1e-3).float().mean() < 1e-3  # phases at half a turn


@pytest.mark.parametrize("array", ["mic", "respeaker_4"])
def test_phases_are_those_of_the_cross_spectra(array):
    compute = build_features(FeatureConfig(kind="phase", array=array))
    audio = noise(compute.inputs)
    features, spectrum = compute(audio.unsqueeze(0))[0].double().numpy(), spectra(compute, audio)
    bins = compute.bins
    assert (bins.lowest, bins.cutoff, bins.upper) == (2, 384, int(aliasing_hz(compute.array) * 1024 / 24000))
    sine, cosine = np.split(features[4:], 2)
    for index, (i, j) in enumerate(compute.array.pairs):
        angle = np.angle(spectrum[j] / spectrum[i])[:, 2:384]
        for found, expected in ((sine[index], np.sin(angle)), (cosine[index], np.cos(angle))):
            np.testing.assert_allclose(found[:, : bins.upper - 2], expected[:, : bins.upper - 2], atol=1e-4)
            assert (found[:, bins.upper - 2 :] == 0).all()


def candidates():
    """Directions 5 degrees apart or less, the true one not among them."""
    azimuth, elevation = np.meshgrid(np.arange(-178, 180, 4), np.arange(-88, 90, 4))
    return unit_from_degrees(azimuth.ravel(), elevation.ravel())


def test_delays_tell_the_direction_from_phases():
    compute = build_features(FeatureConfig(kind="phase"), SMALL)
    sine, cosine = compute(plane_waves(SMALL, DIRECTION).unsqueeze(0))[0, 4:].mean(1).double().numpy().reshape(2, 6, -1)
    frequency = np.arange(compute.bins.lowest, compute.bins.upper) * 24000 / 1024
    phase = -2 * np.pi * compute.delays(candidates())[..., None] * frequency
    used = slice(0, len(frequency))
    match = (np.sin(phase) * sine[:, used] + np.cos(phase) * cosine[:, used]).mean((1, 2))
    assert candidates()[match.argmax()] @ DIRECTION > np.cos(np.deg2rad(4))
    assert match.max() > 0.95


def test_delays_tell_the_direction_from_correlations():
    compute = build_features(FeatureConfig(kind="logmel_gcc"), WIDE)
    correlation = compute(plane_waves(WIDE, DIRECTION).unsqueeze(0))[0, 4:].mean(1).numpy()
    delays = build_features(FeatureConfig(kind="phase"), WIDE).delays(candidates()) * 24000
    lag = np.floor(delays).astype(int)
    part = delays - lag
    pair = np.arange(6)
    match = ((1 - part) * correlation[pair, lag + 32] + part * correlation[pair, lag + 33]).sum(1)
    assert candidates()[match.argmax()] @ DIRECTION > np.cos(np.deg2rad(5))


def test_delays_by_hand():
    array = Array("pair", "open", positions_m=((0, 0.1, 0), (0, -0.1, 0)))
    compute = build_features(FeatureConfig(kind="phase"), array)
    # From the left the left microphone, which is the first, hears 20 cm earlier.
    np.testing.assert_allclose(compute.delays([[0, 1, 0], [1, 0, 0], [0, -1, 0]])[:, 0] * 343, [0.2, 0, -0.2])
    assert aliasing_hz(array) == pytest.approx(343 / 0.4)


def test_limits_are_those_of_the_papers():
    limits = {
        (kind, array): build_features(FeatureConfig(kind=kind, array=array, **SALSA)).bins.spatial_hz
        for kind, array in [("salsa", "foa"), ("salsa", "mic"), ("salsa_lite", "mic"), ("phase", "mic")]
    }
    assert list(limits.values())[:3] == [9000, 4000, 2000]
    assert limits["phase", "mic"] == pytest.approx(343 / (2 * 2 * 0.042 * np.cos(np.deg2rad(35)) * 1), rel=0.05)
    assert build_features(FeatureConfig(kind="salsa_lite", array="binaural", spatial_hz=1500.0)).bins.spatial_hz == 1500
    assert find_array("mic").name == "mic"
