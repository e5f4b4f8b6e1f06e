"""Train a localizer through an assignment layer and score it on unseen rooms and sounds.

    python recipes/train_doa.py --config seld.yaml
    python recipes/train_doa.py --config seld.yaml --assignment.kind pit --run_dir runs/pit
    python recipes/train_doa.py --data.train DIR --data.validation DIR --data.test DIR --run_dir runs/mine
    python recipes/train_doa.py --config tau_nigens_2020.yaml --data.folder DIR
    python recipes/train_doa.py --model foa --data.train DIR --data.validation DIR --data.test DIR --run_dir runs/tuned

Scenes are made when there are none. Features are kept in memory, or elsewhere (--features.cache memory|disk|off).
Started again with the same --run_dir, a run goes on where it stopped, and with more --train.epochs where it ended.

With --model it is fine-tuning: from the weights of a run folder or file, or that ship under a name, at a tenth of the
learning rate. In the end the weights go as far towards the new ones as the scores on clips of the old kind stay what
they were (--data.remember, or scenes that are made); tuned.safetensors keeps those that went all the way.
"""

import math
import time

import pandas as pd
import torch
from lightning.fabric import Fabric
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler
from tqdm import tqdm

from seld import assignment, config
from seld.assignment import Layer, matching_cost
from seld.classical import intensity_histogram
from seld.clips import Batch, Clip, Clips, Segments, collate, open_clips, read_labels, read_recording, statistics
from seld.config import CHANGEABLE, Experiment
from seld.geometry import pairwise_angular_distance
from seld.labels import write_rows
from seld.localizer import Estimate, Localizer, estimated_rows, tracked_rows
from seld.losses import AdpitLoss, MotLoss, adpit_loss, mot_loss
from seld.metrics import evaluate
from seld.plots import plot_curves, plot_tracks
from seld.run import Run
from seld.scenes import SPLITS
from seld.training import KEPT, REMEMBERED, TUNED, remembered_clips, resolved, settle, split_clips, validate

FITTED = SPLITS[:2]
CURVES = {
    "LE of validation (degrees)": ["LE"],
    "scores of validation": ["F20", "LR", "LP", "MOTA"],
}
_APART = 1_000_003  # between what seeds count from, so that no epoch of one has the order of an epoch of another


def main(options: Experiment) -> None:
    torch.set_flush_denormal(True)  # small Sinkhorn temperatures make denormals, which are slow
    options = resolved(options)
    train = options.train
    try:
        fabric = Fabric(
            accelerator=train.accelerator,
            devices=train.devices,
            num_nodes=train.machines,
            precision=train.precision,
        )
    except RuntimeError as error:
        raise ValueError(f"train.accelerator {train.accelerator} cannot be used: {error}") from None
    fabric.launch()
    # A fine-tuning was settled when it was through; anything else may be trained for longer.
    run = Run(options.run_dir, options, CHANGEABLE, () if options.model else ("train.epochs",))
    with fabric.rank_zero_first():
        clips = {split: split_clips(options, split) for split in SPLITS}
        if options.model:
            clips[REMEMBERED] = remembered_clips(options)
    fit(options, fabric, run, clips)
    if fabric.global_rank == 0:
        if options.model and (choice := settle(options, run, clips["validation"], clips[REMEMBERED])):
            print(f"{100 * choice.share:.0f} % of the way to {TUNED}, threshold {choice.threshold:g}")
            print_table(choice.scores)
        report(run, clips["test"])


