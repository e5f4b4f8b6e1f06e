"""Train a deep Hungarian network on synthetic assignment problems and score it.

    python recipes/train_hnet.py
    python recipes/train_hnet.py --config hnet_gru.yaml --run_dir runs/hnet_gru
    python recipes/train_hnet.py --data.sizes "[3]" --data.resolutions_deg coarse --data.cost chord

The run folder gets model.safetensors (the best network so far), last.ckpt (the last one, from which the same command
goes on when it was stopped), config.yaml, log.csv, tensorboard/, scores.json and the figures associations.png,
confusion.png, separations.png and curves.png. Shipped weights are never touched; `assignment.hnet` of the localizer's
recipe takes the path of the new ones. A cost function of your own is looked for in the working folder too.
"""

import itertools
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from seld import config
from seld.assignment.hnet import Hnet, HnetConfig, hnet_losses
from seld.assignment.hnet_cases import CASES
from seld.assignment.hnet_data import Examples, HnetDataConfig, draw, endless, margin
from seld.assignment.hnet_report import balance_table, score_table
from seld.assignment.hnet_scores import TIED_MARGIN, HnetScoresConfig, balance, is_exact, score, separation_map
from seld.plots import plot_associations, plot_curves, plot_pairs, plot_separations
from seld.run import Run
from seld.weights import PRETRAINED

SEPARATIONS_DEG = [0.5, 1, 2, 5, 10, 20, 40, 90, 180]  # of the heat map


