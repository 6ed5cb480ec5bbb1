# SPDX-License-Identifier: MIT
"""Much of everything at once: stress.py. What the log and the reports say is checked by a replay.

The replay is a second implementation: it reads the events that `pymemtrace json` prints, keeps what
is live, and adds up by itself. `stats` and `top` must come to the same result.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import pytest

from harness import EVERYTHING, TARGETS, Log, Python, Tracer, same_addresses
from replay import Amounts, Replay, frames_of

# Options of the tracer with which everything here runs. An option that changes how events are
# written, and not what they say, gets an entry for each of its values. Totals are compared between
# neighbours, which must have the same names.
ENVIRONMENTS: tuple[dict[str, str], ...] = ({"FOLD": "off"}, {"FOLD": "yes"})

SHORT = {"STACK_DEPTH": "10"}  # whole stacks of every event would be gigabytes of JSON
PROCESSES = 1 + 3 + 2  # itself, forked, started
ALONE = ("cycles", "generators", "exceptions", "code_objects", "growing")  # parts without threads

environments = pytest.mark.parametrize(
    "environment",
    ENVIRONMENTS,
    ids=[",".join(f"{k}={v}" for k, v in each.items()) or "default" for each in ENVIRONMENTS],
)


def live_by_stack(replay: Replay) -> Amounts:
    """As `top --by stack` shows stacks: those that look alike are one."""
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for text, (count, size) in replay.live_by("stack_text").items():
        name = key(frames_of(text))
        counts[name] += count
        sums[name] += size
    return {name: (counts[name], sums[name]) for name in counts}


def key(stack: list[dict[str, Any]]) -> str:
    return json.dumps([(f["function"], f["file"], f["line"]) for f in stack])


def rows(log: Log, by: str) -> Amounts:
    """What `top --at end` says, by a field of its rows."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in log.top("--at", "exit", "--by", by):
        name = key(row["stack"]) if by == "stack" else str(row[by])
        sums[name][0] += row["count"]
        sums[name][1] += row["bytes"]
    return {name: (count, size) for name, (count, size) in sums.items()}


def heap_totals(log: Log) -> Amounts:
    """Blocks and bytes by allocator, in all, as stats says."""
    return {
        name: (each["count"], each["bytes"])
        for name, each in log.stats["by_allocator"].items()
        if not name.startswith("mmap") and each["count"]
    }


def check(log: Log) -> None:
    """Nothing is lost, and the reports say what the replay says: the sums, and what is live."""
    stats = log.stats
    assert stats["complete"] and stats["lost_records"] == 0, log
    replay = Replay(log)
    assert heap_totals(log) == replay.by_allocator()
    assert stats["allocations"]["count"] == sum(replay.count.values())
    assert stats["frees"]["count"] == replay.frees
    made, freed = sum(replay.count.values()), stats["frees"]
    assert freed["replaced"] == 0, "a block was handed out twice"
    known = freed["count"] - freed["unmatched"] - freed["inherited"]
    assert stats["live_at_exit"]["count"] == made - known
    if replay.folded:  # where a thread frees another's block, order is not in the events' text
        assert freed["unmatched"] == 0
        return
    assert replay.overlaps == 0
    assert stats["peak_heap_bytes"] == replay.peak
    assert stats["live_at_exit"] == {"count": len(replay.live), "bytes": replay.heap}
    assert rows(log, "allocator") == replay.live_by("allocator")
    assert rows(log, "thread") == replay.live_by("thread")
    assert rows(log, "stack") == live_by_stack(replay)


@pytest.mark.interpreters()
@pytest.mark.slow
@environments
def test_stress(tracer: Tracer, python: Python, environment: dict[str, str]) -> None:
    run = tracer.python(python, "stress.py", options={**EVERYTHING, **SHORT, **environment})
    assert run.outcome.status == 7 and run.outcome.out.count(b"\n") == 11
    assert len(run.logs) == PROCESSES
    for log in run.logs:
        check(log)


def totals(tracer: Tracer, python: Python, environment: dict[str, str]) -> Amounts:
    """Totals of a program with one thread, which allocates the same in each of its runs.

    Not so programs that keep numbers made of addresses, as hashes are: these differ in size. So no
    random addresses, and no packages that the installation imports by itself (-S).
    """
    # What stands in the environment is allocated, too: so it is always as long.
    padding = "x" * (100 - sum(map(len, environment.values())))
    argv = ["-S", str(TARGETS / "stress.py"), *ALONE]
    options = {**EVERYTHING, **environment}
    env = {"PMT_PADDING": padding}
    run = tracer.python_argv(python, argv, options=options, env=env, preexec=same_addresses)
    found = heap_totals(run.log)
    found["free"] = (run.log.stats["frees"]["count"], 0)
    assert sum(count for count, _ in found.values()) > 20_000
    return found


def check_same_totals(
    tracer: Tracer, python: Python, one: dict[str, str], other: dict[str, str]
) -> None:
    """Two runs that differ in these options only. Both have the same names, for they take memory."""
    assert one.keys() == other.keys()
    assert totals(tracer, python, one) == totals(tracer, python, other)


def test_totals_are_the_same(tracer: Tracer, python: Python) -> None:
    """In a second run, and in each environment."""
    for one, other in zip(ENVIRONMENTS, (*ENVIRONMENTS[1:], ENVIRONMENTS[-1])):
        check_same_totals(tracer, python, one, other)
