# SPDX-License-Identifier: MIT
"""pymemtrace.cPyMemTrace: its text logs, compared with what the program counted by itself.

Each program runs by itself, in a folder of its own, and prints what it saw as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Callable

import classic
import pymemtrace
import pytest

from installed import TOP, execute

Run = Callable[..., Any]
OBJECTS = pytest.mark.skipif(sys.version_info < (3, 13), reason="needs Python 3.13 or later")
PAGE = 4096

HEAD = """
import gc, itertools, json, os, sys, threading
from pymemtrace import cPyMemTrace as c

def small(n):
    return len("x" * n)

def fails():
    try:
        "text".index("no part of it")
    except ValueError:
        return None

def generated():
    yield small(1)
    yield small(2)

def work():
    small(3)
    fails()
    return sum(generated())

class W:
    pass

def make(n):
    return [W() for _ in itertools.repeat(None, n)]

class Recorder:
    '''What the interpreter tells of this file's functions, from sys.setprofile or sys.settrace.'''

    def __init__(self):
        self.seen = []

    def __call__(self, frame, event, arg):
        if frame.f_code.co_filename == __file__ and frame.f_code.co_name in ("work", "small", "fails", "generated"):
            name = arg.__name__ if event.startswith("c_") else frame.f_code.co_name
            self.seen.append([event, frame.f_lineno, name])
        return self

said = {}
"""
TAIL = "\nprint(json.dumps(said))\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """run(SCRIPT) is what the script put into `said`."""

    def run(script: str, status: int = 0, **env: str) -> Any:
        path = tmp_path / "program.py"
        path.write_text(HEAD + script + TAIL, "utf-8")
        done = execute([sys.executable, path], status, env=env, cwd=tmp_path)
        assert done.stderr.decode() == ""
        return json.loads(done.stdout)

    return run


TOLD = {"C_EXCEPT": "c_exception", "EXCEPT": "exception"}


def of_work(path: str | Path) -> list[list[Any]]:
    """The events from the call of work() to its return, as the recorder has them."""
    found = [
        [TOLD.get(row["what"], row["what"].lower()), row["line"], row["function"]]
        for row in classic.events(path)
    ]
    names = [event[2] for event in found]
    return found[names.index("work") : len(names) - names[::-1].index("work")]


def test_row_16_profile(run: Run) -> None:
    """The same events in the same order as sys.setprofile tells, with file, line and function."""
    said = run("""
recorder = Recorder()
sys.setprofile(recorder)
work()
sys.setprofile(None)
with c.Profile(0, filepath="p.log") as p:
    path = p.log_file_path()
    work()
said = {"seen": recorder.seen, "path": path}
""")
    assert said["path"].endswith("/p.log")
    found = of_work(said["path"])
    assert found == said["seen"]
    assert {event[0] for event in found} == {"call", "return", "c_call", "c_return", "c_exception"}
    for row in classic.events(said["path"]):
        assert row["file"].endswith("/program.py")
        assert row["rss"] > 1_000_000
        assert row["rss"] % PAGE == 0


def test_row_17_trace(run: Run) -> None:
    """The same as sys.settrace tells, and never a C function."""
    said = run("""
recorder = Recorder()
sys.settrace(recorder)
work()
sys.settrace(None)
with c.Trace(0, filepath="t.log") as t:
    path = t.log_file_path()
    work()
said = {"seen": recorder.seen, "path": path}
""")
    words = {row["what"] for row in classic.events(said["path"])}
    assert words == {"CALL", "LINE", "RETURN", "EXCEPT"}
    found = of_work(said["path"])
    kinds = {kind: [e for e in said["seen"] if e[0] == kind] for kind in ("call", "line", "return")}
    for kind, expected in kinds.items():
        assert [e for e in found if e[0] == kind] == expected
    assert [e[2] for e in found if e[0] == "exception"] == ["fails"]


def test_row_18_no_opcodes(run: Run, tmp_path: Path) -> None:
    """As the page says: instructions are not in the log, and nothing else is lost by them."""
    run("""
def asks():
    sys._getframe().f_trace_opcodes = True
    return 1
with c.Trace(0, filepath="t.log"):
    asks()
