"""Claps in a recording: when they begin, and how the direct sound of each lies in the channels.

A clap is short and wide-band, and its direct sound comes a few milliseconds before the first reflection; a short
window around the onset therefore holds little else, also in a reverberant room. Delays within it are found by
generalized cross-correlation with phase transform (Knapp and Carter, IEEE TASSP 1976), on lags much finer than a
sample, each frequency weighted by how far it rises above the noise before the clap.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfilt

LOW_HZ, HIGH_HZ = 400.0, 8000.0  # where hand claps have energy and small arrays hear the direction
BEFORE_S, AFTER_S = 0.0015, 0.003  # of a direct sound, the part that is looked at
APART_S = 0.15  # claps are further apart; what comes sooner is an echo or a hand that bounces

_RISE_DB = 6.0  # of a clap above what sounds just before it
_ABOVE_DB = 8.0  # of a clap above the noise of the recording
_STEP_S = 2e-6  # between lags, at least
_WIDEST_S = 0.045  # offset of a channel that another clock recorded
_FASTEST = 1e-3  # drift of a clock
_WET_S = 0.08  # clap and reverberation
_ALIVE_DB = 3.0  # of clap and reverberation above what was before, in a channel that hears


class Direct(NamedTuple):
    """The direct sound of each clap in each channel."""

    advance_s: np.ndarray
    """(claps, channels) how much earlier than the mean of the channels each hears the clap; NaN for dead channels"""
    agreement: np.ndarray
    """(claps, channels, channels) height of the correlation in [-1, 1], negative for opposite polarity"""
    power_db: np.ndarray
    """(claps, channels) of clap and reverberation, below full scale"""
    alive: np.ndarray
    """(channels,) whether a channel hears claps"""
    gains: np.ndarray
    """(claps, channels) amplitude and sign against the principal component, length 1"""


def find_claps(audio: np.ndarray, rate: int, count: int) -> np.ndarray:
    """Samples (count,) at which the claps of a recording (channels, samples) begin.

    Raises:
        ValueError: when it holds more or fewer claps; their times are named.
    """
    step = max(1, round(0.001 * rate))
    energy = _band(audio, rate) ** 2
    energy = energy[:, : energy.shape[1] // step * step].reshape(len(audio), -1, step).mean(2)
    loudest = energy.max(initial=0)
    if energy.shape[1] < 100 or loudest < 1e-12:
        raise ValueError(
            f"recording must hold {count} claps, got {'silence' if loudest < 1e-12 else 'less than 0.1 s'}"
        )
    floor = np.maximum(np.quantile(energy, 0.25, axis=1, keepdims=True), 1e-8 * loudest)
    level = 10 * np.log10((energy / floor).mean(0))
    power = 10 ** (level / 10)
    now = 10 * np.log10(uniform_filter1d(power, 3, origin=-1))  # this frame and two after it
    before = 10 * np.log10(uniform_filter1d(power, 24, origin=11))  # this frame and 23 before it
    rising = 1 + np.flatnonzero((now[1:] - before[:-1] > _RISE_DB) & (now[1:] > _ABOVE_DB))
    groups = np.split(rising, np.flatnonzero(np.diff(rising) > APART_S * 1000) + 1) if len(rising) else []
    starts, heights = _starts(level, groups)
    chosen = heights >= np.sort(heights)[-min(count, len(heights))] - 6 if len(heights) else heights > 0
    if chosen.sum() != count:
        times = ", ".join(f"{start / 1000:.2f}" for start in starts[chosen])
        found = f"{chosen.sum()} (at {times} s)" if chosen.any() else "none"
        raise ValueError(f"recording must hold {count} claps, one for each direction, got {found}")
    return starts[chosen] * step


def direct_sound(
    audio: np.ndarray, rate: int, onsets: np.ndarray, reach_s: float, late_s: np.ndarray | None = None
) -> Direct:
    """The direct sound of claps that begin at `onsets`.

    Args:
        audio: (channels, samples).
        reach_s: the largest delay between two channels that is looked for.
        late_s: (claps, channels) seconds by which clocks are known to be late; they do not count in `advance_s`.
    """
    late = np.zeros((len(onsets), len(audio))) if late_s is None else late_s
    start = onsets[:, None] + np.round(late * rate).astype(int)
    before, after = round((BEFORE_S + reach_s) * rate), round((AFTER_S + reach_s) * rate)
    size = 2 * (before + after)
    frequency = np.fft.rfftfreq(size, 1 / rate)
    band = (frequency >= LOW_HZ) & (frequency <= HIGH_HZ)
    window = _window(before, after)

    def spectrum_from(begin: np.ndarray) -> np.ndarray:
        return np.fft.rfft(_cut(audio, begin, before + after) * window, size)[..., band]

    rest = np.round(late * rate) / rate - late  # a cut on whole samples leaves this much of the clocks
    spectrum = spectrum_from(start - before) * np.exp(-2j * np.pi * frequency[band] * rest[..., None])
    power = np.abs(spectrum) ** 2
    # Just before one of the claps there may be the end of another one's reverberation: hence the median.
    floor = np.median(np.abs(spectrum_from(start - 3 * before - after)) ** 2, axis=(0, 2))[:, None]
    wet_db = _decibels((_cut(audio, start - before, round(_WET_S * rate)) ** 2).mean(2))
    dry_db = _decibels((_cut(audio, start - before - round(_WET_S * rate), round(_WET_S * rate)) ** 2).mean(2))
    alive = np.median(wet_db - dry_db, axis=0) > _ALIVE_DB
    step = max(_STEP_S, reach_s / 2000)  # a large array's delays need less
    lags = np.arange(-reach_s, reach_s + step, step)
    kernel = np.exp(-2j * np.pi * frequency[band, None] * lags)
    advance = np.full(late.shape, np.nan)
    heights = np.zeros((len(onsets), len(audio), len(audio)))
    for clap in range(len(onsets)):
        share = power[clap] / (power[clap] + floor + 1e-4 * power[clap].max(1, keepdims=True) + 1e-30)
        advance[clap, alive], heights[clap] = _advance(spectrum[clap], share, alive, kernel, lags)
    covariance = np.einsum("ncf,ndf->ncd", spectrum, spectrum.conj()).real
    gains = np.linalg.eigh(covariance)[1][..., -1]
    return Direct(advance, heights, wet_db, alive, gains)


def late_clocks(audio: np.ndarray, rate: int, onsets: np.ndarray, reach_s: float) -> np.ndarray:
    """Seconds (claps, channels) by which channels of another clock lag further than `reach_s`, 0 for the others.

    From the onsets in each channel, for channels that all hear the direct sound: a channel has another clock when
    most claps begin later or earlier there by about the same time, or one that grows evenly.
    """
    margin, width = round(_WIDEST_S * rate), max(1, round(0.0003 * rate))
    pieces = _cut(_band(audio, rate), np.tile(onsets[:, None], len(audio)) - margin, 2 * margin)
    energy = uniform_filter1d(pieces**2, width)
    noise = energy[..., : margin // 3].mean(2, keepdims=True)
    loud = energy > np.maximum(0.1 * energy.max(2, keepdims=True), 8 * noise)
    first = np.where(loud.any(2), loud.argmax(2) / rate, np.nan)
    late = np.zeros(first.shape)
    hearing = np.flatnonzero(np.isfinite(first).sum(0) >= max(3, 0.6 * len(onsets)))
    lags = first[:, hearing, None] - first[:, None, hearing]  # (claps, channels, references)
    if not len(hearing):
        return late
    lags = lags[:, :, np.nanmedian(np.abs(lags), axis=0).sum(0).argmin()]
    for channel, lag in zip(hearing, lags.T, strict=True):
        heard = np.isfinite(lag)
        # Single onsets may be missed: a clock shifts several.
        if heard.sum() < 3 or (np.abs(lag[heard]) > reach_s).sum() < 2:
            continue
        line, near = _trend(lag[heard], onsets[heard] / rate, reach_s / 2)
        everywhere = np.polyval(line, onsets / rate)
        if np.abs(everywhere).max() > reach_s and near >= max(3, 0.6 * heard.sum()):
            late[:, channel] = everywhere
    return late - late.min(1, keepdims=True)  # claps are found where the first channel hears them


def _trend(lag_s: np.ndarray, time_s: np.ndarray, near_s: float) -> tuple[np.ndarray, int]:
    """The line (slope, start) that most lags lie near, and how many do; it is level for fewer than 4 claps."""
    degree = 1 if len(lag_s) > 3 else 0
    best, cost = np.zeros(2), np.inf
    for i, j in itertools.combinations(range(len(lag_s)), 2):
        slope = (lag_s[j] - lag_s[i]) / (time_s[j] - time_s[i]) * degree
        line = np.array([slope, lag_s[i] - slope * time_s[i]])
        off = np.minimum(np.abs(lag_s - np.polyval(line, time_s)), near_s).sum()
        if abs(slope) < _FASTEST and off < cost:
            best, cost = line, off
    near = np.abs(lag_s - np.polyval(best, time_s)) < near_s
    if near.sum() > 2:
        best = np.r_[[0] * (1 - degree), np.polyfit(time_s[near], lag_s[near], degree)]
    return best, int(near.sum())


def _band(audio: np.ndarray, rate: int) -> np.ndarray:
    return sosfilt(butter(2, [LOW_HZ, min(HIGH_HZ, 0.45 * rate)], "bandpass", fs=rate, output="sos"), audio)


def _window(before: int, after: int) -> np.ndarray:
    window = np.ones(before + after)
    rise, fall = before // 3, after // 3
    window[:rise] = np.sin(np.linspace(0, np.pi / 2, rise)) ** 2
    window[-fall:] = np.cos(np.linspace(0, np.pi / 2, fall)) ** 2
    return window


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 1e-20))


def _starts(level: np.ndarray, groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """First frame and height (dB) of each group: what comes far below the group's peak is no direct sound."""
    starts, heights = [], []
    for group in groups:
        height = level[group[0] : group[-1] + 10].max()
        loud = level[group[0] : group[-1] + 10] >= height - 15
        starts.append(group[0] + int(loud.argmax()))
        heights.append(height)
    return np.array(starts, dtype=int), np.array(heights)


