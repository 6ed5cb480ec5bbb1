# SPDX-License-Identifier: MIT
"""Misuse of pymemtrace.cPyMemTrace raises, and never crashes; what is active stays as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import classic
import pymemtrace
import pytest
from pymemtrace import cPyMemTrace as typed

from installed import clean_env, execute

cPyMemTrace: Any = typed  # whatever this Python's version

KINDS = (
    ["Profile", "Trace", "ReferenceTracing"]
    if sys.version_info >= (3, 13)
    else ["Profile", "Trace"]
)
ALL = [*KINDS, "ReferenceTracingSimple"] if sys.version_info >= (3, 13) else KINDS
PRELUDE = "import os, sys, threading, time\nfrom pymemtrace import cPyMemTrace as c\ndef f(n): return len('x' * n)\n"


def run(script: str, folder: Path, status: int = 0) -> str:
    """What the script prints; it must say nothing on stderr when it ends well."""
    path = folder / "misuse.py"
    path.write_text(PRELUDE + script)
    done = execute([sys.executable, path], status, cwd=folder)
    if status == 0:
        assert done.stderr.decode() == ""
    return done.stdout.decode()


@pytest.mark.parametrize("kind", ALL)
def test_row_24_leaving_before_entering(kind: str) -> None:
    context = getattr(cPyMemTrace, kind)()
    with pytest.raises(RuntimeError):
        context.__exit__(None, None, None)


@pytest.mark.parametrize("kind", ALL)
def test_row_26_leaving_twice(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    context = getattr(cPyMemTrace, kind)()
    with context:
        pass
    with pytest.raises(RuntimeError):
        context.__exit__(None, None, None)


@pytest.mark.parametrize("kind", ALL)
def test_row_26_entering_twice(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while it is entered; afterwards again, with a log of its own."""
    monkeypatch.chdir(tmp_path)
    context = getattr(cPyMemTrace, kind)()
    with context, pytest.raises(RuntimeError, match="entered already"):
        context.__enter__()
    with context:
        pass
    logs = list(tmp_path.glob("*.log"))
    assert len(logs) == (0 if kind == "ReferenceTracingSimple" else 2)
    for log in logs:
        assert classic.labels(log)[-1] == "EOF"