""")
    own = [row["what"] for row in classic.events(tmp_path / "t.log") if row["function"] == "asks"]
    assert own == ["CALL", "LINE", "LINE", "RETURN"]
    assert "no OPCODE lines" in (TOP / "docs" / "cPyMemTrace.md").read_text("utf-8")


GROWING = """
kept = []
def grow(size):
    kept.append(b"x" * size)
    return size
def quiet(n):
    return n + 1
with c.{kind}({trigger}, filepath="g.log", all_threads=False) as p:
    for i in range(6):
        quiet(i)
        quiet(i)
        grow(1 << 20)
        quiet(i)
        quiet(i)
"""


@pytest.mark.parametrize("kind", ["Profile", "Trace"])
def test_row_19_trigger_zero_logs_all(run: Run, tmp_path: Path, kind: str) -> None:
    run(GROWING.format(kind=kind, trigger=0))
    found = classic.rows(tmp_path / "g.log")
    events = [row for row in found if row["label"] in ("FRST", "NEXT")]
    assert [row["number"] for row in events] == list(range(len(events)))
    [last] = [row for row in found if row["label"] == "LAST"]
    assert last["number"] == len(events)
    assert [row["function"] for row in events].count("quiet") >= 24 * 2
    assert not [row for row in found if row["label"] == "PREV"]


@pytest.mark.parametrize("trigger", [-1, 1, 500_000])
def test_row_19_trigger(run: Run, tmp_path: Path, trigger: int) -> None:
    """Lines are where the resident set is far enough from that at the last one."""
    run(GROWING.format(kind="Profile", trigger=trigger))
    least = PAGE if trigger < 0 else trigger
    reported = 0
    events = [row for row in classic.rows(tmp_path / "g.log") if row["label"] in ("FRST", "NEXT")]
    assert len(events) >= 6
    for row in events:
        if row["label"] == "NEXT":
            assert abs(row["rss"] - reported) >= least
        assert row["growth"] == row["rss"] - reported
        reported = row["rss"]
    assert sum(row["growth"] for row in events[1:]) >= 5 << 20


def test_row_20_previous(run: Run, tmp_path: Path) -> None:
    """PREV is the event right before NEXT, and one that had no line of its own."""
    run(GROWING.format(kind="Profile", trigger=500_000))
    found = classic.rows(tmp_path / "g.log")
    events = [row for row in found if row["label"] in ("FRST", "NEXT", "PREV")]
    previous = [i for i, row in enumerate(events) if row["label"] == "PREV"]
    assert len(previous) >= 5
    for i in previous:
        assert events[i + 1]["label"] == "NEXT"
        assert events[i]["number"] == events[i + 1]["number"] - 1
        assert events[i]["number"] > events[i - 1]["number"]
        assert abs(events[i]["growth"]) < 500_000
    numbers = [row["number"] for row in events]
    assert numbers == sorted(set(numbers))
    [last] = [row for row in found if row["label"] == "LAST"]
    assert last["number"] > numbers[-1]


def test_row_21_message_and_path(run: Run, tmp_path: Path) -> None:
    run("""
with c.Profile(0, "first lïne", "p.log"):
    small(1)
with c.Trace(message="of a path object", filepath=__import__("pathlib").Path("t.log")):
    small(1)
with c.Profile(filepath=b"bytes.log"):
    small(1)
""")
    for name, message in ("p.log", "first lïne"), ("t.log", "of a path object"):
        lines = (tmp_path / name).read_text("utf-8").splitlines()
        assert lines[:2] == [message, "SOF"]
    assert (tmp_path / "bytes.log").read_text("utf-8").startswith("SOF\n")
    assert sorted(p.name for p in tmp_path.glob("*.pmt")) == []


NAME = re.compile(r"\d{8}_\d{6}_(\d+)_(\d+)_(\d+)_([PTO])_(\d+)_PY(.+)\.log")


def test_row_22_default_name(run: Run, tmp_path: Path) -> None:
    said = run("""
paths = []
for i in range(3):
    with c.Profile() as p, c.Trace() as t, c.Profile() as q:
        paths += [p.log_file_path(), t.log_file_path(), q.log_file_path()]
def other():
    with c.Profile() as p:
        said.update(other=[p.log_file_path(), threading.get_native_id()])
