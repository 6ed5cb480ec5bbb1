# SPDX-License-Identifier: MIT
"""Short-lived blocks are counted, not written: the same program with and without says the same."""

from __future__ import annotations

import collections
import os
import signal
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from harness import (
    LIBRARY,
    TARGETS,
    Log,
    Once,
    Python,
    Run,
    Tracer,
    clean_env,
    compile_target,
    need_program,
    same_addresses,
    tool,
)
from replay import events_with_stack_text

# Of one length, so that the program's environment takes the same memory.
ON = {"FOLD": "yes"}
OFF = {"FOLD": "off"}
WORDS = {"TRACE": "malloc,mmap,pymem,rss"}


def young(once: Once, python: Python, **options: str) -> Log:
    words = {**WORDS, **options}
    argv = ["-S", str(TARGETS / "young.py")]  # packages installed there do as they like

    def make(tracer: Tracer) -> Run:
        return tracer.python_argv(python, argv, options=words, preexec=same_addresses)

    return once.run((python, argv, words), make).log


def totals(log: Log) -> dict[str, Any]:
    """What must be equal: all counts and bytes, but for the number of records."""
    stats = log.stats
    keys = ("allocations", "frees", "by_allocator", "live_at_exit", "lost_records")
    threads = [{k: v for k, v in t.items() if k != "tid"} for t in stats["thread_list"]]
    return {**{key: stats[key] for key in keys}, "threads": threads}


def by_site(log: Log) -> dict[tuple[Any, ...], list[int]]:
    """Blocks and bytes by allocator and stack, added up here from the events."""
    found: dict[tuple[Any, ...], list[int]] = collections.defaultdict(lambda: [0, 0])
    for event, stack in events_with_stack_text(log, "alloc", "realloc", "folded"):
        allocator = event.get("allocator", event.get("reallocator"))
        if event["event"] == "folded":
            count = event["count0"] + event["count1"] + event["count"]
            size = event["bytes0"] + event["bytes1"] + event["bytes"]
        else:
            count, size = 1, event["size"]
        found[allocator, stack][0] += count
        found[allocator, stack][1] += size
    return dict(found)


def live(log: Log) -> list[tuple[Any, ...]]:
    rows = log.top("--at", "exit", "--by", "stack")
    return sorted((r["bytes"], r["count"], str(r["stack"])) for r in rows)


