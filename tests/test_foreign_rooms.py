"""The rooms of another make, against pyroomacoustics itself, the series of the sphere, and what a room must do."""

import sys
from pathlib import Path

import foreign_rooms
import make_foreign_rooms
import numpy as np
import pyroomacoustics as pra
import pytest
from foreign_hearing import START, Arrivals, encode
from foreign_rooms import Shape, furnish, late_arrivals, near_arrivals

from seld.arrays import find_array
from seld.arrays.steering import steering
from seld.audio import SAMPLE_RATE
from seld.geometry import unit_from_degrees
from seld.scenes.responses import LEAD, find_responses, open_room

MATERIALS = ("carpet_thin", "plasterboard", "glass_3mm", "brickwork", "wooden_door", "curtains_velvet")
BOX = Shape("box", np.array([[0, 0], [4, 0], [4, 3], [0, 3.0]]), 2.5, MATERIALS, 0.0)
CORNER = np.array([[0, 0], [6, 0], [6, 2], [2, 2], [2, 6], [0, 6.0]])
ARRAY, SOURCE = np.array([1.5, 1.2, 1.1]), np.array([3.0, 2.2, 1.6])


def test_ambisonics_hears_what_pyroomacoustics_hears(monkeypatch):
    monkeypatch.setitem(foreign_rooms.NEAR_ORDER, "box", 3)
    monkeypatch.setattr(foreign_rooms, "LAST_ORDER", 3)
    room = furnish(np.random.default_rng(0), BOX, ARRAY, 0.0)
    ours = encode(find_array("foa"), near_arrivals(room, SOURCE), 2000)
    for channel, theirs in enumerate(_pyroomacoustics(3)):
        kept = ours[channel, START - 40 :][: len(theirs)]  # their responses begin 40 samples before time 0
        assert np.linalg.norm(kept - theirs[: len(kept)]) < 0.02 * np.linalg.norm(theirs)


@pytest.mark.parametrize("direction", [(90, 0), (0, 90), (-45, 20)])
def test_a_sphere_bends_a_wave_as_its_series_says(direction):
    mic, delay = find_array("mic"), 0.0101
    source = unit_from_degrees(*map(np.array, direction))[None]
    response = encode(mic, Arrivals(np.array([delay]), np.ones((1, 7)), source), 4096)
    frequency = np.fft.rfftfreq(4096, 1 / SAMPLE_RATE)
    heard = np.fft.rfft(response) * np.exp(2j * np.pi * frequency * (START / SAMPLE_RATE + delay))
    band = (frequency > 50) & (frequency < 9000)
    expected = steering(mic, source, frequency[band])[:, 0].T
    np.testing.assert_allclose(heard[:, band], expected, atol=0.05)


def test_rays_and_images_agree_on_how_a_box_decays(monkeypatch):
    monkeypatch.setattr(foreign_rooms, "RAYS", 1000)
    monkeypatch.setattr(foreign_rooms, "LAST_ORDER", 70)
    hard = BOX._replace(materials=("linoleum_on_concrete", "plasterboard", "plasterboard", "wooden_door") * 2)
    energy = []
    for kind in ("box", "prism"):
        rng = np.random.default_rng(1)
        shape = hard._replace(kind=kind, materials=hard.materials[:6])
        room = furnish(rng, shape, ARRAY, 30.0)
        both = near_arrivals(room, SOURCE).joined(late_arrivals(rng, room, SOURCE))
        response = encode(find_array("foa"), room.turned(both), START + 9600)
        energy.append(10 * np.log10((response[:, START + 1200 :].reshape(4, -1, 1680) ** 2).sum(-1)))
    np.testing.assert_allclose(energy[0], energy[1], atol=2.5)


def test_rays_come_from_the_wall_that_reflects():
    soft = "panel_fabric_covered_6pcf"
    shape = Shape("prism", CORNER, 3.0, (soft, soft, "brickwork", *[soft] * 5), 0.3)  # hard: from (0, 0) to (6, 0)
    rng = np.random.default_rng(2)
    room = furnish(rng, shape, np.array([1.0, 3.0, 1.5]), 90.0)
    late = room.turned(late_arrivals(rng, room, np.array([1.2, 4.5, 1.5])))
    weight = (late.gain[:, 3] ** 2)[:, None]
    mean = (late.direction * weight).sum(0) / weight.sum()
    assert mean[0] < -0.3  # the array looks along y, away from the wall
    assert abs(mean[2]) < 0.2