thread = threading.Thread(target=other)
thread.start(); thread.join()
said.update(paths=paths, pid=os.getpid(), thread=threading.get_native_id())
""")
    assert len(set(said["paths"])) == 9
    match = NAME.fullmatch(Path(said["other"][0]).name)
    assert match and (int(match[2]), int(match[3])) == (said["pid"], said["other"][1])
    Path(said["other"][0]).unlink()
    matches = [NAME.fullmatch(Path(path).name) for path in said["paths"]]
    version = ".".join(map(str, sys.version_info[:3]))
    for i, match in enumerate(matches):
        assert match is not None
        assert int(match[1]) == i
        assert (int(match[2]), int(match[3])) == (said["pid"], said["thread"])
        assert (match[4], int(match[5])) == [("P", 0), ("T", 0), ("P", 1)][i % 3]
        assert match[6].startswith(version)
    assert sorted(map(str, tmp_path.glob("*.log"))) == sorted(said["paths"])


@pytest.mark.parametrize("kind", ["Profile", "Trace"])
@pytest.mark.parametrize("trigger", [0, -1, 1 << 40])
def test_row_23_order_of_lines(run: Run, tmp_path: Path, kind: str, trigger: int) -> None:
    run(f"with c.{kind}({trigger}, filepath='a.log'):\n    work()\n")
    labels = classic.labels(tmp_path / "a.log")
    for label in ("SOF", "HDR", "FRST", "LAST", "EOF"):
        assert labels.count(label) == 1
    assert labels[:3] == ["SOF", "HDR", "FRST"]
    assert labels[-2:] == ["LAST", "EOF"]


def test_row_24_messages(run: Run, tmp_path: Path) -> None:
    run("""
with c.Profile(0, filepath="p.log") as p:
    small(1)
    p.write_message_to_log("a message Ж")
    p.write_to_log("raw text\\twith a tab")
    p.write_to_log("two\\nlines")
    p.write_message_to_log("long " + "ü" * 10000)
    p.write_to_log("")
    small(2)
""")
    assert classic.messages(tmp_path / "p.log") == ["a message Ж", "long " + "ü" * 10000]
    lines = (tmp_path / "p.log").read_text("utf-8").splitlines()
    at = lines.index("raw text\twith a tab")
    assert [i for i, line in enumerate(lines) if line == "two"] and "lines" in lines and "" in lines
    events = [row for row in classic.rows(tmp_path / "p.log")]
    [message] = [row for row in events if row.get("text") == "a message Ж"]
    following = [row for row in events[at:] if row["label"] == "NEXT"]
    assert message["number"] < following[0]["number"]


def test_row_24_before_and_after(run: Run) -> None:
    said = run("""
def answer(f, *a):
    try:
        return f(*a)
    except Exception as error:
        return [type(error).__name__, str(error)]
for kind in (c.Profile, c.Trace):
    p = kind(filepath="x.log")
    answers = [answer(p.write_message_to_log, "x"), answer(p.write_to_log, "x"), p.log_file_path()]
    with p:
        answers += [answer(p.write_message_to_log, 1), answer(p.write_to_log, b"x")]
    answers += [answer(p.write_message_to_log, "x"), answer(p.write_to_log, "x"), p.log_file_path()]
    said[kind.__name__] = answers
""")
    for answers in said.values():
        assert [a and a[0] for a in answers[:3]] == ["OSError", "OSError", None]
        assert answers[3] == [
            "ValueError",
            "write_message_to_log() requires a single string, not type int",
        ]
        assert answers[4] == [
            "ValueError",
            "write_to_log() requires a single string, not type bytes",
        ]
        assert answers[5:] == [["OSError", "Log file is closed."]] * 2 + [None]


def test_row_25_functions_of_the_module(run: Run, tmp_path: Path) -> None:
    said = run("""
kinds = {"profile": c.Profile, "trace": c.Trace}
if sys.version_info >= (3, 13):
    kinds["reference_tracing"] = lambda filepath: c.ReferenceTracing(filepath=filepath)
for name, kind in kinds.items():
    depth, path, write = (getattr(c, name + end) for end in ("_wrapper_depth", "_log_path", "_write_message_to_log"))
    try:
        write("nobody")
    except ValueError as error:
        said[name] = [str(error), depth(), path()]
    with kind(filepath=name + ".log") as k:
        said[name] += [depth(), path() == k.log_file_path()]
        write("through the module")
    said[name] += [depth(), path()]
