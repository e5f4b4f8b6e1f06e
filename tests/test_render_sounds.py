"""Training sounds that free programs render: texts, MIDI, names that keep voices in one split, the recipe.

Most of it needs no program; what does is skipped where espeak-ng, fluidsynth or the sound fonts are missing.
"""

import importlib.util
import os
import shutil
import struct
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from seld import command
from seld.audio import SAMPLE_RATE, read_audio
from seld.scenes import SceneConfig, playing, speaking
from seld.scenes.events import RecordedEvents, split_of
from seld.scenes.programs import ProgramError, read_render, run_program

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "render_sounds.py"
FONTS = [Path(font) for font in playing.FONTS if Path(font).is_file()]
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
needs_fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not FONTS, reason="fluidsynth or its sound fonts are not installed"
)


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("render_sounds", RECIPE)
    sys.modules["render_sounds"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["render_sounds"]


@pytest.fixture
def tools(recipe):
    speakers = ("Andy", "Steph2", "croak", "klatt", "klatt4", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "steph")
    return recipe.Tools(("gmw/de", "zle/ru"), speakers, (Path("/fonts/Great.sf2"),))


@pytest.fixture
def studio(recipe, tools, monkeypatch):
    """The recipe with noise in place of what programs render."""

    def noise(rng, *_) -> np.ndarray:
        return rng.uniform(-0.3, 0.3, 2 * SAMPLE_RATE).astype(np.float32)

    monkeypatch.setattr(recipe, "find_tools", lambda fonts: tools)
    monkeypatch.setattr(speaking, "speak", noise)
    monkeypatch.setattr(playing, "play", lambda messages, font: noise(np.random.default_rng(len(messages))))
    return recipe


def go(recipe, output: Path, files: int, **options) -> None:
    recipe.main(recipe.Config(output, hours=files * recipe.MEAN_SECONDS / 3600, **options))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.flac")}


# MIDI


def test_a_midi_file_is_what_the_standard_says():
    note = [(200, bytes([0x80, 60, 0])), (0, bytes([0xC0, 40])), (0, bytes([0x90, 60, 100]))]
    track = bytes.fromhex("00c028 00903c64 8148803c00 00ff2f00")  # 200 is 0x81 0x48 in groups of seven bits
    assert playing.midi_file(note) == b"MThd" + bytes.fromhex("00000006 0000 0001 01f4") + (
        b"MTrk" + struct.pack(">I", len(track)) + track
    )


@pytest.mark.parametrize(
    ("time", "written"), [(0, "00"), (127, "7f"), (128, "8100"), (16383, "ff7f"), (16384, "818000")]
)
def test_times_are_of_variable_length(time, written):
    assert playing.midi_file([(time, b"\xc0\x00")])[22:].startswith(bytes.fromhex(written + "c000"))


def notes(messages, channel: int = 0) -> dict[int, list[tuple[int, bool]]]:
    """Times of each key, and whether it begins then."""
    found = defaultdict(list)
    for time, message in sorted(messages, key=lambda entry: entry[0]):
        if message[0] in (0x80 | channel, 0x90 | channel):
            found[message[1]].append((time, message[0] >= 0x90))
    return found


@pytest.mark.parametrize("program", [0, 33, 52, 73, 119, 127])
def test_phrases_stay_in_the_register_and_end_every_note(program):
    low, high = playing._REGISTERS[program // 8]
    for seed in range(20):
        messages = playing.write_phrase(np.random.default_rng(seed), program, 4.0)
        assert messages[0] == (0, bytes([0xC0, program]))
        played = notes(messages)
        assert played and low <= min(played) and max(played) <= high
        for times in played.values():
            begins, ends = ([time for time, begin in times if begin is kind] for kind in (True, False))
            assert len(begins) == len(ends) and max(begins) < 4000 < max(ends) + 4000
        assert all(byte < 128 for _, message in messages for byte in message[1:])


def test_phrases_differ():
    songs = {playing.midi_file(playing.write_phrase(np.random.default_rng(seed), 5, 3.0)) for seed in range(30)}
    assert len(songs) == 30


def test_rhythms_play_the_keys_they_are_given_and_no_silence():
    for seed in range(20):
        messages = playing.write_rhythm(np.random.default_rng(seed), [38, 42], 3.0)
        assert set(notes(messages, channel=9)) <= {38, 42}
        assert 38 in notes(messages, channel=9)
        assert all(message[0] & 15 == 9 for _, message in messages)


# Texts


@pytest.mark.parametrize(
    ("language", "script"),
    [("gmw/de", "LATIN"), ("zle/ru", "CYRILLIC"), ("grk/el", "GREEK"), ("inc/hi", "DEVANAGARI"), ("ko", "HANGUL"),
     ("jpx/ja", "HIRAGANA"), ("sit/cmn", "CJK"), ("sit/cmn-Latn-pinyin", "LATIN"), ("ira/fa-Latn", "LATIN")],
)  # fmt: skip
def test_words_are_in_the_letters_of_the_language(language, script):
    words = speaking.make_words(np.random.default_rng(0), language, 200)
    letters = {letter for word in words for letter in word if not letter.isdigit() and letter != ":"}
    assert {unicodedata.name(letter).split()[0].split("-")[0] for letter in letters} == {script}
    assert sum(word.isdigit() for word in words) > 10 and any(":" in word for word in words)
    assert words == speaking.make_words(np.random.default_rng(0), language, 200)
    assert words != speaking.make_words(np.random.default_rng(1), language, 200)


def test_tables_of_voices_are_read():
    table = """Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  af              --/M      Afrikaans          gmw/af
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 5  variant         --/M      Mr_Serious         !v/Mr serious
 5  yue             --/M      Chinese_(Cantonese) sit/yue              (zh-yue 5)(zh 8)
"""
    assert speaking._listed(table) == ("!v/Mr serious", "gmw/af", "gmw/en", "sit/yue")


def test_breath_comes_with_the_voice_and_lies_above_it():
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    voice = (np.sin(2 * np.pi * 200 * time) * (time > 1)).astype(np.float32)
    breath = speaking.add_breath(np.random.default_rng(0), voice) - voice
    assert np.square(breath[: SAMPLE_RATE - 600]).sum() < 1e-6 * np.square(breath).sum()
    spectrum = np.square(np.abs(np.fft.rfft(breath)))
    assert spectrum[: 2 * 1000].sum() < 0.2 * spectrum.sum()  # bins of half a hertz
    assert -41 < 20 * np.log10(breath.std() / voice.std()) < -17
    assert not speaking.add_breath(np.random.default_rng(0), 0 * voice).any()


# Splits and the finish


def test_no_voice_is_in_two_splits(recipe, tools):
    paths = [recipe.plan(0, number, tools).path for number in range(1500)]
    assert len(set(paths)) == 1500
    splits = defaultdict(set)
    for path in paths:
        voice = path.name.split("_")[0]
        family = voice if voice.startswith("m") else voice.rstrip("24").lower()
        splits[family if family.isalpha() or voice.startswith("m") else (path.parts[0], voice)].add(split_of(path))
    assert len(splits) > 170 and all(len(found) == 1 for found in splits.values())
    classes = Counter(path.parts[0] for path in paths)
    assert classes.keys() == recipe.SHARES.keys()
    for name, share in recipe.SHARES.items():
        assert classes[name] / 1500 == pytest.approx(share, abs=0.04)
        assert {split_of(path) for path in paths if path.parts[0] == name} == {"train", "validation", "test"}


def test_rhythms_take_all_their_drums_from_one_split(recipe, tools, monkeypatch):
    drawn = []
    monkeypatch.setattr(playing, "write_rhythm", lambda rng, keys, seconds: drawn.append([int(key) for key in keys]))
    monkeypatch.setattr(playing, "play", lambda messages, font: None)
    split_of_key = {key: recipe.SPLITS[place % 10] for place, key in enumerate(playing.DRUMS)}
    for number in range(400):
        take = recipe.plan(0, number, tools)
        if take.path.parts[0] == "percussion":
            take.render(np.random.default_rng(0))
            assert {split_of_key[key] for key in drawn[-1]} == {split_of(take.path)}
    assert max(map(len, drawn)) > 1


def test_pauses_are_shortened_and_silent_ends_cut(recipe):
    burst = np.random.default_rng(0).uniform(-0.5, 0.5, SAMPLE_RATE // 2)
    pause = np.zeros(SAMPLE_RATE)
    out = recipe.close_pauses(np.concatenate([pause, burst, pause, burst, pause[: SAMPLE_RATE // 10], burst, pause]))
    assert len(out) == pytest.approx((0.5 + 0.3 + 0.5 + 0.1 + 0.5) * SAMPLE_RATE, abs=2 * SAMPLE_RATE // 50)
    np.testing.assert_array_equal(out[: len(burst)], burst)
    np.testing.assert_array_equal(out[-len(burst) :], burst)
    assert len(recipe.close_pauses(np.full(SAMPLE_RATE, 1e-6))) == len(recipe.close_pauses(np.zeros(7))) == 0


def test_the_finish_has_one_peak_no_offset_and_an_end(recipe):
    rng = np.random.default_rng(0)
    audio = recipe.finish(rng, 0.01 * rng.standard_normal(12 * SAMPLE_RATE) + 0.05)
    assert audio.dtype == np.float32 and len(audio) == 8 * SAMPLE_RATE
    assert np.abs(audio).max() == pytest.approx(0.7)
    assert abs(audio[SAMPLE_RATE:].mean()) < 1e-3 * audio.std()
    assert len(recipe.finish(rng, np.zeros(0))) == len(recipe.finish(rng, np.zeros(SAMPLE_RATE))) == 0


# The recipe


def test_an_interrupted_run_goes_on_and_more_hours_add_files(studio, tmp_path):
    go(studio, tmp_path, 12)
    whole = contents(tmp_path)
    assert len(whole) == 12
    lost = tmp_path / sorted(whole)[3]
    lost.unlink()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")}
    go(studio, tmp_path, 15)
    again = contents(tmp_path)
    assert len(again) == 15 and whole.items() <= again.items()
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    with pytest.raises(ValueError, match="holds sounds rendered with another seed; use another folder or remove it"):
        go(studio, tmp_path, 15, seed=1)
    assert contents(tmp_path) == again


def test_scenes_take_the_classes(studio, tmp_path):
    go(studio, tmp_path, 30)
    events = RecordedEvents(SceneConfig(events=str(tmp_path)))
    assert events.classes == tuple(sorted(studio.SHARES))
    assert events.draw(np.random.default_rng(0)).recipe["file"] in {path.as_posix() for path in events.files}


def test_silence_and_crashes_are_tried_again_and_then_left_out(studio, tmp_path, monkeypatch, caplog):
    def moody(rng, language, speaker, *_):
        if speaker == "croak":
            return np.zeros(SAMPLE_RATE, dtype=np.float32)
        if rng.random() < 0.3:
            raise ProgramError("espeak-ng failed: exit status -11")
        return rng.uniform(-0.3, 0.3, 2 * SAMPLE_RATE)

    monkeypatch.setattr(speaking, "speak", moody)
    go(studio, tmp_path, 40)
    planned = [studio.plan(0, number, studio.find_tools([])).path for number in range(40)]
    mute = {path.as_posix() for path in planned if "croak" in path.name}
    assert mute and set(contents(tmp_path)) == {path.as_posix() for path in planned} - mute
    assert {record.getMessage() for record in caplog.records} == {
        f"{path}: left out after 5 attempts, nothing was heard" for path in mute
    }


def test_nothing_rendered_is_an_error(studio, tmp_path, monkeypatch):
    monkeypatch.setattr(studio, "finish", lambda rng, audio: np.zeros(0))
    with pytest.raises(ValueError, match="none of 3 sounds could be rendered; the warnings say why"):
        go(studio, tmp_path, 3)


def test_missing_programs_and_fonts_are_one_line_each(recipe, tmp_path, monkeypatch, capsys):
    def end(*arguments) -> str:
        monkeypatch.setattr(sys, "argv", ["render_sounds.py", "--output", str(tmp_path / "out"), *map(str, arguments)])
        speaking.find_voices.cache_clear()
        with pytest.raises(SystemExit) as exit_:
            command.run(recipe.main, recipe.Config, recipe.__doc__)
        assert exit_.value.code == 2 and not (tmp_path / "out").exists()
        return capsys.readouterr().err

    monkeypatch.setenv("PATH", str(tmp_path))
    assert end() == ("error: espeak-ng must be installed to render sounds (Debian and Ubuntu: apt install espeak-ng)\n")
    stub(tmp_path / "espeak-ng")
    assert "apt install fluidsynth)" in end()
    stub(tmp_path / "fluidsynth")
    monkeypatch.setattr(playing, "FONTS", ())
    assert "apt install fluid-soundfont-gm or timgm6mb-soundfont), or named with --sound_fonts" in end()
    assert end("--sound_fonts", tmp_path / "no.sf2") == f"error: {tmp_path / 'no.sf2'}: no such sound font\n"
    assert end("--sound_fonts", RECIPE) == f"error: {RECIPE}: not a sound font (.sf2)\n"
    speaking.find_voices.cache_clear()


def stub(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--hours", "0"), "hours must be above 0, got 0.0"),
        (("--seed", "-1"), "seed must be at least 0, got -1"),
        (("--workers", "0"), "workers must be at least 1, got 0"),
        (("--hour", "2"), "--hour"),
    ],
)
def test_bad_options_are_refused(recipe, options, message):
    with pytest.raises(ValueError, match=message):
        command.parse(recipe.Config, recipe.__doc__, ["--output", "out", *options])


def test_help_explains(recipe, capsys):
    with pytest.raises(SystemExit, match="0"):
        command.parse(recipe.Config, recipe.__doc__, ["--help"])
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("apt install espeak-ng fluidsynth", "--hours", "--sound_fonts", "speech"))


def test_programs_that_fail_are_named_with_their_last_line(tmp_path):
    script = tmp_path / "fail"
    script.write_text("#!/bin/sh\necho first >&2\necho last >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(ProgramError, match=rf"fail failed: last \({script}\)"):
        run_program("none", [str(script)])
    script.write_text("#!/bin/sh\ncat\n")
    assert run_program("none", [str(script)], "ä 1") == "ä 1"
    assert len(read_render(tmp_path / "nothing.wav", SAMPLE_RATE)) == 0


# With the programs


@needs_espeak
def test_espeak_speaks_every_language_differently_and_the_same_again():
    voices = speaking.find_voices()
    assert {"gmw/de", "zle/ru", "ko"} <= set(voices.languages) and {"f3", "croak", "Mr serious"} <= set(voices.speakers)

    def said(*arguments) -> np.ndarray:
        return speaking.speak(np.random.default_rng(0), *arguments, 4.0)

    one = said("gmw/de", "f3")
    assert 1.5 < len(one) / SAMPLE_RATE < 12 and np.isfinite(one).all() and one.std() > 0.01
    np.testing.assert_array_equal(one, said("gmw/de", "f3"))
    others = [
        said("gmw/de", "m3"),
        said("roa/it", "f3"),
        speaking.speak(np.random.default_rng(0), "gmw/de", "f3", 4.0, True),
    ]
    assert all(len(other) != len(one) or np.abs(other - one).max() > 0.01 for other in others)


@needs_espeak
def test_intoned_words_are_held_at_their_pitch(monkeypatch):
    monkeypatch.setattr(speaking, "add_breath", lambda rng, voice: voice)
    sung = '<speak><prosody pitch="{}%" range="0%" rate="50%">lalalalala</prosody></speak>'
    found = []
    for percent in (80, 160):
        monkeypatch.setattr(speaking, "intone", lambda rng, words, percent=percent: sung.format(percent))
        voice = speaking.speak(np.random.default_rng(0), "roa/it", "m3", 2.0, sung=True)
        found.append([pitch_hz(voice, share) for share in (0.1, 0.3, 0.5)])
        assert found[-1] == pytest.approx([found[-1][0]] * 3, rel=0.04)
    assert found[1][0] > 1.3 * found[0][0]


def pitch_hz(voice: np.ndarray, share: float) -> float:
    """By the strongest echo of 100 ms in itself."""
    part = voice[int(share * len(voice)) :][: SAMPLE_RATE // 10].astype(np.float64)
    echo = np.correlate(part, part, "full")[len(part) - 1 :]
    shortest = SAMPLE_RATE // 300
    return SAMPLE_RATE / (shortest + np.argmax(echo[shortest : SAMPLE_RATE // 60]))


@needs_fluidsynth
@pytest.mark.parametrize("font", FONTS, ids=lambda font: font.stem)
def test_fluidsynth_plays_the_key_at_its_time_and_dry(font):
    phrase = [(0, bytes([0xC0, 73])), (1000, bytes([0x90, 81, 100])), (2000, bytes([0x80, 81, 0]))]  # a flute's a2
    audio = playing.play(phrase, font)
    power = np.square(audio[: 4 * SAMPLE_RATE].astype(np.float64))
    assert power[: int(0.98 * SAMPLE_RATE)].sum() < 1e-6 * power.sum()
    assert power[int(2.6 * SAMPLE_RATE) :].sum() < 1e-3 * power.sum()  # a hall would go on
    note = audio[int(1.3 * SAMPLE_RATE) : int(1.9 * SAMPLE_RATE)]
    spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note)), 8 * len(note)))
    assert np.argmax(spectrum) * SAMPLE_RATE / (8 * len(note)) == pytest.approx(880, rel=0.01)


@needs_espeak
@needs_fluidsynth
def test_the_recipe_renders_what_it_says(recipe, tmp_path):
    go(recipe, tmp_path, 6)
    sounds = contents(tmp_path)
    assert len(sounds) == 6
    for path in tmp_path.rglob("*.flac"):
        audio = read_audio(path, channels=1).numpy()
        assert SAMPLE_RATE <= audio.shape[1] <= 8 * SAMPLE_RATE
        assert np.abs(audio).max() == pytest.approx(0.7, abs=1e-3)


@pytest.mark.slow
@needs_espeak
@needs_fluidsynth
def test_two_processes_render_the_same(recipe, tmp_path):
    go(recipe, tmp_path / "one", 8)
    hours = 8 * recipe.MEAN_SECONDS / 3600
    command = [sys.executable, RECIPE, "--output", tmp_path / "two", "--hours", str(hours), "--workers", "2"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(RECIPE.parents[1])})
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
