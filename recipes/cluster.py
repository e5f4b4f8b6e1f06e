"""Cluster images by k-means in Wasserstein distance, with the centres found by descent through the transport layer.

    python recipes/cluster.py
    python recipes/cluster.py --images PHOTOS --size 16 --clusters 4

A folder's subfolders are the labels of the images in them. Images go to the centre that is cheapest to reach, and
centres descend on what their images cost. The run folder gets clusters.png (every centre, with images of its
cluster), clusters.csv (one line per image), centres.npy, log.csv, scores.json (accuracy against the labels, beside
that of k-means on pixels) and config.yaml.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from torch import Tensor
from tqdm import tqdm

from seld import config
from seld.assignment.hungarian import hungarian
from seld.files import atomic_path
from seld.plots.canvas import save
from seld.run import Run
from seld.wasserstein import SUFFIXES, pixel_cost, read_images, to_mass, transport_cost

EXAMPLES = 8  # images shown beside each centre


@dataclass
class Config:
    """What to cluster, and how."""

    run_dir: Path = Path("runs/cluster")
    """folder for everything that the run makes"""
    images: Path | None = None
    """folder of images; by default the 8 x 8 digits of scikit-learn"""
    size: int | None = None
    """pixels to which the sides of the folder's images are brought"""
    dark_ink: bool = False
    """the mass of the folder's images is where they are dark"""
    digits: int = 300
    """number of digits taken when there is no folder"""
    classes: int = 5
    """digits from 0 on that are taken"""
    clusters: int | None = None
    """by default as many as there are labels"""
    starts: int = 2
    """runs from different first centres; the one of the least cost counts"""
    epochs: int = 8
    """times that all images are assigned, and all centres moved, in each run"""
    batch: int = 50
    """images per step of the centres"""
    learning_rate: float = 0.2
    """of Adam, on the logarithm of the centres; it falls to 0 along a cosine"""
    temperature: float = 0.005
    """blur of the plans, in the cost from corner to corner"""
    seed: int = 0
    """of the digits taken, the first centres and the order of the images"""

    def __post_init__(self):
        for name in ("digits", "clusters", "starts", "epochs", "batch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.size is not None and self.size < 2:
            raise ValueError(f"size must be >= 2, got {self.size}")
        if not 1 <= self.classes <= 10:
            raise ValueError(f"classes must be 1 to 10, got {self.classes}")
        for name in ("learning_rate", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")


def main(options: Config) -> None:
    images, names, labels = load_folder(options) if options.images else load_some_digits(options)
    clusters = options.clusters or len(set(labels))
    if clusters > len(images):
        raise ValueError(f"clusters must be at most the number of images ({len(images)}), got {clusters}")
    cost, mass = pixel_cost(*images.shape[1:]), to_mass(images, names)
    run = Run(options.run_dir, options)
    began = time.perf_counter()
    generator = torch.Generator().manual_seed(options.seed)
    runs = [cluster_images(cost, mass, clusters, options, generator) for _ in range(options.starts)]
    centres, cluster, log = min(runs, key=lambda run: run[2]["cost"].iloc[-1])
    scores = {"images": len(images), "clusters": clusters, "cost": log["cost"].iloc[-1]}
    pixels = KMeans(clusters, n_init=10, random_state=options.seed).fit(mass.numpy()).labels_
    if len(set(labels)) > 1:
        scores |= {"accuracy": accuracy(cluster, labels), "accuracy_euclidean": accuracy(pixels, labels)}
    run.write_json("scores.json", scores | {"seconds": round(time.perf_counter() - began, 1)})
    table = pd.DataFrame({"image": names, "label": labels, "cluster": cluster, "euclidean": pixels})
    run.write("log.csv", log.to_csv(index=False))
    run.write("clusters.csv", table.to_csv(index=False))
    centres = centres.reshape(clusters, *images.shape[1:])
    with atomic_path(run.folder / "centres.npy") as temporary:
        np.save(temporary, centres)
    draw(centres, images, cluster, labels, run.folder / "clusters.png")
    if "accuracy" in scores:
        print(
            f"accuracy {scores['accuracy']:.3f} in Wasserstein distance, {scores['accuracy_euclidean']:.3f} on pixels"
        )
    print(f"mean transport cost {scores['cost']:.5f}; everything is in {run.folder}")


def load_some_digits(options: Config) -> tuple[np.ndarray, list[str], list[str]]:
    """Pictures (images, 8, 8), their names and labels."""
    digits = load_digits()
    chosen = np.flatnonzero(digits.target < options.classes)
    chosen = np.random.default_rng(options.seed).permutation(chosen)[: options.digits]
    return digits.images[chosen], [f"digit {i}" for i in chosen], [str(label) for label in digits.target[chosen]]


def load_folder(options: Config) -> tuple[np.ndarray, list[str], list[str]]:
    """Pictures (images, height, width), their names and labels; one label for all where there are no subfolders."""
    if not options.images.is_dir():
        raise FileNotFoundError(f"{options.images}: no such folder")
    names = sorted(
        str(path.relative_to(options.images)) for path in options.images.rglob("*") if path.suffix.lower() in SUFFIXES
    )
    if not names:
        raise ValueError(f"{options.images}: the folder must have images ({', '.join(SUFFIXES)}), got none")
    labels = [str(Path(*Path(name).parent.parts[:1])) for name in names]
    if len(set(labels)) == 1 and options.clusters is None:
        raise ValueError(f"{options.images}: clusters must be given where no subfolders are labels")
    return read_images([options.images / name for name in names], options.size, options.dark_ink), names, labels


def cluster_images(
    cost: Tensor, mass: Tensor, clusters: int, options: Config, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Centres (clusters, pixels), the cluster of each image, and the mean transport cost after each assignment."""
    logits = first_centres(cost, mass, clusters, options, generator).log().requires_grad_()
    optimizer = torch.optim.Adam([logits], options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
    log = []
    bar = tqdm(range(options.epochs + 1), "clustering", unit="epoch", leave=False)
    for epoch in bar:
        costs = costs_to(logits.detach().softmax(1), cost, mass, options)
        least, cluster = costs.min(1)
        log.append({"epoch": epoch, "cost": least.mean().item()})
        bar.set_postfix(cost=f"{log[-1]['cost']:.5f}")
        if epoch == options.epochs:
            break
        for empty in set(range(clusters)) - set(cluster.tolist()):  # starts again from the worst image
            with torch.no_grad():
                logits[empty] = soften(mass[least.argmax()]).log()
            cluster[least.argmax()], least[least.argmax()] = empty, 0
        for batch in torch.randperm(len(mass), generator=generator).split(options.batch):
            centres = logits.softmax(1)[cluster[batch]]
            loss = transport_cost(cost, centres, mass[batch], options.temperature).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return logits.detach().softmax(1).numpy(), cluster.numpy(), pd.DataFrame(log)


def first_centres(cost: Tensor, mass: Tensor, clusters: int, options: Config, generator: torch.Generator) -> Tensor:
    """Images far from each other: the next is drawn by its cost to the nearest so far (k-means++, Arthur 2007)."""
    chosen = [int(torch.randint(len(mass), (), generator=generator))]
    least = torch.full((len(mass),), torch.inf, dtype=mass.dtype)
    while len(chosen) < clusters:
        least = torch.minimum(least, costs_to(mass[chosen[-1:]], cost, mass, options)[:, 0])
        least[chosen] = 0
        drawn = least + torch.finfo(least.dtype).tiny  # where all images are the same, any will do
        chosen.append(int(drawn.multinomial(1, generator=generator)))
    return soften(mass[chosen])


def soften(mass: Tensor) -> Tensor:
    """Some mass everywhere: a logarithm of 0 has no way back."""
    return 0.9 * mass + 0.1 / mass.shape[-1]


@torch.no_grad()
def costs_to(centres: Tensor, cost: Tensor, mass: Tensor, options: Config) -> Tensor:
    """(images, centres) transport costs."""
    parts = [
        torch.stack([transport_cost(cost, c.expand_as(part), part, options.temperature) for c in centres], 1)
        for part in mass.split(options.batch)
    ]
    return torch.cat(parts)


def accuracy(cluster: np.ndarray, labels: list[str]) -> float:
    """Share of images in the cluster of their label, clusters and labels matched one to one as well as possible."""
    counts = torch.from_numpy(pd.crosstab(cluster, np.array(labels)).to_numpy(dtype=np.float64, copy=True))
    return float((hungarian(-counts) * counts).sum() / len(labels))


def draw(centres: np.ndarray, images: np.ndarray, cluster: np.ndarray, labels: list[str], path: Path) -> None:
    """One line per cluster: its centre and some of its images, with their labels."""
    figure = Figure(figsize=(1.1 * (EXAMPLES + 1) + 1, 1.3 * len(centres) + 0.4), layout="constrained")
    lines = figure.subplots(len(centres), EXAMPLES + 1, squeeze=False)
    for number, (line, centre) in enumerate(zip(lines, centres, strict=True)):
        members = np.flatnonzero(cluster == number)
        line[0].imshow(centre, cmap="Blues", vmin=0)
        line[0].set_title("centre" if number == 0 else "", weight="bold")
        line[0].set_ylabel(f"cluster {number}\n{len(members)} images", rotation=0, ha="right", va="center")
        for panel, member in zip(line[1:], members, strict=False):
            panel.imshow(images[member], cmap="Greys", vmin=0)
            panel.set_title(f"label {labels[member]}" if len(set(labels)) > 1 else "", fontsize="small", pad=3)
        for panel in line[1 + len(members) :]:
            panel.axis("off")
        for panel in line:
            panel.set(xticks=[], yticks=[])
    save(figure, path)


if __name__ == "__main__":
    config.run(main, Config, __doc__)
