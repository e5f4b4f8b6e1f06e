"""Scenes heard by microphones: delays, levels and coherence, measured on the signals and against FOA."""

import numpy as np
import pytest

from seld.arrays import ARRAYS, SPEED_OF_SOUND, Array, diffuse_coherence, find_array, steering
from seld.audio import SAMPLE_RATE
from seld.geometry import unit_from_degrees
from seld.scenes import SceneConfig
from seld.scenes.drawing import draw_scene
from seld.scenes.events import SyntheticEvents
from seld.scenes.mixing import mix
from seld.scenes.noise import diffuse_noise
from seld.scenes.rendering import Wet, render
from seld.scenes.rooms import Path, Room, draw_path, draw_room
from seld.scenes.writing import to_file

FOA, MIC = ARRAYS["foa"], ARRAYS["mic"]
OPEN = Array("corner", "open", ((0.0, 0.0, 0.0), (0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.0, 0.0, 0.1)))
LONG = Array("long", "open", ((0.3, 0.0, 0.0), (-0.3, 0.0, 0.0)))
ANECHOIC = Room(np.full(3, 60.0), np.full(3, 30.0), 37.0, np.array([0.01, 0.01]), np.ones(6))
SIZE = 8192
FREQUENCY = np.fft.rfftfreq(SIZE, 1 / SAMPLE_RATE)


def burst() -> np.ndarray:
    """Noise with silence around it, so that nothing of it is cut off."""
    dry = np.zeros(4096, dtype=np.float32)
    dry[1024:3072] = np.random.default_rng(0).standard_normal(2048) * np.hanning(2048)
    return dry


def hear(direction: np.ndarray, distance: float, arrays: list[Array], moving: bool = False) -> list[np.ndarray]:
    """Transfer functions (channels, frequencies) from W to each array, for a source in a room without walls."""
    position = ANECHOIC.positions(direction, distance)
    points = np.stack([position, position]) if moving else position[None]
    path = Path("line" if moving else "static", points, len(burst()) / SAMPLE_RATE)
    foa, *wets = render(np.random.default_rng(0), burst(), ANECHOIC, path, [FOA, *arrays])
    return [spectrum(wet) / spectrum(foa)[0] for wet in wets]


def spectrum(wet: Wet) -> np.ndarray:
    return np.fft.rfft(wet.audio, SIZE) * np.exp(2j * np.pi * FREQUENCY / SAMPLE_RATE * wet.lead)


@pytest.mark.parametrize("moving", [False, True], ids=["static", "moving"])
@pytest.mark.parametrize("array", [MIC, OPEN, find_array("respeaker_6")], ids=lambda array: array.name)
def test_a_far_source_is_the_plane_wave_of_the_array(array, moving):
    """The steering of plane waves is another implementation; below 6 kHz, where the kernels are made for."""
    band = (FREQUENCY > 200) & (FREQUENCY < 6000)
    for azimuth, elevation in [(0, 0), (45, 35), (-120, -50), (10, 90)]:
        direction = unit_from_degrees(azimuth, elevation)
        (heard,) = hear(direction, 25.0, [array], moving)
        expected = steering(array, direction[None], FREQUENCY[band])[:, 0].T
        assert np.abs(heard[:, band] - expected).max() < 0.06


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (80, 20), (-150, -40), (30, 80)])
def test_delays_between_open_microphones_give_the_direction_back(azimuth, elevation):
    direction = unit_from_degrees(azimuth, elevation)
    (heard,) = hear(direction, 25.0, [OPEN])
    band = (FREQUENCY > 100) & (FREQUENCY < 1500)  # where no phase wraps over 10 cm
    slope = np.angle(heard[1:, band] / heard[0, band]) @ FREQUENCY[band] / (FREQUENCY[band] @ FREQUENCY[band])
    found = slope / (2 * np.pi) * SPEED_OF_SOUND / 0.1
    assert np.degrees(np.arccos(found @ direction / np.linalg.norm(found))) < 0.5


