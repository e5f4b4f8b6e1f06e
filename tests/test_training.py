"""Training on a user's own folders and from given weights: seld.training, and recipes/train_doa.py around it."""

import json
import logging
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seld.arrays import find_array, steering
from seld.audio import write_audio
from seld.config import DataConfig, Experiment, TrainConfig
from seld.geometry import unit_from_degrees
from seld.labels import read_rows, write_rows
from seld.localizer import Localizer, LocalizerConfig
from seld.run import Run
from seld.scenes import SceneConfig
from seld.training import TUNED, finetuning, remembered_clips, resolved, settle, split_clips
from seld.training.validation import KEPT, Validation, validate

ROOT = Path(__file__).resolve().parents[1]
SMALL = LocalizerConfig(
    filters=[4, 4], time_pool=[5, 1], frequency_pool=[8, 2], recurrent_units=8, recurrent_layers=1, candidate_size=8
)


def dataset(folder, clips=2, active=True, frames=20, arrays=("foa",), seed=0):
    """A folder in DCASE layout: noise from one direction in each clip, of which the labels may say nothing."""
    rng = np.random.default_rng(seed)
    for clip in range(clips):
        azimuth, samples = int(rng.integers(-180, 180)), 2400 * frames
        wave = np.fft.rfft(0.1 * rng.standard_normal(samples))
        for name in arrays:
            array, frequencies = find_array(name), np.fft.rfftfreq(samples, 1 / 24000)
            response = steering(array, unit_from_degrees(azimuth, 0)[None], frequencies)[:, 0].T
            write_audio(folder / f"{name}_dev" / f"clip{clip}.wav", np.fft.irfft(response * wave))
        rows = {"frame": range(5, 15 if active else 5), "class": 0, "source": 0, "azimuth": azimuth, "elevation": 0}
        write_rows(folder / "metadata_dev" / f"clip{clip}.csv", pd.DataFrame(rows))
    return str(folder)


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    localizer = Localizer(SMALL)
    localizer.threshold = 0.3
    localizer.save(tmp_path / "model" / "best.safetensors")
    return str(tmp_path / "model")


@pytest.fixture
def recipe(monkeypatch, tmp_path, capsys):
    """Runs a recipe in tmp_path; returns its exit code, what it printed and its error."""

    def run(name, *arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(ROOT / "recipes" / f"{name}.py"), run_name="__main__")
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, "".join(line for line in err.splitlines() if line.startswith("error: "))

    return run


TINY = ("--train.epochs", 1, "--train.batch", 2, "--train.accelerator", "cpu", "--data.segments.seconds", 1)
SIZES = (
    "--localizer.filters", "[4,4]", "--localizer.time_pool", "[5,1]", "--localizer.frequency_pool", "[8,2]",
    "--localizer.recurrent_units", 8, "--localizer.candidate_size", 8,
)  # fmt: skip


def test_sizes_and_features_come_from_the_weights(model):
    options = resolved(Experiment(model=model))
    assert options.localizer == SMALL
    assert options.train.learning_rate == 3e-4
    assert resolved(Experiment()).train.learning_rate == 3e-3
    assert resolved(Experiment(model=model, train=TrainConfig(learning_rate=0.5))).train.learning_rate == 0.5
    assert resolved(Experiment(model=model, localizer=SMALL)).localizer == SMALL


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("localizer", {"recurrent_units": 7}, "localizer.recurrent_units must be 8 as in the weights .*model, got 7"),
        ("localizer", {"tracks": 5}, "localizer.tracks must be 2 as in the weights .*model, got 5"),
        ("features", {"direct": False}, "features.direct must be True as in the weights .*model, got False"),
    ],
)
def test_other_sizes_and_features_than_the_weights_have_are_refused(model, section, change, message):
    options = Experiment(model=model)
    with pytest.raises(ValueError, match=message):
        resolved(replace(options, **{section: replace(getattr(options, section), **change)}))


