"""Train the same localizer through every assignment, on the same scenes, for as many steps, and compare them.

    python recipes/compare.py --config compare.yaml
    python recipes/compare.py --config compare.yaml --arms hnet pit --overlaps 2 --parallel 2
    python recipes/compare.py --config compare.yaml --summarize --page docs/comparison.md

Every arm is trained with every seed on scenes of up to 2 and of up to 3 sources: recipes/train_doa.py in processes of
its own, each in RUN_DIR/OVERLAP/ARM-SEED. Started again, finished runs are kept and stopped ones go on; several of
these recipes may work on one folder. All other options are those of train_doa.py and hold for every arm.
"""

import copy
import functools
import signal
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path

from seld import config
from seld.assignment import AssignmentConfig
from seld.clips import METADATA
from seld.config import Experiment
from seld.files import atomic_path, write_json
from seld.losses import LossConfig
from seld.metrics.seeds import compare_seeds
from seld.metrics.seeds_report import differences_table, flat, insert, scores_table
from seld.plots import plot_intervals
from seld.scenes import SPLITS
from seld.training import resolved
from seld.training.processes import Planned, check, finish

ARMS = {
    # plain regression: squared error of directions, reference n belongs to track n
    "none": {"assignment.kind": "none", "loss.distance": "squared"},
    # permutation invariant training, one permutation per segment
    "pit": {"assignment.kind": "pit"},
    # exact, frame by frame
    "hungarian": {"assignment.kind": "hungarian"},
    # entropic; the association is held fixed where it weighs distances
    "sinkhorn": {"assignment.kind": "sinkhorn", "loss.detach_association": True},
    # deep Hungarian network, gradient through the association in every term
    "hnet": {"assignment.kind": "hnet", "loss.detach_association": False},
    # the same, but the association is held fixed where it weighs distances
    "hnet_detached": {"assignment.kind": "hnet", "loss.detach_association": True},
    # track-wise ACCDOA with ADPIT: no assignment layer, a loss of its own
    "accdoa": {"localizer.output": "accdoa"},
}
BASELINE = "hungarian"
TRAIN = Path(__file__).with_name("train_doa.py")
PANELS = {"LE": "LE (degrees)", "F20": "F20", "LR": "LR", "MOTA": "MOTA", "IDF1": "IDF1"}


