"""Train a deep Hungarian network on synthetic assignment problems and score it.

    python recipes/train_hnet.py
    python recipes/train_hnet.py --config hnet_gru.yaml --run_dir runs/hnet_gru

The run folder gets model.safetensors, config.yaml, scores.json and associations.png. Shipped weights are
never touched; `assignment.hnet` of the localizer's recipe takes the path of the new ones.
"""

import itertools
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from seld import config
from seld.assignment.hnet import Hnet, HnetConfig, hnet_loss
from seld.assignment.hnet_data import CASES, Examples, HnetDataConfig, draw, endless, margin
from seld.plots import plot_associations
from seld.run import Run

CLEAR_MARGIN = 0.05  # radians of cost between the best and the next best pairing
TIED_MARGIN = 1e-5  # below it several pairings are right, and which one the truth names is chance
SEPARATIONS_DEG = (0, 1, 2, 5, 10, 20, 180)


@dataclass
class TrainConfig:
    """The optimization."""

    steps: int = 2000
    """batches"""
    batch: int = 256
    """problems per step"""
    learning_rate: float = 3e-3
    """highest rate of Adam; it rises over the first twentieth of the steps and falls to 0 along a cosine"""

    def __post_init__(self):
        for name in ("steps", "batch", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"train.{name} must be > 0, got {getattr(self, name)}")


@dataclass
class ValidationConfig:
    """The problems that the network is judged on, different from all training problems by their seed."""

    problems: int = 20000
    """for the tables over counts and separations; a tenth for each way of placing and for each size"""
    sizes: list[int] = field(default_factory=lambda: [2, 3, 4, 5, 8, 10])
    """numbers of references and of estimates, all there, of the table over sizes"""
    seed: int = 1_000_003
    """of the problems"""

    def __post_init__(self):
        if self.problems < 100:
            raise ValueError(f"validation.problems must be >= 100, got {self.problems}")


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
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self):
        if self.hnet.architecture == "gru" and max(self.data.sizes + self.validation.sizes) > self.hnet.slots:
            raise ValueError(
                f"data.sizes and validation.sizes must be at most hnet.slots ({self.hnet.slots}) for gru"
            )


def main(options: Config) -> None:
    torch.set_flush_denormal(True)  # messages at low temperature make denormals, which are slow
    run = Run(options.run_dir, config.to_yaml(options))
    began = time.perf_counter()
    net = train(options).freeze()
    seconds = time.perf_counter() - began
    net.save(run.folder / "model.safetensors")
    scores = validate(net, options.data, options.validation)
    print(table(scores))
    print(f"trained for {seconds:.0f} s; everything is in {run.folder}")
    run.write_json("scores.json", scores | {"training_seconds": round(seconds, 1)})
    picture(net, options, run.folder / "associations.png")


def train(options: Config) -> Hnet:
    """A network after all training steps."""
    torch.manual_seed(options.seed)
    net, steps = Hnet(options.hnet), options.train.steps
    optimizer = torch.optim.Adam(net.parameters(), options.train.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.train.learning_rate, steps, pct_start=0.05
    )
    problems = endless(options.data, options.train.batch, options.seed)
    bar = tqdm(range(steps), "training", unit="step")
    for step in bar:
        examples = next(problems)
        logits = net.logits(examples.cost, examples.active, examples.present)
        loss = hnet_loss(logits, examples.association)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            with torch.no_grad():
                right = is_exact(net(examples.cost, examples.active, examples.present), examples)
            bar.set_postfix(loss=f"{loss.item():.3f}", exact=f"{right.float().mean().item():.3f}")
    return net


