"""Localization without learning: histograms of active intensity vectors, for comparison with what is learnt.

In each time-frequency cell of first-order Ambisonics the active intensity vector points to the source that
dominates there. Vectors are collected in a histogram over the sphere, whose peaks are the directions
(Pavlidi et al., "3D Localization of Multiple Sound Sources with Intensity Vector Estimates in Single Source
Zones", EUSIPCO 2015). Cells count by how much direct sound they hold: by their directness (one minus the
diffuseness of Merimaa and Pulkki, "Spatial Impulse Response Rendering I", JAES 2005), above a noise floor
and above the reverberation that earlier sound leaves behind. Peaks are taken one by one, each with the
vectors around it removed before the next, and linked over time to the nearest track.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import uniform_filter1d
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from torch import Tensor

from seld.arrays.foa import AXES
from seld.audio import SAMPLE_RATE
from seld.features import FeatureConfig, LogMelIntensity
from seld.geometry import fibonacci_sphere, normalize, pairwise_angular_distance
from seld.labels import FRAME_SECONDS, rows_from_grid

_TINY = 1e-20  # power, far below the rounding of 16-bit samples


@dataclass(frozen=True)
class HistogramConfig:
    """Tuned on validation scenes of two sources, RT60 0.2-0.8 s, noise 10-30 dB below."""

    lowest_hz: float = 50.0
    """cells below are left out"""
    highest_hz: float = 8000.0
    """cells above are left out"""
    directness_power: float = 4.0
    """how strongly diffuse cells are played down"""
    noise_margin_db: float = 6.0
    """the noise floor of a band stands this far above its softest tenth"""
    reverberation_s: float = 0.7
    """time in which reverberation is expected to decay by 60 dB"""
    reverberation_margin_db: float = 3.0
    """how far above that decay a cell has to be to count"""
    smoothing_frames: int = 5
    """label frames over which histograms are averaged"""
    directions: int = 1500
    """points of the histogram on the sphere, about 5 degrees apart"""
    kernel_deg: float = 20.0
    """width of the kernel that smooths the histogram"""
    refinement_deg: float = 25.0
    """a peak's direction is the mean of the histogram within this angle"""
    separation_deg: float = 50.0
    """a peak removes the histogram within this angle before the next is taken"""
    smallest_peak: float = 2.0
    """height of the first peak from which a frame counts as active, in fully weighted cells"""
    smallest_ratio: float = 0.12
    """height of a further peak, in that of the first"""
    link_deg: float = 30.0
    """largest step of a track from one peak to its next"""
    memory_s: float = 2.0
    """a track that finds no peak for this long has ended"""
    shortest_track_s: float = 0.5
    """shorter tracks are taken for false alarms"""


class Peaks(NamedTuple):
    """The highest peaks of each frame, highest first."""

    height: np.ndarray
    """(frames, peaks) weight of the cells under the kernel"""
    doa: np.ndarray
    """(frames, peaks, 3) unit vectors"""


def intensity_histogram(
    audio: Tensor, max_sources: int, counts: np.ndarray | None = None, config: HistogramConfig | None = None
) -> pd.DataFrame:
    """Tracks of one FOA recording as rows of `seld.labels`, class 0.

    Args:
        audio: (4, samples) at 24 kHz, channels W, Y, Z, X with SN3D scaling.
        max_sources: the most sources to find in a frame.
        counts: (frames,) how many sources there are in each frame, when that is to be told; otherwise it is
            estimated from the heights of the peaks, and short tracks are dropped.
    """
    config = config or HistogramConfig()
    if audio.ndim != 2 or len(audio) != 4:
        raise ValueError(f"audio must be (4, samples), got {tuple(audio.shape)}")
    if max_sources < 1:
        raise ValueError(f"max_sources must be >= 1, got {max_sources}")
    grid = fibonacci_sphere(config.directions)
    peaks = _peaks(_histogram(audio, grid, config), grid, max_sources, config)
    if counts is None:
        active = peaks.height > config.smallest_ratio * peaks.height[:, :1]
        active &= peaks.height > config.smallest_peak
    else:
        active = np.arange(max_sources) < np.asarray(counts)[:, None]
    track = _link(peaks.doa, active, config)
    if counts is None:
        active &= _frames_of_track(track, active) >= round(config.shortest_track_s / FRAME_SECONDS)
    rows = rows_from_grid(peaks.doa, active)
    rows["source"] = track[active]
    return rows


