import itertools

import numpy as np
import pytest
import torch

from seld.arrays import (
    ARRAYS,
    CONVENTIONS,
    SPEED_OF_SOUND,
    Array,
    find_array,
    foa_from,
    foa_to,
    foa_turn,
    read_array,
    rotate_foa,
    steering,
    stereo_from_foa,
)
from seld.arrays.reading import CONFIGS
from seld.arrays.steering import rigid_sphere
from seld.geometry import axis_symmetries, degrees_from_unit, unit_from_degrees

EXAMPLES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
LEFT_UP = unit_from_degrees(np.array(90.0), np.array(30.0))  # 0, cos 30, sin 30


def directions(count, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def rotation(seed=0):
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    return matrix * np.sign(np.linalg.det(matrix))


def write(tmp_path, text):
    path = tmp_path / "array.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("acn_sn3d", [1, 0.75**0.5, 0.5, 0]),  # W Y Z X
        ("acn_n3d", [1, 1.5, 0.75**0.5, 0]),
        ("fuma", [0.5**0.5, 0, 0.75**0.5, 0.5]),  # W X Y Z
    ],
)
def test_conventions_of_a_plane_wave_from_the_upper_left(convention, expected, kind):
    x, y, z = LEFT_UP
    audio = kind(np.array([[1.0], [y], [z], [x]]))
    converted = foa_to(audio, convention)
    np.testing.assert_allclose(converted[:, 0], expected, atol=1e-12)
    assert type(converted) is type(audio)
    np.testing.assert_allclose(foa_from(converted, convention), audio, atol=1e-12)


def test_conventions_keep_precision_and_leading_axes():
    audio = torch.randn(2, 3, 4, 10, generator=torch.Generator().manual_seed(0))
    for convention in CONVENTIONS:
        converted = foa_from(audio, convention)
        assert converted.dtype == torch.float32
        torch.testing.assert_close(converted[1, 2], foa_from(audio[1, 2], convention))


def test_a_wrong_convention_and_a_wrong_count_are_named():
    with pytest.raises(ValueError, match="one of acn_sn3d, acn_n3d, fuma, got ambix"):
        foa_from(np.zeros((4, 1)), "ambix")
    with pytest.raises(ValueError, match=r"must be \(\.\.\., 4, samples\), got \(3, 1\)"):
        rotate_foa(np.zeros((3, 1)), np.eye(3))


@pytest.mark.parametrize("mirrored", [1, -1])
def test_a_turned_recording_is_the_recording_of_turned_sources(mirrored):
    turn, sources = rotation() * mirrored, directions(5)
    signal = np.random.default_rng(1).standard_normal((5, 30))
    audio = steering(ARRAYS["foa"], sources, [0.0])[0].real.T @ signal
    expected = steering(ARRAYS["foa"], sources @ turn.T, [0.0])[0].real.T @ signal
    np.testing.assert_allclose(rotate_foa(audio, turn), expected, atol=1e-12)
    turned = rotate_foa(torch.from_numpy(audio).float(), torch.from_numpy(turn))
    np.testing.assert_allclose(turned, expected, atol=1e-5)


def test_rotations_follow_one_another():
    first, second = rotation(0), rotation(1)
    np.testing.assert_allclose(foa_turn(first @ second), foa_turn(first) @ foa_turn(second), atol=1e-12)
    np.testing.assert_allclose(foa_turn(np.stack([first, second]))[1], foa_turn(second))


def test_stereo_hears_the_left_on_the_left():
    x, y, z = LEFT_UP
    audio = np.array([[1.0], [y], [z], [x]])
    np.testing.assert_allclose(stereo_from_foa(audio)[:, 0], [1 + y, 1 - y])
    np.testing.assert_allclose(stereo_from_foa(torch.from_numpy(audio))[:, 0], [1 + y, 1 - y])
    np.testing.assert_allclose(steering(ARRAYS["stereo"], LEFT_UP, [500.0])[0, 0], [1 + y, 1 - y])


def test_the_tetrahedral_array_is_that_of_dcase():
    mic = ARRAYS["mic"]
    azimuth, elevation = degrees_from_unit(mic.positions)
    np.testing.assert_allclose(azimuth, [45, -45, 135, -135])
    np.testing.assert_allclose(elevation, [35, -35, -35, 35])
    np.testing.assert_allclose(np.linalg.norm(mic.positions, axis=1), 0.042)
    assert (mic.folder, mic.channels, len(mic.pairs)) == ("mic_dev", 4, 6)


