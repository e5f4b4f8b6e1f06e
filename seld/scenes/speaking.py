"""Speech by espeak-ng: every language and speaker that it has, saying words and numbers that nobody wrote.

espeak-ng (GPL 3, Debian package espeak-ng) is called as a program. The texts are made up: pseudo-words of syllables
in the letters of the language, numbers, times of day and spelled letters, so that no corpus is needed.
"""

# ruff: noqa: RUF001 - letters of many scripts look like Latin ones

import functools
import re
import tempfile
import unicodedata
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.ndimage import uniform_filter1d
from scipy.signal import resample_poly

from seld.audio import SAMPLE_RATE
from seld.scenes.programs import read_render, run_program
from seld.scenes.signals import BIN_HZ, log_uniform, shape_spectrum, tilt, white

PACKAGE = "espeak-ng"

_RATE = 22_050  # hertz, of what espeak-ng writes
_ROW = re.compile(r"\s*\d+\s+\S+\s+\S+\s+\S+\s+(.+?)\s*(?:\(.*)?$")
_WORDS_PER_SECOND = 1.4  # of these texts, which are longer than the words that espeak-ng's speed counts
# The first and the last letter of languages that are not written in Latin letters, and the vowels among them;
# where none are named, every letter is a syllable, with a vowel sign if the script has them.
_SCRIPTS = {
    "ba be bg cv kk ky mk nog ru ru-lv tt uk": ("а", "я", "аеиоуыэюя"),
    "el grc": ("α", "ω", "αεηιουω"),
    "hy hyw": ("ա", "ֆ", "աեէըիո"),
    "ka": ("ა", "ჰ", "აეიოუ"),
    "he": ("א", "ת", "אוי"),
    "ar fa sd ug ur": ("ا", "ي", "اوي"),
    "hi mr ne kok": ("अ", "ौ", ""),
    "as bn bpy": ("অ", "ৌ", ""),
    "pa": ("ਅ", "ੌ", ""),
    "gu": ("અ", "ૌ", ""),
    "or": ("ଅ", "ୌ", ""),
    "ta": ("அ", "ௌ", ""),
    "te": ("అ", "ౌ", ""),
    "kn": ("ಅ", "ೌ", ""),
    "ml": ("അ", "ൌ", ""),
    "si": ("අ", "ෟ", ""),
    "th": ("ก", "ฺ", ""),
    "my": ("က", "ဲ", ""),
    "am": ("ሀ", "ፗ", ""),
    "ko": ("가", "힣", ""),
    "ja": ("あ", "ん", ""),
}
_CHINESE = (  # frequent ones, which the dictionaries of espeak-ng hold
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小"
    "么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长"
)
_ONSETS = "b c d f g h j k l m n p q r s t v w x y z bl br ch cr dr fl fr gl gr kl kr pl pr sc sh sl sp st str th tr"
_NUCLEI = "a a a e e e i i i o o o u u y ai au ea ei ie oo ou"
_CODAS = "l m n r s t k p d g nd nt st rk ls ng"


class Voices(NamedTuple):
    """What an installed espeak-ng can say, and as whom; both as its option -v takes them."""

    languages: tuple[str, ...]
    speakers: tuple[str, ...]


@functools.cache
def find_voices() -> Voices:
    """The languages and the speakers (variants) of the installed espeak-ng, sorted.

    Raises:
        FileNotFoundError: when it is not installed.
    """
    languages = _listed(run_program(PACKAGE, ["espeak-ng", "--voices"]))
    speakers = _listed(run_program(PACKAGE, ["espeak-ng", "--voices=variant"]))
    return Voices(languages, tuple(name.removeprefix("!v/") for name in speakers))


def speak(rng: Generator, language: str, speaker: str, seconds: float, sung: bool = False) -> np.ndarray:
    """A random text of about so many seconds, (samples,) at SAMPLE_RATE, said or intoned.

    Pitch, its range, speed and pauses vary; so does the length of the vocal tract, by playing the voice up to an
    eighth faster or slower, since espeak-ng's speakers share much of one synthesiser's timbre; and the breath.
    """
    pitch, speed, gap = rng.integers(0, 100), int(log_uniform(rng, 110, 280)), rng.integers(0, 6)
    words = make_words(rng, language, max(2, round(seconds * _WORDS_PER_SECOND * speed / 175)))
    text = intone(rng, words) if sung else punctuate(rng, words)
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "speech.wav"
        options = f"-m -z -b 1 -p {pitch} -s {speed} -g {gap} --stdin".split()
        run_program(PACKAGE, ["espeak-ng", "-v", f"{language}+{speaker}", *options, "-w", str(wave)], text)
        audio = read_render(wave, _RATE)
    ratio = Fraction(SAMPLE_RATE / _RATE * log_uniform(rng, 8 / 9, 9 / 8)).limit_denominator(50)
    return add_breath(rng, resample_poly(audio, ratio.numerator, ratio.denominator).astype(np.float32))


