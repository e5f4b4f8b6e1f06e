"""Random scenes: which room, which sounds, when and where.

Up to `max_overlap` voices take turns between an event and a gap, each on its own, so that never more than that many
sources sound at once and every number up to it occurs.
"""

import numpy as np

from seld.arrays import find_array
from seld.audio import SAMPLE_RATE
from seld.labels import FRAME_SECONDS
from seld.scenes.ambience import draw_excerpt, find_ambience, format_folder
from seld.scenes.config import SceneConfig
from seld.scenes.events import Events
from seld.scenes.noise import skip_noise
from seld.scenes.responses import MeasuredRoom, find_responses, open_room
from seld.scenes.rir import late_arrivals
from seld.scenes.rooms import Path, Room, draw_path, draw_room
from seld.scenes.scene import Event, Noise, Scene, freeze
from seld.scenes.synthesis import Sound
from seld.scenes.variation import varied

_STEP_DEG = 20.0  # measured positions that are farther apart are not cross-faded
_AHEAD = 0.5  # least cosine between one step of a path along measured positions and the next


def draw_scene(rng: np.random.Generator, events: Events, config: SceneConfig) -> Scene:
    """A random scene. Nothing is rendered, but the generator moves on as if, so that seeds keep their clips."""
    formats = tuple(find_array(name) for name in config.formats)
    if config.responses is None:
        room = draw_room(rng, config)
    else:
        sets = find_responses(config.responses)
        room = open_room(str(sets[rng.integers(len(sets))]), formats[0])
    schedule = []
    for source, event in enumerate(draw_schedule(rng, events, room, config)):
        schedule.append(event._replace(source=source, random=freeze(rng)))
        if isinstance(room, Room):
            late_arrivals(room, rng)
    snr_db = rng.uniform(*config.snr_db)
    noise = _draw_noise(rng, formats, config)
    peak_dbfs = rng.uniform(*config.peak_dbfs)
    return Scene(config.clip_seconds, formats, config.events, room, tuple(schedule), snr_db, noise, peak_dbfs)


def draw_schedule(
    rng: np.random.Generator, events: Events, room: Room | MeasuredRoom, config: SceneConfig
) -> list[Event]:
    """Events in the order of their onsets, never more than `max_overlap` at once."""
    # Crowded clips are drawn more often: overlap is what is hard, and a voice is silent half of the time.
    voices = rng.choice(np.arange(1, config.max_overlap + 1), p=_increasing(config.max_overlap))
    draw = draw_path if isinstance(room, Room) else draw_measured_path
    schedule = []
    for _ in range(voices):
        time = rng.uniform(-config.gap_seconds[1], config.gap_seconds[1])
        while time < config.clip_seconds:
            sound, skip_s = _cut(_draw_sound(rng, events, config), time, config.clip_seconds)
            time = max(time, 0.0)
            seconds = len(sound.audio) / SAMPLE_RATE
            if seconds >= FRAME_SECONDS:
                path = draw(rng, room, seconds, config)
                level_db = -rng.uniform(0, config.level_spread_db)
                schedule.append(Event(sound, time, path, level_db, skip_s=skip_s))
            time += seconds + rng.uniform(*config.gap_seconds)
    return sorted(schedule, key=lambda event: event.onset_s)


def draw_measured_path(rng: np.random.Generator, room: MeasuredRoom, seconds: float, config: SceneConfig) -> Path:
    """A measured position, or a walk from neighbour to neighbour, moving with the chance `config.moving`.

    Raises:
        ValueError: when no position lies within `config.distance_m`.
    """
    direction, distance = room.directions(room.positions_m)
    near, far = config.distance_m
    fits = (distance >= near - 0.005) & (distance <= far + 0.005)
    if not fits.any():
        raise ValueError(
            f"scenes.distance_m must hold a source of {room.name}, whose sources are {distance.min():.2f} to "
            f"{distance.max():.2f} m away, got {near:g} to {far:g}"
        )
    walk = [int(rng.choice(np.flatnonzero(fits)))]
    length = rng.uniform(*config.speed_m_per_s) * seconds if rng.random() < config.moving else 0.0
    heading = rng.standard_normal(3)
    gone = 0.0
    while gone < length:
        step = room.positions_m - room.positions_m[walk[-1]]
        apart = np.linalg.norm(step, axis=1)
        neighbour = fits & (apart > 0.01) & (direction @ direction[walk[-1]] > np.cos(np.radians(_STEP_DEG)))
        if gone:
            neighbour &= step @ heading > _AHEAD * apart * np.linalg.norm(heading)
        if not neighbour.any():
            break
        candidates = np.flatnonzero(neighbour)
        closest = candidates[np.argsort(apart[candidates], kind="stable")[:4]]
        walk.append(int(closest[np.argmax(step[closest] @ heading / apart[closest])]))
        heading = step[walk[-1]]
        gone += apart[walk[-1]]
    return Path("static" if len(walk) == 1 else "measured", room.positions_m[walk], seconds)


def _draw_sound(rng: np.random.Generator, events: Events, config: SceneConfig) -> Sound:
    sound = events.draw(rng)
    if config.variation and rng.random() < config.variation:
        return varied(sound, int(rng.integers(2**40)))
    return sound


def _draw_noise(rng: np.random.Generator, formats: tuple, config: SceneConfig) -> Noise:
    if config.ambience is None:
        noise = Noise("diffuse", freeze(rng))
        skip_noise(rng, round(config.clip_seconds * SAMPLE_RATE))
        return noise
    files = find_ambience(config.ambience, formats)
    file = files[rng.integers(len(files))]
    path = format_folder(config.ambience, formats[0], formats) / file
    begin_s, seconds = draw_excerpt(rng, path, config.split, config.clip_seconds)
    return Noise("recording", 0, config.ambience, file, begin_s, seconds)


def _increasing(count: int) -> np.ndarray:
    weights = np.arange(1, count + 1)
    return weights / weights.sum()


def _cut(sound: Sound, onset_s: float, clip_seconds: float) -> tuple[Sound, float]:
    """The part of a sound that lies inside the clip, as it may have begun before or go on after; what was skipped."""
    begin = round(-min(onset_s, 0.0) * SAMPLE_RATE)
    room_left = round((clip_seconds - max(onset_s, 0.0)) * SAMPLE_RATE)
    return sound._replace(audio=sound.audio[begin : begin + room_left]), begin / SAMPLE_RATE
