"""Principal eigenvectors of many small Hermitian matrices at once, without LAPACK.

Matrices are kept entry by entry, as planes over all of them, so that each step is a few passes over memory.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

_PRECISION = 1e-5  # of eigenvectors that stand out as far as asked for
_TINY = 1e-15  # trace of a matrix of silence


class Planes(NamedTuple):
    """Complex vectors or matrices, entry by entry."""

    real: Tensor
    """(M, ...) or (M, M, ...)"""
    imag: Tensor
    """(M, ...) or (M, M, ...)"""


class Principal(NamedTuple):
    """The first eigenvectors of matrices."""

    vector: Planes
    """(M, n), of any length and phase"""
    clear: Tensor
    """(n,) bool, whether the first eigenvalue is more than `ratio` times the second"""


class Covariances:
    """Spatial covariances of the bins of a spectrum: the sums of X X^H over 2 reach + 1 frames, of trace 1.

    Args:
        spectrum: complex (B, M, frames + 2 reach, bins).
    """

    def __init__(self, spectrum: Tensor, reach: int):
        real, imag = (part.transpose(0, 1).contiguous() for part in (spectrum.real, spectrum.imag))
        self.size = len(real)
        self.pairs = [(i, j) for i in range(self.size) for j in range(i + 1, self.size)]
        entries = [a.square() + b.square() for a, b in zip(real, imag, strict=True)]
        entries += [real[i] * real[j] + imag[i] * imag[j] for i, j in self.pairs]
        entries += [imag[i] * real[j] - real[i] * imag[j] for i, j in self.pairs]
        summed = _moving_sums(torch.stack(entries), 2 * reach + 1)
        trace = summed[: self.size].sum(0).clamp_min(_TINY)
        self.entries = summed * trace.reciprocal()
        """(M^2, B, frames, bins): diagonal, real parts above it, imaginary parts above it"""

    def may_be_clear(self, ratio: float) -> Tensor:
        """Bool (B, frames, bins), False only where the first eigenvalue is not `ratio` times the second.

        If it is, then it is at least 1 / (1 + (M - 1) / ratio) of the trace, and its square no more than the sum of
        all squares, which is that of all entries.
        """
        squares = self.entries.square()
        purity = squares[: self.size].sum(0) + 2 * squares[self.size :].sum(0)
        return purity > (1 + (self.size - 1) / ratio) ** -2

    def where(self, mask: Tensor) -> Planes:
        """The matrices (M, M, n) where a mask (B, frames, bins) is True."""
        chosen = self.entries.flatten(1).index_select(1, mask.flatten().nonzero().squeeze(1))
        diagonal, real, imag = chosen.split([self.size, len(self.pairs), len(self.pairs)])
        places = range(self.size)
        above = {pair: number for number, pair in enumerate(self.pairs)}
        nothing = torch.zeros_like(diagonal[0])

        def entry(i: int, j: int) -> tuple[Tensor, Tensor]:
            if i == j:
                return diagonal[i], nothing
            number = above[min(i, j), max(i, j)]
            return real[number], imag[number] if i < j else -imag[number]

        rows = [[entry(i, j) for j in places] for i in places]
        return Planes(*(torch.stack([torch.stack([cell[part] for cell in row]) for row in rows]) for part in (0, 1)))


def principal(matrices: Planes, ratio: float) -> Principal:
    """The first eigenvectors of positive semidefinite matrices (M, M, n) of trace 1 (or 0) by power iteration.

    Each step brings the eigenvector nearer by the ratio of the first two eigenvalues, so that those that are
    `clear` are right to five digits; the others are not meant to be used. It starts from the first column: a vector
    without that part would be of no use, since all others are given relative to it.
    """
    steps = math.ceil(-math.log(_PRECISION) / math.log(ratio))
    vector = Planes(matrices.real[:, 0], matrices.imag[:, 0])
    for _ in range(steps - 2):
        vector = _apply(matrices, vector)
    image = _apply(matrices, vector)
    with torch.no_grad():
        clear = _is_clear(matrices, vector, image, ratio)
    return Principal(image, clear)


def _moving_sums(planes: Tensor, width: int) -> Tensor:
    """Sums of `width` neighbours along axis 2, (..., frames + width - 1, bins) -> (..., frames, bins)."""
    frames = planes.shape[2] - width + 1
    total = planes[:, :, :frames]
    for shift in range(1, width):
        total = total + planes[:, :, shift : shift + frames]
    return total


def _apply(matrices: Planes, vector: Planes) -> Planes:
    """Matrices times vectors."""
    real = matrices.real[:, 0] * vector.real[0]
    imag = matrices.real[:, 0] * vector.imag[0]
    for k, (a, b) in enumerate(zip(*vector, strict=True)):
        if k:
            real = real.addcmul_(matrices.real[:, k], a)
            imag = imag.addcmul_(matrices.real[:, k], b)
        real = real.addcmul_(matrices.imag[:, k], b, value=-1)
        imag = imag.addcmul_(matrices.imag[:, k], a)
    return Planes(real, imag)


def _is_clear(matrices: Planes, vector: Planes, image: Planes, ratio: float) -> Tensor:
    """Whether all eigenvalues but the first, l, are below l / ratio.

    l is the Rayleigh quotient of the vector, with `image` the matrix times the vector. The matrix without its first
    component, R - l v v^H, has the other eigenvalues; they are below x where x I - R + l v v^H is positive
    definite, that is where all pivots of its elimination are. A vector that has not settled can only leave more than
    that, so that it never passes where the true one would not.
    """
    rayleigh = (vector.real * image.real + vector.imag * image.imag).sum(0)
    first = rayleigh / (vector.real.square() + vector.imag.square()).sum(0).clamp_min(_TINY)
    a, b = image
    share = first / (a.square() + b.square()).sum(0).clamp_min(_TINY)
    real = (a[:, None] * a + b[:, None] * b) * share - matrices.real
    imag = (b[:, None] * a - a[:, None] * b) * share - matrices.imag
    real.diagonal().add_((first / ratio).unsqueeze(-1))
    clear = first > 0
    for k in range(len(a)):
        pivot = real[k, k]
        clear &= pivot > 0
        c, d = real[k + 1 :, k], imag[k + 1 :, k]
        inverse = pivot.clamp_min(_TINY).reciprocal()
        real[k + 1 :, k + 1 :] -= (c[:, None] * c + d[:, None] * d) * inverse
        imag[k + 1 :, k + 1 :] -= (d[:, None] * c - c[:, None] * d) * inverse
    return clear
