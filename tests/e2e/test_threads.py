# SPDX-License-Identifier: MIT
"""Threads: every block with the right thread, in an order in which blocks do not overlap."""

from __future__ import annotations

import os

import pytest

from harness import (
    LIBRARY,
    TARGETS,
    Log,
    Python,
    Tracer,
    check_notes,
    need_root,
    only,
    vallocs,
)


def check_order(log: Log) -> int:
    """No address is handed out while it is taken; gives the number of blocks seen."""
    taken: dict[str, int] = {}
    blocks = 0
    for number, event in enumerate(log.events):
        name = event["event"]
        if name == "free":
            taken.pop(event["address"], None)
            continue
        if name == "realloc":
            taken.pop(event["old_address"], None)
        if name in ("alloc", "realloc"):
            blocks += 1
            before = taken.get(event["address"])
            assert before is None, (log.events[before], event)
            taken[event["address"]] = number
    return blocks


def test_100_threads_of_100_blocks(tracer: Tracer) -> None:
    """memalign and free: all matched but the one a thread keeps, each in its own thread."""
    run = tracer.c("threads.c", "many")
    log, threads = run.log, {}
    tids = {e["thread"]: e["tid"] for e in log.of("thread")}
    for row in run.report:
        events = log.of("alloc", allocator="memalign", size=row["size"])
        assert len(events) == 100
        [thread] = {e["thread"] for e in events}
        threads[thread] = row["tid"]
        assert tids[thread] == row["tid"]
    assert len(threads) == 100
    assert log.stats["by_allocator"]["memalign"]["count"] == 10000
    left = [r for r in log.top("--by", "allocator", "--at", "exit") if r["allocator"] == "memalign"]
    assert [r["count"] for r in left] == [100]
    check_order(log)


def test_2000_threads_at_once(tracer: Tracer) -> None:
    log = tracer.c("threads.c", "crowd").log
    sizes = [e["size"] for e in log.of("alloc", allocator="memalign")]
    assert sorted(sizes) == list(range(10000, 12000))
    assert len({e["thread"] for e in log.of("alloc", allocator="memalign")}) == 2000
    assert log.stats["threads"] == 2001


@pytest.mark.slow
def test_2000_python_threads(tracer: Tracer, a_python: Python, tmp_path) -> None:
    script = tmp_path / "crowd.py"
    script.write_text(
        "import threading\n"
        "threading.stack_size(65536)\n"
        "barrier = threading.Barrier(2001)\n"
        "def body():\n barrier.wait(); bytearray(7001); barrier.wait()\n"
        "made = [threading.Thread(target=body) for _ in range(2000)]\n"
        "[t.start() for t in made]; barrier.wait(); barrier.wait(); [t.join() for t in made]\n"
        "print('done')\n"
    )
    log = tracer.python(a_python, str(script)).log
    assert log.stats["threads"] >= 2001
    assert len([e for e in log.of("alloc", "realloc") if 7001 <= e["size"] <= 7064]) >= 2000


@pytest.mark.parametrize("case", ["pass", "pass_realloc"])
def test_freed_by_another_thread(tracer: Tracer, case: str) -> None:
    """Four threads pass blocks on; addresses are reused at once: the order stays possible."""
    run = tracer.c("threads.c", case)
    blocks = check_order(run.log)
    if case == "pass":
        counted = run.report[-1]
        assert len(run.log.of("alloc", size=7001)) == counted["allocs"]
    assert blocks >= 80000


@pytest.mark.slow
def test_no_block_is_left_after_passing(tracer: Tracer) -> None:
    log = tracer.c("threads.c", "pass").log
    allocs = {e["address"] for e in log.of("alloc", size=7001)}
    live = set()
    for event in log.events:
        if event["event"] == "alloc" and event["size"] == 7001:
            live.add(event["address"])
        elif event["event"] == "free" and event["address"] in allocs:
            live.discard(event["address"])
    assert live == set()


def names_of(log: Log) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for event in log.of("thread_name"):
        found.setdefault(event["thread"], []).append(event["name"])
    return found


def test_thread_names(tracer: Tracer) -> None:
    """Inherited, from inside, by prctl, from outside: each when it happened."""
    log = tracer.c("threads.c", "names").log
    [thread] = {e["thread"] for e in log.of("alloc", allocator="memalign")}
    seen = {}
    name = None
    for event in log.events:
        if event["event"] == "thread_name" and event["thread"] == thread:
            name = event["name"]
        elif event["event"] == "alloc" and event["allocator"] == "memalign":
            seen[event["size"]] = name
    assert seen[20002] == "from inside"
    assert seen[20003] == "by prctl"
    assert seen[20004] == "from outside"
    assert seen[20001] in (None, "before")


