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
    """The first eigenvector of each matrix."""

    vector: Planes
    """(M, ...), of any length and phase"""
    clear: Tensor
    """(...) bool, whether the first eigenvalue is more than `ratio` times the second"""


def covariances(spectrum: Tensor, reach: int) -> Planes:
    """Sums of X X^H over 2 reach + 1 frames, divided by their traces.

    Complex (B, M, frames + 2 reach, bins) -> (M, M, B, frames, bins); 0 where all is silent.
    """
    real, imag = (part.transpose(0, 1).contiguous() for part in (spectrum.real, spectrum.imag))
    size, frames = len(real), real.shape[2] - 2 * reach
    pairs = [(i, j) for i in range(size) for j in range(i, size)]
    entries = [real[i] * real[j] + imag[i] * imag[j] for i, j in pairs]
    entries += [imag[i] * real[j] - real[i] * imag[j] for i, j in pairs if i != j]
    summed = _moving_sums(torch.stack(entries), 2 * reach + 1, frames)
    index = {pair: number for number, pair in enumerate(pairs)}
    trace = sum(summed[index[i, i]] for i in range(size))
    summed = summed * trace.clamp_min(_TINY).reciprocal()
    upper = dict(zip([pair for pair in pairs if pair[0] != pair[1]], summed[len(pairs) :], strict=True))
    upper |= {(j, i): -plane for (i, j), plane in upper.items()}
    nothing = torch.zeros_like(trace)
    return Planes(
        torch.stack([summed[index[min(i, j), max(i, j)]] for i in range(size) for j in range(size)]).unflatten(
            0, (size, size)
        ),
        torch.stack([upper.get((i, j), nothing) for i in range(size) for j in range(size)]).unflatten(0, (size, size)),
    )


def principal(matrices: Planes, ratio: float) -> Principal:
    """The first eigenvectors of positive semidefinite matrices of trace 1 (or 0) by power iteration.

    Each step brings the eigenvector nearer by the ratio of the first two eigenvalues, so that those that are
    `clear` are right to five digits; the others are not meant to be used.
    """
    steps = math.ceil(-math.log(_PRECISION) / math.log(ratio))
    vector = _largest_column(matrices)
    for _ in range(steps - 2):
        vector = _apply(matrices, vector)
    image = _apply(matrices, vector)
    with torch.no_grad():
        clear = _is_clear(matrices, vector, image, ratio)
    return Principal(image, clear)


def _moving_sums(planes: Tensor, width: int, frames: int) -> Tensor:
    """Sums of `width` neighbours along axis 2, (..., frames + width - 1, bins) -> (..., frames, bins)."""
    total = planes[:, :, :frames]
    for shift in range(1, width):
        total = total + planes[:, :, shift : shift + frames]
    return total


def _largest_column(matrices: Planes) -> Planes:
    """The column of the largest diagonal entry: it cannot be orthogonal to the first eigenvector."""
    largest = matrices.real.diagonal().argmax(-1)
    index = largest.expand(len(matrices.real), 1, *largest.shape)
    return Planes(*(part.gather(1, index).squeeze(1) for part in matrices))


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