""")
    for name, answers in said.items():
        word = name.replace("_", " ")
        text = f"Trying to write to a {word} log file when no reference tracer is active."
        assert answers == [text, 0, None, 1, True, 0, None]
        assert classic.messages(tmp_path / f"{name}.log") == ["through the module"]


def test_row_25_names() -> None:
    from pymemtrace import cPyMemTrace

    names = {"Profile", "Trace", "rss", "rss_peak"}
    names |= {
        k + e
        for k in ("profile", "trace")
        for e in ("_wrapper_depth", "_log_path", "_write_message_to_log")
    }
    if sys.version_info >= (3, 13):
        names |= {"ReferenceTracing", "ReferenceTracingSimple"}
        names |= {
            "reference_tracing" + e
            for e in ("_wrapper_depth", "_log_path", "_write_message_to_log")
        }
        names |= {"reference_tracing_live_object_counts", "reference_tracing_simple_wrapper_depth"}
    assert {name for name in dir(cPyMemTrace) if not name.startswith("_")} == names
    for kind in (cPyMemTrace.Profile, cPyMemTrace.Trace):
        own = {name for name in dir(kind()) if name not in dir(object())}
        assert own == {
            "__enter__",
            "__exit__",
            "log_file_path",
            "write_message_to_log",
            "write_to_log",
        }
        assert repr(kind) == f"<class 'cPyMemTrace.{kind.__name__}'>"


def test_row_26_stacking(run: Run, tmp_path: Path) -> None:
    said = run("""
depths = [c.profile_wrapper_depth()]
def inner_work(): return 1
def outer_work(): return 2
with c.Profile(0, filepath="outer.log") as outer:
    depths.append(c.profile_wrapper_depth())
    outer_work()
    with c.Profile(0, filepath="inner.log") as inner:
        depths.append(c.profile_wrapper_depth())
        paths = [outer.log_file_path(), inner.log_file_path(), c.profile_log_path()]
        inner_work()
        outer.write_message_to_log("to the outer one")
    depths.append(c.profile_wrapper_depth())
    outer_work()
depths.append(c.profile_wrapper_depth())
said = {"depths": depths, "paths": paths, "after": outer.log_file_path()}
""")
    outer, inner = tmp_path / "outer.log", tmp_path / "inner.log"
    assert said["depths"] == [0, 1, 2, 1, 0]
    assert said["paths"] == [str(outer), str(inner), str(inner)]
    assert said["after"] is None
    assert classic.messages(outer) == [
        f"Detaching this profile file wrapper. New file:{inner}",
        "to the outer one",
        "Re-attaching this profile file wrapper.",
    ]
    outer_names = [row["function"] for row in classic.events(outer)]
    inner_names = [row["function"] for row in classic.events(inner)]
    assert (outer_names.count("outer_work"), outer_names.count("inner_work")) == (4, 0)
    assert (inner_names.count("outer_work"), inner_names.count("inner_work")) == (0, 2)
    numbers = [row["number"] for row in classic.events(outer)]
    assert numbers == list(range(len(numbers)))


def test_row_26_trace_words(run: Run, tmp_path: Path) -> None:
    run("""
with c.Trace(0, filepath="outer.log"):
    with c.Trace(0, filepath="inner.log"):
        small(1)
""")
    assert classic.messages(tmp_path / "outer.log") == [
        f"Detaching this trace file wrapper. New file:{tmp_path / 'inner.log'}",
        "Re-attaching this trace file wrapper.",
    ]


def test_row_27_mixed(run: Run, tmp_path: Path) -> None:
    """Each kind is not touched by the others."""
    said = run("""
from contextlib import ExitStack
with ExitStack() as stack:
    stack.enter_context(c.Profile(0, filepath="p.log"))
    stack.enter_context(c.Trace(0, filepath="t.log"))
    if sys.version_info >= (3, 13):
        stack.enter_context(c.ReferenceTracing(filepath="r.log"))
        stack.enter_context(c.ReferenceTracingSimple())
    work()
    make(5)
recorder = Recorder()
sys.setprofile(recorder)
work()
sys.setprofile(None)
said = recorder.seen
""")
    assert of_work(tmp_path / "p.log") == said
    words = {row["what"] for row in classic.events(tmp_path / "t.log")}
    assert words == {"CALL", "LINE", "RETURN", "EXCEPT"}
    if sys.version_info >= (3, 13):
        made = [row for row in classic.events(tmp_path / "r.log", "NEW") if row["type"] == "W"]
        assert len(made) == 5


def test_row_28_exceptions(run: Run, tmp_path: Path) -> None:
    said = run("""