def test_a_microphone_nearer_to_the_source_hears_it_earlier():
    pair = Array("pair", "open", ((0.1, 0.0, 0.0), (-0.1, 0.0, 0.0)))
    spectrum = steering(pair, [[1.0, 0.0, 0.0]], np.fft.rfftfreq(512, 1 / 24_000))[:, 0]
    response = np.fft.fftshift(np.fft.irfft(spectrum, axis=0), axes=0)
    advance = 256 - response.argmax(0)
    np.testing.assert_allclose(advance, [7, -7])  # 0.1 m are 6.997 samples
    assert pytest.approx(7, abs=0.01) == 0.1 / SPEED_OF_SOUND * 24_000


def test_a_rigid_sphere_at_low_frequencies_is_an_open_one_of_one_and_a_half_times_the_size():
    """1 + 1.5 j k a cos g: the flow around the sphere (Rayleigh; Kuhn, JASA 1977)."""
    cosine = np.linspace(-1, 1, 9)
    ka = np.array([0.0, 1e-3])
    response = rigid_sphere(ka, cosine)
    np.testing.assert_allclose(response[0], 1, atol=1e-8)
    np.testing.assert_allclose(response[1], 1 + 1.5j * ka[1] * cosine, atol=2e-6)


def test_a_rigid_sphere_at_high_frequencies_doubles_the_pressure_in_front():
    """A plane wall does; behind is the bright spot, on the side there is neither wall nor shadow."""
    response = np.abs(rigid_sphere(np.array([200.0]), np.array([1.0, 0.0, np.cos(np.deg2rad(140))])))[0]
    assert response[0] == pytest.approx(2, abs=0.01)
    assert 1 < response[1] < 1.5
    assert response[2] < 0.1


def test_the_series_of_the_rigid_sphere_has_converged():
    cosine, ka = np.linspace(-1, 1, 31), np.array([0.0, 1e-4, 0.1, 1.0, 9.3, 40.0])
    np.testing.assert_allclose(rigid_sphere(ka, cosine), rigid_sphere(ka, cosine, orders=90), atol=1e-8)


def test_the_surface_of_the_rigid_sphere_does_not_move():
    """Incident and scattered wave written out: radial velocity 0 at the surface, their sum the series."""
    from scipy.special import eval_legendre, spherical_jn, spherical_yn

    x, cosine, n = 2.0, np.linspace(-1, 1, 7), np.arange(40)

    def hankel(z, derivative=False):
        return spherical_jn(n, z, derivative) - 1j * spherical_yn(n, z, derivative)

    scattered = -spherical_jn(n, x, True) / hankel(x, True)
    weight = (2 * n + 1) * 1j**n
    legendre = eval_legendre(n[:, None], cosine)

    def pressure(z):
        return (weight * (spherical_jn(n, z) + scattered * hankel(z))) @ legendre

    np.testing.assert_allclose(rigid_sphere(np.array([x]), cosine)[0], pressure(x), atol=1e-10)
    assert np.abs(pressure(x + 1e-4) - pressure(x - 1e-4)).max() / 2e-4 < 1e-3
    incident = (weight * spherical_jn(n, x)) @ legendre
    np.testing.assert_allclose(incident, np.exp(1j * x * cosine), atol=1e-10)


def test_the_sphere_listens_as_reciprocity_says():
    """Turning the wave and the microphone together changes nothing; exchanging them neither."""
    turn, wave, place = rotation(3), directions(1, 4)[0], directions(1, 5)[0] * 0.042

    def response(position, direction):
        others = Array("a", "sphere", (tuple(position), tuple(-position)), 0.042)
        return steering(others, direction, [500.0, 5000.0])[:, 0, 0]

    np.testing.assert_allclose(response(place, wave), response(turn @ place, turn @ wave), atol=1e-12)
    np.testing.assert_allclose(response(place, wave), response(0.042 * wave, place / 0.042), atol=1e-12)


def test_binaural_channels_have_no_steering():
    with pytest.raises(ValueError, match="known positions or gains, got binaural"):
        steering(ARRAYS["binaural"], [[1, 0, 0]], [100.0])


@pytest.mark.parametrize("name", ["foa", "stereo", *EXAMPLES])
def test_symmetries_turn_plane_waves(name):
    array, waves = find_array(name), directions(6)
    frequencies = np.array([100.0, 2000.0, 7000.0])
    recorded = steering(array, waves, frequencies)
    for symmetry in array.symmetries():
        turned = steering(array, waves @ symmetry.rotation.T, frequencies)
        exchanged = recorded[..., symmetry.permutation] * symmetry.signs
        # The hexagon's positions are rounded to a tenth of a millimetre.
        np.testing.assert_allclose(exchanged, turned, atol=0.02)


