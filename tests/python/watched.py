# SPDX-License-Identifier: MIT
"""What the tests of the process tools share: programs to watch, and readings of /proc of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

TOP = Path(__file__).resolve().parents[2]
DATA = Path(__file__).resolve().parent / "data"
MB = 1024 * 1024
LIMIT = 60  # seconds after which something hangs

#: Holds argv[1] MB and says so; ends when stdin does.
HOLD = (
    "import sys; b = b'x' * (int(sys.argv[1]) << 20); print('ready', flush=True); sys.stdin.read()"
)


def environment(**more: str) -> Dict[str, str]:
    """An environment in which the package is found."""
    paths = [str(TOP / "python_shim"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}


def tool(name: str, *arguments: str) -> List[str]:
    """The command line of a tool of the package."""
    return [sys.executable, "-m", f"pymemtrace.{name}", *arguments]


def start(words: List[str], **more: Any) -> subprocess.Popen[str]:
    """Start a program, with pipes for what it reads and writes."""
    pipe = subprocess.PIPE
    settings: Dict[str, Any] = {"stdin": pipe, "stdout": pipe, "stderr": pipe, **more}
    return subprocess.Popen(words, text=True, env=environment(), **settings)


def run(words: List[str], **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        words, capture_output=True, text=True, timeout=LIMIT, env=environment(), check=False, **more
    )


def holding(megabytes: int) -> subprocess.Popen[str]:
    """A program that holds so much memory, and waits."""
    process = start([sys.executable, "-c", HOLD, str(megabytes)])
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def let_end(process: subprocess.Popen[str]) -> None:
    """End a program that waits for the end of its input, or a tool."""
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=LIMIT)


def stat_fields(pid: int) -> List[str]:
    """/proc/PID/stat from field 3 of proc(5) on."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def page_faults(pid: int) -> int:
    """minflt + majflt, fields 10 and 12 of proc(5)."""
    fields = stat_fields(pid)
    return int(fields[7]) + int(fields[9])


def rss(pid: int) -> int:
    """VmRSS in bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) * 1024


def until(path: Path, text: str, times: int = 1) -> str:
    """Wait until a file holds `text` so many times; its content."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        content = path.read_text() if path.exists() else ""
        if content.count(text) >= times:
            return content
        time.sleep(0.01)
    raise AssertionError(f"{path} never held {text!r} {times} times: {content}")