def fit(options: Experiment, fabric: Fabric, run: Run, clips: dict[str, list[Clip]]) -> None:
    """Train, or go on training, until the last epoch; the best weights are in the run folder then."""
    train = options.train
    fabric.seed_everything(options.seed, verbose=False)
    if options.model:
        localizer = Localizer.from_pretrained(options.model)
    else:
        localizer = Localizer(options.localizer, options.features.features())
    optimizer = torch.optim.AdamW(localizer.parameters(), train.learning_rate, weight_decay=train.weight_decay)
    done, history = 0, []
    if state := run.load():
        localizer.load_state_dict(state["localizer"])
        done, history = state["epochs"], state["history"]
    if done >= train.epochs:
        return
    assign = assignment.build(options.assignment, fabric.device)  # before features, which may take long
    with fabric.rank_zero_first():  # the others find its cache
        kept = (localizer.features, localizer.config.tracks, options.features)
        data = {split: open_clips(clips[split], *kept, f"{split} features") for split in FITTED}
    if fabric.global_rank == 0:
        describe(run, data)
    segments = Segments(data["train"], options.data.segments, localizer.features, options.seed)
    chance = _APART * options.seed
    sampler = DistributedSampler(segments, fabric.world_size, fabric.global_rank, seed=chance)
    # Not set up by Fabric, which would count the sampler's epochs from 0 again in a resumed run.
    loaders = options.data.loaders_for(fabric.device.type)
    loader = DataLoader(segments, train.batch, sampler=sampler, collate_fn=collate, num_workers=loaders)
    network, optimizer = fabric.setup(localizer, optimizer)
    if state:  # only now, since its tensors go where the parameters are
        optimizer.load_state_dict(state["optimizer"])
        fabric.strategy.precision.load_state_dict(state.get("precision", {}))
    for epoch in range(done, train.epochs):
        fabric.seed_everything((chance + epoch) % 2**32, verbose=False)  # what a resumed run draws, too
        sampler.set_epoch(epoch)
        segments.epoch = epoch
        started = time.perf_counter()
        line = {"epoch": epoch + 1}
        line |= train_epoch(options, fabric, network, optimizer, loader, assign, epoch, history)
        if fabric.global_rank == 0:
            line |= validate(localizer, clips["validation"], data["validation"])
            line["seconds"] = time.perf_counter() - started
            history.append(line)
            keep(run, localizer, history, TUNED if options.model else "best.safetensors")
            # Last, since a resumed run takes everything before it as done.
            run.save(
                {
                    "localizer": localizer.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "precision": fabric.strategy.precision.state_dict(),
                    "epochs": len(history),
                    "history": history,
                }
            )
        fabric.barrier()


def train_epoch(
    options: Experiment,
    fabric: Fabric,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: DataLoader,
    assign: Layer,
    epoch: int,
    history: list[dict],
) -> dict[str, float]:
    """One pass over the training clips; the mean of each term of the loss."""
    network.train()
    sums = torch.zeros(())
    last = {name: f"{history[-1][name]:.3g}" for name in ("LE", "F20")} if history else {}
    title = f"epoch {epoch + 1}/{options.train.epochs}"
    bar = tqdm(loader, title, leave=False, disable=fabric.global_rank > 0)
    for step, batch in enumerate(bar):
        batch = fabric.to_device(batch)
        progress = (epoch + step / len(loader)) / options.train.epochs
        set_rate(optimizer, options.train.learning_rate, progress)
        assignment.anneal(assign, options.assignment, progress)

        estimate = Estimate(*network(batch.features))
        loss = loss_of(options, assign, estimate, batch)
        fabric.backward(loss.total)

        fabric.clip_gradients(network, optimizer, max_norm=options.train.gradient_clip, error_if_nonfinite=False)
        optimizer.step()
        optimizer.zero_grad()
        terms = torch.stack(loss).detach().cpu()
        if not terms.isfinite().all():
            raise ValueError(f"{title}, step {step + 1}: the loss is not finite: {loss}")
        sums = sums + terms
        bar.set_postfix(loss=f"{sums[0] / (step + 1):.3f}", **last)
    return {f"loss_{name}": value for name, value in zip(loss._fields, (sums / len(loader)).tolist(), strict=True)}


