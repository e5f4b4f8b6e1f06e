"""Exact assignment by shortest augmenting paths, compiled: one small problem after the other, without Python.

After Jonker & Volgenant (Computing 38, 1987), without the steps that need a square matrix, so that rectangles and
masks are solved as they are: column prices start at 0 (square problems: at the column minima) and only ever fall,
and never for a column that stays free, which is what makes a rectangular solution optimal.

Inner loops run over whole rows and without early exits where a vector unit can then do several columns at once.
"""

import numpy as np

from seld.compiling import compiled


@compiled
def match(cost, active, present, association):
    """Write the pairs of least total cost as ones into the association, all zeros before.

    Args:
        cost: (batch, M, N) float32 or float64, finite, C-contiguous; computed with in float64.
        active: (batch, N) bool, columns that take part.
        present: (batch, M) bool, rows that take part.
        association: (batch, M, N) of the cost's type.
    """
    batch, height, width = cost.shape
    most, least = max(height, width), min(height, width)
    rows, columns = np.empty(height, np.int64), np.empty(width, np.int64)
    matrix = np.empty((least, most))
    price, distance, work = np.empty(most), np.empty(most), np.empty(most)
    length, offset = np.empty(most), np.empty(most)
    owner, path = np.empty(most, np.int64), np.empty(most, np.int64)
    choice, free = np.empty(least, np.int64), np.empty(least, np.int64)
    for item in range(batch):
        many_rows, many_columns = _indices(present, item, rows), _indices(active, item, columns)
        tall = many_rows > many_columns
        few, many = min(many_rows, many_columns), max(many_rows, many_columns)
        if few == 0:
            continue
        if many_rows == height and many_columns == width and not tall:
            for i in range(few):
                for j in range(many):
                    matrix[i, j] = cost[item, i, j]
        elif tall:
            for i in range(few):
                for j in range(many):
                    matrix[i, j] = cost[item, rows[j], columns[i]]
        else:
            for i in range(few):
                for j in range(many):
                    matrix[i, j] = cost[item, rows[i], columns[j]]
        left = _start(matrix, few, many, price, owner, choice, free, path)
        left = _bid(matrix, few, many, price, owner, choice, free, left, work)
        left = _bid(matrix, few, many, price, owner, choice, free, left, work)
        for index in range(left):
            _augment(matrix, many, free[index], price, owner, choice, distance, work, path, length, offset)
        for i in range(few):
            if tall:
                association[item, rows[choice[i]], columns[i]] = 1
            else:
                association[item, rows[i], columns[choice[i]]] = 1


@compiled
def _indices(mask, item, indices):
    count = 0
    for index in range(mask.shape[1]):
        indices[count] = index
        count += mask[item, index]
    return count


@compiled
def _start(matrix, few, many, price, owner, choice, free, nearest):
    """Prices to start from, and the pairs that they decide; lists the free rows and returns how many."""
    for j in range(many):
        price[j] = 0.0
        owner[j] = -1
    if few < many:
        for i in range(few):
            free[i] = i
        return few
    for j in range(many):
        price[j] = matrix[0, j]
        nearest[j] = 0
    for i in range(1, few):
        choice[i] = -1
        for j in range(many):
            nearer = matrix[i, j] < price[j]
            price[j] = matrix[i, j] if nearer else price[j]
            nearest[j] = i if nearer else nearest[j]
    choice[0] = -1
    for j in range(many):
        if choice[nearest[j]] < 0:
            choice[nearest[j]] = j
            owner[j] = nearest[j]
    left = 0
    for i in range(few):
        if choice[i] < 0:
            free[left] = i
            left += 1
    return left


@compiled
def _bid(matrix, few, many, price, owner, choice, free, left, value):
    """Free rows take their best column and lower its price to where the second best is as good (an auction).

    Returns how many rows are free afterwards, listed again. A row that is outbid bids again at once when the
    price has really fallen, but only so often: rounding could keep two rows outbidding each other for ever.
    """
    waiting, outbid, bids = 0, 0, 0
    while waiting < left:
        i = free[waiting]
        waiting += 1
        best = np.inf
        for j in range(many):
            value[j] = matrix[i, j] - price[j]
            best = value[j] if value[j] < best else best
        column = _find(value, best)
        value[column] = np.inf
        second = np.inf
        for j in range(many):
            second = value[j] if value[j] < second else second
        falls = best < second < np.inf
        if falls:
            price[column] -= second - best
        elif second < np.inf and owner[column] >= 0:
            column = _find(value, second)
        loser = owner[column]
        choice[i] = column
        owner[column] = i
        if loser >= 0:
            bids += 1
            if falls and bids < many:
                waiting -= 1
                free[waiting] = loser
            else:
                free[outbid] = loser
                outbid += 1
    return outbid


@compiled
def _find(values, value):
    j = 0
    while values[j] != value:
        j += 1
    return j


@compiled
def _augment(matrix, many, row, price, owner, choice, distance, asked, path, length, offset):
    """Pair a free row along the cheapest path of exchanges to a free column (Dijkstra), and update the prices.

    A column that is on the tree asks minus infinity from then on, so that no path leads to it again. How each column
    was reached is not kept on the way, which would take as long again: it is found from the end, where the same sums
    come out equal.
    """
    least = np.inf
    for j in range(many):
        asked[j] = price[j]
        distance[j] = matrix[row, j] - price[j]
        least = distance[j] if distance[j] < least else least
    done = 0
    column = _find(distance, least)
    while owner[column] >= 0:
        i = owner[column]
        start = matrix[i, column] - price[column] - least
        path[done], length[done], offset[done] = column, least, start
        done += 1
        asked[column] = -np.inf
        distance[column] = np.inf
        least = np.inf
        for j in range(many):
            new, known = matrix[i, j] - asked[j] - start, distance[j]
            known = new if new < known else known
            distance[j] = known
            least = known if known < least else least
        column = _find(distance, least)
    reached = least
    while True:
        step, i, start = 0, row, 0.0
        while matrix[i, column] - price[column] - start != reached:
            i, start = owner[path[step]], offset[step]
            step += 1
        owner[column], choice[i] = i, column
        if step == 0:
            break
        column, reached = path[step - 1], length[step - 1]
    for k in range(done):
        price[path[k]] += length[k] - least