def _cut(audio: np.ndarray, start: np.ndarray, length: int) -> np.ndarray:
    """Pieces (claps, channels, length) that begin at `start` (claps, channels); silence beyond the ends."""
    padded = np.pad(audio, ((0, 0), (length, length)))
    at = np.clip(start + length, 0, padded.shape[1] - length)
    return padded[np.arange(len(audio))[:, None], at[..., None] + np.arange(length)]


def _advance(
    spectrum: np.ndarray, share: np.ndarray, alive: np.ndarray, kernel: np.ndarray, lags: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Advance (living channels,) of one clap and heights (channels, channels) of the correlations of its pairs.

    Each pair gives a difference of two channels; a pair that contradicts the others, as one does that has taken a
    reflection, loses its weight (least squares reweighted after Cauchy).
    """
    channels = np.flatnonzero(alive)
    heights = np.eye(len(spectrum))
    rows, differences, weights = [], [], []
    phase = spectrum / np.maximum(np.abs(spectrum), 1e-30)
    for i, j in itertools.combinations(range(len(channels)), 2):
        a, b = channels[i], channels[j]
        weight = share[a] * share[b]
        curve = ((phase[a] * phase[b].conj() * weight) @ kernel).real / weight.sum()
        peak = int(np.abs(curve).argmax())
        heights[a, b] = heights[b, a] = curve[peak]
        rows.append(np.eye(len(channels))[i] - np.eye(len(channels))[j])
        differences.append(lags[peak])
        weights.append(curve[peak] ** 2)
    rows, differences, weights = np.array(rows), np.array(differences), np.array(weights)
    advance, trust = np.zeros(len(channels)), np.ones(len(weights))
    for _ in range(8 if len(weights) else 0):
        scale = np.sqrt(weights * trust)
        advance = np.linalg.lstsq(rows * scale[:, None], differences * scale, rcond=None)[0]
        trust = 1 / (1 + ((rows @ advance - differences) / 2e-5) ** 2)
    return advance, heights
