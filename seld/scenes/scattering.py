"""Adding many short kernels into long responses, compiled: NumPy would gather every kernel first."""

import numpy as np

from seld.compiling import compiled


@compiled
def scatter(
    out: np.ndarray, response: np.ndarray, begin: np.ndarray, gain: np.ndarray, table: np.ndarray, row: np.ndarray,
    step: np.ndarray,
) -> None:  # fmt: skip
    """Add a kernel for each arrival (n,) to `out` (responses, samples); what does not fit inside is left out.

    Args:
        begin: (n,) sample of the kernel's first tap.
        gain: (n, 2) of the two frequency bands.
        table: (rows, steps, 2, taps) float32 kernels; `row` (n,) and `step` (n,) choose one.
    """
    samples, taps = out.shape[1], table.shape[3]
    for i in range(len(begin)):
        first = begin[i]
        if first < 0 or first + taps > samples:
            continue
        low, high = table[row[i], step[i], 0], table[row[i], step[i], 1]
        low_gain, high_gain = gain[i, 0], gain[i, 1]
        target = out[response[i], first : first + taps]
        for tap in range(taps):
            target[tap] += low_gain * low[tap] + high_gain * high[tap]
