# SPDX-License-Identifier: MIT
"""Whose memory is what: each mapping belongs to who made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import Python, Run, Tracer, compile_library, execute, need, tool

MIB = 1 << 20
DEFAULTS = {"FOLD": "on", "TRACE": None}
PRELOADS = ["", "libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2.0"]


def parts(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run.log.stats["accounts"]["last"]["parts"]
    return {name: part["resident_bytes"] / MIB for name, part in found.items()}


@pytest.mark.parametrize("pythonmalloc", ["", "malloc"])
@pytest.mark.parametrize("name", PRELOADS)
def test_big_blocks(tracer: Tracer, a_python: Python, name: str, pythonmalloc: str) -> None:
    """What another allocator maps is not Python's arenas; what Python's allocator maps is."""
    preload = [f"/usr/lib/x86_64-linux-gnu/{name}"] if name else []
    if name:
        need(Path(preload[0]).exists(), f"{name} is not installed")
        need(not execute(["/bin/true"], env={"LD_PRELOAD": preload[0]}).err, f"{name} does not run")
    env = {"PYTHONMALLOC": pythonmalloc} if pythonmalloc else {}
    run = tracer.python(a_python, "big_blocks.py", preload=preload, env=env, options=DEFAULTS)
    stats, found = run.log.stats, parts(run)
    arenas = stats["by_allocator"].get("mmap (arenas)", {"bytes": 0})["bytes"]
    if pythonmalloc:
        assert arenas == 0 and found["python_arenas"] == 0, found
    else:
        assert 0 < arenas <= 8 * MIB and 0 < found["python_arenas"] < 8, found
    assert found["c_heap"] + found["anonymous"] > 90, found
    assert found["mapped"] < 4, found
    # What an allocator takes for its blocks is no memory beside them.
    assert stats["mappings"]["unreserved"]["peak_bytes"] < 8 * MIB
    # glibc and tcmalloc make theirs inside the C library or by system calls.
    pool = stats["by_allocator"].get("mmap (malloc)", {"bytes": 0})["bytes"]
    # What one maps before there is a log is anonymous: mimalloc does so for its first blocks.
    if "jemalloc" in name or "mimalloc" in name:
        assert pool > 90 * MIB and found["c_heap"] > 65, found
    else:
        assert pool == 0


def test_notes_agree(tracer: Tracer, a_python: Python) -> None:
    library = Path("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")
    need(library.exists(), "jemalloc is not installed")
    run = tracer.python(a_python, "big_blocks.py", preload=[library], options=DEFAULTS)
    assert "part of what the program mapped" not in tool("stats", run.log.path).out.decode()


def last(run: Run, pid: int | None = None) -> dict[str, Any]:
    [log] = [entry for entry in run.logs if pid is None or entry.stats["pid"] == pid]
    view: dict[str, Any] = log.stats["accounts"]["last"]
    return view


@pytest.mark.python
def test_inherited(tracer: Tracer, python: Python) -> None:
    """What a forked child has of its parent keeps its kind, and is told from what it made itself."""
    run = tracer.python(python, "forked_worker.py", options=DEFAULTS)
    [child] = [log.stats["pid"] for log in run.logs if "forked" in log.header["flags"]]
    view = last(run, child)
    heap, arenas = view["in_c_heap"], view["in_python_arenas"]
    assert heap["held_bytes"] < 2 * MIB and heap["overhead_bytes"] < MIB, heap
    assert 74 * MIB < heap["before_bytes"] < 84 * MIB, heap
    assert arenas["held_bytes"] < MIB and arenas["before_bytes"] > 5 * MIB, arenas
    assert view["parts"]["python_arenas"]["resident_bytes"] > 5 * MIB
    assert view["parts"]["anonymous"]["resident_bytes"] < 2 * MIB, view["parts"]
    # The parent has the same pages.
    assert 75 * MIB < view["shared_bytes"] < view["rss_bytes"] - MIB


def test_inherited_without_the_parents_log(tracer: Tracer, a_python: Python) -> None:
    run = tracer.python(a_python, "forked_worker.py", options=DEFAULTS)
    [child] = [log for log in run.logs if "forked" in log.header["flags"]]
    [parent] = [log for log in run.logs if log is not child]
    parent.path.unlink()
    view = child.stats["accounts"]["last"]
    assert view["parts"]["anonymous"]["resident_bytes"] < 2 * MIB, view["parts"]
    assert view["parts"]["before"]["resident_bytes"] > 34 * MIB


@pytest.mark.python
def test_late_start(tracer: Tracer, python: Python) -> None:
    run = tracer.python(
        python,
        "late_start.py",
        options={**DEFAULTS, "START": "off", "SIGNAL": "10"},
        traced_only=True,
    )
    view = last(run)
    heap = view["in_c_heap"]
    assert heap["overhead_bytes"] < MIB and near_mib(heap["held_bytes"], 9.5), heap
    assert near_mib(heap["before_bytes"], 48), heap
    assert view["parts"]["anonymous"]["resident_bytes"] < MIB


def near_mib(size: int, wanted: float) -> bool:
    return abs(size / MIB - wanted) < 2


@pytest.mark.python
def test_bound_deep(tracer: Tracer, python: Python) -> None:
    """A library that does not call our malloc is said, by its name."""
    need(not python.root, "the library is not in the other root")
    library = compile_library("deepbind.c")
    run = tracer.python(python, "deepbind.py", library, options=DEFAULTS)
    assert run.log.stats["bound_deep"] == [str(library)]
    assert (
        f"note: {library} was loaded with RTLD_DEEPBIND" in tool("stats", run.log.path).out.decode()
    )
    plain = tracer.python_argv(python, ["-c", "pass"], options=DEFAULTS)
    assert plain.log.stats["bound_deep"] == []
