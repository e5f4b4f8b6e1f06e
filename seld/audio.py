"""Reading and writing clips; every check on a sound file stands here."""

import functools
import io
import logging
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from seld.files import atomic_path

SAMPLE_RATE = 24_000  # hertz, of DCASE recordings and of everything inside
_SLOWEST, _FASTEST = 1000, 1_000_000  # hertz; what has another rate is no sound of a room
_LOUDEST = 1e6  # beyond it a sample is an error, whatever its scale was meant to be
_TERMS = 2000  # of the ratio of two rates, at most: the filters of a resampler take the square of it
_PIECE = 65_536  # samples that are brought to channels-first at a time, and scaled while they are in the cache

_log = logging.getLogger(__name__)
_resampled_in: set[tuple[Path, int]] = set()


class Sound(NamedTuple):
    """What the header of a sound file says."""

    samples: int
    """per channel, at the rate that was asked for"""
    channels: int
    rate: int
    """hertz, of the file"""


def read_header(path: str | Path, sample_rate: int = SAMPLE_RATE) -> Sound:
    """Length and channels of a sound file, without decoding it.

    Raises:
        ValueError: with the file's name, when it is no readable sound, is empty, or shorter than its header says.
        FileNotFoundError: when there is no such file.
    """
    with _open(Path(path)) as file:
        rate, frames, channels = file.samplerate, file.frames, file.channels
    if _is_cut_short(Path(path), frames):
        raise ValueError(f"{path}: the file is cut short, {frames} samples could be read")
    if frames == 0:
        raise ValueError(f"{path}: the file holds no samples")
    return Sound(-(-frames * sample_rate // rate), channels, rate)


def read_audio(
    path: str | Path,
    channels: int | None = None,
    sample_rate: int = SAMPLE_RATE,
    start: int = 0,
    samples: int | None = None,
    watch: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """The samples of a sound file, float32 (channels, samples), full scale 1.0, at `sample_rate`.

    Another rate is resampled, and a log warning says so, once for each folder.

    Args:
        start: the first sample to read, at `sample_rate`.
        samples: how many to read, at most; None is all. Only this part of the file is decoded.
        watch: is shown the samples at the rate of the file.

    Raises:
        ValueError: with the file's name, when it is no readable sound, is empty, cut short, holds NaN or
            absurd samples, or has not `channels` channels.
        FileNotFoundError: when there is no such file.
    """
    path = Path(path)
    whole = start == 0 and samples is None
    try:
        with _open(path) as file:
            rate, found, exact = file.samplerate, file.channels, file.subtype == "PCM_16"
            if channels is not None and found != channels:
                raise ValueError(f"{path}: expected {channels} channels, found {found}")
            # Samples of the file that cover the part, which may begin and end between two of them.
            first = min(start * rate // sample_rate, file.frames)
            wanted = -(-file.frames * sample_rate // rate) - start
            if samples is not None:
                wanted = min(wanted, samples)
            promised = min(-(-(start + wanted) * rate // sample_rate), file.frames) - first
            if first:
                file.seek(first)
            audio = _decoded(file, promised)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a readable sound file ({error.error_string.rstrip('.')})") from None
    read = audio.shape[1]
    if read < promised or (whole and _is_cut_short(path, read)):
        raise ValueError(f"{path}: the file is cut short, {first + read} samples could be read")
    if read == 0:
        raise ValueError(f"{path}: the file holds no samples" + ("" if whole else f" from {start} on"))
    if not exact and not (audio.abs() <= _LOUDEST).all():  # nor is NaN
        sample, channel = (~(audio.abs() <= _LOUDEST)).T.nonzero()[0].tolist()
        value = audio[channel, sample].item()
        raise ValueError(f"{path}: sample {first + sample} of channel {channel} is {value:g}, expected at most 1")
    if watch is not None:
        watch(audio)
    return audio if rate == sample_rate else _resampled(path, audio, rate, sample_rate)[:, :wanted]


def write_audio(path: str | Path, audio: Tensor | np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Write (channels, samples), full scale 1.0, as 16-bit samples in the format that the suffix names.

    By way of memory: libsndfile says nothing when the last bytes of a FLAC file find the disk full.
    """
    memory = io.BytesIO()
    soundfile.write(memory, np.asarray(audio).T, sample_rate, format=Path(path).suffix[1:], subtype="PCM_16")
    with atomic_path(path) as temporary:
        temporary.write_bytes(memory.getbuffer())


def _open(path: Path) -> soundfile.SoundFile:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: expected a sound file, the file is empty")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a readable sound file ({error.error_string.rstrip('.')})") from None
    if not _SLOWEST <= file.samplerate <= _FASTEST:
        file.close()
        raise ValueError(f"{path}: expected a sampling rate from {_SLOWEST} to {_FASTEST} Hz, found {file.samplerate}")
    return file


def _decoded(file: soundfile.SoundFile, samples: int) -> Tensor:
    """The next samples (channels, samples), or as many of them as there are."""
    if file.subtype != "PCM_16":
        return torch.from_numpy(file.read(samples, dtype="float32", always_2d=True)).T.contiguous()
    # 16-bit samples are read as such, in pieces that stay in the cache until they are scaled and channels-first: four
    # times as fast. Not so others: after each piece comes a search for its end, which is not exact in all formats.
    audio = np.empty((file.channels, samples), np.float32)
    piece = np.empty((min(samples, _PIECE), file.channels), np.int16)
    begin = 0
    while begin < samples and (read := len(file.read(out=piece[: samples - begin]))):
        _compiled_separate()(piece[:read], np.float32(2**-15), audio[:, begin : begin + read])
        begin += read
    return torch.from_numpy(audio[:, :begin])


@functools.cache
def _compiled_separate() -> Callable:
    from seld.compiling import compiled  # numba takes long to import

    return compiled(_separate)


def _separate(samples, scale, channels):
    """Samples (n, channels) of 16 bits, times `scale`, to float32 (channels, n); tensors would go over them twice."""
    for channel in range(len(channels)):
        for i in range(len(samples)):
            channels[channel, i] = samples[i, channel] * scale


def _resampled(path: Path, audio: Tensor, rate: int, sample_rate: int) -> Tensor:
    # A folder is of one rate, mostly, and a warning for each of hundreds of files would bury all others.
    where = (path.parent, rate)
    if where not in _resampled_in:
        _resampled_in.add(where)
        _log.warning("%s: resampled from %d Hz to %d Hz, as all like it in the folder", path, rate, sample_rate)
    ratio = Fraction(sample_rate, rate).limit_denominator(_TERMS)  # at odd rates off by 1 in 4000, at most
    resampled = torchaudio.functional.resample(audio, ratio.denominator, ratio.numerator)
    missing = -(-audio.shape[1] * sample_rate // rate) - resampled.shape[1]
    return torch.nn.functional.pad(resampled, (0, max(0, missing)))


def _is_cut_short(path: Path, frames_read: int) -> bool:
    """Whether a WAV file holds fewer bytes than its header promises.

    libsndfile trusts the file's length over the header of a WAV, so that it reports no fault there.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return False
        size = path.stat().st_size
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                # Streams write 0 or the largest number when they do not know the length beforehand.
                return 0 < length < 0xFFFF_FF00 and file.tell() + length > size
            file.seek(length + length % 2, 1)
    return frames_read == 0
