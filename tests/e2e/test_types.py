# SPDX-License-Identifier: MIT
"""Live objects by type: what a census says against what the program knows of itself."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from harness import LIBRARY, Log, Python, Run, Tracer, compile_extension, compile_target, need, tool

TYPED = {"TRACE": "malloc,mmap,pymem,rss"}
BARE = ["-S"]  # what an installation imports by itself can be most of a small program's blocks
KINDS = ("<no object>", "<free list>")

# A snapshot by a program that also runs untraced.
SNAPSHOT = """
import ctypes
def snapshot(label):
    function = getattr(ctypes.PyDLL(None), "pymemtrace_snapshot", None)
    if function is not None:
        assert function(label) == 0
"""


def by_type(log: Log, *options: str) -> dict[str, dict]:
    rows = log.top("--by", "type", *options)
    assert len({row["type"] for row in rows}) == len(rows)
    return {row["type"]: row for row in rows}


def of_main(rows: dict[str, dict]) -> dict[str, int]:
    start = "__main__."
    return {k[len(start) :]: v["count"] for k, v in rows.items() if k.startswith(start)}


def live_objects(log: Log) -> tuple[int, int]:
    """Blocks and bytes of the object domain when the last census was taken, by the events alone."""
    live: dict[str, int] = {}
    at_census = (0, 0)
    for event in log.events:
        if event["event"] == "census":
            at_census = len(live), sum(live.values())
        elif event["event"] == "alloc" and event["allocator"].startswith("PyObject_"):
            live[event["address"]] = event["size"]
        elif event["event"] == "free" and event["deallocator"] == "PyObject_Free":
            live.pop(event["address"], None)
        elif event["event"] == "realloc" and event["reallocator"] == "PyObject_Realloc":
            live.pop(event["old_address"], None)
            live[event["address"]] = event["size"]
    return at_census


def check_objects(run: Run) -> None:
    said = json.loads(run.outcome.text)
    rows = by_type(run.log)
    counted = {name: rows.get("__main__." + name) for name in said["exactly"]}
    for name, (count, size) in said["exactly"].items():
        row = counted[name]
        assert row is not None, name
        assert row["count"] == count, name
        assert size is None or row["bytes"] == size, name
    for name, least in said["least"].items():
        assert rows[name]["count"] >= least[0], name
        assert len(least) == 1 or rows[name]["bytes"] >= least[1], name
    odd = ["__main__.Ünïcode<\x1b[31m>x", "Nameless", "Forgotten"]
    assert [rows[name]["count"] for name in odd] == [60, 50, 40]
    [long] = [row for name, row in rows.items() if name.startswith("__main__.LLLLL")]
    assert long["count"] == 70
    assert "<not looked at>" not in rows
    assert not [name for name in rows if name.startswith("<") and name not in KINDS]


@pytest.mark.slow
def test_counts_equal_those_of_the_program(tracer: Tracer, python: Python) -> None:
    run = tracer.python(python, "objects.py", options=TYPED)
    check_objects(run)
    rows = by_type(run.log)
    total = sum(r["count"] for r in rows.values()), sum(r["bytes"] for r in rows.values())
    assert total == live_objects(run.log)
    assert total[0] > 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", ("malloc", "debug", "malloc_debug", "pymalloc", "pymalloc_debug", "dev")
)
def test_counts_with_other_allocators(tracer: Tracer, python: Python, how: str) -> None:
    need(not python.free_threaded or how in ("debug", "dev"), "not for free-threaded builds")
    if how == "dev":
        path = str(Path(__file__).parents[1] / "targets" / "objects.py")
        run = tracer.python_argv(python, ["-X", "dev", path], options=TYPED)
    else:
        run = tracer.python(python, "objects.py", options=TYPED, env={"PYTHONMALLOC": how})
    check_objects(run)


def test_types_of_an_extension(tracer: Tracer, python: Python) -> None:
    need(python.has_headers, "no headers of this interpreter")
    folder = compile_extension("typed.c", python).parent
    program = f"""
import sys
sys.path.insert(0, {str(folder)!r})
import typed
class Python(typed.Static): pass
keep = [[t() for _ in range(n)] for t, n in ((typed.Static, 111), (typed.FromSpec, 222), (Python, 333))]
"""
    rows = by_type(tracer.python_argv(python, ["-c", program], options=TYPED).log)
    assert rows["typed.Static"]["count"] == 111
    assert rows["typed.Static"]["bytes"] == 111 * 56
    assert rows["typed.sub.FromSpec"]["count"] == 222
    assert rows["__main__.Python"]["count"] == 333


@pytest.mark.interpreters("3.12")
@pytest.mark.slow
def test_snapshots(tracer: Tracer, python: Python) -> None:
    program = (
        SNAPSHOT
        + """
