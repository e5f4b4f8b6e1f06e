import pandas as pd
import pytest
import torch

from seld.run import Run


def test_a_checkpoint_survives(tmp_path):
    run = Run(tmp_path, "a: 1\n")
    assert run.load() is None
    run.save({"weights": torch.arange(3), "epochs": 2, "history": [{"loss": 0.5}]})
    state = Run(tmp_path, "a: 1\n").load()
    assert state["epochs"] == 2 and state["history"] == [{"loss": 0.5}]
    assert state["weights"].tolist() == [0, 1, 2]


def test_a_run_of_another_configuration_is_not_overwritten(tmp_path):
    Run(tmp_path, "a: 1\n").save({"epochs": 1})
    with pytest.raises(ValueError, match=r"config.yaml: the run in this folder has another configuration"):
        Run(tmp_path, "a: 2\n")
    assert (tmp_path / "config.yaml").read_text() == "a: 1\n"


def test_a_run_that_never_saved_may_change_its_configuration(tmp_path):
    Run(tmp_path, "a: 1\n")
    Run(tmp_path, "a: 2\n")
    assert (tmp_path / "config.yaml").read_text() == "a: 2\n"


def test_a_damaged_checkpoint_is_named(tmp_path):
    run = Run(tmp_path, "a: 1\n")
    run.checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=r"last.ckpt: not a readable checkpoint"):
        run.load()


def test_the_log_has_each_epoch_once(tmp_path):
    run = Run(tmp_path, "")
    history = [{"epoch": 1, "total": 2.0}]
    run.log(history)
    run.log(history)
    run.log([*history, {"epoch": 2, "total": 1.0}])
    assert pd.read_csv(tmp_path / "log.csv")["total"].tolist() == [2.0, 1.0]
    assert any((tmp_path / "tensorboard").iterdir())
