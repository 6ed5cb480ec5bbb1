# SPDX-License-Identifier: MIT
"""Accounts: programs of known shape, against what the kernel and malloc told the program itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import TARGETS, Python, Run, Tracer, need, need_root

pytestmark = pytest.mark.slow

MIB = 1 << 20
SLACK = 3 * MIB // 2  # what the program's report and its end may change, and the tracer's own pages

View = dict[str, Any]


def trace(tracer: Tracer, case: str, how: str = "", **options: Any) -> Run:
    return tracer.c("account.c", case, how, options=options)


def accounts(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run.log.stats["accounts"]
    return found


def last(run: Run) -> View:
    view: View = accounts(run)["last"]
    check_sum(view)
    return view


def check_sum(view: View) -> None:
    """The parts add up to the resident set, and an allocator's memory to its part."""
    parts = sum(part["resident_bytes"] for part in view["parts"].values())
    assert parts + view["unexplained_bytes"] == view["rss_bytes"]
    # A program that grows goes on meanwhile.
    share = 50 if view["reason"] == "end" else 8
    assert abs(view["unexplained_bytes"]) < MIB // 2 + view["rss_bytes"] // share
    for name in ("c_heap", "python_arenas"):
        store = view["in_" + name]
        if store is None:
            continue
        whole = sum(store[f"{key}_bytes"] for key in ("held", "overhead", "before", "kept"))
        resident = view["parts"][name]["resident_bytes"]
        assert abs(whole - store["untouched_bytes"] - resident) < MIB // 2, (name, view)


def resident(view: View, part: str) -> int:
    size: int = view["parts"][part]["resident_bytes"]
    return size


def near(a: int, b: int, slack: int = SLACK) -> bool:
    return abs(a - b) <= slack


