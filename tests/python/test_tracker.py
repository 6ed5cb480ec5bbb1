# SPDX-License-Identifier: MIT
"""The module pymemtrace.tracker, in processes of their own: loaded late, and preloaded."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any, List

import pymemtrace
import pytest

from installed import execute

HEAD = """
import sys, threading
from pymemtrace import tracker

def step(i):
    return bytes(1000 + i)

def work(n):
    return [step(i) for i in range(n)]

def refused(kind, function, *args, **keywords):
    try:
        function(*args, **keywords)
    except kind as e:
        print(type(e).__name__, e)
    else:
        raise AssertionError("not refused")
"""


def run(tmp_path: Path, body: str, **env: str) -> List[str]:
    script = tmp_path / "program.py"
    script.write_text(HEAD + body)
    done = execute([sys.executable, script], env=env, cwd=tmp_path)
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


def dormant() -> dict[str, str]:
    return {"LD_PRELOAD": pymemtrace.library_path(), "PYMEMTRACE_START": "off"}


def calls(path: Any) -> Counter[str]:
    return Counter(
        e["function"]
        for e in pymemtrace.read(path).events()
        if e["event"] == "pyevent" and e["what"] == "call"
    )


@pytest.mark.parametrize("preloaded", [False, True])
def test_start_and_stop(tmp_path: Path, preloaded: bool) -> None:
    out = run(
        tmp_path,
        """
work(1)
print(tracker.is_active(), tracker.log_path())
path = tracker.start(output="one.pmt", trace=["calls", "pymem"], fold=False)
print(path, tracker.is_active(), tracker.log_path() == path)
held = work(5)
tracker.mark("here: \\u00fc")
print(tracker.snapshot("middle"))
tracker.suspend()
print(tracker.is_active())
work(50)
tracker.resume()
work(2)
print(tracker.stop() == path, tracker.is_active())
work(3)
tracker.start(output="two.pmt", trace="calls,lines")
work(4)
tracker.stop()
""",
        **(dormant() if preloaded else {}),
    )
    one, two = tmp_path / "one.pmt", tmp_path / "two.pmt"
    assert out == ["False None", f"{one} True True", "True", "False", "True False"]
    assert calls(one)["step"] == 7
    assert calls(two)["step"] == 4
    events = list(pymemtrace.read(one).events())
    assert [e["text"] for e in events if e["event"] == "mark"] == ["here: ü", "middle"]
    files = {e["file"] for e in events if e["event"] == "pyevent"}
    assert not any(f.endswith(("tracker.py", "_library.py")) for f in files)
    rows = pymemtrace.read(one).top(by="type", census="middle")
    assert any(row["type"] == "bytes" and row["count"] >= 5 for row in rows), rows


def test_context_and_decorator(tmp_path: Path) -> None:
    out = run(
        tmp_path,
        """
with tracker.tracing(output="block.pmt", trace="calls"):
    work(3)
    with tracker.suspended():
        work(10)
print(tracker.is_active())
try:
    with tracker.tracing(output="error.pmt", trace="calls"):
        work(2)
        raise KeyError("own")
except KeyError as e:
    print(e)

@tracker.tracing(output="call.pmt", trace="calls")
def job(n):
    '''text'''
    return len(work(n))

print(job(2), job(3), job.__name__, job.__doc__, tracker.is_active())
with tracker.suspended():
    pass
""",
    )
    assert out == ["False", "'own'", "2 3 job text False"]
    assert calls(tmp_path / "block.pmt")["step"] == 3
    assert calls(tmp_path / "error.pmt")["step"] == 2
    assert sorted(calls(p)["step"] for p in tmp_path.glob("call*.pmt")) == [2, 3]


def test_refusals(tmp_path: Path) -> None:
    out = run(
        tmp_path,
        """
refused(tracker.TrackerError, tracker.stop)
refused(tracker.TrackerError, tracker.mark, "x")
refused(ValueError, tracker.mark, "x" * 5000)
refused(ValueError, tracker.mark, "a\\0b")
refused(ValueError, tracker.start, nothing=1)
refused(ValueError, tracker.start, trace="nothing")
refused(ValueError, tracker.start, trace="malloc")
refused(tracker.TrackerError, tracker.start, output="/nowhere/at/all.pmt", verbosity=0)
tracker.start(output="open.pmt", trace="calls")
refused(tracker.TrackerError, tracker.start)
""",
    )
    assert len(out) == 9
    assert "there is no option NOTHING" in out[4]
    assert "LD_PRELOAD" in out[6]
    assert out[8] == "TrackerError this process is traced already"
    assert pymemtrace.read(tmp_path / "open.pmt").statistics()["complete"]


def test_threads(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
stop = threading.Event()
steps = [0, 0, 0]
def other(number):
    while not stop.wait(0.0002):
        step(1)
        steps[number] += 1
threads = [threading.Thread(target=other, args=(i,)) for i in range(3)]
for t in threads: t.start()
for i in range(5):
    with tracker.tracing(output="t%d.pmt" % i, trace="calls,pymem,rss"):
        work(20)
        before = list(steps)
        # Of two steps of a thread that end in here the second one is all in here.
        while any(now < was + 2 for now, was in zip(steps, before)):
            stop.wait(0.001)
stop.set()
for t in threads: t.join()
""",
    )
    for i in range(5):
        log = pymemtrace.read(tmp_path / f"t{i}.pmt")
        assert log.statistics()["complete"]
        threads = {e["thread"] for e in log.events() if e["event"] == "pyevent"}
        assert len(threads) == 4
