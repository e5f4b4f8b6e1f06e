"""What a plane wave leaves in each channel of an array."""

from collections.abc import Sequence

import numpy as np
from scipy.special import eval_legendre, spherical_jn, spherical_yn

from seld.arrays.array import SPEED_OF_SOUND, Array

_HIGHEST_HZ = 24_000.0  # twice that of the sounds here, so that enough waves are taken
_MOST_WAVES = 4000  # for large arrays, of which microphones far apart are incoherent anyway


def steering(array: Array, directions: np.ndarray, frequencies_hz: np.ndarray) -> np.ndarray:
    """Response (frequencies, directions, channels), complex, to plane waves, against the origin without array.

    Fourier transforms as in NumPy: a channel that hears the wave by t earlier than the origin has the phase
    +2 pi f t.

    - Ambisonics and other coincident channels: their gains, 1, y, z, x.
    - Microphones in the open at p: exp(+j k p.u), k = 2 pi f / c.
    - On a rigid sphere of radius a, where g is the angle between microphone and direction:
      the sum over n of (2 n + 1) j^(n-1) P_n(cos g) / ((k a)^2 h_n'(k a)), h_n the spherical Hankel function of the
      second kind. It is incident plus scattered pressure with no velocity across the surface (Williams, "Fourier
      Acoustics", 1999, section 6.10; Rafaely, "Fundamentals of Spherical Array Processing", 2015, section 2.6; the
      formula of the DCASE data since 2019), joined by the Wronskian of j_n and y_n.

    Args:
        directions: unit vectors (directions, 3) towards where the waves come from.
        frequencies_hz: (frequencies,), at least 0.

    Raises:
        ValueError: for channels whose places are not known, such as binaural ones.
    """
    directions = np.asarray(directions, dtype=np.float64).reshape(-1, 3)
    wavenumber = 2 * np.pi * np.asarray(frequencies_hz, dtype=np.float64).reshape(-1) / SPEED_OF_SOUND
    if array.foa_gains is not None:
        x, y, z = directions.T
        response = np.stack([np.ones_like(x), y, z, x], 1) @ array.foa_gains.T
        return np.repeat(response[None].astype(complex), len(wavenumber), axis=0)
    if array.kind == "channels":
        raise ValueError(f"array must have known positions or gains, got {array.name}")
    along = directions @ array.positions.T
    if array.kind == "open":
        return np.exp(1j * wavenumber[:, None, None] * along)
    return rigid_sphere(wavenumber * array.radius_m, along / np.linalg.norm(array.positions, axis=1))


def diffuse_coherence(arrays: Sequence[Array], frequencies_hz: np.ndarray) -> np.ndarray:
    """Cross-spectra (frequencies, channels, channels) of all arrays' channels in an isotropic field of unit power.

    The mean over plane waves from directions that lie evenly on the sphere (a Fibonacci lattice).
    """
    reach = max((np.linalg.norm(array.positions, axis=1).max() for array in arrays if array.positions_m), default=0)
    waves = int(min(_MOST_WAVES, max(1500, (2 * np.pi * _HIGHEST_HZ / SPEED_OF_SOUND * reach + 10) ** 2)))
    number = np.arange(waves)
    z = 1 - (2 * number + 1) / waves
    turn = np.pi * (3 - 5**0.5) * number
    flat = np.sqrt(1 - z**2)
    directions = np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)
    spectra = []
    for part in np.array_split(np.asarray(frequencies_hz), max(1, len(frequencies_hz) * waves // 100_000)):
        heard = np.concatenate([steering(array, directions, part) for array in arrays], axis=2)
        spectra.append(heard.swapaxes(1, 2) @ heard.conj() / waves)
    return np.concatenate(spectra)


def rigid_sphere(ka: np.ndarray, cosine: np.ndarray, orders: int | None = None) -> np.ndarray:
    """Pressure (frequencies, ...) on a rigid sphere, of plane waves of unit pressure; see `steering`.

    Args:
        ka: (frequencies,) wavenumber times radius, at least 0.
        cosine: (...) of the angle between the place on the sphere and the direction of the wave.
        orders: the largest order of the series; by default so many that the rest is below 1e-9.
    """
    ka = np.asarray(ka, dtype=np.float64)
    if orders is None:
        orders = int(np.ceil(1.3 * ka.max(initial=0))) + 14
    n = np.arange(orders + 1)
    # At 0 hertz the series is the constant 1, which the smallest number stands in for.
    x = np.maximum(ka, 1e-9)[:, None]
    with np.errstate(all="ignore"):  # y_n is infinite for high orders and low frequencies, where the term is 0
        y_slope = spherical_yn(n, x, derivative=True)
        weight = (2 * n + 1) * 1j ** (n - 1) / (x**2 * (spherical_jn(n, x, derivative=True) - 1j * y_slope))
    weight = np.where(np.isfinite(y_slope), weight, 0)
    return np.tensordot(weight, eval_legendre(n.reshape(-1, *[1] * np.ndim(cosine)), cosine), 1)
