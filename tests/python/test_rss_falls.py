# SPDX-License-Identifier: MIT
"""A fall of the resident set belongs to the function that frees, without the library preloaded, too.

In drop() memory goes back to the system, in much less than the millisecond after which the resident
set is read anyway.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import classic
import pymemtrace
import pytest

from installed import execute

Run = Callable[..., Any]
MIB = 1 << 20

HEAD = """
import ctypes, json, os, sys, threading
from pymemtrace import cPyMemTrace as c, tracker

MIB = 1 << 20
said = {}

def make(kind):
    if kind == "text":
        return [" " * (4 * MIB)]
    if kind == "bytearray":
        return [bytearray(b"x") * (4 * MIB)]
    return [b"x" * (440 + i % 2) for i in range(12288)]  # in arenas

def drop(held):
    held.clear()

def shrink(held):
    del held[0][100:]

# The C library takes it from the system each time, as at first.
ctypes.CDLL(None).mallopt(-3, 131072)

class Allocator(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("ctx", "malloc", "calloc", "realloc", "free")]

class Arenas(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("ctx", "alloc", "free")]

def fields_of(structure):
    return [getattr(structure, name) for name, _ in structure._fields_]

def allocators():
    found = []
    for domain in range(3):
        one = Allocator()
        ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(one))
        found.append(fields_of(one))
    arenas = Arenas()
    ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(arenas))
    return found + [fields_of(arenas)]

def falls(path, kind="text"):
    held = make(kind)
    with c.Profile(0, filepath=path):
        drop(held)
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """run(SCRIPT) is what the script put into `said`."""

    def run(script: str, **env: str) -> Any:
        path = tmp_path / "program.py"
        path.write_text(HEAD + script + "\nprint(json.dumps(said))\n", "utf-8")
        done = execute([sys.executable, path], env=env, cwd=tmp_path)
        assert done.stderr.decode() == ""
        return json.loads(done.stdout)

    return run


def fall(path: Path, name: str = "drop") -> int:
    """By how much it is less at the first return of the function NAME than at its call."""
    rss: Dict[str, int] = {}
    for row in classic.events(path):
        if row["function"] == name:
            rss.setdefault(row["what"], row["rss"])
    return rss["CALL"] - rss["RETURN"]


@pytest.mark.parametrize("kind", ["text", "bytearray", "small"])
@pytest.mark.parametrize("context", ["Profile", "Trace"])
def test_fall_belongs_to_who_frees(run: Run, tmp_path: Path, context: str, kind: str) -> None:
    """Blocks from before the context, and those that are made in it."""
    run(f"""
held = make({kind!r})
for name in "before.log", "within.log":
    with c.{context}(0, filepath=name):
        held = held or make({kind!r})
        drop(held)
""")
    for name in "before.log", "within.log":
        assert fall(tmp_path / name) > 3 * MIB, name


def test_fall_by_a_block_made_smaller(run: Run, tmp_path: Path) -> None:
    run("""
held = make("bytearray")
with c.Profile(0, filepath="shrunk.log"):
    shrink(held)
""")
    assert fall(tmp_path / "shrunk.log", "shrink") > 3 * MIB


@pytest.mark.parametrize("setting", ["malloc", "debug", "pymalloc_debug"])
def test_fall_with_other_allocators(run: Run, tmp_path: Path, setting: str) -> None:
    run("falls('one.log'); falls('two.log')", PYTHONMALLOC=setting)
    assert min(fall(tmp_path / name) for name in ("one.log", "two.log")) > 3 * MIB


@pytest.mark.parametrize("words", ["calls,rss", "calls,pymem,rss"])
def test_fall_in_a_log_of_tracker(run: Run, tmp_path: Path, words: str) -> None:
    """Also where a log before it had other words, and so other wrappers."""
    run(f"""
for name in "pymem.pmt", "one.pmt", "two.pmt":
    held = make("text")
    tracker.start(output=name, trace="pymem" if name == "pymem.pmt" else {words!r})
    drop(held)
    tracker.stop()
""")
    for name in "one.pmt", "two.pmt":
        rss = {
            event["what"]: event["rss"]
            for event in pymemtrace.read(tmp_path / name).events()
            if event["event"] == "pyevent" and event["function"] == "drop"
        }
        assert rss["call"] - rss["return"] > 3 * MIB, name


def test_fall_where_the_system_refuses_to_count(run: Run, tmp_path: Path) -> None:
    """As in most containers: the resident set is read by the millisecond, but for what is freed."""
    run("falls('slice.log')", PYMEMTRACE_RSS="slice")
    assert fall(tmp_path / "slice.log") > 3 * MIB


