"""Geometry and continuity of rendered sound, measured on the signals: nothing here trusts the renderer."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from seld.audio import SAMPLE_RATE
from seld.geometry import unit_from_degrees
from seld.scenes import SceneConfig
from seld.scenes.rendering import render
from seld.scenes.rir import early_arrivals, early_seconds, encode_foa, late_arrivals, wall_losses
from seld.scenes.rooms import Path, Room, draw_path, draw_room

FRAME = SAMPLE_RATE // 10


def foa_of(rng: np.random.Generator, dry: np.ndarray, room: Room, path: Path) -> np.ndarray:
    """What Ambisonics hears (4, samples), which begins with the direct sound."""
    (wet,) = render(rng, dry, room, path)
    assert wet.lead == 0
    return wet.audio


def still(position: np.ndarray) -> Path:
    return Path("static", np.asarray(position, dtype=float)[None], 1.0)


def anechoic(yaw_deg: float = 37.0) -> Room:
    """Walls far away that swallow everything."""
    return Room(np.full(3, 20.0), np.full(3, 10.0), yaw_deg, np.array([0.01, 0.01]), np.ones(6))


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(int(seconds * SAMPLE_RATE), dtype=np.float32)


def intensity_direction(foa: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3) of mean(W * [X, Y, Z]) over the samples of (4, ..., samples), W Y Z X."""
    w, y, z, x = foa
    vector = np.stack([(w * x).mean(-1), (w * y).mean(-1), (w * z).mean(-1)], -1)
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(2 * np.arcsin(np.linalg.norm(a - b, axis=-1) / 2))


def test_intensity_points_to_the_label_over_the_whole_sphere():
    azimuth, elevation = np.meshgrid(np.arange(-180, 180, 30), np.arange(-90, 91, 30))
    directions = unit_from_degrees(azimuth.ravel(), elevation.ravel())
    room, dry = anechoic(), noise(0.1)
    for direction in directions:
        foa = foa_of(np.random.default_rng(0), dry, room, still(room.positions(direction, 2.0)))
        assert degrees_between(intensity_direction(foa), direction) < 1.0


@pytest.mark.parametrize(
    ("azimuth", "elevation", "channel", "sign"),
    [(90, 0, 1, 1), (-90, 0, 1, -1), (0, 90, 2, 1), (0, -90, 2, -1), (0, 0, 3, 1), (180, 0, 3, -1)],
)
def test_channel_order_and_signs_follow_dcase(azimuth, elevation, channel, sign):
    room = anechoic()
    position = room.positions(unit_from_degrees(azimuth, elevation), 1.5)
    foa = foa_of(np.random.default_rng(0), noise(0.05), room, still(position))
    np.testing.assert_allclose(foa[channel], sign * foa[0], atol=1e-5 * np.abs(foa[0]).max())
    others = np.delete(foa, [0, channel], axis=0)
    assert np.abs(others).max() < 1e-5 * np.abs(foa[0]).max()


def test_the_room_axes_turn_with_the_array():
    room = anechoic(yaw_deg=90)
    direction, distance = room.directions(room.array_m + np.array([0.0, 2.0, 0.0]))
    np.testing.assert_allclose(direction, [1, 0, 0], atol=1e-12)
    assert distance == pytest.approx(2)


@pytest.mark.parametrize("seed", range(6))
def test_a_moving_source_stays_with_its_label_in_every_frame(seed):
    rng = np.random.default_rng(seed)
    config = SceneConfig(moving=1.0)
    room = draw_room(rng, config)._replace(rt60_s=np.array([0.01, 0.01]))
    path = draw_path(rng, room, 3.0, config)
    foa = foa_of(rng, noise(3.0), room, path)[:, : 30 * FRAME].reshape(4, 30, FRAME)
    label, _ = room.directions(path.at((np.arange(30) + 0.5) * 0.1))
    assert degrees_between(intensity_direction(foa), label).max() < 2.0


def test_the_direct_sound_arrives_at_sample_zero_with_the_gain_of_its_distance():
    room, dry = anechoic(), noise(0.1)
    foa = foa_of(np.random.default_rng(0), dry, room, still(room.array_m + np.array([0.0, 2.5, 0.0])))
    np.testing.assert_allclose(foa[0, : len(dry)], dry / 2.5, atol=0.01)


def test_moving_nowhere_is_standing_still():
    rng = np.random.default_rng(2)
    room = draw_room(rng, SceneConfig())
    position = draw_path(rng, room, 1.0, SceneConfig(moving=0.0)).points_m[0]
    # Low-passed, since the delay line of moving sources is exact only there.
    dry = sosfilt(butter(8, 9000, fs=SAMPLE_RATE, output="sos"), noise(0.73)).astype(np.float32)
    standing = foa_of(np.random.default_rng(3), dry, room, still(position))
    moving = foa_of(np.random.default_rng(3), dry, room, Path("line", np.stack([position, position]), 0.73))
    length = min(standing.shape[1], moving.shape[1])
    difference = standing[:, :length] - moving[:, :length]
    assert np.square(difference).sum() < 1e-4 * np.square(standing).sum()


