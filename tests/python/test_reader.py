# SPDX-License-Identifier: MIT
"""pymemtrace.read(): what it gives must be what the program prints, and what a program really did."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, Callable

import pymemtrace
import pytest

from installed import TOP, execute

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

GOLDEN = TOP / "tests" / "golden" / "logs"
GOOD = sorted(p.name for p in GOLDEN.iterdir() if p.name.startswith("good-"))
REFUSED = {
    "bad-empty.pmt": "empty file",
    "bad-cut-in-header.pmt": "cut off within its header",
    "bad-not-a-log.pmt": "not a pymemtrace log",
    "bad-later-major.pmt": "this program reads version 1",
}
IN_PART = {
    "bad-cut.pmt": "the file is cut off, 36 bytes lost",
    "bad-chunk-damaged.pmt": "1 chunk damaged, 184 bytes lost",
    "bad-compressed-cut.pmt.zst": "the file is cut off, 32768 bytes lost",
}

# Blocks of odd sizes from one line each: 40 stay, 60 go.
SCRIPT = """
import ctypes
malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
malloc.argtypes, malloc.restype, free.argtypes = [ctypes.c_size_t], ctypes.c_void_p, [ctypes.c_void_p]

def stay():
    return malloc(123457)  # line 7

def go():
    free(malloc(7654321))  # line 10

kept = [stay() for _ in range(40)]
for _ in range(60):
    go()
"""


def json_of(program: str, *args: Any) -> Any:
    return json.loads(execute([program, *args], status=None).stdout)


def lines_of(program: str, path: Path, *options: str) -> list[Any]:
    printed = execute([program, "json", *options, path], status=None).stdout
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize("name", GOOD)
def test_statistics_are_those_of_the_program(program: str, name: str) -> None:
    log = pymemtrace.read(GOLDEN / name)
    assert log.statistics() == json_of(program, "stats", "--json", GOLDEN / name)


@pytest.mark.parametrize("name", GOOD)
def test_header_and_events_are_those_of_the_program(program: str, name: str) -> None:
    log = pymemtrace.read(str(GOLDEN / name))
    for stacks in (False, True):
        printed = lines_of(program, GOLDEN / name, *["--stacks"] * stacks)
        assert {"event": "header", **log.header} == printed[0]
        assert list(log.events(stacks=stacks)) == printed[1:-1]
        assert printed[-1]["event"] == "end"
    assert sum(e["event"] != "totals" for e in log.events()) == printed[-1]["events"]


TABLES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["-n", "20"]),
    ({"n": 1, "by": "function"}, ["-n", "1", "--by", "function"]),
    ({"by": "thread", "at": "end"}, ["--by", "thread", "--at", "end"]),
    ({"by": "allocator", "at": 0.001}, ["--by", "allocator", "--at", "0.001"]),
    ({"by": "stack", "show_imports": True}, ["--by", "stack", "--show-imports"]),
    (
        {"frame": "any", "include": ["f*"], "thread": 1},
        "--frame any --include f* --thread 1".split(),
    ),
    ({"temporary": True, "threshold": 0}, ["--temporary", "--threshold", "0"]),
    ({"mappings": True}, ["--mappings"]),
    (
        {"include": ["*.py"], "exclude": ["x", "y"]},
        "--include *.py --exclude x --exclude y".split(),
    ),
]


@pytest.mark.parametrize(("keywords", "options"), TABLES, ids=[str(t[1]) for t in TABLES])
def test_tables_are_those_of_the_program(
    program: str, keywords: dict[str, Any], options: list[str]
) -> None:
    path = GOLDEN / "good-every-record.pmt"
    expected = json_of(program, "top", "--json", *options, path)["rows"]
    assert pymemtrace.read(path).top(**keywords) == expected


@pytest.mark.parametrize("census", [None, "end"])
def test_types_are_those_of_the_program(program: str, census: str | None) -> None:
    path = GOLDEN / "good-census.pmt"
    options = ["--census", census] if census else []
    expected = json_of(program, "top", "--json", "--by", "type", *options, path)["rows"]
    rows = pymemtrace.read(path).top(by="type", census=census)
    assert rows == expected
    assert [row["type"] for row in rows] == [row["type"] for row in expected] != []


@pytest.mark.parametrize("fold", ["on", "off"])
def test_counts_of_a_traced_program(program: str, trace: Callable[..., Path], fold: str) -> None:
    path = trace(SCRIPT, FOLD=fold)
    log = pymemtrace.read(path)
    assert log.header["command"][1:] == [str(path.with_name("traced.py"))]
    sizes = [e["size"] for e in log.events() if e["event"] == "alloc"]
    assert (sizes.count(123457), sizes.count(7654321)) == (40, 60)
    [row] = [row for row in log.top(1000, at="exit") if row["function"] == "stay"]
    assert (row["line"], row["count"], row["bytes"]) == (7, 40, 40 * 123457)
    assert (row["stack"][0]["function"], row["stack"][0]["line"]) == ("stay", 7)
    assert not [row for row in log.top(1000, at="exit") if row["function"] == "go"]
    # The same figures in the program's text.
    text = execute(
        [program, "top", "--at", "exit", "--include", "*/traced.py", path]
    ).stdout.decode()
    assert re.search(r"traced\.py:7.*stay", text)
    assert log.statistics()["allocations"]["count"] >= 100


def test_stacks_of_a_traced_program(trace: Callable[..., Path]) -> None:
    log = pymemtrace.read(trace(SCRIPT))
    for event in log.events(stacks=True):
        if event["event"] == "alloc" and event["size"] == 7654321:
            assert [f["line"] for f in event["stack"]] == [10, 14]
            assert [f["function"] for f in event["stack"]] == ["go", "<module>"]
            break
    else:
        raise AssertionError("no such event")


@pytest.mark.parametrize("name", REFUSED)
def test_not_a_log(program: str, name: str) -> None:
    with pytest.raises(pymemtrace.LogError) as raised:
        pymemtrace.read(GOLDEN / name)
    said = execute([program, "stats", GOLDEN / name], status=1).stderr.decode()
    assert f"pymemtrace: {raised.value}\n" == said
    assert REFUSED[name] in said


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(pymemtrace.LogError, match="No such file or directory"):
        pymemtrace.read(tmp_path / "none.pmt")
    with pytest.raises(pymemtrace.LogError, match="is a folder"):
        pymemtrace.read(tmp_path)
    log = pymemtrace.read(GOLDEN / "good-killed.pmt")
    with pytest.raises(ValueError, match="by"):
        log.top(by="nonsense")
    with pytest.raises(ValueError, match="number"):
        log.top(-1)


@pytest.mark.parametrize("name", IN_PART)
def test_a_log_of_which_a_part_is_lost(program: str, name: str) -> None:
    """All that can be read comes, with a warning that says what does not."""
    path = GOLDEN / name
    log = pymemtrace.read(path)
    warned = pytest.warns(pymemtrace.LogWarning, match=re.escape(IN_PART[name]))
    with warned:
        statistics = log.statistics()
    with pytest.warns(pymemtrace.LogWarning, match=re.escape(IN_PART[name])) as list_of:
        rows = log.top()
    assert list_of[0].filename == __file__  # the caller's line
    with pytest.warns(pymemtrace.LogWarning, match=re.escape(IN_PART[name])):
        events = list(log.events())
    assert statistics == json_of(program, "stats", "--json", path)
    assert statistics["complete"] is False
    assert rows == json_of(program, "top", "--json", path)["rows"]
    assert events == lines_of(program, path)[1:-1]


STOPS = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
keep = [bytearray(1000 + i % 7) for i in range(200_000)]
"""


