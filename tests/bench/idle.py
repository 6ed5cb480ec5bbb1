# SPDX-License-Identifier: MIT
"""What a tool that only watches takes: processor time for each second that it watches."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Callable, Iterator, List

from measure import Failed, clean_environment, empty_folder, last_line

# A process with two children, none of which does anything.
SLEEPERS = ["sh", "-c", "sleep 3600 & sleep 3600 & wait"]


@contextlib.contextmanager
def sleepers() -> Iterator[int]:
    """The process id of a small tree that sleeps; all of it is ended with the context."""
    process = subprocess.Popen(SLEEPERS, start_new_session=True, stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def processor_s(command: List[str], seconds: float, folder: Path) -> float:
    """Processor time of COMMAND and its children, interrupted after so many SECONDS. Raises Failed."""
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            command,
            env=clean_environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            # It is ended by it; what is started in the background of a script has it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,  # noqa: PLW1509
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            raise Failed(f"ended by itself: {last_line(folder / 'stderr')}")
        os.kill(process.pid, signal.SIGINT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status  # it is waited for
    return used.ru_utime + used.ru_stime


def share(command: Callable[[int], List[str]], seconds: float, folder: Path) -> float:
    """Part of one core that COMMAND(process id) takes once it runs: a long run less a short one."""
    empty_folder(folder)
    short = max(1.0, seconds / 10)
    with sleepers() as pid:
        start = processor_s(command(pid), short, folder)
        whole = processor_s(command(pid), short + seconds, folder)
    return (whole - start) / seconds
