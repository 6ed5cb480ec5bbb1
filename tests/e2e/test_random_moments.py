# SPDX-License-Identifier: MIT
"""What is live at a moment: random programs, with short-lived blocks folded, with a size limit, with both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest
from test_moments import Merged, held

from harness import Event, Log, Run, Tracer, compile_target, tool
from replay import Replay

Amounts = Dict[str, Tuple[int, int]]

WAYS = ("memalign", "aligned_alloc", "reallocarray")
MARKER = 70001
MOMENTS = 20
LIMITS = {1: "260K", 4: "700K", 12: "2M"}  # by the number of threads
BOUND = 256 << 10  # bytes that may be held back, in all and of each row


def trace(
    tracer: Tracer, seed: int, threads: int, program: str = "random.c", **options: Any
) -> Run:
    # Without samples the clock is the coarse one, which the program waits for.
    if options.pop("limited", False):
        options.update(MAX_SIZE=LIMITS[threads], CHUNK_SIZE="32K")
    words = {"NON_PYTHON": "on", "RSS_INTERVAL": 0, **options}
    argv = [compile_target(program), str(seed), str(threads), str(MOMENTS)]
    run = tracer.traced(argv, options=words)
    assert run.outcome.status == 0
    assert len(run.report) == MOMENTS
    return run


class Moments(Replay):
    """What a replay of all events has at each of the program's moments."""

    def __init__(self, log: Log) -> None:
        self.moments: dict[int, Amounts] = {}
        super().__init__(log)

    def _came(self, event: Event, stack_text: str) -> None:
        if event.get("allocator") == "valloc":
            live = self.live_by("allocator")
            self.moments[event["size"] - MARKER] = {name: live.get(name, (0, 0)) for name in WAYS}
        super()._came(event, stack_text)


def times(log: Log) -> dict[int, str]:
    """When the program's moments were, as far as they are in the log."""
    markers = log.of("alloc", allocator="valloc")
    return {
        e["size"] - MARKER: f"{e['time_s'] + 1e-6:.6f}"
        for e in markers
        if not e.get("before_window")
    }


def at(logs: Log | Path, when: str) -> Amounts:
    """What `top` says was live at that moment, by the program's ways to allocate."""
    rows = rows_of(logs, "--heap", "--by", "allocator", "--at", when)
    found = {name: (0, 0) for name in WAYS}
    for row in rows:
        if row["allocator"] in WAYS:
            found[row["allocator"]] = row["count"], row["bytes"]
    maps = rows_of(logs, "--mappings", "--by", "allocator", "--at", when)
    found["mmap"] = sum(r["count"] for r in maps), sum(r["bytes"] for r in maps)
    return found


def rows_of(logs: Log | Path, *options: str) -> list[dict[str, Any]]:
    """Rows of `top` of a log, or of all logs of a folder."""
    path = logs.path if isinstance(logs, Log) else logs
    rows = json.loads(tool("top", "--json", "-n", "1000000", *options, path).out)["rows"]
    assert isinstance(rows, list)
    return rows


def told(run: Run, moment: int) -> Amounts:
    """What the program itself says."""
    return {name: tuple(run.report[moment][name]) for name in (*WAYS, "mmap")}


def check_bound(got: Amounts, expected: Amounts, processes: int = 1) -> None:
    """No row and no sum lacks more than what may be held back, and nothing has too much."""
    lacking = [expected[name][1] - got[name][1] for name in WAYS]
    assert all(0 <= size <= BOUND * processes for size in lacking), (got, expected)
    assert sum(lacking) <= BOUND * processes
    assert got["mmap"] == expected["mmap"]


def moments_of(run: Run, limited: bool) -> dict[int, str]:
    found = times(run.log)
    if not limited:
        assert sorted(found) == list(range(MOMENTS))
        return found
    assert run.log.stats["dropped"]["live_known"] and not run.log.stats["dropped"]["live_missing"]
    assert 2 <= len(found) < MOMENTS
    assert sorted(found) == list(range(MOMENTS - len(found), MOMENTS))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 4])
