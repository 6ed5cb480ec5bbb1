# SPDX-License-Identifier: MIT
"""Objects made and destroyed: what the log says against what the program counted by itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness import (
    Event,
    Log,
    Python,
    Run,
    Tracer,
    compile_extension,
    compile_target,
    marks,
    need,
)

pytestmark = pytest.mark.versions((3, 13), (4, 0))  # CPython tells of objects from 3.13 on

OBJECTS = {"TRACE": "objects", "RSS": "off"}


def counts(log: Log, **fields: Any) -> tuple[Counter[str], Counter[str]]:
    """By type: how many were made, and how many destroyed."""
    made = Counter(e["type"] for e in log.of("create", **fields))
    return made, Counter(e["type"] for e in log.of("destroy", **fields))


def traced(tracer: Tracer, python: Python, program: str, **options: Any) -> Run:
    return tracer.python_argv(python, ["-c", program], options={**OBJECTS, **options})


def by_type(log: Log) -> dict[str, dict[str, list[Event]]]:
    found: dict[str, dict[str, list[Event]]] = {}
    for event in log.events:
        if event["event"] in ("create", "destroy"):
            found.setdefault(event["type"], {"create": [], "destroy": []})[event["event"]].append(
                event
            )
    return found


def check_lives(events: list[Event]) -> None:
    """At each address, of each type: made, destroyed, made again..."""
    live: dict[str, str] = {}
    seen: set[str] = set()
    for event in events:
        if event["event"] == "create":
            assert event["address"] not in live, event
            live[event["address"]] = event["type"]
            seen.add(event["address"])
        elif event["event"] == "destroy" and event["address"] in live:
            assert live.pop(event["address"]) == event["type"], event


def lives(events: list[Event], kind: str) -> list[tuple[Event, Event | None]]:
    """Each object of a type: how it was made, and how it ended."""
    found: list[tuple[Event, Event | None]] = []
    live: dict[str, int] = {}
    for event in events:
        if event["event"] == "create" and event["type"] == kind:
            live[event["address"]] = len(found)
            found.append((event, None))
        elif event["event"] == "destroy" and event["address"] in live:
            index = live.pop(event["address"])
            found[index] = (found[index][0], event)
    return found


def line_of(event: Event) -> int:
    return event.get("line") or 0


def check_class(said: dict[str, Any], made: list[Event], gone: list[Event], lines: Any) -> None:
    name = said["type"]
    assert (len(made), len(gone)) == (said["made"], said["dropped"]), name
    if said["new"]:
        assert {line_of(e) for e in made} == {lines[said["new"]]}, name
    if said["old"]:
        assert {line_of(e) for e in gone} == {lines[said["old"]]}, name
    if "size" in said:
        assert {e["size"] for e in made} == {said["size"]}, name
    if "least" in said:
        assert all(said["least"] <= e["size"] <= said["least"] + 24 for e in made), name


def tids(log: Log) -> dict[int, int]:
    return {e["thread"]: e["tid"] for e in log.of("thread")}


def check_threads(log: Log, said: dict[str, Any], events: dict[str, list[Event]]) -> None:
    tid = tids(log)
    assert {tid[e["thread"]] for e in events["create"]} == {said["made_by"]}
    assert {tid[e["thread"]] for e in events["destroy"]} == {said["dropped_by"]}


def check_report(run: Run, python: Python) -> None:
    lines = marks("objects_life.py")
    found = by_type(run.log)
    assert len(run.report) >= 30
    for said in run.report:
        events = found.get(said["type"], {"create": [], "destroy": []})
        # In these versions a second life is told as a birth.
        lives = 2 if said.get("again") and python.version < (3, 13, 3) else 1
        expected = {**said, "made": lives * said["made"], "dropped": lives * said["dropped"]}
        check_class(expected, events["create"], events["destroy"], lines)
        if "made_by" in said:
            check_threads(run.log, said, events)
    check_lives(run.log.events)


def test_counts_and_positions_equal_those_of_the_program(tracer: Tracer, python: Python) -> None:
    run = tracer.python(python, "objects_life.py", options=OBJECTS)
    check_report(run, python)
    inferred = sum(e["inferred"] for e in run.log.of("destroy"))
    notices = run.log.of("notice", what="objects")
    if python.version < (3, 13, 3):
        assert inferred > 5000 and notices
    elif python.version[:2] == (3, 13):
        assert inferred == 0 and not notices


@pytest.mark.interpreters()
@pytest.mark.parametrize("trace", ("objects,malloc,mmap,pymem,rss", "objects,rss"))
def test_beside_other_events(tracer: Tracer, python: Python, trace: str) -> None:
    options = {"TRACE": trace, "FOLD": "on", "RSS": "auto"}
    run = tracer.python(python, "objects_life.py", options=options)
    check_report(run, python)


@pytest.mark.interpreters()
@pytest.mark.parametrize("how", ("malloc", "debug", "pymalloc_debug"))
def test_with_other_allocators(tracer: Tracer, python: Python, how: str) -> None:
    need(not python.free_threaded or how == "debug", "not for free-threaded builds")
    run = tracer.python(python, "objects_life.py", options=OBJECTS, env={"PYTHONMALLOC": how})
    check_report(run, python)


BUILTIN = """
def work():
    for i in range(1000):
        a = [i] # list
        b = (i, i) # tuple
        c = {i: i} # dict
        d = float(i) # float
        e = {i} # set
        f = lambda: i # function
        g = (x for x in ()) # generator
