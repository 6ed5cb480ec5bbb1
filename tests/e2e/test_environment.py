# SPDX-License-Identifier: MIT
"""Programs that write over their arguments and their environment, and children that run elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path

import pytest

from harness import LIBRARY, Log, Python, Run, Tracer, clean_env, execute, need, tool

FILTERS = {"INCLUDE_FUNCTIONS": "f,calls", "EXCLUDE_FILES": "*/nothing.py", "THREADS": "*"}


def moved(tracer: Tracer, python: Python, scenario: str, how: str = "keep", **options: str) -> Run:
    run = tracer.python(python, "moved.py", how, scenario, options=options, traced_only=True)
    assert run.outcome.status == 0 and run.outcome.err == b"", run.outcome
    return run


def functions(log: Log) -> Counter[str]:
    return Counter(e["function"] for e in log.of("pyevent", what="call"))


@pytest.mark.interpreters("3.11", "3.12", "3.14")
@pytest.mark.parametrize("how", ["keep", "lose"])
def test_a_fork_behind_a_title(tracer: Tracer, python: Python, how: str) -> None:
    run = moved(tracer, python, "fork", how)
    assert len(run.logs) == 2
    [child] = [log for log in run.logs if "forked" in log.header["flags"]]
    assert sum(e["size"] >= 10_000 for e in child.of("alloc")) >= 100


@pytest.mark.interpreters("3.12", "3.14")
def test_programs_started_behind_a_title(tracer: Tracer, python: Python) -> None:
    run = moved(tracer, python, "spawn")
    # This program, one each of spawn, posix_spawn and the shell, and the fork that executes another.
    parents = {log.header["pid"] for log in run.logs}
    assert len(parents) == 5
    spawned = [log for log in run.logs if "-S" in log.header["command"]]
    assert len(spawned) == 4
    for log in spawned:
        assert sum(e["size"] >= 10_000 for e in log.of("alloc")) >= 100


@pytest.mark.interpreters("3.11", "3.12", "3.14")
@pytest.mark.parametrize("how", ["keep", "lose"])
def test_filters_behind_a_title(tracer: Tracer, python: Python, how: str) -> None:
    [log] = moved(tracer, python, "calls", how, TRACE="calls", **FILTERS).logs
    assert functions(log) == {"calls": 2, "f": 20}


@pytest.mark.interpreters("one")
def test_marks_behind_a_title(tracer: Tracer, python: Python) -> None:
    [log] = moved(tracer, python, "mark").logs
    assert [e["text"] for e in log.of("mark")] == ["before the title", "behind the title"]


@pytest.mark.interpreters("3.12", "3.14")
@pytest.mark.parametrize("how", ["keep", "lose"])
def test_a_log_begun_behind_a_title(tracer: Tracer, python: Python, how: str) -> None:
    options = {"START": "off", "SIGNAL": "10", "TRACE": "calls", **FILTERS}
    run = moved(tracer, python, "toggle", how, OUTPUT="logs/%p.pmt", **options)
    assert [functions(log) for log in run.logs] == [{"calls": 1, "f": 10}] * 2


@pytest.fixture(scope="session")
def setproctitle_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has the package setproctitle."""
    folder = tmp_path_factory.mktemp("setproctitle")
    venv.create(folder, with_pip=True)
    done = subprocess.run(
        [folder / "bin" / "pip", "install", "-q", "setproctitle"], capture_output=True, check=False
    )
    need(done.returncode == 0, "the package setproctitle cannot be had")
    return str(folder / "bin" / "python")


@pytest.mark.interpreters("one")
def test_setproctitle(tracer: Tracer, setproctitle_python: str, tmp_path: Path) -> None:
    script = tmp_path / "titled.py"
    script.write_text(
        "import os, subprocess, sys, setproctitle\n"
        "def f(): return 1\n"
        "def g(): return 2\n"
        "setproctitle.setproctitle('worker: ' + 'busy ' * 100)\n"
        "f(); g()\n"
        "with open('/proc/self/cmdline') as stream: print(stream.read().rstrip('\\0 '))\n"
        "print(subprocess.call([sys.executable, '-S', '-c', 'pass'], cwd='/'))\n"
        "pid = os.fork()\n"
        "f(); g()\n"
        "if pid: print(os.waitpid(pid, 0)[1])\n"
    )
    run = tracer.traced(
        [setproctitle_python, script], options={"TRACE": "calls", "INCLUDE_FUNCTIONS": "f"}
    )
    assert b"worker: busy busy" in run.outcome.out
    assert sorted(functions(log)["f"] for log in run.logs) == [0, 1, 2]
