# SPDX-License-Identifier: MIT
"""Get the text of ``sys._debugmallocstats()``, also while a tracer stands before pymalloc.

CPython prints the arenas only while the functions of the OBJ domain are pymalloc's own, or those
of its debug hooks (``_PyMem_PymallocEnabled`` in Objects/obmalloc.c looks at nothing else).
tracemalloc and other tracers put their functions there, and nothing is printed, though pymalloc
still does the work. So pymalloc's functions are put back for as long as the text is printed.

That is safe because nothing else can run meanwhile: all steps are C functions that keep the GIL,
called one after another from C (``deque(map(...))``), with no bytecode between them at which Python
could switch threads or run a signal handler, and with the garbage collector off. The blocks of
these calls themselves are taken and given back within. Where pymalloc's functions are is learnt
from the tracer: by convention a wrapper's context is, or begins with, the PyMemAllocatorEx that it
calls. It is read by way of /proc/self/mem, so that a context of another kind does no harm. Only a
subinterpreter with a GIL of its own runs on, and what it allocates meanwhile passes the tracer by.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import sys
import tempfile
from collections import deque
from functools import partial
from operator import methodcaller
from typing import Any, Callable, ClassVar, Iterator, List, NamedTuple, Optional, Tuple

__all__ = ["debug_malloc_text"]

_OBJ = 2  # PYMEM_DOMAIN_OBJ
_STDERR = 2
_MOST_LAYERS = 16


class _Allocator(ctypes.Structure):
    """PyMemAllocatorEx, the same on every version."""

    _fields_: ClassVar[Any] = [
        ("ctx", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    ]

    def functions(self) -> Tuple[Optional[int], ...]:
        return self.malloc, self.calloc, self.realloc, self.free


class _Mapping(NamedTuple):
    """Executable memory; file is its device and inode."""

    start: int
    end: int
    file: str


@functools.lru_cache(maxsize=None)
def _api() -> ctypes.PyDLL:
    """Functions that are called with the GIL held. Not ctypes.pythonapi, which is everybody's."""
    api = ctypes.PyDLL(None)
    for name in ("PyMem_GetAllocator", "PyMem_SetAllocator"):
        function = getattr(api, name)
        function.argtypes = [ctypes.c_int, ctypes.POINTER(_Allocator)]
        function.restype = None
    return api


def _code() -> Iterator[_Mapping]:
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            addresses, permissions, _, device, inode = line.split()[:5]
            if "x" in permissions:
                start, end = (int(a, 16) for a in addresses.split("-"))
                yield _Mapping(start, end, f"{device} {inode}")


def _read(address: int) -> Optional[_Allocator]:
    """What lies at an address, or None if nothing can be read there."""
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        try:
            data = os.pread(memory.fileno(), ctypes.sizeof(_Allocator), address)
        except (OSError, OverflowError):
            return None
    return _Allocator.from_buffer_copy(data) if len(data) == ctypes.sizeof(_Allocator) else None


def _files(allocator: _Allocator, code: List[_Mapping]) -> List[str]:
    """The files that its functions belong to; none for one that is not code."""
    return [
        mapping.file
        for function in allocator.functions()
        for mapping in code
        if function is not None and mapping.start <= function < mapping.end
    ]


def _lowest(top: _Allocator, code: List[_Mapping]) -> _Allocator:
    """Follow the wrappers down to the one that calls no other."""
    lowest = top
    for _ in range(_MOST_LAYERS):
        below = _read(lowest.ctx) if lowest.ctx else None
        if below is None or len(_files(below, code)) != len(below.functions()):
            break
        lowest = below
    return lowest


def _allocator_behind_tracers(api: ctypes.PyDLL) -> Optional[_Allocator]:
    """The interpreter's own allocator for objects, or None if it is in place or cannot be found."""
    if sys.platform != "linux" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    top = _Allocator()
    api.PyMem_GetAllocator(_OBJ, ctypes.byref(top))
    if top.ctx is None:  # as pymalloc's own, which is the usual case
        return None
    try:
        code = list(_code())
        lowest = _lowest(top, code)
    except OSError:  # no /proc
        return None
    address = ctypes.cast(api.PyMem_GetAllocator, ctypes.c_void_p).value or 0
    own = [mapping.file for mapping in code if mapping.start <= address < mapping.end]
    if lowest is top or set(_files(lowest, code)) != set(own):
        return None
    if lowest.ctx is None:
        # It ignores its context. Should another interpreter look at the domain while it is being
        # changed, then each function that it may find fits the context that it may find.
        lowest.ctx = top.ctx
    return lowest


class _Change:
    """Puts the interpreter's own allocator in the place of a tracer's, and the tracer's back."""

    def __init__(self, api: ctypes.PyDLL, allocator: _Allocator) -> None:
        self._found = _Allocator()
        found = ctypes.byref(self._found)
        # Read again within the steps: a tracer may have come or gone since.
        self.before = [
            partial(api.PyMem_GetAllocator, _OBJ, found),
            partial(api.PyMem_SetAllocator, _OBJ, ctypes.byref(allocator)),
        ]
        self.after = [partial(api.PyMem_SetAllocator, _OBJ, found)]

    def undo(self) -> None:
        """As after, for steps that broke off anywhere."""
        if self._found.malloc:
            self.after[0]()


def _flush_stderr(api: ctypes.PyDLL) -> Callable[[], Any]:
    for name in ("stderr", "__stderrp"):
        with contextlib.suppress(ValueError):
            return partial(api.fflush, ctypes.c_void_p.in_dll(api, name))
    return partial(int)


def _open_file() -> int:
    """A file without a name: in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):
            return os.memfd_create("debugmallocstats")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _run(steps: List[Callable[[], Any]]) -> None:
    """Call functions of C, without any bytecode between them."""
    collects = gc.isenabled()
    gc.disable()
    try:
        deque(map(methodcaller("__call__"), steps), maxlen=0)
    finally:
        if collects:
            gc.enable()


def debug_malloc_text() -> bytes:
    """What ``sys._debugmallocstats()`` prints on descriptor 2.

    Python's ``sys.stderr`` plays no part and may be None; the descriptor may be closed. What other
    threads print meanwhile without the GIL held is lost to them and may be part of the result.
    """
    api = _api()
    flush = _flush_stderr(api)
    allocator = _allocator_behind_tracers(api)
    change = _Change(api, allocator) if allocator is not None else None
    before, after = (change.before, change.after) if change is not None else ([], [])
    file = _open_file()
    try:
        saved: Optional[int] = os.dup(_STDERR)
    except OSError:
        saved = None
    redirect = partial(api.dup2, file, _STDERR)
    back = partial(api.close, _STDERR) if saved is None else partial(api.dup2, saved, _STDERR)
    try:
        _run([flush, redirect, *before, sys._debugmallocstats, flush, *after, back])
        return os.pread(file, os.fstat(file).st_size, 0)
    except BaseException:
        if change is not None:
            change.undo()
        back()
        raise
    finally:
        os.close(file)
        if saved is not None:
            os.close(saved)
