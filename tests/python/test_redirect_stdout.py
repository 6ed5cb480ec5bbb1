# SPDX-License-Identifier: MIT
"""What is printed while a redirection lasts is caught, and nothing else changes.

The witness is another process: what it prints outside the redirections must reach this one.
"""

from __future__ import annotations

import ctypes
import gc
import io
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pymemtrace
import pytest
from pymemtrace import redirect_stdout

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

PACKAGES = Path(pymemtrace.__file__).resolve().parents[1]
LIBC = ctypes.CDLL(None)

# Prints what was caught, as a literal, on the descriptor that it was told by number.
PROLOGUE = """
import ctypes, io, logging, os, sys
from pymemtrace.redirect_stdout import stderr_redirector, stdout_redirector
libc = ctypes.CDLL(None)
def say(text):
    os.write(int(sys.argv[1]), (text + "\\n").encode())
"""


def run(body: str) -> tuple[str, str, list[object]]:
    """Run a program; its output, its errors, and what it told by say()."""
    read, write = os.pipe()
    process = subprocess.run(
        [sys.executable, "-c", PROLOGUE + body, str(write)],
        capture_output=True,
        pass_fds=[write],
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
    )
    os.close(write)
    with os.fdopen(read) as told:
        said = [eval(line) for line in told]
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout.decode(), process.stderr.decode(), said


BOTH = pytest.mark.parametrize("name, fd", [("stdout", 1), ("stderr", 2)])


@BOTH
def test_row_43_redirect_catches_c_and_python(name: str, fd: int) -> None:
    out, err, said = run(f"""
file = sys.{name}
file.reconfigure(encoding="utf-8")
print("before", file=file)
caught = io.BytesIO()
with {name}_redirector(caught):
    print("python \\u00e9", file=sys.{name})
    sys.{name}.flush()
    os.write({fd}, b"raw\\n")
    libc.dprintf({fd}, b"c\\n")
    os.system("echo child >&{fd}")
    if {fd} == 1:
        libc.puts(b"puts")
assert sys.{name} is file
print("after", file=file)
say(repr(caught.getvalue()))
""")
    text = "python é\nraw\nc\nchild\n" + ("puts\n" if fd == 1 else "")
    assert said == [text.encode()]
    assert (out if fd == 1 else err) == "before\nafter\n"
    assert (err if fd == 1 else out) == ""


@BOTH
def test_row_43_redirect_restores_after_an_exception(name: str, fd: int) -> None:
    out, err, said = run(
        f"""
caught = io.BytesIO()
file = sys.{name}
try:
    with {name}_redirector(caught):
        print("inside", file=file)
        raise KeyError("mine")
except KeyError as error:
    say(repr(error.args[0]))
assert sys.{name} is file
print("after", file=file, flush=True)
libc.dprintf({fd}, b"c after\\n")
say(repr(caught.getvalue()))
say(repr(len(os.listdir("/proc/self/fd")) - fds))
""".replace("caught = ", "fds = len(os.listdir('/proc/self/fd')); caught = ", 1)
    )
    assert said == ["mine", b"inside\n", 0]
    assert (out if fd == 1 else err) == "after\nc after\n"


def test_row_43_redirect_restores_when_the_target_refuses() -> None:
    out, _, said = run("""
class Refuses(io.BytesIO):
    def write(self, data):
        raise OSError("full")
try:
    with stdout_redirector(Refuses()):
        print("lost")
except OSError as error:
    say(repr(str(error)))
print("after")
""")
    assert (out, said) == ("after\n", ["full"])


def test_row_43_redirect_keeps_handlers() -> None:
    """A logging handler made before or within works before, within and after."""
    _, err, said = run("""
logger = logging.getLogger("x")
before = logging.StreamHandler()
logger.addHandler(before)
logger.warning("one")
caught = io.BytesIO()
with stderr_redirector(caught):
    within = logging.StreamHandler()
    logger.addHandler(within)
    logger.warning("two")
logger.warning("three")
say(repr(caught.getvalue()))
""")
    assert err == "one\nthree\nthree\n"
    assert said == [b"two\ntwo\n"]