def test_symmetries_of_the_tetrahedron_are_close_and_eight_are_exact():
    mic, waves = ARRAYS["mic"], directions(6)
    recorded = steering(mic, waves, [3000.0])
    error = []
    for symmetry in mic.symmetries():
        turned = steering(mic, waves @ symmetry.rotation.T, [3000.0])
        error.append(np.abs(recorded[..., symmetry.permutation] - turned).max())
    assert sorted(error)[7] < 1e-9
    assert max(error) < 0.05
    assert len(mic.symmetries(tolerance=1e-6)) == 8


@pytest.mark.parametrize(
    ("name", "symmetries", "permutations"),
    [("foa", 48, 6), ("mic", 24, 24), ("stereo", 16, 2), ("binaural", 2, 2), ("respeaker_4", 16, 8),
     ("respeaker_6", 24, 12), ("square", 16, 8), ("line", 8, 2)],
)  # fmt: skip
def test_counts_of_symmetries(name, symmetries, permutations):
    found = find_array(name).symmetries()
    np.testing.assert_allclose(found[0].rotation, np.eye(3), atol=1e-9)
    np.testing.assert_array_equal(found[0].permutation, np.arange(find_array(name).channels))
    assert len(found) == symmetries
    assert len({tuple(symmetry.permutation) for symmetry in found}) == permutations
    apart = [np.abs(a.rotation - b.rotation).max() for a, b in itertools.combinations(found, 2)]
    assert min(apart) > 0.1
    for symmetry in found:
        np.testing.assert_allclose(symmetry.rotation @ symmetry.rotation.T, np.eye(3), atol=1e-9)


def test_ambisonics_has_the_axis_symmetries():
    rotations = np.stack([symmetry.rotation for symmetry in ARRAYS["foa"].symmetries()])
    np.testing.assert_array_equal(np.unique(rotations.round(), axis=0), np.unique(axis_symmetries(), axis=0))


def test_an_array_of_no_symmetry_has_the_identity_only():
    lopsided = Array("a", "open", ((0.0, 0.0, 0.0), (0.1, 0.0, 0.0), (0.0, 0.07, 0.0), (0.02, 0.01, 0.05)))
    assert len(lopsided.symmetries()) == 1


def test_symmetries_of_a_moved_and_turned_cube_are_48():
    corners = np.array(list(itertools.product((-0.03, 0.03), repeat=3))) @ rotation(7).T + [0.2, 0.0, 0.1]
    cube = Array("cube", "open", tuple(map(tuple, corners)))
    assert len(cube.symmetries()) == 48


def test_examples_are_as_measured():
    usb, circle = find_array("respeaker_usb_4"), find_array("respeaker_6")
    np.testing.assert_allclose(np.linalg.norm(find_array("respeaker_4").positions, axis=1), 0.0405)
    np.testing.assert_allclose(np.linalg.norm(usb.positions, axis=1), 0.032)
    np.testing.assert_allclose(np.linalg.norm(circle.positions, axis=1), 0.0463, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(np.diff(find_array("line").positions, axis=0), axis=1), 0.04)
    assert (usb.file_channels, circle.file_channels) == (5, 6)
    np.testing.assert_array_equal(usb.arrange(np.arange(6.0)[:, None])[:, 0], [1, 2, 3, 4])


def test_a_file_says_order_signs_and_folder(tmp_path):
    path = write(
        tmp_path,
        "name: mine\npositions_m: [[0.1, 0, 0], [0, 0.1, 0]]\nchannels: [3, 1]\nsigns: [1, -1]\nfolder: mine_eval\n",
    )
    mine = find_array(path)
    assert mine == read_array(path) and mine.kind == "open" and mine.folder == "mine_eval"
    audio = torch.arange(8.0).reshape(4, 2)
    torch.testing.assert_close(mine.arrange(audio), torch.tensor([[6.0, 7.0], [-2.0, -3.0]]))
    assert audio[1, 0] == 2  # the recording stays as it was
    with pytest.raises(ValueError, match="expected at least 4 channels for the array mine, found 3"):
        mine.arrange(audio[:3])


def test_a_file_says_which_ambisonics(tmp_path):
    fuma = read_array(write(tmp_path, "name: soundfield\nconvention: fuma\nsigns: [1, 1, -1, 1]\n"))
    x, y, z = LEFT_UP
    recorded = np.array([[0.5**0.5], [x], [-y], [z]])
    np.testing.assert_allclose(fuma.arrange(recorded)[:, 0], [1, y, z, x])


