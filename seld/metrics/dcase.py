"""The protocols of DCASE task 3 by name: `dcase2019` to `dcase2025`, and `_strict` variants of each.

The official ones give the numbers of that year's scorer, quirks included; each quirk is a switch, a field of
`Frames2019`, `Segments` or `Frames`, that says what it does and where it stands in the official code.

The strict ones measure what the official ones set out to measure, without the quirks:

- all frames count, on both sides; a silent clip pays for its false alarms;
- figures of a class that are undefined, since nothing of it was there to count, are left out of means, and no
  small number is added to denominators: a perfect prediction scores exactly F 1, LR 1, LE 0;
- angles are accurate down to 0, and an angle of the threshold counts as within it;
- ties of the assignment do not depend on the order of rows.

By year:

dcase2019_strict   directions as they are, not on the grid of 10 degrees; all 50 frames of a second; the DOA error is
                   the mean over pairs; the frame recall is that of frames with a row on either side
dcase2020_strict,  one and the same measurement as dcase2022_strict, of all classes pooled (macro on request), since
dcase2021_strict   the rules of 2022 mended those of 2020 (classes, not sources, were counted) and 2021 (F forgave
                   half of each spatial error)
dcase2022_strict,  a reference track is a source number; each track of a segment is paired or missed, so that
dcase2023_strict   TP + FP_spatial + FN = Nref
dcase2024_strict   SELD is made of the averaged figures
dcase2025_strict   no limit of 10 rows for a class and frame
"""

from functools import partial
from typing import Any

from seld.metrics.dcase_2019 import Frames2019
from seld.metrics.dcase_frames import Frames
from seld.metrics.dcase_rows import ROUNDING_DEG
from seld.metrics.dcase_segments import Segments

Dcase = Frames2019 | Segments | Frames

_ACCURATE: dict[str, Any] = {"absent": "left_out", "row_order": "sorted"}
_STRICT_SEGMENTS = _ACCURATE | {
    "angle": "chord",
    "length": "full",
    "tracks": "source",
    "misses": "unpaired",
    "rounding_deg": ROUNDING_DEG,
}
_STRICT_FRAMES = _ACCURATE | {"length": "full", "rounding_deg": ROUNDING_DEG}
_STRICT_2019 = _ACCURATE | {"grid": False, "heard_frames": 50, "divisor": "pairs", "length": "active"}

PRESETS = {
    "dcase2019": Frames2019,
    "dcase2020": partial(
        Segments, year=2020, classes=14, average="micro", length="fixed", counted="class", spatial_error="miss"
    ),
    "dcase2021": partial(Segments, year=2021, classes=12, average="micro", length="fixed", spatial_error="half"),
    "dcase2022": partial(Segments, year=2022),
    "dcase2023": partial(Segments, year=2023),
    "dcase2024": partial(Frames, year=2024),
    "dcase2025": partial(Frames, year=2025, angle="folded", track_limit=10),
    "dcase2019_strict": partial(Frames2019, **_STRICT_2019),
    "dcase2020_strict": partial(Segments, year=2020, classes=14, average="micro", **_STRICT_SEGMENTS),
    "dcase2021_strict": partial(Segments, year=2021, classes=12, average="micro", **_STRICT_SEGMENTS),
    "dcase2022_strict": partial(Segments, year=2022, **_STRICT_SEGMENTS),
    "dcase2023_strict": partial(Segments, year=2023, **_STRICT_SEGMENTS),
    "dcase2024_strict": partial(Frames, year=2024, angle="chord", **_STRICT_FRAMES),
    "dcase2025_strict": partial(Frames, year=2025, angle="folded", **_STRICT_FRAMES),
}
"""name -> options -> protocol"""


def protocol(name: str, **options: Any) -> Dcase:
    """The protocol of that name.

    Args:
        name: one of PRESETS.
        options: fields of the protocol, such as average="micro", doa_threshold_deg (also called threshold_deg, as in
            `seld.metrics.evaluate`), distance_threshold_m, relative_distance_threshold, evaluate_distance (2024),
            require_onscreen (2025), classes; and cartesian=True (2020 to 2023), the official use_polar_format=False.

    Raises:
        ValueError: for an unknown name, an option that this protocol lacks, or a value out of its range.
    """
    if name not in PRESETS:
        raise ValueError(f"protocol must be one of {', '.join(PRESETS)}, got {name!r}")
    preset = PRESETS[name]
    kind = preset.func if isinstance(preset, partial) else preset
    if "threshold_deg" in options:
        options["doa_threshold_deg"] = options.pop("threshold_deg")
    if kind is Segments and options.pop("cartesian", False):
        options["angle"] = "cartesian"
    known = kind.__dataclass_fields__.keys() - {"year"}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise ValueError(f"options of {name} must be among {', '.join(sorted(known))}, got {', '.join(unknown)}")
    return preset(**options)
