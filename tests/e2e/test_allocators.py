# SPDX-License-Identifier: MIT
"""Allocators: each call of the malloc family stands in the log once, as the program made it."""

import json
import re

import pytest

from harness import LIBRARY, TOOL, Log, Tracer, compile_target, execute, need_program, tool
from replay import Replay

SAME_AS_REPORTED = [
    "families",
    "realloc_moves",
    "realloc_stays",
    "realloc_fails",
    "array_moves",
    "zero",
    "free_null",
    "failing",
]


@pytest.mark.parametrize("case", SAME_AS_REPORTED)
def test_calls(tracer: Tracer, case: str) -> None:
    run = tracer.c("heap.c", case)
    assert run.log.calls == run.report


def test_realloc_to_zero_is_a_free(tracer: Tracer) -> None:
    run = tracer.c("heap.c", "realloc_to_zero")
    assert run.log.calls == run.report


def test_sized_free(tracer: Tracer) -> None:
    """free_sized and free_aligned_sized, where the C library or the tracer has them."""
    run = tracer.traced([compile_target("heap.c"), "sized_free"], options={"NON_PYTHON": "on"})
    assert run.outcome.status == 0
    assert run.log.calls == run.report


def test_errno_is_the_program_s(tracer: Tracer) -> None:
    run = tracer.c("heap.c", "keeps_errno")
    assert run.outcome.status == 0, run.outcome.err


@pytest.mark.parametrize("how", ["grow", "reserve"])
def test_vector(tracer: Tracer, how: str) -> None:
    """C++ new and delete: std::vector growth, with and without reserve()."""
    run = tracer.c("vector.cpp", how)
    assert run.log.calls == run.report
    assert len([e for e in run.report if e["event"] == "alloc"]) == (1 if how == "reserve" else 14)


def test_unmatched_free_is_ignored(tracer: Tracer) -> None:
    """A child frees a block that its parent allocated: that is no negative number."""
    run = tracer.c("procs.c", "fork_exit")
    child = run.log_of(next(r["child"] for r in run.report if "child" in r))
    sizes = [e["size"] for e in child.of("alloc", allocator="memalign")]
    assert sizes == [50002] * 100
    rows = [r for r in child.top("--at", "exit") if r["bytes"]]
    assert all(r["bytes"] > 0 and r["count"] > 0 for r in rows)


def test_counts_by_the_program(tracer: Tracer) -> None:
    """20,000 blocks, counted by the target: sums, and what is live at the end."""
    log = tracer.c("heap.c", "counted").log
    counted = tracer.c("heap.c", "counted").report[-1]
    allocs = [e for e in log.own if e["event"] == "alloc"]
    assert len(allocs) + 2 == counted["allocs"]
    assert sum(e["size"] for e in allocs) + 1234 + 4321 == counted["bytes"]
    assert len([e for e in log.own if e["event"] == "free"]) == counted["frees"]


def test_stats_equal_the_program_s_count(tracer: Tracer) -> None:
    """The statistics of a program that does nothing but what it counts."""
    run = tracer.c("heap.c", "counted")
    counted, stats = run.report[-1], run.log.stats
    assert stats["by_allocator"]["malloc"]["count"] == counted["allocs"] - 2
    assert stats["by_allocator"]["malloc"]["bytes"] == counted["bytes"] - 1234 - 4321
    assert stats["by_allocator"]["valloc"] == {"count": 2, "bytes": 1234 + 4321}
    assert stats["allocations"] == {"count": counted["allocs"], "bytes": counted["bytes"]}
    assert stats["frees"]["count"] == counted["frees"]
    assert stats["live_at_exit"] == {"count": counted["live"], "bytes": counted["live_bytes"]}