class Early: pass
class Late: pass
early = [Early() for _ in range(100)]
snapshot(b"one")
del early[10:]
late = [Late() for _ in range(50)]
snapshot(b"two")
snapshot(b"caf\\xc3\\xa9 \\x1b[31m")
del late
"""
    )
    log = tracer.python_argv(python, [*BARE, "-c", program], options=TYPED).log
    assert of_main(by_type(log, "--census", "one")) == {"Early": 100}
    assert of_main(by_type(log, "--census", "two")) == {"Early": 10, "Late": 50}
    assert of_main(by_type(log, "--census", "2")) == {"Early": 10, "Late": 50}
    assert of_main(by_type(log)) == of_main(by_type(log, "--census", "end")) == {"Early": 10}
    assert [(c["number"], c["moment"]) for c in log.of("census")] == [
        (1, "snapshot"),
        (2, "snapshot"),
        (3, "snapshot"),
        (4, "end"),
    ]
    assert [m["text"] for m in log.of("mark")] == ["one", "two", "café \x1b[31m"]
    failed = tool("top", "--by", "type", "--census", "three", log.path, status=1)
    assert b"'three' are in this log" in failed.err
    text = tool("top", "--by", "type", "--census", "3", log.path).text
    assert "\x1b" not in text and "caf" in text


@pytest.mark.interpreters("3.12")
def test_snapshot_without_the_lock_is_refused(tracer: Tracer, python: Python) -> None:
    program = (
        "import ctypes\n"
        "f = ctypes.CDLL(None).pymemtrace_snapshot\n"
        "print(f(b'no'), ctypes.PyDLL(None).pymemtrace_snapshot(b'x' * 1001))"
    )
    run = tracer.python_argv(python, [*BARE, "-c", program], options=TYPED, traced_only=True)
    assert run.outcome.text == "-1 -1\n"
    assert [c["moment"] for c in run.log.of("census")] == ["end"]
    assert [m["text"] for m in run.log.of("mark")] == ["no"]


@pytest.mark.interpreters("3.12")
@pytest.mark.slow
@pytest.mark.parametrize("options", ({"TRACE": "malloc"}, {**TYPED, "TYPES": "off"}))
def test_absent_when_not_asked_for(tracer: Tracer, python: Python, options: dict) -> None:
    program = (
        "import ctypes\n"
        "f = getattr(ctypes.PyDLL(None), 'pymemtrace_snapshot', None)\n"
        "assert f is None or f(b'here') == -1"
    )
    log = tracer.python_argv(python, [*BARE, "-c", program], options=options).log
    assert not log.of("census", "type_live", "type_name")
    assert [m["text"] for m in log.of("mark")] == ["here"]
    assert (
        b"no Python objects by type are in this log"
        in tool("top", "--by", "type", log.path, status=1).err
    )


ENDS = {
    "return": ("", 0),
    "exit": ("import sys; sys.exit(3)", 3),
    "error": ("raise ValueError", 1),
    "_exit": ("import os; os._exit(5)", 5),
    "handlers": ("import atexit; atexit.register(lambda: print('mine', len(keep)))", 0),
    "thread": (
        "import threading, os\nthreading.Thread(target=lambda: os._exit(4)).start()\n"
        "import time\ntime.sleep(60)",
        4,
    ),
}


@pytest.mark.interpreters("3.13")
@pytest.mark.slow
@pytest.mark.parametrize("how", ENDS)
def test_every_end_has_its_census(tracer: Tracer, python: Python, how: str) -> None:
    code, status = ENDS[how]
    program = "class Kept: pass\nkeep = [Kept() for _ in range(77)]\n" + code
    run = tracer.python_argv(python, [*BARE, "-c", program], options=TYPED)
    assert run.outcome.status == status
    assert of_main(by_type(run.log)) == {"Kept": 77}
    assert [c["moment"] for c in run.log.of("census")] == ["end"]


def test_last_after_the_handlers_of_the_program(tracer: Tracer, python: Python) -> None:
    program = """
