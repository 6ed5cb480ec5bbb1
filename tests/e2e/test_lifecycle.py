# SPDX-License-Identifier: MIT
"""Lifecycle: however a program ends, it ends as without the library, and its log can be read."""

from __future__ import annotations

import pytest

from harness import TARGETS, Python, Tracer, check_notes, vallocs

ENDS_WELL = {
    "returns": True,
    "exits": True,
    "underscore_exits": True,
    "quick_exits": True,
    "allocates_at_exit": True,
    "aborts": False,
    "is_killed": False,
    "is_terminated": False,
    "crashes": False,
}


@pytest.mark.parametrize("case", ENDS_WELL)
def test_c_program(tracer: Tracer, case: str) -> None:
    run = tracer.c("life.c", case)
    assert len(run.log.of("alloc", size=60001)) == 10
    assert run.log.stats["complete"] == ENDS_WELL[case]
    assert run.log.stats["lost_records"] == 0


def test_blocks_at_exit(tracer: Tracer) -> None:
    """What atexit functions and destructors allocate is traced too."""
    log = tracer.c("life.c", "allocates_at_exit").log
    assert len(log.of("alloc", size=60002)) == 1
    assert len(log.of("alloc", size=60003)) == 1


PYTHON_ENDS = {
    "returns": True,
    "exits": True,
    "raises": True,
    "underscore_exits": True,
    "c_exits": True,
    "finalizes": True,
    "late_thread": True,
    "closed_streams": True,
    "renamed": True,
    "with_daemons": True,
    "aborts": False,
    "is_killed": False,
    "is_terminated": False,
    "interrupted": None,  # ends by a signal, but only after all is done
}


@pytest.mark.parametrize("case", PYTHON_ENDS)
def test_python_program(tracer: Tracer, python: Python, case: str) -> None:
    run = tracer.python(python, "ending.py", case)
    check_notes(run)
    assert PYTHON_ENDS[case] in (None, run.log.stats["complete"])


def test_changed_command_line(tracer: Tracer, a_python: Python) -> None:
    """The log's command line is that of the start."""
    run = tracer.python(a_python, "ending.py", "renamed")
    assert run.log.header["command"][1:] == ["-S", str(TARGETS / "ending.py"), "renamed"]


def test_header(tracer: Tracer, a_python: Python) -> None:
    """pid, command, version, what is traced."""
    options = {"TRACE": None, "FOLD": None, "STACK_DEPTH": 2}
    run = tracer.python(a_python, "stacks.py", "nested", options=options)
    header = run.log.header
    assert header["pid"] == run.outcome.pid
    assert header["command"][1:] == ["-S", str(TARGETS / "stacks.py"), "nested"]
    assert header["python_version"] == ".".join(map(str, a_python.version))
    assert set(header["traced"]) == {"malloc", "mmap", "pymem", "rss"}
    assert "python" in header["flags"]
    assert run.log.stats["command"] == header["command"]


def test_zero_allocations(tracer: Tracer, a_python: Python) -> None:
    """os._exit at once: a log all the same."""
    run = tracer.python_argv(a_python, ["-S", "-c", "import os; os._exit(0)"])
    assert run.log.stats["complete"]


def test_only_what_is_asked_for(tracer: Tracer) -> None:
    for words, expected in (
        ("malloc", {"alloc", "free"}),
        ("mmap", {"mmap", "munmap"}),
    ):
        case = "heap.c" if words == "malloc" else "maps.c"
        name = "families" if words == "malloc" else "in_thread"
        log = tracer.c(case, name, options={"TRACE": words}).log
        kinds = {e["event"] for e in log.events}
        assert expected <= kinds
        assert not kinds & ({"alloc", "free", "realloc", "mmap", "munmap"} - expected - {"realloc"})
        assert log.header["traced"] == [words]


def test_signal_handlers(tracer: Tracer) -> None:
    """A handler that allocates, a thousand times."""
    log = tracer.c("life.c", "signals").log
    assert len(log.of("alloc", size=60005)) + log.stats["lost_records"] == 1000


def test_stdin_script(tracer: Tracer, python: Python) -> None:
    """Started from standard input, with -c and with -m."""
    for argv, keywords in (
        (["-"], {"input": b"import ctypes\nctypes.CDLL(None).valloc(1234)\n"}),
        (["-c", "import ctypes; ctypes.CDLL(None).valloc(1234)"], {}),
    ):
        run = tracer.python_argv(python, argv, **keywords)
        [event] = vallocs(run.log, 1234)
        assert event["stack"][-1]["function"] == "<module>"
        assert event["file"] in ("<stdin>", "<string>")
    run = tracer.python_argv(python, ["-m", "this"])
    assert run.log.stats["complete"]


SLOW = pytest.mark.slow  # many events


@pytest.mark.interpreters("3.12", "3.13")
@pytest.mark.parametrize(
    "variable",
    [
        "debug",
        pytest.param("malloc", marks=SLOW),
        "pymalloc_debug",
        pytest.param("malloc_debug", marks=SLOW),
    ],
)
def test_pythonmalloc(tracer: Tracer, python: Python, variable: str) -> None:
    """PYTHONMALLOC changes Python's allocators: stacks and counts stay right."""
    if python.free_threaded:
        pytest.skip("refused by free-threaded builds")
    argv = ["-S", str(TARGETS / "stacks.py"), "generators"]
    check_notes(tracer.python_argv(python, argv, env={"PYTHONMALLOC": variable}), 10)


@pytest.mark.parametrize(
    "options", ["-X dev", pytest.param("-X tracemalloc", marks=SLOW), "-X faulthandler", "-E -s"]
)
def test_interpreter_options(tracer: Tracer, python: Python, options: str) -> None:
    argv = [*options.split(), str(TARGETS / "names.py")]
    check_notes(tracer.python_argv(python, argv), 4)
