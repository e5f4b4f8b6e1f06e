"""What is wrong with an array, from a recording of claps at known directions.

claps: onsets, and delays or gains of the direct sound --(told directions)--> explaining, gains: the likeliest
explanation --> faults in words, with remedies.
"""

import dataclasses

import numpy as np

from seld.arrays.array import Array
from seld.arrays.checking.claps import find_claps
from seld.arrays.checking.delay_faults import diagnose_delays
from seld.arrays.checking.diagnosis import FEWEST, Diagnosis, Fault, check_directions
from seld.arrays.checking.gain_faults import diagnose_gains

__all__ = ["FEWEST", "Diagnosis", "Fault", "diagnose", "mended"]


def diagnose(
    audio: np.ndarray,
    rate: int,
    array: Array,
    told: np.ndarray,
    told_sd_deg: float = 5.0,
    times_s: np.ndarray | None = None,
) -> tuple[Diagnosis, np.ndarray]:
    """What a recording of claps says about an array, and when the claps begin (claps,) in seconds.

    Args:
        audio: (channels of the file, samples) at `rate`.
        told: (claps, 3) unit vectors to the claps, in order of time.
        told_sd_deg: how exactly the directions are told (standard deviation).
        times_s: (claps,) when the claps begin, where they shall not be looked for.

    Raises:
        ValueError: when the recording has not the array's channels, or does not hold as many claps as there are
            directions, or the directions are too few or too near to each other.
    """
    check_directions(told)
    # The convention of Ambisonics is one of the things that are checked.
    audio = dataclasses.replace(array, convention="acn_sn3d").arrange(np.asarray(audio, dtype=np.float64))
    given = times_s is not None
    onsets = np.round(np.asarray(times_s) * rate).astype(int) if given else find_claps(audio, rate, len(told))
    outside = (onsets < 0) | (onsets >= audio.shape[1])
    if outside.any():
        bad = onsets[outside][0] / rate
        raise ValueError(f"times must lie within {audio.shape[1] / rate:g} s of recording, got {bad:g}")
    if (np.diff(onsets) <= 0).any():
        raise ValueError(f"times must rise from clap to clap, got {', '.join(f'{time:g}' for time in onsets / rate)}")
    how = diagnose_gains if array.foa_gains is not None else diagnose_delays
    return how(audio, rate, onsets, array, told, np.deg2rad(told_sd_deg)), onsets / rate


def mended(array: Array, diagnosis: Diagnosis) -> Array | None:
    """The array as it was found to be; None when its file has nothing to change."""
    names = {"channels": "order", "sphere_radius_m": "radius_m"}
    values = {names.get(key, key): value for key, value in diagnosis.values.items()}
    if not values:
        return None
    if "positions_m" in values:
        values["positions_m"] = tuple(map(tuple, values["positions_m"]))
    return dataclasses.replace(array, **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