import atexit
class Kept: pass
keep = []
atexit.register(lambda: keep.extend(Kept() for _ in range(5)))
atexit.register(lambda: keep.append(Kept()))
"""
    run = tracer.python_argv(python, [*BARE, "-c", program], options=TYPED)
    assert of_main(by_type(run.log)) == {"Kept": 6}


@pytest.mark.interpreters("3.12")
@pytest.mark.slow
def test_none_after_a_kill_or_a_clear(tracer: Tracer, python: Python) -> None:
    killed = "import os; os.system('kill -9 %d' % os.getpid())"  # by another process
    for code in (killed, "import atexit; atexit._clear()"):
        run = tracer.python_argv(python, [*BARE, "-c", code], options=TYPED)
        assert run.outcome.status in (-signal.SIGKILL, 0)
        assert not run.log.of("census")


# What a program can find out about itself: modules, objects, exit functions, verbose output.
LOOKS = {
    "modules": ("import sys; print(sorted(sys.modules))", []),
    "objects": ("import gc; print(len(gc.get_objects()), gc.collect(), len(gc.garbage))", []),
    "atexit": (
        "import atexit, sys\n"
        "atexit.register(print, 'last')\n"
        "class Any:\n    __eq__ = lambda *a: print('asked') or False\n"
        "atexit.unregister(Any)\n"
        "print(sys.getrefcount(None) > 100, atexit, atexit.register)",
        [],
    ),
    "run": ("import atexit; atexit.register(print, 'run'); atexit._run_exitfuncs(); print(1)", []),
    "children": (
        "import multiprocessing as m\n"
        "def f(n): print(n, flush=True)\n"
        "c = m.get_context('fork').Process(target=f, args=(3,)); c.start(); c.join()\n"
        "print(c.exitcode)",
        ["-W", "ignore"],
    ),
}


@pytest.mark.parametrize("what", LOOKS)
def test_program_does_not_see_it(tracer: Tracer, python: Python, what: str) -> None:
    """python() demands the same output and status with and without the tracer."""
    code, options = LOOKS[what]
    need(
        what != "objects" or python.version < (3, 14),
        "these keep exit functions in tuples, which the collector sees",
    )
    tracer.python_argv(python, [*options, "-c", code], options=TYPED)


@pytest.mark.interpreters("3.12")
def test_verbose_output_is_the_same(tracer: Tracer, python: Python) -> None:
    """No module comes or goes for the census; -v says so. Addresses differ in any two runs."""
    said = []
    for options in (TYPED, {"TRACE": "malloc"}):
        arguments = ["-v", "-X", "importtime", "-I", "-S", "-c", "pass"]
        run = tracer.python_argv(python, arguments, options=options, traced_only=True)
        lines = run.outcome.err.decode().splitlines()
        said.append([re.sub(r"0x[0-9a-f]+|\s*\d+ \|", "", line) for line in lines])
    assert said[0] == said[1]
    assert len(said[0]) > 20


@pytest.mark.interpreters("3.12")
def test_forked_children_have_their_own(tracer: Tracer, python: Python) -> None:
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")
class Parent: pass
class Child: pass
parents = [Parent() for _ in range(123)]
if os.fork() == 0:
    children = [Child() for _ in range(45)]
    if sys.argv[1] == "_exit":
        os._exit(0)
else:
    os.wait()
"""
    for how in ("_exit", "return"):
        run = tracer.python_argv(python, [*BARE, "-c", program, how], options=TYPED)
        assert len(run.logs) == 2
        counts = [of_main(by_type(log)) for log in run.logs]
        # The child's log has no blocks of the parent.
        assert sorted(counts, key=str) == [{"Child": 45}, {"Parent": 123}]
        both = tool("top", "--by", "type", "--json", "-n", "9999", *(x.path for x in run.logs))
        rows = {row["type"]: row["count"] for row in json.loads(both.out)["rows"]}
        assert (rows["__main__.Child"], rows["__main__.Parent"]) == (45, 123)


@pytest.mark.interpreters("3.12")
@pytest.mark.slow
def test_threads_that_go_on(tracer: Tracer, python: Python) -> None:
    """Snapshots while other threads make and drop objects: each count is one that there was."""
    program = (
        SNAPSHOT
        + """
import sys, threading, time
sys.setswitchinterval(0.0002) # all threads have had several turns before the next snapshot
class Pair: pass
class Still: pass
still = [Still() for _ in range(1000)]
stop = []
turns = [0] * 4
def work(number):
    while not stop:
        keep = [Pair() for _ in range(100)]
        bytes(70000)
        turns[number] += 1
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for t in threads: t.start()
for i in range(20):
    snapshot(b"s%d" % i)
    before = list(turns)
    while any(now < was + 3 for now, was in zip(turns, before)): time.sleep(0.0005)
stop.append(1)
for t in threads: t.join()
"""
    )
    log = tracer.python_argv(python, [*BARE, "-c", program], options=TYPED).log
    for i in range(20):
        rows = by_type(log, "--census", f"s{i}")
        assert rows["__main__.Still"]["count"] == 1000
        assert rows.get("__main__.Pair", {"count": 0})["count"] <= 810
        if not python.free_threaded:
            assert "<not looked at>" not in rows


