# SPDX-License-Identifier: MIT
"""Trace this process from within: begin a log, mark it, close it, and read it.

Where the library is preloaded (``pymemtrace run``, ``LD_PRELOAD``) these functions control its
trace; a program that is to begin by itself is run with ``PYMEMTRACE_START=off``. Elsewhere they
load the library now. Then blocks of ``malloc`` and mappings are not seen; Python's own blocks,
calls, lines and objects are.

One log is written at a time in a process. All threads are traced. The functions may be called from
any thread.
"""

from __future__ import annotations

import contextlib
import glob
import os
from typing import Any, Iterator, Optional, Union

from pymemtrace import _library

__all__ = [
    "TrackerError",
    "is_active",
    "log_path",
    "mark",
    "resume",
    "snapshot",
    "start",
    "stop",
    "suspend",
    "suspended",
    "tracing",
]

#: What an option may be: text; a number; a switch; several words.
Value = Union[str, int, bool, "list[str]", "tuple[str, ...]", "os.PathLike[str]"]

MARK_MAX = 4096  # bytes, as in pymemtrace.h


class TrackerError(RuntimeError):
    """What was asked for is not possible now. The text says why."""


def start(**options: Value) -> str:
    """Begin a log and return its absolute path.

    :param options: the options of the tracer by their names in lower case, as in the manual page
        ``libpymemtrace(7)``: ``output="app.pmt"``, ``trace=["calls", "pymem"]``, ``fold=False``,
        ``rss_interval=100`` (milliseconds), ``max_size="1G"`` (bytes). They go before
        ``PYMEMTRACE_...`` in the environment.
    :raises ValueError: there is no such option, or its value is not allowed.
    :raises TrackerError: this process is traced already, or the log cannot be written.
    :raises FileNotFoundError: the library is not there.
    """
    if _library.start(_settings(options)) != 0:
        raise _refusal()
    return log_path() or ""


def stop() -> str:
    """Close the log, which is then complete, and return its absolute path.

    :raises TrackerError: no log is being written.
    """
    _demand(_library.load().pymemtrace_stop())
    return log_path() or ""


def suspend() -> None:
    """Record nothing until :func:`resume`. Blocks that are freed meanwhile seem to live on.

    :raises TrackerError: no log is being written.
    """
    _demand(_library.load().pymemtrace_suspend())


def resume() -> None:
    """Go on after :func:`suspend`.

    :raises TrackerError: no log is being written.
    """
    _demand(_library.load().pymemtrace_resume())


def mark(text: str) -> None:
    """Put a text on the time line: ``gnuplot`` draws it, ``text`` and ``json`` show it.

    :param text: at most 4,096 bytes of UTF-8, without NUL.
    :raises ValueError: the text is too long, or has a NUL.
    :raises TrackerError: nothing is recorded at present.
    """
    data = _bytes(text)
    if len(data) > MARK_MAX:
        raise ValueError(f"a mark has at most {MARK_MAX:,} bytes, not {len(data):,}")
    _demand(_library.load().pymemtrace_mark(data))


def snapshot(label: str) -> bool:
    """Tell the live objects by type, for ``pymemtrace top --by type --census LABEL``.

    :param label: at most 1,000 bytes of UTF-8, without NUL; it is put on the time line, too.
    :returns: whether types were told: the word ``pymem`` is needed for that, and ``types`` on.
    :raises ValueError: the label has a NUL.
    """
    return bool(_library.load().pymemtrace_snapshot(_bytes(label)) == 0)


def is_active() -> bool:
    """Whether events are recorded now: a log is being written, and is not suspended."""
    return bool(_library.load().pymemtrace_is_active() == _library.ACTIVE)


def log_path() -> Optional[str]:
    """The absolute path of the log being written, or of the last one; None if there was none."""
    path = _library.log_path()
    return None if path is None else os.fsdecode(path)


@contextlib.contextmanager
def tracing(**options: Value) -> Iterator[None]:
    """Trace a block, or as a decorator each call of a function, into a log of its own.

    ``with tracing(output="block.pmt"): ...``; ``@tracing(output="call.%p.pmt")``. If a log of that
    name exists, a number is added to the new one's; :func:`log_path` says which it was.

    :raises ValueError, TrackerError: as :func:`start`.
    """
    start(**options)
    try:
        yield
    finally:
        # The block may have closed it itself.
        if _library.load().pymemtrace_is_active() != _library.OFF:
            stop()


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Record nothing in a block, if anything is recorded; also as a decorator."""
    if not is_active():
        yield
        return
    suspend()
    try:
        yield
    finally:
        if _library.load().pymemtrace_is_active() == _library.SUSPENDED:
            resume()


def _settings(options: dict[str, Any]) -> Iterator[bytes]:
    own = ",".join(_escape(path) for path in (__file__, _library.__file__, contextlib.__file__))
    options.setdefault("exclude_files", "")
    for name, value in options.items():
        text = _text(value)
        if name == "exclude_files":  # our own frames are not the program's
            text = f"{text},{own}" if text else own
        yield _bytes(f"{name.upper()}={text}")


def _escape(path: str) -> str:
    return glob.escape(path).replace(",", "[,]")


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ",".join(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _bytes(text: str) -> bytes:
    data = os.fsencode(text)
    if b"\0" in data:
        raise ValueError("a text with NUL in it")
    return data


def _refusal() -> Exception:
    problem = _library.problem()
    wrong = problem.startswith(("there is no option ", "option ", "malloc and mmap"))
    return ValueError(problem) if wrong else TrackerError(problem)


def _demand(status: int) -> None:
    if status != 0:
        raise TrackerError(_library.problem())