def test_counts_by_valgrind(tracer: Tracer, tmp_path) -> None:
    """`total heap usage` of valgrind's memcheck is the same program seen by somebody else."""
    valgrind = need_program("valgrind")
    program = compile_target("heap.c")
    outcome = execute([valgrind, "--run-libc-freeres=no", program, "counted"])
    usage = re.search(
        rb"total heap usage: ([\d,]+) allocs, ([\d,]+) frees, ([\d,]+) bytes", outcome.err
    )
    assert usage, outcome.err
    allocs, frees, size = (int(n.replace(b",", b"")) for n in usage.groups())
    stats = tracer.c("heap.c", "counted").log.stats
    assert stats["allocations"] == {"count": allocs, "bytes": size}
    assert stats["frees"]["count"] == frees


def test_sums_equal_a_replay(tracer: Tracer, a_python) -> None:
    """Peak, live blocks and sums of a whole Python run, from the events by a replay of our own."""
    log = tracer.python(a_python, "stacks.py", "imports").log
    check_replay(log)


def check_replay(log: Log) -> None:
    replay, stats = Replay(log), log.stats
    count, size = sum(replay.count.values()), sum(replay.bytes.values())
    assert stats["allocations"] == {"count": count, "bytes": size}
    assert stats["frees"]["count"] == replay.frees
    assert stats["peak_heap_bytes"] == replay.peak
    assert stats["live_at_exit"] == {"count": len(replay.live), "bytes": replay.heap}
    assert sum(r["bytes"] for r in log.top("--at", "exit")) == replay.heap


PRELOADS = ["libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2.0"]


@pytest.mark.parametrize("name", PRELOADS)
@pytest.mark.parametrize("case", ["common", "counted"])
def test_other_allocators_underneath(tracer: Tracer, name: str, case: str) -> None:
    """jemalloc, tcmalloc and mimalloc preloaded behind the library."""
    preload = f"/usr/lib/x86_64-linux-gnu/{name}"
    if execute(["/bin/true"], env={"LD_PRELOAD": preload}).err:
        pytest.skip(f"{name} is not installed")
    run = tracer.traced(
        [compile_target("heap.c"), case],
        preload=[preload],
        options={"NON_PYTHON": "on"},
    )
    assert run.outcome.status == 0, run.outcome.err
    assert run.outcome.err == b""
    if case == "common":
        assert run.log.calls == run.report
    else:
        allocs = [e for e in run.log.own if e["event"] == "alloc"]
        assert len(allocs) == run.report[-1]["allocs"] - 2


@pytest.mark.parametrize("name", PRELOADS)
def test_python_on_other_allocators(tracer: Tracer, a_python, name: str) -> None:
    preload = f"/usr/lib/x86_64-linux-gnu/{name}"
    if execute(["/bin/true"], env={"LD_PRELOAD": preload}).err:
        pytest.skip(f"{name} is not installed")
    run = tracer.python(a_python, "stacks.py", "threads", traced_only=True, preload=[preload])
    assert run.outcome.status == 0 and run.outcome.err == b"", run.outcome
    from harness import check_notes

    check_notes(run, 11)


def test_read_twice_gives_the_same(tracer: Tracer) -> None:
    log = tracer.c("heap.c", "families").log
    for command in (["json", "--stacks"], ["text"], ["stats", "--json"], ["top", "--json"]):
        assert tool(*command, log.path).out == tool(*command, log.path).out
    assert json.loads(tool("stats", "--json", log.path).out) and TOOL


def test_allocator_before_ours_is_said(tracer: Tracer, a_python) -> None:
    """Then no block of malloc is seen: not silently."""
    preload = f"/usr/lib/x86_64-linux-gnu/{PRELOADS[0]}"
    if execute(["/bin/true"], env={"LD_PRELOAD": preload}).err:
        pytest.skip(f"{PRELOADS[0]} is not installed")
    env = {"LD_PRELOAD": f"{preload} {LIBRARY}"}
    run = tracer.traced([a_python.path, "-c", "print('here')"], env=env)
    assert run.outcome.text == "here\n"
    [line] = run.outcome.err.decode().splitlines()
    assert line.startswith("pymemtrace: blocks of malloc are not seen") and preload in line
    assert "no malloc" in run.log.header["flags"]
