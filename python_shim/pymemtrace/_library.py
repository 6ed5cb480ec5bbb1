# SPDX-License-Identifier: MIT
"""The one file that knows the functions of libpymemtrace.so."""

from __future__ import annotations

import ctypes
import functools
from typing import Any, Iterable, Optional

from pymemtrace._paths import library_path

OFF, ACTIVE, SUSPENDED = range(3)  # pymemtrace_is_active()


@functools.lru_cache(maxsize=None)
def load() -> Any:
    """The library: the one that is preloaded in this process, else that of this package.

    :raises FileNotFoundError: there is none.
    :raises OSError: it cannot be loaded.
    """
    library = ctypes.PyDLL(None)  # PyDLL: the functions want the interpreter's lock
    if not hasattr(library, "pymemtrace_start"):
        library = ctypes.PyDLL(library_path())
    library.pymemtrace_start.argtypes = [ctypes.POINTER(ctypes.c_char_p)]
    for name in ("set", "mark", "snapshot"):
        getattr(library, f"pymemtrace_{name}").argtypes = [ctypes.c_char_p]
    for name in ("log_path", "problem"):
        getattr(library, f"pymemtrace_{name}").restype = ctypes.c_char_p
    return library


def start(settings: Iterable[bytes]) -> int:
    texts = list(settings)
    array = (ctypes.c_char_p * (len(texts) + 1))(*texts, None)
    return int(load().pymemtrace_start(array))


def problem() -> str:
    """Why the last call failed."""
    return bytes(load().pymemtrace_problem()).decode("utf-8", "replace")


def log_path() -> Optional[bytes]:
    """Of the log being written, or the last one."""
    return bytes(load().pymemtrace_log_path()) or None