def test_labels_without_an_active_frame_are_refused_by_their_folder(tmp_path):
    silent, sounding = dataset(tmp_path / "silent", active=False), dataset(tmp_path / "sounding")
    options = Experiment(data=DataConfig(train=silent, validation=sounding, test=[silent, sounding], remember=silent))
    for clips in (lambda: split_clips(options, "train"), lambda: remembered_clips(options)):
        with pytest.raises(ValueError, match="silent: no source is active in any frame of its 2 clips"):
            clips()
    assert len(split_clips(options, "validation")) == 2
    assert len(split_clips(options, "test")) == 4  # one active clip is enough


def test_labels_beyond_the_sound_are_no_active_frames(tmp_path):
    folder = dataset(tmp_path / "late", clips=1, frames=5)  # the labels begin in frame 5
    with pytest.raises(ValueError, match="late: no source is active in any frame of its 1 clips"):
        split_clips(Experiment(data=DataConfig(train=folder, late_labels="drop")), "train")


def test_clips_that_cannot_be_used_are_named_before_training(tmp_path):
    folder = tmp_path / "own"
    options = Experiment(data=DataConfig(test=dataset(folder), remember=str(folder)))
    (folder / "metadata_dev/clip1.csv").write_text("5,0,0,400\n")
    for clips in (lambda: split_clips(options, "test"), lambda: remembered_clips(options)):
        with pytest.raises(ValueError, match=r"clip1.csv:1: "):
            clips()
    write_audio(folder / "foa_dev/clip0.wav", np.zeros((2, 4800)))
    with pytest.raises(ValueError, match=r"clip0.wav: expected 4 channels for the array foa, found 2"):
        split_clips(options, "test")
    write_audio(folder / "foa_dev/clip0.flac", np.random.default_rng(0).uniform(-0.5, 0.5, (4, 48000)))
    (folder / "foa_dev/clip0.wav").unlink()
    with (folder / "foa_dev/clip0.flac").open("r+b") as file:
        file.truncate(200_000)
    with pytest.raises(ValueError, match=r"clip0.flac: "):
        split_clips(options, "test")


def test_remembered_clips_have_no_more_sources_than_there_are_tracks(tmp_path):
    folder = dataset(tmp_path / "many", clips=1)
    rows = read_rows(tmp_path / "many/metadata_dev/clip0.csv")
    many = [rows.assign(source=source, azimuth=30 * source) for source in range(3)]
    write_rows(tmp_path / "many/metadata_dev/clip0.csv", pd.concat(many).sort_values("frame", kind="stable"))
    options = Experiment(data=DataConfig(test=folder, remember=folder))
    with pytest.raises(ValueError, match=r"clip0.csv: .*3"):
        remembered_clips(options)
    assert len(split_clips(options, "test")) == 1  # scores count all of them


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": ""}, "data.train must name a folder, got none"),
        ({"test": []}, "data.test must name a folder, got none"),
        ({"validation_clips": 0}, "data.validation_clips must be >= 1, got 0"),
    ],
)
def test_options_of_data_that_mean_nothing_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DataConfig(**change)


def test_scenes_of_another_array_name_the_option_for_their_folder(tmp_path):
    made = tmp_path / "made"
    options = Experiment(data=DataConfig(made=made, validation_clips=1, workers=1), scenes=SceneConfig(clip_seconds=1))
    split_clips(options, "validation")
    other = replace(options, features=replace(options.features, array="mic"))
    with pytest.raises(ValueError, match=r"made with formats .*\(data.made names the folder for all scenes"):
        split_clips(other, "validation")


