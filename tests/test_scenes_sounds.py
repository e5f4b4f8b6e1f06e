"""The synthesiser and folders of recordings."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from seld.audio import SAMPLE_RATE
from seld.scenes import SPLITS, SceneConfig
from seld.scenes.events import MixedEvents, RecordedEvents, SyntheticEvents, open_events, split_of
from seld.scenes.signals import BIN_HZ, shape_spectrum, tilt
from seld.scenes.synthesis import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_makes_varied_sounds_of_the_length_asked_for(family):
    sounds = [FAMILIES[family](np.random.default_rng(seed), 12_000) for seed in range(4)]
    for sound in sounds:
        assert sound.shape == (12_000,)
        assert np.isfinite(sound).all()
        assert sound.std() > 1e-3
    correlation = np.corrcoef(sounds)[np.triu_indices(4, 1)]
    assert np.abs(correlation).max() < 0.5


def test_families_differ_in_how_flat_and_how_steady_they_are():
    """Noise has a flat spectrum, an alarm has lines; knocks are uneven in time, an engine is not."""

    def flatness(sound: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(sound)) ** 2 + 1e-9
        return float(np.exp(np.log(power).mean()) / power.mean())

    def crest(sound: np.ndarray) -> float:
        return float(np.abs(sound).max() / sound.std())

    def typical(measure, family: str) -> float:
        return float(np.median([measure(FAMILIES[family](np.random.default_rng(s), 24_000)) for s in range(9)]))

    assert typical(flatness, "broadband") > 20 * typical(flatness, "alarm")
    assert typical(crest, "impulsive") > 1.5 * typical(crest, "engine")


def test_a_flat_filter_gives_the_signal_back():
    signal = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    np.testing.assert_allclose(shape_spectrum(signal, np.ones((1, len(BIN_HZ)))), signal, atol=1e-5)
    assert tilt(-6.0)[0, np.argmin(np.abs(BIN_HZ - 2000))] == pytest.approx(0.5, rel=0.05)


def test_synthetic_sounds_are_reproducible_and_differ_between_splits():
    sounds = {split: SyntheticEvents(SceneConfig(split=split)).draw(np.random.default_rng(0)) for split in SPLITS}
    seeds = {sound.recipe["seed"] % len(SPLITS) for sound in sounds.values()}
    assert len(seeds) == len(SPLITS)
    again = SyntheticEvents(SceneConfig()).draw(np.random.default_rng(0))
    np.testing.assert_array_equal(again.audio, sounds["train"].audio)
    assert np.sqrt(np.mean(again.audio**2)) == pytest.approx(1, abs=1e-3)


def write_tone(path: Path, seconds: float = 1.0, rate: int = SAMPLE_RATE, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate)


def test_recordings_of_any_format_become_mono_events(tmp_path):
    write_tone(tmp_path / "bell" / "a.wav", rate=44_100, channels=2)
    write_tone(tmp_path / "bell" / "deeper" / "b.ogg")
    write_tone(tmp_path / "dog" / "c.flac", rate=16_000)
    write_tone(tmp_path / "dog" / "d.mp3", rate=44_100)
    config = SceneConfig(events=str(tmp_path), event_seconds=(0.9, 0.9))
    found = set()
    for split in SPLITS:
        try:
            events = RecordedEvents(SceneConfig(**{**vars(config), "split": split}))
        except ValueError as error:
            assert "falls into the split" in str(error)
            continue
        assert events.classes == ("bell", "dog")
        for seed in range(20):
            sound = events.draw(np.random.default_rng(seed))
            found.add((sound.recipe["file"], sound.class_index))
            assert len(sound.audio) == pytest.approx(0.9 * SAMPLE_RATE, rel=0.02)
            spectrum = np.abs(np.fft.rfft(sound.audio))
            assert np.argmax(spectrum) * SAMPLE_RATE / len(sound.audio) == pytest.approx(440, abs=5)
    assert found == {("bell/a.wav", 0), ("bell/deeper/b.ogg", 0), ("dog/c.flac", 1), ("dog/d.mp3", 1)}


def test_every_file_is_in_one_split_and_keeps_it(tmp_path):
    for number in range(60):
        write_tone(tmp_path / f"{number:02d}.wav", seconds=0.01)
    files = {split: RecordedEvents(SceneConfig(events=str(tmp_path), split=split)).files for split in SPLITS}
    together = [path for split in SPLITS for path in files[split]]
    assert len(together) == len(set(together)) == 60
    assert len(files["train"]) > len(files["test"]) > 0
    write_tone(tmp_path / "added.wav", seconds=0.01)
    after = RecordedEvents(SceneConfig(events=str(tmp_path), split="test")).files
    assert set(files["test"]) <= set(after) <= set(files["test"]) | {Path("added.wav")}


def test_a_long_recording_is_not_taken_where_it_is_silent(tmp_path):
    audio = np.zeros(60 * SAMPLE_RATE)
    burst = np.random.default_rng(0).uniform(-0.5, 0.5, 2400)
    audio[:2400] = audio[30 * SAMPLE_RATE : 30 * SAMPLE_RATE + 2400] = audio[-2400:] = burst
    soundfile.write(tmp_path / a_training_name(".flac"), audio, SAMPLE_RATE)
    events = RecordedEvents(SceneConfig(events=str(tmp_path), event_seconds=(1.0, 1.0)))
    for seed in range(10):
        sound = events.draw(np.random.default_rng(seed)).audio
        assert len(sound) == SAMPLE_RATE
        assert np.sqrt(np.mean(sound**2)) == pytest.approx(1, rel=1e-3)


def a_training_name(suffix: str) -> str:
    return next(name for i in range(100) if split_of(Path(name := f"{i}{suffix}")) == "train")


def test_hidden_files_are_no_sounds(tmp_path):
    write_tone(tmp_path / "bell" / "a.wav")
    write_tone(tmp_path / "bell" / ".a.wav")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "._b.wav").write_text("what another system notes about b.wav")
    events = RecordedEvents(SceneConfig(events=str(tmp_path), split=split_of(Path("bell/a.wav"))))
    assert events.files == (Path("bell/a.wav"),) and events.classes == ("bell",)


@pytest.fixture
def two_classes(tmp_path) -> Path:
    """A class that the synthesiser has, too, and one that it has not, each with files for every split."""
    for number in range(30):
        for name in ("speech", "zither"):
            write_tone(tmp_path / name / f"{number}.wav", seconds=0.5)
    return tmp_path


def test_recorded_and_synthetic_sounds_are_mixed_by_their_share(two_classes):
    config = SceneConfig(events=str(two_classes), synthetic=0.3, event_seconds=(0.2, 0.4))
    events = open_events(config)
    assert isinstance(events, MixedEvents)
    assert events.classes == ("speech", "zither", *(family for family in FAMILIES if family != "speech"))
    sounds = [events.draw(np.random.default_rng(seed)) for seed in range(400)]
    made = [sound for sound in sounds if "family" in sound.recipe]
    assert len(made) / 400 == pytest.approx(0.3, abs=0.07)
    for sound in sounds:
        name = sound.recipe.get("family") or sound.recipe["file"].split("/")[0]
        assert events.classes[sound.class_index] == name
        assert np.sqrt(np.mean(sound.audio**2)) == pytest.approx(1, abs=1e-3)
    assert {sound.recipe["family"] for sound in made} == set(FAMILIES)


def test_mixed_sounds_differ_between_splits(two_classes):
    files, residues = {}, {}
    for split in SPLITS:
        events = open_events(SceneConfig(events=str(two_classes), synthetic=0.5, split=split))
        recipes = [events.draw(np.random.default_rng(seed)).recipe for seed in range(60)]
        files[split] = {recipe["file"] for recipe in recipes if "file" in recipe}
        residues[split] = {recipe["seed"] % len(SPLITS) for recipe in recipes if "seed" in recipe}
        assert {split_of(Path(file)) for file in files[split]} == {split}
    assert all(len(found) == 1 for found in residues.values()) and len(set.union(*residues.values())) == len(SPLITS)


def test_no_share_is_one_source_alone(two_classes):
    assert isinstance(open_events(SceneConfig(events=str(two_classes))), RecordedEvents)
    assert isinstance(open_events(SceneConfig(synthetic=1.0)), SyntheticEvents)
    made = open_events(SceneConfig(events=str(two_classes), synthetic=1.0))
    assert all("family" in made.draw(np.random.default_rng(seed)).recipe for seed in range(20))


def test_bad_folders_and_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        RecordedEvents(SceneConfig(events=str(tmp_path / "nowhere")))
    with pytest.raises(ValueError, match=r"expected sound files \(.wav, .flac, .ogg, .mp3\), found none"):
        RecordedEvents(SceneConfig(events=str(tmp_path)))
    bad = tmp_path / a_training_name(".wav")
    bad.write_text("no sound at all")
    with pytest.raises(ValueError, match=f"{bad.name}: not a readable sound file"):
        RecordedEvents(SceneConfig(events=str(tmp_path))).draw(np.random.default_rng(0))
    bad.unlink()
    silent = tmp_path / a_training_name(".flac")
    soundfile.write(silent, np.zeros(1000), SAMPLE_RATE)
    with pytest.raises(ValueError, match=f"{silent.name}: expected a sound, the recording is silent"):
        RecordedEvents(SceneConfig(events=str(tmp_path))).draw(np.random.default_rng(0))
