"""Audio to features, as torch modules that run in the loader or in the model, on CPU and GPU.

| kind | levels | spatial features | for |
|---|---|---|---|
| `logmel_intensity` | mel bands | intensity vectors, direct-path intensity vectors | Ambisonics |
| `logmel_steered` | mel bands | direct-path direction vectors | microphones at known places |
| `logmel_gcc` | mel bands | GCC-PHAT of all pairs | any |
| `salsa` | bins | principal eigenvectors, where there is one source | Ambisonics, microphones |
| `salsa_lite` | bins | phase differences to the first channel over frequency | microphones |
| `phase` | bins | sines and cosines of phase differences of all pairs | microphones |

All are `Features` (spectrogram.py): what their first axes, frames and levels are does not depend on the kind.
"""

from seld.arrays import Array, find_array
from seld.features.config import FeatureConfig
from seld.features.gcc import LogMelGcc
from seld.features.logmel_intensity import LogMelIntensity, turn_features
from seld.features.logmel_steered import LogMelSteered
from seld.features.phase import Phase
from seld.features.salsa import Salsa, SalsaLite
from seld.features.spectrogram import AFTER, BEFORE, LEVEL_CENTRE_DB, LEVEL_SPREAD_DB, Features

__all__ = [
    "AFTER",
    "BEFORE",
    "LEVEL_CENTRE_DB",
    "LEVEL_SPREAD_DB",
    "FeatureConfig",
    "Features",
    "LogMelGcc",
    "LogMelIntensity",
    "LogMelSteered",
    "Phase",
    "Salsa",
    "SalsaLite",
    "build_features",
    "turn_features",
]

_KINDS = {
    "logmel_intensity": LogMelIntensity,
    "logmel_steered": LogMelSteered,
    "logmel_gcc": LogMelGcc,
    "salsa": Salsa,
    "salsa_lite": SalsaLite,
    "phase": Phase,
}


def build_features(config: FeatureConfig | None = None, array: Array | None = None) -> Features:
    """The features of a configuration.

    Args:
        array: in place of the one that the configuration names, whose file may be gone.

    Raises:
        ValueError: when there is no such kind or array, or the kind cannot be had of the array.
    """
    config = config or FeatureConfig()
    if config.kind not in _KINDS:
        raise ValueError(f"features.kind must be one of {', '.join(_KINDS)}, got {config.kind}")
    return _KINDS[config.kind](config, array or find_array(config.array))
