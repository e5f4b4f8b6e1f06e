"""SOFA files: of today's conventions written by sofar, of older ones, which it refuses to write, by netCDF4."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from seld.arrays import ARRAYS
from seld.audio import SAMPLE_RATE, read_audio
from seld.geometry import degrees_from_unit
from seld.scenes import SceneConfig, make_scenes
from seld.scenes.responses import LEAD, open_room
from seld.scenes.sofa import read_sofa

sofar = pytest.importorskip("sofar")
netCDF4 = pytest.importorskip("netCDF4")


def write(path: Path, convention: str, audio: np.ndarray, **values) -> Path:
    """Audio in the order of the convention at 48 kHz, and values by their names in sofar."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sofar's, of preliminary conventions
        file = sofar.Sofa(convention)
        file.Data_IR = audio
        file.Data_SamplingRate = 48_000
        file.ReceiverPosition = np.zeros((audio.shape[1], 3))
        file.Data_Delay = np.zeros((1, audio.shape[1]))
        for name, value in values.items():
            setattr(file, name, value)
        sofar.write_sofa(str(path), file)
    return path


def write_old(path: Path, audio: np.ndarray, dimensions: str, **values) -> Path:
    """A file of the first version: audio with dimensions such as MRN, values as (dimensions, array, type)."""
    sizes = dict(zip(dimensions, audio.shape, strict=True)) | {"I": 1, "C": 3}
    with netCDF4.Dataset(str(path), "w", format="NETCDF4") as file:
        file.Conventions, file.DataType = "SOFA", "FIRE" if "E" in dimensions else "FIR"
        for name, size in sizes.items():
            file.createDimension(name, size)
        file.createVariable("Data.IR", "f8", tuple(dimensions))[:] = audio
        file.createVariable("Data.SamplingRate", "f8", ("I",))[:] = 48_000
        for name, (own, value, kind) in values.items():
            variable = file.createVariable(name.replace("__", "."), "f8", tuple(own))
            variable[:] = value
            if kind:
                variable.Type = kind
    return path


def clicks(measurements: int, receivers: int, samples: int = 480) -> np.ndarray:
    audio = np.zeros((measurements, receivers, samples))
    audio[..., 96] = 0.5
    return audio


def test_head_related_responses_are_read_with_their_directions(tmp_path):
    positions = np.array([[90.0, 0, 1.4], [0, 45, 1.4], [270, -30, 1.4]])
    path = write(tmp_path / "a.sofa", "SimpleFreeFieldHRIR", clicks(3, 2), SourcePosition=positions)
    found = read_sofa(path)
    azimuth, elevation = degrees_from_unit(found.positions_m)
    np.testing.assert_allclose(azimuth, [90, 0, -90], atol=1e-9)
    np.testing.assert_allclose(elevation, [0, 45, -30], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found.positions_m, axis=1), 1.4)
    assert found.audio.shape == (3, 2, 480) and found.sample_rate == 48_000
    room = open_room(str(path), ARRAYS["binaural"])
    assert np.abs(np.abs(room.audio[:, 0]).argmax(axis=1) - LEAD).max() <= 3
    assert room.audio.dtype == np.float32 and room.audio.shape[2] < 330  # resampled to 24 kHz


def test_room_responses_count_from_where_the_listener_stands_and_looks(tmp_path):
    """The listener stands at (1, 1, 1) and looks along +y: what is at (1, 3, 1) is in front, at (0, 1, 1) left."""
    expected = [[2, 0, 0], [0, 1, 0]]
    sources = np.array([[1.0, 3, 1], [0, 1, 1]])
    new = write(
        tmp_path / "new.sofa", "SimpleFreeFieldHRIR", clicks(2, 2), SourcePosition=sources,
        SourcePosition_Type="cartesian", SourcePosition_Units="metre", ListenerPosition=np.array([[1.0, 1, 1]]),
        ListenerView=np.array([[0.0, 1, 0]]),
    )  # fmt: skip
    np.testing.assert_allclose(read_sofa(new).positions_m, expected, atol=1e-9)
    old = write_old(
        tmp_path / "old.sofa", clicks(2, 4), "MRN", SourcePosition=("MC", sources, "cartesian"),
        ListenerPosition=("IC", [[1.0, 1, 1]], "cartesian"), ListenerView=("IC", [[90.0, 0, 1]], "spherical"),
        ListenerUp=("IC", [[0.0, 0, 1]], None),
    )  # fmt: skip
    np.testing.assert_allclose(read_sofa(old).positions_m, expected, atol=1e-9)