def test_a_corner_hides_a_source():
    room = furnish(np.random.default_rng(0), Shape("prism", CORNER, 3.0, (*MATERIALS, *MATERIALS[:2]), 0.1),
                   np.array([1.0, 5.0, 1.5]), 0.0)  # fmt: skip
    assert near_arrivals(room, np.array([5.0, 1.0, 1.5])) is None
    assert near_arrivals(room, np.array([1.0, 1.0, 1.5])).delay_s.min() == pytest.approx(4 / 343, abs=1e-5)


def test_what_lies_in_a_room():
    shape = Shape("prism", CORNER, 3.0, (), 0.0)
    assert shape.holds(np.array([1.0, 5.0, 1.5]), 0.9)
    assert not shape.holds(np.array([1.0, 5.0, 1.5]), 1.1)  # from both side walls of the arm
    assert not shape.holds(np.array([3.0, 3.0, 1.5]), 0.1)  # outside, where the box around the room is cut
    assert not shape.holds(np.array([1.0, 5.0, 2.8]), 0.3)
    assert not shape.holds(np.array([1.8, 1.8, 1.5]), 0.3)  # 0.28 from the corner that stands out


def test_eyring_by_hand():
    shape = Shape("box", np.array([[0, 0], [5, 0], [5, 4], [0, 4.0]]), 3.0, ("hard_surface",) * 6, 0.0)
    # 60 cubic metres, 94 square metres of 0.03 at 500 Hz and at 1 kHz
    assert shape.eyring_s() == pytest.approx(0.1611 * 60 / (94 * 0.030459), rel=1e-3)


def test_folders_that_scenes_are_made_of(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign_rooms, "RAYS", 500)
    monkeypatch.setattr(make_foreign_rooms, "RT60_S", (0.15, 0.3))
    command = ["", "--output", str(tmp_path), "--rooms", "2", "--seed", "3", "--lines", "1", "--singles", "4"]
    monkeypatch.setattr(sys, "argv", command)
    make_foreign_rooms.main()
    rooms = {}
    for name in ("foa", "mic"):
        array = find_array(name)
        rooms[name] = [open_room(str(path), array) for path in find_responses(tmp_path / name)]
        assert [Path(room.name).name for room in rooms[name]] == ["room000", "room001"]
    for foa, mic in zip(rooms["foa"], rooms["mic"], strict=True):
        np.testing.assert_array_equal(foa.positions_m, mic.positions_m)
        direction, distance = foa.directions(foa.positions_m)
        assert len(distance) >= 4 + make_foreign_rooms.SHORTEST
        assert distance.min() >= 0.499 and distance.max() <= 5.001
        for true, response, capsules in zip(direction, foa.audio, mic.audio, strict=True):
            onset = response[:, LEAD - 8 : LEAD + 6].astype(np.float64)  # before the first reflection
            heard = (onset[0] * onset[[3, 1, 2]]).sum(1)
            assert heard @ true / np.linalg.norm(heard) > np.cos(np.radians(5))
            # Capsules that look towards the source hear it earlier.
            first = np.argmax(np.abs(capsules) > 0.1 * np.abs(capsules).max(), axis=1)
            assert np.corrcoef(first, find_array("mic").positions @ true)[0, 1] < -0.6


@pytest.mark.parametrize("option", ["--rooms", "--lines", "--singles"])
def test_nothing_to_make_is_refused(tmp_path, monkeypatch, capsys, option):
    monkeypatch.setattr(sys, "argv", ["", "--output", str(tmp_path), option, "0"])
    with pytest.raises(SystemExit) as stopped:
        make_foreign_rooms.main()
    assert stopped.value.code == 2
    assert f"{option} must be at least 1, got 0" in capsys.readouterr().err


def _pyroomacoustics(order: int) -> list[np.ndarray]:
    """The responses to W, Y, Z and X by its own microphones."""
    enabled = pra.constants.get("rir_hpf_enable")
    pra.constants.set("rir_hpf_enable", False)
    walls = dict(zip(("floor", "ceiling", "south", "east", "north", "west"), map(pra.Material, MATERIALS), strict=True))
    room = pra.ShoeBox([4, 3, 2.5], fs=SAMPLE_RATE, materials=walls, air_absorption=True, max_order=order)
    sides = [pra.directivities.DirectionVector(*angles) for angles in ((90, 90), (0, 0), (0, 90))]
    patterns = [pra.directivities.Omnidirectional(), *map(pra.directivities.FigureEight, sides)]
    room.add_microphone_array(np.repeat(ARRAY[:, None], 4, axis=1), directivity=patterns)
    room.add_source(SOURCE)
    room.compute_rir()
    pra.constants.set("rir_hpf_enable", enabled)
    return [channel[0] for channel in room.rir]
