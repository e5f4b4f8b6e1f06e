import pickle

import lightning
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from seld.labels import rows_from_grid
from seld.metrics import Scores, evaluate

PROTOCOL = "doa+mot"


def table(seed: int, rows: int = 40) -> pd.DataFrame:
    """Two sources that walk about; each frame has them or not."""
    rng = np.random.default_rng(seed)
    frame, source = np.divmod(np.flatnonzero(rng.random(rows) < 0.8), 2)
    azimuth = np.round(40 * source + rng.normal(0, 9, len(frame)))
    return pd.DataFrame({"frame": frame, "class": 0, "source": source, "azimuth": azimuth, "elevation": 5.0})


REFERENCE = {f"clip{number}": table(number) for number in range(5)}
PREDICTION = {f"clip{number}": table(100 + number) for number in range(5)}


def updated(names, **options) -> Scores:
    scores = Scores(PROTOCOL, **options)
    for name in names:
        scores.update(REFERENCE[name], PREDICTION[name])
    return scores


def plain(scores) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items()}


def same(result, expected):
    """All numbers within rounding, whatever the order of the clips."""
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            same(result[name], value)
        else:
            np.testing.assert_allclose(result[name], value, atol=1e-9)


@pytest.mark.parametrize("threshold_deg", [None, 7])
def test_clip_by_clip_as_all_at_once(threshold_deg):
    expected = evaluate(REFERENCE, PREDICTION, PROTOCOL, threshold_deg)
    expected.pop("notes")
    scores = updated(REFERENCE, threshold_deg=threshold_deg)
    same(scores.result(), expected)
    assert plain(scores.compute()) == pytest.approx({name: expected[name] for name in expected["jackknife"]})
    mapped = Scores(PROTOCOL, threshold_deg=threshold_deg)
    mapped.update(REFERENCE, PREDICTION)
    same(mapped.result(), expected)


def test_merged_states_are_one_state():
    names = list(REFERENCE)
    one, other = updated(names[:2]), updated(names[2:])
    one.merge_state(other)
    same(one.result(), updated(names).result())
    other.merge_state(Scores(PROTOCOL))  # nothing seen: nothing changes
    same(other.result(), updated(names[2:]).result())


def test_reset_forgets_everything():
    scores = updated(REFERENCE)
    scores.reset()
    scores.update(REFERENCE["clip1"], PREDICTION["clip1"])
    same(scores.result(), updated(["clip1"]).result())


def test_forward_gives_the_batch_and_keeps_all():
    scores = Scores("doa")
    for name in REFERENCE:
        of_batch = scores(REFERENCE[name], PREDICTION[name])
        assert of_batch["LE"] == pytest.approx(evaluate(REFERENCE[name], PREDICTION[name])["LE"])
    assert scores.compute()["LE"] == pytest.approx(evaluate(REFERENCE, PREDICTION)["LE"])


def test_a_state_keeps_its_precision_when_its_module_loses_it_and_when_it_is_pickled():
    module = torch.nn.Module()
    module.scores = updated(REFERENCE)
    module.to(torch.bfloat16)
    same(module.scores.result(), updated(REFERENCE).result())
    same(pickle.loads(pickle.dumps(module.scores)).result(), updated(REFERENCE).result())


def grids(seed: int, batch: int = 3, frames: int = 20, slots: int = 2):
    torch.manual_seed(seed)
    doa = torch.nn.functional.normalize(torch.randn(batch, frames, slots, 3) + torch.tensor([3.0, 0, 0]), dim=-1)
    return doa, torch.rand(batch, frames, slots) < 0.7


def test_batches_of_grids_are_clips():
    reference, prediction = grids(0), grids(1)
    scores = Scores(PROTOCOL)
    scores.update(reference, (prediction[0].bfloat16().float().requires_grad_(), prediction[1]))
    sides = [
        {str(clip): rows_from_grid(doa[clip].numpy(), active[clip].numpy()) for clip in range(3)}
        for doa, active in (reference, (prediction[0].bfloat16().float(), prediction[1]))
    ]
    expected = evaluate(*sides, PROTOCOL)
    expected.pop("notes")
    result = scores.result()
    assert result["clips"] == 3
    assert result["LE"] == pytest.approx(expected["LE"], abs=1e-4)  # float32 vectors to degrees in another precision
    assert result["counters"]["pairs"] == expected["counters"]["pairs"]
    one = Scores(PROTOCOL)
    for clip in range(3):
        one.update(*((doa[clip], active[clip]) for doa, active in (reference, prediction)))
    assert one.result()["counters"]["references"] == result["counters"]["references"]


@pytest.mark.parametrize(
    ("reference", "prediction", "message"),
    [
        (grids(0, batch=2), grids(1, batch=3), "must have the same clips"),
        ((grids(0)[0], grids(0, slots=3)[1]), grids(1), "must have the shapes"),
        (table(0).drop(columns="azimuth"), table(1), "must have the columns azimuth"),
        (REFERENCE, table(0), "must have the same clips"),
    ],
)
def test_sides_that_do_not_fit_are_refused(reference, prediction, message):
    scores = Scores("doa")
    with pytest.raises(ValueError, match=message):
        scores.update(reference, prediction)


def test_unknown_options_are_refused_and_those_of_torchmetrics_known():
    with pytest.raises(ValueError, match="colour must be an option of the protocol"):
        Scores("doa", colour="red")
    assert not Scores("doa", sync_on_compute=False).sync_on_compute


class Silent(lightning.LightningModule):
    """Predicts its input; what is compared is up to the loader."""

    def __init__(self):
        super().__init__()
        self.scores = Scores("doa")

    def validation_step(self, batch, index):
        doa, active, estimated = batch
        self.scores.update((doa, active), (estimated, active))

    def on_validation_epoch_end(self):
        self.log_dict(self.scores.compute())
        self.scores.reset()


def test_inside_lightning(tmp_path):
    (doa, active), (estimated, _) = grids(0, batch=6), grids(1, batch=6)
    loader = DataLoader(list(zip(doa, active, estimated, strict=True)), batch_size=2)
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    logged = trainer.validate(Silent(), loader, verbose=False)[0]
    alone = Scores("doa")
    alone.update((doa, active), (estimated, active))
    assert logged["LE"] == pytest.approx(float(alone.compute()["LE"]), rel=1e-6)
    assert logged["LR"] == 1


def process(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=3)
    scores = updated([["clip0", "clip3", "clip4"], ["clip1", "clip2"], []][rank])  # the last one has seen nothing
    for _ in range(2):  # the second time after the states have been parted again
        result = scores.result() | {"computed": plain(scores.compute())}
    torch.save(result, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_processes_agree_on_the_scores_of_all_clips(tmp_path):
    torch.multiprocessing.spawn(process, (str(tmp_path),), nprocs=3)
    expected = updated(REFERENCE).result()
    expected["computed"] = {name: expected[name] for name in expected["jackknife"]}
    for rank in range(3):
        same(torch.load(tmp_path / f"{rank}.pt", weights_only=False), expected)