def test_a_rigid_sphere_is_louder_in_front_and_shades_behind_at_high_frequencies():
    """Known by hand: nothing at wavelengths far above the sphere, pressure doubling in front far below it."""
    radius = 0.042
    places = radius * unit_from_degrees(np.array([0.0, 150.0]), np.zeros(2))
    (heard,) = hear(np.array([1.0, 0, 0]), 25.0, [Array("ball", "sphere", tuple(map(tuple, places)), radius)])
    level_db = 20 * np.log10(np.abs(heard))
    low, high = (FREQUENCY > 60) & (FREQUENCY < 150), (FREQUENCY > 7000) & (FREQUENCY < 10_000)
    assert np.abs(level_db[:, low]).max() < 0.3
    assert level_db[0, high].mean() == pytest.approx(6.0, abs=0.7)
    assert level_db[1, high].mean() < -3.0
    group_delay = -np.gradient(np.unwrap(np.angle(heard[0])), 2 * np.pi * FREQUENCY)
    assert group_delay[high].mean() == pytest.approx(-radius / SPEED_OF_SOUND, rel=0.05)


def test_a_near_source_is_as_loud_and_as_early_as_its_distance_from_each_microphone_says():
    band = (FREQUENCY > 200) & (FREQUENCY < 5000)
    for moving in (False, True):
        (heard,) = hear(np.array([1.0, 0.0, 0.0]), 1.0, [LONG], moving)
        np.testing.assert_allclose(np.abs(heard[:, band]).mean(axis=1), [1 / 0.7, 1 / 1.3], rtol=0.01)
        slope = np.unwrap(np.angle(heard[:, band])) @ FREQUENCY[band] / (FREQUENCY[band] @ FREQUENCY[band])
        np.testing.assert_allclose(slope / (2 * np.pi), [0.3 / 343, -0.3 / 343], rtol=0.01)


def test_a_source_that_moves_past_keeps_the_delays_of_its_place():
    """Halfway along the path the microphones hear what they would hear of a source that stands there."""
    rng = np.random.default_rng(1)
    ends = ANECHOIC.positions(unit_from_degrees(np.array([60.0, -60.0]), np.array([10.0, 10.0])), 2.0)
    dry = rng.standard_normal(SAMPLE_RATE, dtype=np.float32)
    path = Path("line", ends, 1.0)
    foa, mic = render(rng, dry, ANECHOIC, path, [FOA, MIC])
    place = path.at(np.array([0.5]))
    direction, distance = ANECHOIC.directions(place[0])
    still_foa, still_mic = render(rng, dry, ANECHOIC, Path("static", place, 1.0), [FOA, MIC])
    window = np.hanning(1024)
    spectra = []
    for wet in (foa, mic, still_foa, still_mic):
        begin = wet.lead + SAMPLE_RATE // 2 - 512
        spectra.append(np.fft.rfft(wet.audio[:, begin : begin + 1024] * window))
    band = slice(10, 150)  # 230 to 3500 Hz
    moved = (spectra[1] * spectra[0][:1].conj())[:, band]
    stood = (spectra[3] * spectra[2][:1].conj())[:, band]
    turn = np.angle((moved * stood.conj()).sum(axis=1))
    np.testing.assert_allclose(turn, 0, atol=0.06)
    assert distance < 2 and direction.shape == (3,)