@dataclass
class Comparison(Experiment):
    """What is compared, and what all arms have in common."""

    arms: list[str] = field(default_factory=lambda: list(ARMS))
    """which of none, pit, hungarian, sinkhorn, hnet, hnet_detached, accdoa"""
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    """of weights and segments, in place of seed; every arm is trained with each"""
    overlaps: list[int] = field(default_factory=lambda: [2, 3])
    """most sources that sound at once, and tracks of the localizer"""
    parallel: int = 1
    """training processes at once, which share the cores"""
    summarize: bool = False
    """train nothing; compare the runs that are there"""
    page: Path | None = None
    """page with markers, between which the results are put"""

    def __post_init__(self):
        super().__post_init__()
        for arm in self.arms:
            if arm not in ARMS:
                raise ValueError(f"arms must be of {', '.join(ARMS)}, got {arm}")
        for name in ("arms", "seeds", "overlaps"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be one or more, each once, got {', '.join(map(str, values)) or 'none'}")
        if not all(1 <= overlap <= 5 for overlap in self.overlaps):
            raise ValueError(f"overlaps must be from 1 to 5, got {', '.join(map(str, self.overlaps))}")
        if self.parallel < 1:
            raise ValueError(f"parallel must be >= 1, got {self.parallel}")
        for name in ("folder", *SPLITS):
            if getattr(self.data, name) is not None:
                raise ValueError(f"data.{name} must be left out, since scenes are made, got {getattr(self.data, name)}")
        if self.model is not None:
            raise ValueError(f"model must be left out, since all arms start anew, got {self.model}")


@dataclass(frozen=True, kw_only=True)
class ArmRun(Planned):
    """One training run of the comparison."""

    overlap: int
    arm: str
    seed: int


def main(options: Comparison) -> None:
    runs = plan(options)
    for run in runs:
        check(run)
    if not options.summarize:
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that processes are ended
        try:
            finish(runs, TRAIN, options.parallel, tell=functools.partial(print, flush=True))
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            signal.signal(signal.SIGTERM, before)
    summarize(options, runs)


def plan(options: Comparison) -> list[ArmRun]:
    """All runs; those of the first seed come first, so that there is something to compare early."""
    return [
        ArmRun(
            name=f"{arm}-{seed} of {overlap} sources",
            experiment=experiment(options, overlap, arm, seed),
            overlap=overlap,
            arm=arm,
            seed=seed,
        )
        for seed in options.seeds
        for overlap in options.overlaps
        for arm in options.arms
    ]


def experiment(options: Comparison, overlap: int, arm: str, seed: int) -> Experiment:
    """What train_doa.py runs, and writes down: with the learning rate that it chooses."""
    common = {part.name: copy.deepcopy(getattr(options, part.name)) for part in fields(Experiment)}
    one = Experiment(**common)
    one.run_dir = options.run_dir / str(overlap) / f"{arm}-{seed}"
    one.seed = seed
    one.data.made = options.data.made / str(overlap)
    one.scenes.max_overlap = one.localizer.tracks = overlap
    for name, value in ARMS[arm].items():
        part, option = name.split(".")
        setattr(getattr(one, part), option, value)
    if one.localizer.output == "accdoa":  # has none of these
        one.assignment, one.loss = AssignmentConfig(), LossConfig()
    return resolved(one)


def summarize(options: Comparison, runs: list[ArmRun]) -> None:
    """Write the tables and the figure of all runs that are there."""
    results = {}
    for overlap in options.overlaps:
        done = [run for run in runs if run.overlap == overlap and run.done]
        if done:
            reference = done[0].experiment.data.made / "test" / METADATA
            of_arms: dict[str, dict[int, Path]] = {arm: {} for arm in options.arms}
            for run in done:
                of_arms[run.arm][run.seed] = run.folder / "estimates" / "localizer"
            baseline = BASELINE if of_arms.get(BASELINE) else None
            results[f"{overlap} sources"] = compare_seeds(reference, of_arms, "doa+mot", baseline=baseline)
    if not results:
        raise ValueError(f"{options.run_dir}: no finished runs of these arms, seeds and overlaps")
    missing = [run.name for run in runs if not run.done]
    table = flat(results)
    text = page_text(options, results, missing)
    print(text)
    write_json(options.run_dir / "comparison.json", {"results": results, "missing": missing})
    with atomic_path(options.run_dir / "comparison.csv") as temporary:
        table.to_csv(temporary, index=False)
    with atomic_path(options.run_dir / "comparison.md") as temporary:
        temporary.write_text(text)
    means = table[table["seed"].isna() & table["against"].isna()]
    plot_intervals(means, options.run_dir / "comparison.png", PANELS, options.arms)
    if options.page is not None:
        insert(options.page, f"![the figures of the table]({options.page.stem}.png)\n\n{text}")
        plot_intervals(means, options.page.with_suffix(".png"), PANELS, options.arms)


def page_text(options: Comparison, results: dict, missing: list[str]) -> str:
    clips = next(iter(results.values()))["clips"]
    what = (
        f"{options.scenes.clips} training scenes of {options.scenes.clip_seconds:g} s, {options.train.epochs} passes, "
        f"{clips} test scenes; mean over the seeds (95 % interval over seeds and clips), after joining into tracks."
    )
    parts = [what, scores_table(results), differences_table(results)]
    if missing:
        parts.append(f"Not there yet: {', '.join(missing)}.")
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    config.run(main, Comparison, __doc__)
