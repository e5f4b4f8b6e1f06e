"""Claps in a shoebox room, recorded by arrays with and without faults."""

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyroomacoustics
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from seld import config
from seld.arrays import ARRAYS, Array, find_array, foa_to, read_array, steering
from seld.arrays.checking import diagnose, mended
from seld.arrays.checking.claps import direct_sound, find_claps
from seld.arrays.checking.delay_faults import HEAD
from seld.audio import write_audio
from seld.geometry import unit_from_degrees

ROOT = Path(__file__).resolve().parents[1]
RATE = 24_000
ANGLES_DEG = np.array([(0, 0), (60, 20), (120, -10), (180, 30), (-120, 0), (-60, -20)])
TOLD = unit_from_degrees(*ANGLES_DEG.T)
SIZE, CENTRE, AWAY = np.array([6.0, 5.0, 3.0]), np.array([2.8, 2.3, 1.4]), 1.4


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def yaw(degrees):
    return Rotation.from_euler("z", degrees, degrees=True).as_matrix()


def clap(rng):
    return np.convolve(rng.standard_normal(250) * np.exp(-np.arange(250) / 40), [1, -0.6])


@functools.cache
def record(name, snr_db=30.0, seed=0):
    """(channels, samples): claps some degrees beside TOLD, in a room with RT60 about 0.35 s and noise."""
    array = HEAD if name == "binaural" else find_array(name)
    rng = np.random.default_rng(seed)
    heard = TOLD + np.deg2rad(2.5) * rng.standard_normal(TOLD.shape)
    heard /= np.linalg.norm(heard, axis=1, keepdims=True)
    size, late = 2048, 3000
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    audio = np.zeros((array.channels, int(RATE * (len(heard) + 0.6))))
    for number, direction in enumerate(heard):
        room = pyroomacoustics.ShoeBox(SIZE, fs=RATE, max_order=4, materials=pyroomacoustics.Material(0.3))
        room.add_source(CENTRE + AWAY * direction)
        room.add_microphone(CENTRE)
        room.image_source_model()
        way = room.sources[0].images.T - CENTRE
        distance = np.linalg.norm(way, axis=1)
        waves = room.sources[0].damping[0] / distance * np.exp(-2j * np.pi * frequency[:, None] * distance / 343)
        response = (waves[:, None] @ steering(array, way / distance[:, None], frequency))[:, 0]
        sound = np.fft.irfft(response * np.fft.rfft(clap(rng), size)[:, None], size, axis=0).T
        start = int(RATE * (0.3 + number + rng.uniform(0, 0.1)))
        audio[:, start : start + size] += sound
        tail = rng.standard_normal((array.channels, late)) * np.exp(-6.9 * np.arange(late) / (0.35 * RATE))
        audio[:, start + 1200 : start + 1200 + late] += 0.01 * np.abs(sound).max() * tail
    audio /= 1.1 * np.abs(audio).max()
    level = np.sqrt(np.sort((audio**2).mean(0))[-300:].mean())
    return audio + level * 10 ** (-snr_db / 20) * rng.standard_normal(audio.shape)


def check(name, audio=None, told=TOLD, array=None, **options):
    array = array or find_array(name)
    return diagnose(record(name) if audio is None else audio, RATE, array, told, **options)[0]


def kinds(diagnosis):
    return [fault.kind for fault in diagnosis.faults]


def changed(audio, channel, change):
    audio = audio.copy()
    audio[channel] = change(audio[channel])
    return audio


def drifted(signal, ppm, late_s=0.0):
    """What a clock records that falls behind by so many parts per million."""
    at = np.arange(len(signal)) * (1 - 1e-6 * ppm) - late_s * RATE
    return map_coordinates(signal, [at], order=5)


def error_deg(vectors, truth=TOLD):
    return np.rad2deg(np.arccos(np.clip((vectors * truth).sum(1), -1, 1)))


