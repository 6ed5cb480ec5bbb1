# SPDX-License-Identifier: MIT
"""The size limit: the newest events stay, and what was dropped is in the totals."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from harness import (
    EVERYTHING,
    LIBRARY,
    Log,
    Python,
    Tracer,
    clean_env,
    compile_target,
    same_addresses,
    tool,
)
from replay import events_with_stack_text, frames_of

pytestmark = pytest.mark.slow

ALLOCATORS = ("memalign", "aligned_alloc", "reallocarray")
QUIET = [40001 + i for i in range(5)]  # sizes of flight.c
LAST = [50001 + i for i in range(100)]
CHUNK = 65536
MIB = 1 << 20
SAID = b"pymemtrace: size limit reached, older events are dropped from now on: "
FOLDS = pytest.mark.parametrize("fold", ["off", "on"])


def flight(tracer: Tracer, *args: Any, **options: Any) -> tuple[Log, bytes]:
    options = {"NON_PYTHON": "on", **options}
    run = tracer.traced([compile_target("flight.c"), *map(str, args)], options=options)
    assert run.outcome.status == 0
    return run.log, run.outcome.err


def counts(path: Path) -> dict[str, Any]:
    """What the program counted by itself."""
    by: dict[str, Any] = {name: {"count": 0, "bytes": 0} for name in ALLOCATORS}
    frees = 0
    for numbers in struct.iter_unpack("8Q", path.read_bytes()):
        for i, name in enumerate(ALLOCATORS):
            by[name]["count"] += numbers[i]
            by[name]["bytes"] += numbers[3 + i]
        frees += numbers[6]
    return {"by": by, "frees": frees}


def check_totals(log: Log, told: dict[str, Any], slack: int = 0) -> None:
    stats = log.stats
    for name in ALLOCATORS:
        got = stats["by_allocator"].get(name, {"count": 0, "bytes": 0})
        if not slack:
            assert got == told["by"][name]
        assert abs(got["count"] - told["by"][name]["count"]) <= slack
        assert abs(got["bytes"] - told["by"][name]["bytes"]) <= slack * 2048
    # pthread_create() and other libraries of the C library free a little, too.
    assert -slack <= stats["frees"]["count"] - told["frees"] <= slack + 100
    assert stats["frees"]["unmatched"] == stats["lost_records"] == 0
    # The record of a realloc comes after the old address may have been handed out again.
    assert stats["frees"]["replaced"] <= slack
    assert not any(stats["damage"].values())


@FOLDS
@pytest.mark.parametrize("limit", [1, 4])
@pytest.mark.parametrize("threads", [1, 3])
def test_totals(tracer: Tracer, tmp_path: Path, fold: str, limit: int, threads: int) -> None:
    told = tmp_path / "counters"
    log, err = flight(tracer, threads, 900_000 // threads, told, FOLD=fold, MAX_SIZE=f"{limit}M")
    assert log.path.stat().st_size <= limit * MIB
    assert err.startswith(SAID) and err.count(b"\n") == 1
    check_totals(log, counts(told))
    stats = log.stats
    assert stats["complete"] and stats["state"] == "closed"
    assert stats["dropped"]["events"] > 1000
    # The newest blocks are all there, and live with those of the quiet thread; its events, too.
    assert [e["size"] for e in log.of("alloc", thread=1) if e["size"] > 50_000] == LAST
    assert [e["size"] for e in log.of("alloc", thread=2)] == QUIET
    [kept] = [
        r for r in log.top("--by", "allocator", "--at", "exit") if r["allocator"] == "memalign"
    ]
    assert (kept["count"], kept["bytes"]) == (len(LAST + QUIET), sum(LAST + QUIET))
    assert stats["frees"]["dropped"] == 0


def test_same_as_without_limit(tracer: Tracer) -> None:
    """All sums are those of a log that has everything."""
    # Samples of the resident set depend on time: none but those of the beginning and the end.
    plain, _ = flight(tracer, 1, 200_000, RSS_INTERVAL=0)
    limited, _ = flight(tracer, 1, 200_000, RSS_INTERVAL=0, MAX_SIZE="2M")
    assert plain.stats["dropped"] is None
    for key in ("allocations", "by_allocator", "threads", "folded"):
        assert limited.stats[key] == plain.stats[key]
    assert limited.stats["frees"]["count"] == plain.stats["frees"]["count"]
    assert abs(limited.stats["events"] - plain.stats["events"]) < 100


@FOLDS
@pytest.mark.parametrize("limit", ["1", "64K", "600K", "1M"])
def test_small_limit(tracer: Tracer, tmp_path: Path, fold: str, limit: str) -> None:
    """Each thread that writes has a chunk, and one of short-lived blocks, whatever the limit."""
    for threads in (1, 40):
        told = tmp_path / f"counters{threads}"
        log, _ = flight(tracer, threads, 30_000, told, FOLD=fold, MAX_SIZE=limit)
        check_totals(log, counts(told))
        chunks = 2 * (threads + 4)
        assert log.path.stat().st_size <= MIB + chunks * CHUNK
        assert [e["size"] for e in log.of("alloc", thread=1) if e["size"] > 50_000][-1] == LAST[-1]


def test_not_reached(tracer: Tracer, tmp_path: Path) -> None:
    log, err = flight(tracer, 1, 1000, tmp_path / "counters", MAX_SIZE="1G")
    assert err == b""
    assert log.stats["dropped"] is None and "recycled" not in log.header["flags"]
    check_totals(log, counts(tmp_path / "counters"))


@pytest.mark.slow
@FOLDS
@pytest.mark.parametrize("threads", [1, 3])
def test_killed(tmp_path: Path, fold: str, threads: int) -> None:
    """At any moment the totals and the log together have everything, once."""
    program = compile_target("flight.c")
    for number in range(30):
        path, told = tmp_path / f"{number}.pmt", tmp_path / f"{number}.counters"
        words = [f"LD_PRELOAD={LIBRARY}", f"PYMEMTRACE_OUTPUT={path}", "PYMEMTRACE_NON_PYTHON=on"]
        words += ["PYMEMTRACE_MAX_SIZE=600K", f"PYMEMTRACE_FOLD={fold}"]
        with subprocess.Popen(
            ["/usr/bin/env", *words, program, str(threads), "0", told],
            env=clean_env(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as child:
            assert child.stderr
            assert child.stderr.readline().startswith(SAID)
            time.sleep(0.0037 * number)
            os.kill(child.pid, signal.SIGKILL)
        log = Log(path)
        assert log.stats["dropped"]["events"] > 1000
        # Each thread may have been between a call and its count, two when it was a realloc.
        check_totals(log, counts(told), slack=2 * threads)
        path.unlink()


PROGRAM = """
import os, sys
def keep(n): return [bytearray(100 + i % 50) for i in range(n)]
def drop(n):
    for i in range(n):
        bytearray(700)