def loss_of(options: Experiment, assign: Layer, estimate: Estimate, batch: Batch) -> MotLoss | AdpitLoss:
    """The loss of a batch, its total first."""
    if options.localizer.output == "accdoa":
        return adpit_loss(estimate.doa, estimate.activity_logit, batch.doa, batch.active)
    cost = pairwise_angular_distance(estimate.doa, batch.doa)
    price = options.assignment.activity_weight
    association = assign(matching_cost(cost, estimate.activity_logit, price), batch.active)
    return mot_loss(cost, association, estimate.activity_logit, batch.active, options.loss)


def keep(run: Run, localizer: Localizer, history: list[dict], best: str) -> None:
    """Print, log and save what an epoch has brought; `best` names the file for the best one."""
    line = history[-1]
    tqdm.write("  ".join(f"{name} {value:.3g}" for name, value in line.items()))
    localizer.save(run.folder / "last.safetensors")
    if line["F20"] >= max(entry["F20"] for entry in history):
        localizer.save(run.folder / best)
    run.log(history)


def describe(run: Run, data: dict[str, Clips]) -> None:
    """Say and keep what each split holds."""
    found = {split: statistics(clips.sums) for split, clips in data.items()}
    run.write_json("statistics.json", {split: values._asdict() for split, values in found.items()})
    for split, values in found.items():
        print(f"{split}: {values.line()}; {data[split].about}")


def set_rate(optimizer: torch.optim.Optimizer, highest: float, progress: float) -> None:
    """Learning rate at a share in [0, 1) of the steps: linear rise over the first tenth, then a cosine to 0."""
    rise = 0.1
    falling = (progress - rise) / (1 - rise)
    rate = progress / rise if progress < rise else (1 + math.cos(math.pi * falling)) / 2
    for group in optimizer.param_groups:
        group["lr"] = highest * max(rate, 1e-3)


def report(run: Run, clips: list[Clip]) -> None:
    """Estimates, figures and the final table of the best weights, with and without joining estimates into tracks.

    For Ambisonics, the classical method stands beside them.
    """
    localizer = Localizer.from_pretrained(run.folder)
    array = localizer.features.array
    methods = {
        "localizer": lambda _, estimate: tracked_rows(estimate, localizer.threshold),
        "its output slots": lambda _, estimate: estimated_rows(estimate, localizer.threshold),
    }
    if array.kind == "foa":
        methods["intensity histogram"] = lambda audio, _: intensity_histogram(audio, localizer.config.tracks)
    references = {clip.name: read_labels(clip) for clip in clips}
    estimates = {name: {} for name in methods}
    for clip in tqdm(clips, "localizing", unit="clip", leave=False):
        audio = read_recording(clip.audio, array)
        estimate = localizer.locate(audio)
        for name, method in methods.items():
            rows = estimates[name][clip.name] = method(audio, estimate)
            write_rows(run.folder / "estimates" / name.replace(" ", "_") / f"{clip.name}.csv", rows)
    for name in list(references)[:4]:
        plot_tracks(references[name], estimates["localizer"][name], run.folder / "figures" / f"{name}.png")
    scores = {name: evaluate(references, rows, "doa+mot") for name, rows in estimates.items()}
    history = pd.read_csv(run.folder / "log.csv")
    terms = [name for name in history if name.startswith("loss_")]
    plot_curves(history, run.folder / "figures" / "curves.png", {"loss": terms} | CURVES)
    baselines = {name: values for name, values in scores.items() if name != "localizer"}
    run.write_json("scores.json", scores["localizer"] | {"baselines": baselines})
    print_table(scores)


def print_table(scores: dict[str, dict]) -> None:
    """One line for each method."""
    width = max(map(len, scores))
    print(" " * width + "".join(f"{name:>10}" for name in KEPT))
    for method, values in scores.items():
        print(f"{method:<{width}}" + "".join(f"{values[name]:>10.3g}" for name in KEPT))


if __name__ == "__main__":
    config.run(main, Experiment, __doc__)