def test_free_lists(tracer: Tracer) -> None:
    """64 MiB of which one block in a hundred stays: the rest is kept by malloc."""
    run = trace(tracer, "fragments")
    view, said = last(run), run.report[0]
    assert view["reason"] == "end"
    assert near(view["rss_bytes"], said["rss"])
    assert near(view["in_c_heap"]["kept_bytes"], said["free"], 64 << 10)
    assert near(view["in_c_heap"]["kept_bytes"], 65536 * 1008 * 99 // 100)
    assert near(view["in_c_heap"]["held_bytes"], 65536 // 100 * 1000, 64 << 10)
    assert near(view["malloc"]["used_bytes"], said["used"], 64 << 10)
    assert near(view["malloc"]["arena_bytes"], said["arena"], 256 << 10)
    assert near(resident(view, "c_heap"), 65536 * 1008)


def test_free_lists_by_rule(tracer: Tracer) -> None:
    """Without malloc's own figures the blocks' sizes say nearly the same."""
    run = trace(tracer, "fragments", "_exit")
    view, said = last(run), run.report[0]
    assert view["malloc"] is None
    assert near(view["in_c_heap"]["kept_bytes"], said["free"], 256 << 10)


def test_untouched_mapping(tracer: Tracer) -> None:
    """16 of 256 MiB touched; a mapped file of 8 MiB, half of it written."""
    run = trace(tracer, "mappings")
    view = last(run)
    assert near(view["rss_bytes"], run.report[0]["rss"])
    assert near(view["parts"]["mapped"]["mapped_bytes"], 256 * MIB, MIB // 4)
    assert near(resident(view, "mapped"), 16 * MIB, MIB)
    assert near(resident(view, "file_copies"), 4 * MIB, MIB // 4) or near(
        resident(view, "shared"), 4 * MIB, MIB
    )
    assert resident(view, "anonymous") < MIB


def test_shared_memory(tracer: Tracer) -> None:
    view = last(trace(tracer, "shared"))
    assert near(resident(view, "shared"), 24 * MIB, MIB // 4)
    assert near(view["parts"]["shared"]["mapped_bytes"], 32 * MIB, MIB // 4)


def test_large_blocks(tracer: Tracer) -> None:
    """Blocks in mappings of their own are the heap's, touched or not."""
    run = trace(tracer, "large")
    view, said = last(run), run.report[0]
    assert said["mapped"] + said["arena"] > 80 * MIB
    assert near(resident(view, "c_heap"), 48 * MIB, MIB)
    assert near(view["in_c_heap"]["held_bytes"], 80 * MIB, MIB // 4)
    assert near(view["in_c_heap"]["untouched_bytes"], 32 * MIB, MIB)
    assert view["in_c_heap"]["kept_bytes"] < MIB


def test_neighbours(tracer: Tracer) -> None:
    """Mappings that the kernel made one: each has its own pages."""
    view = last(trace(tracer, "mixed"))
    assert near(resident(view, "anonymous"), 32 * MIB)
    assert near(resident(view, "mapped"), MIB, MIB)


def test_stacks(tracer: Tracer) -> None:
    """Eight threads with 1 MiB of stack in use, and an arena of malloc each."""
    run = trace(tracer, "stacks")
    view = last(run)
    assert near(resident(view, "stacks"), 8 * MIB, MIB)
    assert near(resident(view, "c_heap"), 8 * 1008 * 1000, MIB)
    assert near(view["in_c_heap"]["held_bytes"], 8 * 1000 * 1000, MIB // 4)
    # What the tracer counts of its own, and its library, is found among the mappings.
    own = run.log.of("rss")[-1]["own"]
    assert MIB // 8 < own < MIB
    # The library reserves address space for tables, too, which is counted once it is used.
    assert own <= view["parts"]["tracer"]["mapped_bytes"] <= own + 5 * MIB, own


def test_killed_near_the_peak(tracer: Tracer) -> None:
    """Growth to 300 MiB within a second, then SIGKILL: there is an account of half of it or more."""
    run = trace(tracer, "grow", "kill")
    assert run.outcome.status == -9
    found = accounts(run)
    check_sum(found["peak"])
    assert found["peak"]["reason"] == "growth"
    # Of the last sample whose account had its time: the kill may have come in that of the next one.
    seen = [sample["resident"] for sample in run.log.of("rss")][-2]
    assert seen > run.report[0]["rss"] / 4
    assert found["peak"]["rss_bytes"] > seen / 2
    size = found["peak"]["rss_bytes"]
    slack = 4 * MIB + size // 8 + grown_meanwhile(run, size)
    assert near(resident(found["peak"], "c_heap"), size, slack)
    assert near(found["peak"]["in_c_heap"]["held_bytes"], size, slack)


def grown_meanwhile(run: Run, size: int) -> int:
    """How much the program grew between the samples around the account of SIZE."""
    looks = run.log.of("rss", "account")
    [at] = [i for i, e in enumerate(looks) if e["event"] == "account" and e["resident"] == size]
    samples = [
        [e["resident"] for e in part if e["event"] == "rss"] for part in (looks[:at], looks[at:])
    ]
    return max(samples[1][0] - samples[0][-1], 0) if samples[1] else 0


def test_cost(tracer: Tracer) -> None:
    """A growing process is not looked at all the time."""
    run = trace(tracer, "grow")
    looks = run.log.of("account")
    assert 2 <= len(looks) <= 30
    growth = [look["resident"] for look in looks if look["reason"] == "growth"]
    assert all(b - a >= a // 8 - MIB for a, b in zip(growth, growth[1:])), growth


def test_only_at_the_end_without_sampler(tracer: Tracer) -> None:
    run = trace(tracer, "large", RSS_INTERVAL=0)
    assert [look["reason"] for look in run.log.of("account")] == ["end"]
    assert near(resident(last(run), "c_heap"), 48 * MIB, MIB)


def test_not_without_rss(tracer: Tracer) -> None:
    run = trace(tracer, "large", TRACE="malloc,mmap")
    assert run.log.stats["accounts"] is None
    assert run.log.of("account", "account_range") == []


def test_only_rss(tracer: Tracer) -> None:
    """Without blocks the kernel's parts are all there is."""
    view = last(trace(tracer, "fragments", TRACE="rss"))
    assert near(resident(view, "c_heap"), 65536 * 1008)
    assert view["parts"]["mapped"]["mapped_bytes"] == 0


def test_other_allocator(tracer: Tracer) -> None:
    """malloc is another's: what it mapped is the heap, and nothing is said of what it keeps."""
    libraries = sorted(Path("/usr/lib").glob("*/libjemalloc.so.2"))
    need(libraries, "jemalloc is not installed")
    run = tracer.c("account.c", "fragments", preload=libraries)
    view = last(run)
    assert view["in_c_heap"] is None
    assert view["malloc"] is None
    assert run.log.of("account")[-1]["malloc"] == "other allocator"
    assert resident(view, "c_heap") > MIB > resident(view, "mapped")


def test_many_mappings(tracer: Tracer) -> None:
    """More ranges than an account names: the sum is right all the same."""
    view = last(trace(tracer, "many"))
    assert near(resident(view, "mapped") + resident(view, "anonymous"), 5000 * 4096)


def test_raw_fork(tracer: Tracer) -> None:
    """A child made past the C library may have malloc's locks held for good: it is not asked."""
    run = trace(tracer, "raw_fork")
    assert run.outcome.status == 0
    said = {log.stats["pid"]: log.of("account")[-1]["malloc"] for log in run.logs}
    assert sorted(said.values()) == ["known", "not asked"]


def test_arenas(tracer: Tracer, a_python: Python) -> None:
    """Half a million tuples fill arenas; one in a thousand stays and keeps them."""
    run = tracer.python(a_python, "arenas.py", "_exit", options={"TRACE": "malloc,mmap,rss,pymem"})
    need(not a_python.free_threaded, "another allocator")
    found = accounts(run)
    check_sum(found["peak"])
    view = last(run)
    assert view["malloc"] is not None  # os._exit() is called by Python
    full, freed = run.report
    assert near(view["rss_bytes"], freed["rss"], 2 * MIB)
    tuples = 500_000 * (16 + 24 + 8)
    kept = view["in_python_arenas"]
    assert near(found["peak"]["parts"]["python_arenas"]["resident_bytes"], tuples, 24 * MIB)
    assert kept["kept_bytes"] > tuples * 0.7
    assert kept["blocks"] < full["blocks"] / 10
    by_size = tracer.python(a_python, "arenas.py", "_exit", options={"TRACE": "malloc,mmap,rss"})
    assert near(resident(last(by_size), "python_arenas"), resident(view, "python_arenas"), 2 * MIB)


def test_after_fork(tracer: Tracer, a_python: Python) -> None:
    """A forked child has its own accounts, and malloc's word for what it inherited."""
    run = tracer.traced(
        [a_python.path, "-c", _FORK],
    )
    assert run.outcome.status == 0
    assert len(run.logs) == 2
    for log in run.logs:
        view = log.stats["accounts"]["last"]
        check_sum(view)
        assert view["malloc"] is not None


_FORK = """
import os
blocks = [bytearray(3000) for _ in range(5000)]
pid = os.fork()
more = [bytearray(3000) for _ in range(1000)]
if pid == 0: os._exit(0)
os.waitpid(pid, 0)
"""


def test_sandbox(tracer: Tracer, a_python: Python) -> None:
    """The account of a program that enters a sandbox is taken before."""
    run = tracer.both([a_python.path, "-c", _SANDBOX], options={"VERBOSITY": 0})
    assert run.outcome.text == "here\n"
    assert run.log.stats["state"] == "stopped"
    check_sum(accounts(run)["last"])


_SANDBOX = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
libc.prctl(22, 2, 0, 0, 0)  # refused: no filter
print("here")
"""


def test_without_proc(tracer: Tracer, a_python: Python) -> None:
    """A program that changes its root has accounts all the same while it runs."""
    need_root()
    run = tracer.both([a_python.path, "-c", _CHROOT.format(targets=str(TARGETS))])
    found = accounts(run)
    check_sum(found["last"])
    # It grew by 60 MiB behind that; if accounts are not cheap, only the one at half is taken.
    assert found["last"]["rss_bytes"] > 30 * MIB


_CHROOT = """
import os, sys, tempfile
sys.path.insert(0, {targets!r})
from odd import wait_for_sampler
import threading, time
tasks = os.open("/proc/self/task", os.O_RDONLY)
with tempfile.TemporaryDirectory() as folder:
    wait_for_sampler(tasks)
    back = os.open("/", os.O_RDONLY)
    os.chroot(folder)
    blocks = [bytearray(3000) for _ in range(20000)]
    wait_for_sampler(tasks)
    os.fchdir(back)
    os.chroot(".")
os.chroot("/proc/self/task")
os._exit(0)
"""


@pytest.mark.interpreters("3.10")
@pytest.mark.slow
def test_all_versions(tracer: Tracer, python: Python) -> None:
    run = tracer.python(python, "arenas.py", options={"TRACE": "malloc,mmap,rss,pymem"})
    found = accounts(run)
    check_sum(found["peak"])
    check_sum(found["last"])
    # Of 40 MiB; if accounts are not cheap, the last one is that of half the resident set.
    assert resident(found["peak"], "python_arenas") > 10 * MIB