def test_row_43_redirect_keeps_handlers_of_other_streams() -> None:
    """As under pytest: sys.stderr does not write to descriptor 2."""
    _, err, said = run("""
sys.stderr = elsewhere = io.StringIO()
before = logging.StreamHandler()
logger = logging.getLogger("x")
logger.addHandler(before)
caught = io.BytesIO()
with stderr_redirector(caught):
    within = logging.StreamHandler()
    logger.removeHandler(before)
    logger.addHandler(within)
    logger.warning("two")
    libc.dprintf(2, b"c\\n")
assert sys.stderr is elsewhere
logger.warning("three")
before.stream.write("four\\n")
say(repr(caught.getvalue()))
say(repr(elsewhere.getvalue()))
""")
    assert err == ""
    assert said == [b"two\nc\n", "three\nfour\n"]


def test_row_43_redirect_under_capture(capfd: pytest.CaptureFixture[str]) -> None:
    caught = io.BytesIO()
    file = sys.stdout
    with redirect_stdout.stdout_redirector(caught):
        print("python")
        sys.stdout.flush()
        LIBC.puts(b"c")
    assert sys.stdout is file
    print("after", flush=True)
    assert caught.getvalue() == b"python\nc\n"
    assert capfd.readouterr().out == "after\n"


def test_row_43_redirect_under_capture_in_memory(capsys: pytest.CaptureFixture[str]) -> None:
    caught = io.BytesIO()
    with redirect_stdout.stderr_redirector(caught):
        print("python", file=sys.stderr)
        LIBC.dprintf(2, b"c\n")
    print("after", file=sys.stderr)
    assert caught.getvalue() == b"python\nc\n"
    assert capsys.readouterr().err == "after\n"


def test_row_43_redirect_of_nothing() -> None:
    """No sys.stderr, and the descriptor closed, as in a daemon."""
    _, err, said = run("""
sys.stderr = None
os.close(2)
caught = io.BytesIO()
with stderr_redirector(caught):
    print("python", file=sys.stderr)
    os.write(2, b"raw\\n")
assert sys.stderr is None
say(repr(sorted(caught.getvalue().splitlines())))
try:
    os.fstat(2)
except OSError as error:
    say(repr(error.errno))
""")
    assert err == ""
    assert said == [[b"python", b"raw"], 9]


def test_row_43_redirect_nested() -> None:
    out, _, said = run("""
outer, inner = io.BytesIO(), io.BytesIO()
with stdout_redirector(outer):
    print("1")
    with stdout_redirector(inner):
        print("2")
    print("3")
print("4")
say(repr((outer.getvalue(), inner.getvalue())))
""")
    assert (out, said) == ("4\n", [(b"1\n3\n", b"2\n")])


@pytest.mark.parametrize("replaced", [False, True])
def test_row_43_redirect_overlapping_in_threads(replaced: bool) -> None:
    """The one that began first ends first; output goes to the younger, then back to its place."""
    out, _, said = run(f"""
replaced = {replaced}
if replaced:
    sys.stdout = io.StringIO()
first = sys.stdout
a, b = io.BytesIO(), io.BytesIO()
one, two = stdout_redirector(a), stdout_redirector(b)
one.__enter__()
print("1")
two.__enter__()
print("2")
one.__exit__(None, None, None)
print("3")
two.__exit__(None, None, None)
assert sys.stdout is first
print("4")
if replaced:
    os.write(1, sys.stdout.getvalue().encode())
say(repr((a.getvalue(), b.getvalue())))
""")
    assert (out, said) == ("4\n", [(b"1\n", b"2\n3\n")])


def test_row_43_redirect_by_many_threads() -> None:
    """No line is doubled, whoever catches it, and all is as before in the end."""
    gc.collect()  # what tests before have left open
    before = len(os.listdir("/proc/self/fd"))
    where = os.fstat(2)
    streams = [io.BytesIO() for _ in range(8)]

    def work(stream: io.BytesIO) -> None:
        for i in range(20):
            with redirect_stdout.stderr_redirector(stream):
                os.write(2, b"%d\n" % i)

    threads = [threading.Thread(target=work, args=(s,)) for s in streams]
    outer = io.BytesIO()
    with redirect_stdout.stderr_redirector(outer):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = b"".join(s.getvalue() for s in [*streams, outer]).split()
    assert not Counter(lines) - Counter(b"%d" % i for i in range(20) for _ in threads)
    assert len(lines) > 0
    assert os.fstat(2).st_ino == where.st_ino
    assert len(os.listdir("/proc/self/fd")) == before
