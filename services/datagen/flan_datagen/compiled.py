"""Loops that are compiled, because numpy has no form of them that is fast."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled by numba at its first call, and kept for other processes where there is a folder for it."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:
        # No folder to cache in: compiling anew at every start takes about a second.
        return numba.njit(function)