work()
"""


def test_builtin_types(tracer: Tracer, python: Python) -> None:
    lines = {
        m[1]: n
        for n, m in enumerate(map(re.compile(".*# (.*)").match, BUILTIN.split("\n")), 1)
        if m
    }
    plain = traced(tracer, python, BUILTIN)
    assert not {e["type"] for e in plain.log.of("create", function="work")} & set(lines)
    run = traced(tracer, python, BUILTIN, BUILTIN_TYPES="on")
    for kind, line in lines.items():
        pairs = [p for p in lives(run.log.events, kind) if line_of(p[0]) == line]
        assert len(pairs) == 1000, kind
        ends = [line_of(end) for _, end in pairs if end]
        # The last one is dropped when the function has ended, perhaps to a list of free ones.
        assert ends.count(line) >= 998, kind
        assert len(ends) == 1000, kind
    assert not run.log.of("create", type="frame") and not run.log.of("create", type="code")


FILTERED = """
class Keep: pass
class KeepNot: pass
class Also1: pass
class Also22: pass
class Other: pass
for i in range(10):
    Keep(), KeepNot(), Also1(), Also22(), Other()
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    (
        ({}, {"Keep", "KeepNot", "Also1", "Also22", "Other"}),
        ({"INCLUDE_TYPES": "Keep*,Also?"}, {"Keep", "KeepNot", "Also1"}),
        ({"EXCLUDE_TYPES": "[A-K]*"}, {"Other"}),
        ({"INCLUDE_TYPES": "Keep*,Also?", "EXCLUDE_TYPES": "*Not"}, {"Keep", "Also1"}),
        ({"INCLUDE_TYPES": "Keep", "EXCLUDE_TYPES": "Keep"}, set()),
    ),
)
def test_filters_by_type(
    tracer: Tracer, python: Python, options: dict[str, str], expected: set[str]
) -> None:
    made, gone = counts(traced(tracer, python, FILTERED, **options).log)
    names = {"Keep", "KeepNot", "Also1", "Also22", "Other"}
    assert {k: v for k, v in made.items() if k in names} == dict.fromkeys(expected, 10)
    assert {k: v for k, v in gone.items() if k in names} == dict.fromkeys(expected, 10)
    if "INCLUDE_TYPES" in options:
        assert set(made) | set(gone) == expected


