"""Reading and writing clips; every check on a sound file stands here."""

import logging
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from seld.files import atomic_path

SAMPLE_RATE = 24_000  # hertz, of DCASE recordings and of everything inside

_log = logging.getLogger(__name__)


def read_audio(path: str | Path, channels: int | None = None, sample_rate: int = SAMPLE_RATE) -> Tensor:
    """The samples of a sound file, float32 (channels, samples), full scale 1.0, at `sample_rate`.

    Another rate is resampled, and a log warning says so.

    Raises:
        ValueError: with the file's name, when it is no readable sound, is empty, cut short, holds NaN or
            infinite samples, or has not `channels` channels.
        FileNotFoundError: when there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: expected a sound file, the file is empty")
    try:
        with soundfile.SoundFile(path) as file:
            rate, promised, found = file.samplerate, file.frames, file.channels
            if channels is not None and found != channels:
                raise ValueError(f"{path}: expected {channels} channels, found {found}")
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a readable sound file ({error.error_string.rstrip('.')})") from None
    if len(samples) < promised or _is_cut_short(path, len(samples)):
        raise ValueError(f"{path}: the file is cut short, {len(samples)} samples could be read")
    if len(samples) == 0:
        raise ValueError(f"{path}: the file holds no samples")
    if not np.isfinite(samples).all():
        sample, channel = np.argwhere(~np.isfinite(samples))[0]
        raise ValueError(f"{path}: sample {sample} of channel {channel} is not a finite number")
    audio = torch.from_numpy(np.ascontiguousarray(samples.T))
    if rate != sample_rate:
        _log.warning("%s: resampled from %d Hz to %d Hz", path, rate, sample_rate)
        audio = torchaudio.functional.resample(audio, rate, sample_rate)
    return audio


def write_audio(path: str | Path, audio: Tensor | np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Write (channels, samples), full scale 1.0, as 16-bit samples in the format that the suffix names."""
    samples = np.asarray(audio).T
    with atomic_path(path) as temporary:
        soundfile.write(temporary, samples, sample_rate, subtype="PCM_16")


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
