"""Synthetic scenes: dry events, rooms, trajectories, mixing.

dry sound --(room, path: plane waves with delay, gain, direction)--> FOA --(mix, noise)--> clip, labels
"""

from seld.scenes.config import SPLITS, SceneConfig
from seld.scenes.making import make_scenes

__all__ = ["SPLITS", "SceneConfig", "make_scenes"]
