from dataclasses import dataclass, field

import pandas as pd
import pytest
import torch

from seld.run import Run


@dataclass
class Inner:
    epochs: int = 1
    """passes"""


@dataclass
class Options:
    a: int = 1
    """a number"""
    train: Inner = field(default_factory=Inner)


def test_a_checkpoint_survives(tmp_path):
    run = Run(tmp_path, Options())
    assert run.load() is None
    run.save({"weights": torch.arange(3), "epochs": 2, "history": [{"loss": 0.5}]})
    state = Run(tmp_path, Options()).load()
    assert state["epochs"] == 2 and state["history"] == [{"loss": 0.5}]
    assert state["weights"].tolist() == [0, 1, 2]


def test_a_run_of_another_configuration_is_not_overwritten(tmp_path):
    Run(tmp_path, Options()).save({"epochs": 1})
    with pytest.raises(ValueError, match=r"config.yaml: made with a 1, not 2; choose another --run_dir"):
        Run(tmp_path, Options(a=2))
    with pytest.raises(ValueError, match=r"config.yaml: made with train.epochs 1, not 3"):
        Run(tmp_path, Options(train=Inner(3)))
    assert "a: 1\n" in (tmp_path / "config.yaml").read_text()


def test_what_may_change_may_change(tmp_path):
    Run(tmp_path, Options()).save({"epochs": 1})
    Run(tmp_path, Options(a=2), changeable=["a"])
    Run(tmp_path, Options(a=2, train=Inner(3)), growing=["train.epochs"])
    assert "epochs: 3\n" in (tmp_path / "config.yaml").read_text()
    with pytest.raises(ValueError, match=r"made with a 2, not 1"):
        Run(tmp_path, Options(train=Inner(3)), growing=["train.epochs"])
    with pytest.raises(ValueError, match=r"made with train.epochs 3, not 2"):
        Run(tmp_path, Options(a=2, train=Inner(2)), growing=["train.epochs"])


def test_an_option_that_came_later_has_its_default(tmp_path):
    Run(tmp_path, Options()).save({"epochs": 1})
    (tmp_path / "config.yaml").write_text("a: 1\n")
    Run(tmp_path, Options())
    (tmp_path / "config.yaml").write_text("a: 1\nb: 2\n")
    with pytest.raises(ValueError, match=r"config.yaml: .*b"):
        Run(tmp_path, Options())


def test_a_run_that_never_saved_may_change_its_configuration(tmp_path):
    Run(tmp_path, Options())
    Run(tmp_path, Options(a=2))
    assert "a: 2\n" in (tmp_path / "config.yaml").read_text()


def test_a_damaged_checkpoint_is_named(tmp_path):
    run = Run(tmp_path, Options())
    run.checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=r"last.ckpt: not a readable checkpoint"):
        run.load()


def test_the_log_has_each_epoch_once(tmp_path):
    run = Run(tmp_path, Options())
    history = [{"epoch": 1, "total": 2.0}]
    run.log(history)
    run.log(history)
    run.log([*history, {"epoch": 2, "total": 1.0}])
    assert pd.read_csv(tmp_path / "log.csv")["total"].tolist() == [2.0, 1.0]
    assert any((tmp_path / "tensorboard").iterdir())
