# SPDX-License-Identifier: MIT
"""`calls` and the classic layouts on logs of programs that know how much memory they touch."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List

import pytest

from harness import TARGETS, Log, Once, Python, Run, Tracer, need, tool

SCRIPT = TARGETS / "growth.py"
MIB = 1 << 20

# MiB that each function grows, itself and with what it calls, and how often it is called.
GROWN = {
    "grow": (40, 40, 4),
    "outer": (12, 36, 1),
    "recursive": (0, 10, 31),
    "numbers": (20, 20, 1),
    "failing": (0, 6, 1),
    "shrink": (0, 0, 1),
}


def trace(once: Once, python: Python, words: str) -> Run:
    options = {"TRACE": words, "RSS": "exact"}

    def make(tracer: Tracer) -> Run:
        return tracer.python(python, SCRIPT.name, options=options)

    run = once.run((python, SCRIPT.name, options), make)
    need(run.log.stats["python_events"], "this tracer makes no events of the interpreter")
    return run


def functions(log: Log, *options: str) -> Dict[str, Dict[str, Any]]:
    told = json.loads(tool("calls", "--json", "-n", "100000", *options, log.path).out)
    rows: List[Dict[str, Any]] = told["functions"]
    return {row["function"]: row for row in rows if row["file"] == str(SCRIPT)}


@pytest.mark.interpreters("3.12")
@pytest.mark.parametrize("words", ["calls", "profile", "trace"])
def test_growth_is_found(once: Once, python: Python, words: str) -> None:
    rows = functions(trace(once, python, words).log)
    for name, (own, whole, calls) in GROWN.items():
        row = rows[name]
        if words != "profile":  # there the C function that maps may have a row of its own
            assert own * MIB <= row["exclusive"]["grown_bytes"] < (own + 1) * MIB, name
        assert whole * MIB <= row["inclusive"]["grown_bytes"] < (whole + 1) * MIB, name
        assert row["calls"] == calls, name
    assert rows["shrink"]["inclusive"]["shrunk_bytes"] > 23 * MIB
    assert rows["outer"]["inclusive"]["shrunk_bytes"] > 23 * MIB
    assert rows["main"]["calls"] == 1


@pytest.mark.interpreters("3.12")
def test_parts_are_the_whole(once: Once, python: Python) -> None:
    """On real logs, too, all exclusive growth is the difference of the resident set."""
    log = trace(once, python, "profile").log
    told = json.loads(tool("calls", "--json", "-n", "100000", log.path).out)
    [process] = told["processes"]
    moved = process["last_rss_bytes"] - process["first_rss_bytes"]
    own = [row["exclusive"] for row in told["functions"]]
    assert sum(o["grown_bytes"] - o["shrunk_bytes"] for o in own) == moved
    assert process["events"] == log.stats["python_events"]["count"]


def numbers_of(lines: List[str]) -> List[int]:
    return [int(line.split()[1]) for line in lines]


@pytest.mark.interpreters("3.12")
def test_classic_numbers(once: Once, python: Python) -> None:
    """Every event has a line, under the next number; LAST is how many there are."""
    log = trace(once, python, "profile").log
    lines = tool("text", "--style=classic", "--kind=profile", log.path).text.splitlines()
    labels = [line.split(":")[0] for line in lines]
    assert labels[:3] == ["SOF", "HDR", "FRST"] and labels[-2:] == ["LAST", "EOF"]
    assert set(labels[3:-2]) == {"NEXT"}
    count = log.stats["python_events"]["count"]
    assert numbers_of(lines[2:-1]) == list(range(count + 1))
    for line in lines[2:-1]:
        assert re.match(r"\w{4}: \d+ +\+\d+ +\d+\.\d{6} +(C_)?(CALL|RETURN|EXCEPT) ", line)


@pytest.mark.interpreters("3.12")
@pytest.mark.parametrize("kind", ["profile", "trace"])
def test_classic_trigger_of_the_tracer(tracer: Tracer, python: Python, kind: str) -> None:
    """What the tracer left out has numbers, and PREV is the one before NEXT."""
    options = {"TRACE": kind, "RSS": "exact", "RSS_TRIGGER": 4 * MIB}
    log = tracer.python(python, SCRIPT.name, options=options).log
    need(log.stats["python_events"], "this tracer makes no events of the interpreter")
    lines = tool("text", "--style=classic", f"--kind={kind}", log.path).text.splitlines()[2:-1]
    assert [lines[0][:4], lines[-1][:4]] == ["FRST", "LAST"]
    pairs = [(a, b) for a, b in zip(lines, lines[1:]) if a.startswith("PREV")]
    assert len(pairs) > 5
    for before, after in pairs:
        assert after.startswith("NEXT")
        assert numbers_of([before, after]) == [int(after.split()[1]) - 1, int(after.split()[1])]
    moved = [abs(int(line.split()[-1])) for line in lines if line.startswith("NEXT")]
    assert min(moved) >= 4 * MIB
    assert numbers_of([lines[-1]])[0] > 10 * len(lines)
