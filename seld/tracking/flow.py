"""The links between estimates that are worth most together: a path cover as one sparse assignment."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

SKIPPED = 0.4  # price of a frame without an estimate inside a track
_STEPS = 2.0**12  # that a price of 1 is divided into; far finer than prices are known


def successors(
    frame: np.ndarray, doa: np.ndarray, worth: np.ndarray, decided: int, birth: float, deviation_deg: float, gap: int
) -> np.ndarray:
    """(estimates,) the next estimate of the same track, -1 at its end, -2 for false alarms.

    Rows of the assignment are the estimates as predecessors, then one birth for each; columns are the estimates as
    successors, then one death for each. An estimate that is its own successor is a false alarm. Births and deaths that
    nobody needs take each other, along the links turned round, so that all find a partner.

    Args:
        frame: (estimates,) first the ends of the `decided` tracks, then the others in the order of frames.
        worth: (estimates,) what each adds to its track.
        birth: price of a beginning, and of an end.
        deviation_deg: how far a direction changes from one frame to the next.
        gap: most frames from one estimate of a track to the next.
    """
    estimates = np.arange(len(frame))
    if len(frame) == 0:
        return estimates
    begin, end = (decided + np.searchsorted(frame[decided:], frame + ahead) for ahead in (1, gap + 1))
    row = np.repeat(estimates, end - begin)
    column = np.arange(len(row)) + np.repeat(begin - np.cumsum(end - begin) + (end - begin), end - begin)
    frames = frame[column] - frame[row]
    price = 0.5 * (angle_deg(doa[row], doa[column]) / deviation_deg) ** 2 / np.sqrt(frames)
    price += SKIPPED * (frames - 1) + 0.5 * np.log(frames)
    sensible = price <= 2 * birth  # otherwise an end and a new beginning are cheaper
    row, column, price = row[sensible], column[sensible], price[sensible]
    born = np.where(estimates < decided, 0, birth)
    deaths, births = estimates + len(frame), estimates + len(frame)
    entries = (
        (row, column, price - worth[column]),
        (estimates, estimates, np.zeros(len(frame))),
        (estimates, deaths, np.full(len(frame), birth)),
        (births, estimates, born - worth),
        (births, deaths, np.zeros(len(frame))),
        (column + len(frame), row + len(frame), np.zeros(len(row))),
    )
    rows, columns, costs = (np.concatenate(part) for part in zip(*entries, strict=True))
    # Explicit zeros would count as no entry; a constant changes no assignment. In whole steps, since the solver lets
    # estimates outbid each other by what they differ: by rounding errors, where several ways cost the same, for hours.
    costs = np.rint((costs - costs.min()) * _STEPS) + 1
    matrix = coo_array((costs, (rows, columns)), shape=(2 * len(frame), 2 * len(frame)))
    successor = min_weight_full_bipartite_matching(matrix.tocsr())[1][: len(frame)]
    return np.where(successor == estimates, -2, np.where(successor >= len(frame), -1, successor))


def chains(successor: np.ndarray) -> list[list[int]]:
    """The estimates of each track, in order."""
    first = successor >= -1
    first[successor[successor >= 0]] = False
    found = []
    for start in np.flatnonzero(first).tolist():
        found.append([start])
        while (following := int(successor[found[-1][-1]])) >= 0:
            found[-1].append(following)
    return found


def angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angles in degrees between unit vectors (..., 3)."""
    return np.rad2deg(2 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)))
