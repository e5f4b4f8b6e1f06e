"""Ways to place references and estimates on the sphere: what an Hnet is taught and judged on.

Beside independent and noisy directions, the cases that blind the published network have their share: close
sources, coincident estimates, costs that are all small or all large.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

# Placements: (generator, batch, rows, columns) -> references (batch, columns, 3), estimates (batch, rows, 3).


def _independent(generator, batch, rows, columns):
    return directions(generator, batch, columns), directions(generator, batch, rows)


def _angles(generator, batch, rows, columns):
    """Independent, with azimuth and elevation uniform, as in the published data: many are near the poles."""
    angles = torch.rand(batch, columns + rows, 2, generator=generator) * torch.tensor([2 * torch.pi, torch.pi])
    azimuth, elevation = angles[..., 0], angles[..., 1] - torch.pi / 2
    horizontal = elevation.cos()
    doa = torch.stack((horizontal * azimuth.cos(), horizontal * azimuth.sin(), elevation.sin()), -1)
    return doa[:, :columns], doa[:, columns:]


def _noisy(generator, batch, rows, columns):
    """Estimates around references, half a degree to 40 degrees off, one each as far as they go."""
    reference = directions(generator, batch, columns)
    return reference, around(generator, matched(generator, reference, rows), 0.01, 0.7)


def _close(generator, batch, rows, columns):
    """Pairs of references 0-5 degrees apart, with estimates around them."""
    reference = directions(generator, batch, columns)
    twin = matched(generator, reference, columns)
    apart = torch.rand(batch, columns, generator=generator) < 0.5
    reference = torch.where(apart.unsqueeze(2), reference, around(generator, twin, 0.001, 0.06))
    return reference, around(generator, matched(generator, reference, rows), 0.001, 0.3)


def _coincident(generator, batch, rows, columns):
    """Estimates of which several are at one place, exactly."""
    reference, estimate = _noisy(generator, batch, rows, columns)
    return reference, _pick(estimate, integers(generator, rows, (batch, rows)))


def _doubled(generator, batch, rows, columns):
    """Estimates on references, exactly or nearly, any number of them on the same one."""
    reference = directions(generator, batch, columns)
    target = _pick(reference, integers(generator, columns, (batch, rows)))
    exact = torch.rand(batch, 1, 1, generator=generator) < 0.5
    return reference, torch.where(exact, target, around(generator, target, 0.001, 0.1))


def _all_near(generator, batch, rows, columns):
    """Everybody within a few degrees of one point."""
    middle = directions(generator, batch, 1)
    reference = around(generator, middle.expand(batch, columns, 3), 0.001, 0.06)
    return reference, around(generator, middle.expand(batch, rows, 3), 0.001, 0.06)


def _all_far(generator, batch, rows, columns):
    """References within a few degrees of one point, estimates opposite."""
    reference, estimate = _all_near(generator, batch, rows, columns)
    return reference, -estimate


# The names, and the first of them, whose directions may be rounded to a grid.
ON_GRID = {"independent": _independent, "angles": _angles, "noisy": _noisy}
CASES = ON_GRID | {
    "close": _close,
    "coincident": _coincident,
    "doubled": _doubled,
    "all_near": _all_near,
    "all_far": _all_far,
}


def directions(generator: torch.Generator, batch: int, slots: int) -> Tensor:
    return normalize(torch.randn(batch, slots, 3, generator=generator), dim=-1)


def around(generator: torch.Generator, doa: Tensor, least: float, most: float) -> Tensor:
    """Directions scattered around others by a spread in radians, log-uniform per problem."""
    spread = least * (most / least) ** torch.rand(len(doa), 1, 1, generator=generator)
    return normalize(doa + spread * torch.randn(doa.shape, generator=generator), dim=-1)


def matched(generator: torch.Generator, doa: Tensor, slots: int) -> Tensor:
    """The directions in random order, (batch, slots, 3); a random one again where there are too few."""
    batch, given = doa.shape[:2]
    order = torch.rand(batch, given, generator=generator).argsort(1)
    more = integers(generator, given, (batch, slots))
    return _pick(doa, torch.cat((order, more), 1)[:, :slots])


def _pick(doa: Tensor, index: Tensor) -> Tensor:
    return doa.gather(1, index.unsqueeze(2).expand(-1, -1, 3))


def integers(generator: torch.Generator, below: int, shape) -> Tensor:
    return torch.randint(below, (shape,) if isinstance(shape, int) else shape, generator=generator)
