"""Draw the Wasserstein barycenter of images, or of acoustic maps on the sphere, by descent through the transport layer.

    python recipes/barycenter.py
    python recipes/barycenter.py --inputs "[ring, cross, discs]" --weights "[2, 1, 1]" --gradient unrolled
    python recipes/barycenter.py --inputs "[a.png, b.png]" --size 32 --dark_ink true
    python recipes/barycenter.py --sphere true --inputs "[60/0/15, -60/40/15]"
    python recipes/barycenter.py --sphere true --inputs "[a.wav, b.wav]"

The barycenter is the picture whose transport costs to all inputs have the least weighted sum. The run folder gets
barycenter.png (inputs, and the barycenter on its way), loss.png, log.csv, scores.json, barycenter.npy, config.yaml.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import zoom
from scipy.spatial import cKDTree
from sklearn.datasets import load_digits
from torch import Tensor
from tqdm import tqdm

from seld import config
from seld.audio import read_audio
from seld.classical import intensity_histogram
from seld.files import atomic_path
from seld.geometry import fibonacci_sphere, unit_from_degrees
from seld.plots import COLOURS
from seld.plots.canvas import save
from seld.run import Run
from seld.wasserstein import Gradient, pixel_cost, read_images, sphere_cost, to_mass, transport_cost

SHAPES = ("ring", "square", "cross", "discs")
DIGITS = tuple(f"digit-{digit}" for digit in range(10))
SHAPE_SIZE = 24
DIGIT_SIZE = 16
SOURCE_WIDTH_DEG = 15.0


@dataclass
class Config:
    """What to average, and how to get there."""

    run_dir: Path = Path("runs/barycenter")
    """folder for everything that the run makes"""
    inputs: list[str] | None = None
    """two or more of: digit-0 to digit-9, all 16 x 16; the shapes ring, square, cross and discs, 24 x 24; image files.
    With --sphere: maps azimuth/elevation/width in degrees, several sources joined by +; FOA recordings"""
    weights: list[float] | None = None
    """of the inputs, equal by default; only their ratios count"""
    sphere: bool = False
    """inputs are maps over directions instead of images"""
    points: int = 400
    """directions on the sphere"""
    size: int | None = None
    """pixels to which the sides of image files, digits and shapes are brought"""
    dark_ink: bool = False
    """the mass of image files is where they are dark"""
    gradient: Gradient = "implicit"
    """of the optimum, or of the iterations that led there"""
    iterations: int = 100
    """Sinkhorn iterations of an unrolled gradient; memory grows with them"""
    temperature: float = 0.001
    """blur of the plan, in the largest cost, that of moving from corner to corner or to the opposite direction"""
    steps: int = 100
    """of the descent"""
    learning_rate: float = 0.5
    """of Adam, on the logarithm of the barycenter; it falls to 0 along a cosine"""
    snapshots: int = 6
    """pictures of the barycenter on its way"""
    seed: int = 0
    """of the start, and of which digits are taken"""

    def __post_init__(self):
        if self.inputs is None:
            self.inputs = ["60/0/15", "-60/40/15"] if self.sphere else ["digit-0", "digit-3"]
        if len(self.inputs) < 2:
            raise ValueError(f"inputs must be two or more, got {len(self.inputs)}")
        if self.weights is None:
            self.weights = [1.0] * len(self.inputs)
        if len(self.weights) != len(self.inputs):
            raise ValueError(f"weights must be as many as inputs ({len(self.inputs)}), got {len(self.weights)}")
        if not min(self.weights) >= 0 or not 0 < sum(self.weights) < float("inf"):
            raise ValueError(f"weights must be >= 0 and one of them > 0, got {self.weights}")
        for name, least in {"points": 10, "iterations": 1, "steps": 1, "snapshots": 2, "size": 2}.items():
            if getattr(self, name) is not None and getattr(self, name) < least:
                raise ValueError(f"{name} must be >= {least}, got {getattr(self, name)}")
        for name in ("temperature", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")


def main(options: Config) -> None:
    if options.sphere:
        directions = torch.from_numpy(fibonacci_sphere(options.points))
        maps, cost = np.stack([sphere_map(text, directions) for text in options.inputs]), sphere_cost(directions)
    else:
        maps = images(options)
        cost = pixel_cost(*maps.shape[1:])
    mass = to_mass(maps, options.inputs)
    run = Run(options.run_dir, options)
    weights = torch.tensor(options.weights, dtype=torch.float64) / sum(options.weights)
    began = time.perf_counter()
    snapshots, log = descend(cost, mass, weights, options)
    seconds = round(time.perf_counter() - began, 1)
    last = torch.from_numpy(snapshots[options.steps]).expand_as(mass)
    costs = transport_cost(cost, last, mass, options.temperature)
    run.write("log.csv", log.to_csv(index=False))
    with atomic_path(run.folder / "barycenter.npy") as temporary:
        np.save(temporary, snapshots[options.steps].reshape(maps.shape[1:]))
    draw(mass.numpy(), snapshots, weights, maps.shape[1:], options)
    draw_loss(log, options)
    scores = {"loss": float(costs @ weights), "costs": costs.tolist()}
    run.write_json("scores.json", scores | {"inputs": options.inputs, "seconds": seconds})
    print(f"loss {log['loss'].iloc[0]:.4f} at the start, {scores['loss']:.4f} at the end; all is in {run.folder}")


def descend(cost: Tensor, mass: Tensor, weights: Tensor, options: Config) -> tuple[dict[int, np.ndarray], pd.DataFrame]:
    """The barycenter after some of the steps, the last among them, and the loss of every step."""
    generator = torch.Generator().manual_seed(options.seed)
    logits = (0.1 * torch.randn(mass.shape[1], generator=generator, dtype=torch.float64)).requires_grad_()
    optimizer = torch.optim.Adam([logits], options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    # Most of the change is at the start: each snapshot is about twice as far as the one before.
    shown = {0} | {round(options.steps / 2**k) for k in range(options.snapshots - 1)}
    snapshots, losses = {0: logits.detach().softmax(0).numpy()}, []
    bar = tqdm(range(1, options.steps + 1), "descending", unit="step")
    for step in bar:
        barycenter = logits.softmax(0).expand_as(mass)
        costs = transport_cost(cost, barycenter, mass, options.temperature, options.gradient, options.iterations)
        loss = costs @ weights
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append({"step": step, "loss": loss.item()})
        bar.set_postfix(loss=f"{loss.item():.4f}")
        if step in shown:
            snapshots[step] = logits.detach().softmax(0).numpy()
    return snapshots, pd.DataFrame(losses)


def images(options: Config) -> np.ndarray:
    """(inputs, height, width) the pictures that the inputs name."""
    drawn = [name for name in options.inputs if name in SHAPES or name in DIGITS]
    paths = [name for name in options.inputs if name not in drawn]
    for path in paths:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file, nor one of {', '.join(SHAPES)}, digit-0 to digit-9")
    files = read_images(paths, options.size, options.dark_ink) if paths else np.empty((0, 0, 0))
    if drawn and files.shape[1] != files.shape[2]:
        raise ValueError("images beside digits or shapes must be square; bring them there by --size")
    size = options.size or files.shape[1] or (SHAPE_SIZE if set(drawn) & set(SHAPES) else DIGIT_SIZE)
    found = dict(zip(paths, files, strict=True))
    rng = np.random.default_rng(options.seed)
    return np.stack([found[name] if name in found else picture(name, size, rng) for name in options.inputs])


def picture(name: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, size) a digit that somebody wrote, or a shape."""
    if name in DIGITS:
        digits = load_digits()
        chosen = rng.choice(np.flatnonzero(digits.target == DIGITS.index(name)))
        return np.clip(zoom(digits.images[chosen], size / 8, order=1), 0, None)
    y, x = np.meshgrid(*[np.linspace(-1, 1, size)] * 2, indexing="ij")
    radius, largest, smallest = np.hypot(x, y), np.maximum(abs(x), abs(y)), np.minimum(abs(x), abs(y))
    inside = {
        "ring": (radius > 0.5) & (radius < 0.8),
        "square": largest < 0.7,
        "cross": (smallest < 0.2) & (largest < 0.8),
        "discs": np.hypot(abs(x) - 0.5, abs(y) - 0.5 * np.sign(x * y)) < 0.3,
    }
    return inside[name].astype(np.float64)