def add_breath(rng: Generator, voice: np.ndarray) -> np.ndarray:
    """The voice (samples,) with noise above some kilohertz that comes and goes with it, pulse by pulse.

    espeak-ng's vowels end at 4 kHz, where those of people go on as breath, 20 to 40 dB below.
    """
    if not voice.any():
        return voice
    pulses = uniform_filter1d(np.abs(voice), SAMPLE_RATE // 1000)
    lowest_hz = log_uniform(rng, 1500, 4000)
    noise = shape_spectrum(white(rng, len(voice)) * pulses, _rise(lowest_hz) * tilt(rng.uniform(-6, -1)))
    level_db = rng.uniform(-40, -18)
    return voice + noise * np.float32(10 ** (level_db / 20) * voice.std() / (noise.std() + 1e-12))


def make_words(rng: Generator, language: str, count: int) -> list[str]:
    """Pseudo-words in the script of a language, numbers, times of day and spelled letters."""
    words = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.7:
            words.append("".join(_syllable(rng, language) for _ in range(rng.integers(1, 5))))
        elif kind < 0.85:
            words.append(str(int(log_uniform(rng, 1, 100_000))))
        elif kind < 0.92:
            words.append(f"{rng.integers(0, 24)}:{rng.integers(0, 60):02d}")
        else:
            words.append(_syllable(rng, language)[0])
    return words


def punctuate(rng: Generator, words: list[str]) -> str:
    """Sentences of some words each, in markup that widens or narrows the range of the melody."""
    marked = [word + rng.choice(["", "", "", "", "", ",", ".", "?", "!"]) for word in words]
    return f'<speak><prosody range="{rng.integers(20, 200)}%">{" ".join(marked)}</prosody></speak>'


def intone(rng: Generator, words: list[str]) -> str:
    """Markup that holds every word on one of a few pitches."""
    pitches = np.sort(rng.uniform(-7, 12, rng.integers(3, 8)))
    # In espeak-ng's own measure, of which 50 to 150 % are nine semitones.
    notes = 100 * 2 ** (rng.choice(pitches, len(words)) / 12)
    held = f'range="0%" rate="{rng.integers(50, 100)}%"'
    sung = (f'<prosody pitch="{note:.0f}%" {held}>{word}</prosody>' for note, word in zip(notes, words, strict=True))
    return f"<speak>{' '.join(sung)}</speak>"


def _rise(lowest_hz: float) -> np.ndarray:
    """Amplitude (1, bins) of a high pass of 12 dB per octave."""
    return np.minimum(1, (BIN_HZ / lowest_hz) ** 2)[None]


def _syllable(rng: Generator, language: str) -> str:
    """A syllable in the letters of a language, given as espeak-ng's file of it."""
    name = language.rpartition("/")[2].lower()
    if name in ("cmn", "yue"):
        return str(rng.choice(list(_CHINESE)))
    script = next((script for names, script in _SCRIPTS.items() if name in names.split()), None)
    if script is None:
        coda = rng.choice(_CODAS.split()) if rng.random() < 0.35 else ""
        return str(rng.choice(_ONSETS.split())) + str(rng.choice(_NUCLEI.split())) + str(coda)
    letters, signs = _letters(*script)
    letter = letters[rng.integers(len(letters))]
    if script[2] or (signs and rng.random() < 0.7):
        letter += signs[rng.integers(len(signs))]
    return letter


@functools.cache
def _letters(first: str, last: str, vowels: str) -> tuple[list[str], list[str]]:
    """What a syllable begins with, from one letter to another, and the vowels or vowel signs that may follow."""
    characters = [chr(code) for code in range(ord(first), ord(last) + 1)]
    letters = [character for character in characters if unicodedata.category(character) in ("Ll", "Lo")]
    signs = [character for character in characters if "VOWEL SIGN" in unicodedata.name(character, "")]
    return [letter for letter in letters if letter not in vowels], list(vowels) or signs


def _listed(table: str) -> tuple[str, ...]:
    """The files of a table of voices."""
    rows = (_ROW.match(line) for line in table.splitlines()[1:])
    return tuple(sorted({row[1] for row in rows if row}))