TRACEMALLOC = """
import tracemalloc
class W: pass
class X: pass
def some():
    kept = [W() for _ in range(100)]
    for _ in range(100): W()
    return kept
kept = some()
tracemalloc.start()
x = X()
kept.clear()
kept = some()
assert tracemalloc.get_object_traceback(kept[0]) is not None
size = tracemalloc.get_traced_memory()[0]
kept.clear()
assert tracemalloc.get_traced_memory()[0] < size
kept = some()
tracemalloc.stop()
kept.clear()
some()
tracemalloc.start()
some()
"""


def test_tracemalloc_takes_the_place(tracer: Tracer, python: Python) -> None:
    run = traced(tracer, python, TRACEMALLOC)
    made, gone = counts(run.log)
    assert made["W"] == gone["W"] == 1000
    assert made["X"] == 1
    assert len(run.log.of("notice", what="shared")) == 1
    check_lives(run.log.events)


def test_tracemalloc_from_the_start(tracer: Tracer, python: Python) -> None:
    program = "class W: pass\nfor i in range(100): W()\nimport tracemalloc\n"
    program += "kept = W()\nassert tracemalloc.get_object_traceback(kept) is not None"
    argv = ["-X", "tracemalloc", "-c", program]
    made, gone = counts(tracer.python_argv(python, argv, options=OBJECTS).log)
    assert made["W"] == 101
    assert gone["W"] >= 100


SECOND = """
import sys
sys.path.insert(0, {folder!r})
import objects_tracer
class W: pass
def some():
    kept = [W() for _ in range(100)]
    for _ in range(100): W()
    kept.clear()
def other():
    objects_tracer.{begin}("W")
    some()
    created, destroyed, removed = objects_tracer.stop({how!r})
    some()
    return created, destroyed, removed
some()
created, destroyed, removed = other()
assert created == 200, created
assert sys.version_info < (3, 13, 3) or destroyed == 200, destroyed
assert removed == (sys.version_info >= (3, 15)), removed
some()
"""


@pytest.mark.parametrize("begin", ("start", "chain"))
@pytest.mark.parametrize("how", ("nothing", "restore"))
def test_another_tracer(tracer: Tracer, python: Python, how: str, begin: str) -> None:
    need(python.has_headers, "no headers of this interpreter")
    folder = str(compile_extension("objects_tracer.c", python).parent)
    program = SECOND.format(folder=folder, how=how, begin=begin)
    # Untraced there is nothing to restore, but the same figures come out.
    run = traced(tracer, python, program)
    made, gone = counts(run.log)
    assert made["W"] == gone["W"] == 800
    assert len(run.log.of("notice", what="shared")) == 1


BYPASS = """
import sys
sys.path.insert(0, {folder!r})
import objects_tracer
class Plain:
    def __init__(self): self.x = 1
class Slots: __slots__ = ("a",)
class List(list): pass
class Int(int): __slots__ = ()
kept = [kind() for kind in (Plain, Slots, List, Int) for _ in range(50)]
def drop():
    objects_tracer.bypass(kept)
drop()
"""


def test_ends_that_python_does_not_tell(tracer: Tracer, python: Python) -> None:
    need(python.has_headers, "no headers of this interpreter")
    need(not python.free_threaded, "reference counts are not as simple there")
    folder = str(compile_extension("objects_tracer.c", python).parent)
    run = traced(tracer, python, BYPASS.format(folder=folder))
    for kind in ("Plain", "Slots", "List", "Int"):
        ends = run.log.of("destroy", type=kind)
        assert [e["inferred"] for e in ends] == [1] * 50, kind
        assert {e["function"] for e in ends} == {"drop"}
        made = [e["address"] for e in run.log.of("create", type=kind)]
        assert sorted(made) == sorted(e["address"] for e in ends)
    assert run.log.of("notice", what="objects")


THREADS = """
import threading, ctypes
class W: pass
kept = [W() for _ in range(10)]
libc = ctypes.CDLL(None)
def work(name):
    libc.prctl(15, name, 0, 0, 0)
    kept.extend([W() for _ in range(100 if name == b"blue" else 1000)])
for name in (b"blue", b"red"):
    thread = threading.Thread(target=work, args=(name,))
    thread.start()
    thread.join()
kept.clear()
"""


