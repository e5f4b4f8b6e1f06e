"""recipes/localize.py with what users give it: bad recordings, bad weights, folders of both."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from seld.audio import write_audio
from seld.labels import read_rows
from seld.localizer import Localizer, LocalizerConfig
from seld.weights import save_weights

ROOT = Path(__file__).resolve().parents[1]
SMALL = LocalizerConfig(filters=[4, 4], time_pool=[5, 1], frequency_pool=[8, 2], recurrent_units=8, candidate_size=8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A run folder of weights that have learned nothing: their first track points to the highest peak, always."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    localizer = Localizer(SMALL)
    localizer.threshold = 0.2
    localizer.save(folder / "best.safetensors")
    return folder


@pytest.fixture
def localize(monkeypatch, tmp_path, model, capsys, caplog):
    """Runs the recipe in tmp_path; returns the exit code, warnings and errors, one string each."""

    def run(*arguments, model=model):
        caplog.clear()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["localize.py", *map(str, arguments), "--model", str(model)])
        code = 0
        try:
            runpy.run_path(str(ROOT / "recipes" / "localize.py"), run_name="__main__")
        except SystemExit as end:
            code = end.code
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        return code, [record.getMessage() for record in caplog.records], errors

    return run


def plane_wave(seconds=2.0, azimuth_deg=90, rate=24000, seed=0):
    """Noise below 4 kHz from a direction of the horizontal plane, in noise that is 40 dB softer: (4, samples)."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal(samples)) * (np.fft.rfftfreq(samples, 1 / rate) < 4000)
    wave = np.fft.irfft(spectrum, samples)
    angle = np.radians(azimuth_deg)
    gains = np.array([1, np.sin(angle), 0, np.cos(angle)])[:, None]
    return 0.1 * (gains * wave / wave.std() + 0.01 * rng.standard_normal((4, samples)))


