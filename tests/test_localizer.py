import pytest
import safetensors.torch
import torch

from seld.features import FeatureConfig
from seld.localizer import Estimate, Localizer, LocalizerConfig, estimated_rows, tracked_rows
from seld.localizer.rows import merge_duplicates
from seld.weights import save_weights

DOANET = LocalizerConfig(
    filters=[128, 128, 128],
    time_pool=[5, 1, 1],
    frequency_pool=[2, 2, 2],
    recurrent_units=128,
    merge="multiply",
    linear_layers=2,
    head="linear",
)
SMALL = LocalizerConfig(tracks=3, filters=[4, 4], time_pool=[5, 1], frequency_pool=[8, 2], recurrent_units=8)


def small(seed=0, **changes):
    torch.manual_seed(seed)
    return Localizer(LocalizerConfig(**(SMALL.__dict__ | changes))).eval()


def noise(frames, seed=0):
    return torch.randn(4, 2400 * frames, generator=torch.Generator().manual_seed(seed)) * 0.1


def test_doanet_has_the_published_number_of_weights():
    assert sum(weight.numel() for weight in Localizer(DOANET, FeatureConfig(direct=False)).parameters()) == 1_553_928


@pytest.mark.parametrize("head", ["candidates", "linear"])
@pytest.mark.parametrize("merge", ["concatenate", "multiply"])
def test_estimates_are_unit_vectors_and_train_every_weight(head, merge):
    localizer = small(head=head, merge=merge).train()
    estimate = localizer(localizer.features(noise(6).unsqueeze(0)))
    assert estimate.activity_logit.shape == (1, 6, 3)
    torch.testing.assert_close(estimate.doa.norm(dim=-1), torch.ones(1, 6, 3), rtol=0, atol=1e-4)
    (estimate.doa[..., 0].sum() + estimate.activity_logit.sum()).backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in localizer.parameters())


def test_five_tracks_have_peaks_of_their_own():
    estimate = small(tracks=5).locate(noise(3))
    assert estimate.doa.shape == (3, 5, 3) and estimate.doa.isfinite().all()


def test_untrained_attention_points_to_a_single_source():
    direction = torch.tensor([0.36, -0.48, 0.8])
    source = noise(4)[:1]
    audio = torch.cat([source, direction[1] * source, direction[2] * source, direction[0] * source])
    estimate = small().locate(audio)
    torch.testing.assert_close(estimate.doa, direction.expand(4, 3, 3), rtol=0, atol=1e-3)


def test_blocks_of_a_long_recording_fit_together():
    localizer = small()
    audio = noise(120)
    whole = localizer.locate(audio)
    pieces = localizer.locate(audio, block_s=2.0, context_s=5.0)
    assert pieces.doa.shape == whole.doa.shape == (120, 3, 3)
    torch.testing.assert_close(pieces.doa, whole.doa, rtol=0, atol=1e-2)
    torch.testing.assert_close(pieces.activity_logit, whole.activity_logit, rtol=0, atol=1e-2)


def test_locate_leaves_the_mode_as_it_was():
    localizer = small().train()
    localizer.locate(noise(2))
    assert localizer.training


def test_audio_that_is_none_is_refused():
    localizer, audio = small(), noise(1)
    torch.testing.assert_close(localizer.locate(audio.double()).doa, localizer.locate(audio).doa)
    with pytest.raises(ValueError, match=r"audio must be \(4, samples\), got \(3, 2400\)"):
        localizer.locate(audio[:3])
    for wrong in (audio.masked_fill(audio > 0.1, torch.nan), (2**15 * audio).to(torch.int16)):
        with pytest.raises(ValueError, match="audio must be finite floating-point samples, full scale 1.0, got torch"):
            localizer.locate(wrong)


def test_a_saved_localizer_is_the_same(tmp_path):
    localizer = small(seed=3)
    localizer.threshold = 0.3
    localizer.save(tmp_path / "best.safetensors")
    for name in (tmp_path, tmp_path / "best.safetensors"):
        loaded = Localizer.from_pretrained(name)
        assert loaded.config == localizer.config and loaded.threshold == 0.3 and not loaded.training
        assert torch.equal(loaded.locate(noise(3)).doa, localizer.locate(noise(3)).doa)


def test_weights_that_are_missing_damaged_or_others_are_named(tmp_path):
    with pytest.raises(ValueError, match="nothing: no run folder"):
        Localizer.from_pretrained("nothing")
    (tmp_path / "bad.safetensors").write_bytes(b"12345678")
    with pytest.raises(ValueError, match=r"bad.safetensors: not a readable safetensors file"):
        Localizer.from_pretrained(tmp_path / "bad.safetensors")
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other.safetensors: holds weights of something else"):
        Localizer.from_pretrained(tmp_path / "other.safetensors")
    config = {"localizer": {"unknown": 1}, "features": {}, "threshold": 0.5}
    save_weights(tmp_path / "old.safetensors", torch.nn.Linear(1, 1), "seld.localizer", config)
    with pytest.raises(ValueError, match=r"old.safetensors: these weights are of another version"):
        Localizer.from_pretrained(tmp_path / "old.safetensors")


def test_rows_are_tracks_above_the_threshold():
    doa = torch.tensor([[[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]])
    rows = estimated_rows(Estimate(doa, torch.tensor([[0.5, -0.5]])))
    assert rows.to_numpy().tolist() == [[0, 0, 0, 90, 0]]
    assert len(estimated_rows(Estimate(doa, torch.tensor([[0.5, -0.5]])), threshold=0.3)) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tracks": 0}, "localizer.tracks must be >= 1, got 0"),
        ({"dropout": 1.0}, r"localizer.dropout must be in \[0, 1\), got 1.0"),
        ({"filters": [8]}, r"need equal lengths, got \(1, 3, 3\)"),
    ],
)
def test_impossible_sizes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        LocalizerConfig(**changes)


