# SPDX-License-Identifier: MIT
"""Capture all that a process prints, from Python and from C, into a binary stream.

The file descriptor is redirected, so that ``puts()`` of the C library, extension modules and child
processes are caught too. A descriptor belongs to the process: what other threads print meanwhile is
caught as well. Redirections may be nested, and may overlap in several threads; output goes to the
one entered last that is still active.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import sys
import tempfile
import threading
from typing import IO, Any, BinaryIO, Iterator, List, Optional, TextIO

__all__ = ["stderr_redirector", "stdout_redirector"]


class _Door:
    """Stands in for ``sys.stdout``, and is what went before once the redirection has ended.

    What a program keeps of it in between, such as a logging handler, therefore stays of use.
    """

    def __init__(self, file: TextIO, before: Optional[TextIO]) -> None:
        self._file: Optional[TextIO] = file
        self._before = before

    def _shut(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def write(self, text: str) -> int:
        """Write to the redirected file, or to where output went before; characters written."""
        target = self._file if self._file is not None else self._before
        return target.write(text) if target is not None else len(text)

    def flush(self) -> None:
        """Flush the file that ``write()`` writes to."""
        target = self._file if self._file is not None else self._before
        if target is not None:
            target.flush()

    def __getattr__(self, name: str) -> Any:
        file = self.__dict__.get("_file")
        return getattr(file if file is not None else self.__dict__.get("_before"), name)


@dataclasses.dataclass
class _Redirection:
    """One use of a redirector: its file, and the door if Python's own stream needed one."""

    file: IO[bytes]
    door: Optional[_Door] = None
    before: Optional[TextIO] = None


class _Stream:
    """A standard stream: who has redirected it, oldest first, and where it went before."""

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd
        self.saved: Optional[int] = None
        self.active: List[_Redirection] = []
        self.lock = threading.Lock()


_STDOUT = _Stream("stdout", 1)
_STDERR = _Stream("stderr", 2)


def _c_stream(libc: ctypes.CDLL, name: str) -> Optional[ctypes.c_void_p]:
    """The C library's ``FILE *``; glibc and musl call it stdout, macOS __stdoutp."""
    for symbol in (name, f"__{name}p"):
        with contextlib.suppress(ValueError):
            return ctypes.c_void_p.in_dll(libc, symbol)
    return None


def _flush(stream: _Stream) -> None:
    """Write out what Python and C still hold for a stream, to where it goes at present."""
    for name in (stream.name, f"__{stream.name}__"):
        # A stream that cannot be flushed (closed, None) has nothing to give.
        with contextlib.suppress(Exception):
            getattr(sys, name).flush()
    libc = ctypes.CDLL(None)
    c_stream = _c_stream(libc, stream.name)
    if c_stream is not None:
        libc.fflush(c_stream)


def _goes_to_fd(file: Optional[TextIO], fd: int) -> bool:
    try:
        return file is not None and file.fileno() == fd
    except (AttributeError, OSError, ValueError):  # in memory, or closed
        return False


def _beyond(file: Optional[TextIO]) -> Optional[TextIO]:
    """What stands behind doors whose redirections have ended, in whichever order."""
    while isinstance(file, _Door) and file._file is None:
        file = file._before
    return file


def _open_door(stream: _Stream, redirection: _Redirection) -> None:
    """Lead Python's stream into the descriptor if it does not go there, as under pytest."""
    before = getattr(sys, stream.name)
    if _goes_to_fd(before, stream.fd):
        return
    file = os.fdopen(
        os.dup(redirection.file.fileno()),
        "w",
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors=getattr(before, "errors", None) or "backslashreplace",
        newline="",
        buffering=1,
    )
    redirection.before = before
    redirection.door = _Door(file, before)
    setattr(sys, stream.name, redirection.door)


def _begin(stream: _Stream) -> _Redirection:
    with stream.lock:
        _flush(stream)
        redirection = _Redirection(tempfile.TemporaryFile(mode="w+b"))  # noqa: SIM115
        if not stream.active:
            try:
                stream.saved = os.dup(stream.fd)
            except OSError:  # the program runs with its descriptor closed
                stream.saved = None
        os.dup2(redirection.file.fileno(), stream.fd)
        stream.active.append(redirection)
        _open_door(stream, redirection)
        return redirection


def _point_fd(stream: _Stream) -> None:
    """Lead the descriptor to the redirection entered last, or back to where it went."""
    if stream.active:
        os.dup2(stream.active[-1].file.fileno(), stream.fd)
    elif stream.saved is not None:
        os.dup2(stream.saved, stream.fd)
        os.close(stream.saved)
        stream.saved = None
    else:
        os.close(stream.fd)


def _end(stream: _Stream, redirection: _Redirection) -> None:
    with stream.lock:
        _flush(stream)
        last = stream.active[-1] is redirection
        stream.active.remove(redirection)
        if last:
            _point_fd(stream)
        door = redirection.door
        if door is not None:
            if getattr(sys, stream.name) is door:
                setattr(sys, stream.name, _beyond(redirection.before))
            door._shut()


def _copy(source: int, target: BinaryIO) -> None:
    """Copy a file from its start; a child process may still be writing at its offset."""
    offset = 0
    while True:
        block = os.pread(source, 1 << 16, offset)
        if not block:
            return
        target.write(block)
        offset += len(block)


@contextlib.contextmanager
def _redirect(stream: _Stream, target: BinaryIO) -> Iterator[None]:
    redirection = _begin(stream)
    with redirection.file:
        try:
            yield
        finally:
            _end(stream, redirection)
            _copy(redirection.file.fileno(), target)


def stdout_redirector(stream: BinaryIO) -> contextlib.AbstractContextManager[None]:
    """Capture standard output of Python and C, as bytes, while the context lasts.

    At its end, also after an exception, output goes where it went before, and what was caught is
    written to ``stream``. ``sys.stdout`` is neither closed nor, where it writes to descriptor 1,
    replaced; objects that hold it stay usable. Where it does not (under pytest, in notebooks, when
    it is None), a substitute stands in for it; an object that keeps the substitute writes to the
    former ``sys.stdout`` afterwards. A closed descriptor 1 is closed again at the end.

    Raises OSError if no temporary file can be made, and what ``stream.write()`` raises.
    """
    return _redirect(_STDOUT, stream)


def stderr_redirector(stream: BinaryIO) -> contextlib.AbstractContextManager[None]:
    """Capture standard error of Python and C, as ``stdout_redirector()`` does standard output."""
    return _redirect(_STDERR, stream)
