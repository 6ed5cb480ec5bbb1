# SPDX-License-Identifier: MIT
"""What the process tools read of a process: from /proc on Linux, through psutil elsewhere.

A process is known by its number and its start time together, because numbers are used again.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

LINUX = sys.platform.startswith("linux")
#: Letters of /proc/PID/stat for a process that has ended and waits to be collected.
ENDED_STATES = ("Z", "X", "x")
#: Names of this length in /proc/PID/stat may have been longer.
CUT_NAME = 15
_TICKS = os.sysconf("SC_CLK_TCK")
_READ = os.O_RDONLY | os.O_CLOEXEC
#: What the letters of /proc/PID/stat mean, in the words of psutil.
_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "disk-sleep",
    "T": "stopped",
    "t": "tracing-stop",
    "Z": "zombie",
    "X": "dead",
    "x": "dead",
    "K": "wake-kill",
    "W": "waking",
    "I": "idle",
    "P": "parked",
}


def load_psutil(user: str) -> Any:
    """The module psutil.

    Args:
        user: name of the module that needs it, for the message.

    Raises:
        ImportError: psutil is not installed; the message says what to install.
    """
    try:
        return importlib.import_module("psutil")
    except ImportError as error:
        raise ImportError(f"{user} needs the package psutil: pip install psutil") from error


class Stat(NamedTuple):
    """A process at one moment.

    ``user`` and ``system`` are its CPU time in seconds, ``read_at`` says when this was, in the
    seconds of the clock of `now`. ``faults`` and ``major_faults`` count page faults: all, and
    those that read from a disk.
    ``reaped_faults`` and ``reaped_cpu`` (seconds) belong to children that have ended and were
    collected; they are 0 where the system does not tell. ``started`` is compared only; its unit is
    the system's own.
    """

    name: str
    state: str
    parent: int
    faults: int
    major_faults: int
    reaped_faults: int
    reaped_cpu: float
    started: float
    user: float
    system: float
    threads: int
    read_at: float

    @property
    def ended(self) -> bool:
        """Whether the process has ended, although its entry is still there."""
        return self.state in ENDED_STATES

    @property
    def age(self) -> float:
        """Seconds since the process started, now."""
        return max(0.0, now() - (self.started / _TICKS if LINUX else self.started))

    @property
    def status(self) -> str:
        """What the process does, in a word; "" if that is not known here."""
        return _STATES.get(self.state, self.state)


def now() -> float:
    """Seconds on the clock that start times are of.

    On Linux that is not the time of day: when the machine was started is known in whole seconds
    only, so that a time of day of the start of a process can be wrong by one.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if LINUX else time.time()


def read_text(path: str) -> Optional[str]:
    """The content of a file of /proc; None if the process is gone or it may not be read."""
    data = b""
    try:
        file = os.open(path, _READ)
    except OSError:
        return None
    try:
        while True:
            more = os.read(file, 16384)
            data += more
            # The kernel hands out such files by the page, up to the last whole entry in it.
            if not more or len(more) < 4000:
                return data.decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(file)


def parse_stat(text: str) -> Stat:
    """Take apart the content of /proc/PID/stat, as proc(5) lists its fields.

    The name stands in parentheses and may hold spaces, parentheses and line ends itself: only the
    last closing one ends it.
    """
    name, _, rest = text.partition("(")[2].rpartition(")")
    field = rest.split()  # field[0] is field 3 of proc(5)
    return Stat(
        name=name,
        state=field[0],
        parent=int(field[1]),
        faults=int(field[7]) + int(field[9]),
        major_faults=int(field[9]),
        reaped_faults=int(field[8]) + int(field[10]),
        reaped_cpu=(int(field[13]) + int(field[14])) / _TICKS,
        started=int(field[19]),
        user=int(field[11]) / _TICKS,
        system=int(field[12]) / _TICKS,
        threads=int(field[17]),
        read_at=now(),
    )


def read_stat(pid: int) -> Optional[Stat]:
    """The process `pid` now; None if there is none."""
    if LINUX:
        text = read_text(f"/proc/{pid}/stat")
        return parse_stat(text) if text else None
    return _stat_of_psutil(pid)