@pytest.mark.parametrize("name", ["foa", "mic", "stereo", "binaural", "square", "line", slow("respeaker_6")])
def test_an_array_as_declared_has_no_fault(name):
    diagnosis = check(name)
    assert kinds(diagnosis) == []
    assert diagnosis.values == {} and mended(find_array(name), diagnosis) is None
    if name in ("foa", "mic"):
        assert error_deg(diagnosis.declared).max() < 10


@pytest.mark.parametrize(
    ("name", "swap"),
    [("foa", (0, 1)), ("mic", (1, 3)), ("square", (0, 1)), ("stereo", (0, 1)), slow("line", (1, 2)),
     slow("respeaker_6", (2, 3))],
)  # fmt: skip
def test_swapped_channels_are_named_and_put_in_order(name, swap):
    order = np.arange(len(record(name)))
    order[list(swap)] = order[list(swap)[::-1]]
    diagnosis = check(name, record(name)[order])
    assert kinds(diagnosis) == ["swapped channels"]
    assert f"channels {swap[0]} and {swap[1]} have changed places" in diagnosis.faults[0].text
    assert diagnosis.values == {"channels": order.tolist()}
    assert np.median(error_deg(diagnosis.mended)) < 10
    assert kinds(check(name, record(name)[order], array=mended(find_array(name), diagnosis))) == []


def test_the_order_of_many_channels_is_found():
    order = np.array([4, 0, 5, 2, 1, 3])
    diagnosis = check("respeaker_6", record("respeaker_6")[order])
    assert diagnosis.values["channels"] == np.argsort(order).tolist()


def test_channel_numbers_are_those_of_the_file():
    usb = find_array("respeaker_usb_4")
    recorded = record("respeaker_usb_4")
    noise = 1e-3 * np.random.default_rng(0).standard_normal((1, recorded.shape[1]))
    file = np.concatenate([noise, recorded[[0, 2, 1, 3]], noise])
    diagnosis = check("respeaker_usb_4", file, array=usb)
    assert "channels 2 and 3 have changed places" in diagnosis.faults[0].text
    assert diagnosis.values == {"channels": [1, 3, 2, 4]}


@pytest.mark.parametrize("name", ["foa", "line", "stereo", slow("mic")])
def test_a_flipped_sign_is_named(name):
    diagnosis = check(name, changed(record(name), 1, np.negative))
    assert kinds(diagnosis) == ["flipped sign"]
    assert "channel 1" in diagnosis.faults[0].text
    assert diagnosis.values == {"signs": [1, -1, 1, 1][: len(record(name))]}


def test_flipped_and_swapped_together():
    audio = changed(record("square"), 2, np.negative)[[1, 0, 2, 3]]
    diagnosis = check("square", audio)
    assert sorted(kinds(diagnosis)) == ["flipped sign", "swapped channels"]
    assert diagnosis.values == {"channels": [1, 0, 2, 3], "signs": [1, 1, -1, 1]}
    assert kinds(check("square", audio, array=mended(find_array("square"), diagnosis))) == []


def test_signs_follow_their_channels_when_the_order_is_mended():
    audio = changed(record("square")[[1, 0, 2, 3]], 0, np.negative)
    diagnosis = check("square", audio)
    assert diagnosis.values == {"channels": [1, 0, 2, 3], "signs": [1, -1, 1, 1]}
    assert kinds(check("square", audio, array=mended(find_array("square"), diagnosis))) == []


def test_half_of_the_channels_flipped_is_said_to_be_ambiguous():
    audio = record("square") * np.array([[1], [-1], [1], [-1]])
    assert "half of the channels differ from the other half" in check("square", audio).faults[0].text


@pytest.mark.parametrize(
    ("name", "degrees"),
    [("foa", 25), ("mic", 25), ("square", -110), *(slow(name, -40) for name in ("foa", "mic", "line", "respeaker_6"))],
)
def test_a_turned_array_is_told_by_its_angle(name, degrees):
    diagnosis = check(name, told=TOLD @ yaw(-degrees).T)
    assert kinds(diagnosis) == ["turned"]
    words = diagnosis.faults[0].text
    assert ("to the left" if degrees > 0 else "to the right") in words
    angle = float(words.split("turned by ")[1].split()[0])
    assert angle == pytest.approx(abs(degrees), abs=4)