for turn in range(int(sys.argv[2])):
    kept = keep(5000)
    drop(5000)
if sys.argv[1] == "fork":
    child = os.fork()
    if child == 0:
        for turn in range(20):
            kept = keep(5000)
        os._exit(0)
    os.waitpid(child, 0)
last = [bytearray(70001 + i) for i in range(50)]
"""


# Of PROGRAM, with and without folding: more events than the limit has room for, by tens of thousands.
TURNS = {"off": "6", "on": "14"}


def by_site(log: Log) -> dict[Any, list[int]]:
    """Allocations and their bytes, by stack and allocator, from events and totals."""
    sums: dict[Any, list[int]] = {}

    for event, stack in events_with_stack_text(log, "totals", "alloc", "realloc", "folded"):
        # Functions of the program only; not what the interpreter does at its start and end.
        if '"file":"<string>"' not in stack:
            continue
        total = sums.setdefault((event.get("allocator") or event["reallocator"], stack), [0, 0])
        if event["event"] == "totals":
            total[0] += event["count"]
            total[1] += event["bytes"]
        elif event["event"] == "folded":
            total[0] += sum(event[k] for k in ("count0", "count1", "count"))
            total[1] += sum(event[k] for k in ("bytes0", "bytes1", "bytes"))
        else:
            total[0] += 1
            total[1] += event["size"]
    return sums


@pytest.mark.interpreters()
@pytest.mark.slow
@FOLDS
def test_python(tracer: Tracer, python: Python, fold: str) -> None:
    """Sums by allocator and stack are those of a run without a limit."""
    sites = []
    for limit in ("0", "1M"):
        options = {"FOLD": fold, "MAX_SIZE": limit, "TRACE": "malloc,pymem"}
        run = tracer.python_argv(
            python,
            ["-S", "-c", PROGRAM, "", TURNS[fold]],
            options=options,
            traced_only=True,
            preexec=same_addresses,
        )
        sites.append(by_site(run.log))
        made = events_with_stack_text(run.log, "alloc")
        last = [(e, stack) for e, stack in made if e["size"] > 70_000][-50:]
        assert [e["size"] // 1000 for e, _ in last] == [70] * 50
        assert all(frames_of(stack)[-1]["function"] == "<module>" for _, stack in last)
    assert run.log.stats["dropped"]["events"] > 20_000
    # What is live stays in the log, by 32 bytes a block in a table that is at least half full.
    assert run.log.path.stat().st_size < 2 * MIB + 64 * run.log.stats["peak_heap_count"]
    assert len(sites[0]) > 3
    assert sites[0] == sites[1]


def test_forked_child(tracer: Tracer, a_python: Python) -> None:
    """A child has a limit and totals of its own."""
    options = {**EVERYTHING, "FOLD": "off", "MAX_SIZE": "1M"}
    run = tracer.python_argv(
        a_python, ["-S", "-c", PROGRAM, "fork", "20"], options=options, traced_only=True
    )
    assert run.outcome.status == 0 and len(run.logs) == 2
    for log in run.logs:
        assert log.stats["dropped"]["events"] > 20_000
        assert log.stats["frees"]["unmatched"] == 0
        assert log.path.stat().st_size <= 2 * MIB
    child = next(log for log in run.logs if "forked" in log.header["flags"])
    assert 200_000 <= child.stats["allocations"]["count"] < 500_000


def test_compressed(tracer: Tracer, tmp_path: Path) -> None:
    log, _ = flight(tracer, 2, 100_000, tmp_path / "counters", MAX_SIZE="1M")
    before = log.path.read_bytes()
    tool("compress", log.path)
    packed = Log(log.path.with_name(log.path.name + ".zst"))
    assert packed.stats["dropped"]["events"] > 10_000
    check_totals(packed, counts(tmp_path / "counters"))
    log.path.unlink(missing_ok=True)
    tool("decompress", packed.path)
    assert log.path.read_bytes() == before


def test_reports_say_so(tracer: Tracer, tmp_path: Path) -> None:
    log, _ = flight(tracer, 1, 100_000, MAX_SIZE="1M")
    assert re.search(r"events up to \d+\.\d", tool("stats", log.path).text)
    for command in (["stats"], ["top"], ["top", "--temporary"]):
        assert "note: the log reached its size limit" in tool(*command, log.path).text
    assert "\n# dropped: " in tool("text", log.path).text
    assert log.header["dropped"]["events"] == log.stats["dropped"]["events"]
    assert "recycled" in log.header["flags"]
    tool("gnuplot", "-o", tmp_path, log.path)
    [data] = tmp_path.glob("*.dat")
    assert "size limit" in data.read_text().splitlines()[1]
