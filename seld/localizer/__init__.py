"""Features to estimates: a convolutional recurrent network with one direction and one activity per track.

The published DOAnet (Adavanne et al., WASPAA 2021) is one setting of it; its `linear` head regresses the
directions from the recurrent state. The `candidates` head instead lets each track choose among the peaks of the
intensity vectors (peaks.py, heads.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from seld.arrays import Array
from seld.features import FeatureConfig, build_features
from seld.geometry import normalize
from seld.localizer.config import LocalizerConfig
from seld.localizer.files import array_from, check_finite, find_model, threshold_from
from seld.localizer.heads import CandidateHead, LinearHead, perceptron
from seld.localizer.peaks import PeakFinder, band_vectors
from seld.localizer.rows import Estimate, estimated_rows, joined, merge_duplicates, stream_rows, tracked_rows
from seld.localizer.streaming import BLOCK_S, CONTEXT_S, Read, Stretch, Stretches, in_blocks
from seld.localizer.trust import Trust
from seld.weights import read_weights, save_weights

__all__ = ["Estimate", "Localizer", "LocalizerConfig", "estimated_rows", "stream_rows", "tracked_rows"]

_KIND = "seld.localizer"


class Localizer(nn.Module):
    """Features (B, channels, T x frames_per_label, F) -> Estimate for T label frames.

    `features` turns audio into what `forward` reads; `locate` does both. `threshold` is the activity above which
    a track counts as sounding, kept with the weights.

    Raises:
        ValueError: when features and sizes do not fit together.
    """

    def __init__(
        self,
        config: LocalizerConfig | None = None,
        features: FeatureConfig | None = None,
        array: Array | None = None,
    ):
        super().__init__()
        self.config = config = config or LocalizerConfig()
        self.threshold = 0.5
        self.features = build_features(features, array)
        self._check_features()
        channels = [self.features.channels, *config.filters]
        pools = zip(config.time_pool, config.frequency_pool, strict=True)
        self.blocks = nn.ModuleList(
            _Block(before, after, pool, config.dropout)
            for before, after, pool in zip(channels, channels[1:], pools, strict=False)
        )
        self.blocks.to(memory_format=torch.channels_last)  # a quarter faster than planes, on the CPU
        bands = self.features.bands
        for pool in config.frequency_pool:
            bands //= pool
        chooses = config.head == "candidates"
        # A peak too many is easier to refuse than one too few to find.
        self.peaks = PeakFinder(config.tracks + 1, config.brief_peaks) if chooses else None
        self.recurrent = nn.GRU(
            config.filters[-1] * bands + (self.peaks.size if chooses else 0),
            config.recurrent_units,
            config.recurrent_layers,
            batch_first=True,
            bidirectional=True,
        )
        state, local = config.recurrent_units * (2 if config.merge == "concatenate" else 1), config.filters[0]
        if chooses:
            self.trust = Trust(self.features.vectors, config.trust_size)
            sizes = (config.tracks, self.peaks.count, config.candidate_size, config.candidate_layers)
            self.direction = CandidateHead(state, local, *sizes, ranked=config.brief_peaks > 0)
        else:
            self.direction = LinearHead(state, config.linear_layers, config.tracks)
        clues = self.direction.clues if chooses else 0
        self.activity = perceptron(state + clues, config.linear_layers, config.tracks)

    def forward(self, features: Tensor) -> Estimate:
        maps = [features.contiguous(memory_format=torch.channels_last)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        sequence = maps[-1].transpose(1, 2).flatten(2)  # (B, T, channels x bands)
        if self.peaks is None:
            state = self._recur(sequence)
            return Estimate(normalize(self.direction(state)), self.activity(state))
        bands = band_vectors(self.trust(features), sequence.shape[1])
        peaks = self.peaks(bands)
        state = self._recur(torch.cat([sequence, peaks.histogram], -1))
        doa, clues = self.direction(state, maps[1], bands, peaks)
        return Estimate(doa, self.activity(torch.cat([state, clues], -1)))

    def _recur(self, sequence: Tensor) -> Tensor:
        """(B, T, inputs) -> (B, T, H)."""
        state, _ = self.recurrent(sequence)
        if self.config.merge == "multiply":
            forward, backward = state.tanh().chunk(2, -1)
            state = forward * backward
        return state

    def locate(self, audio: Tensor, block_s: float = BLOCK_S, context_s: float = CONTEXT_S) -> Estimate:
        """Estimates (T, M, 3), (T, M) of one recording (channels, samples) at 24 kHz, on the model's device.

        Raises:
            ValueError: for a wrong shape, samples that are no floating-point numbers, full scale 1.0, or not finite.
        """
        if audio.ndim != 2 or audio.shape[0] != self.features.inputs or audio.shape[1] == 0:
            raise ValueError(f"audio must be ({self.features.inputs}, samples), got {tuple(audio.shape)}")
        if not audio.is_floating_point() or not audio.isfinite().all():
            raise ValueError(f"audio must be finite floating-point samples, full scale 1.0, got {audio.dtype}")
        audio = audio.float()
        per_label = self.features.config.hop * self.features.config.frames_per_label

        def read(first: int, last: int) -> Tensor:
            return audio[:, first * per_label : last * per_label]

        return joined(self.stream(read, self.features.label_frames(audio.shape[-1]), block_s, context_s))

    def stream(
        self, read: Read, frames: int, block_s: float = BLOCK_S, context_s: float = CONTEXT_S
    ) -> Iterator[Estimate]:
        """The same of a recording of any length, block by block, so that memory stays flat.

        Where there is no sound at all, here or within a second, nobody is active, whatever the network says.

        Args:
            read: gives the audio (channels, samples) of the label frames from a first to before a last one; it is
                asked for stretches in order, which overlap by about a second.
            frames: label frames of the recording.
        """
        return self._in_blocks(Stretches(self.features, read, frames), frames, block_s, context_s)

    def locate_features(self, features: Tensor, block_s: float = BLOCK_S, context_s: float = CONTEXT_S) -> Estimate:
        """Estimates (T, M, 3), (T, M) of features (channels, T x frames_per_label, F) that are there already."""
        scale = self.features.config.frames_per_label
        frames = features.shape[1] // scale
        if frames == 0:
            raise ValueError(f"features must hold at least {scale} frames, one label frame, got {features.shape[1]}")

        def piece(first: int, last: int) -> Stretch:
            part = features[:, first * scale : last * scale].to(self.device, torch.float32)
            return Stretch(part.unsqueeze(0), torch.zeros(last - first, dtype=torch.bool, device=self.device))

        return joined(self._in_blocks(piece, frames, block_s, context_s))

    def _in_blocks(
        self, piece: Callable[[int, int], Stretch], frames: int, block_s: float, context_s: float
    ) -> Iterator[Estimate]:
        estimates = in_blocks(self, piece, frames, block_s, context_s)
        return map(merge_duplicates, estimates) if self.config.output == "accdoa" else estimates

    @property
    def device(self) -> torch.device:
        """where the weights are"""
        return self.features.window.device

    def save(self, path: str | Path) -> None:
        """Weights and configuration in one safetensors file, which `from_pretrained` reads."""
        config = {
            "localizer": asdict(self.config),
            "features": asdict(self.features.config),
            "array": asdict(self.features.array),  # its file may be gone when the weights are read
            "threshold": self.threshold,
        }
        save_weights(path, self, _KIND, config)

    @classmethod
    def from_pretrained(cls, name: str | Path) -> "Localizer":
        """The localizer of a run folder, of a file, or that ships under a name; in evaluation mode.

        Raises:
            ValueError: when there is no such model, or the file is damaged or holds something else.
        """
        path = find_model(name)
        weights = read_weights(path, _KIND)
        check_finite(path, weights.tensors)
        try:
            config = LocalizerConfig(**weights.config["localizer"]), FeatureConfig(**weights.config["features"])
            localizer = cls(*config, array_from(weights.config.get("array")))
            localizer.load_state_dict(weights.tensors)
            localizer.threshold = threshold_from(weights.config["threshold"])
        except (KeyError, TypeError, AttributeError, IndexError, RuntimeError):
            raise ValueError(f"{path}: these weights are of another version of the localizer; train it again") from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return localizer.eval()

    def _check_features(self) -> None:
        config, features = self.config, self.features
        if config.head == "candidates" and features.vectors == 0:
            raise ValueError(
                f"localizer.head must be linear, since candidates needs the direction vectors of features.kind "
                f"logmel_intensity or logmel_steered, got features.kind {features.config.kind}"
            )
        if torch.tensor(config.time_pool).prod() != features.config.frames_per_label:
            raise ValueError(
                f"localizer.time_pool must multiply to features.frames_per_label = "
                f"{features.config.frames_per_label}, got {config.time_pool}"
            )
        if torch.tensor(config.frequency_pool).prod() > features.bands:
            raise ValueError(
                f"localizer.frequency_pool leaves none of {features.bands} frequency bands: {config.frequency_pool}"
            )


class _Block(nn.Sequential):
    """3x3 convolution, max pooling, batch norm, ReLU.

    Pooling comes before norm and ReLU, which keep the order of values: the same function up to the statistics of
    the norm, without the passes over maps that pooling throws away.
    """

    def __init__(self, before: int, after: int, pool: tuple[int, int], dropout: float):
        super().__init__(
            nn.Conv2d(before, after, 3, padding=1),
            nn.MaxPool2d(pool),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Dropout2d(dropout),
        )