def validate(net: Hnet, data: HnetDataConfig, validation: ValidationConfig) -> dict:
    """Scores of the network: over all problems, and by counts, separation, way of placing, and size."""
    generator = torch.Generator().manual_seed(validation.seed)
    most, few = max(data.sizes), validation.problems // 10
    examples = draw(replace(data, full_share=0), validation.problems, most, most, generator)
    outcome = Outcome.of(net, examples)
    references, estimates = examples.active.sum(1), examples.present.sum(1)
    degrees = examples.separation.rad2deg()
    scores = {
        "all": outcome.scores(),
        "by_counts": {
            f"{n} references, {m} estimates": outcome.scores((references == n) & (estimates == m))
            for n in range(most + 1)
            for m in range(most + 1)
        },
        "by_separation": {
            f"{low}-{high} degrees": outcome.scores((degrees >= low) & (degrees < high))
            for low, high in itertools.pairwise(SEPARATIONS_DEG)
        },
        "by_case": {},
        "by_size": {},
    }
    for case in CASES:
        examples = draw(replace(data, cases={case: 1.0}), few, most, most, generator)
        scores["by_case"][case] = Outcome.of(net, examples).scores()
    apart = replace(data, cases={"independent": 1.0}, full_share=1, resolutions_deg=[0])
    for size in validation.sizes:
        scores["by_size"][f"{size} x {size}"] = Outcome.of(
            net, draw(apart, few, size, size, generator)
        ).scores()
    return scores


@dataclass
class Outcome:
    """What came out of a set of problems; every tensor has one value per problem."""

    exact: Tensor
    hits: Tensor
    estimated: Tensor
    true: Tensor
    margin: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, net: Hnet, examples: Examples) -> "Outcome":
        association = net(examples.cost, examples.active, examples.present)
        estimated, true = association > 0.5, examples.association > 0.5
        return cls(
            is_exact(association, examples),
            *(pairs.sum((1, 2)) for pairs in (estimated & true, estimated, true)),
            margin(examples),
        )

    def scores(self, chosen: Tensor | None = None) -> dict[str, float]:
        """F1 over pairs, share of exactly right matrices, the same among problems with a clear margin."""
        chosen = (self.margin > TIED_MARGIN) & (True if chosen is None else chosen)
        clear = chosen & (self.margin > CLEAR_MARGIN)
        pairs = (self.estimated + self.true)[chosen].sum()
        return {
            "problems": int(chosen.sum()),
            "F1": float(2 * self.hits[chosen].sum() / pairs) if pairs else 1.0,
            "exact": float(self.exact[chosen].float().mean()),
            "clear": int(clear.sum()),
            "exact_clear": float(self.exact[clear].float().mean()),
        }


def is_exact(association: Tensor, examples: Examples) -> Tensor:
    """(batch) bool: every entry is on the right side of 0.5."""
    return ((association > 0.5) == (examples.association > 0.5)).flatten(1).all(1)


def table(scores: dict) -> str:
    """All scores as text, without ties; "clear" is a best pairing that wins by more than CLEAR_MARGIN."""
    lines = [f"{'':28}{'problems':>9}{'F1':>9}{'exact':>9}{'clear':>9}{'exact':>9}"]
    for group, rows in (
        {"": {"all": scores["all"]}} | {key: scores[key] for key in scores if key != "all"}
    ).items():
        lines.append(group.replace("_", " "))
        for name, row in rows.items():
            if row["problems"]:
                values = (row["problems"], row["F1"], row["exact"], row["clear"], row["exact_clear"])
                lines.append(
                    f"  {name:26}"
                    + "".join(
                        f"{value:9.4f}" if isinstance(value, float) else f"{value:9}" for value in values
                    )
                )
    return "\n".join(lines)


def picture(net: Hnet, options: Config, path: Path) -> None:
    """Cost, truth and estimate of one problem of every kind."""
    generator = torch.Generator().manual_seed(options.validation.seed)
    size = sorted(options.data.sizes)[len(options.data.sizes) // 2]
    shown = {}
    for case in CASES:
        examples = draw(replace(options.data, cases={case: 1.0}, full_share=0.8), 1, size, size, generator)
        estimate = net(examples.cost, examples.active, examples.present)
        cost = examples.cost.masked_fill(
            ~(examples.present.unsqueeze(2) & examples.active.unsqueeze(1)), torch.nan
        )
        shown[case.replace("_", " ")] = cost[0].numpy(), examples.association[0].numpy(), estimate[0].numpy()
    plot_associations(shown, path)


if __name__ == "__main__":
    config.run(main, Config, __doc__.splitlines()[0])
