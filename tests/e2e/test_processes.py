# SPDX-License-Identifier: MIT
"""Processes: each traced process has a log of its own, with its own events and its parent's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import (
    LIBRARY,
    Python,
    Run,
    Tracer,
    check_notes,
    compile_target,
    execute,
    vallocs,
)

COUNT = 15111 // 8 + 1


def count(log, size: int) -> int:
    return len(log.of("alloc", allocator="memalign", size=size))


def child_pids(run: Run) -> list[int]:
    return [row["child"] for row in run.report if "child" in row]


def parent_pid(run: Run) -> int:
    return run.report[0]["pid"]


@pytest.mark.parametrize("case", ["fork_exit", "fork_underscore_exit"])
def test_fork(tracer: Tracer, case: str) -> None:
    run = tracer.c("procs.c", case)
    parent, child = run.log_of(parent_pid(run)), run.log_of(child_pids(run)[0])
    assert len(run.logs) == 2
    assert count(child, 50002) == 100 and count(parent, 50002) == 0
    assert count(child, 50003) == 0
    assert count(parent, 50003) == (100 if case == "fork_exit" else 50)
    assert child.header["parent_pid"] == parent_pid(run)
    assert child.header["parent_log"] == str(parent.path)
    assert "forked" in child.header["flags"]
    assert "forked" not in parent.header["flags"]
    assert parent.stats["complete"] and child.stats["complete"]
    assert [e["value"] for e in parent.of("process", what="fork")] in ([child.stats["pid"]], [0])


def test_inherited_block_is_known(tracer: Tracer) -> None:
    """A forked child frees a block of its parent: its log says so, and nothing is negative."""
    run = tracer.c("procs.c", "fork_exit")
    child = run.log_of(child_pids(run)[0])
    assert child.stats["frees"]["inherited"] + child.stats["frees"]["unmatched"] >= 1
    left = sum(r["bytes"] for r in child.top("--at", "exit", "--by", "allocator"))
    assert left >= 50002


@pytest.mark.parametrize("case", ["raw_fork", "raw_clone"])
def test_fork_past_the_c_library(tracer: Tracer, case: str) -> None:
    """The child does not disturb its parent's log; what it does itself may be missing."""
    run = tracer.c("procs.c", case)
    parent = run.log_of(parent_pid(run))
    assert count(parent, 50003) == 50
    assert count(parent, 50002) == 0
    assert parent.stats["complete"]
    for log in run.logs:
        if log.path != parent.path:
            assert count(log, 50002) == 100


@pytest.mark.parametrize("case", ["vfork_exec", "spawn"])
def test_vfork_and_spawn(tracer: Tracer, case: str) -> None:
    """The child borrows its parent's memory until it runs another program; no event is lost."""
    run = tracer.c("procs.c", case)
    parent = run.log_of(parent_pid(run))
    assert count(parent, 50003) == 100
    assert parent.stats["complete"] and parent.stats["lost_records"] == 0
    # /bin/true is traced too: NON_PYTHON is on.
    assert [log.header["command"] for log in run.logs if log.path != parent.path] == [["true"]]


def test_vfork_whose_exec_fails(tracer: Tracer) -> None:
    run = tracer.c("procs.c", "vfork_fails")
    assert count(run.log, 50003) == 50 and run.log.stats["complete"]


def test_system(tracer: Tracer) -> None:
    run = tracer.c("procs.c", "system_call")
    assert count(run.log_of(parent_pid(run)), 50003) == 50


def test_exec_of_another_program(tracer: Tracer) -> None:
    """The log of before stays; the new program, with the same pid, has its own."""
    run = tracer.c("procs.c", "exec_other")
    states = {log.header["command"][0].rsplit("/", 1)[-1]: log for log in run.logs}
    assert set(states) == {"procs", "echo"}
    assert count(states["procs"], 50003) == 50
    assert states["procs"].end["state"] == "replaced"
    assert states["procs"].stats["pid"] == states["echo"].stats["pid"]


def test_exec_of_another_program_by_python(tracer: Tracer, a_python: Python) -> None:
    """The log of before is closed as replaced; the other program is not traced."""
    log = tracer.python(a_python, "procs.py", "exec_other").log
    assert log.end["state"] == "replaced"
    assert len(log.of("process", what="exec")) == 1


def test_exec_that_fails(tracer: Tracer) -> None:
    run = tracer.c("procs.c", "exec_fails")
    assert count(run.log, 50003) == 100
    assert run.log.end["state"] == "closed"


def test_grandchildren(tracer: Tracer) -> None:
    run = tracer.c("procs.c", "fork_fork")
    grandchild, child = (run.log_of(pid) for pid in child_pids(run))
    parent = run.log_of(parent_pid(run))
    assert [count(log, 50003) for log in (parent, child, grandchild)] == [50, 0, 0]
    assert [count(log, 50002) for log in (parent, child, grandchild)] == [0, 100, 0]
    assert [count(log, 50004) for log in (parent, child, grandchild)] == [0, 0, 70]
    assert grandchild.header["parent_log"] == str(child.path)


def test_fork_in_a_storm(tracer: Tracer) -> None:
    """Twenty forks while three threads allocate without a pause."""
    run = tracer.c("procs.c", "fork_in_storm")
    assert len(child_pids(run)) == 20 and len(run.logs) == 21
    for pid in child_pids(run):
        log = run.log_of(pid)
        assert count(log, 50002) == 100
        assert len(log.of("alloc", size=7001)) == 0


