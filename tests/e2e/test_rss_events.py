# SPDX-License-Identifier: MIT
"""The resident set at the interpreter's events is what statm says at the same moment."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any, Dict, List

import pytest

from harness import (
    LIBRARY,
    TARGETS,
    Event,
    Log,
    Python,
    Run,
    Tracer,
    marks,
    need,
    need_program,
    pythons,
    tool,
)

pytestmark = pytest.mark.slow

SCRIPT = TARGETS / "resident_events.py"
MIB = 1 << 20
# Between an event and the look at statm behind it the log may get a few pages, and so may Python.
SLACK = 256 << 10
# PAUSE_MS: modes that see a thread's own changes at once need none; a slice is a millisecond.
MODES = {"faults": "0", "exact": "0", "slice": "3"}


def trace(tracer: Tracer, python: Python, *args: str, **options: Any) -> Run:
    options = {"TRACE": "calls", **options}
    return tracer.python(python, SCRIPT.name, *args, options=options)


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Does this system let page faults be counted?"""
    tracer = Tracer(tmp_path_factory.mktemp("counted"))
    run = trace(tracer, pythons()[0], "lines")
    return bool(run.log.header["rss_at_events"] == "faults")


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest, counted: bool) -> str:
    name = str(request.param)
    need(counted or name != "faults", "page faults cannot be counted here")
    return name


def at_calls(log: Log, function: str) -> List[int]:
    """The resident set at each call of a function of the script."""
    return [
        e.get("rss", 0)
        for e in log.of("pyevent", what="call", function=function)
        if e["file"].endswith(SCRIPT.name)
    ]


def compare(seen: List[int], said: List[Dict[str, Any]]) -> None:
    assert len(seen) == len(said), (len(seen), said)
    wrong = [(s["step"], rss, s["resident"]) for rss, s in zip(seen, said) if not near(rss, s)]
    assert not wrong, wrong


def near(rss: int, said: Dict[str, Any]) -> bool:
    return bool(abs(rss - said["resident"]) <= SLACK)


def check_amounts(said: List[Dict[str, Any]], least: int) -> None:
    """The program did what the names of its steps say, in MiB; else there is nothing to see."""
    checked = 0
    for before, after in zip(said, said[1:]):
        amount = re.search(r" ([+-]\d+)$", after["step"])
        if not amount:
            continue
        step = after["resident"] - before["resident"]
        wanted = int(amount[1]) * MIB
        assert abs(step) >= abs(wanted) * 3 // 4 and step * wanted > 0, (before, after)
        checked += 1
    assert checked >= least, said


@pytest.mark.interpreters("3.12")
def test_steps(tracer: Tracer, python: Python, mode: str) -> None:
    """Mappings, Python's blocks, malloc's: growing and shrinking, one thread."""
    run = trace(tracer, python, "steps", MODES[mode], RSS=mode)
    check_amounts(run.report, 8)
    compare(at_calls(run.log, "marker"), run.report)
    assert run.log.header["rss_at_events"] == mode


def test_steps_with_all_else(tracer: Tracer, a_python: Python, mode: str) -> None:
    """Beside events of memory, and samples: these have their own hooks in the same functions."""
    words = "malloc,mmap,pymem,rss,calls"
    run = trace(tracer, a_python, "steps", MODES[mode], RSS=mode, TRACE=words, FOLD="on")
    compare(at_calls(run.log, "marker"), run.report)


def test_without_sampler(tracer: Tracer, a_python: Python, mode: str) -> None:
    """Nobody ticks: events look at the clock."""
    run = trace(tracer, a_python, "steps", MODES[mode], RSS=mode, RSS_INTERVAL=0)
    compare(at_calls(run.log, "marker"), run.report)


@pytest.mark.interpreters()
def test_four_threads(tracer: Tracer, python: Python, mode: str) -> None:
    """In turns: who does something sees it at once, the others after a while."""
    run = trace(tracer, python, "threads", MODES[mode], RSS=mode)
    for number in range(4):
        said = [s for s in run.report if s["number"] == number]
        assert len(said) == 20
        compare(at_calls(run.log, f"marker{number}"), said)
    first = [s["resident"] for s in run.report if s["step"].startswith("mine")]
    assert max(first) - min(first) > 24 * MIB


def test_forked(tracer: Tracer, a_python: Python, mode: str) -> None:
    run = trace(tracer, a_python, "forked", MODES[mode], RSS=mode)
    pids = {s["pid"] for s in run.report}
    assert len(pids) == 2
    for pid in pids:
        said = [s for s in run.report if s["pid"] == pid]
        log = run.log_of(pid)
        assert log.header["rss_at_events"] == mode
        compare(at_calls(log, "marker"), said)


def test_off(tracer: Tracer, a_python: Python) -> None:
    run = trace(tracer, a_python, "steps", "0", RSS="off")
    assert set(at_calls(run.log, "marker")) == {0}
    assert run.log.header["rss_at_events"] == "off"