def test_the_positions_of_a_turned_array_are_mended():
    told = TOLD @ yaw(-30).T
    diagnosis = check("respeaker_6", told=told)
    np.testing.assert_allclose(
        diagnosis.values["positions_m"], find_array("respeaker_6").positions @ yaw(30), atol=0.004
    )
    assert kinds(check("respeaker_6", told=told, array=mended(find_array("respeaker_6"), diagnosis))) == []


@pytest.mark.parametrize("name", ["foa", slow("mic")])
def test_a_turn_about_any_axis_is_found(name):
    turn = Rotation.from_rotvec([0.7, 0.3, 0.2]).as_matrix()
    diagnosis = check(name, told=TOLD @ turn)
    assert kinds(diagnosis) == ["turned"]
    assert error_deg(diagnosis.mended, TOLD @ turn).max() < 12
    assert f"turned by {np.rad2deg(np.linalg.norm([0.7, 0.3, 0.2])):.0f}"[:11] in diagnosis.faults[0].text


@pytest.mark.parametrize("name", ["square", slow("mic")])
def test_azimuths_counted_clockwise_are_a_mirror(name):
    diagnosis = check(name, told=TOLD * [1, -1, 1])
    assert kinds(diagnosis) == ["mirrored"]
    assert "left and right are exchanged" in diagnosis.faults[0].text


def test_a_mirror_of_ambisonics_is_a_flipped_sign_and_both_are_said():
    diagnosis = check("foa", told=TOLD * [1, -1, 1])
    assert diagnosis.values == {"signs": [1, -1, 1, 1]}
    assert "left and right are exchanged" in diagnosis.faults[0].text


def test_a_turn_by_a_symmetry_of_the_array_is_said_to_equal_an_order():
    diagnosis = check("square", record("square")[[3, 0, 1, 2]])
    assert kinds(diagnosis) == ["turned"]
    assert "turned by 90 degrees" in diagnosis.faults[0].text
    assert "The same would be heard if channels are in another order: 0 is microphone 3" in diagnosis.faults[0].text


@pytest.mark.parametrize("ppm", [-60, slow(80)])
def test_clock_drift_is_measured(ppm):
    audio = changed(record("square"), 2, lambda signal: drifted(signal, ppm))
    diagnosis = check("square", audio)
    assert "clock drift" in kinds(diagnosis) and set(kinds(diagnosis)) <= {"clock drift", "clock offset"}
    np.testing.assert_allclose(1e6 * diagnosis.clock[1], [0, 0, ppm, 0], atol=4)


def test_two_recorders_that_start_apart_and_drift():
    audio = record("mic").copy()
    audio[2:] = [drifted(signal, 80, 6e-3) for signal in audio[2:]]
    diagnosis = check("mic", audio)
    assert kinds(diagnosis) == ["clock drift", "clock offset"]
    apart = diagnosis.clock[:, 2:] - diagnosis.clock[:, :2]
    np.testing.assert_allclose(1e6 * apart[1], 80, atol=4)
    np.testing.assert_allclose(apart[0], 6e-3, atol=5e-5)


def test_drift_and_swapped_channels_together():
    audio = changed(record("square"), 3, lambda signal: drifted(signal, 120))[[1, 0, 2, 3]]
    diagnosis = check("square", audio)
    assert diagnosis.values == {"channels": [1, 0, 2, 3]}
    assert 1e6 * diagnosis.clock[1, 3] == pytest.approx(120, abs=5)


def test_drift_of_ambisonic_channels():
    audio = changed(record("foa"), 3, lambda signal: drifted(signal, 50))
    diagnosis = check("foa", audio)
    assert kinds(diagnosis)[0] == "clock drift" and diagnosis.values == {}
    assert 1e6 * diagnosis.clock[1, 3] == pytest.approx(50, abs=4)