def test_splits_without_a_folder_are_made_and_said(tmp_path, monkeypatch, caplog):
    made = []
    monkeypatch.setattr("seld.training.splits.make_scenes", lambda scenes, folder, workers: made.append(scenes))
    monkeypatch.setattr("seld.training.splits.find_clips", lambda folder, *_: [folder.name])
    options = Experiment(data=DataConfig(train="mine", made=tmp_path, validation_clips=3, test_clips=4))
    with caplog.at_level(logging.WARNING):
        assert (split_clips(options, "validation"), split_clips(options, "test")) == (["validation"], ["test"])
        assert remembered_clips(options) == ["remember2"]
    assert [(scenes.split, scenes.clips) for scenes in made] == [("validation", 3), ("test", 4), ("validation", 3)]
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"data.{split} is not given: scenes are made for it, in {tmp_path / split}" for split in ("validation", "test")
    ]


class Side:
    """Clips whose scores depend on how far the weights have gone, and on the threshold."""

    def __init__(self, **slopes):
        self.slopes = slopes

    def estimates(self, localizer):
        return localizer.trust.filter.bias.item()  # 0: the given weights, 1: the fine-tuned ones

    def scores(self, share, threshold, protocol=""):
        found = dict.fromkeys(KEPT, 0.8) | {"LE": 10.0}
        return {name: value + self.slopes.get(name, 0) * share - abs(threshold - 0.3) for name, value in found.items()}


@pytest.mark.parametrize(
    ("f20", "threshold"),
    [
        ({0.2: 0.8}, 0.2),  # a clear best
        ({0.2: 0.796, 0.3: 0.8, 0.4: 0.798}, 0.2),  # as good as the best, and misses less
        ({0.2: 0.79, 0.3: 0.8, 0.4: 0.798}, 0.3),
        ({}, 0.1),  # nothing found at any
    ],
)
def test_the_lowest_of_equally_good_thresholds_is_kept(model, monkeypatch, f20, threshold):
    localizer = Localizer.from_pretrained(model)
    monkeypatch.setattr(Validation, "__init__", lambda self, clips, data: None)
    monkeypatch.setattr(Validation, "estimates", lambda self, localizer: {})
    scores = lambda self, estimates, threshold, protocol="": dict.fromkeys(KEPT, f20.get(threshold, 0.0))  # noqa: E731
    monkeypatch.setattr(Validation, "scores", scores)
    found = validate(localizer, [], [])
    assert localizer.threshold == found["threshold"] == threshold and found["F20"] == f20.get(threshold, 0.0)


@pytest.mark.parametrize(
    ("old", "share"),
    [
        ({}, 1.0),
        ({"F20": -0.01}, 0.4),  # by 0.005 at most
        ({"MOTA": -0.006}, 0.8),
        ({"LE": 2.0}, 0.2),  # by half a degree at most
        ({"LR": -0.1}, 0.0),
    ],
)
def test_as_much_is_kept_of_a_fine_tuning_as_old_clips_allow(model, old, share):
    start, tuned = Localizer.from_pretrained(model), Localizer.from_pretrained(model)
    tuned.trust.filter.bias.data[:] = 1.0
    choice, localizer = finetuning._choose(start, tuned, Side(F20=0.1), Side(**old))
    assert (choice.share, choice.threshold) == (share, 0.3)
    found = {name: scores["F20"] for name, scores in choice.scores.items()}
    assert found == pytest.approx(
        {
            "new clips before": 0.8,
            "old clips before": 0.8,
            "new clips": 0.8 + 0.1 * share,
            "old clips": 0.8 + old.get("F20", 0) * share,
        }
    )
    assert localizer.trust.filter.bias.item() == pytest.approx(share) and localizer.threshold == 0.3
    other = localizer.recurrent.weight_hh_l0
    torch.testing.assert_close(other, tuned.recurrent.weight_hh_l0)  # which are the same in both


def test_a_fine_tuning_that_makes_it_worse_gives_the_given_weights(model):
    start, tuned = Localizer.from_pretrained(model), Localizer.from_pretrained(model)
    tuned.trust.filter.bias.data[:] = 1.0
    choice, _ = finetuning._choose(start, tuned, Side(F20=-0.1), Side())
    assert (choice.share, choice.threshold) == (0.0, 0.3)


