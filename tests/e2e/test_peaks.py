# SPDX-License-Identifier: MIT
"""High-water mark, leaks and temporary blocks: which lines held how much, and when."""

from __future__ import annotations

import pytest

from harness import TARGETS, Once, Python, Run, Tracer, marks

pytestmark = pytest.mark.slow

MB = 10**6
FILE = str(TARGETS / "peaks.py")
AT = {line: name for name, line in marks("peaks.py").items()}


def trace(once: Once, python: Python, case: str) -> Run:
    """Without Python's own blocks, which the same lines take beside those of the case."""
    options = {"TRACE": "malloc,mmap,rss"}

    def make(tracer: Tracer) -> Run:
        return tracer.python(python, "peaks.py", case, options=options)

    return once.run((python, "peaks.py", case, options), make)


def held(run: Run, *options: str) -> dict[str, tuple[int, int]]:
    """Bytes and count by the marked lines of peaks.py."""
    rows = run.log.top(*options)
    return {
        AT[r["line"]]: (r["bytes"], r["count"])
        for r in rows
        if r["file"] == FILE and r["line"] in AT
    }


PEAKS = {
    "nothing": {},
    "single": {"kept": (50 * MB, 1)},
    "freed_before": {"peak": (60 * MB, 1)},
    "freed_after": {"first": (50 * MB, 1), "second": (60 * MB, 1)},
    "after_the_peak": {"at_peak": (60 * MB, 1)},
    "final": {"last": (50 * MB, 1)},
    "several": {"spike": (140 * MB, 2)},
    "rising": {"step": (5 * MB, 50), "spike_of_rise": (59 * MB, 1)},
    "between_leaked": {"leaked": (20 * MB, 1), "peak_two": (60 * MB, 1)},
    "between_freed": {"highest": (60 * MB, 1)},
    "loop": {"same": (10 * MB, 10), "other": (MB, 1), "another": (MB, 1)},
    "two_allocators": {"mixed": (30 * MB, 3)},
    "per_thread": {"threaded": (50 * MB, 5)},
}


@pytest.mark.parametrize("case", PEAKS)
def test_peak(once: Once, a_python: Python, case: str) -> None:
    assert held(trace(once, a_python, case)) == PEAKS[case]


LEAKS = {
    "nothing": {},
    "freed_after": {},
    "freed_before": {"peak": (60 * MB, 1)},
    "after_the_peak": {"later": (50 * MB, 1)},
    "between_leaked": {"leaked": (20 * MB, 1)},
    "leaks": {"some_leak": (10 * MB + sum(range(30, 40)), 10)},
    "thread_leaks": {"leaked_in_thread": (12 * MB, 4)},
    "handed_over": {},
    "rising": {"step": (5 * MB, 50), "tiny": (5, 1)},
}


@pytest.mark.parametrize("case", LEAKS)
def test_left_at_the_end(once: Once, a_python: Python, case: str) -> None:
    assert held(trace(once, a_python, case), "--at", "exit") == LEAKS[case]


def test_peak_of_stats_is_the_sum_of_top(once: Once, a_python: Python) -> None:
    log = trace(once, a_python, "several").log
    assert sum(r["bytes"] for r in log.top()) == log.stats["peak_heap_bytes"]
    left = log.top("--at", "exit")
    assert sum(r["bytes"] for r in left) == log.stats["live_at_exit"]["bytes"]
    assert sum(r["count"] for r in left) == log.stats["live_at_exit"]["count"]


def test_moments(once: Once, a_python: Python) -> None:
    """Between the moments, blocks come and go: --at TIME shows each state."""
    run = trace(once, a_python, "moments")
    start = run.log.header["start_s"]
    times = [t - start for t in run.report[-1]["times"]]
    states = [held(run, "--at", f"{t:.6f}") for t in times]
    one, two = (10 * MB, 1), (20 * MB, 1)
    assert states == [{}, {"moment_one": one}, {"moment_two": two}, {}]


def test_time_of_the_peak(once: Once, a_python: Python) -> None:
    run = trace(once, a_python, "moments")
    start = run.log.header["start_s"]
    times = [t - start for t in run.report[-1]["times"]]
    assert times[1] < run.log.stats["peak_heap_time_s"] < times[2]


def test_allocators_at_one_site_are_told_apart(once: Once, a_python: Python) -> None:
    log = trace(once, a_python, "two_allocators").log
    rows = {r.get("allocator"): r["bytes"] for r in log.top("--by", "allocator")}
    assert rows["valloc"] == rows["memalign"] == 10 * MB
    assert rows["malloc"] >= 10 * MB


def test_threads_are_told_apart(once: Once, a_python: Python) -> None:
    log = trace(once, a_python, "per_thread").log
    rows = log.top("--by", "thread")
    assert len([r for r in rows if r["bytes"] >= 10 * MB]) == 5


def test_aggregation_by_stack(once: Once, a_python: Python) -> None:
    """Ten rounds of one line are one row, other lines are others."""
    log = trace(once, a_python, "loop").log
    rows = [r for r in log.top("--by", "stack") if r["bytes"] >= MB and r["file"] == FILE]
    assert sorted((r["bytes"], r["count"]) for r in rows) == [(MB, 1), (MB, 1), (10 * MB, 10)]


def test_temporary(once: Once, a_python: Python) -> None:
    """Freed before the next allocation (0), or the next but one (1, the default), or later (N)."""
    run = trace(once, a_python, "temporary")
    at_once = held(run, "--temporary", "--threshold", "0")
    assert at_once.get("short_lived", (0, 0)) == (100 * MB, 50)
    assert "one_between" not in at_once and "long_lived" not in at_once
    many = held(run, "--temporary", "--threshold", "5000")
    assert many["short_lived"] == (100 * MB, 50)
    assert many["one_between"] == (MB, 1)
    assert many["long_lived"] == (200 * MB + sum(range(200)), 200)
    assert "kept_between" not in many


@pytest.mark.parametrize("how", ["grow", "reserve"])
def test_temporary_vector(tracer: Tracer, how: str) -> None:
    """A vector that grows leaves short-lived blocks behind; one that reserves does not."""
    run = tracer.c("vector.cpp", how)
    row = sum(r["count"] for r in run.log.top("--temporary", "--threshold", "1"))
    assert row == (14 if how == "grow" else 1)


def test_filters(once: Once, a_python: Python) -> None:
    log = trace(once, a_python, "single").log
    assert log.top("--include", "*/peaks.py")[0]["bytes"] == 50 * MB
    assert all(r["file"] != FILE for r in log.top("--exclude", "*/peaks.py"))