@pytest.mark.parametrize("convention", ["fuma", "acn_n3d"])
def test_another_convention_of_ambisonics_is_named(convention):
    audio = foa_to(record("foa"), convention)
    diagnosis = check("foa", audio)
    assert kinds(diagnosis) == ["convention"]
    assert diagnosis.values == {"convention": convention}
    assert kinds(check("foa", audio, array=mended(ARRAYS["foa"], diagnosis))) == []


def test_sn3d_that_is_declared_fuma_is_found():
    diagnosis = check("foa", array=Array("mine", "foa", convention="fuma"))
    assert diagnosis.values == {"convention": "acn_sn3d"}


def test_soft_dead_and_doubled_channels():
    noise = 1e-4 * np.random.default_rng(0).standard_normal(record("square").shape[1])
    soft = check("square", changed(record("square"), 1, lambda signal: 0.1 * signal))
    assert kinds(soft) == ["quiet channel"] and "20 dB softer" in soft.faults[0].text
    dead = check("square", changed(record("square"), 2, lambda _: noise))
    assert kinds(dead) == ["dead channel"] and "channel 2" in dead.faults[0].text
    same = check("square", changed(record("square"), 3, lambda _: record("square")[0]))
    assert kinds(same) == ["same signal"] and "0 and 3" in same.faults[0].text
    zero = check("mic", changed(record("mic"), 0, np.zeros_like))
    assert kinds(zero) == ["dead channel"]
    assert np.isnan(zero.clock[0, 0])


def test_a_soft_channel_of_ambisonics():
    diagnosis = check("foa", changed(record("foa"), 1, lambda signal: 0.1 * signal))
    assert kinds(diagnosis) == ["quiet channel"]
    assert "channel 1 is 20 dB softer" in diagnosis.faults[0].text


def test_all_channels_dead_but_one():
    audio = record("square") * np.array([[1], [0], [0], [0]])
    diagnosis = check("square", audio)
    assert kinds(diagnosis) == ["dead channel"] and "1, 2 and 3" in diagnosis.faults[0].text
    assert any("fewer than two" in note for note in diagnosis.notes)


def test_radius_taken_for_diameter_is_a_size():
    square = find_array("square")
    half = Array("half", "open", tuple(map(tuple, square.positions / 2)))
    diagnosis = check("square", array=half)
    assert kinds(diagnosis) == ["size"]
    np.testing.assert_allclose(diagnosis.values["positions_m"], square.positions, atol=0.004)


@pytest.mark.parametrize("name", ["foa", "square", slow("mic")])
def test_directions_in_another_order_fit_nothing(name):
    diagnosis = check(name, told=TOLD[[1, 3, 0, 5, 2, 4]])
    assert kinds(diagnosis) == ["unexplained"]
    assert diagnosis.values == {}


def test_what_cannot_be_told_is_said():
    assert any("front and back, above and below sound alike" in note for note in check("line").notes)
    assert any("one side of its plane" in note for note in check("square").notes)
    assert any("left from right only" in note for note in check("stereo").notes)
    level = TOLD * [1, 1, 0]
    level /= np.linalg.norm(level, axis=1, keepdims=True)
    assert any("sign and gain of Z" in note for note in check("foa", told=level, told_sd_deg=15.0).notes)


def test_delays_are_exact_to_a_few_microseconds():
    """pyroomacoustics' own impulse responses of microphones in the open, as another implementation."""
    square = find_array("square")
    rng = np.random.default_rng(3)
    audio = np.zeros((4, 3 * RATE))
    for number in range(3):
        room = pyroomacoustics.ShoeBox(SIZE, fs=RATE, max_order=4, materials=pyroomacoustics.Material(0.3))
        room.add_source(CENTRE + 2 * TOLD[number], signal=clap(rng))
        room.add_microphone_array((CENTRE + square.positions).T)
        room.simulate()
        sound = room.mic_array.signals
        audio[:, number * RATE + 9000 : number * RATE + 9000 + sound.shape[1]] += sound
    audio += 1e-3 * np.abs(audio).max() * rng.standard_normal(audio.shape)
    advance = direct_sound(audio, RATE, find_claps(audio, RATE, 3), 0.001).advance_s
    distance = np.linalg.norm(2 * TOLD[:3, None] - square.positions, axis=2)
    expected = -(distance - distance.mean(1, keepdims=True)) / room.c
    np.testing.assert_allclose(advance, expected, atol=4e-6)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (TOLD[:2], "directions must be at least 3, got 2"),
        (TOLD[[0, 0, 0]], "directions must be 20 degrees apart or more, got 0"),
        (TOLD[:4], r"must hold 4 claps, one for each direction, got 6 \(at 0\.\d+, "),
        (np.concatenate([TOLD, TOLD[:1]]), r"must hold 7 claps, one for each direction, got 6"),
    ],
)
def test_directions_that_do_not_fit_the_claps(told, message):
    with pytest.raises(ValueError, match=message):
        check("square", told=told)


