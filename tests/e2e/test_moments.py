# SPDX-License-Identifier: MIT
"""Moments: the end, exit, marks, peaks, and one clock for several processes.

The peaks and states of several processes are compared with a replay of what `pymemtrace json` prints
of each log, merged by time: a second implementation.
"""

from __future__ import annotations

import heapq
import json
import subprocess
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import pytest

from harness import TOOL, Log, Python, Run, Tracer, clean_env, parse, tool

pytestmark = pytest.mark.python

# Every event is in the logs, so that nothing is held back; and the heap alone makes the peak.
WHOLE = {"TRACE": "malloc,rss", "FOLD": "off"}
MIB = 1 << 20


class Change(NamedTuple):
    """Something that changes what a process holds, in the order in which things happened."""

    time_ns: int
    log: int
    number: int
    event: dict[str, Any]


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def start(log: Log) -> int:
    """On the clock that all processes share."""
    return nanoseconds(log.header["start_clock_s"])


def changes(log: Log, number: int) -> Iterator[Change]:
    """The heap's events of a log, and its end."""
    start_ns = start(log)
    last_ns = start_ns
    for place, line in enumerate(log.lines[1:-1]):
        event = parse(line)
        if "time_s" not in event:
            continue
        last_ns = max(last_ns, start_ns + nanoseconds(event["time_s"]))
        if event["event"] in ("alloc", "free", "realloc"):
            yield Change(last_ns, number, place, event)
    end_s = log.end["end_s"]
    end_ns = last_ns if end_s is None else max(last_ns, start_ns + nanoseconds(end_s))
    yield Change(end_ns, number, 1 << 62, {"event": "end"})


class Merged:
    """What the heaps of several processes hold together, event by event."""

    def __init__(self, logs: list[Log]) -> None:
        self.peak = self.peak_ns = 0
        self.states: list[tuple[int, int]] = []  # time, bytes
        live: list[dict[int, int]] = [{} for _ in logs]
        total = 0
        streams = [changes(log, number) for number, log in enumerate(logs)]
        for change in heapq.merge(*streams, key=lambda c: (c.time_ns, c.log, c.number)):
            total += self._apply(live[change.log], change.event)
            self.states.append((change.time_ns, total))
            if total > self.peak:
                self.peak, self.peak_ns = total, change.time_ns
        self.start_ns = min(map(start, logs))

    @staticmethod
    def _apply(live: dict[int, int], event: dict[str, Any]) -> int:
        before = after = 0
        if event["event"] == "end":
            before = sum(live.values())
            live.clear()
        if event["event"] in ("free", "realloc"):
            before = live.pop(int(event.get("old_address", event.get("address")), 16), 0)
        if event["event"] in ("alloc", "realloc") and int(event["address"], 16) != 0:
            before += live.pop(int(event["address"], 16), 0)
            live[int(event["address"], 16)] = after = event["size"]
        return after - before

    def at(self, seconds: float) -> int:
        limit = self.start_ns + nanoseconds(seconds)
        return [total for time_ns, total in self.states if time_ns <= limit][-1]


def held(folder: Path, *options: str) -> int:
    rows = json.loads(tool("top", "--json", "--heap", "-n", "1000000", *options, folder).out)[
        "rows"
    ]
    return sum(row["bytes"] for row in rows)


def trace(tracer: Tracer, python: Python, code: str, *args: str, **options: Any) -> Run:
    argv = ["-c", code, *args]
    return tracer.python_argv(python, argv, options={**WHOLE, **options}, traced_only=True)


# Children that live one after another, and two that overlap, each with memory of its own.
FOUR = """
import subprocess, sys
work = '''
import sys, time
b = bytearray(int(sys.argv[1])); time.sleep(float(sys.argv[2]))
import os
if sys.argv[3] == 'now': os._exit(0)
'''
def run(size, seconds, how):
    return subprocess.Popen([sys.executable, '-c', work, str(size), str(seconds), how])
for _ in range(3):
    run(50_000_000, 0.1, 'now').wait()
a = run(20_000_000, 0.4, 'x'); b = run(10_000_000, 0.2, 'now')
a.wait(); b.wait()
"""


def test_several_processes_have_one_clock(tracer: Tracer, a_python: Python) -> None:
    run = trace(tracer, a_python, FOUR)
    assert len(run.logs) == 6
    folder = run.logs[0].path.parent
    merged = Merged(run.logs)
    assert 50_000_000 < merged.peak < 80_000_000
    assert held(folder) == merged.peak
    text = tool("top", "-n", "1", folder).out.decode()
    when = (merged.peak_ns - merged.start_ns) / 1e9
    assert "live at the peak of all processes together" in text
    assert f"{when:.3f} s after the start of the first process" in text
    assert "6 processes, " in text and " of them alive then\n" in text
    length = (max(t for t, _ in merged.states) - merged.start_ns) / 1e9
    for part in range(1, 20):
        moment = round(part * length / 20, 6)
        assert held(folder, "--at", f"{moment:.6f}") == merged.at(moment), moment
    refused = tool("top", "--at", f"{length + 1:.3f}", folder, status=1)
    assert f"the logs go from 0 to {length:.3f} s" in refused.err.decode() and refused.out == b""


EXEC = """
import os, sys
if len(sys.argv) == 1:
    big = bytearray(50_000_000)
    os.execv(sys.executable, [sys.executable, '-c', sys.orig, 'x'])
b = bytearray(30_000_000)
"""