def test_a_fine_tuning_is_settled_once(model, tmp_path):
    folders = {name: dataset(tmp_path / name, clips=1, seed=seed) for seed, name in enumerate(("new", "old"))}
    options = resolved(Experiment(model=model, data=DataConfig(validation=folders["new"], remember=folders["old"])))
    run = Run(tmp_path / "run", options)
    Localizer.from_pretrained(model).save(run.folder / TUNED)
    clips = split_clips(options, "validation"), remembered_clips(options)
    choice = settle(options, run, *clips)
    assert Localizer.from_pretrained(run.folder).threshold == choice.threshold
    assert json.loads((run.folder / "fine_tuning.json").read_text())["share"] == choice.share
    assert settle(options, run, *clips) is None


def test_a_model_is_fine_tuned_on_a_folder(recipe, tmp_path, model):
    new, old = dataset(tmp_path / "new", clips=2), dataset(tmp_path / "old", clips=1, seed=1)
    data = ("--data.train", new, "--data.validation", new, "--data.test", new, "--data.remember", old)
    code, out, _ = recipe("train_doa", "--model", model, *data, *TINY, "--run_dir", "run")
    assert code == 0 and f"% of the way to {TUNED}" in out
    before, after, tuned = (Localizer.from_pretrained(path) for path in (model, "run", f"run/{TUNED}"))
    assert before.config == after.config
    share = json.loads((tmp_path / "run/fine_tuning.json").read_text())["share"]
    for start, end, found in zip(before.parameters(), tuned.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(found, start + share * (end - start))
    assert "recurrent_units: 8" in (tmp_path / "run/config.yaml").read_text()
    assert "learning_rate: 0.0003" in (tmp_path / "run/config.yaml").read_text()
    assert recipe("train_doa", "--model", model, *data, *TINY, "--run_dir", "run")[0] == 0  # it was done already


@pytest.mark.parametrize("array", ["foa", "mic"])
def test_a_folder_of_either_array_trains_and_is_evaluated(recipe, tmp_path, array):
    folder = dataset(tmp_path / "own", arrays=("foa", "mic"))
    mic = ("--features.array", "mic", "--features.kind", "logmel_gcc", "--localizer.head", "linear")
    kind = mic if array == "mic" else ()
    data = [part for split in ("train", "validation", "test") for part in (f"--data.{split}", folder)]
    assert recipe("train_doa", *data, *TINY, *SIZES, *kind, "--run_dir", "run")[0] == 0
    sides = ("--reference", folder, "--prediction", "run/estimates/localizer")
    code, _, _ = recipe("evaluate", *sides, "--protocol", "doa+mot", "--json", "scores.json")
    assert code == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["clips"] == 2 and scores["LR"] == json.loads((tmp_path / "run/scores.json").read_text())["LR"]
    assert len(read_rows(tmp_path / "own/metadata_dev/clip0.csv")) == 10


def test_folders_that_cannot_be_trained_on_are_one_line(recipe, tmp_path, model):
    silent, mic = dataset(tmp_path / "silent", active=False), dataset(tmp_path / "only_mic", arrays=("mic",))
    code, _, error = recipe("train_doa", "--train.accelerator", "cuda", "--data.train", silent, "--run_dir", "run")
    assert torch.cuda.is_available() or (code == 2 and "train.accelerator cuda cannot be used: " in error)
    for start in ((), ("--model", model)):
        code, _, error = recipe("train_doa", *start, "--data.train", silent, "--run_dir", "run")
        assert code == 2 and "silent: no source is active in any frame of its 2 clips" in error
    code, _, error = recipe("train_doa", "--model", model, "--data.train", mic, "--run_dir", "run")
    assert code == 2 and "only_mic: expected a folder in DCASE layout, foa_dev/ is missing" in error
    code, _, error = recipe("train_doa", "--model", "nowhere", "--data.train", silent, "--run_dir", "run")
    assert code == 2 and "nowhere: no run folder with best.safetensors" in error