def test_silence_noise_and_wrong_channels():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="must hold 6 claps, got silence"):
        check("square", np.zeros((4, 6 * RATE)))
    with pytest.raises(ValueError, match="must hold 6 claps"):
        check("square", rng.standard_normal((4, 6 * RATE)))
    with pytest.raises(ValueError, match=r"less than 0\.1 s"):
        check("square", rng.standard_normal((4, 1000)))
    with pytest.raises(ValueError, match="expected 4 channels for the array square, found 6"):
        check("square", record("respeaker_6"))


def recipe():
    spec = importlib.util.spec_from_file_location("check_array", ROOT / "recipes/check_array.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_array"] = module
    spec.loader.exec_module(module)
    return module


RECIPE = recipe()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recording of the square with channels 0 and 1 exchanged, and one as it should be."""
    folder = tmp_path_factory.mktemp("claps")
    write_audio(folder / "swapped.wav", record("square")[[1, 0, 2, 3]])
    write_audio(folder / "right.wav", record("square"))
    return folder


DIRECTIONS = [f"{azimuth},{elevation}" for azimuth, elevation in ANGLES_DEG]


def run(*arguments):
    """Exit code of the recipe, in this process."""
    argv, sys.argv = sys.argv, ["check_array.py", *RECIPE._join_directions([str(item) for item in arguments])]
    try:
        with pytest.raises(SystemExit) as end:
            config.run(RECIPE.main, RECIPE.Config, "", positional={"input": "recording"})
    finally:
        sys.argv = argv
    return end.value.code


def test_the_recipe_names_the_fault_and_mends_it(folder, tmp_path, capsys):
    files = {name: tmp_path / f"verdict.{name}" for name in ("json", "png", "yaml")}
    options = ["--directions", *DIRECTIONS, "--json", files["json"], "--plot", files["png"], "--mended", files["yaml"]]
    assert run(folder / "swapped.wav", "--array", "square", *options) == 1
    printed = capsys.readouterr().out
    assert "FAULT   swapped channels: channels 0 and 1 have changed places." in printed
    assert "channels: [1, 0, 2, 3]" in printed
    result = json.loads(files["json"].read_text())
    assert not result["as_declared"] and result["faults"][0]["kind"] == "swapped channels"
    assert result["claps"][1]["told"] == {"azimuth": pytest.approx(60), "elevation": pytest.approx(20)}
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    assert read_array(files["yaml"]).order == (1, 0, 2, 3)
    assert sorted(tmp_path.iterdir()) == sorted(files.values())
    assert run(folder / "swapped.wav", "--array", files["yaml"], "--directions", *DIRECTIONS) == 0


@pytest.mark.slow
def test_the_recipe_as_a_user_runs_it(folder):
    command = [sys.executable, str(ROOT / "recipes/check_array.py"), str(folder / "swapped.wav"), "--array", "square",
               "--directions", *DIRECTIONS]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "channels 0 and 1 have changed places" in done.stdout, done.stderr


@pytest.mark.parametrize("fault", ["drift", "foa"])
def test_pictures_of_clocks_and_gains(tmp_path, fault):
    name = "foa" if fault == "foa" else "square"
    audio = record(name) if fault == "foa" else changed(record(name), 3, lambda signal: drifted(signal, 100))
    write_audio(tmp_path / "claps.wav", audio)
    run(tmp_path / "claps.wav", "--array", name, "--directions", *DIRECTIONS, "--plot", tmp_path / "picture.png")
    width = int.from_bytes((tmp_path / "picture.png").read_bytes()[16:20])
    assert (width > 1500) == (fault == "drift")  # a third panel


def test_the_recipe_says_when_all_is_well(folder, tmp_path, capsys):
    claps = tmp_path / "claps.csv"
    claps.write_text("azimuth,elevation\n" + "\n".join(DIRECTIONS) + "\n")
    mended_file = tmp_path / "mended.yaml"
    assert run(folder / "right.wav", "--array", "square", "--claps", claps, "--mended", mended_file) == 0
    assert "The array is as declared." in capsys.readouterr().out
    assert not mended_file.exists()


def test_times_of_claps_may_be_given(folder, tmp_path, capsys):
    onsets = find_claps(record("square"), RATE, 6) / RATE
    lines = [f"{azimuth},{elevation},{time:.3f}" for (azimuth, elevation), time in zip(ANGLES_DEG, onsets, strict=True)]
    claps = tmp_path / "claps.csv"
    claps.write_text("\n".join(["azimuth,elevation,time", *lines[:4]]))
    assert run(folder / "right.wav", "--array", "square", "--claps", claps) == 0
    for last, message in (
        ("0,0,99", "times must lie within 6.6 s of recording, got 99"),
        ("0,0,-1", "times must lie within 6.6 s of recording, got -1"),
        (lines[2], "times must rise from clap to clap, got"),
    ):
        claps.write_text("\n".join(["azimuth,elevation,time", *lines[:3], last]))
        assert run(folder / "right.wav", "--array", "square", "--claps", claps) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there must be either directions or claps"),
        (["--directions", "0", "left", "90"], "azimuth or azimuth,elevation in degrees, got left"),
        (["--directions", "0", "10,95", "90"], "in degrees, got 10,95"),
        (["--directions", "0", "1,2,3", "90"], "in degrees, got 1,2,3"),
        (["--directions", "0", "nan", "90"], "in degrees, got nan"),
        (["--directions", "0", "90", "180", "-90"], "right.wav: recording must hold 4 claps"),
        (["--directions", *DIRECTIONS, "--array", "cube"], "got cube"),
        (["--directions", *DIRECTIONS, "--array", "respeaker_6"], "expected at least 6 channels"),
        (["--directions", *DIRECTIONS, "--tolerance_deg", "0"], "tolerance_deg must be from 0.1 to 45, got 0"),
        (["--claps", "none.csv"], "none.csv: no such file"),
    ],
)
def test_bad_options_end_with_one_line(folder, capsys, arguments, message):
    array = [] if "--array" in arguments else ["--array", "square"]
    assert run(folder / "right.wav", *array, *arguments) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith("error: ") and message in line and "\n" not in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "claps.csv:1: header must be azimuth,elevation"),
        ("0,0\n90,0\n", "claps.csv:1: header must be azimuth,elevation"),
        ("azimuth,elevation\n0,0\n90\n", "claps.csv:3: expected 2 columns, got 1"),
        ("azimuth,elevation\n0,up\n", "claps.csv:2: 0,up"),
        ("azimuth,elevation,time\n0,0,noon\n", "claps.csv:2: time must be seconds, got noon"),
        ("azimuth,elevation\n", "directions must be at least 3, got 0"),
    ],
)
def test_a_wrong_table_of_claps_is_named_with_its_line(folder, tmp_path, capsys, text, message):
    claps = tmp_path / "claps.csv"
    claps.write_text(text)
    assert run(folder / "right.wav", "--array", "square", "--claps", claps) == 2
    assert message in capsys.readouterr().err


def test_a_recording_that_is_none_is_refused(tmp_path, capsys):
    path = tmp_path / "claps.wav"
    path.write_text("no sound")
    assert run(path, "--array", "square", "--directions", *DIRECTIONS) == 2
    assert "claps.wav: not a readable sound file" in capsys.readouterr().err
