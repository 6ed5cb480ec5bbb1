# SPDX-License-Identifier: MIT
"""Blocks that other threads hold back when a program asks for a moment: they count, too."""

from __future__ import annotations

from typing import Dict, Tuple

import pytest

from harness import TARGETS, Log, Python, Run, Tracer, marks, tool

FOLDED = {"TRACE": "malloc,mmap,pymem,rss", "FOLD": "on"}
THREADS, OBJECTS, BUFFERS, BUFFER = 6, 70, 15, 1_721


@pytest.mark.parametrize("moment", ("end", "snapshot"))
@pytest.mark.parametrize("how", ("waiting", "ended", "busy"))
def test_a_census_counts_what_other_threads_hold(
    tracer: Tracer, python: Python, how: str, moment: str
) -> None:
    run = tracer.python(python, "held_back.py", how, moment, options=FOLDED)
    which = {"end": "end", "snapshot": "now"}[moment]
    rows = {r["type"]: r for r in run.log.top("--by", "type", "--census", which)}
    counts = {name: rows["__main__." + name]["count"] for name in ("Kept", "Buffer")}
    assert counts == {"Kept": THREADS * OBJECTS, "Buffer": THREADS * BUFFERS}
    # A subclass of bytes: its words, and the bytes that were asked for.
    assert rows["__main__.Buffer"]["bytes"] > THREADS * BUFFERS * BUFFER
    dropped = rows.get("__main__.Dropped", {"count": 0})["count"]
    assert dropped == (0 if how == "ended" else THREADS * OBJECTS)
    assert "<not looked at>" not in rows
    assert b"missing" not in tool("top", "--by", "type", "--census", which, run.log.path).err


def rows_of(run: Run, moment: str) -> dict[str, int]:
    """How many blocks of a line of the threads' function live at a moment; by the line's source."""
    source = (TARGETS / "held_back.py").read_text(encoding="utf-8").splitlines()
    counts: dict[str, int] = {}
    for row in run.log.top("--at", moment):
        if str(row["file"]).endswith("held_back.py") and row["line"]:
            line = source[row["line"] - 1].strip()
            counts[line] = counts.get(line, 0) + row["count"]
    return counts


@pytest.mark.interpreters("3.12")
@pytest.mark.parametrize("moment", ("mark:now", "end"))
@pytest.mark.parametrize("how", ("waiting", "ended", "busy"))
def test_a_report_counts_what_other_threads_hold(
    tracer: Tracer, python: Python, how: str, moment: str
) -> None:
    """At a mark, and when the program's own code has ended: blocks of other threads are there."""
    run = tracer.python(python, "held_back.py", how, moment.split(":")[0], options=FOLDED)
    held = rows_of(run, moment)
    kept = next(n for line, n in held.items() if line.startswith("mine = "))
    buffers = next(n for line, n in held.items() if line.startswith("mine += "))
    # An object a block, besides a few lists.
    assert THREADS * OBJECTS <= kept < THREADS * (OBJECTS + 5)
    assert THREADS * BUFFERS <= buffers < THREADS * (BUFFERS + 5)
    dropped = next((n for line, n in held.items() if line.startswith("dropped = ")), 0)
    if how == "ended":
        assert dropped < THREADS * 5
    else:
        assert THREADS * OBJECTS <= dropped < THREADS * (OBJECTS + 5)
    text = tool("top", "--at", moment, run.log.path).out.decode()
    assert "more were in short-lived blocks" not in text


def made_by_threads(log: Log, *options: str) -> Dict[str, Tuple[int, int]]:
    """Blocks and bytes of the lines in which the threads make their objects and buffers."""
    names = {line: name for name, line in marks("held_back.py").items()}
    found = {name: (0, 0) for name in names.values()}
    for row in log.top(*options):
        if row["file"].endswith("held_back.py") and row["line"] in names:
            count, size = found[names[row["line"]]]
            found[names[row["line"]]] = count + row["count"], size + row["bytes"]
    return found


@pytest.mark.interpreters("3.12")
@pytest.mark.parametrize("moment", ("mark:now", "end"))
@pytest.mark.parametrize("how", ("waiting", "ended", "busy"))
def test_a_report_says_the_same_as_of_a_log_with_all_events(
    tracer: Tracer, python: Python, how: str, moment: str
) -> None:
    answers = []
    for fold in ("off", "on"):
        options = {**FOLDED, "FOLD": fold}
        run = tracer.python(python, "held_back.py", how, moment.split(":")[0], options=options)
        answers.append(made_by_threads(run.log, "--at", moment))
    assert answers[1] == answers[0]


def test_statistics_of_the_end_have_what_other_threads_hold(tracer: Tracer, python: Python) -> None:
    """The blocks that `stats` has at the end are those of `top`."""
    log = tracer.python(python, "held_back.py", "waiting", "return", options=FOLDED).log
    rows = log.top("--at", "end")
    live = log.stats["live_at_end"]
    assert live["bytes"] == sum(row["bytes"] for row in rows)
    assert live["count"] == sum(row["count"] for row in rows)
    assert made_by_threads(log, "--at", "end")["Kept"][0] >= THREADS * OBJECTS


def buffers(tracer: Tracer, python: Python, moment: str) -> int:
    """How many buffers that a thread dropped soon after the moment have a record of their birth."""
    run = tracer.python(python, "held_back.py", "spinning", moment, options=FOLDED)
    births = [e for e in run.log.of("alloc") if BUFFER < e["size"] < BUFFER + 100]
    by_thread = [e for e in births if e["thread"] != 1]
    sizes = [e["size"] for e in by_thread]
    return sum(size > BUFFER + 40 for size in sizes)  # not those that were copied


@pytest.mark.interpreters("3.13")
def test_a_mark_keeps_the_records_of_what_a_thread_holds(tracer: Tracer, python: Python) -> None:
    assert buffers(tracer, python, "none") < BUFFERS  # else this shows nothing
    assert buffers(tracer, python, "mark") == BUFFERS