def test_exec_is_one_process_in_two_parts(tracer: Tracer, a_python: Python) -> None:
    code = f"import sys; sys.orig = {EXEC!r}; exec(sys.orig)"
    run = trace(tracer, a_python, code)
    assert len(run.logs) == 1 or len({log.header["pid"] for log in run.logs}) == 1
    assert len(run.logs) == 2
    folder = run.logs[0].path.parent
    ordered = sorted(run.logs, key=start)
    assert held(folder) == Merged(run.logs).peak < 60_000_000
    text = tool("top", folder).out.decode()
    assert "1 process in 2 logs, 1 of them alive then\n" in text
    assert 30_000_000 < held(folder, "--at", "end") < 45_000_000
    assert held(folder, "--at", "exit") == held(ordered[1].path, "--at", "exit")


# Module-level lists die when the interpreter takes itself apart; atexit is the program's own.
ENDING = """
import atexit, sys, threading, time
keep = [bytearray(3_000_000)]
given_back = [bytearray(5_000_000)]
atexit.register(given_back.clear)
late = threading.Thread(target=lambda: (time.sleep(0.1), keep.append(bytearray(2_000_000))))
late.start()
"""


def big(log: Log, *options: str) -> list[int]:
    rows = log.top("--include", "<string>", *options)
    return sorted((r["bytes"] for r in rows if r["bytes"] >= MIB), reverse=True)


@pytest.mark.parametrize("types", ["on", "off"])
def test_end_is_before_the_interpreter_takes_itself_apart(
    tracer: Tracer, python: Python, types: str
) -> None:
    """After the threads and the functions of atexit, before modules are cleared."""
    run = trace(tracer, python, ENDING, TRACE="malloc,mmap,pymem,rss", TYPES=types, FOLD="on")
    assert [size // MIB for size in big(run.log, "--at", "end")] == [2, 1]
    assert big(run.log, "--at", "exit") == []
    [mark] = run.log.of("process", what="program end")
    [last] = run.log.of("process", what="python end")
    assert mark["time_s"] <= last["time_s"]


def test_end_without_an_end(tracer: Tracer, python: Python) -> None:
    """os._exit(), and a signal: the last record."""
    for last in ("os._exit(0)", "os.kill(os.getpid(), 9)"):
        run = trace(tracer, python, f"import os; keep = bytearray(3_000_000); {last}")
        assert [size // MIB for size in big(run.log, "--at", "end")] == [2]
        assert [size // MIB for size in big(run.log, "--at", "exit")] == [2]


MARKS = """
import ctypes
mark = ctypes.CDLL(None).pymemtrace_mark
a = bytearray(1 << 22); mark(b'one'); del a; b = bytearray(1 << 23); mark(b'two')
del b; mark(b'one')
"""


def test_marks(tracer: Tracer, a_python: Python) -> None:
    run = trace(tracer, a_python, MARKS)
    assert [size >> 20 for size in big(run.log, "--at", "mark:one")] == [4]
    assert [size >> 20 for size in big(run.log, "--at", "mark:two")] == [8]
    assert "live at the mark 'two', " in tool("top", "--at", "mark:two", run.log.path).out.decode()
    refused = tool("top", "--at", "mark:three", run.log.path, status=1)
    assert "no mark 'three' in " in refused.err.decode() and refused.out == b""


# The heap's peak comes first, then a mapping is filled, and one is reserved only.
MAPPED = """
import mmap
heap = bytearray(30 << 20); del heap
pool = mmap.mmap(-1, 90 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
idle = mmap.mmap(-1, 500 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)  # MAP_NORESERVE
for i in range(0, 90 << 20, 4096): pool[i] = 1
small = bytearray(1 << 20)
import time; time.sleep(0.3)
"""


def test_the_peak_is_of_heap_and_mappings(tracer: Tracer, a_python: Python) -> None:
    run = trace(tracer, a_python, MAPPED, TRACE="malloc,mmap,rss")
    at_peak = big_rows(run.log)
    # In full, or as far as it was resident by an account and by the growth since.
    assert any(88 << 20 <= size < 91 << 20 for size in at_peak), at_peak
    assert max(at_peak) < 100 << 20, "what is reserved does not count"
    assert not any(30 << 20 <= size < 31 << 20 for size in at_peak)
    text = tool("top", "--at", "rss-peak", run.log.path).out.decode()
    assert "live at the peak of the resident set, " in text
    assert "note: mappings count as far as they were resident " in text
    # The last account may be older on a busy machine: then what the resident set grew by tells.
    mapped = sum(r["bytes"] for r in run.log.top("--mappings", "--at", "rss-peak"))
    assert 76 << 20 < mapped < 92 << 20


def big_rows(log: Log) -> list[int]:
    rows = json.loads(tool("top", "--json", "--by", "stack", "-n", "1000", log.path).out)["rows"]
    return [row["bytes"] for row in rows]


def test_200_logs(tracer: Tracer, a_python: Python, tmp_path: Path) -> None:
    """Memory does not grow with the number of logs."""
    run = trace(tracer, a_python, "b = bytearray(10_000_000)")
    folder = tmp_path / "many"
    folder.mkdir()
    used = []
    for count in (2, 200):
        for number in range(count):
            path = folder / f"{number}.pmt"
            if not path.exists():
                path.symlink_to(run.log.path)
        code = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
            "stdout=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        argv = ["python3", "-c", code, str(TOOL), "top", str(folder)]
        done = subprocess.run(argv, env=clean_env(), capture_output=True, text=True, check=True)
        used.append(int(done.stdout))
    assert used[1] < used[0] + 20_000, used