@pytest.mark.parametrize(("threads", "expected"), (("main", 10), ("bl*", 100), ("main,red", 1010)))
def test_filter_by_thread(tracer: Tracer, python: Python, threads: str, expected: int) -> None:
    made, gone = counts(traced(tracer, python, THREADS, THREADS=threads).log)
    assert made["W"] == gone["W"] == expected


FORK = """
import os
class Parents: pass
class Childs: pass
class Both: pass
kept = [Parents() for _ in range(10)]
Both()
pid = os.fork()
if pid == 0:
    del kept[:3]
    for _ in range(20): Childs()
    Both()
    os._exit(0)
os.waitpid(pid, 0)
kept.clear()
Both()
"""


def test_fork(tracer: Tracer, python: Python) -> None:
    run = traced(tracer, python, FORK)
    [child] = [log for log in run.logs if "forked" in log.header["flags"]]
    [parent] = [log for log in run.logs if log is not child]
    names = ("Parents", "Childs", "Both")
    made, gone = counts(child)
    assert [made[n] for n in names] == [0, 20, 1]
    assert [gone[n] for n in names] == [3, 20, 1]
    made, gone = counts(parent)
    assert [made[n] for n in names] == [10, 0, 2]
    assert [gone[n] for n in names] == [10, 0, 2]
    if python.version < (3, 13, 3):
        assert child.of("notice", what="objects") and parent.of("notice", what="objects")


END = """
import gc
class Cycle: pass
class Last: pass
gc.disable()
for _ in range(20):
    x = Cycle()
    x.x = x
del x
last = Last()
"""


@pytest.mark.parametrize("when", ("none", "0", "1", "2"))
def test_garbage_at_the_end(tracer: Tracer, python: Python, when: str) -> None:
    log = traced(tracer, python, END, GC_AT_END=when, INCLUDE_TYPES="Cycle,Last,Module*").log
    made, gone = counts(log)
    assert made["Cycle"] == gone["Cycle"] == 20
    ends = [e["type"] for e in log.of("destroy") if e["type"] in ("Cycle", "Last")]
    if when == "none":
        assert ends == ["Last"] + ["Cycle"] * 20
    else:
        assert ends == ["Cycle"] * 20 + ["Last"]


def test_the_collection_itself_leaves_no_objects(tracer: Tracer, python: Python) -> None:
    program = "class W: pass\nW()"
    plain = counts(traced(tracer, python, program).log)[0]
    with_gc = counts(traced(tracer, python, program, GC_AT_END="2").log)[0]
    assert with_gc == plain


def test_several_interpreters(tracer: Tracer, python: Python) -> None:
    module = "_interpreters" if python.version[:2] >= (3, 13) else ""
    program = f"""
import {module} as interpreters, threading
code = '''
class W: pass
def work():
    for i in range(2000):
        x = W()
        x = None
work()
'''
def run(number):
    interpreter = interpreters.create()
    interpreters.exec(interpreter, code)
    interpreters.destroy(interpreter)
threads = [threading.Thread(target=run, args=(n,)) for n in range(3)]
for t in threads: t.start()
for t in threads: t.join()
exec(code)
"""
    run = traced(tracer, python, program)
    made, gone = counts(run.log)
    assert made["W"] == gone["W"] == 8000


@pytest.mark.versions((3, 8), (3, 13))
def test_older_versions_say_so(tracer: Tracer, python: Python) -> None:
    run = tracer.python_argv(
        python, ["-c", "print(1)"], options={**OBJECTS, "TRACE": "objects,malloc"}, traced_only=True
    )
    assert run.outcome.visible[:2] == (0, b"1\n")
    assert run.outcome.err.count(b"\n") == 1
    assert run.outcome.err.startswith(b"pymemtrace: ") and b"CPython 3.13" in run.outcome.err
    [notice] = run.log.of("notice")
    assert "CPython 3.13" in notice["text"]
    assert run.log.of("alloc") and not run.log.of("create")


