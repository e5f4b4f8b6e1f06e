"""The file formats of labels and estimates, by name. A format is chosen, never guessed from the number of columns.

Six columns are Cartesian in the estimates of DCASE 2020 to 2022, and a direction with its distance from 2023 on;
distances are centimetres in references and, in 2024, metres in estimates. So a base format has one list of columns
and one unit, and a year's name (`dcase2024_output`) gathers the base formats which that year's scorer tells apart
by their width, where that can be done without doubt.

Sources: the task pages of DCASE 2019 to 2025, and the readers of the official scorers (sharathadavanne/seld-dcase2019
to -dcase2023, partha2409/DCASE2024_seld_baseline and DCASE2025_seld_baseline).
"""

from dataclasses import dataclass

FRAME_SECONDS = 0.1
"""of one label frame; DCASE 2019 alone has frames of 20 ms"""

COLUMNS = ("frame", "class", "source", "azimuth", "elevation", "distance")
"""of a table in memory: degrees and metres; `distance` may be missing, `onscreen` and `length` may come on top"""

CLASSES_2019 = (
    "knock",
    "drawer",
    "clearthroat",
    "phone",
    "keysDrop",
    "speech",
    "keyboard",
    "pageturn",
    "cough",
    "doorslam",
    "laughter",
)
"""the names in TAU Spatial Sound Events 2019, in the order of the class numbers that estimates have there"""

_POLAR = ("frame", "class", "source", "azimuth", "elevation")
_CARTESIAN = ("frame", "class", "source", "x", "y", "z")
# What a header must begin with, column by column: files differ in "azi" and "azimuth", "distance" and "distance_cm".
_HEADER_STEMS = {"class": ("class", "sound_event"), "azimuth": ("azi",), "elevation": ("ele",), "distance": ("dist",)}


@dataclass(frozen=True)
class Layout:
    """One list of columns with their units."""

    name: str
    columns: tuple[str, ...]
    about: str
    units_per_metre: float = 1.0
    """of the distance: 100 where it is in centimetres"""
    frame_seconds: float = FRAME_SECONDS
    header: tuple[str, ...] = ()
    """the first line, where there is one"""
    whole_degrees: bool = False
    """whether that year's scorer reads whole degrees only"""

    @property
    def events(self) -> bool:
        """Whether a row is an event from `start` to `end`, in seconds, not a frame."""
        return "start" in self.columns

    @property
    def cartesian(self) -> bool:
        return "x" in self.columns

    @property
    def wraps(self) -> bool:
        """Whether azimuth 180 is read as -180. The scorer of 2019 moves 180 to its last cell, 170, instead."""
        return self.frame_seconds == FRAME_SECONDS

    def whole(self, column: str) -> bool:
        """Whether a column holds whole numbers only."""
        degrees = self.whole_degrees and column in ("azimuth", "elevation")
        return degrees or column in ("frame", "class", "source", "onscreen")

    def is_header(self, fields: list[str]) -> bool:
        """Whether these are the names of the columns, in their order, as far as files agree in them."""
        if len(fields) != len(self.columns):
            return False
        named = zip(self.columns, (field.strip().lower() for field in fields), strict=True)
        return all(field.startswith(_HEADER_STEMS.get(column, (column,))) for column, field in named)


@dataclass(frozen=True)
class Format:
    """The layouts that go by one name; the width of a file's rows tells them apart."""

    name: str
    layouts: tuple[Layout, ...]
    """the first one that can hold a table is the one that is written"""

    @property
    def frame_seconds(self) -> float:
        return self.layouts[0].frame_seconds

    @property
    def about(self) -> str:
        if len(self.layouts) == 1:
            return self.layouts[0].about
        return " or ".join(f"{layout.name} ({len(layout.columns)} columns)" for layout in self.layouts)

    def layout(self, width: int) -> Layout | None:
        """The layout whose rows have this many columns."""
        return next((layout for layout in self.layouts if len(layout.columns) == width), None)


POLAR = Layout("polar", _POLAR, "frame, class, source, azimuth, elevation; whole or decimal degrees")
POLAR_CM = Layout("polar_cm", (*_POLAR, "distance"), "polar, then the distance in centimetres", 100)
POLAR_M = Layout("polar_m", (*_POLAR, "distance"), "polar, then the distance in metres")
CARTESIAN = Layout("cartesian", _CARTESIAN, "frame, class, source, x, y, z of a vector that is about a unit long")
CARTESIAN_CM = Layout("cartesian_cm", (*_CARTESIAN, "distance"), "cartesian, then the distance in centimetres", 100)
CARTESIAN_M = Layout("cartesian_m", (*_CARTESIAN, "distance"), "cartesian, then the distance in metres")
_BARE_COLUMNS = ("frame", "class", "azimuth", "elevation")
BARE = Layout("bare", _BARE_COLUMNS, "frame, class, azimuth, elevation")
BARE_2019 = Layout(
    "dcase2019_output",
    _BARE_COLUMNS,
    "frame of 20 ms, class, azimuth, elevation; whole degrees",
    frame_seconds=0.02,
    whole_degrees=True,
)
EVENTS_2019 = Layout(
    "dcase2019",
    ("class", "start", "end", "elevation", "azimuth", "distance"),
    "header; class name, start and end in seconds, elevation, azimuth (whole degrees), distance in metres",
    frame_seconds=0.02,
    header=("sound_event_recording", "start_time", "end_time", "ele", "azi", "dist"),
    whole_degrees=True,
)
STEREO_2025 = Layout(
    "dcase2025",
    ("frame", "class", "source", "azimuth", "distance", "onscreen"),
    "header; frame, class, source, azimuth, distance in centimetres, onscreen (0 or 1)",
    100,
    header=("frame", "class", "source", "azimuth", "distance", "onscreen"),
)


def _formats() -> dict[str, Format]:
    layouts = (POLAR, POLAR_CM, POLAR_M, CARTESIAN, CARTESIAN_CM, CARTESIAN_M, BARE, EVENTS_2019, BARE_2019)
    found = {layout.name: (layout,) for layout in layouts}
    found["seld"] = (POLAR_CM, POLAR)
    for year in (2020, 2021, 2022):
        found[f"dcase{year}"] = (POLAR,)
        found[f"dcase{year}_output"] = (CARTESIAN, POLAR)
    found["dcase2023"] = (POLAR_CM, POLAR)
    found["dcase2023_output"] = (CARTESIAN_M, POLAR_CM, POLAR)
    found["dcase2024"] = (POLAR_CM, POLAR)
    found["dcase2024_output"] = (CARTESIAN_M, POLAR_M, POLAR, BARE)
    found["dcase2025"] = found["dcase2025_output"] = (STEREO_2025,)
    return {name: Format(name, gathered) for name, gathered in found.items()}


FORMATS: dict[str, Format] = _formats()
"""every format by its name; `seld` is what this toolkit itself writes"""


def find_format(name: str) -> Format:
    """The format of this name.

    Raises:
        ValueError: lists the names when this is none of them.
    """
    if name not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {name!r}")
    return FORMATS[name]