@pytest.mark.interpreters("3.14")
def test_python_thread_names(tracer: Tracer, python: Python) -> None:
    """Each Python thread's blocks are its own; names as far as Python tells the system."""
    run = tracer.python(python, "names.py")
    check_notes(run, 4)
    log = run.log
    tids = {e["thread"]: e["tid"] for e in log.of("thread")}
    for row in (r for r in run.report if "name" in r):
        assert tids[only(vallocs(log, row["size"]))["thread"]] == row["tid"]
    if python.version >= (3, 14):
        assert ["before start"] in [n[-1:] for n in names_of(log).values()]


def names_at_blocks(log: Log) -> dict[int, str]:
    """Size of a block by valloc() -> what its thread was called then."""
    names: dict[int, str] = {}
    found = {}
    for event in log.events:
        if event["event"] == "thread_name":
            names[event["thread"]] = event["name"]
        elif event["event"] == "alloc" and event["allocator"] == "valloc":
            found[event["size"]] = names[event["thread"]]
    return found


def test_names_of_threading(tracer: Tracer, python: Python) -> None:
    """Given at the start, changed before it, and changed by the thread and by another one."""
    run = tracer.python(python, "thread_names.py", "names")
    told = {row["size"]: row["name"] for row in run.report}
    named = names_at_blocks(run.log)
    assert len(told) == 9
    assert {size: named[size] for size in told} == told
    # The name that a property makes up: from 3.14 on `threading` asks for it, and tells the system.
    assert ("odd" in named.values()) == (python.version >= (3, 14))
    assert run.log.of("lost") == []
    assert "too late" not in [n for thread in names_of(run.log).values() for n in thread]


@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_names_of_threads_before_the_log(tracer: Tracer, python: Python, how: str) -> None:
    if python.root:
        pytest.skip("this program writes its logs outside the root")
    library = "preloaded" if how == "preloaded" else str(LIBRARY)
    argv = [python.path, TARGETS / "thread_names.py", "late", library]
    if how == "preloaded":
        run = tracer.traced(argv, options={"START": "off", "TRACE": None, "FOLD": None})
    else:
        folder = tracer.folder / f"run{tracer.runs + 1}" / "logs"
        argv = ["/bin/sh", "-c", 'mkdir -p logs && exec "$@"', "sh", *map(str, argv)]
        run = tracer.untraced(argv)
        run.logs = [Log(path) for path in folder.iterdir()]
    assert run.outcome.status == 0, run.outcome
    [log] = run.logs
    last = {thread: names[-1] for thread, names in names_of(log).items()}
    assert sorted(last.values())[:2] == ["early-1", "early-2"]
    assert log.of("lost") == []
    if how == "preloaded":  # else valloc() is not seen
        for row in run.report:
            assert last[only(vallocs(log, row["size"]))["thread"]] == row["name"]


def test_thread_teardown(tracer: Tracer) -> None:
    """Blocks of key destructors and thread-local destructors, the last that a thread does."""
    log = tracer.c("threads.c", "teardown").log
    counts = {}
    for event in log.of("alloc", allocator="memalign"):
        counts[event["size"]] = counts.get(event["size"], 0) + 1
    # A round of destructors runs each key that is set: 3, then the first key again, up to 4 rounds.
    assert counts[30003] == 10
    assert counts[30001] >= 30 + 10 and counts[30002] >= 30 + 10
    assert counts[30001] % 10 == 0 and counts[30002] % 10 == 0
    check_order(log)


def test_thread_id_reuse(tracer: Tracer) -> None:
    """A thread that gets the id of one that ended is another thread."""
    run = tracer.c("threads.c", "reuse")
    log, numbers = run.log, []
    for row in run.report:
        event = only(log.of("alloc", allocator="memalign", size=row["size"]))
        numbers.append(event["thread"])
    assert len(set(numbers)) == 20
    if os.geteuid() == 0 and len({r["tid"] for r in run.report}) == 20:
        need_root()
        pytest.skip("the kernel gave no thread id again")


@pytest.mark.slow
def test_exit_while_threads_are_busy(tracer: Tracer) -> None:
    log = tracer.c("threads.c", "exit_while_busy").log
    assert log.stats["complete"]
    check_order(log)
