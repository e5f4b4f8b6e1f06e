"""Inner loops compiled by numba at their first call, some seconds, and kept on disk from then on.

Modules that use it take long to import: import them where they are first needed. What is on the disk is compiled anew
when its own file changes, but not when another one does: compiled code takes nothing from other modules.
"""

from collections.abc import Callable

from numba import njit

_OPTIONS = {
    "nogil": True,
    "error_model": "numpy",  # no check for a division by zero
    "fastmath": {"nnan", "nsz"},  # minima of a row may run in a vector unit; nothing is reordered
}


def compiled(function: Callable) -> Callable:
    """The function, compiled when it is called; from the disk if it was before."""
    return _compiled(function, _OPTIONS)


def compiled_sums(function: Callable) -> Callable:
    """The same; what is summed may be added in any order, so that sums run in a vector unit."""
    return _compiled(function, _OPTIONS | {"fastmath": _OPTIONS["fastmath"] | {"reassoc", "contract"}})


def _compiled(function: Callable, options: dict) -> Callable:
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither this folder nor the user's cache can be written: every process compiles anew
        return njit(**options)(function)
