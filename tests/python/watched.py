# SPDX-License-Identifier: MIT
"""What the tests of the process tools share: programs to watch, and readings of /proc of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

TOP = Path(__file__).resolve().parents[2]
DATA = Path(__file__).resolve().parent / "data"
MB = 1024 * 1024
LIMIT = 300  # seconds after which something hangs

#: Holds argv[1] MB and says so; ends when stdin does.
HOLD = (
    "import sys; b = b'x' * (int(sys.argv[1]) << 20); print('ready', flush=True); sys.stdin.read()"
)
#: Does what each line says, and tells when that is done; ends when stdin does.
PUPPET = f"""
import os, subprocess, sys
def child(*words):
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def holding(megabytes):
    process = child(sys.executable, "-c", {HOLD!r}, str(megabytes))
    process.stdout.readline()
    return process
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


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
    settle(process.pid)
    return process


class Puppet:
    """A program that does what it is told; its commands see each other's variables."""

    def __init__(self, words: Sequence[str] = (sys.executable, "-c", PUPPET)) -> None:
        self.process = start(list(words))
        self.pid = self.process.pid

    def do(self, command: str) -> str:
        """Have a line of Python done; what it prints."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        printed = ""
        for line in self.process.stdout:
            if line == "done\n":
                return printed
            printed += line
        raise AssertionError(f"{command}: the program has ended")

    def end(self) -> None:
        """End it: there is no such process any more then."""
        let_end(self.process)


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


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that other processes or threads do."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"not so: {what}"
        time.sleep(0.01)


def settle(pid: int) -> None:
    """Wait until a program waits: all its threads sleep, and nothing that is counted moves."""
    end = time.monotonic() + LIMIT
    before: List[str] = []
    while True:
        tasks = sorted(Path(f"/proc/{pid}/task").iterdir())
        texts = [(task / name).read_text() for task in tasks for name in ("stat", "status")]
        asleep = all(text.rsplit(")", 1)[1].split()[0] == "S" for text in texts[::2])
        if asleep and texts == before:
            return
        assert time.monotonic() < end, f"{pid} never rests"
        before = texts
        time.sleep(0.05)


def until(path: Path, text: str, times: int = 1) -> str:
    """Wait until a file holds `text` so many times; its content."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        content = path.read_text() if path.exists() else ""
        if content.count(text) >= times:
            return content
        time.sleep(0.01)
    raise AssertionError(f"{path} never held {text!r} {times} times: {content}")