def _histogram(audio: Tensor, grid: np.ndarray, config: HistogramConfig) -> np.ndarray:
    """(frames, directions): the weight of the cells of each label frame that point to each direction."""
    features = FeatureConfig()
    frequency = torch.linspace(0, SAMPLE_RATE / 2, features.fft // 2 + 1)
    bins = (frequency >= config.lowest_hz) & (frequency <= config.highest_hz)
    spectrum = LogMelIntensity(features).spectrum(audio.unsqueeze(0))[0, ..., bins]
    intensity = (spectrum[:1].conj() * spectrum[AXES]).real
    energy = (spectrum.abs().square().sum(0) / 2).clamp_min(_TINY)
    length = intensity.norm(dim=0)
    weight = (length / energy).clamp_max(1) ** config.directness_power
    weight *= _share_above(energy, _noise_floor(energy, config))
    weight *= _share_above(energy, _reverberation(energy, config, features))
    frame = torch.arange(len(energy)).div(features.frames_per_label, rounding_mode="floor")
    frame = frame.unsqueeze(1).expand_as(weight)
    used = weight > 0
    _, nearest = cKDTree(grid).query((intensity[:, used] / length[used]).T.numpy())
    shape = (len(energy) // features.frames_per_label, len(grid))
    cell = np.ravel_multi_index((frame[used].numpy(), nearest), shape)
    # NumPy counts in integers where no cell is used.
    counted = np.bincount(cell, weight[used].numpy(), minlength=shape[0] * shape[1]).astype(np.float64)
    return counted.reshape(shape)


def _share_above(energy: Tensor, floor: Tensor) -> Tensor:
    return (1 - floor / energy).clamp_min(0)


def _noise_floor(energy: Tensor, config: HistogramConfig) -> Tensor:
    """(frames, bins) -> (bins,): some way above what each bin has in its softest tenth of the clip."""
    return energy.quantile(0.1, dim=0) * 10 ** (config.noise_margin_db / 10)


def _reverberation(energy: Tensor, config: HistogramConfig, features: FeatureConfig) -> Tensor:
    """(frames, bins): what the loudest earlier sound of each bin may have left, with the margin.

    The two frames before do not count: their windows overlap with this one's.
    """
    lag = 2
    decay_db = 60 * features.hop / SAMPLE_RATE / config.reverberation_s
    fallen_db = decay_db * torch.arange(len(energy), dtype=torch.float64).unsqueeze(1)
    # Raised by what has decayed since the start, the loudest that is left is a running maximum.
    left_db = (10 * energy.double().log10() + fallen_db).cummax(0).values[:-lag] - fallen_db[lag:]
    left = 10 ** ((left_db + config.reverberation_margin_db) / 10)
    return torch.cat([torch.zeros_like(energy[:lag]), left.float()])


def _peaks(histogram: np.ndarray, grid: np.ndarray, count: int, config: HistogramConfig) -> Peaks:
    smooth = uniform_filter1d(histogram, config.smoothing_frames, axis=0, mode="nearest")
    left, points = torch.from_numpy(smooth), torch.from_numpy(grid)
    cosine = points @ points.T
    kernel = ((cosine - 1) / np.deg2rad(config.kernel_deg) ** 2).exp()
    around = (cosine > np.cos(np.deg2rad(config.refinement_deg))).double()
    beyond = cosine < np.cos(np.deg2rad(config.separation_deg))
    heights, directions = [], []
    for _ in range(count):
        height, peak = (left @ kernel).max(1)
        heights.append(height)
        directions.append(normalize((left * around[peak]) @ points))
        left = left * beyond[peak]
    return Peaks(torch.stack(heights, 1).numpy(), torch.stack(directions, 1).numpy())


def _link(doa: np.ndarray, active: np.ndarray, config: HistogramConfig) -> np.ndarray:
    """(frames, peaks) the number of the track that each active peak belongs to, -1 for the others.

    In each frame as many tracks as possible go on with a peak within reach, with the smallest sum of angles.
    """
    reach, memory = np.deg2rad(config.link_deg), round(config.memory_s / FRAME_SECONDS)
    track = np.full(active.shape, -1)
    last: dict[int, tuple[int, np.ndarray]] = {}
    started = 0
    for frame in np.flatnonzero(active.any(1)):
        last = {number: seen for number, seen in last.items() if frame - seen[0] <= memory}
        peaks = np.flatnonzero(active[frame])
        if last:
            ends = torch.from_numpy(np.stack([direction for _, direction in last.values()]))
            angle = pairwise_angular_distance(ends, torch.from_numpy(doa[frame, peaks])).numpy()
            # Out of reach has to cost more than all pairs within reach together.
            cost = np.where(angle <= reach, angle, reach * (len(peaks) + 1))
            numbers = list(last)
            for row, column in zip(*linear_sum_assignment(cost), strict=True):
                if angle[row, column] <= reach:
                    track[frame, peaks[column]] = numbers[row]
        for peak in peaks:
            if track[frame, peak] < 0:
                track[frame, peak] = started
                started += 1
            last[track[frame, peak]] = (frame, doa[frame, peak])
    return track


def _frames_of_track(track: np.ndarray, active: np.ndarray) -> np.ndarray:
    """(frames, peaks) in how many frames the track of each active peak was seen."""
    frames = np.bincount(track[active], minlength=1)
    return np.where(active, frames[track], 0)