def test_resident_set(tracer: Tracer, python: Python) -> None:
    program = "class W: pass\nkept = [(W(), bytearray(1 << 20)) for i in range(30)]"
    events = traced(tracer, python, program, RSS="exact").log.of("create", type="W")
    sizes = [e["rss"] for e in events]
    assert len(sizes) == 30
    assert sizes[-1] - sizes[0] >= 28 << 20
    assert all(0 <= b - a < 3 << 20 for a, b in zip(sizes, sizes[1:]))


def test_log_takes_few_bytes(tracer: Tracer, python: Python) -> None:
    program = "class W: pass\nfor i in range(100000): W()"
    run = traced(tracer, python, program, INCLUDE_TYPES="W")
    assert json.loads(json.dumps(counts(run.log)[0])) == {"W": 100000}
    assert Path(run.log.path).stat().st_size < 200000 * 8


def test_interpreter_that_is_loaded_late(tracer: Tracer, python: Python) -> None:
    home = {"PYTHONHOME": str(Path(python.path).parents[1])}
    library = Path(python.path).parents[1] / "lib" / f"libpython3.{python.version[1]}.so.1.0"
    need(library.exists() and not python.root, "this Python has no shared library")
    run = tracer.both(
        [compile_target("embed.c"), str(library), "-c", FILTERED], env=home, options=OBJECTS
    )
    made, gone = counts(run.log)
    assert made["Keep"] == gone["Keep"] == 10


POOL = """
import multiprocessing, sys
class W: pass
def work(n):
    for i in range(n): W()
    return n
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        print(sorted(pool.map(work, [100, 200, 300])))
"""


@pytest.mark.parametrize("how", ("fork", "spawn"))
def test_processes(tracer: Tracer, python: Python, tmp_path: Path, how: str) -> None:
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    run = tracer.python_argv(python, [str(script), how], options=OBJECTS)
    assert run.outcome.text == "[100, 200, 300]\n"
    made = sum((counts(log)[0] for log in run.logs), Counter())
    gone = sum((counts(log)[1] for log in run.logs), Counter())
    assert made["W"] == gone["W"] == 600


CONTROLLED = """
import ctypes
library = ctypes.PyDLL(None)
def call(name, *settings):
    if name == "start":
        argument = (ctypes.c_char_p * (len(settings) + 1))(*settings)
        assert library.pymemtrace_start(argument) == 0
    else:
        assert getattr(library, "pymemtrace_" + name)(*settings) == 0
class W: pass
class X: pass
def some(n):
    for _ in range(n): W()
"""


def controlled(tracer: Tracer, python: Python, program: str) -> list[Log]:
    argv = ["-c", CONTROLLED + program]
    options = {**OBJECTS, "TRACE": None, "START": "off"}
    run = tracer.python_argv(python, argv, options=options, traced_only=True)
    assert run.outcome.visible == (0, b"", b"")
    return sorted(run.logs, key=lambda log: log.header["start_s"])


def test_logs_one_after_another(tracer: Tracer, python: Python) -> None:
    program = """
some(100)
for i in range(3):
    call("start", b"TRACE=objects")
    some(100 * (i + 1))
    kept = [X() for _ in range(10)]
    call("stop")
    some(50)
del kept
"""
    logs = controlled(tracer, python, program)
    assert len(logs) == 3
    for i, log in enumerate(logs):
        made, gone = counts(log)
        assert (made["W"], gone["W"]) == (100 * (i + 1), 100 * (i + 1))
        # Those of the log before have no birth in this one.
        assert (made["X"], gone["X"]) == (10, 10 if i else 0)
        assert len(log.of("notice", what="objects")) in (
            (2,) if python.version < (3, 13, 3) else (0, 1)
        )


