"""Two clips added: what is heard comes from the joined references."""

import numpy as np
import pytest
import torch
from directions import intensity_direction
from plane_waves import plane_waves

from seld.arrays import ARRAYS, steering
from seld.augmentation import Augmentation, AugmentationConfig, Segment, join_references, mix
from seld.geometry import unit_from_degrees

ONE, OTHER = unit_from_degrees(-70, 10), unit_from_degrees(120, -35)


def segment(array, direction, frames, of=10, slots=2, slot=0, seed=0):
    """A plane wave that sounds in some of the label frames, in one slot."""
    active = torch.zeros(of, slots, dtype=torch.bool)
    active[frames, slot] = True
    doa = torch.zeros(of, slots, 3)
    doa[..., 0] = 1
    doa[frames, slot] = torch.as_tensor(direction, dtype=torch.float32)
    audio = plane_waves(array, direction, 0.1 * of, seed) * active.any(1).repeat_interleave(2400)
    return Segment(audio, doa, active)


def batch(*segments):
    return Segment(*map(torch.stack, zip(*segments, strict=True)))


def random_references(draw, frames, slots, most):
    """Sources that begin and end at random, at most so many at once, each stretch in a direction of its own."""
    active = np.zeros((frames, slots), dtype=bool)
    for slot in draw.permutation(slots)[:most]:
        active[:, slot] = np.convolve(draw.random(frames) < 0.3, [1, 1], "same") > 0
    doa = draw.standard_normal((frames, slots, 3))
    for slot in range(slots):
        for frame in range(1, frames):
            if active[frame, slot] and active[frame - 1, slot]:
                doa[frame, slot] = doa[frame - 1, slot]
    return torch.tensor(doa, dtype=torch.float32), torch.tensor(active)


def test_what_sounds_in_turn_is_heard_from_its_reference():
    foa = ARRAYS["foa"]
    first, second = segment(foa, ONE, slice(0, 5)), segment(foa, OTHER, slice(5, 10), seed=1)
    mixed = mix(batch(first), batch(second), torch.tensor([-3.0]))
    assert mixed.active[0].sum(1).tolist() == [1] * 10
    for frames, direction in ((slice(0, 5), ONE), (slice(5, 10), OTHER)):
        heard = mixed.doa[0, frames][mixed.active[0, frames]]
        np.testing.assert_allclose(heard.numpy(), np.tile(direction, (5, 1)), atol=1e-6)
        samples = slice(2400 * frames.start, 2400 * frames.stop)
        np.testing.assert_allclose(intensity_direction(mixed.signal[0, :, samples]), direction, atol=1e-5)


def test_what_sounds_at_once_is_explained_by_both_references():
    mic = ARRAYS["mic"]
    mixed = mix(
        batch(segment(mic, ONE, slice(0, 10))), batch(segment(mic, OTHER, slice(0, 10), seed=1)), torch.tensor([5.0])
    )
    assert mixed.active.all()
    used = slice(500, 8000, 100)
    spectrum = np.fft.rfft(mixed.signal[0].double().numpy()).T[used]

    def unexplained(directions):
        response = steering(mic, directions, np.fft.rfftfreq(24000, 1 / 24000)[used]).transpose(0, 2, 1)
        solved = np.linalg.pinv(response) @ spectrum[..., None]
        return (np.abs(spectrum - (response @ solved)[..., 0]) ** 2).sum() / (np.abs(spectrum) ** 2).sum()

    assert unexplained(mixed.doa[0, 0].double().numpy()) < 1e-9
    assert unexplained(np.stack([ONE, -OTHER])) > 0.1


def test_levels_are_those_asked_for():
    foa = ARRAYS["foa"]
    first, second = batch(segment(foa, ONE, slice(0, 5))), batch(segment(foa, OTHER, slice(5, 10)))
    mixed = mix(first, second, torch.tensor([20.0]))
    torch.testing.assert_close(mixed.signal, first.signal + 10 * second.signal)


def test_too_many_sources_leave_the_first_alone():
    foa = ARRAYS["foa"]
    crowd = batch(*[segment(foa, ONE, slice(0, 6), slots=1), segment(foa, ONE, slice(0, 5), slots=1)])
    more = batch(*[segment(foa, OTHER, slice(5, 10), slots=1)] * 2)
    mixed = mix(crowd, more, torch.zeros(2))
    assert all(torch.equal(one[0], other[0]) for one, other in zip(mixed, crowd, strict=True))
    torch.testing.assert_close(mixed.signal[1], crowd.signal[1] + more.signal[1])
    assert mixed.active[1].all()


