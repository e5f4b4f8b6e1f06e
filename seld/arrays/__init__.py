"""What the channels of a recording are: Ambisonics, microphones at known positions, or two ears.

Geometry and conventions only; rooms and filters are the scenes' affair. `steering` says what a plane wave
leaves in each channel, which is all that features, augmentation and checks need to know of an array.
"""

from seld.arrays.array import ARRAYS, SPEED_OF_SOUND, Array
from seld.arrays.foa import CONVENTIONS, foa_from, foa_to, foa_turn, rotate_foa, stereo_from_foa
from seld.arrays.reading import array_yaml, find_array, read_array
from seld.arrays.steering import diffuse_coherence, steering
from seld.arrays.symmetry import Symmetry

__all__ = [
    "ARRAYS",
    "CONVENTIONS",
    "SPEED_OF_SOUND",
    "Array",
    "Symmetry",
    "array_yaml",
    "diffuse_coherence",
    "find_array",
    "foa_from",
    "foa_to",
    "foa_turn",
    "read_array",
    "rotate_foa",
    "steering",
    "stereo_from_foa",
]