def test_a_log_that_ended_early(trace: Callable[..., Path]) -> None:
    """Everything that is read of it warns of that, with when and why."""
    log = pymemtrace.read(trace(STOPS, FOLD="off"))
    why = r"tracing stopped after \d+\.\d+ s: the log could not grow"
    for ask in (log.statistics, log.top, lambda: list(log.events())):
        with pytest.warns(pymemtrace.LogWarning, match=why):
            ask()


def test_log_of_a_killed_process() -> None:
    log = pymemtrace.read(GOLDEN / "good-killed.pmt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert log.statistics()["state"] == "open"
        assert len(list(log.events())) == 19


def test_compressed_log(program: str, trace: Callable[..., Path]) -> None:
    path = trace(SCRIPT)
    execute([program, "compress", "--output", path.with_suffix(".pmt.zst"), path])
    plain, packed = pymemtrace.read(path), pymemtrace.read(path.with_suffix(".pmt.zst"))
    assert list(plain.events()) == list(packed.events())
    assert {**plain.statistics(), "log": ""} == {**packed.statistics(), "log": ""}


def test_hostile_names() -> None:
    """As the JSON has them: nothing is taken out, nothing is interpreted."""
    log = pymemtrace.read(GOLDEN / "good-every-record.pmt")
    assert log.header["command"] == ["python3", "app.py", "--name=x\ny", "\ufffd"]
    events = list(log.events())
    [name] = [e["name"] for e in events if e["event"] == "thread_name"]
    assert name == "MainThread\x1b[31m"
    [mark] = [e["text"] for e in events if e["event"] == "mark"]
    assert mark == 'line\none "quoted" \\ \ufffd\u202e tab\t\x7f'


@pytest.mark.parametrize("name", [b"-h", b"--json", b"a b;c", b"\xff\xfe.pmt", "Ж.pmt".encode()])
def test_hostile_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    Path(os.fsdecode(name)).write_bytes((GOLDEN / "good-killed.pmt").read_bytes())
    text = os.fsdecode(name)
    for log in (pymemtrace.read(name), pymemtrace.read(text), pymemtrace.read(Path(text))):
        assert log.statistics()["events"] == 19
        assert log.path == text


def children() -> list[str]:
    path = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return path.read_text().split()


def test_events_are_read_one_by_one(trace: Callable[..., Path]) -> None:
    """The program waits until its events are taken; a reader that stops leaves no process."""
    log = pymemtrace.read(trace(SCRIPT, FOLD="off"))
    before = children()
    stream = log.events()
    assert len(list(itertools.islice(stream, 10))) == 10
    assert len(children()) == len(before) + 1
    del stream
    assert children() == before


def test_a_program_that_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stream that ends before the log does is an error, never a short log."""
    fake = tmp_path / "pymemtrace"
    fake.write_text(
        '#!/bin/sh\nprintf \'{"event":"header","pid":1}\\n{"event":"x"}\\n\'\nkill -9 $$\n'
    )
    fake.chmod(0o755)
    monkeypatch.setattr("pymemtrace._reader.program_path", lambda: str(fake))
    log = pymemtrace.read(GOLDEN / "good-killed.pmt")
    with pytest.raises(pymemtrace.LogError, match="status -9"):
        list(log.events())
    with pytest.raises(pymemtrace.LogError, match="status -9"):
        log.statistics()


def test_reading_leaves_stdin_alone(program: str, tmp_path: Path) -> None:
    code = f"""
import pymemtrace, sys
pymemtrace.read({str(GOLDEN / "good-killed.pmt")!r}).statistics()
print(sys.stdin.read())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"for me", capture_output=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"for me\n", b"", 0)