def test_microphones_on_a_sphere_from_a_file(tmp_path):
    positions = [[0.0, 0.05, 0.0], [0.0, -0.05, 0.0]]
    sphere = read_array(write(tmp_path, f"name: ball\nsphere_radius_m: 0.05\npositions_m: {positions}\n"))
    assert (sphere.kind, sphere.radius_m, sphere.folder) == ("sphere", 0.05, "ball_dev")


TWO = "positions_m: [[0, 0.1, 0], [0, -0.1, 0]]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected keys and values"),
        ("- 1", "expected keys and values"),
        ("name: [", "array.yaml:1: "),
        (TWO, "name must be letters, digits, _ and -, got nothing"),
        (f"name: ../up\n{TWO}", "name must be letters, digits, _ and -, got ../up"),
        ("name: a", "either positions_m or convention, got neither"),
        (f"name: a\nconvention: fuma\n{TWO}", "either positions_m or convention, got both"),
        ("name: a\nconvention: ambix", "convention must be one of acn_sn3d, acn_n3d, fuma, got ambix"),
        ("name: a\nposition_m: [[0, 0, 0]]", "keys must be among name, .*, got position_m"),
        ("name: a\npositions_m: 3", r"positions_m must be a list of \[x, y, z\], got 3"),
        ("name: a\npositions_m: [[0, 0], [1, 1]]", r"in metres, got \[0, 0\] for number 0"),
        ("name: a\npositions_m: [[0, 0, 0], [0, 0, left]]", r"in metres, got \[0, 0, 'left'\] for number 1"),
        ("name: a\npositions_m: [[0, 0, 0], [0, 0, .nan]]", r"in metres, got \[0, 0, nan\] for number 1"),
        ("name: a\npositions_m: [[0, 0, 0], [0, 0, true]]", "for number 1"),
        ("name: a\npositions_m: [[0, 0, 0]]", "at least 2 times x, y, z, got 1"),
        ("name: a\npositions_m: []", "at least 2 times x, y, z, got 0"),
        ("name: a\npositions_m: [[42, 0, 0], [-42, 0, 0]]", "must be metres, at most 10, got 42"),
        ("name: a\npositions_m: [[0, 1, 0], [0, 0, 0], [0, 1, 0]]", r"different, got .* for microphones 0 and 2"),
        (f"name: a\n{TWO}\nsphere_radius_m: 0.2", "got 0.2 and 0.1 m for microphone 0"),
        (f"name: a\n{TWO}\nsphere_radius_m: big", "sphere_radius_m must be a number of metres, got big"),
        (f"name: a\n{TWO}\nsphere_radius_m: -0.1", "sphere_radius_m must be"),
        ("name: a\nconvention: fuma\nsphere_radius_m: 0.1", "sphere_radius_m must go with positions_m"),
        (f"name: a\n{TWO}\nchannels: [0]", "channels must name 2 channels of the file, got 1"),
        (f"name: a\n{TWO}\nchannels: [0, 0]", r"channels must be different numbers from 0, got \[0, 0\]"),
        (f"name: a\n{TWO}\nchannels: [0, -1]", "channels must be different numbers from 0"),
        (f"name: a\n{TWO}\nchannels: [0, x]", "channels must be a list of whole numbers"),
        (f"name: a\n{TWO}\nsigns: [1, 2]", r"signs must be 2 times 1 or -1, got \[1, 2\]"),
        (f"name: a\n{TWO}\nsigns: [1]", r"signs must be 2 times 1 or -1, got \[1\]"),
        (f"name: a\n{TWO}\nfolder: a/b", "folder must be letters"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as error:
        read_array(path)
    assert str(path) in str(error.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "array.yaml"
    path.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(ValueError, match="not a YAML file"):
        read_array(path)


def test_an_unknown_name_lists_what_there_is(tmp_path):
    with pytest.raises(ValueError, match="foa, mic, stereo, binaural, line, .*got eigenmike"):
        find_array("eigenmike")
    with pytest.raises(FileNotFoundError, match="nowhere.yaml: no such file"):
        read_array(tmp_path / "nowhere.yaml")


def test_a_file_with_other_channels_is_refused():
    with pytest.raises(ValueError, match="expected 4 channels for the array foa, found 2"):
        ARRAYS["foa"].arrange(np.zeros((2, 5)))