def sphere_map(text: str, directions: Tensor) -> np.ndarray:
    """(points,) the sources that are written down, or those of a recording, each as wide as told."""
    if Path(text).is_file():
        rows = intensity_histogram(read_audio(text, channels=4), max_sources=3)
        if rows.empty:
            raise ValueError(f"{text}: the recording must have a source to be found, got none")
        sources = [(row.azimuth, row.elevation, SOURCE_WIDTH_DEG) for row in rows.itertuples()]
    else:
        try:
            sources = [tuple(map(float, source.split("/"))) for source in text.split("+")]
            valid = all(abs(a) <= 360 and abs(e) <= 90 and 1 <= width <= 180 for a, e, width in sources)
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f"inputs must be azimuth/elevation/width in degrees or existing recordings, got {text}")
    azimuth, elevation, width = np.transpose(sources)
    cosine = directions.numpy() @ unit_from_degrees(azimuth, elevation).T
    return np.exp((cosine - 1) / np.deg2rad(width) ** 2).sum(1)


def draw(mass: np.ndarray, snapshots: dict[int, np.ndarray], weights: Tensor, shape: tuple[int, ...], options: Config):
    """Inputs in the upper line, the barycenter at several steps in the lower one."""
    lines = {
        "inputs": [
            (f"{name[-24:]}\nweight {w:.2f}", x) for name, w, x in zip(options.inputs, weights, mass, strict=True)
        ],
        "their barycenter": [(f"step {step}", x) for step, x in sorted(snapshots.items())],
    }
    columns = max(map(len, lines.values()))
    figure = Figure(figsize=((3 if options.sphere else 1.6) * columns, 4.8), layout="constrained")
    for part, (title, line) in zip(figure.subfigures(2), lines.items(), strict=True):
        part.suptitle(title, x=0.01, ha="left", weight="bold")
        panels = part.subplots(1, columns, squeeze=False)[0]
        for panel in panels[len(line) :]:
            panel.axis("off")
        for panel, (name, values) in zip(panels, line, strict=False):
            panel.set_title(name, fontsize="medium")
            if options.sphere:
                draw_sphere(panel, values)
            else:
                panel.imshow(values.reshape(shape), cmap="Greys", vmin=0)
                panel.set(xticks=[], yticks=[])
    save(figure, options.run_dir / "barycenter.png")


def draw_sphere(panel: Axes, values: np.ndarray) -> None:
    """A map with the front in the middle and left on the left; each point looks like its nearest direction."""
    azimuth, elevation = np.meshgrid(np.linspace(180, -180, 181), np.linspace(90, -90, 91))
    _, nearest = cKDTree(fibonacci_sphere(len(values))).query(unit_from_degrees(azimuth, elevation))
    panel.imshow(values[nearest], cmap="Greys", vmin=0, extent=(180, -180, -90, 90))
    panel.set(xticks=range(-180, 181, 90), yticks=range(-90, 91, 90), xlabel="azimuth (°)", ylabel="elevation (°)")


def draw_loss(log: pd.DataFrame, options: Config) -> None:
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    panel = figure.subplots()
    panel.plot(log["step"], log["loss"], color=COLOURS[0])
    panel.set(
        xlabel="step", ylabel="weighted sum of transport costs", title=f"{options.gradient} gradient", ylim=(0, None)
    )
    panel.grid(color="#E5E5E5")
    save(figure, options.run_dir / "loss.png")


if __name__ == "__main__":
    config.run(main, Config, __doc__)