def test_auto_is_faults(tracer: Tracer, a_python: Python, counted: bool) -> None:
    """And the header and the statistics say so."""
    need(counted, "page faults cannot be counted here")
    run = trace(tracer, a_python, "steps", "0")
    assert "# rss at events: faults\n" in tool("text", run.log.path).text
    assert run.log.stats["rss_at_events"] == {"mode": "faults", "threads_by_slice": 0}
    assert re.search(r"at events by +faults\n", tool("stats", run.log.path).text)


def test_no_events_no_mode(tracer: Tracer, a_python: Python) -> None:
    run = trace(tracer, a_python, "steps", "0", TRACE="malloc,rss")
    assert "rss at events" not in tool("text", run.log.path).text
    assert run.log.stats["rss_at_events"] is None


def refused(tracer: Tracer, python: Python, error: str, mode: str, inject: str) -> Run:
    strace = need_program("strace")
    command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={inject}"]
    command += ["-e", f"inject={inject}:error={error}"]
    # The library is for the program, not for strace.
    log = tracer.folder / "refused.pmt"
    for key, value in {
        "LD_PRELOAD": LIBRARY,
        "PYMEMTRACE_OUTPUT": log,
        "PYMEMTRACE_TRACE": "calls",
        "PYMEMTRACE_RSS": mode,
        "PMT_REPORT": tracer.folder / "refused.json",
    }.items():
        command += ["-E", f"{key}={value}"]
    run = tracer.untraced([*command, python.path, str(SCRIPT), "steps", "3"])
    lines = (tracer.folder / "refused.json").read_text().splitlines()
    return Run(run.outcome, [Log(log)], [json.loads(line) for line in lines], tracer.folder)


@pytest.mark.parametrize("mode", ["auto", "faults"])
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS", "EACCES"])
def test_refused(tracer: Tracer, a_python: Python, error: str, mode: str) -> None:
    """Containers refuse the counter: slices instead, and a line on stderr if it was asked for."""
    run = refused(tracer, a_python, error, mode, "perf_event_open")
    assert run.outcome.status == 0
    assert run.log.header["rss_at_events"] == "slice"
    said = run.outcome.err.decode()
    if mode == "auto":
        assert said == ""
    else:
        assert said.startswith("pymemtrace: ") and said.count("\n") == 1
    compare(at_calls(run.log, "marker"), run.report)


def memories(log: Log) -> List[Event]:
    """The `memory` event before each line, beside the line."""
    found = []
    before: Dict[int, Event] = {}
    for event in log.of("memory", "line"):
        if event["event"] == "memory":
            before[event["thread"]] = event
        elif event["file"].endswith(SCRIPT.name):
            found.append({**event, "memory": before.pop(event["thread"], None)})
        else:
            before.pop(event["thread"], None)
    return found


@pytest.mark.interpreters("3.12")
def test_uss_at_each_line(tracer: Tracer, python: Python) -> None:
    """At every execution of a line, and it grows as the program does.

    Pages of files that another process had, too, become this one's when that one ends: that can come
    between two of the lines.
    """
    run = trace(tracer, python, "lines", TRACE="lines", LINES="uss")
    lines = memories(run.log)
    assert lines and all(line["memory"] for line in lines)
    at = marks(SCRIPT.name)["grown"]
    grown = [line["memory"] for line in lines if line["line"] == at]
    assert len(grown) == 4
    steps = [next_one["uss"] - one["uss"] for one, next_one in zip(grown, grown[1:])]
    assert abs(statistics.median(steps) - MIB) <= SLACK, steps
    for one, next_one in zip(grown, grown[1:]):
        assert next_one["uss"] >= next_one["anon"]
        assert abs(next_one["anon"] - one["anon"] - MIB) <= SLACK
        assert next_one["peak"] >= next_one["anon"]
    said = run.report[-1]
    assert abs(grown[-1]["anon"] - said["anon"]) <= 4 * SLACK
    assert abs(grown[-1]["uss"] - said["uss"]) <= 4 * SLACK + said["file"]


def test_uss_at_first_line(tracer: Tracer, a_python: Python) -> None:
    """At the first execution of each line, and never again."""
    run = trace(tracer, a_python, "lines", TRACE="lines", LINES="uss-first")
    seen = set()
    again = 0
    for line in memories(run.log):
        place = (line["function"], line["line"])
        assert (line["memory"] is None) == (place in seen), line
        again += place in seen
        seen.add(place)
    assert again > 0


def test_rss_at_each_line(tracer: Tracer, a_python: Python) -> None:
    """Without being asked for, USS is not read."""
    run = trace(tracer, a_python, "lines", TRACE="lines")
    assert run.log.of("line") and not run.log.of("memory")


def test_descriptors(tracer: Tracer, a_python: Python, tmp_path: Path) -> None:
    """The program's numbers are what they are without us; ours are far up."""
    script = tmp_path / "descriptors.py"
    script.write_text(
        "import os, threading\n"
        "def f():\n"
        "    print([os.open('/dev/null', 0) for _ in range(3)])\n"
        "    low = [fd for fd in os.listdir('/proc/self/fd') if int(fd) < 900]\n"
        "    print(sorted(low))\n"
        "f()\n"
        "t = threading.Thread(target=f)\n"
        "t.start()\n"
        "t.join()\n"
    )
    run = tracer.python(a_python, str(script), options={"TRACE": "calls"})
    assert run.outcome.text.count("[") == 4
