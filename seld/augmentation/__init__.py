"""Random changes of training segments that their references follow.

| change | needs | after |
|---|---|---|
| turn by channel swapping | an array with symmetries | Mazzon et al., DCASE 2019; Wang et al., TASLP 2023 |
| turn by any rotation | audio of Ambisonics | Mazzon et al., DCASE 2019 |
| level | | |
| mixing two clips | audio | Wang et al., TASLP 2023 |
| reverberation | audio of an array with positions or gains | Polack, 1988 |
| noise | audio; diffuse where there are positions or gains | Habets and Gannot, JASA 2007 |
| frequency shift | features other than phases | Nguyen et al. (SALSA), TASLP 2022 |
| masks over time and frequency | features | Park et al. (SpecAugment), Interspeech 2019 |

By default segments are turned by channel swapping and change their level. Of channel swapping, simulation of
channels, mixing and masks, which all help on simulated scenes, only the first still did on real recordings (Niu et
al., ICASSP 2023), so that the others are there to be switched on.

`Augmentation` draws and applies what its configuration says; the functions apply one given change each. All take
batches, on CPU or GPU, and leave their inputs as they are.
"""

from seld.augmentation.augmentation import Augmentation
from seld.augmentation.config import AugmentationConfig
from seld.augmentation.diffuse import DiffuseField, add_noise, add_reverberation
from seld.augmentation.mixing import join_references, mix
from seld.augmentation.segment import Segment
from seld.augmentation.spectral import change_level, mask, shift_bands
from seld.augmentation.turning import random_rotations, rotate, swap_channels, turn_features, useful_symmetries

__all__ = [
    "Augmentation",
    "AugmentationConfig",
    "DiffuseField",
    "Segment",
    "add_noise",
    "add_reverberation",
    "change_level",
    "join_references",
    "mask",
    "mix",
    "random_rotations",
    "rotate",
    "shift_bands",
    "swap_channels",
    "turn_features",
    "useful_symmetries",
]