def test_joined_references_are_those_of_both_and_keep_their_slots():
    draw, fitting = np.random.default_rng(0), 0
    for _ in range(150):
        slots = int(draw.integers(1, 5))
        doa, active = zip(
            *(random_references(draw, 20, slots, int(draw.integers(0, slots + 1))) for _ in "ab"), strict=True
        )
        joined = join_references(doa, active)
        together = torch.cat(active, 1)
        assert (joined is None) == bool((together.sum(1) > slots).any())
        if joined is None:
            continue
        fitting += 1
        for frame in range(20):
            there = joined[0][frame][joined[1][frame]].tolist()
            assert sorted(there) == sorted(torch.cat([part[frame] for part in doa])[together[frame]].tolist())
        for slot in range(slots):  # a stretch of both is one stretch of the whole
            for part_doa, part_active in zip(doa, active, strict=True):
                both = part_active[1:, slot] & part_active[:-1, slot]
                for frame in both.nonzero()[:, 0].tolist():
                    where = [
                        (joined[0][frame + step] == part_doa[frame + step, slot]).all(-1).nonzero()[0, 0].item()
                        for step in (0, 1)
                    ]
                    assert where[0] == where[1]
    assert 50 < fitting < 145


def test_a_source_that_returns_takes_its_slot_and_new_ones_do_not_follow_at_once():
    nothing = torch.zeros(9, 3, dtype=torch.bool)
    first, second = nothing.clone(), nothing.clone()
    first[0:3, 1] = first[6:9, 1] = True
    second[3:5, 0] = second[7:8, 0] = True
    doa = torch.zeros(9, 3, 3)
    joined = join_references((doa, doa + 1), (first, second))
    assert joined[1].T.int().tolist() == [
        [0, 0, 0, 1, 1, 0, 0, 1, 0],
        [1, 1, 1, 0, 0, 0, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]


def test_a_slot_that_was_just_left_is_not_taken_while_another_is_free():
    first, second = torch.zeros(2, 6, 2, dtype=torch.bool)
    first[4:6, 0] = second[1:4, 0] = True
    doa = torch.zeros(6, 2, 3)
    joined = join_references((doa, doa + 1), (first, second))
    assert joined[1].T.int().tolist() == [[0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]]


def test_both_clips_are_turned_on_their_own():
    foa = ARRAYS["foa"]
    first, second = segment(foa, ONE, slice(0, 5)), segment(foa, OTHER, slice(5, 10), seed=1)
    augmentation = Augmentation(AugmentationConfig(turn="rotate", mix=1.0, level_db=0), foa)
    after = augmentation.audio(*first, np.random.default_rng(0), partner=lambda draw: second)
    angle = after.doa[0][after.active[0]] @ after.doa[9][after.active[9]].T
    assert abs(angle.item() - ONE @ OTHER) > 0.05
    np.testing.assert_allclose(
        intensity_direction(after.signal[:, :12000]), after.doa[0][after.active[0]][0].numpy(), atol=1e-5
    )
    np.testing.assert_allclose(
        intensity_direction(after.signal[:, 12000:]), after.doa[9][after.active[9]][0].numpy(), atol=1e-5
    )


def test_the_partner_is_drawn_only_when_it_is_mixed():
    foa, asked = ARRAYS["foa"], []
    first, second = segment(foa, ONE, slice(0, 1), of=2), segment(foa, OTHER, slice(1, 2), of=2)
    augmentation = Augmentation(AugmentationConfig(turn="off", mix=0.3), foa)
    for seed in range(100):
        augmentation.audio(*first, np.random.default_rng(seed), partner=lambda draw: asked.append(draw) or second)
    assert 15 < len(asked) < 45


def test_what_cannot_be_mixed_is_refused():
    foa = ARRAYS["foa"]
    first = segment(foa, ONE, slice(0, 5))
    augmentation = Augmentation(AugmentationConfig(mix=1.0), foa)
    with pytest.raises(ValueError, match=r"augmentation.mix needs a partner to mix with, got 1 and none"):
        augmentation.audio(*first, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"signal of mixed segments must be alike, got \(1, 4, 24000\) and \(1, 4, 12"):
        short = segment(foa, ONE, slice(0, 5), of=5)
        augmentation.audio(*first, np.random.default_rng(0), partner=lambda draw: short)