def test_allocators_are_as_they_were(run: Run) -> None:
    """After the last context, and with one inside another."""
    said = run("""
said["before"] = allocators()
with c.Profile(0, filepath="outer.log"):
    with c.Trace(0, filepath="inner.log"):
        pass
    said["within"] = allocators()
said["after"] = allocators()
""")
    assert said["within"] != said["before"]
    assert said["after"] == said["before"]
    # Whoever allocates meanwhile, with the interpreter's lock or without, finds what belongs together.
    for within, before in zip(said["within"], said["before"]):
        assert within[:2] == before[:2]


def test_tracemalloc_begun_within_stays(run: Run, tmp_path: Path) -> None:
    """What was put above our wrappers is not lost when the context ends, and ends as it always does."""
    said = run("""
import tracemalloc
before = allocators()
with c.Profile(0, filepath="one.log"):
    tracemalloc.start()
above = allocators()
kept = bytearray(3 * MIB)
said["traced"] = tracemalloc.get_traced_memory()[0]
falls("two.log")
said["same"] = allocators() == above
tracemalloc.stop()
falls("three.log")
said["restored"] = allocators() == before
""")
    assert said["traced"] > 3 * MIB
    assert said["same"]
    assert said["restored"]
    assert fall(tmp_path / "two.log") > 3 * MIB
    assert fall(tmp_path / "three.log") > 3 * MIB


def test_tracemalloc_ended_within(run: Run, tmp_path: Path) -> None:
    """It puts back what was there when it began: our wrappers go, and come back with the next context."""
    said = run("""
import tracemalloc
before = allocators()
tracemalloc.start()
falls("one.log")
with c.Profile(0, filepath="two.log"):
    tracemalloc.stop()
said["restored"] = allocators() == before
falls("three.log")
said["again"] = allocators() == before
tracemalloc.start()
falls("four.log")
tracemalloc.stop()
said["last"] = allocators() == before
""")
    assert said == {"restored": True, "again": True, "last": True}
    for name in "one.log", "three.log", "four.log":
        assert fall(tmp_path / name) > 3 * MIB, name


@pytest.mark.parametrize("ended", [False, True])
def test_interpreter_ends_well_after_tracemalloc(run: Run, ended: bool) -> None:
    """The log began while it was on: what the interpreter keeps of us is not given back through it."""
    run(f"""
import tracemalloc
tracemalloc.start()
tracker.start(output="one.pmt", trace="rss")
tracker.stop()
if {ended}:
    tracemalloc.stop()
""")


def test_contexts_while_threads_allocate(run: Run) -> None:
    """The raw allocator serves threads that do not hold the interpreter's lock."""
    said = run("""
import hashlib, zlib
ended = False
rounds = [0] * 4

def busy(i):
    data = os.urandom(300_000)
    while not ended:
        bytearray(data) * 3
        zlib.compress(data, 1)
        hashlib.sha256(data).hexdigest()
        [b"x" * 400 for _ in range(2000)]
        rounds[i] += 1

threads = [threading.Thread(target=busy, args=(i,)) for i in range(4)]
for t in threads:
    t.start()
for i in range(20):
    with c.Profile(10 * MIB, filepath="busy.log"):
        pass
while min(rounds) < 2:
    pass
ended = True
for t in threads:
    t.join()
said = rounds
""")
    assert min(said) >= 2


def test_child_of_a_fork_within(run: Run, tmp_path: Path) -> None:
    """It has our wrappers, which do nothing there until it enters a context of its own."""
    run("""
with c.Profile(0, filepath="parent.log"):
    pid = os.fork()
    if pid == 0:
        held = make("text")
        drop(held)
        falls("child.log")
        os._exit(0)
    said["status"] = os.waitpid(pid, 0)[1]
    held = make("text")
    drop(held)
""")
    assert fall(tmp_path / "child.log") > 3 * MIB
    assert fall(tmp_path / "parent.log") > 3 * MIB


def test_subinterpreter_within(run: Run, tmp_path: Path) -> None:
    """The allocators are the process's: an interpreter that begins and ends meanwhile has them, too."""
    said = run("""
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

with c.Profile(0, filepath="one.log"):
    number = interpreters.create()
    interpreters.run_string(number, "held = [b'x' * 4_000_000, [b'y' * 400 for _ in range(20000)]]; held.clear()")
    interpreters.destroy(number)
    held = make("text")
    drop(held)
said = sum(make("small")[0])
""")
    assert said == 440 * ord("x")
    assert fall(tmp_path / "one.log") > 3 * MIB
