# SPDX-License-Identifier: MIT
"""What a piece of code leaves allocated, by tracemalloc, without tracemalloc's own part."""

from __future__ import annotations

import functools
import logging
import sys
import threading
import tracemalloc
import warnings
from typing import Any, Callable, List, Optional, TypeVar, cast

__all__ = ["TraceMalloc", "trace_malloc_log"]

logger = logging.getLogger(__name__)

_FRAMES_OF_TRACEBACKS = 16

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Users:
    """Who needs tracemalloc at present, so that the last one stops what the first one started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._started = False

    def enter(self, nframe: int) -> None:
        """Start tracemalloc unless it runs."""
        with self._lock:
            if not tracemalloc.is_tracing():
                tracemalloc.start(nframe)
                self._started = True
            elif self._count == 0:
                self._started = False
            self._count += 1

    def leave(self) -> None:
        """Stop tracemalloc if it was started here and nobody else needs it."""
        with self._lock:
            self._count -= 1
            if self._count == 0 and self._started:
                self._started = False
                tracemalloc.stop()


_users = _Users()

# As stacks name them.
_OWN_FILE = _Users.enter.__code__.co_filename
_TRACEMALLOC_FILE = tracemalloc.take_snapshot.__code__.co_filename


class TraceMalloc:
    """Context manager that compares tracemalloc's snapshots of its start and its end.

    Starts tracemalloc if it does not run, and stops it again at the end. Allocations are told by
    ``statistics_granularity``: ``'filename'``, ``'lineno'`` or ``'traceback'``; else ValueError.

    ``nframe`` is how many frames tracemalloc keeps of each stack: at least 1 (ValueError); 16 for
    tracebacks and 1 otherwise if not given, as more frames cost time and memory. A tracemalloc that
    runs already keeps as many as it was told; a RuntimeWarning says so if they are fewer.

    Setting ``TraceMalloc.TRACE_ON`` to False makes all contexts that begin later do nothing.
    """

    #: False: no context traces.
    TRACE_ON: bool = True
    ALLOWED_GRANULARITY = ("filename", "lineno", "traceback")

    def __init__(
        self, statistics_granularity: str = "lineno", nframe: Optional[int] = None
    ) -> None:
        if statistics_granularity not in self.ALLOWED_GRANULARITY:
            raise ValueError(
                f"statistics_granularity must be in {self.ALLOWED_GRANULARITY}"
                f" not {statistics_granularity}"
            )
        if nframe is not None and nframe < 1:
            raise ValueError(f"nframe must be at least 1, not {nframe}")
        self.statistics_granularity = statistics_granularity
        self.nframe = nframe or (
            _FRAMES_OF_TRACEBACKS if statistics_granularity == "traceback" else 1
        )
        self._traces = False
        self._forget()

    def _forget(self) -> None:
        #: Snapshots at the start and at the end; None if there is none.
        self.tracemalloc_snapshot_start: Optional[tracemalloc.Snapshot] = None
        self.tracemalloc_snapshot_finish: Optional[tracemalloc.Snapshot] = None
        #: Bytes that tracemalloc itself held at the start and at the end.
        self.memory_start: Optional[int] = None
        self.memory_finish: Optional[int] = None
        #: What changed between the snapshots, the largest change first.
        self.statistics: List[tracemalloc.StatisticDiff] = []

    def __enter__(self) -> TraceMalloc:
        self._forget()
        # Up to 3.10 the first call of a function leaves a frame behind, which would be told as the
        # caller's: this call does nothing else.
        self.__exit__()
        self._traces = self.TRACE_ON
        if self._traces:
            _users.enter(self.nframe)
            try:
                self._start()
            except BaseException:
                _users.leave()
                raise
        return self

    def _start(self) -> None:
        limit = tracemalloc.get_traceback_limit()
        if limit < self.nframe:
            warnings.warn(
                f"tracemalloc runs already and keeps {limit} frames, not {self.nframe}",
                RuntimeWarning,
                stacklevel=3,
            )
        self.tracemalloc_snapshot_start = tracemalloc.take_snapshot()
        self.memory_start = tracemalloc.get_tracemalloc_memory()

    def __exit__(self, *_: object) -> None:
        if not self._traces:
            return
        try:
            self._finish()
        finally:
            self._traces = False
            _users.leave()

    def _finish(self) -> None:
        if not tracemalloc.is_tracing() or self.tracemalloc_snapshot_start is None:
            logger.warning("tracemalloc was stopped within TraceMalloc: nothing can be told")
            self._forget()
            return
        self.memory_finish = tracemalloc.get_tracemalloc_memory()
        self.tracemalloc_snapshot_finish = tracemalloc.take_snapshot()
        self.statistics = self.tracemalloc_snapshot_finish.compare_to(
            self.tracemalloc_snapshot_start, self.statistics_granularity
        )

    @property
    def tracemalloc_memory_usage(self) -> Optional[int]:
        """Bytes by which tracemalloc's own memory grew; None if nothing was traced."""
        if self.memory_start is None or self.memory_finish is None:
            return None
        return self.memory_finish - self.memory_start

    @property
    def diff(self) -> int:
        """Bytes that the traced code left allocated, less those that it freed.

        The sum of ``net_statistics()``. tracemalloc's own memory is no part of what it traces, so
        nothing is subtracted for it. ``-sys.maxsize - 1`` if nothing was traced.
        """
        if self.tracemalloc_snapshot_finish is None:
            return -sys.maxsize - 1
        return sum(statistic.size_diff for statistic in self.net_statistics())

    def net_statistics(self) -> List[tracemalloc.StatisticDiff]:
        """The statistics without what tracemalloc and this module allocated themselves."""
        return [s for s in self.statistics if not _is_own(s.traceback)]


def _is_own(traceback: tracemalloc.Traceback) -> bool:
    """Whether a stack, oldest frame first, ends here or passes through tracemalloc's module."""
    files = [frame.filename for frame in traceback]
    return files[-1] == _OWN_FILE or _TRACEMALLOC_FILE in files


def trace_malloc_log(log_level: int) -> Callable[[_Function], _Function]:
    """Decorator that logs, at a level of ``logging``, the bytes that each call leaves allocated.

    For example ``TraceMalloc memory delta: 8,389,548 for "f()"``. Nothing is logged for a call that
    raises, or while ``TraceMalloc.TRACE_ON`` is False.
    """

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with TraceMalloc() as trace:
                result = function(*args, **kwargs)
            if trace.tracemalloc_snapshot_finish is not None:
                logger.log(
                    log_level,
                    'TraceMalloc memory delta: %s for "%s()"',
                    f"{trace.diff:,d}",
                    function.__name__,
                )
            return result

        return cast(_Function, wrapper)

    return decorate