@dataclass
class TrainConfig:
    """The optimization."""

    steps: int = 3000
    """batches"""
    batch: int = 256
    """problems per step"""
    learning_rate: float = 3e-3
    """highest rate of Adam; it rises over the first twentieth of the steps and falls to 0 along a cosine"""
    loss_weights: list[float] = field(default_factory=lambda: [1.0, 1.0, 1.0])
    """of the losses of pairs, of rows (is an estimate matched) and of columns (is a reference matched)"""
    every: int = 300
    """steps from one checkpoint, with its line in log.csv, to the next"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: cuda where there is one"""

    def __post_init__(self):
        for name in ("steps", "batch", "learning_rate", "every"):
            if not getattr(self, name) > 0:
                raise ValueError(f"train.{name} must be > 0, got {getattr(self, name)}")
        weights = self.loss_weights
        if len(weights) != 3 or min(weights) < 0 or sum(weights) == 0:
            raise ValueError(f"train.loss_weights must be three weights >= 0, not all 0, got {weights}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("train.device must be cpu or auto here, got cuda, which there is none of")


@dataclass
class Config:
    """One experiment."""

    run_dir: Path = Path("runs/hnet")
    """folder for everything that the run makes"""
    seed: int = 0
    """of weights and training problems"""
    hnet: HnetConfig = field(default_factory=HnetConfig)
    data: HnetDataConfig = field(default_factory=HnetDataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    validation: HnetScoresConfig = field(default_factory=HnetScoresConfig)

    def __post_init__(self):
        if self.run_dir.resolve() == PRETRAINED:
            raise ValueError(f"run_dir must be another folder than that of the shipped weights, got {self.run_dir}")
        if self.hnet.architecture != "gru":
            return
        if max(self.data.sizes + self.validation.sizes) > self.hnet.slots:
            raise ValueError(f"data.sizes and validation.sizes must be at most hnet.slots ({self.hnet.slots}) for gru")
        if self.data.cost != "angle" and self.hnet.angles:
            raise ValueError(f"hnet.angles must be false for gru and data.cost {self.data.cost}, got true")


def main(options: Config) -> None:
    torch.set_flush_denormal(True)  # messages at low temperature make denormals, which are slow
    run = Run(options.run_dir, options)
    print(balance_table(*balance(options.data, options.seed)))
    seconds = sum(line.get("seconds", 0.0) for line in train(options, run))
    net = Hnet.from_pretrained(run.folder / "model.safetensors").to(device(options))
    scores = score(net, options.data, options.validation)
    print(score_table(scores))
    run.write_json("scores.json", scores | {"training_seconds": round(seconds, 1)})
    figures(net.cpu(), scores, options, run.folder)
    print(f"trained for {seconds:.0f} s; everything is in {run.folder}")


def train(options: Config, run: Run) -> list[dict[str, float]]:
    """All training steps that are left to do; leaves the best network and the last state in the run folder.

    Returns:
        The log, from the first step on.
    """
    torch.manual_seed(options.seed)
    net, steps, every = Hnet(options.hnet).to(device(options)), options.train.steps, options.train.every
    optimizer = torch.optim.Adam(net.parameters(), options.train.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.train.learning_rate, steps, pct_start=0.05)
    parts = {"net": net, "optimizer": optimizer, "schedule": schedule}
    first, history = resume(run, parts)
    unseen = validation_problems(options)
    problems = endless(options.data, options.train.batch, options.seed, first)
    losses, began = torch.zeros(3), time.perf_counter()
    for step in tqdm(range(first, steps), "training", steps, initial=first, unit="step"):
        examples = next(problems).to(device(options))
        each = torch.stack(hnet_losses(net.logits(*inputs(examples)), examples.association))
        optimizer.zero_grad()
        (each @ each.new_tensor(options.train.loss_weights)).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses += each.detach().cpu() / every
        if (step + 1) % every == 0 or step + 1 == steps:
            done = step % every + 1
            line = log_line(net, unseen, losses * every / done, len(history) + 1, step + 1)
            history.append(line | {"seconds": time.perf_counter() - began})
            losses.zero_()
            keep(run, net, parts, history)
            began = time.perf_counter()
    return history


def device(options: Config) -> str:
    wanted = options.train.device
    return wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def inputs(examples: Examples) -> tuple[Tensor, Tensor, Tensor]:
    return examples.cost, examples.active, examples.present


def validation_problems(options: Config) -> list[Examples]:
    """What the best network is chosen by: problems that neither training nor the final scores see, without ties."""
    drawn = itertools.islice(endless(options.data, 256, options.validation.seed + options.seed + 1), 16)
    untied = (examples.where(margin(examples) > TIED_MARGIN) for examples in drawn)
    return [examples.to(device(options)) for examples in untied if len(examples.cost)]


@torch.no_grad()
def log_line(net: Hnet, unseen: list[Examples], losses: Tensor, epoch: int, step: int) -> dict[str, float]:
    """One line of the log: mean losses since the one before, loss and share of exact matrices on unseen problems."""
    held_out, exact = [], []
    for examples in unseen:
        held_out.append(sum(hnet_losses(net.logits(*inputs(examples)), examples.association)))
        exact.append(is_exact(net(*inputs(examples)), examples))
    named = dict(zip(("loss_pairs", "loss_rows", "loss_columns"), losses.tolist(), strict=True))
    validation = torch.stack(held_out).mean().item(), torch.cat(exact).double().mean().item()
    return {"epoch": epoch, "step": step, **named} | dict(
        zip(("validation_loss", "validation_exact"), validation, strict=True)
    )


def keep(run: Run, net: Hnet, parts: dict, history: list[dict[str, float]]) -> None:
    """Write the log, the network if it is the best so far, and the state to go on from."""
    run.log(history)
    if history[-1]["validation_loss"] == min(line["validation_loss"] for line in history):
        net.save(run.folder / "model.safetensors")
    run.save({"history": history} | {name: part.state_dict() for name, part in parts.items()})


def resume(run: Run, parts: dict) -> tuple[int, list[dict[str, float]]]:
    """Steps done and log so far, after loading the last state if there is one."""
    state = run.load()
    if state is None:
        return 0, []
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["history"][-1]["step"], state["history"]


def figures(net: Hnet, scores: dict, options: Config, folder: Path) -> None:
    """Associations of every kind, confusions, accuracy over separation and number of sources, and the log."""
    kinds = {"all problems": scores["all"]} | scores["by_case"]
    plot_pairs(kinds, folder / "confusion.png")
    associations(net, options, folder / "associations.png")
    if options.data.cost == "angle" and (counts := [size for size in options.validation.sizes if size > 1]):
        shares = separation_map(net, counts, SEPARATIONS_DEG, options.validation.problems // 20, options.seed)
        plot_separations({"Hnet": (counts, *shares)}, SEPARATIONS_DEG, folder / "separations.png")
    panels = {
        "loss": ["loss_pairs", "loss_rows", "loss_columns"],
        "loss on unseen problems": ["validation_loss"],
        "exact on unseen problems, share": ["validation_exact"],
    }
    plot_curves(folder / "log.csv", folder / "curves.png", panels)
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        row = kinds["all problems"]
        for name in ("exact", "precision_weighted", "recall_weighted", "F1_weighted", "F1_macro"):
            writer.add_scalar(f"final/{name}", row[name], options.train.steps)


def associations(net: Hnet, options: Config, path: Path) -> None:
    """Cost, truth and estimate of one problem of every kind."""
    generator = torch.Generator().manual_seed(options.validation.seed)
    size = sorted(options.data.sizes)[len(options.data.sizes) // 2]
    shown = {}
    for case in CASES:
        examples = draw(replace(options.data, cases={case: 1.0}, full_share=0.8), 1, size, size, generator)
        estimate = net(*inputs(examples))
        cost = examples.cost.masked_fill(~examples.valid, torch.nan)
        shown[case.replace("_", " ")] = cost[0].numpy(), examples.association[0].numpy(), estimate[0].numpy()
    plot_associations(shown, path)


if __name__ == "__main__":
    sys.path.append(".")  # where a user's cost function may lie
    config.run(main, Config, __doc__)
