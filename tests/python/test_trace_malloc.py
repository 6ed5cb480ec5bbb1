# SPDX-License-Identifier: MIT
"""TraceMalloc tells what was left allocated, and leaves tracemalloc as it was.

Witness: sys.getsizeof() of what a test keeps.
"""

from __future__ import annotations

import logging
import sys
import threading
import tracemalloc
import warnings
from typing import Iterator, List

import pytest
from pymemtrace import trace_malloc
from pymemtrace.trace_malloc import TraceMalloc, trace_malloc_log

OFF = -sys.maxsize - 1


@pytest.fixture(autouse=True)
def tracemalloc_is_off() -> Iterator[None]:
    assert not tracemalloc.is_tracing()
    yield
    still_on = tracemalloc.is_tracing()
    tracemalloc.stop()
    assert not still_on


def make(size: int) -> str:
    return " " * size


@pytest.mark.parametrize("granularity", TraceMalloc.ALLOWED_GRANULARITY)
@pytest.mark.parametrize("size, count", [(256, 16), (1024, 16), (1 << 20, 8)])
def test_row_40_trace_malloc_diff(granularity: str, size: int, count: int) -> None:
    kept = [make(1)]  # up to 3.10 the first call of a function leaves its frame behind
    kept.clear()
    with TraceMalloc(granularity) as trace:
        for _ in range(count):
            kept.append(make(size))
    real = sum(map(sys.getsizeof, kept)) + sys.getsizeof(kept)
    # What else is there: the loop's number and the frame that is being executed.
    assert abs(trace.diff - real) <= 256
    if size == 1 << 20:
        assert abs(trace.diff - 8 * (1 << 20)) <= 1024
    frames = [s.traceback[-1] for s in trace.net_statistics() if s.size_diff >= count * size]
    assert [frame.filename for frame in frames] == [__file__]
    if granularity != "filename":
        assert [frame.lineno for frame in frames] == [make.__code__.co_firstlineno + 1]


def test_row_40_trace_malloc_what_is_freed() -> None:
    with TraceMalloc() as outer:
        kept = [make(1 << 20)]
        with TraceMalloc() as trace:
            kept.clear()
    assert -(1 << 20) - 512 < trace.diff < -(1 << 20) + 512
    assert abs(outer.diff) < 1024 * 8


def test_row_40_trace_malloc_stops_what_it_started() -> None:
    with pytest.raises(KeyError), TraceMalloc():
        assert tracemalloc.is_tracing()
        with TraceMalloc():
            pass
        assert tracemalloc.is_tracing()
        raise KeyError
    assert not tracemalloc.is_tracing()
    TraceMalloc()
    assert not tracemalloc.is_tracing()


def test_row_40_trace_malloc_leaves_a_running_tracemalloc() -> None:
    tracemalloc.start(3)
    mine = make(1000)
    with TraceMalloc():
        pass
    assert tracemalloc.is_tracing()
    assert tracemalloc.get_traceback_limit() == 3
    assert tracemalloc.get_object_traceback(mine) is not None
    tracemalloc.stop()


def test_row_40_trace_malloc_in_threads() -> None:
    """The one that started tracemalloc ends first; the other one still needs it."""
    began, ended = threading.Event(), threading.Event()
    kept, diffs = [], []

    def work() -> None:
        with TraceMalloc() as trace:
            began.set()
            assert ended.wait(60)
            kept.append(make(1 << 20))
        diffs.append(trace.diff)

    thread = threading.Thread(target=work)
    with TraceMalloc():
        thread.start()
        assert began.wait(60)
    assert tracemalloc.is_tracing()
    ended.set()
    thread.join()
    assert not tracemalloc.is_tracing()
    assert abs(diffs[0] - (1 << 20)) < 8192


def outer_function() -> str:
    return make(1 << 16)


def test_row_40_trace_malloc_frames() -> None:
    with TraceMalloc("traceback") as trace:
        kept = outer_function()
    (large,) = (s for s in trace.net_statistics() if s.size_diff >= len(kept))
    lines = [frame.lineno for frame in large.traceback if frame.filename == __file__]
    code = test_row_40_trace_malloc_frames.__code__.co_firstlineno
    assert lines == [code + 2, outer_function.__code__.co_firstlineno + 1, make.__code__.co_firstlineno + 1]  # fmt: skip

    with TraceMalloc("traceback", nframe=2) as trace:
        kept = outer_function()
    (large,) = (s for s in trace.net_statistics() if s.size_diff >= len(kept))
    assert len(large.traceback) == 2

    with TraceMalloc("lineno"):
        assert tracemalloc.get_traceback_limit() == 1