@pytest.mark.interpreters("3.12")
def test_by_site_of_the_objects(tracer: Tracer, python: Python, tmp_path: Path) -> None:
    """The types of what one file made, and where most of a type was made."""
    script = tmp_path / "made.py"
    script.write_text("class A: pass\ndef few():\n    return [A() for _ in range(3)]\n\n\n")
    with script.open("a") as file:
        file.write("def many():\n    return [A() for _ in range(30)]\n\n\nx = few(), many()\n")
    log = tracer.python(python, str(script), options=TYPED).log
    rows = by_type(log, "--include", str(script))
    assert rows["__main__.A"]["count"] == 33
    assert rows["__main__.A"]["stack"][0]["line"] == 7


@pytest.mark.slow
def test_hidden_from_subinterpreters(tracer: Tracer, python: Python) -> None:
    module = {(3, 13): "_interpreters"}.get(python.version[:2], "_xxsubinterpreters")
    module = "_interpreters" if python.version >= (3, 13) else module
    program = f"""
class Kept: pass
keep = [Kept() for _ in range(50)]
import {module} as i
one = i.create()
i.run_string(one, "import atexit; atexit.register(print, 'sub'); x = [object() for _ in range(1000)]")
i.destroy(one)
keep += [Kept() for _ in range(5)]
"""
    run = tracer.python_argv(python, ["-c", program], options=TYPED)
    assert of_main(by_type(run.log)).get("Kept") == 55


@pytest.mark.interpreters("3.12")
def test_allocator_taken_out_by_the_program(tracer: Tracer, python: Python) -> None:
    """Blocks that we never hear of again, whose memory has gone back to the kernel."""
    program = """
import ctypes, os
class Allocator(ctypes.Structure):
    _fields_ = [("ctx", ctypes.c_void_p), ("functions", ctypes.c_void_p * 4)]
class Kept: pass
kept = [Kept() for _ in range(50)]
large = [bytes(1 << 20) for _ in range(20)]
top = Allocator()
ctypes.pythonapi.PyMem_GetAllocator(2, ctypes.byref(top))
if "PYMEMTRACE_OUTPUT" in os.environ:  # what it calls is at its context
    ctypes.pythonapi.PyMem_SetAllocator(2, ctypes.c_void_p(top.ctx))
del large
print("done", flush=True)
"""
    run = tracer.python_argv(python, [*BARE, "-c", program], options=TYPED)
    assert run.outcome.text == "done\n"
    assert of_main(by_type(run.log))["Kept"] == 50


@pytest.mark.interpreters("3.12")
def test_multiprocessing(tracer: Tracer, python: Python) -> None:
    """Children that end by os._exit(), after their own run of the functions of atexit."""
    program = """
import multiprocessing
class Made: pass
def work(n):
    global made
    made = [Made() for _ in range(n)]
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    for n in (11, 22):
        one = context.Process(target=work, args=(n,)); one.start(); one.join()
"""
    run = tracer.python_argv(python, ["-W", "ignore", "-c", program], options=TYPED)
    counts = [of_main(by_type(log)) for log in run.logs]
    assert sorted(c.get("Made", 0) for c in counts) == [0, 11, 22]


@pytest.mark.interpreters("3.12")
@pytest.mark.slow
def test_cost_of_a_census(tracer: Tracer, python: Python) -> None:
    """Not a measurement: a census of a million objects must not take as long as a syscall for each."""
    program = (
        SNAPSHOT
        + """
import time
keep = [[] for _ in range(500000)] + [float(i) for i in range(500000)]
times = []
for _ in range(3):
    start = time.thread_time()
    snapshot(b"now")
    times.append(time.thread_time() - start)
assert min(times) < 0.5, times
"""
    )
    tracer.python_argv(python, [*BARE, "-c", program], options=TYPED)


def test_embedded_and_loaded_late(tracer: Tracer, python: Python) -> None:
    """A program that loads libpython: its end is the interpreter's."""
    name = f"libpython{python.version[0]}.{python.version[1]}.so.1.0"
    library = Path(python.path).parents[1] / "lib" / name
    need(not python.root and library.exists(), "no shared library of this interpreter")
    code = "class Kept: pass\nkeep = [Kept() for _ in range(33)]"
    home = {"PYTHONHOME": str(Path(python.path).parents[1])}
    run = tracer.both(
        [compile_target("embed.c"), str(library), "-c", code], env=home, options=TYPED
    )
    assert of_main(by_type(run.log)) == {"Kept": 33}


def test_exported_beside_the_hooks() -> None:
    assert os.path.exists(LIBRARY)
    header = Path(__file__).parents[2] / "lib" / "tracer" / "base" / "pymemtrace.h"
    assert "int pymemtrace_snapshot(const char *label);" in header.read_text()