def test_tails_of_all_arrays_are_one_sound_field():
    """Below 250 Hz an array is a point: what its microphones hear on average is W, in the tail too."""
    rng = np.random.default_rng(3)
    config = SceneConfig(rt60_s=(0.6, 0.6), moving=0.0)
    room = draw_room(rng, config)
    path = draw_path(rng, room, 1.0, config)
    click = np.zeros(240, dtype=np.float32)
    click[0] = 1
    foa, mic, corner = render(rng, click, room, path, [FOA, MIC, OPEN])
    begin, length = round(0.15 * SAMPLE_RATE), 8192
    low = slice(4, 85)  # 12 to 250 Hz
    tail = [np.fft.rfft(wet.audio[:, wet.lead + begin :][:, :length], length)[:, low] for wet in (foa, mic, corner)]
    for heard in (tail[1].mean(axis=0), tail[2][0]):
        error = np.square(np.abs(heard - tail[0][0])).sum() / np.square(np.abs(tail[0][0])).sum()
        assert error < 0.03
    # And it differs between them as the directions of FOA say: along x by the gradient j k d X.
    k = 2 * np.pi * np.fft.rfftfreq(length, 1 / SAMPLE_RATE)[low] / SPEED_OF_SOUND
    gradient = tail[2][1] - tail[2][0]
    expected = 1j * k * 0.1 * tail[0][3]
    assert np.square(np.abs(gradient - expected)).sum() < 0.1 * np.square(np.abs(gradient)).sum()


def test_ambient_noise_has_the_coherence_of_an_isotropic_field_in_and_between_arrays():
    noise = diffuse_noise(np.random.default_rng(3), 30 * SAMPLE_RATE, [MIC, OPEN])
    assert [part.shape[0] for part in noise] == [4, 4, 4]
    channels = np.concatenate(noise)
    frames = np.lib.stride_tricks.sliding_window_view(channels, 512, axis=1)[:, ::256] * np.hanning(512)
    spectra = np.fft.rfft(frames)[..., 1:-1].transpose(2, 0, 1)
    found = spectra @ spectra.conj().swapaxes(1, 2)
    found /= found[:, :1, :1].real
    frequency = np.fft.rfftfreq(512, 1 / SAMPLE_RATE)[1:-1]
    expected = diffuse_coherence([FOA, MIC, OPEN], frequency)
    assert np.sqrt(np.square(np.abs(found - expected)).mean()) < 0.03
    assert np.abs(found - expected).max() < 0.2
    # Known by hand: sin(kd) / kd between microphones in the open, a third of the power in each dipole.
    distance = 2 * frequency / SPEED_OF_SOUND * 0.1
    np.testing.assert_allclose(expected[:, 8, 9], np.sinc(distance), atol=2e-3)
    np.testing.assert_allclose(
        np.diagonal(expected, axis1=1, axis2=2)[:, :4], [[1, 1 / 3, 1 / 3, 1 / 3]] * 255, atol=1e-3
    )


def clip(**options) -> dict[str, np.ndarray]:
    config = SceneConfig(clip_seconds=3.0, **options)
    return mix(draw_scene(np.random.default_rng(5), SyntheticEvents(config), config)).audio


def test_a_format_sounds_the_same_whatever_the_other_formats():
    both, foa, mic = clip(formats=["foa", "mic"]), clip(), clip(formats=["mic"])
    assert both.keys() == {"foa", "mic"}
    np.testing.assert_array_equal(both["foa"], foa["foa"])
    np.testing.assert_array_equal(both["mic"], mic["mic"])


def test_stereo_is_two_cardioids_of_the_same_scene():
    heard = clip(formats=["stereo", "foa"], peak_dbfs=(-12.0, -12.0))
    w, y = heard["foa"][:2]
    np.testing.assert_allclose(heard["stereo"], [w + y, w - y], atol=1e-6)


def test_formats_are_lowered_together_where_one_would_exceed_full_scale():
    heard = clip(formats=["foa", "stereo"], peak_dbfs=(0.0, 0.0))
    assert np.abs(heard["stereo"]).max() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(heard["stereo"][0], heard["foa"][0] + heard["foa"][1], atol=1e-6)


@pytest.mark.parametrize(
    "array",
    [FOA, Array("fuma", "foa", convention="fuma"), Array("six", "open", LONG.positions_m, order=(4, 1), signs=(1, -1))],
    ids=lambda array: array.name,
)
def test_files_hold_what_their_reader_arranges_into_the_array(array):
    audio = np.random.default_rng(0).standard_normal((array.channels, 100)).astype(np.float32)
    written = to_file(array, audio)
    assert len(written) == array.file_channels
    np.testing.assert_allclose(array.arrange(written), audio, atol=1e-6)
