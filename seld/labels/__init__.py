"""Labels and estimates: tables of rows in memory, the file formats of every DCASE year, rows to grids and back.

A table of rows is a pandas DataFrame with the columns of COLUMNS: `frame` counts label frames (of 100 ms; of
20 ms in the formats of 2019), `class` and `source` are whole numbers (in estimates `source` is the track), `azimuth`
and `elevation` are degrees, `distance`, which may be missing, is in metres whatever the unit of the file.
`onscreen` (0 or 1) comes with the files of 2025; `length` with Cartesian vectors that are not of unit length.
"""

from seld.labels.checking import check_rows
from seld.labels.formats import CLASSES_2019, COLUMNS, FORMATS, FRAME_SECONDS, Format, Layout, find_format
from seld.labels.grid import Grid, grid_from_rows, rows_from_grid
from seld.labels.memory import unit_doubt
from seld.labels.reading import line_of, read_clips, read_rows
from seld.labels.resampling import change_frames
from seld.labels.writing import layout_for, write_rows

__all__ = [
    "CLASSES_2019",
    "COLUMNS",
    "FORMATS",
    "FRAME_SECONDS",
    "Format",
    "Grid",
    "Layout",
    "change_frames",
    "check_rows",
    "find_format",
    "grid_from_rows",
    "layout_for",
    "line_of",
    "read_clips",
    "read_rows",
    "rows_from_grid",
    "unit_doubt",
    "write_rows",
]