def test_crossfading_makes_no_clicks():
    """A moving tone stays a tone: far from its frequency there is nothing, in any 20 ms."""
    rng = np.random.default_rng(4)
    room = draw_room(rng, SceneConfig(rt60_s=(0.5, 0.5)))
    start = room.array_m + np.array([0.6, 0.0, 0.2])
    path = Path("line", np.stack([start, room.array_m + np.array([0.6, 1.5, 0.2])]), 1.0)
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 1000 * time) * np.clip(np.minimum(time, 1 - time) / 0.05, 0, 1)
    foa = foa_of(rng, tone.astype(np.float32), room, path)[0]
    rest = sosfilt(butter(8, 3000, "highpass", fs=SAMPLE_RATE, output="sos"), foa)
    frames = len(foa) // 480
    power = np.square(rest[: frames * 480]).reshape(frames, 480).mean(1)
    assert 10 * np.log10(power.max() / np.square(foa).mean()) < -70


def test_image_sources_agree_with_pyroomacoustics():
    pra = pytest.importorskip("pyroomacoustics")
    room = draw_room(np.random.default_rng(5), SceneConfig())._replace(yaw_deg=0.0)
    source = room.array_m + np.array([0.5, -0.4, 0.3])
    absorption = 1 - np.exp(-wall_losses(room)[0])
    walls = ("west", "east", "south", "north", "floor", "ceiling")
    peer = pra.ShoeBox(
        room.size_m,
        fs=SAMPLE_RATE,
        max_order=12,
        materials={wall: pra.Material(float(a)) for wall, a in zip(walls, absorption, strict=True)},
    )
    peer.add_source(source)
    peer.add_microphone(room.array_m)
    peer.image_source_model()
    away = peer.sources[0].images.T - room.array_m
    distance = np.linalg.norm(away, axis=1)
    reach = 0.5 * early_seconds(room) * 343
    theirs = np.column_stack([away, peer.sources[0].damping[0] / distance])[distance < reach]
    early = early_arrivals(room, source[None])
    near = early.delay_s * 343 < reach
    ours = np.column_stack([early.direction * early.delay_s[:, None] * 343, early.gain[:, 0]])[near]
    assert len(ours) == len(theirs) > 20
    ours, theirs = (table[np.lexsort(np.round(table[:, :3], 5).T)] for table in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rt60", [0.2, 0.5, 0.8])
def test_reverberation_decays_in_the_time_asked_for(rt60):
    """Schroeder integration, T20 in the octave at 1 kHz, mean over positions."""
    rng = np.random.default_rng(6)
    config = SceneConfig(rt60_s=(rt60, rt60), moving=0.0, distance_m=(1.0, 5.0))
    octave = butter(4, [707, 1414], "band", fs=SAMPLE_RATE, output="sos")
    click = np.zeros(SAMPLE_RATE // 100, dtype=np.float32)
    click[0] = 1
    measured = []
    for _ in range(12):
        room = draw_room(rng, config)
        response = sosfilt(octave, foa_of(rng, click, room, draw_path(rng, room, 1.0, config))[0])
        decay_db = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.square(response).sum())
        measured.append(3 * (np.argmax(decay_db < -25) - np.argmax(decay_db < -5)) / SAMPLE_RATE)
    assert np.mean(measured) == pytest.approx(rt60, rel=0.15)


def test_the_tail_begins_on_the_level_on_which_the_images_end():
    rng = np.random.default_rng(7)
    ratios_db = []
    for _ in range(10):
        room = draw_room(rng, SceneConfig(rt60_s=(0.5, 0.8)))
        early, late = early_arrivals(room, room.array_m[None] + 0.5), late_arrivals(room, rng)
        end, span = early_seconds(room), 0.015
        before = np.square(early.gain[early.delay_s > end - span, 0]).sum()
        after = np.square(late.gain[late.delay_s < end + span, 0]).sum()
        ratios_db.append(10 * np.log10(before / after))
    assert np.mean(ratios_db) == pytest.approx(0, abs=3.0)


def test_tails_come_equally_from_everywhere():
    late = late_arrivals(draw_room(np.random.default_rng(8), SceneConfig()), np.random.default_rng(9))
    foa = encode_foa(late, 1, SAMPLE_RATE)[0]
    power = np.square(foa).sum(1)
    np.testing.assert_allclose(power[1:] / power[0], 1 / 3, rtol=0.2)
