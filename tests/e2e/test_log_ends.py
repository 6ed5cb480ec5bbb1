# SPDX-License-Identifier: MIT
"""What reports say first of a log that ended early, and whether its process still runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from harness import LIBRARY, Log, Python, Tracer, clean_env, need, need_root, tool

pytestmark = pytest.mark.python


@pytest.fixture
def small_disk(a_python: Python, tmp_path: Path) -> Iterator[Path]:
    need_root()
    need(not a_python.root, "the disk is outside the interpreter's root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("no tmpfs can be mounted")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


MUCH = "keep = [bytearray(1000 + i % 7) for i in range(400000)]"
STOPPED = "the log could not grow (disk full, quota or file size limit); what happened later"


def test_every_report_says_first_that_tracing_stopped(
    tracer: Tracer, a_python: Python, small_disk: Path
) -> None:
    options = {"OUTPUT": str(small_disk / "a.pmt"), "TRACE": "malloc,pymem,rss,calls,objects"}
    run = tracer.python_argv(a_python, ["-c", MUCH], options=options, traced_only=True)
    assert b"tracing stopped" in run.outcome.err
    log = small_disk / "a.pmt"
    first = tool("top", log).out.decode().splitlines()[0]
    assert first.startswith("tracing stopped after ") and STOPPED in first
    second = tool("stats", log).out.decode().splitlines()[1]
    assert second.startswith("  tracing stopped after ") and STOPPED in second
    assert tool("text", log).out.decode().splitlines()[0].startswith("# tracing stopped after ")
    others = (
        "json;calls;calls --json;objects;objects --json;objects --live;lines;text --style classic"
    )
    others += f";top --json;stats --json;top --by type;gnuplot -o {small_disk.parent / 'plots'}"
    for command in map(str.split, others.split(";")):
        said = tool(*command, log, status=None).err.decode().splitlines()[0]
        assert "tracing stopped after " in said and STOPPED in said, command
    notes = tool("stats", log).out.decode()
    assert "events are missing in the log: how much malloc and Python keep free" in notes
    assert "malloc is not the C library's" not in notes and "malloc keeps" not in notes


def start(python: Python, code: str, log: Path) -> subprocess.Popen[bytes]:
    need(not python.root, "started without the harness")
    env = {**clean_env(), "LD_PRELOAD": str(LIBRARY), "PYMEMTRACE_OUTPUT": str(log)}
    return subprocess.Popen([python.path, "-c", code], env=env, stdout=subprocess.PIPE)


def test_a_process_that_still_runs(a_python: Python, tmp_path: Path) -> None:
    log = tmp_path / "a.pmt"
    with start(a_python, "print('x', flush=True); import time; time.sleep(600)", log) as child:
        assert child.stdout and child.stdout.readline() == b"x\n"
        assert b"the process is still running" in tool("stats", log).out
        child.kill()
        child.wait()
    assert f"(no process {child.pid} writes it any more)".encode() in tool("stats", log).out
    assert b"the process was killed" in tool("stats", log).out


def test_a_program_without_proc(a_python: Python, tmp_path: Path) -> None:
    """What could not be recorded is named."""
    need_root()
    need(not a_python.root, "started without the harness")
    log = tmp_path / "a.pmt"
    env = {**clean_env(), "PYMEMTRACE_OUTPUT": str(log), "PMT_LIBRARY": str(LIBRARY)}
    inner = 'mount -t tmpfs none /proc && exec env LD_PRELOAD="$PMT_LIBRARY" "$@"'
    argv = ["unshare", "--mount", "sh", "-c", inner, "sh", a_python.path, "-c", "x = 1"]
    if subprocess.run(argv, env=env, check=False, capture_output=True).returncode != 0:
        pytest.skip("no name space of mounts can be made")
    notes = tool("stats", log).out.decode()
    assert "note: no samples of the resident set are in this log\n" in notes
    assert "note: what the resident set is made of is not in this log\n" in notes
    refused = tool("top", "--at", "rss-peak", log, status=1)
    assert b"no samples of the resident set in " in refused.err
    assert b"RSS" not in tool("stats", log).out


RUNS = "print('x', flush=True); import time; time.sleep(600)"


def test_a_copy_of_the_log_of_a_process_that_still_runs(a_python: Python, tmp_path: Path) -> None:
    """Also compressed: the process is looked up, not who has the file."""
    log, copy = tmp_path / "a.pmt", tmp_path / "b.pmt"
    with start(a_python, RUNS, log) as child:
        assert child.stdout and child.stdout.readline() == b"x\n"
        shutil.copy(log, copy)
        tool("compress", copy)
        for path in (copy, tmp_path / "b.pmt.zst"):
            assert b"the process is still running" in tool("stats", path).out
        child.kill()
        child.wait()
    for path in (copy, tmp_path / "b.pmt.zst"):
        assert b"the process was killed (no process " in tool("stats", path).out


def test_a_process_in_a_container(a_python: Python, tmp_path: Path) -> None:
    """Its number is not valid outside: whoever maps the log is the one."""
    need_root()
    need(not a_python.root, "started without the harness")
    log = tmp_path / "a.pmt"
    env = {**clean_env(), "PYMEMTRACE_OUTPUT": str(log)}
    inner = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    inner += ["env", f"LD_PRELOAD={LIBRARY}", a_python.path, "-c", RUNS]
    with subprocess.Popen(inner, env=env, stdout=subprocess.PIPE) as child:
        assert child.stdout
        line = child.stdout.readline()
        if line != b"x\n":
            pytest.skip("no name space of processes can be made")
        assert Log(log).header["pid"] == 1
        assert b"the process is still running" in tool("stats", log).out
        child.kill()
        child.wait()
    said = tool("stats", log).out
    assert b"the process was killed, or is still running in another container" in said


def test_a_process_of_the_same_number_that_began_later(a_python: Python, tmp_path: Path) -> None:
    need(not a_python.root, "started without the harness")
    log = tmp_path / "a.pmt"
    numbered = Path("/proc/sys/kernel/ns_last_pid")
    if not os.access(numbered, os.W_OK):
        pytest.skip("numbers of processes cannot be chosen")
    with start(a_python, RUNS, log) as child:
        assert child.stdout and child.stdout.readline() == b"x\n"
        child.kill()
        child.wait()
    time.sleep(1.2)  # starts are compared to a second
    for _ in range(20):
        numbered.write_text(str(child.pid - 1))
        with subprocess.Popen(["sleep", "600"]) as other:
            said = tool("stats", log).out
            other.kill()
        if other.pid == child.pid:
            break
    else:
        pytest.skip("others took the number")
    assert b"the process was killed (no process " in said


def test_the_interpreter_had_ended(a_python: Python, tmp_path: Path) -> None:
    """After KeyboardInterrupt the interpreter ends, and then lets the signal end the process."""
    log = tmp_path / "a.pmt"
    code = (
        "keep = bytearray(3 << 20); print('x', flush=True)\nimport time\nwhile 1: time.sleep(600)"
    )
    with start(a_python, code, log) as child:
        assert child.stdout and child.stdout.readline() == b"x\n"
        child.send_signal(signal.SIGINT)
        child.wait()
    assert child.returncode == -signal.SIGINT
    text = tool("stats", log).out.decode()
    assert "the interpreter had ended, then a signal ended the process (as after Ctrl-C)" in text
    assert "killed" not in text
    end = tool("top", "--at", "end", log)
    assert "3.0 MiB" in end.out.decode() and end.err == b""
