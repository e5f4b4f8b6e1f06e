"""Counters of the DCASE protocols in segments (2020 to 2023): what is counted; the switches are in `dcase_segments`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from seld.metrics.cells import Cells, group
from seld.metrics.dcase_rows import Pairs, crowded, errors, sum_by, take
from seld.metrics.protocol import Sums


class Layout(NamedTuple):
    """The segments of one clip and class that have a row on either side, in the order of clip, class and time."""

    shape: tuple[int, int]
    """(clips, classes)"""
    key: np.ndarray
    """(segments,) flat index into (clips, classes)"""
    moment: np.ndarray
    """(segments,) index into moment_clip: segments of one clip at one time, whatever their class, share it"""
    moment_clip: np.ndarray
    """(moments,) the clip"""
    of_cell: np.ndarray
    """(cells,) the segment in which each cell lies"""
    cell: np.ndarray
    """(references,) the cell of each reference, in the order of `Cells.references`"""
    row: np.ndarray
    """(references,) position within the cell: 0, 1, ..."""
    references: np.ndarray
    """(segments,) the largest number of references in one frame"""
    predictions: np.ndarray
    """(segments,) the same of predictions"""
    common: np.ndarray
    """(segments,) number of frames with rows on both sides"""


class Tracks(NamedTuple):
    """The reference tracks of all segments."""

    of_reference: np.ndarray
    """(references,) the track of each reference, in the order of `Cells.references`"""
    segment: np.ndarray
    """(tracks,) the segment in which it lies"""


class _Rows(NamedTuple):
    """What counts apart from pairs, (segments,) each."""

    references: np.ndarray
    misses: np.ndarray
    false_alarms: np.ndarray


def lay_out(cells: Cells, segment_frames: int, classes: int, clips: int) -> Layout:
    """The segments of cells made by clip, class and frame."""
    clip, class_, frame = cells.keys.T
    key, time = clip * classes + class_, frame // segment_frames
    new = np.append(True, (key[1:] != key[:-1]) | (time[1:] != time[:-1]))[: len(key)]
    first = np.flatnonzero(new)
    longest = int(time.max(initial=0)) + 1
    moments, moment = np.unique(clip[first] * longest + time[first], return_inverse=True)
    references, predictions = np.diff(cells.reference_edges), np.diff(cells.prediction_edges)
    both = (references > 0) & (predictions > 0)
    cell = np.repeat(np.arange(len(key)), references)
    return Layout(
        shape=(clips, classes),
        key=key[first],
        moment=moment,
        moment_clip=moments // longest,
        of_cell=np.cumsum(new) - 1,
        cell=cell,
        row=np.arange(len(cell)) - cells.reference_edges[cell],
        references=_over_runs(np.maximum, references, first),
        predictions=_over_runs(np.maximum, predictions, first),
        common=_over_runs(np.add, both.astype(np.int64), first),
    )


def of_tracks(
    layout: Layout,
    pairs: Pairs,
    tracks: Tracks,
    threshold_deg: float,
    rule: Callable[[Layout, Tracks, np.ndarray], _Rows],
    spatial_is_false_positive: bool,
) -> Sums:
    """The counters of 2021 to 2023: every track of a class is one reference."""
    paired = pairs.prediction >= 0
    frames = np.bincount(tracks.of_reference[paired], minlength=len(tracks.segment))
    angle_deg = np.bincount(tracks.of_reference[paired], pairs.angle_deg[paired], len(tracks.segment))
    found = np.flatnonzero(frames)
    mean_deg = angle_deg[found] / frames[found]
    hit = mean_deg <= threshold_deg
    segment = tracks.segment[found]
    segments = len(layout.key)
    pairs_found = np.bincount(segment, minlength=segments)
    hits = np.bincount(segment, hit, segments)
    too_far = pairs_found - hits
    rows = rule(layout, tracks, pairs_found)

    def by_class(values: np.ndarray) -> np.ndarray:
        return sum_by(layout.key, values, layout.shape)

    sums = {
        "TP": by_class(hits),
        "FP": by_class(rows.false_alarms + (too_far if spatial_is_false_positive else 0)),
        "FN": by_class(rows.misses),
        "Nref": by_class(rows.references),
        "DE_TP": by_class(pairs_found),
        "DE_FP": by_class(rows.false_alarms),
        "DE_FN": by_class(rows.misses),
        "total_DE": sum_by(layout.key[segment], mean_deg, layout.shape),
    }
    if not spatial_is_false_positive:
        sums["FP_spatial"] = by_class(too_far)
    return sums | _errors(layout, rows.false_alarms + too_far, rows.misses)


def of_classes(layout: Layout, pairs: Pairs, threshold_deg: float, segments: np.ndarray) -> Sums:
    """The counters of 2020: a class counts once in each segment; `segments` (clips,) are their numbers."""
    paired = pairs.prediction >= 0
    # Frame by frame and then over frames, the order in which the official code adds.
    of_cells = np.bincount(layout.cell[paired], pairs.angle_deg[paired], len(layout.of_cell))
    angle_deg = np.bincount(layout.of_cell, of_cells, len(layout.key))
    found = layout.common > 0
    mean_deg = angle_deg / np.maximum(layout.common, 1)
    hit = found & (mean_deg <= threshold_deg)
    expected, claimed = layout.references > 0, layout.predictions > 0
    misses, false_alarms = expected & ~hit, claimed & ~expected

    def by_class(values: np.ndarray) -> np.ndarray:
        return sum_by(layout.key, values, layout.shape)

    sums = {
        "TP": by_class(hit),
        "FP": by_class(false_alarms),
        "FN": by_class(misses),
        "TN": segments[:, None] - by_class(np.ones(len(layout.key))),
        "Nref": by_class(expected),
        "Nsys": by_class(claimed),
        "DE_TP": by_class(found),
        "total_DE": by_class(np.where(found, mean_deg, 0.0)),
    }
    return sums | _errors(layout, false_alarms, misses)


def tracks_by_row(layout: Layout) -> Tracks:
    """A track is a position among the rows of one frame and class."""
    first = np.cumsum(layout.references) - layout.references
    segment = layout.of_cell[layout.cell]
    return Tracks(first[segment] + layout.row, np.repeat(np.arange(len(layout.key)), layout.references))


def repeats(cells: Cells, source: np.ndarray) -> np.ndarray:
    """How many rows before have the same cell and source, for each row of the table of references."""
    repeat = np.zeros(len(source), dtype=np.int64)
    slots, cell = crowded(cells.reference_edges)
    rows = cells.references[slots]
    same = _grouped(cell, source[rows])
    first = np.repeat(same.reference_edges[:-1], np.diff(same.reference_edges))
    repeat[rows[same.references]] = np.arange(len(rows)) - first
    return repeat


def tracks_by_source(layout: Layout, source: np.ndarray, repeat: np.ndarray) -> Tracks:
    """A track is a source number and its repeat, (references,) each, in the order of `Cells.references`."""
    tracks = _grouped(layout.of_cell[layout.cell], source, repeat)
    of_reference = np.empty(len(source), dtype=np.int64)
    of_reference[tracks.references] = np.repeat(np.arange(len(tracks.keys)), np.diff(tracks.reference_edges))
    return Tracks(of_reference, tracks.keys[:, 0])


def _grouped(*columns: np.ndarray) -> Cells:
    """Rows that agree in all columns, as the references of cells."""
    names = [str(index) for index in range(len(columns))]
    rows = dict(zip(names, columns, strict=True))
    return group(rows, take(rows, np.empty(0, dtype=np.int64)), names)


def _difference(layout: Layout, tracks: Tracks, pairs_found: np.ndarray) -> _Rows:
    """Official: from the largest numbers of rows in one frame, and predictions as misses without a common frame."""
    apart = (layout.references > 0) & (layout.predictions > 0) & (layout.common == 0)
    misses = np.maximum(layout.references - layout.predictions, 0)
    false_alarms = np.maximum(layout.predictions - layout.references, 0)
    return _Rows(layout.references, np.where(apart, layout.predictions, misses), np.where(apart, 0, false_alarms))


def _unpaired(layout: Layout, tracks: Tracks, pairs_found: np.ndarray) -> _Rows:
    """Strict: every track is paired or missed."""
    references = np.bincount(tracks.segment, minlength=len(layout.key))
    more = np.maximum(layout.predictions - layout.references, 0)
    return _Rows(references, references - pairs_found, np.where(layout.common > 0, more, layout.predictions))


RULES: dict[str, Callable[[Layout, Tracks, np.ndarray], _Rows]] = {"difference": _difference, "unpaired": _unpaired}
"""by `Segments.misses`"""


def _errors(layout: Layout, false_alarms: np.ndarray, misses: np.ndarray) -> Sums:
    moments = len(layout.moment_clip)
    return errors(
        np.bincount(layout.moment, false_alarms, moments),
        np.bincount(layout.moment, misses, moments),
        layout.moment_clip,
        layout.shape[0],
    )


def _over_runs(function: np.ufunc, values: np.ndarray, first: np.ndarray) -> np.ndarray:
    # reduceat refuses an empty array, even for no runs.
    return function.reduceat(values, first) if len(first) else values