def test_row_40_trace_malloc_says_that_frames_are_few() -> None:
    tracemalloc.start(2)
    few = pytest.warns(RuntimeWarning, match="keeps 2 frames, not 5")
    with few as caught, TraceMalloc("traceback", nframe=5):
        pass
    assert caught[0].filename == __file__
    tracemalloc.stop()
    tracemalloc.start(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = TraceMalloc("lineno", nframe=2)
        with pytest.raises(RuntimeWarning), trace:
            pass
    tracemalloc.stop()
    with TraceMalloc():  # who could not begin is not counted
        pass
    assert not tracemalloc.is_tracing()


def test_row_40_trace_malloc_arguments() -> None:
    with pytest.raises(ValueError, match=r"must be in \('filename', 'lineno', 'traceback'\) not x"):
        TraceMalloc("x")
    with pytest.raises(ValueError):
        TraceMalloc(nframe=0)


def test_row_40_trace_malloc_attributes() -> None:
    with TraceMalloc() as trace:
        kept = [make(100) for _ in range(1000)]
    assert isinstance(trace.tracemalloc_snapshot_start, tracemalloc.Snapshot)
    assert isinstance(trace.tracemalloc_snapshot_finish, tracemalloc.Snapshot)
    assert trace.memory_start is not None
    assert trace.memory_finish is not None
    assert trace.tracemalloc_memory_usage == trace.memory_finish - trace.memory_start
    # A trace of tracemalloc's is no smaller than a pointer and a size.
    assert trace.tracemalloc_memory_usage >= 16 * len(kept)
    # That memory is no part of the traced: upstream took it away from the strings.
    assert abs(trace.diff - sum(map(sys.getsizeof, kept)) - sys.getsizeof(kept)) <= 512
    own = [s for s in trace.statistics if s not in trace.net_statistics()]
    assert {s.traceback[-1].filename for s in own} <= {tracemalloc.__file__, trace_malloc.__file__}
    assert own
    net = {s.traceback[-1].filename for s in trace.net_statistics()}
    assert not net & {tracemalloc.__file__, trace_malloc.__file__}


def test_row_40_trace_malloc_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(TraceMalloc, "TRACE_ON", False)
    caplog.set_level(logging.DEBUG)
    with TraceMalloc() as trace:
        assert not tracemalloc.is_tracing()
    assert trace.net_statistics() == trace.statistics == []
    assert (trace.diff, trace.tracemalloc_memory_usage) == (OFF, None)
    assert (trace.tracemalloc_snapshot_start, trace.memory_finish) == (None, None)
    assert trace_malloc_log(logging.INFO)(make)(3) == "   "
    assert caplog.records == []


def test_row_40_trace_malloc_switched_within(monkeypatch: pytest.MonkeyPatch) -> None:
    with TraceMalloc() as trace:
        monkeypatch.setattr(TraceMalloc, "TRACE_ON", False)
    assert trace.diff != OFF
    assert not tracemalloc.is_tracing()
    with TraceMalloc() as trace:
        monkeypatch.setattr(TraceMalloc, "TRACE_ON", True)
    assert trace.diff == OFF


def test_row_40_trace_malloc_stopped_within(caplog: pytest.LogCaptureFixture) -> None:
    with TraceMalloc() as trace:
        tracemalloc.stop()
    assert (trace.diff, trace.net_statistics()) == (OFF, [])
    assert "was stopped within" in caplog.text


def test_row_41_trace_malloc_log(caplog: pytest.LogCaptureFixture) -> None:
    kept: List[str] = []

    @trace_malloc_log(logging.WARNING)
    def grow(count: int, *, size: int) -> str:
        """Grow."""
        kept.extend(make(size) for _ in range(count))
        return "grown"

    assert (grow.__name__, grow.__doc__) == ("grow", "Grow.")
    assert grow(8, size=1 << 20) == "grown"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    start, number, end = record.getMessage().partition("8,3")
    assert start == "TraceMalloc memory delta: "
    assert end.endswith(' for "grow()"')
    delta = int((number + end).split(" for ")[0].replace(",", ""))
    real = sum(sys.getsizeof(string) for string in kept) + sys.getsizeof(kept)
    assert abs(delta - real) <= 512
    assert not tracemalloc.is_tracing()


def test_row_41_trace_malloc_log_and_exceptions(caplog: pytest.LogCaptureFixture) -> None:
    @trace_malloc_log(logging.ERROR)
    def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    assert caplog.records == []
    assert not tracemalloc.is_tracing()
