# SPDX-License-Identifier: MIT
"""Whose memory is what: each mapping belongs to who made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import Python, Run, Tracer, execute, need, tool

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
