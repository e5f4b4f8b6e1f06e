"""Times and memory of the assignment layers beside those of other packages, all in one run.

    pip install -e ".[bench]"
    OMP_NUM_THREADS=1 python tools/bench_assignment.py [--only exact sinkhorn ...] [--json FILE] [--figure FILE]

Every row is one piece of work. Its methods take turns, round after round, and the least processor time of each counts,
so that other jobs on the machine disturb little; a ratio above 1 is how many times as long as ours a method takes.
Peers that are not installed are skipped with a line. `error` of an entropic method is that of its gradient, against
float64 at convergence, as a share of the largest entry; nan where its linear system is singular.

The groups: exact, sinkhorn, loss (HungarianLoss against the package for TensorFlow), hnet, step (each layer as a share
of a training step of seld.yaml with as many frames) and memory (peak of a fresh process, forward and backward).
"""

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import assignment_peers as peers
import torch
from assignment_peers import angles, gradient

from seld.assignment import Hnet, Sinkhorn, hungarian
from seld.audio import SAMPLE_RATE
from seld.localizer import Localizer, LocalizerConfig
from seld.losses import hungarian_loss

OURS = "seld"
EXACT = [(12800, 2, 2), (12800, 3, 3), (12800, 5, 5), (2048, 10, 10), (64, 50, 80), (8, 200, 200)]
ENTROPIC = [
    *((shape, 0.1) for shape in [(12800, 3, 3), (12800, 5, 5), (2048, 10, 10)]),
    *((shape, temperature) for shape in [(64, 100, 100), (1, 500, 500)] for temperature in (0.1, 0.05)),
]
SETS = [(32, 10, 4), (256, 5, 3)]
LEARNED = [(12800, 3, 3), (2048, 10, 10)]
FRAMES, LAYER_FRAMES = 800, 12800  # a training step of 12800 frames would not fit everywhere; time is in proportion
FRAME_SAMPLES = SAMPLE_RATE // 10
ITERATIONS = [20, 100, 300, 1000]
GROUPS = ("exact", "sinkhorn", "loss", "hnet", "step", "memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="groups of rows; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that the methods take turns in, default 5")
    parser.add_argument("--json", type=Path, help="write every time, ratio and error to this file")
    parser.add_argument("--figure", type=Path, help="draw time against N and memory against iterations to this file")
    parser.add_argument("--peak", nargs=2, metavar=("METHOD", "ITERATIONS"), help=argparse.SUPPRESS)  # the child
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        print(peers.peak_memory(options.peak[0], int(options.peak[1])))
        return
    results = []
    for group in options.only:
        results += globals()[f"{group}_rows"](options.rounds)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.figure:
        figure(options.figure, options.rounds, [row for row in results if row["group"] == "memory"] or memory_rows(1))


def race(group: str, work: str, methods: dict[str, Callable], rounds: int, errors: dict | None = None) -> list[dict]:
    """Least processor time of each method, printed and returned as rows; the first call of each does not count.

    A turn is a few calls, as many as fit into 30 ms, so that short work does not start with a cold cache.
    """
    least = {}
    for method in methods.values():
        method()
    for _ in range(rounds):
        for name, method in methods.items():
            end = time.process_time() + 0.03
            for _ in range(8):
                started = time.process_time()
                if started > end:
                    break
                method()
                least[name] = min(least.get(name, math.inf), time.process_time() - started)
    print(f"{group:8s} {work}")
    rows = []
    for name, seconds in least.items():
        rows.append({"group": group, "work": work, "method": name, "ms": 1e3 * seconds})
        rows[-1]["ratio"] = seconds / least[OURS] if OURS in least else None
        line = f"    {name:28s} {1e3 * seconds:10.2f} ms"
        line += f" {rows[-1]['ratio']:8.2f} x" if name != OURS and OURS in least else ""
        if errors:
            rows[-1]["error"] = errors[name]
            line += f"   error {errors[name]:.1e}"
        print(line, flush=True)
    return rows


def installed(methods: dict[str, tuple[Callable, str | None]]) -> dict[str, Callable]:
    """The methods whose package is there; a line for each other one."""
    there = {}
    for name, (method, package) in methods.items():
        if package and peers.missing(package):
            print(f"    {name}: skipped, {package} is not installed")
        else:
            there[name] = method
    return there


def exact_rows(rounds: int, shapes: list = EXACT) -> list[dict]:
    results = []
    methods = installed(
        {
            OURS: (hungarian, None),
            "SciPy loop": (peers.scipy_loop, None),
            "lapx batch": (peers.lapx_batch, "lap"),
            "torch-linear-assignment": (peers.torch_linear_assignment, "torch_linear_assignment"),
        }
    )
    for shape in shapes:
        costs = {"angles": angles(shape)}
        if shape[0] < 100:  # large ones take twice as long or half, as the matrix goes
            costs["uniform"] = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        for kind, cost in costs.items():
            runs = {name: partial(method, cost) for name, method in methods.items()}
            results += race("exact", f"{shape}, {kind}", runs, rounds)
    return results


def sinkhorn_rows(rounds: int, cases: list = ENTROPIC) -> list[dict]:
    results = []
    for shape, temperature in cases:
        methods = installed(
            {
                OURS: (Sinkhorn(temperature), None),
                "implicit, 100 iterations": (partial(peers.implicit, temperature=temperature), None),
                "unrolled, 100": (partial(peers.unrolled, temperature=temperature), None),
                "POT autodiff, 100": (partial(peers.pot, temperature=temperature), "ot"),
                "POT last_step, 100": (partial(peers.pot, temperature=temperature, grad="last_step"), "ot"),
                "geomloss, 100": (partial(peers.geomloss, temperature=temperature), "geomloss"),
            }
        )
        cost, weight = angles(shape), torch.randn(shape, generator=torch.Generator().manual_seed(1))
        truth = gradient(Sinkhorn(temperature, tolerance=1e-12), cost.double(), weight.double())
        runs = {name: partial(gradient, method, cost, weight) for name, method in methods.items()}
        errors = {name: ((run() - truth).abs().max() / truth.abs().max()).item() for name, run in runs.items()}
        reached = Sinkhorn(temperature).solve(cost).marginal_error.max().item()
        work = f"{shape}, temperature {temperature}, forward + backward; ours to a marginal error of {reached:.0e}"
        results += race("sinkhorn", work, runs, rounds, errors)
    return results


def loss_rows(rounds: int) -> list[dict]:
    results = []
    for shape in SETS:
        true, pred = torch.rand(shape), torch.rand(shape, requires_grad=True)
        methods = {OURS: lambda true=true, pred=pred: torch.autograd.grad(hungarian_loss(true, pred), pred)}
        package = peers.missing("hungarian_loss", "tensorflow")
        if package:
            print(f"    hungarian-loss: skipped, {package} is not installed")
        else:
            methods["hungarian-loss (TensorFlow)"] = peers.tensorflow_loss(true, pred.detach())
        results += race("loss", f"{shape}, forward + backward", methods, rounds)
    return results


def hnet_rows(rounds: int) -> list[dict]:
    results = []
    for shape in LEARNED:
        cost, weight = angles(shape), torch.randn(shape, generator=torch.Generator().manual_seed(1))
        layers = {OURS: Hnet.from_pretrained(), "GRU Hnet, published size": peers.gru_hnet(shape[1])}
        runs = {name: partial(gradient, layer, cost, weight) for name, layer in layers.items()}
        results += race("hnet", f"{shape}, forward + backward", runs, rounds)
    return results


def step_rows(rounds: int) -> list[dict]:
    localizer = Localizer(LocalizerConfig(tracks=3)).train()
    with torch.no_grad():
        features = localizer.features(0.1 * torch.randn(8, 4, FRAMES // 8 * FRAME_SAMPLES))
    cost, weight = angles((LAYER_FRAMES, 3, 3)), torch.randn(LAYER_FRAMES, 3, 3)
    layers = {"hungarian": lambda leaf: leaf * hungarian(leaf), "sinkhorn": Sinkhorn(), "hnet": Hnet.from_pretrained()}

    def network() -> None:
        estimate = localizer(features)
        (estimate[0].sum() + estimate[1].sum()).backward()

    methods = {f"network, {FRAMES} frames": network}
    methods |= {name: partial(gradient, layer, cost, weight) for name, layer in layers.items()}
    rows = race("step", f"forward + backward, layers at {tuple(cost.shape)}", methods, rounds)
    whole = rows[0]["ms"] * LAYER_FRAMES / FRAMES
    for row in rows[1:]:
        row["share"] = row["ms"] / whole
        print(f"    {row['method']:28s} {100 * row['share']:10.2f} % of the network's time for {LAYER_FRAMES} frames")
    return rows


def memory_rows(_: int) -> list[dict]:
    rows = []
    print("memory   (12800, 3, 3), temperature 0.1, forward + backward: peak of a fresh process")
    for method in (OURS, "implicit", "unrolled"):
        for iterations in ITERATIONS:
            command = [sys.executable, __file__, "--peak", method, str(iterations)]
            mb = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows.append({"group": "memory", "method": method, "iterations": iterations, "MB": mb})
        print(
            f"    {method:28s} " + ", ".join(f"{r['MB']:.1f} MB at {r['iterations']}" for r in rows[-len(ITERATIONS) :])
        )
    return rows


def figure(path: Path, rounds: int, memory: list[dict]) -> None:
    import matplotlib.pyplot as plt

    sizes = [2, 3, 4, 5, 6, 8, 10, 16, 32, 64]
    shapes = [(max(1, 12800 // n**2), n, n) for n in sizes]
    exact = [row for row in exact_rows(rounds, shapes) if "uniform" not in row["work"]]
    soft = sinkhorn_rows(rounds, [(shape, 0.1) for shape in shapes])
    _, panels = plt.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    for panel, rows, title in zip(panels, (exact, soft), ("exact", "entropic, forward + backward"), strict=False):
        for method in dict.fromkeys(row["method"] for row in rows):
            times = [1e3 * row["ms"] / shape[0] for row, shape in zip(_of(rows, method), shapes, strict=True)]
            panel.loglog(sizes, times, "o-", label=method)
        panel.set(title=title, xlabel="N", ylabel="microseconds per N x N problem")
        panel.set_xticks(sizes, [str(size) for size in sizes])
        panel.minorticks_off()
    for method in dict.fromkeys(row["method"] for row in memory):
        rows = _of(memory, method)
        panels[2].loglog([row["iterations"] for row in rows], [row["MB"] for row in rows], "o-", label=method)
    panels[2].set(title="entropic (12800, 3, 3), forward + backward", xlabel="iterations", ylabel="peak MB")
    for panel in panels:
        panel.legend()
        panel.grid(alpha=0.3)
    plt.savefig(path, dpi=150)


def _of(rows: list[dict], method: str) -> list[dict]:
    return [row for row in rows if row["method"] == method]


if __name__ == "__main__":
    main()