def _stat_of_psutil(pid: int) -> Optional[Stat]:
    psutil = load_psutil("pymemtrace.process")
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            ended = process.status() == psutil.STATUS_ZOMBIE
            memory = None if ended else process.memory_info()
            cpu = None if ended else process.cpu_times()
            return Stat(
                name=process.name(),
                state="Z" if ended else "",
                parent=process.ppid() or 0,
                faults=getattr(memory, "pfaults", 0),
                major_faults=getattr(memory, "pageins", 0),
                reaped_faults=0,
                reaped_cpu=0.0,
                started=process.create_time(),
                user=cpu.user if cpu else 0.0,
                system=cpu.system if cpu else 0.0,
                threads=0 if ended else process.num_threads(),
                read_at=now(),
            )
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        started = process.create_time()
        return Stat("", "", process.ppid() or 0, 0, 0, 0, 0.0, started, 0.0, 0.0, 0, now())


class Memory(NamedTuple):
    """The resident set of a process in bytes: now, and the largest so far."""

    rss: int
    peak: int


def read_memory(pid: int) -> Memory:
    """The resident set of `pid`; zeros if it has ended.

    The largest is the kernel's own figure where there is one; it starts anew when the process
    starts another program. The sizes come from /proc/PID/status: those of /proc/PID/stat leave out
    what the CPUs have counted each for itself and not added yet.
    """
    if LINUX:
        text = read_text(f"/proc/{pid}/status") or ""
        rss = _status_bytes(text, "VmRSS:")
        return Memory(rss, max(rss, _status_bytes(text, "VmHWM:")))
    psutil = load_psutil("pymemtrace.process_tree")
    try:
        rss = int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        rss = 0
    return Memory(rss, rss)


def _status_bytes(text: str, key: str) -> int:
    at = text.find("\n" + key)
    return int(text[at:].split(None, 2)[1]) * 1024 if at >= 0 else 0


def context_switches(pid: int) -> Optional[int]:
    """Context switches of all living threads of `pid`; None if they cannot be read here."""
    if not LINUX:
        return None
    total = 0
    for tid in _threads(pid):
        for line in (read_text(f"/proc/{pid}/task/{tid}/status") or "").splitlines():
            if "ctxt_switches:" in line:
                total += int(line.split()[1])
    return total


def _threads(pid: int) -> List[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


class Children:
    """Tells which children a process has.

    Where the kernel lists them (``/proc/PID/task/TID/children``) only the process itself is read.
    Elsewhere `refresh` looks at every process of the machine.
    """

    def __init__(self) -> None:
        own = os.getpid()
        self.direct = LINUX and os.path.exists(f"/proc/{own}/task/{own}/children")
        self._of: Dict[int, List[int]] = {}

    def refresh(self) -> None:
        """Bring the table up to date, where there has to be one."""
        if not self.direct:
            self._of = {}
            for pid, parent in _parents():
                self._of.setdefault(parent, []).append(pid)

    def of(self, pid: int) -> List[int]:
        """Numbers of the children of `pid`, also of those that ended and were not collected."""
        if not self.direct:
            return sorted(self._of.get(pid, []))
        found: List[int] = []
        for tid in _threads(pid):
            text = read_text(f"/proc/{pid}/task/{tid}/children")
            found += [int(word) for word in (text or "").split()]
        return sorted(found)


def _parents() -> Iterator[Any]:
    """Every process of the machine, with its parent."""
    if LINUX:
        for name in os.listdir("/proc"):
            stat = read_stat(int(name)) if name.isdigit() else None
            if stat:
                yield int(name), stat.parent
    else:
        for process in load_psutil("pymemtrace.process_tree").process_iter(["ppid"]):
            yield process.pid, process.info["ppid"] or 0


class NewProcesses:
    """Tells cheaply whether a process may have started since the last question.

    The last word of /proc/loadavg is the number that was given out last, to a process or thread of
    any program. Where it cannot be read the answer is always yes.
    """

    def __init__(self) -> None:
        self._last = b""
        self._file = -1
        if LINUX:
            try:
                self._file = os.open("/proc/loadavg", _READ)
            except OSError:
                self._file = -1

    def close(self) -> None:
        """Close the file; later answers are yes."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def any(self) -> bool:
        """Whether there may be a new process since the last call."""
        if self._file < 0:
            return True
        try:
            last = os.pread(self._file, 128, 0).split()[-1]
        except (OSError, IndexError):
            self.close()
            return True
        changed = last != self._last
        self._last = last
        return changed