def test_orphan(tracer: Tracer) -> None:
    """The parent is killed; its log and its child's are whole."""
    import time

    run = tracer.c("procs.c", "orphan")
    [pid] = child_pids(run)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.05)
    child, parent = run.log_of(pid), run.log_of(parent_pid(run))
    assert count(child, 50002) == 100 and child.stats["complete"]
    assert count(parent, 50003) == 50 and not parent.stats["complete"]


def test_children_are_not_followed_if_not_wanted(tracer: Tracer) -> None:
    run = tracer.c("procs.c", "fork_exit", options={"FOLLOW": "off"})
    assert [log.stats["pid"] for log in run.logs] == [parent_pid(run)]
    assert count(run.log, 50003) == 100 and count(run.log, 50002) == 0


@pytest.mark.parametrize("case", ["python_child", "spawn_child", "fork"])
def test_python_children_are_not_followed(tracer: Tracer, a_python: Python, case: str) -> None:
    run = tracer.python(a_python, "procs.py", case, options={"FOLLOW": "off"})
    assert len(run.logs) == 1
    assert len(vallocs(run.log, 90100)) == COUNT


FOLLOWED = """fork fork_normal_exit pool_fork pool_spawn pool_forkserver pool_closed python_child
spawn_child other_child exec_python exec_other profile_in_child fork_in_thread""".split()


@pytest.mark.interpreters("3.12")
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow] * (case in ("pool_spawn", "pool_forkserver")))
        for case in FOLLOWED
    ],
)
def test_python_processes(tracer: Tracer, python: Python, case: str) -> None:
    """Every task's blocks are in the log of its process, all of them, with the right stacks."""
    run = tracer.python(python, "procs.py", case)
    tasks = [r for r in run.report if "count" in r]
    assert tasks
    by_pid: dict[int, list] = {}
    for log in run.logs:
        by_pid.setdefault(log.stats["pid"], []).append(log)
    for task in tasks:
        seen = [len(vallocs(log, task["size"])) for log in by_pid[task["pid"]]]
        assert sum(seen) == task["count"], task
    if case in ("fork", "pool_fork", "pool_spawn"):
        assert sum(t["count"] for t in tasks if t["size"] < 90100) == 8 * COUNT
    for note in (r for r in run.report if "stack" in r):
        [event] = [e for log in run.logs for e in vallocs(log, note["size"])]
        got = [[f["function"], f["file"], f["line"]] for f in event["stack"]]
        assert got == note["stack"]


def test_other_programs_stay_inert(tracer: Tracer, a_python: Python) -> None:
    """Only the Python process has a log, not echo nor the shell that it starts."""
    run = tracer.python(a_python, "procs.py", "other_child")
    assert len(run.logs) == 1


@pytest.mark.interpreters("3.12")
def test_raw_fork_of_python(tracer: Tracer, python: Python) -> None:
    """The C library's fork(), called without Python's own preparations."""
    run = tracer.python(python, "procs.py", "raw_fork")
    assert sorted(len(vallocs(log, 90000)) + len(vallocs(log, 90001)) for log in run.logs) == [
        COUNT,
        COUNT,
    ]


def test_killed_parent(tracer: Tracer, a_python: Python) -> None:
    run = tracer.python(a_python, "procs.py", "killed_parent")
    assert run.outcome.status == -9
    parent = run.log_of(run.outcome.pid)
    assert len(vallocs(parent, 90100)) == COUNT and not parent.stats["complete"]


@pytest.mark.parametrize("program", ["/bin/true", "/bin/hostname", "/bin/sh"])
def test_a_program_that_is_not_python_writes_nothing(tracer: Tracer, program: str) -> None:
    run = tracer.both([program], env={"PYMEMTRACE_OUTPUT": "%p.pmt"})
    assert run.outcome.err == b""
    assert [p.name for p in run.folder.iterdir()] == ["logs"]


def test_embedded_python(tracer: Tracer, python: Python) -> None:
    """A program that loads libpython later is traced from then on."""
    import glob

    names = f"libpython{python.version[0]}.{python.version[1]}.so.1.0"
    folders = [Path(python.path).parents[1] / "lib", Path("/usr/lib/x86_64-linux-gnu")]
    found = [f for folder in folders for f in glob.glob(f"{python.root}{folder}/{names}")]
    if not found or python.root:
        pytest.skip(f"{python.name} has no shared library")
    program = compile_target("embed.c")
    script = str(Path(__file__).parents[1] / "targets" / "stacks.py")
    home = {"PYTHONHOME": str(Path(python.path).parents[1])}
    run = tracer.both([program, found[0], script, "nested"], env=home)
    check_notes(run, 2)


def test_dlopen_through_origin(tracer: Tracer, tmp_path) -> None:
    """A library found through RPATH $ORIGIN is still found, and its constructor's block is seen."""
    import shutil

    from harness import compile_library

    program = compile_target("origin.c", "-Wl,-rpath,$ORIGIN", "-ldl")
    shutil.copy(program, tmp_path / "origin")
    shutil.copy(compile_library("loaded.c"), tmp_path / "loaded.so")
    run = tracer.both([tmp_path / "origin"], options={"NON_PYTHON": "on"})
    assert run.outcome.text == "loaded and closed\n"
    assert len(vallocs(run.log, 1801)) == 1 and len(vallocs(run.log, 1802)) == 1


def test_the_library_can_be_loaded_twice(tracer: Tracer, a_python: Python) -> None:
    run = tracer.python(a_python, "stacks.py", "nested", traced_only=True, preload=[LIBRARY])
    assert run.outcome.status == 0 and execute(["/bin/true"]).status == 0
    check_notes(run, 2)