class Mine(Exception): pass
def raises():
    raise Mine("out of here")
try:
    with c.Profile(0, filepath="p.log"), c.Trace(0, filepath="t.log"):
        small(1)
        with c.Profile(0, filepath="q.log"):
            raises()
except Mine as error:
    said = str(error)
""")
    assert said == "out of here"
    for name in ("p.log", "t.log", "q.log"):
        labels = classic.labels(tmp_path / name)
        assert labels[-2:] == ["LAST", "EOF"]
    assert "raises" in [row["function"] for row in classic.events(tmp_path / "q.log")]
    assert "EXCEPT" in [row["what"] for row in classic.events(tmp_path / "t.log")]


def test_row_30_rss(run: Run) -> None:
    said = run("""
def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
answers = []
kept = []
for i in range(20):
    kept.append(b"x" * 1_000_000)
    answers.append([status("VmRSS"), c.rss(), status("VmRSS"), c.rss_peak(), c.rss()])
pid = os.fork()
if pid == 0:
    more = b"y" * 50_000_000
    os._exit(0 if abs(c.rss() - status("VmRSS")) < 2_000_000 else 1)
said = {"answers": answers, "child": os.waitpid(pid, 0)[1]}
os.closerange(3, 100)
held = [os.open("/dev/zero", os.O_RDONLY) for _ in range(20)]
said["closed"] = abs(c.rss() - status("VmRSS"))
""")
    batch = 64 * 1024 * 4  # the kernel counts each thread's pages in batches
    for before, rss, after, peak, later in said["answers"]:
        assert min(before, after) - batch <= rss <= max(before, after) + batch
        assert peak >= rss
        assert later <= peak + batch
    assert said["child"] == 0
    assert said["closed"] < 2_000_000


# --- objects -----------------------------------------------------------------------------------


@OBJECTS
def test_row_31_objects(run: Run, tmp_path: Path) -> None:
    """n objects made and n destroyed, however they end."""
    run("""
with c.ReferenceTracing(filepath="r.log"):
    held = make(10)
    del held
    one = W(); del one
    two = W(); two = None
    W()
    def local():
        inner = W()
    local()
    cycle = W(); cycle.me = cycle; del cycle
""")
    path = tmp_path / "r.log"
    made = [row for row in classic.events(path, "NEW") if row["type"] == "W"]
    gone = [row for row in classic.events(path, "DEL") if row["type"] == "W"]
    assert (len(made), len(gone)) == (15, 15)
    assert [row["function"] for row in made[:10]] == ["make"] * 10
    assert made[10]["function"] == "<module>"
    assert {row["file"] for row in made} == {str(tmp_path / "program.py")}
    assert classic.labels(path)[-1] == "EOF"


@OBJECTS
def test_row_32_filters(run: Run, tmp_path: Path) -> None:
    run("""
class V: pass
def both():
    return [W(), V(), [1], {"a": object()}]
for name, options in {
    "none": {}, "builtin": {"include_builtins": True}, "only": {"include_tp_names": ["W"]},
    "not": {"exclude_tp_names": ("W",)}, "wins": {"include_tp_names": ["W", "V"], "exclude_tp_names": ["W"]},
    "text": {"include_tp_names": "V"},
}.items():
    with c.ReferenceTracing(filepath=name + ".log", **options):
        both()
""")
    types = {
        name: {row["type"] for row in classic.events(tmp_path / f"{name}.log", "NEW", "DEL")}
        for name in ("none", "builtin", "only", "not", "wins", "text")
    }
    assert {"W", "V"} <= types["none"] and not types["none"] & {
        "list",
        "dict",
        "tuple",
        "str",
        "int",
    }
    assert {"W", "V", "list", "dict"} <= types["builtin"]
    assert types["only"] == {"W"}
    assert "V" in types["not"] and "W" not in types["not"]
    assert types["wins"] == {"V"} and types["text"] == {"V"}
    assert not set().union(*types.values()) & {"frame", "code"}


@OBJECTS
@pytest.mark.parametrize("generation", [-1, 0, 1, 2])
def test_row_33_collection_at_the_end(run: Run, tmp_path: Path, generation: int) -> None:
    said = run(f"""
