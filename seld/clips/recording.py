"""A recording of any length that is read part by part, and what was noticed about it on the way."""

from pathlib import Path

import torch
from torch import Tensor

from seld.arrays import Array
from seld.audio import SAMPLE_RATE
from seld.clips.loading import FRAME, read_recording, read_recording_header

_FULL_SCALE = 1 - 2**-15  # the largest 16-bit sample
_CLIPPED = 1e-5  # share of clipped samples from which they are worth a word
_DEAD = 1e-3  # deviation of a dead channel against the loudest: 60 dB
_SILENT = 1e-6  # deviation; -120 dB
_AMBISONICS = "WYZX"


class Recording:
    """A sound file, of which only the parts that are asked for are in memory.

    Raises:
        ValueError: names the file when it is no sound, holds no samples, or has not the channels of the array.
        FileNotFoundError: when there is no such file.
    """

    def __init__(self, path: str | Path, array: Array):
        self.path, self.array = Path(path), array
        self.samples = read_recording_header(path, array).samples
        self.frames = -(-self.samples // FRAME)
        """label frames; the last one may be partly silence"""
        self._read = self._clipped = 0
        self._deviation = torch.zeros(array.channels)

    def read(self, first: int, last: int) -> Tensor:
        """The channels (channels, samples) of the label frames from `first` to before `last`, as far as they go.

        Raises:
            ValueError: names the file when it is cut short, or holds samples that are not finite.
        """
        audio = read_recording(self.path, self.array, first * FRAME, (last - first) * FRAME, self._count_clipped)
        # The largest of all parts: a channel is dead when it never is alive.
        self._deviation = torch.maximum(self._deviation, audio.std(1, correction=0))
        return audio

    def doubts(self) -> list[str]:
        """What of the parts read so far is no fault, but says that their estimates may be worth little."""
        found = []
        if self.samples < FRAME:
            length_ms = 1000 * self.samples / SAMPLE_RATE
            found.append(f"{length_ms:.3g} ms are less than one frame, the rest of which is taken for silence")
        if self._clipped > _CLIPPED * self._read:
            found.append(f"{100 * self._clipped / self._read:.2g} % of the samples are clipped")
        loudest = self._deviation.max()
        if loudest < _SILENT:
            return [*found, "the recording is silent"]
        dead = (self._deviation < _DEAD * loudest).nonzero().flatten()
        return found + [self._dead(channel) for channel in dead.tolist()]

    def _dead(self, channel: int) -> str:
        if self.array.kind != "foa":
            return f"channel {channel} is dead: 60 dB or more below the loudest"
        name = _AMBISONICS[channel]
        without = "; there are no directions without it" if name == "W" else ""
        return f"channel {channel} ({name}) is dead: 60 dB or more below the loudest{without}"

    def _count_clipped(self, audio: Tensor) -> None:
        """Samples (channels, samples) of the file that are at full scale, as the one before them or after them."""
        self._read += audio.numel()
        if audio.abs().max() < _FULL_SCALE:
            return
        # Neighbours are equal where a wave was cut; a wave in floating point may well go beyond full scale unharmed.
        again = (audio[:, 1:] == audio[:, :-1]) & (audio[:, 1:].abs() >= _FULL_SCALE)
        edge = torch.zeros_like(again[:, :1])
        self._clipped += int((torch.cat([again, edge], 1) | torch.cat([edge, again], 1)).sum())