@pytest.mark.parametrize("rate", [16000, 24000, 44100, 48000])
def test_any_sampling_rate_works(localize, tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", plane_wave(rate=rate, azimuth_deg=-50).T, rate)
    code, warnings, _ = localize("a.wav", "--output", "a.csv")
    assert code == 0
    assert [bool(re.search(f"resampled from {rate} Hz", line)) for line in warnings] == [True] * (rate != 24000)
    rows = read_rows(tmp_path / "a.csv")
    assert set(rows["frame"]) == set(range(20)) and (rows["azimuth"] + 50).abs().max() <= 2


def test_frames_may_be_no_whole_number_of_samples(localize, tmp_path):
    rate = 11025  # 1102.5 to a frame; long enough to be read in several parts
    wave = plane_wave(38, rate=rate, azimuth_deg=-50)
    for samples in (25 * rate, 415643):  # the second ends a sample before a frame does
        soundfile.write(tmp_path / "a.wav", wave[:, :samples].T, rate)
        assert localize("a.wav", "--output", "a.csv")[0] == 0
        assert set(read_rows(tmp_path / "a.csv")["frame"]) == set(range(-(-10 * samples // rate)))


@pytest.mark.parametrize("device", ["nonsense", "xpu:7"])
def test_a_device_that_is_not_there_is_one_line(localize, tmp_path, device):
    write_audio(tmp_path / "a.wav", plane_wave())
    code, _, errors = localize("a.wav", "--output", "a.csv", "--device", device)
    assert code == 2 and len(errors) == 1 and errors[0].startswith(f"error: device {device} cannot be used: ")


def test_the_rows_of_a_recording_are_no_folder(localize, tmp_path):
    write_audio(tmp_path / "a.wav", plane_wave())
    (tmp_path / "there").mkdir()
    code, _, errors = localize("a.wav", "--output", "there")
    assert (code, errors) == (
        2,
        ["error: there: expected a file for the results of one recording, this is a folder"],
    )


@pytest.mark.parametrize(
    ("outputs", "named"),
    [
        (("--output", "a.wav"), "a.wav"),
        (("--output", "./b", "--plot", "b"), "b"),
        (("--output", "b.csv", "--plot", "a.wav"), "a.wav"),
    ],
)
def test_no_file_is_written_over_another(localize, tmp_path, outputs, named):
    write_audio(tmp_path / "a.wav", plane_wave())
    before = (tmp_path / "a.wav").read_bytes()
    code, _, errors = localize("a.wav", *outputs)
    assert code == 2 and errors == [
        f"error: {named}: would be written over; input, output and plot must be different files"
    ]
    assert (tmp_path / "a.wav").read_bytes() == before and sorted(path.name for path in tmp_path.iterdir()) == ["a.wav"]


def test_a_link_to_nowhere_is_a_recording_that_is_missing(localize, tmp_path):
    write_audio(tmp_path / "in/a.wav", plane_wave())
    (tmp_path / "in/b.wav").symlink_to("elsewhere.wav")
    code, messages, _ = localize("in", "--output", "out")
    assert code == 1 and messages == ["1 recordings could not be localized:\n  in/b.wav: no such file"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.csv"]


def test_tracks_are_drawn(localize, tmp_path):
    write_audio(tmp_path / "a.flac", plane_wave())
    assert localize("a.flac", "--output", "out/a.csv", "--plot", "out/a.png")[0] == 0
    assert (tmp_path / "out/a.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("samples", [1, 240, 2399])
def test_less_than_a_frame_is_localized_as_one_and_said(localize, tmp_path, samples):
    write_audio(tmp_path / "a.wav", plane_wave()[:, :samples])
    code, warnings, _ = localize("a.wav", "--output", "a.csv", "--join", "false")
    assert code == 0
    length = f"{samples / 24:.3g} ms"
    assert warnings[0] == f"a.wav: {length} are less than one frame, the rest of which is taken for silence"
    rows = read_rows(tmp_path / "a.csv")
    assert set(rows["frame"]) == ({0} if samples > 1 else set())  # one sample is no sound


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_silence_has_no_rows(localize, tmp_path, level):
    write_audio(tmp_path / "a.wav", np.full((4, 72000), level))
    for options in ((), ("--join", "false")):
        code, warnings, _ = localize("a.wav", "--output", "a.csv", *options)
        assert (code, warnings) == (0, ["a.wav: the recording is silent"])
        assert (tmp_path / "a.csv").read_text() == ""


def test_clipping_is_said_and_localized(localize, tmp_path):
    write_audio(tmp_path / "a.wav", (8 * plane_wave()).clip(-1, 1))
    code, warnings, _ = localize("a.wav", "--output", "a.csv")
    assert code == 0 and len(warnings) == 1
    share = float(re.fullmatch(r"a.wav: ([\d.]+) % of the samples are clipped", warnings[0])[1])
    clipped = np.abs(8 * plane_wave()) >= 1
    assert share == pytest.approx(100 * clipped.mean(), rel=0.1)
    rows = read_rows(tmp_path / "a.csv")
    assert len(rows) and (rows["azimuth"] - 90).abs().max() <= 10


@pytest.mark.parametrize(("channel", "name"), [(0, "W"), (1, "Y"), (3, "X")])
def test_a_dead_channel_is_named_and_estimates_stay_finite(localize, tmp_path, channel, name):
    audio = plane_wave(azimuth_deg=45)
    audio[channel] = 0
    write_audio(tmp_path / "a.wav", audio)
    code, warnings, _ = localize("a.wav", "--output", "a.csv")
    assert code == 0 and len(warnings) == 1
    assert warnings[0].startswith(f"a.wav: channel {channel} ({name}) is dead")
    assert np.isfinite(read_rows(tmp_path / "a.csv").to_numpy(dtype=float, na_value=0)).all()


def spoil(path, kind):
    """A recording that cannot be localized."""
    audio = plane_wave(20.0)
    if kind == "nan":
        audio[2, 400_000] = np.nan
        soundfile.write(path, audio.T, 24000, subtype="FLOAT")
    elif kind == "cut":
        write_audio(path, audio)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "text":
        path.write_text("no sound")
    elif kind == "empty":
        path.touch()
    elif kind == "no samples":
        soundfile.write(path, np.zeros((0, 4)), 24000)
    else:
        write_audio(path, audio[:2, :1000])


BAD = {
    "nan.wav": ("nan", "nan.wav: sample 400000 of channel 2 is nan, expected at most 1"),
    "cut.wav": ("cut", "cut.wav: the file is cut short"),
    "cut.flac": ("cut", "cut.flac: "),
    "text.wav": ("text", "text.wav: not a readable sound file"),
    "empty.ogg": ("empty", "empty.ogg: expected a sound file, the file is empty"),
    "none.wav": ("no samples", "none.wav: the file holds no samples"),
    "stereo.wav": ("channels", "stereo.wav: expected 4 channels for the array foa, found 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_recording_is_one_line_and_no_file(localize, tmp_path, name):
    kind, message = BAD[name]
    spoil(tmp_path / name, kind)
    code, _, errors = localize(name, "--output", "a.csv")
    assert code == 2 and len(errors) == 1 and message in errors[0]
    assert not (tmp_path / "a.csv").exists()


def test_good_recordings_are_done_and_bad_ones_listed_at_the_end(localize, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_audio(folder / "a.wav", plane_wave())
    write_audio(folder / "z.flac", plane_wave())
    write_audio(folder / "z.wav", plane_wave())
    (folder / ".hidden.wav").touch()
    (folder / "notes.txt").touch()
    (folder / "folder.wav").mkdir()
    for name, (kind, _) in BAD.items():
        if name != "cut.flac":  # of the name of another
            spoil(folder / name, kind)
    code, messages, errors = localize("mixed", "--output", "out", "--plot", "pictures")
    assert (code, errors) == (1, [])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "z.csv"]
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["a.png", "z.png"]
    title, *lines = messages[-1].splitlines()
    assert title == "7 recordings could not be localized:"
    expected = {message for name, (_, message) in BAD.items() if name != "cut.flac"}
    expected.add("z.wav: z.flac has the same name")
    assert len(lines) == 7 and all(any(message in line for line in lines) for message in expected)


def test_folders_of_good_recordings_end_well_and_of_none_do_not(localize, tmp_path):
    (tmp_path / "good").mkdir()
    code, _, errors = localize("good", "--output", "out")
    assert code == 2 and "good: no sound files (.flac, .wav, .ogg)" in errors[0]
    write_audio(tmp_path / "good/a.wav", plane_wave())
    assert localize("good", "--output", "out")[:2] == (0, [])
    (tmp_path / "file").touch()
    code, _, errors = localize("good", "--output", "file")
    assert code == 2 and "file: expected a folder for the results of a folder" in errors[0]


def other_weights(path, kind, model):
    whole = (model / "best.safetensors").read_bytes()
    if kind == "text":
        path.write_text("these are not the weights that you are looking for")
    elif kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "hnet":
        path.write_bytes((ROOT / "seld/pretrained/hnet.safetensors").read_bytes())
    elif kind == "sizes":
        path.write_bytes(whole.replace(b'recurrent_units\\": 8', b'recurrent_units\\": 9'))
    elif kind == "json":
        path.write_bytes(whole.replace(b'{\\"localizer\\"', b'}\\"localizer\\"'))
    elif kind == "other":
        save_weights(path, torch.nn.Linear(1, 1), "seld.localizer", {"localizer": {}, "features": {}, "threshold": 0.5})
    else:
        localizer = Localizer.from_pretrained(model)
        if kind == "nan":
            localizer.trust.filter.bias.data[:] = torch.nan
        else:
            localizer.threshold = 7.0
        localizer.save(path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "not a readable safetensors file"),
        ("truncated", "not a readable safetensors file"),
        ("empty", "not a readable safetensors file"),
        ("folder", "no run folder with best.safetensors"),
        ("hnet", "holds weights of something else than seld.localizer"),
        ("sizes", "these weights are of another version of the localizer"),
        ("json", "the configuration beside the weights is damaged"),
        ("other", "these weights are of another version of the localizer"),
        ("nan", "trust.filter.bias holds numbers that are not finite"),
        ("threshold", "threshold must be between 0 and 1, got 7.0"),
    ],
)
def test_bad_weights_are_one_line(localize, tmp_path, model, kind, message):
    write_audio(tmp_path / "a.wav", plane_wave())
    other_weights(tmp_path / "bad.safetensors", kind, model)
    code, _, errors = localize("a.wav", "--output", "a.csv", model="bad.safetensors")
    assert code == 2 and len(errors) == 1 and f"bad.safetensors: {message}" in errors[0]
    assert not (tmp_path / "a.csv").exists()
