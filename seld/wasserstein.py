"""Wasserstein distances between images, or between maps on the sphere, through the entropic transport layer.

A picture is a distribution of mass over points; what it costs to move one into another is the sum of mass times
squared distance under the best plan. With a temperature the plan is blurred and differentiable (Cuturi, NeurIPS 2013).
Its gradient comes from the conditions at the optimum (seld.assignment.transport), or, for comparison, from
backpropagation through Sinkhorn's iterations. Costs are in float64 and at most 1, so that one temperature suits all.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from seld.assignment import transport
from seld.geometry import pairwise_angular_distance

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")

Gradient = Literal["implicit", "unrolled"]

_MOST_POINTS = 2500  # the plan has the square of it


def transport_cost(
    cost: Tensor,
    mass: Tensor,
    other: Tensor,
    temperature: float,
    gradient: Gradient = "implicit",
    iterations: int = 100,
) -> Tensor:
    """What it costs to move each mass onto the other: (batch), the sum of plan times cost.

    Args:
        cost: (points, points).
        mass, other: (batch, points), of total 1.
        temperature: in units of the cost.
        gradient: "implicit", of the optimum, or "unrolled", of the iterations.
        iterations: of the unrolled plan; the implicit one is solved to a tolerance.
    """
    if gradient == "implicit":
        plan = transport.plan(cost.expand(len(mass), -1, -1), mass, other, temperature)
    else:
        plan = unrolled_plan(cost, mass, other, temperature, iterations)
    return (plan * cost).sum((1, 2))


def unrolled_plan(cost: Tensor, mass: Tensor, other: Tensor, temperature: float, iterations: int) -> Tensor:
    """The plan (batch, points, points) after so many Sinkhorn iterations on logarithms; its column sums are exact.

    Autograd keeps one plan's worth of memory for each half of an iteration. Arguments as in `transport_cost`.
    """
    score = -cost / temperature
    least = torch.finfo(mass.dtype).tiny  # the logarithm and its slope stay finite where there is no mass
    log_mass, log_other = mass.clamp_min(least).log(), other.clamp_min(least).log()
    column = torch.zeros_like(log_other)
    for _ in range(iterations):
        row = log_mass - (score + column.unsqueeze(1)).logsumexp(2)
        column = log_other - (score + row.unsqueeze(2)).logsumexp(1)
    return (row.unsqueeze(2) + score + column.unsqueeze(1)).exp()


def pixel_cost(height: int, width: int) -> Tensor:
    """Squared distances (pixels, pixels) between the pixels of an image, row by row; 1 from corner to corner.

    Raises:
        ValueError: when the image has fewer than 2 pixels, or too many for a plan.
    """
    if not 2 <= height * width <= _MOST_POINTS:
        raise ValueError(f"images must have 2 to {_MOST_POINTS} pixels, got {height} x {width}; choose another --size")
    points = torch.cartesian_prod(torch.arange(height), torch.arange(width)).double()
    squared = (points.unsqueeze(1) - points).square().sum(2)
    return squared / squared.max()


def sphere_cost(directions: Tensor) -> Tensor:
    """Squared great-circle angles between unit vectors (points, 3); 1 between opposite directions."""
    return (pairwise_angular_distance(directions, directions) / torch.pi).square()


def read_images(paths: Sequence[str | Path], size: int | None = None, dark_ink: bool = False) -> np.ndarray:
    """Grey values (images, height, width), 0 where there is no ink.

    Args:
        size: images are resized to this height and width; without it they keep theirs, which have to agree.
        dark_ink: mass is where the image is dark; by default where it is bright.
    Raises:
        ValueError: when a file is not an image, or sizes differ.
        FileNotFoundError: when it does not exist.
    """
    images = [_read(Path(path), size, dark_ink) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            raise ValueError(
                f"images must be of one size, got {_size(images[0])} in {paths[0]} and {_size(image)} in {path};"
                " resize them by --size"
            )
    return np.stack(images)


def to_mass(images: np.ndarray, names: Sequence[str | Path]) -> Tensor:
    """Pictures (images, ...) as masses (images, points) of total 1, in float64.

    Raises:
        ValueError: names the picture that has no mass.
    """
    mass = torch.from_numpy(np.asarray(images, dtype=np.float64)).flatten(1)
    total = mass.sum(1, keepdim=True)
    if not (total > 0).all():
        raise ValueError(f"{names[int(total.argmin())]}: the picture must have some mass, got none")
    return mass / total


def _read(path: Path, size: int | None, dark_ink: bool) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with Image.open(path) as image:
            if image.mode.startswith("I"):  # 16 bits, which a conversion to 8 would cut off
                grey = image.convert("F").point(lambda value: value / 65535)
            else:
                colour = image.convert("RGBA")
                paper = Image.new("RGBA", image.size, "white" if dark_ink else "black")
                grey = Image.alpha_composite(paper, colour).convert("L").convert("F").point(lambda value: value / 255)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a readable image ({type(error).__name__})") from None
    if size is not None:
        grey = grey.resize((size, size), Image.Resampling.BOX if min(grey.size) > size else Image.Resampling.BILINEAR)
    grey = np.asarray(grey, dtype=np.float64)
    return np.clip(1 - grey if dark_ink else grey, 0, 1)


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"
