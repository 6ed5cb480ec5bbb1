# SPDX-License-Identifier: MIT
"""kill -9 in the middle of an allocation storm: the log has all that the program knew it had done."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from harness import LIBRARY, TARGETS, Log, Python, clean_env, compile_target


def storm(
    argv: list[str], output: Path, reports: int, python: Python | None = None
) -> dict[int, int]:
    """Run until REPORTS reports came, kill, and give each thread's last count."""
    # chroot and env only run the next program in their place: the process id is the target's.
    enter = [*python.enter, "/usr/bin/env"] if python else ["/usr/bin/env"]
    words = [
        f"LD_PRELOAD={LIBRARY}",
        f"PYMEMTRACE_OUTPUT={output}",
        f"PYMEMTRACE_NON_PYTHON={'off' if python else 'on'}",
        "PYMEMTRACE_FOLD=off",
    ]
    argv = [*enter, *words, *argv]
    with subprocess.Popen(
        argv, env=clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        data = bytearray()
        while len(data) < reports * 8:
            data += os.read(child.stdout.fileno(), 1 << 16)
        os.kill(child.pid, signal.SIGKILL)
        data += child.stdout.read()
    assert child.returncode == -signal.SIGKILL
    last: dict[int, int] = {}
    for thread, count in struct.iter_unpack("II", data):
        last[thread] = max(count, last.get(thread, 0))
    return last


def check(log: Log, last: dict[int, int], allocator: str) -> None:
    assert not log.stats["complete"] and log.stats["lost_records"] == 0
    seen: dict[int, int] = {}
    for event in log.of("alloc", allocator=allocator):
        seen[event["size"]] = seen.get(event["size"], 0) + 1
    for thread, count in last.items():
        # One more may have been recorded whose report was not written any more.
        assert seen.get(70000 + thread, 0) in (count, count + 1), (thread, count)


@pytest.mark.parametrize("threads", [1, 4, 32])
@pytest.mark.parametrize("reports", [100, 5000, 60000])
def test_c(tmp_path: Path, threads: int, reports: int) -> None:
    log = tmp_path / "log.pmt"
    argv = [str(compile_target("storm.c")), str(threads)]
    check(Log(log), storm(argv, log, reports), "malloc")


@pytest.mark.interpreters()
@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 4])
def test_python(tmp_path: Path, python: Python, threads: int) -> None:
    log = tmp_path / "log.pmt"
    argv = [python.path, str(TARGETS / "storm.py"), str(threads)]
    check(Log(log), storm(argv, log, 3000, python), "valloc")


@pytest.mark.slow
def test_killed_at_any_time(tmp_path: Path) -> None:
    """Forty kills at forty places."""
    argv = [str(compile_target("storm.c")), "2"]
    for number in range(40):
        log = tmp_path / f"{number}.pmt"
        check(Log(log), storm(argv, log, 1 + number * 571), "malloc")
