"""What scenes are made of: the options of `make_scenes`, checked where they enter."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from seld.arrays import Array, find_array

SPLITS = ("train", "validation", "test")


@dataclass
class SceneConfig:
    """What scenes are made of."""

    clips: int = 120
    """how many clips to make"""
    clip_seconds: float = 30.0
    """length of a clip, seconds"""
    split: str = "train"
    """train, validation or test: which sounds are used; splits never share a sound"""
    seed: int = 0
    """clips of one seed are the same to the byte, whatever the number of workers"""
    events: str | None = None
    """folder of dry sounds (wav, flac, ogg, mp3; subfolders are classes); none: the built-in synthesiser"""
    synthetic: float = 0.0
    """with events: share of the sounds that the built-in synthesiser makes all the same, 0 to 1"""
    variation: float = 0.0
    """share of the sounds that are made into others before they are heard: darker, dying away, interrupted, with hiss,
    as recordings are, 0 to 1"""
    formats: list[str] = field(default_factory=lambda: ["foa"])
    """arrays that hear every scene: foa, mic, stereo, names in configs/arrays or YAML files"""
    responses: str | None = None
    """measured impulse responses in place of simulated rooms: a SOFA file, a folder of sound files with positions.csv
    or positions.json, or a folder of several of these; their channels must be those of the one format"""
    ambience: str | None = None
    """folder of ambient recordings in place of synthetic noise, in subfolders of the formats' names if there are
    several; each split takes another part of every file"""
    max_overlap: int = 2
    """most sources that sound at once, 1 to 5"""
    event_seconds: tuple[float, float] = (0.3, 6.0)
    """shortest and longest event, seconds"""
    gap_seconds: tuple[float, float] = (0.1, 2.0)
    """silence between one event and the next of the same voice, seconds"""
    moving: float = 0.5
    """share of the events that move, 0 to 1"""
    speed_m_per_s: tuple[float, float] = (0.2, 2.0)
    """speed of a moving source, metres per second"""
    distance_m: tuple[float, float] = (0.5, 5.0)
    """distance of a source from the array, metres"""
    room_min_m: tuple[float, float, float] = (3.0, 3.0, 2.4)
    """length, width and height of the smallest room, metres"""
    room_max_m: tuple[float, float, float] = (12.0, 10.0, 4.5)
    """length, width and height of the largest room, metres"""
    rt60_s: tuple[float, float] = (0.2, 0.8)
    """time in which reverberation decays by 60 dB, seconds"""
    snr_db: tuple[float, float] = (10.0, 30.0)
    """level of the sources above the ambient noise, decibels"""
    level_spread_db: float = 10.0
    """how much a source may be softer than the loudest one, decibels"""
    peak_dbfs: tuple[float, float] = (-25.0, -1.0)
    """highest peak of a clip in FOA, decibels below full scale"""

    def __post_init__(self) -> None:
        _check("clips", "at least 1", self.clips, self.clips >= 1)
        _check("clip_seconds", "from 1 to 3600", self.clip_seconds, 1 <= self.clip_seconds <= 3600)
        _check("split", f"one of {', '.join(SPLITS)}", self.split, self.split in SPLITS)
        _check("seed", "at least 0", self.seed, self.seed >= 0)
        _check("max_overlap", "from 1 to 5", self.max_overlap, 1 <= self.max_overlap <= 5)
        _check("synthetic", "from 0 to 1", self.synthetic, 0 <= self.synthetic <= 1)
        _check("variation", "from 0 to 1", self.variation, 0 <= self.variation <= 1)
        _check("events", "given with synthetic between 0 and 1", None, self.events or self.synthetic in (0, 1))
        _check("moving", "from 0 to 1", self.moving, 0 <= self.moving <= 1)
        _check("level_spread_db", "at least 0", self.level_spread_db, self.level_spread_db >= 0)
        for name, low, high in (
            ("event_seconds", 0.1, 60.0),
            # Below one label frame two events of a voice could both claim the frame between them.
            ("gap_seconds", 0.1, 3600.0),
            ("speed_m_per_s", 0.01, 10.0),
            ("distance_m", 0.3, 20.0),
            ("rt60_s", 0.15, 1.0),
            ("snr_db", 5.0, 60.0),
            ("peak_dbfs", -60.0, 0.0),
        ):
            value = getattr(self, name)
            rule = f"two numbers from {low:g} to {high:g}, the smaller one first"
            _check(name, rule, value, low <= value[0] <= value[1] <= high)
        for small, large in zip(self.room_min_m, self.room_max_m, strict=True):
            rule = "at least 2 metres and at most room_max_m in every direction"
            _check("room_min_m", rule, self.room_min_m, 2 <= small <= large)
        formats = [find_array(name) for name in self.formats]
        check_formats(formats, self.responses is not None, self.ambience is not None)


def check_formats(formats: Sequence[Array], measured: bool, recorded: bool) -> None:
    """See that scenes can be made in these formats, of measured rooms or not, with recorded noise or not.

    Raises:
        ValueError: when they cannot.
    """
    names = [array.name for array in formats]
    _check("formats", "at least one", names, bool(formats))
    _check("formats", "arrays of different names", names, len(set(names)) == len(names))
    folders = [array.folder for array in formats]
    _check("formats", "arrays of different folders", folders, len(set(folders)) == len(folders))
    if measured:
        _check("formats", "one, the array that scenes.responses were measured with", names, len(names) == 1)
    for array in formats:
        if array.foa_gains is None and not array.positions_m:
            rule = "arrays of known positions, unless scenes.responses were measured with them"
            _check("formats", rule, array.name, measured)
            rule = f"given for {array.name}, in which the coherence of synthetic noise is not known"
            _check("ambience", rule, None, recorded)


def _check(name: str, rule: str, value: object, holds: bool) -> None:
    if not holds:
        raise ValueError(f"scenes.{name} must be {rule}, got {value}")