gc.disable()
asked = []
gc.callbacks.append(lambda phase, info: asked.append(info["generation"]) if phase == "start" else None)
with c.ReferenceTracing(filepath="r.log", gc_collect_on_exit={generation}):
    cycle = W(); cycle.me = cycle; del cycle
said = asked
""")
    gone = [row for row in classic.events(tmp_path / "r.log", "DEL") if row["type"] == "W"]
    assert said == ([] if generation < 0 else [generation])
    assert len(gone) == (0 if generation < 0 else 1)


@OBJECTS
def test_row_34_suspend(run: Run, tmp_path: Path) -> None:
    said = run("""
def answer(f):
    try:
        return f()
    except RuntimeError as error:
        return "RuntimeError"
with c.ReferenceTracing(filepath="r.log") as r:
    answers = [answer(r.resume)]
    first = W()
    r.suspend()
    hidden = make(5)
    answers.append(answer(r.suspend))
    del hidden
    r.resume()
    second = W()
    with c.ReferenceTracing(filepath="inner.log"):
        answers.append(answer(r.suspend))
answers.append(answer(r.suspend))
said = answers
""")
    assert said == ["RuntimeError"] * 4
    rows = [
        row for row in classic.rows(tmp_path / "r.log") if row["label"] in ("NEW", "DEL", "MSG")
    ]
    text = [row.get("text", row.get("type")) for row in rows]
    assert text[:4] == ["W", "Suspending reference tracing.", "Resuming reference tracing.", "W"]
    assert text.count("Resuming reference tracing.") == 1


@OBJECTS
def test_row_35_counts(run: Run) -> None:
    said = run("""
before = make(7)
with c.ReferenceTracing(filepath="r.log", include_tp_names=["W"]) as r:
    held = make(10)
    del before
    counts = [[r.count_new(), r.count_del(), r.live_object_counts(), c.reference_tracing_live_object_counts()]]
    del held[:4]
    counts.append([r.count_new(), r.count_del(), r.live_object_counts(), {}])
    with c.ReferenceTracing(filepath="inner.log", include_tp_names=["W"]) as inner:
        del held[:2]
        more = make(2)
        counts.append([inner.count_new(), inner.count_del(), inner.live_object_counts(), r.live_object_counts()])
said = counts
""")
    assert said == [
        [10, 7, {"W": 10}, {"W": 10}],
        [10, 11, {"W": 6}, {}],
        [2, 2, {"W": 2}, {"W": 4}],
    ]


@OBJECTS
def test_row_36_live_count(run: Run, tmp_path: Path) -> None:
    run("""
with c.ReferenceTracing(filepath="r.log", include_tp_names=["W"]):
    held = make(4)
    while held:
        held.pop()
""")
    rows = classic.events(tmp_path / "r.log", "NEW", "DEL")
    assert [row["live"] for row in rows] == [1, 2, 3, 4, 3, 2, 1, 0]
    assert rows[0]["growth"] == 0
    for before, row in zip(rows, rows[1:]):
        assert row["growth"] == row["rss"] - before["rss"]
    assert len({row["address"] for row in rows[:4]}) == 4


@OBJECTS
def test_row_37_simple(run: Run, tmp_path: Path) -> None:
    said = run("""
simple = c.ReferenceTracingSimple()
depths = [c.reference_tracing_simple_wrapper_depth()]
try:
    simple.count_new()
except RuntimeError as error:
    said["inactive"] = True
with simple as outer:
    held = make(100)
    counts = [outer.count_new()]
    with c.ReferenceTracingSimple() as inner:
        depths.append(c.reference_tracing_simple_wrapper_depth())
        held += make(1000)
        counts.append(inner.count_new())
    counts.append(outer.count_new())
    held.clear()
    counts.append(outer.count_del())
    outer.suspend()
    held += make(500)
    outer.resume()
    counts.append(outer.count_new())
