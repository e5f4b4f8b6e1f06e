"""Entropic transport of many small problems on the CPU: the method of transport_small.py, compiled, one by one.

In float64 whatever the type of the cost. A step of Newton multiplies the columns of the plan by factors and the next
temperature takes its fourth power, so that after the first plan only one exponential per column and step is left. An
entry may underflow on the way: it would have to grow by e^700 to be seen again.
"""

import math

import numpy as np
import torch
from torch import Tensor

from seld.assignment.annealing import COARSER, LOOSE, MILD
from seld.compiling import compiled


def solve(
    cost: Tensor, row_mass: Tensor, column_mass: Tensor, temperature: float, tolerance: float, max_iterations: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Plan, column potentials, error and iterations; arguments and results as in transport_small."""
    plan, potential = torch.empty_like(cost, memory_format=torch.contiguous_format), torch.empty_like(column_mass)
    report = cost.new_empty(2, len(cost))
    arrays = (tensor.detach().contiguous().numpy() for tensor in (cost, row_mass, column_mass))
    limits = temperature, tolerance, max_iterations
    _solve(*arrays, limits, (MILD, COARSER, LOOSE), plan.numpy(), potential.numpy(), report.numpy())
    return plan, potential, report[0], report[1]


def multipliers(plan: Tensor, share: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is left of the gradient, and the multipliers; arguments and results as in transport_small."""
    left = torch.empty_like(plan, memory_format=torch.contiguous_format)
    row, column = plan.new_empty(plan.shape[:2]), plan.new_empty(plan.shape[0], plan.shape[2])
    arrays = (tensor.detach().contiguous().numpy() for tensor in (plan, share, grad))
    _multipliers(*arrays, left.numpy(), row.numpy(), column.numpy())
    return left, row, column


@compiled
def _solve(cost, row_mass, column_mass, limits, annealing, plan, potential, report):
    temperature, tolerance, max_iterations = limits
    mild, coarser, loose = annealing  # as arguments: compiled code on the disk would not notice a change of the module
    batch, rows, columns = cost.shape
    share, weight = np.empty((rows, columns)), np.empty((columns, columns))
    value, missing, step = np.empty(columns), np.empty(columns), np.empty(columns)
    for item in range(batch):
        largest = 0.0
        for i in range(rows):
            for j in range(columns):
                largest = max(largest, abs(cost[item, i, j]))
        stages = 0
        while largest > mild * temperature * coarser**stages:
            stages += 1
        _start(cost, row_mass, column_mass, item, temperature * coarser**stages, share, value, missing, step)
        for stage in range(stages, -1, -1):
            allowed = tolerance if stage == 0 else loose
            iteration = 0
            while True:
                error = _missing(share, row_mass, column_mass, item, missing)
                if not error > allowed or iteration == max_iterations:
                    break
                iteration += 1
                _weigh(share, row_mass, item, weight)
                _eliminate(weight, missing, step)
                length = _damp(step, column_mass, item, value)
                _scale(share, step)
                if length > 3:  # one part of the problem kept the others from moving: each moves by itself here
                    for _ in range(4):
                        _missing(share, row_mass, column_mass, item, missing)
                        _fill(missing, column_mass, item, value, step)
                        _scale(share, step)
            report[0, item], report[1, item] = error, iteration
            if stage > 0:
                for j in range(columns):
                    value[j] *= coarser
                for i in range(rows):
                    for j in range(columns):
                        square = share[i, j] * share[i, j]
                        share[i, j] = square * square
                step[:] = 1.0
                _scale(share, step)
        for j in range(columns):
            potential[item, j] = value[j] if column_mass[item, j] > 0 else -np.inf
        for i in range(rows):
            for j in range(columns):
                plan[item, i, j] = row_mass[item, i] * share[i, j]


@compiled
def _start(cost, row_mass, column_mass, item, temperature, share, value, missing, step):
    """Shares of each row and potentials of the columns after one Sinkhorn iteration."""
    rows, columns = share.shape
    for i in range(rows):
        least = np.inf
        for j in range(columns):
            if column_mass[item, j] > 0:
                least = min(least, cost[item, i, j])
        for j in range(columns):
            share[i, j] = column_mass[item, j] * math.exp((least - cost[item, i, j]) / temperature)
            if not column_mass[item, j] > 0:
                share[i, j] = 0.0
    step[:] = 1.0
    _scale(share, step)
    for j in range(columns):
        value[j] = math.log(column_mass[item, j]) if column_mass[item, j] > 0 else 0.0
    _missing(share, row_mass, column_mass, item, missing)
    _fill(missing, column_mass, item, value, step)
    _scale(share, step)


@compiled
def _scale(share, factor):
    """Multiply the columns by the factors, and make every row a distribution again."""
    rows, columns = share.shape
    for i in range(rows):
        total = 0.0
        for j in range(columns):
            share[i, j] *= factor[j]
            total += share[i, j]
        total = 1 / total
        for j in range(columns):
            share[i, j] *= total


@compiled
def _missing(share, row_mass, column_mass, item, missing):
    """What the column sums lack; returns the largest lack."""
    rows, columns = share.shape
    for j in range(columns):
        missing[j] = column_mass[item, j]
    for i in range(rows):
        for j in range(columns):
            missing[j] -= row_mass[item, i] * share[i, j]
    error = 0.0
    for j in range(columns):
        error = max(error, abs(missing[j]))
    return error


@compiled
def _weigh(share, row_mass, item, weight):
    """The lower triangle of the Laplacian's weights."""
    rows, columns = share.shape
    weight[:] = 0.0
    for i in range(rows):
        for j in range(columns):
            mass = row_mass[item, i] * share[i, j]
            for k in range(j):
                weight[j, k] += mass * share[i, k]


@compiled
def _eliminate(weight, flow, potential):
    """Potentials that drive the flows, with a tiny conductance to the ground; see transport_small. Spoils both."""
    nodes = len(flow)
    for node in range(nodes - 1, 0, -1):
        total = 2e-17
        for j in range(node):
            total += weight[node, j]
        weight[node, node] = 1 / total
        for j in range(node):
            part = weight[node, j] * weight[node, node]
            flow[j] += part * flow[node]
            for k in range(j):
                weight[j, k] += part * weight[node, k]
    potential[0] = 0.0
    for node in range(1, nodes):
        inflow = flow[node]
        for j in range(node):
            inflow += weight[node, j] * potential[j]
        potential[node] = inflow * weight[node, node]


@compiled
def _damp(step, column_mass, item, value):
    """Shorten the step as in transport_small, add it to the potentials, turn it into factors; returns its length."""
    high, low = -np.inf, np.inf
    for j in range(len(step)):
        if column_mass[item, j] > 0:
            high, low = max(high, step[j]), min(low, step[j])
    length = max(high - low, 1e-6)
    damping = math.log1p(length) / length
    for j in range(len(step)):
        if column_mass[item, j] > 0:
            value[j] += (step[j] - high) * damping
            step[j] = math.exp((step[j] - high) * damping)
        else:
            step[j] = 0.0
    return length


@compiled
def _fill(missing, column_mass, item, value, factor):
    """The factors of one of Sinkhorn's iterations, which give each column its mass; added to the potentials."""
    for j in range(len(missing)):
        mass = column_mass[item, j]
        factor[j] = mass / max(mass - missing[j], 1e-12) if mass > 0 else 0.0
        value[j] += math.log(factor[j]) if mass > 0 else 0.0


@compiled
def _multipliers(plan, share, grad, left, row, column):
    batch, rows, columns = plan.shape
    weight, current = np.empty((columns, columns)), np.empty((columns, columns))
    potential = np.empty(columns)
    for item in range(batch):
        weight[:] = 0.0
        current[:] = 0.0
        for i in range(rows):
            for j in range(columns):
                for k in range(j):
                    product = float(plan[item, i, j]) * share[item, i, k]
                    weight[j, k] += product
                    current[j, k] += product * (float(grad[item, i, j]) - grad[item, i, k])
        _eliminate_currents(weight, current, potential)
        for j in range(columns):
            column[item, j] = potential[j]
        for i in range(rows):
            anchor = 0  # the entry that holds most of the row, see transport_small
            for j in range(columns):
                anchor = j if share[item, i, j] > share[item, i, anchor] else anchor
            most = grad[item, i, anchor] - potential[anchor]
            mean = 0.0
            for j in range(columns):
                mean += share[item, i, j] * (grad[item, i, j] - potential[j] - most)
            row[item, i] = most + mean
            for j in range(columns):
                left[item, i, j] = grad[item, i, j] - potential[j] - most - mean


@compiled
def _eliminate_currents(weight, current, potential):
    """The potentials of a Laplacian whose flows are sums of pair currents (lower triangles); spoils both."""
    nodes = len(potential)
    for node in range(nodes - 1, 0, -1):
        total = 1e-300  # nothing flows to a node that is cut off
        for j in range(node):
            total += weight[node, j]
        weight[node, node] = 1 / total
        for j in range(node):
            part = weight[node, j] * weight[node, node]
            for k in range(j):
                current[j, k] += part * current[node, k] - weight[node, k] * weight[node, node] * current[node, j]
                weight[j, k] += part * weight[node, k]
    potential[0] = 0.0
    for node in range(1, nodes):
        inflow = 0.0
        for j in range(node):
            inflow += current[node, j] + weight[node, j] * potential[j]
        potential[node] = inflow * weight[node, node]
