# SPDX-License-Identifier: MIT
"""Options: a wrong value is one clear line on stderr, and the program runs untraced."""

from __future__ import annotations

import pytest

from harness import Python, Tracer, compile_target

WRONG = [
    ("STACK_DEPTH", "deep", ["0", "16384"]),
    ("STACK_DEPTH", "-1", ["0", "16384"]),
    ("STACK_DEPTH", "16385", ["16384"]),
    ("STACK_DEPTH", "1 ", ["16384"]),
    ("RSS_INTERVAL", "10ms", ["60000"]),
    ("RSS_INTERVAL", "99999999999999999999999", ["60000"]),
    ("MAX_SIZE", "1T", []),
    ("MAX_SIZE", "1.5M", []),
    ("CHUNK_SIZE", "1000", ["32768"]),
    ("CHUNK_SIZE", "100000", ["power of two"]),
    ("CHUNK_SIZE", "1G", ["16777216"]),
    ("FOLLOW", "yes please", ["on", "off"]),
    ("NON_PYTHON", "2", ["on", "off"]),
    ("TRACE", "malloc,everything", ["malloc", "mmap", "rss"]),
    ("TRACE", "malloc,,rss", ["malloc", "mmap", "rss"]),
    ("VERBOSITY", "4", ["0", "3"]),
    ("OUTPUT", "x" * 1001, ["1000"]),
]


@pytest.mark.parametrize("name, value, allowed", WRONG)
def test_wrong_value(
    tracer: Tracer, a_python: Python, name: str, value: str, allowed: list[str]
) -> None:
    argv = [a_python.path, "-c", "print(1); raise SystemExit(5)"]
    run = tracer.traced(argv, options={name: value})
    assert (run.outcome.status, run.outcome.out) == (5, b"1\n")
    message = run.outcome.err.decode()
    assert message.startswith("pymemtrace: ") and message.count("\n") == 1, message
    assert "PYMEMTRACE_" + name in message
    assert value[:50] in message
    for word in allowed:
        assert word in message
    assert run.logs == []


def test_wrong_value_in_a_program_that_is_not_python(tracer: Tracer) -> None:
    """It would not have been traced: nothing to say."""
    run = tracer.traced(["/bin/true"], options={"STACK_DEPTH": "deep"})
    assert run.outcome.visible == (0, b"", b"")


def test_control_characters_in_a_value(tracer: Tracer, a_python: Python) -> None:
    run = tracer.traced([a_python.path, "-c", ""], options={"TRACE": "\x1b[31mred\nline"})
    assert b"\x1b" not in run.outcome.err
    assert run.outcome.err.count(b"\n") == 1


RIGHT = [
    ("STACK_DEPTH", "0"),
    ("STACK_DEPTH", "16384"),
    ("RSS_INTERVAL", "0"),
    ("RSS_INTERVAL", "60000"),
    ("MAX_SIZE", "2G"),
    ("CHUNK_SIZE", "32K"),
    ("CHUNK_SIZE", "16M"),
    ("FOLLOW", "off"),
    ("TRACE", "malloc"),
    ("TRACE", "rss,mmap,malloc"),
    ("VERBOSITY", "0"),
    ("STACK_DEPTH", ""),  # as if it were not set
    ("TRACE", ""),
]


@pytest.mark.parametrize("name, value", RIGHT)
def test_right_value(tracer: Tracer, a_python: Python, name: str, value: str) -> None:
    run = tracer.python(a_python, "stacks.py", "nested", options={name: value})
    assert run.log.stats["complete"]


def test_verbose(tracer: Tracer, a_python: Python) -> None:
    """2: also the name of each log."""
    run = tracer.traced([a_python.path, "-c", ""], options={"VERBOSITY": 2})
    assert str(run.log.path) in run.outcome.err.decode()
    assert run.outcome.err.startswith(b"pymemtrace: ")


# A program that forks; the child runs another program, which is not Python.
_FORK_AND_EXEC = """
import os, sys
child = os.fork()
if child == 0:
    try:
        os.execv("/no/such/program", ["program"])
    except OSError:
        pass
    os.execv("/bin/true", ["true"])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if sys.version_info > (3, 9) else 0)
"""


def test_decisions(tracer: Tracer, a_python: Python) -> None:
    """3: also what the tracer decides, one line each; the program's output is as it was."""
    options = {
        "VERBOSITY": 3,
        "FOLD": "on",
        "FOLD_WINDOW": 64,
        "TRACE": "malloc,pymem,rss,calls",
        "RSS": "slice",
    }
    run = tracer.traced([a_python.path, "-c", _FORK_AND_EXEC], options=options)
    assert (run.outcome.status, run.outcome.out) == (0, b"")
    lines = run.outcome.err.decode().splitlines()
    assert all(line.startswith("pymemtrace: ") for line in lines), lines
    said = "\n".join(lines)
    assert len(run.logs) == 2
    for wanted in (
        *(f"tracing to {log.path}" for log in run.logs),
        f"interpreter: {a_python.version[0]}.{a_python.version[1]}",
        "layout of frames: ",
        "Python stacks: up to 1024 frames",
        "Python's allocator mem is wrapped",
        "Python's allocator object is wrapped",
        "folding: each thread keeps back up to 64 blocks",
        "resident set at events: slice",
        "resident set over time: every 10 ms",
        "this is a forked child of the process that writes ",
        "another program is about to run in this process",
        "no other program runs in this process after all",
        "not traced: this program has no Python interpreter",
        "the log is closed",
    ):
        assert wanted in said, f"{wanted!r} is not in:\n{said}"
    quiet = tracer.traced([a_python.path, "-c", _FORK_AND_EXEC], options={"VERBOSITY": 2})
    assert {line.split(" to ")[0] for line in quiet.outcome.err.decode().splitlines()} == {
        "pymemtrace: tracing"
    }


def test_decision_not_to_follow(tracer: Tracer, a_python: Python) -> None:
    options = {"VERBOSITY": 3, "FOLLOW": "off"}
    run = tracer.traced([a_python.path, "-c", _FORK_AND_EXEC], options=options)
    assert "this forked child is not traced (PYMEMTRACE_FOLLOW=off)" in run.outcome.err.decode()


def test_decision_to_wait(tracer: Tracer, a_python: Python) -> None:
    options = {"VERBOSITY": 3, "START": "off"}
    run = tracer.traced([a_python.path, "-c", ""], options=options)
    assert "not traced until the program or a signal begins it" in run.outcome.err.decode()
    assert run.logs == []


def test_unknown_option(tracer: Tracer, a_python: Python) -> None:
    """A variable that is nobody's option may be somebody else's: at most a hint."""
    run = tracer.traced([a_python.path, "-c", "print(1)"], options={"STACK_DEEP": "5"})
    assert (run.outcome.status, run.outcome.out) == (0, b"1\n")
    assert run.outcome.err.count(b"\n") <= 1
    assert len(run.logs) == 1


@pytest.mark.parametrize("chunk", ["32K", "64K", "1M"])
def test_chunk_size_changes_nothing(tracer: Tracer, chunk: str) -> None:
    program = compile_target("heap.c")
    options = {"NON_PYTHON": "on", "CHUNK_SIZE": chunk}
    run = tracer.traced([program, "counted"], options=options)
    counted = run.report[-1]
    assert run.log.stats["allocations"]["count"] == counted["allocs"]
    assert run.log.stats["live_at_exit"]["bytes"] == counted["live_bytes"]