said.update(counts=counts, depths=depths, files=os.listdir("."))
""")
    first, inside, after, gone, last = said["counts"]
    assert 100 <= first < 130
    assert 1000 <= inside < 1030
    assert first <= after < 150
    assert 1100 <= gone < 1160
    assert last < 200
    assert said["depths"] == [0, 2] and said["inactive"]
    assert said["files"] == ["program.py"]


@OBJECTS
def test_row_37_names() -> None:
    from pymemtrace import cPyMemTrace as typed

    cPyMemTrace: Any = typed
    common = {"__enter__", "__exit__", "suspend", "resume", "count_new", "count_del"}
    own = {name for name in dir(cPyMemTrace.ReferenceTracingSimple()) if name not in dir(object())}
    assert own == common
    own = {name for name in dir(cPyMemTrace.ReferenceTracing()) if name not in dir(object())}
    assert own == common | {"write_message_to_log", "log_file_path", "live_object_counts"}


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="this Python has the reference tracer")
def test_row_31_not_before_3_13() -> None:
    from pymemtrace import cPyMemTrace

    assert not hasattr(cPyMemTrace, "ReferenceTracing")
    assert not hasattr(cPyMemTrace, "ReferenceTracingSimple")


# --- beyond ------------------------------------------------------------------------------------


def test_row_82_all_threads(run: Run, tmp_path: Path) -> None:
    """Threads of before and of inside; or only the one that enters."""
    run("""
go, ready = threading.Event(), threading.Event()
def earlier_work(): return 1
def later_work(): return 2
def own_work(): return 3
def earlier():
    ready.set()
    go.wait()
    for _ in range(10):
        earlier_work()
for name, every in (("all", True), ("one", False)):
    go.clear(), ready.clear()
    first = threading.Thread(target=earlier)
    first.start()
    ready.wait()
    with c.Profile(0, filepath=name + ".log", all_threads=every):
        go.set()
        second = threading.Thread(target=lambda: [later_work() for _ in range(10)])
        second.start()
        own_work()
        first.join(), second.join()
""")
    for name, count in ("all", 20), ("one", 0):
        names = [row["function"] for row in classic.events(tmp_path / f"{name}.log")]
        assert names.count("earlier_work") == names.count("later_work") == count
        assert names.count("own_work") == 2


def test_row_84_names_beyond_ascii(tmp_path: Path) -> None:
    long = "f" * 1500
    path = tmp_path / "с пробелом и é.py"
    path.write_text(
        f"from pymemtrace import cPyMemTrace as c\ndef имя(): pass\ndef {long}(): pass\n"
        f"with c.Profile(0, filepath='лог.log'):\n    имя()\n    {long}()\n",
        "utf-8",
    )
    execute([sys.executable, path], cwd=tmp_path)
    rows = [row for row in classic.events(tmp_path / "лог.log")]
    names = [(row["function"], row["file"]) for row in rows if row["what"] == "CALL"]
    assert names == [("имя", str(path)), (long, str(path))]


def test_row_85_binary_log(run: Run, tmp_path: Path) -> None:
    """Kept if asked for, and the program makes the same lines of it."""
    run("""
with c.Profile(0, filepath="p.log", keep_binary_log=True):
    work()
with c.Profile(0, filepath="q.log"):
    work()
""")
    assert [p.name for p in tmp_path.glob("*.pmt")] == ["p.log.pmt"]
    log = tmp_path / "p.log.pmt"
    assert any(e["event"] == "call" or e.get("what") for e in pymemtrace.read(log).events())
    command: list[str | Path] = [
        pymemtrace.program_path(),
        "text",
        "--style=classic",
        "--kind=profile",
        "--context=1",
        log,
    ]
    done = execute(command)
    assert done.stdout.decode() == (tmp_path / "p.log").read_text("utf-8")


def test_row_87_other_tracers_stay(run: Run) -> None:
    said = run("""
def foreign(*a): return None
sys.setprofile(foreign)
def count():
    recorder = Recorder()
    sys.settrace(recorder)
    with c.Profile(0, filepath="p.log"), c.Trace(0, filepath="t.log"):
        small(1)
        inside = [sys.getprofile() is foreign, sys.gettrace() is recorder]
    after = [sys.getprofile() is foreign, sys.gettrace() is recorder]
    small(2)
    sys.settrace(None)
    return inside, after, [e for e in recorder.seen if e[0] == "call"]
said = count()
sys.setprofile(None)
""")
    assert said[:2] == [[True, True], [True, True]]
    assert [event[2] for event in said[2]] == ["small", "small"]
