# SPDX-License-Identifier: MIT
"""Programs that write over their arguments and their environment, and children that run elsewhere."""

from __future__ import annotations

import subprocess
import venv
from collections import Counter
from pathlib import Path

import pytest

from harness import LIBRARY, Log, Python, Run, Tracer, clean_env, execute, need

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
    spawned = [log for log in run.logs if "-c" in log.header["command"]]
    assert len(spawned) == 4
    for log in spawned:
        assert sum(e["size"] >= 10_000 for e in log.of("alloc")) >= 100


@pytest.mark.interpreters("3.11", "3.12", "3.14")
@pytest.mark.parametrize("how", ["keep", "lose"])
def test_filters_behind_a_title(tracer: Tracer, python: Python, how: str) -> None:
    [log] = moved(tracer, python, "calls", how, TRACE="calls", **FILTERS).logs
    assert functions(log) == {"calls": 1, "f": 10}


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


ELSEWHERE = """
import os, subprocess, sys
other = sys.argv[1]
child = [sys.executable, "-S", "-c", "x = bytearray(10**6)"]
def said(done): return (done.returncode, done.stderr)
print(said(subprocess.run(child, cwd=other, capture_output=True)))
print(said(subprocess.run(child, cwd=other, capture_output=True, env=dict(os.environ, A="b"))))
print(said(subprocess.run(" ".join(child[:3]) + " '" + child[3] + "'; true", shell=True, cwd=other, capture_output=True)))
os.chdir(other)
pid = os.posix_spawn(child[0], child, os.environ)
print(os.waitpid(pid, 0)[1])
pid = os.fork()
if pid == 0:
    kept = bytearray(10**6)
    os._exit(0)
print(os.waitpid(pid, 0)[1])
print(os.listdir("."))
"""


@pytest.mark.interpreters("3.12", "3.14")
@pytest.mark.parametrize("name", [None, "logs/%p.pmt", "a.pmt"])
@pytest.mark.parametrize("work", ["work", "at 100%p", ""])
def test_children_elsewhere(a_python: Python, tmp_path: Path, name: str | None, work: str) -> None:
    """With the library preloaded by hand: the name becomes absolute where the first process starts."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / work / "logs").mkdir(parents=True)
    script = tmp_path / "parent.py"
    script.write_text(ELSEWHERE)
    env = {"LD_PRELOAD": str(LIBRARY), **({"PYMEMTRACE_OUTPUT": name} if name else {})}
    run = execute([a_python.path, script, tmp_path / "elsewhere"], env=env, cwd=tmp_path / work)
    assert run.err == b"", run
    assert run.out == b"(0, b'')\n" * 3 + b"0\n0\n[]\n"
    assert len(list((tmp_path / work).rglob("*.pmt"))) == 6


@pytest.mark.interpreters("one")
def test_the_environment_stays_in_its_place(a_python: Python, tmp_path: Path) -> None:
    """A title may take all the room: but for the name of the log all strings are where they were."""
    script = tmp_path / "places.py"
    script.write_text(
        "import ctypes, os\n"
        "environ = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), 'environ')\n"
        "with open('/proc/self/stat') as stream: fields = stream.read().rsplit(')', 1)[1].split()\n"
        "start, end = int(fields[47]), int(fields[48])\n"
        "i = 0\n"
        "while environ[i]:\n"
        "    if not start <= environ[i] < end: print(i, ctypes.string_at(environ[i]).split(b'=')[0].decode())\n"
        "    i += 1\n"
        "os.environ['A'] = 'b'; os.environ['PYMEMTRACE_OUTPUT'] = 'other.pmt'; del os.environ['PATH']\n"
        "print(i, os.environ['PYMEMTRACE_OUTPUT'])\n"
    )
    env = {"LD_PRELOAD": str(LIBRARY)}
    count = len(clean_env(env))
    run = execute([a_python.path, script], env=env, cwd=tmp_path)
    assert run.out.decode() == f"{count} PYMEMTRACE_OUTPUT\n{count + 1} other.pmt\n"
    env["PYMEMTRACE_OUTPUT"] = str(tmp_path / "%p.pmt")
    run = execute([a_python.path, script], env=env, cwd=tmp_path)
    assert run.out.decode() == f"{count + 1} other.pmt\n"


@pytest.mark.interpreters("one")
def test_a_folder_that_is_gone_is_one_line(a_python: Python, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    script = tmp_path / "gone.py"
    script.write_text(
        "import os, shutil, subprocess, sys\n"
        "os.rename('logs', 'other')\n"
        "done = subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True)\n"
        "print(done.returncode, done.stdout, done.stderr.decode().splitlines())\n"
    )
    env = {"LD_PRELOAD": str(LIBRARY), "PYMEMTRACE_OUTPUT": "logs/a.pmt"}
    run = execute([a_python.path, script], env=env, cwd=tmp_path)
    line = f"pymemtrace: cannot create the log {tmp_path}/logs/a.pmt: no such folder"
    assert run.visible == (0, f"0 b'1\\n' {[line]}\n".encode(), b"")