@pytest.mark.parametrize("kind", KINDS)
def test_row_26_out_of_order(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outer one left first: RuntimeError, both logs complete, nothing left behind."""
    monkeypatch.chdir(tmp_path)
    make = getattr(cPyMemTrace, kind)
    outer, inner = make(filepath="outer.log"), make(filepath="inner.log")
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(RuntimeError, match="left before one that was entered after it"):
        outer.__exit__(None, None, None)
    inner.write_message_to_log("still here")
    inner.__exit__(None, None, None)
    assert classic.messages("inner.log") == ["still here"]
    for name in ("outer.log", "inner.log"):
        assert classic.labels(name)[-1] == "EOF"
    depth = {"Profile": "profile", "Trace": "trace"}.get(kind, "reference_tracing")
    assert getattr(cPyMemTrace, depth + "_wrapper_depth")() == 0


@pytest.mark.skipif(sys.version_info < (3, 13), reason="needs Python 3.13 or later")
def test_row_37_out_of_order() -> None:
    outer, inner = cPyMemTrace.ReferenceTracingSimple(), cPyMemTrace.ReferenceTracingSimple()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert inner.count_new() >= 0
    with pytest.raises(RuntimeError):
        outer.count_new()
    with pytest.raises(RuntimeError):
        outer.suspend()
    inner.__exit__(None, None, None)
    assert cPyMemTrace.reference_tracing_simple_wrapper_depth() == 0


@pytest.mark.parametrize("kind", ["Profile", "Trace"])
def test_row_21_bad_arguments(kind: str) -> None:
    make = getattr(cPyMemTrace, kind)
    with pytest.raises(TypeError, match=r"function takes at most 3 arguments \(4 given\)"):
        make(1, "message", "path", 4)
    for bad in (("x",), (1.5,), (0, 1), (0, None, 3), (None,)):
        with pytest.raises(TypeError):
            make(*bad)
    with pytest.raises(TypeError, match="nothing_such"):
        make(nothing_such=1)
    with pytest.raises(ValueError):
        make(filepath="a\0b")
    with pytest.raises(UnicodeEncodeError):
        make(message="\ud800")
    with pytest.raises(TypeError, match="^argument 2 must be str, not int$"):
        make(0, 1)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="needs Python 3.13 or later")
def test_row_33_bad_arguments() -> None:
    make = cPyMemTrace.ReferenceTracing
    for generation in (-2, 3):
        text = rf"cpyReferenceTracing_init\(\) gc_collect_on_exit must be -1, 0, 1, 2 not {generation}\."
        with pytest.raises(ValueError, match=text):
            make(gc_collect_on_exit=generation)
    with pytest.raises(TypeError, match="^argument 1 must be str, not int$"):
        make(21)
    for name in ("exclude_tp_names", "include_tp_names"):
        text = rf"cpyReferenceTracing_init\(\) {name} must be a sequence, not type int\."
        with pytest.raises(TypeError, match=text):
            make(**{name: 1})
        with pytest.raises(TypeError):
            make(**{name: [1]})
    with pytest.raises(TypeError):
        cPyMemTrace.ReferenceTracingSimple(1)


@pytest.mark.parametrize("kind", KINDS)
def test_row_21_unwritable(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    word = {"Profile": "profile", "Trace": "trace"}.get(kind, "reference_tracing")
    for path in (tmp_path, tmp_path / "none" / "x.log", "/proc/no"):
        text = (
            rf"py_attach_{word}_function\(\): Could not attach {word.replace('_', ' ')} function\."
        )
        with pytest.raises(RuntimeError, match=text):
            getattr(cPyMemTrace, kind)(filepath=path).__enter__()
        assert str(path) in capfd.readouterr().err
        assert getattr(cPyMemTrace, word + "_wrapper_depth")() == 0
    assert list(tmp_path.iterdir()) == []


def test_row_28_left_by_another_thread(tmp_path: Path) -> None:
    out = run(
        """
p = c.Profile(0, filepath='p.log').__enter__()
f(1)
thread = threading.Thread(target=p.__exit__, args=(None, None, None))
thread.start(); thread.join()
print(c.profile_wrapper_depth())
""",
        tmp_path,
    )
    assert out == "0\n"
    assert classic.labels(tmp_path / "p.log")[-2:] == ["LAST", "EOF"]


def test_row_83_fork_inside(tmp_path: Path) -> None:
    """The child has no context; what it does is not in its parent's log, and its own contexts work."""
    out = run(
        """
def in_child(): return 1
with c.Profile(0, filepath='p.log') as p, c.Trace(0, filepath='t.log'):
    f(1)
    pid = os.fork()
    if pid == 0:
        in_child()
        depth = c.profile_wrapper_depth()
        try:
            p.write_message_to_log('from the child')
        except OSError:
            depth += 10
        with c.Profile(0, filepath='child.log'):
            in_child()
    else:
        status = os.waitpid(pid, 0)[1]
        f(2)
if pid == 0:
    os._exit(depth)
print(os.WEXITSTATUS(status))
""",
        tmp_path,
    )
    assert out == "10\n"
    for name in ("p.log", "t.log", "child.log"):
        assert classic.labels(tmp_path / name)[-2:] == ["LAST", "EOF"]
    assert "in_child" not in [row["function"] for row in classic.events(tmp_path / "p.log")]
    assert [row["function"] for row in classic.events(tmp_path / "child.log")].count(
        "in_child"
    ) == 2
    assert not list(tmp_path.glob("*.pmt"))


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise KeyError('end')"])
def test_row_28_interpreter_ends_inside(tmp_path: Path, end: str) -> None:
    """A context that nobody left is completed at the end of the interpreter."""
    script = "p = c.Profile(0, filepath='p.log').__enter__()\nt = c.Trace(0, filepath='t.log').__enter__()\n"
    status = 3 if "sys" in end else 1 if end else 0
    run(script + "f(1)\n" + end, tmp_path, status)
    for name in ("p.log", "t.log"):
        assert classic.labels(tmp_path / name)[-2:] == ["LAST", "EOF"]
    assert not list(tmp_path.glob("*.pmt"))


def test_row_86_killed_inside(tmp_path: Path, program: str) -> None:
    """The binary log has all that was written; the text log can be made of it."""
    (tmp_path / "killed.py").write_text(
        PRELUDE
        + "with c.Profile(0, filepath='p.log'):\n    f(7)\n    print('here', flush=True)\n    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "killed.py"], cwd=tmp_path, stdout=subprocess.PIPE, env=clean_env()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    command: list[str | Path] = [
        program,
        "text",
        "--style=classic",
        "--kind=profile",
        "--context=1",
        tmp_path / "p.log.pmt",
    ]
    (tmp_path / "made.log").write_bytes(execute(command).stdout)
    assert "f" in [row["function"] for row in classic.events(tmp_path / "made.log")]


def test_row_28_children_are_not_disturbed(tmp_path: Path) -> None:
    """Who reads the log raises no SIGCHLD and is no child that wait() would find."""
    out = run(
        """
import signal
seen = []
signal.signal(signal.SIGCHLD, lambda *a: seen.append(a))
with c.Profile(0, filepath='p.log'):
    f(1)
try:
    os.wait()
except ChildProcessError:
    print('none', seen)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with c.Profile(0, filepath='q.log'):
    f(1)
print(open('q.log').read().endswith('EOF\\n'))
""",
        tmp_path,
    )
    assert out == "none []\nTrue\n"


def test_row_28_no_descriptors_stay(tmp_path: Path) -> None:
    out = run(
        """
c.rss()
def count(): return len(os.listdir('/proc/self/fd'))
with c.Profile(filepath='p.log'): pass
before = count()
for i in range(30):
    with c.Profile(filepath='p.log'), c.Trace(filepath='t.log'):
        pass
print(count() - before)
""",
        tmp_path,
    )
    assert out == "0\n"


def test_row_26_many_contexts(tmp_path: Path) -> None:
    """More changes of what is traced than there is room for texts of settings."""
    out = run(
        """
with c.Profile(filepath='p.log'):
    for i in range(40):
        with c.Trace(filepath='t.log'):
            pass
print('done')
""",
        tmp_path,
    )
    assert out == "done\n"


def test_row_28_preloaded(tmp_path: Path, program: str) -> None:
    """In a process that is traced anyway the running log is used, and goes on as it was."""
    (tmp_path / "p.py").write_text(
        PRELUDE
        + """
def inside(): return 1
def outside(): return 2
outside()
with c.Profile(0, filepath='p.log'), c.Trace(0, filepath='t.log'):
    inside()
outside()
block = b'x' * 5_000_001
"""
    )
    log = tmp_path / "all.pmt"
    execute([program, "run", "-o", log, "--", sys.executable, tmp_path / "p.py"], cwd=tmp_path)
    names = [row["function"] for row in classic.events(tmp_path / "p.log")]
    assert (names.count("inside"), names.count("outside")) == (2, 0)
    assert "LINE" in [row["what"] for row in classic.events(tmp_path / "t.log")]
    assert [p.name for p in tmp_path.glob("*.pmt")] == ["all.pmt"]
    events = list(pymemtrace.read(log).events())
    assert [e["size"] for e in events if e["event"] == "alloc" and e["size"] == 5_000_034]
    text = execute([program, "text", log]).stdout.decode()
    called = [
        line for line in text.splitlines() if " pyevent what=call " in line and "side" in line
    ]
    assert [("inside" in line, "outside" in line) for line in called] == [(True, False)]


def test_row_24_subclass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    class Mine(typed.Profile):
        def __init__(self) -> None:
            super().__init__(0, filepath="mine.log")
            self.more = [self]

    with Mine() as mine:
        mine.write_message_to_log("mine")
    assert classic.messages("mine.log") == ["mine"]


def test_row_30_keeps_one_descriptor() -> None:
    """rss() keeps its descriptor: many calls open no more than one."""
    import gc
    import os

    cPyMemTrace.rss()
    gc.collect()  # what tests before have left open
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(1000):
        cPyMemTrace.rss()
    assert len(os.listdir("/proc/self/fd")) == before


def test_row_28_removed_logs_leave_nothing(tmp_path: Path) -> None:
    """A log that was removed is on no disk and in no memory any more."""
    out = run(
        """
def held():
    maps = open('/proc/self/maps').read().splitlines()
    links = []
    for fd in os.listdir('/proc/self/fd'):
        try:
            links.append(os.readlink('/proc/self/fd/' + fd))
        except OSError:
            pass
    return sum('.pmt' in line for line in maps + links), len(maps)
def once():
    with c.Profile(0, filepath='p.log'):
        f(1)
for i in range(5):
    once()
before = held()
for i in range(50):
    once()
after = held()
print(before[0], after[0], after[1] - before[1] < 10)
""",
        tmp_path,
    )
    assert out == "0 0 True\n"