@pytest.mark.parametrize("dimensions", ["MREN", "MRNE"])
def test_each_loudspeaker_of_a_binaural_room_response_is_a_source(tmp_path, dimensions):
    """Two head orientations times three loudspeakers around the source's place."""
    audio = np.zeros((2, 2, 3, 480))
    audio[..., 96] = np.arange(1, 7).reshape(2, 1, 3) / 10
    audio = audio if dimensions == "MREN" else audio.swapaxes(2, 3)
    path = write_old(
        tmp_path / "a.sofa", audio, dimensions, SourcePosition=("IC", [[0.0, 0, 0]], "spherical"),
        EmitterPosition=("ECI", np.array([[2.0, 0, 0], [0, 2, 0], [0, -2, 0]])[..., None], "cartesian"),
        ListenerView=("MC", [[1.0, 0, 0], [0, 1, 0]], "cartesian"), ListenerUp=("IC", [[0.0, 0, 1]], None),
        Data__Delay=("IRE", np.zeros((1, 2, 3)), None),
    )  # fmt: skip
    found = read_sofa(path)
    expected = [[2, 0, 0], [0, 2, 0], [0, -2, 0], [0, -2, 0], [2, 0, 0], [-2, 0, 0]]
    np.testing.assert_allclose(found.positions_m, expected, atol=1e-9)
    np.testing.assert_allclose(found.audio[:, 0].max(axis=1), np.arange(1, 7) / 10)


def test_delays_between_receivers_are_kept(tmp_path):
    positions = {"SourcePosition": np.array([[0.0, 0, 1]])}
    delays = {"Data_Delay": np.array([[10.0, 12.0]])}
    room = open_room(
        str(write(tmp_path / "a.sofa", "SimpleFreeFieldHRIR", clicks(1, 2), **positions, **delays)), ARRAYS["binaural"]
    )
    left, right = np.abs(room.audio[0]).argmax(axis=1)
    assert right - left == 1  # two samples at 48 kHz


def test_scenes_of_a_microphone_array_from_a_sofa_file(tmp_path):
    rng = np.random.default_rng(0)
    positions = np.stack([np.arange(0, 360, 15.0), np.zeros(24), np.full(24, 2.0)], axis=1)
    audio = clicks(24, 4) + 0.01 * rng.standard_normal((24, 4, 480))
    path = write(tmp_path / "a.sofa", "SimpleFreeFieldHRIR", audio, SourcePosition=positions)
    config = SceneConfig(clips=1, clip_seconds=3.0, formats=["mic"], responses=str(path))
    make_scenes(config, tmp_path / "out", progress=False)
    (sound,) = (tmp_path / "out" / "mic_dev").iterdir()
    assert read_audio(sound).shape == (4, 3 * SAMPLE_RATE)
    with pytest.raises(ValueError, match=r"a.sofa: expected 2 channels for the array stereo, found 4"):
        open_room(str(path), ARRAYS["stereo"])


def test_files_without_positions_or_responses_are_named(tmp_path):
    path = write_old(tmp_path / "a.sofa", clicks(1, 4), "MRN", ListenerPosition=("IC", [[0.0, 0, 0]], "cartesian"))
    with pytest.raises(ValueError, match=r"a.sofa: expected positions of the sources \(SourcePosition\)"):
        read_sofa(path)
    with netCDF4.Dataset(str(path), "a") as file:
        file.renameVariable("Data.IR", "Data.Other")
    with pytest.raises(ValueError, match=r"a.sofa: expected impulse responses \(Data.IR\), found data of type FIR"):
        read_sofa(path)
    bad = tmp_path / "b.sofa"
    bad.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"b.sofa: not a readable SOFA file"):
        read_sofa(bad)
    bad.write_text("no netCDF at all")
    with pytest.raises(ValueError, match=r"b.sofa: not a readable SOFA file"):
        read_sofa(bad)
    with pytest.raises(FileNotFoundError, match=r"c.sofa: no such file"):
        read_sofa(tmp_path / "c.sofa")


PLACE = ("MC", [[0.0, 0, 1.5]] * 2, "spherical")


@pytest.mark.parametrize(
    ("audio", "values", "message"),
    [
        (clicks(0, 4), {"SourcePosition": ("MC", np.zeros((0, 3)), None)}, "Data.IR must hold measurements, got 0 x 4"),
        (
            clicks(2, 4, 200)[..., :0],
            {"SourcePosition": PLACE},
            "Data.IR must hold measurements, got 2 x 4 x 0 samples",
        ),
        (
            clicks(2, 4),
            {"SourcePosition": ("MR", np.zeros((2, 4)), None)},
            r"SourcePosition must have three .* R \(4\)",
        ),
        (clicks(2, 4), {"SourcePosition": ("MC", [[0.0, 0, 1.5]] * 2, "polar")}, "cartesian or spherical, got polar"),
        (
            clicks(2, 4),
            {"SourcePosition": ("MC", [[0.0, 0, 1], [0, np.nan, 1]], "spherical")},
            "must be finite numbers",
        ),
        (
            clicks(2, 4),
            {"SourcePosition": PLACE, "Data__Delay": ("IR", [[0, 0, 0, np.nan]], None)},
            "Data.Delay must be numbers of samples, at most 1e.06, got nan",
        ),
        (
            clicks(2, 4),
            {"SourcePosition": PLACE, "Data__Delay": ("MC", np.zeros((2, 3)), None)},
            "Data.Delay must have the dimensions M and R, got M, C",
        ),
        (clicks(2, 4) * np.nan, {"SourcePosition": PLACE}, "Data.IR holds samples that are not finite"),
    ],
)
def test_what_makes_no_sense_in_a_file_is_named(tmp_path, audio, values, message):
    path = write_old(tmp_path / "a.sofa", audio, "MRN", **values)
    with pytest.raises(ValueError, match=f"a.sofa: .*{message}"):
        read_sofa(path)
