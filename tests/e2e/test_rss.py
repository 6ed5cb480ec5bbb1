# SPDX-License-Identifier: MIT
"""RSS: samples as often as asked for, and equal to what the kernel told the program itself."""

from __future__ import annotations

import statistics

import pytest

from harness import Python, Run, Tracer

pytestmark = pytest.mark.slow

SLACK = 3 << 20  # what may change between two looks: the tracer's own pages, pages of the report


def trace(tracer: Tracer, python: Python, case: str, **options) -> Run:
    return tracer.python(python, "resident.py", case, options=options)


def samples(run: Run) -> list[tuple[float, int]]:
    return [(e["time_s"], e["resident"]) for e in run.log.of("rss")]


def at(run: Run, time_s: float) -> int:
    """The last sample before a moment of the program."""
    when = time_s - run.log.header["start_s"]
    return [resident for t, resident in samples(run) if t <= when][-1]


def test_values(tracer: Tracer, a_python: Python) -> None:
    """64 MB come and go."""
    run = trace(tracer, a_python, "steps")
    states = {r["name"]: r for r in run.report}
    for state in states.values():
        assert abs(at(run, state["time_s"]) - state["VmRSS"]) < SLACK, state
    grown = at(run, states["grown"]["time_s"]) - at(run, states["before"]["time_s"])
    assert abs(grown - (64 << 20)) < SLACK
    assert at(run, states["shrunk"]["time_s"]) < at(run, states["grown"]["time_s"]) - (60 << 20)


def test_peak(tracer: Tracer, a_python: Python) -> None:
    run = trace(tracer, a_python, "steps")
    peak = run.report[-1]["VmHWM"]
    assert abs(run.log.stats["peak_rss_bytes"] - peak) < SLACK
    rss = run.log.stats["rss"]
    assert rss["peak_bytes"] <= run.log.stats["peak_rss_bytes"]
    assert rss["first_bytes"] == samples(run)[0][1]
    assert rss["last_bytes"] == samples(run)[-1][1]


def gaps(run: Run) -> list[float]:
    """Seconds between two looks: a record stands for itself and the `repeats` before it."""
    times = [e["time_s"] for e in run.log.of("rss")]
    return [b - a for a, b in zip(times, times[1:])]


def between(run: Run) -> tuple[int, float]:
    """How many samples were written in the time that the program tells of, and how long it was."""
    [said] = run.report
    begin, end = (said[key] - run.log.header["start_s"] for key in ("begin_s", "end_s"))
    return len([t for t, _ in samples(run) if begin <= t <= end]), end - begin


def test_interval_while_busy(tracer: Tracer, a_python: Python) -> None:
    """Memory changes all the time: a sample about every 10 ms, and not much more often."""
    run = trace(tracer, a_python, "busy")
    count, seconds = between(run)
    assert 25 <= count <= seconds / 0.01 + 5, (count, seconds)
    assert statistics.median(gaps(run)) < 0.03


def test_processor_time(tracer: Tracer, a_python: Python) -> None:
    """Each sample has the processor time of the process, which never goes back."""
    run = trace(tracer, a_python, "busy")
    times = [e["cpu_ns"] for e in run.log.of("rss")]
    said = run.report[-1]["cpu_ns"]
    assert 0 < times[0] < times[-1] and times == sorted(times)
    assert times[-1] >= said


@pytest.mark.slow
def test_interval_asked_for(tracer: Tracer, a_python: Python) -> None:
    often = gaps(trace(tracer, a_python, "busy", RSS_INTERVAL=2))
    seldom = gaps(trace(tracer, a_python, "busy", RSS_INTERVAL=100))
    assert len(often) > 50 and statistics.median(often) < 0.01, sorted(often)
    assert statistics.median(seldom) > 0.08, seldom  # by a clock of steps of up to 10 ms


def test_no_samples_if_not_wanted(tracer: Tracer, a_python: Python) -> None:
    assert samples(trace(tracer, a_python, "busy", RSS_INTERVAL=0)) == []
    assert samples(trace(tracer, a_python, "busy", TRACE="malloc")) == []


def test_thinning(tracer: Tracer, a_python: Python) -> None:
    """While nothing happens, samples are counted, not written."""
    run = trace(tracer, a_python, "idle")
    count, _ = between(run)
    assert count <= 5
    looks = run.log.stats["rss"]["samples"]
    assert looks > len(samples(run))


def test_kinds(tracer: Tracer, a_python: Python) -> None:
    """Anonymous and shared memory told apart; huge pages and swap are there."""
    run = trace(tracer, a_python, "shared")
    said = run.report[-1]
    details = run.log.of("rss_detail")
    assert details
    best = min(details, key=lambda e: abs(e["shmem"] - said["RssShmem"]))
    assert abs(best["anon"] - said["RssAnon"]) < SLACK
    assert abs(best["file"] - said["RssFile"]) < SLACK + (4 << 20)  # the log itself is a file
    assert abs(best["shmem"] - said["RssShmem"]) < SLACK
    assert best["hugetlb"] == 0 and best["swap"] == 0


def test_own_memory_is_known(tracer: Tracer, a_python: Python) -> None:
    """The traced program's RSS, less what the tracer says it holds, is the untraced program's."""
    plain = tracer.untraced(
        [a_python.path, "-c", _SELF],
    )
    run = tracer.traced([a_python.path, "-c", _SELF])
    untraced, traced = int(plain.outcome.out), int(run.outcome.out)
    own = run.log.of("rss")[-1]["own"]
    assert untraced <= traced
    assert traced - own <= untraced + SLACK
    assert own < 16 << 20


_SELF = """
import time
l = [bytearray(3000) for _ in range(20000)]
time.sleep(0.05)
with open('/proc/self/statm') as f: print(int(f.read().split()[1]) * 4096)
time.sleep(0.05)
"""