def test_objects_on_and_off(tracer: Tracer, python: Python) -> None:
    program = """
call("start", b"TRACE=calls")
some(10)
call("set", b"TRACE=calls,objects")
some(100)
call("set", b"TRACE=calls")
some(1000)
call("set", b"TRACE=objects")
some(10000)
call("suspend")
some(3)
call("resume")
some(7)
call("stop")
some(5)
"""
    [log] = controlled(tracer, python, program)
    made, gone = counts(log)
    assert made["W"] == gone["W"] == 10107
    check_lives(log.events)


def test_the_place_is_given_back(tracer: Tracer, python: Python) -> None:
    program = """
get = ctypes.pythonapi.PyRefTracer_GetTracer
get.restype = ctypes.c_void_p
assert get(None) is None
call("start", b"TRACE=objects")
assert get(None) is not None
call("stop")
assert get(None) is None
import tracemalloc
tracemalloc.start()
its = get(None)
call("start", b"TRACE=objects")
some(10)
assert get(None) not in (None, its)
call("stop")
assert get(None) == its
kept = W()
assert tracemalloc.get_object_traceback(kept) is not None
"""
    [_, log] = controlled(tracer, python, program)
    made, gone = counts(log)
    assert made["W"] == gone["W"] == 10


# Python keeps the floats and lists that `old` made, and hands them out again to `young`.
REUSED = """
import gc, threading
gc.disable()
def old(): return [float(i) + 0.25 for i in range(50)] # old floats
def young(): return [float(i) + 0.5 for i in range(50)] # young floats
def lists_old(): return [[] for i in range(60)] # old lists
def lists_young(): return [[] for i in range(60)] # young lists
def many(): return [str(i) * 200 for i in range(%d)]
a = old(); a = None
l = lists_old(); l = None
between = many()
k = young(); m = lists_young()
import os, ctypes
snapshot = getattr(ctypes.PyDLL(None), "pymemtrace_snapshot", None)
if snapshot: snapshot(b"all")
os._exit(0)
"""
LINE_OF_REUSED = {
    m[1]: n for n, m in enumerate(map(re.compile(".*# (.*)").match, REUSED.split("\n")), 1) if m
}
ALL = {"TRACE": "malloc,mmap,pymem,rss,objects", "BUILTIN_TYPES": "on"}


def reused(run: Run) -> dict[str, int]:
    """Blocks that are live at the end, by the marked line that they are said to come from."""
    rows = run.log.top("-n", "100000", "--at", "end", "--heap")
    by_line: Counter[int] = Counter()
    for row in rows:
        if row["file"] == "<string>":
            by_line[row["line"]] += row["count"]
    return {name: by_line[line] for name, line in LINE_OF_REUSED.items()}


@pytest.mark.parametrize("fold", ("on", "off"))
@pytest.mark.parametrize("between", (0, 2000))
def test_a_reused_object_is_its_new_owners(
    tracer: Tracer, python: Python, fold: str, between: int
) -> None:
    """Also of one whose block has no record yet, because it is held back."""
    run = tracer.python_argv(python, ["-c", REUSED % between], options={**ALL, "FOLD": fold})
    held = reused(run)
    # Beside the objects a line has the tables of their lists.
    assert held["old floats"] <= 2 and held["old lists"] <= 2, held
    assert 50 <= held["young floats"] <= 60 and 60 <= held["young lists"] <= 70, held
    [row] = [r for r in run.log.top("-n", "1000", "--by", "type") if r["type"] == "float"]
    assert row["stack"][0]["line"] == LINE_OF_REUSED["young floats"]
    # What was live at any moment is as large as ever: only whose it is has changed.
    left = run.log.top("-n", "100000", "--heap", "--at", "exit")
    assert sum(r["bytes"] for r in left) == run.log.stats["live_at_exit"]["bytes"]


@pytest.mark.versions((3, 8), (3, 13))
def test_older_versions_show_the_first_owner(tracer: Tracer, python: Python) -> None:
    """The limit: there no record says that a dead object was handed out again."""
    run = tracer.python_argv(python, ["-c", REUSED % 0], options={"TRACE": "malloc,mmap,pymem,rss"})
    held = reused(run)
    assert held["old floats"] >= 40 and held["young floats"] <= 14, held