def test_replay_agrees(tracer: Tracer, seed: int, threads: int) -> None:
    """The program, an independent replay of all events, and the reports say the same."""
    run = trace(tracer, seed, threads)
    replayed = Moments(run.log).moments
    for moment, when in moments_of(run, False).items():
        expected = told(run, moment)
        assert {**replayed[moment], "mmap": expected["mmap"]} == expected
        assert at(run.log, when) == expected


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 4, 12])
@pytest.mark.parametrize("limited", [False, True])
def test_folded(tracer: Tracer, seed: int, threads: int, limited: bool) -> None:
    run = trace(tracer, seed, threads, FOLD="on", limited=limited)
    for moment, when in moments_of(run, limited).items():
        check_bound(at(run.log, when), told(run, moment))
    assert at(run.log, "end") == told(run, MOMENTS - 1)
    assert 0 < run.log.stats["peak_heap_short_lived_bytes"] <= BOUND


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 4, 12])
def test_limited(tracer: Tracer, seed: int, threads: int) -> None:
    run = trace(tracer, seed, threads, limited=True)
    inside = moments_of(run, True)
    for moment, when in inside.items():
        assert at(run.log, when) == told(run, moment)
    assert at(run.log, "end") == told(run, MOMENTS - 1)
    frees = run.log.stats["frees"]
    assert frees["unmatched"] == frees["replaced"] == frees["dropped"] == 0


def test_before_the_window(tracer: Tracer) -> None:
    """Nothing is said of a moment of which nothing is known."""
    log = trace(tracer, 1, 1, limited=True).log
    begin = log.stats["dropped"]["until_s"]
    outcome = tool("top", "--at", f"{begin / 2:.6f}", log.path, status=1)
    assert outcome.out == b""
    assert f"from {begin:.3f} to {log.stats['duration_s']:.3f} s".encode() in outcome.err
    assert json.loads(tool("top", "--json", "--at", f"{begin + 0.001:.6f}", log.path).out)


# --- families -----------------------------------------------------------------------------------


def first_of(run: Run) -> Log:
    [first] = [log for log in run.logs if "forked" not in log.header["flags"]]
    return first


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("fold", ["off", "on"])
def test_a_family(tracer: Tracer, seed: int, fold: str, limited: bool) -> None:
    """Processes that fork at random, each with threads: all their logs together, at each moment."""
    run = trace(tracer, seed, 4, "random_family.c", FOLD=fold, limited=limited)
    assert len(run.logs) > 5
    folder = run.logs[0].path.parent
    first = first_of(run)
    answered = 0
    for moment, when in times(first).items():
        expected = told(run, moment)
        outcome = tool("top", "--at", when, folder, status=None)
        if limited and outcome.status == 1:
            assert b"it reached its size limit" in outcome.err
            continue
        alive = run.report[moment]["alive"]
        assert f"{len(run.logs)} processes, {alive} of them alive then".encode() in outcome.out
        answered += 1
        if fold == "off":
            assert at(folder, when) == expected
        else:
            check_bound(at(folder, when), expected, alive)
    assert answered == MOMENTS if not limited else answered >= 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_peak_of_a_family(tracer: Tracer, seed: int) -> None:
    """That of all logs merged by time, in which every process counts while it lives."""
    run = trace(tracer, seed, 4, "random_family.c", TRACE="malloc")  # the heap alone
    folder = run.logs[0].path.parent
    merged = Merged(run.logs)
    assert held(folder) == merged.peak
    length = (max(t for t, _ in merged.states) - merged.start_ns) / 1e9
    for part in range(1, MOMENTS):
        moment = round(part * length / MOMENTS, 6)
        assert held(folder, "--at", f"{moment:.6f}") == merged.at(moment), moment