LINEAR = {"tracks": 2, "filters": [4, 4], "frequency_pool": [8, 2], "recurrent_units": 8, "head": "linear"}
OTHERS = [
    FeatureConfig(kind="logmel_intensity", intensity="dcase", direct=False),
    FeatureConfig(kind="logmel_gcc", array="mic"),
    FeatureConfig(kind="logmel_gcc", array="binaural"),
    FeatureConfig(kind="salsa", fft=512, window=512, frames_per_label=8),
    FeatureConfig(kind="salsa_lite", array="mic"),
    FeatureConfig(kind="phase", array="respeaker_6"),
]


@pytest.mark.parametrize("features", OTHERS, ids=lambda features: f"{features.kind}-{features.array}")
def test_every_kind_of_features_trains_and_is_saved(tmp_path, features):
    localizer = Localizer(LocalizerConfig(time_pool=[features.frames_per_label, 1], **LINEAR), features)
    audio = noise(4)[:1] + torch.randn(localizer.features.inputs, 9600) * 0.1
    estimate = localizer(localizer.features(audio.unsqueeze(0)))
    assert estimate.doa.shape == (1, 4, 2, 3)
    (estimate.doa[..., 0].sum() + estimate.activity_logit.sum()).backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in localizer.parameters())
    localizer.eval().save(tmp_path / "best.safetensors")
    loaded = Localizer.from_pretrained(tmp_path)
    assert loaded.features.array == localizer.features.array
    assert torch.equal(loaded.locate(audio).doa, localizer.locate(audio).doa)


def test_a_localizer_is_read_without_the_file_of_its_array(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\npositions_m: [[0.1, 0, 0], [-0.1, 0, 0], [0, 0.1, 0]]\n")
    features = FeatureConfig(kind="logmel_gcc", array=str(tmp_path / "mine.yaml"))
    localizer = Localizer(LocalizerConfig(time_pool=[5, 1], **LINEAR), features)
    localizer.save(tmp_path / "best.safetensors")
    (tmp_path / "mine.yaml").unlink()
    assert Localizer.from_pretrained(tmp_path).features.array == localizer.features.array


def test_candidates_need_intensity_vectors():
    with pytest.raises(ValueError, match="localizer.head must be linear, .* got features.kind salsa_lite"):
        Localizer(LocalizerConfig(), FeatureConfig(kind="salsa_lite", array="mic"))


def test_pooling_must_fit_the_features():
    with pytest.raises(ValueError, match=r"localizer.time_pool must multiply to features.frames_per_label = 4"):
        Localizer(LocalizerConfig(), FeatureConfig(frames_per_label=4))
    with pytest.raises(ValueError, match="localizer.frequency_pool leaves none of 8 frequency bands"):
        Localizer(LocalizerConfig(), FeatureConfig(mel_bands=8))


def test_slots_that_exchange_their_sources_are_two_tracks():
    front, left = torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0])
    doa = torch.stack([torch.stack([front, left]), torch.stack([left, front])]).repeat(10, 1, 1)
    rows = tracked_rows(Estimate(doa, torch.full((20, 2), 3.0)))
    assert rows.groupby("source")["azimuth"].agg(["min", "max", "size"]).round(6).values.tolist() == [
        [0, 0, 20],
        [90, 90, 20],
    ]


def frames_of(*tracks):
    """An estimate of one frame from (azimuth in degrees, length)."""
    angle = torch.deg2rad(torch.tensor([azimuth for azimuth, _ in tracks]))
    doa = torch.stack([angle.cos(), angle.sin(), 0 * angle], -1)
    return Estimate(doa.unsqueeze(0), torch.tensor([[length for _, length in tracks]]).logit())


def azimuths(estimate):
    doa = estimate.doa[estimate.activity_logit.sigmoid() > 0.1]
    return sorted(torch.rad2deg(torch.atan2(doa[:, 1], doa[:, 0])).round(decimals=2).tolist())


def test_duplicates_become_their_mean_weighed_by_length():
    merged = merge_duplicates(frames_of((0.0, 0.4), (90.0, 0.7), (10.0, 0.8)))
    angle = torch.rad2deg(
        torch.atan2(0.8 * torch.tensor(10.0).deg2rad().sin(), 0.4 + 0.8 * torch.tensor(10.0).deg2rad().cos())
    )
    assert azimuths(merged) == pytest.approx([angle.item(), 90], abs=0.01)
    torch.testing.assert_close(merged.activity_logit.sigmoid(), torch.tensor([[0, 0.7, 0.8]]), rtol=0, atol=1e-6)


def test_what_is_apart_stays_as_it_is():
    estimate = frames_of((0.0, 0.4), (90.0, 0.7), (16.0, 0.8))
    torch.testing.assert_close(merge_duplicates(estimate), estimate)


def test_a_short_vector_between_two_sources_does_not_join_them():
    assert azimuths(merge_duplicates(frames_of((0.0, 0.9), (14.0, 0.01), (28.0, 0.9)))) == pytest.approx(
        [0.15, 28], abs=0.02
    )


def test_only_a_localizer_of_vectors_merges_what_it_finds(tmp_path):
    vectors, tracks = small(output="accdoa"), small()
    vectors.load_state_dict(tracks.state_dict())
    torch.testing.assert_close(vectors.locate(noise(4)), merge_duplicates(tracks.locate(noise(4))))
    vectors.save(tmp_path / "best.safetensors")
    assert Localizer.from_pretrained(tmp_path).config.output == "accdoa"
