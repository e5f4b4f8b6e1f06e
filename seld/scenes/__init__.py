"""Synthetic scenes: dry events, rooms simulated or measured, trajectories, mixing.

A configuration is drawn into a scene (`drawing.py`), whose description can be edited (`description.py`), and a scene
is mixed into a clip (`mixing.py`):

dry sound --(room, path: plane waves with delay, gain, direction)--> every array --(mix, noise)--> clip, labels
"""

from seld.scenes.config import SPLITS, SceneConfig
from seld.scenes.making import make_scenes, render_scenes

__all__ = ["SPLITS", "SceneConfig", "make_scenes", "render_scenes"]