@pytest.mark.interpreters("3.12")
@pytest.mark.slow
def test_same_totals(once: Once, python: Python) -> None:
    folded, plain = young(once, python, **ON), young(once, python, **OFF)
    assert totals(folded) == totals(plain)
    assert by_site(folded) == by_site(plain)
    assert live(folded) == live(plain)
    share = folded.stats["folded"]["count"] / folded.stats["allocations"]["count"]
    assert share > 0.5
    assert folded.path.stat().st_size < plain.path.stat().st_size / 2
    assert plain.stats.get("folded", {"count": 0})["count"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("window", [16, 512])
def test_window(once: Once, a_python: Python, window: int) -> None:
    folded = young(once, a_python, **ON, FOLD_WINDOW=f"{window:03}")
    plain = young(once, a_python, **OFF, FOLD_WINDOW=f"{window:03}")
    assert totals(folded) == totals(plain)
    assert by_site(folded) == by_site(plain)


@pytest.mark.slow
def test_small_chunks(once: Once, a_python: Python) -> None:
    """The least room for counts: many records of counts."""
    more = {"CHUNK_SIZE": "32K", "FOLD_WINDOW": "512"}
    folded, plain = young(once, a_python, **ON, **more), young(once, a_python, **OFF, **more)
    assert totals(folded) == totals(plain)
    assert by_site(folded) == by_site(plain)


@pytest.mark.interpreters()
def test_peak_is_bounded(once: Once, python: Python) -> None:
    folded, plain = young(once, python, **ON).stats, young(once, python, **OFF).stats
    bound = folded["peak_heap_short_lived_bytes"]
    assert 0 < bound <= 256 << 10
    assert plain["peak_heap_short_lived_bytes"] == 0
    most = folded["peak_heap_bytes"] + bound
    assert folded["peak_heap_bytes"] <= plain["peak_heap_bytes"] <= most


PEAK = """
import os
for turn in range(3):
    held = [bytearray(12345) for _ in range(1000)]
    del held
os._exit(0)
"""


def test_row_at_the_peak(tracer: Tracer, a_python: Python) -> None:
    """Blocks that are held at the peak are shown there, but for the few that came last."""
    words = {**ON, "TRACE": "malloc,mmap,rss"}
    run = tracer.python_argv(a_python, ["-S", "-c", PEAK], options=words, traced_only=True)
    row = run.log.top("--at", "peak")[0]
    assert 1000 * 12346 - (256 << 10) <= row["bytes"] <= 1000 * 12346
    assert row["count"] >= 978


@pytest.mark.interpreters()
@pytest.mark.slow
@pytest.mark.parametrize("threshold", ["0", "1"])
def test_temporary(once: Once, python: Python, threshold: str) -> None:
    """Also of large blocks and of those that left the table."""
    options = ("--temporary", "--threshold", threshold, "--by", "stack")
    tables = []
    for words in (ON, OFF):
        rows = young(once, python, **words).top(*options)
        # Without what comes before the program, where the interpreter keeps things by address.
        rows = [r for r in rows if r["stack"] and r["stack"][-1]["file"].endswith("young.py")]
        tables.append(sorted((r["bytes"], r["count"], str(r["stack"])) for r in rows))
    assert tables[0] == tables[1]
    assert len(tables[0]) > 5


def test_higher_threshold_needs_every_event(once: Once, a_python: Python) -> None:
    log = young(once, a_python, **ON)
    outcome = tool("top", "--temporary", "--threshold", "2", log.path, status=None)
    assert outcome.status != 0
    assert b"PYMEMTRACE_FOLD=off" in outcome.err


@pytest.mark.parametrize("case", ["pass", "pass_realloc", "many", "crowd", "names"])
def test_threads(tracer: Tracer, case: str) -> None:
    """Blocks freed by other threads, threads one after the other in one table."""
    folded = tracer.c("threads.c", case, options=ON).log
    plain = tracer.c("threads.c", case, options=OFF).log
    assert folded.stats["folded"]["count"] > 0 or case == "names"
    got, expected = totals(folded), totals(plain)
    assert got["frees"] == {**got["frees"], "unmatched": 0, "inherited": 0, "replaced": 0}
    if case == "pass_realloc":  # which turn finds a block is a matter of luck
        assert sum(r["bytes"] for r in folded.top("--at", "exit")) < 7001
        return
    assert got["live_at_exit"] == expected["live_at_exit"]
    assert got["by_allocator"] == expected["by_allocator"]
    assert got["frees"] == expected["frees"]
    if case == "many":
        made = [sorted(str(t["allocations"]) for t in x["threads"]) for x in (got, expected)]
        assert made[0] == made[1]


@pytest.mark.slow
def test_passing_many_times(tracer: Tracer) -> None:
    """Races between a free and the table that the block is in show only now and then."""
    for _ in range(20):
        stats = tracer.c("threads.c", "pass", options=ON).log.stats
        assert stats["frees"]["unmatched"] == stats["frees"]["replaced"] == 0
        assert stats["live_at_exit"]["bytes"] < 7001


FORK = """
import os
kept = [bytearray(300) for _ in range(500)]
for _ in range(2):
    if os.fork() == 0:
        kept.clear()
        new = [bytearray(400) for _ in range(100)]
        os._exit(0)
    os.wait()
del kept[:250]
"""


def test_forked_children(tracer: Tracer, a_python: Python) -> None:
    """A child begins with an empty table; what it frees of its parent's is no mistake."""
    logs = {}
    for options in (ON, OFF):
        argv = ["-S", "-c", FORK]
        words = {**WORDS, **options}
        run = tracer.python_argv(a_python, argv, options=words, preexec=same_addresses)
        assert len(run.logs) == 3
        # Their names are process ids, which begin anew now and then.
        in_order = sorted(run.logs, key=lambda log: log.header["start_s"])
        logs[options["FOLD"]] = [totals(log) for log in in_order]
        for log in run.logs:
            assert log.stats["frees"]["unmatched"] == log.stats["frees"]["replaced"] == 0
    assert logs["yes"] == logs["off"]


def storm(argv: list[str], output: Path, reports: int) -> dict[int, int]:
    """Run until REPORTS reports came, kill, and give each thread's last count."""
    words = [f"LD_PRELOAD={LIBRARY}", f"PYMEMTRACE_OUTPUT={output}", "PYMEMTRACE_NON_PYTHON=on"]
    with subprocess.Popen(
        ["/usr/bin/env", *words, *argv],
        env=clean_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout
        data = bytearray()
        seen: set[int] = set()
        while len(data) < reports * 8 or len(seen) < int(argv[-1]):
            data += os.read(child.stdout.fileno(), 1 << 16)
            seen |= {thread for thread, _ in struct.iter_unpack("II", data[: len(data) // 8 * 8])}
        os.kill(child.pid, signal.SIGKILL)
        data += child.stdout.read()
    last: dict[int, int] = {}
    for thread, count in struct.iter_unpack("II", data[: len(data) // 8 * 8]):
        last[thread] = max(count, last.get(thread, 0))
    return last


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_killed(tmp_path: Path, threads: int) -> None:
    """Nothing is lost by SIGKILL, wherever it strikes, and nothing counts twice."""
    argv = [str(compile_target("storm_small.c")), str(threads)]
    for number in range(30):
        path = tmp_path / f"{number}.pmt"
        last = storm(argv, path, 50 + number * 411)
        stats = Log(path).stats
        assert stats["lost_records"] == 0
        assert stats["frees"]["unmatched"] == stats["frees"]["replaced"] == 0
        for thread in stats["thread_list"]:
            made = thread["allocations"]
            if thread["thread"] == 1:
                continue
            size, rest = divmod(made["bytes"], made["count"])
            assert rest == 0 and 101 <= size <= 100 + threads
            # The last round may have been under way, and the last report not read.
            assert last[size - 100] <= made["count"] <= last[size - 100] + 28
        # Each thread keeps 300 blocks at most, and has one in hand.
        assert stats["live_at_exit"]["count"] <= 301 * threads + 20


# Short-lived blocks of 1,500 places, and some that are kept; then it says so and ends at once.
HELD_AT_END = """
import os, sys
exec("for i in range(3):\\n" + " kept = bytearray(i + 700)\\n" * 1500)
more = [bytearray(300) for i in range(100)]
os.write(1, b"x"); os._exit(0)
"""


def held_at_end(python: Python, path: Path, *command: str, kill_after: float | None = None) -> None:
    """COMMAND traces the program. KILL_AFTER: it is killed so many seconds after it said that it ends."""
    env = {"LD_PRELOAD": str(LIBRARY), "PYMEMTRACE_OUTPUT": str(path), "PYTHONHASHSEED": "0"}
    words = [word for name, value in env.items() for word in ("-E", f"{name}={value}")]
    argv = [python.path, "-S", "-c", HELD_AT_END]
    with subprocess.Popen(
        [*command, *words, *argv] if command else argv,
        env=clean_env(None if command else env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=same_addresses,  # noqa: PLW1509
    ) as child:
        assert child.stdout and child.stdout.read(1) == b"x"
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(child.pid, signal.SIGKILL)


def check_held(path: Path, complete: dict[str, Any]) -> bool:
    """Nothing is lost, nothing counts twice. Returns whether the log is complete."""
    stats = Log(path).stats
    assert stats["lost_records"] == 0 and not any(
        n for what, n in stats["damage"].items() if what != "truncated"
    )
    frees = stats["frees"]
    assert frees["unmatched"] == frees["replaced"] == 0
    # The call that ends the program takes some blocks, too.
    assert 0 <= complete["allocations"]["count"] - stats["allocations"]["count"] <= 12
    live = stats["allocations"]["count"] - frees["count"]
    assert live == stats["live_at_exit"]["count"]
    assert abs(live - complete["live_at_exit"]["count"]) <= 12
    return bool(stats["complete"])


def test_killed_while_the_log_is_closed(a_python: Python, tmp_path: Path) -> None:
    """What is held back moves to the records at the end, one by one: a kill in between loses nothing."""
    held_at_end(a_python, tmp_path / "complete.pmt")
    complete = Log(tmp_path / "complete.pmt").stats
    assert complete["complete"] and complete["folded"]["count"] >= 4000
    done = [False, False]
    for number in range(60):
        path = tmp_path / f"{number}.pmt"
        held_at_end(a_python, path, kill_after=number * 1e-4)
        done[check_held(path, complete)] = True
    assert done[False]


@pytest.mark.parametrize("call", ("fallocate", "ftruncate"))
def test_killed_while_the_file_is_trimmed(a_python: Python, tmp_path: Path, call: str) -> None:
    strace = (need_program("strace"), "-f", "-qq", "-e", f"trace={call}")
    held_at_end(a_python, tmp_path / "complete.pmt", *strace, "-o", str(tmp_path / "calls"))
    complete = Log(tmp_path / "complete.pmt").stats
    count = (tmp_path / "calls").read_text().count(f"{call}(")
    assert complete["complete"] and count > 0
    # Of the first ones some give a chunk more room: what they are for comes after them.
    for number in range(max(1, count - 2), count + 1):
        path = tmp_path / f"{number}.pmt"
        inject = f"inject={call}:signal=KILL:when={number}"
        held_at_end(a_python, path, *strace, "-e", inject, "-o", "/dev/null")
        check_held(path, complete)


def test_run(tracer: Tracer, a_python: Python) -> None:
    """The flags of `pymemtrace run`."""
    for flag in ("--fold=off", "--fold=on", "--fold-window=64"):
        out = tracer.folder / f"{flag}.pmt"
        tool("run", flag, "-o", out, a_python.path, "-c", "pass")
        assert ("folded" in Log(out).stats and Log(out).stats["folded"]["count"] > 0) == (
            flag != "--fold=off"
        )
