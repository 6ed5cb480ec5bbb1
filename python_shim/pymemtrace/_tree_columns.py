# SPDX-License-Identifier: MIT
"""The columns of process_tree: what each measures, its form, and the option that asks for it."""

from __future__ import annotations

import argparse
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from pymemtrace import _proc
from pymemtrace._tree_model import ColumnWidthFormat, WriteSummaryColumn, WriteSummaryConfig

psutil: Any = _proc.load_psutil("pymemtrace.process_tree")


def get_exec_time(proc: Any) -> float:
    """Seconds since the process started."""
    stat = _proc.read_stat(proc.pid)
    if stat is None:
        raise psutil.NoSuchProcess(proc.pid)
    return stat.age


def get_cpu_percent(proc: Any) -> float:
    """CPU time, user and system, since the last call, in percent of the time passed."""
    return float(proc.cpu_percent())


def get_cpu_time_user(proc: Any) -> float:
    """CPU time in user mode (s)."""
    return float(proc.cpu_times().user)


def get_cpu_time_system(proc: Any) -> float:
    """CPU time in the kernel (s)."""
    return float(proc.cpu_times().system)


def get_memory_rss(proc: Any) -> int:
    """Resident set (bytes)."""
    return int(proc.memory_info().rss)


def get_memory_uss(proc: Any) -> int:
    """Memory that no other process shares (bytes), -1 if the system refuses to tell."""
    try:
        return int(proc.memory_full_info().uss)
    except psutil.AccessDenied:
        return -1


def get_memory_page_faults(proc: Any) -> int:
    """Page faults, minor and major, since the start; 0 where the system does not tell."""
    stat = _proc.read_stat(proc.pid)
    return stat.faults if stat else 0


def get_num_context_switches(proc: Any) -> int:
    """Context switches of the threads that live, voluntary and not."""
    count = _proc.context_switches(proc.pid)
    return sum(proc.num_ctx_switches()) if count is None else count


def get_num_threads(proc: Any) -> int:
    """Number of threads."""
    return int(proc.num_threads())


def get_status(proc: Any) -> str:
    """What the process does: running, sleeping, ..."""
    return str(proc.status())


def get_num_open_files(proc: Any) -> int:
    """Number of plain files that are open."""
    return len(proc.open_files())


def get_num_net_connections(proc: Any) -> int:
    """Number of internet sockets that are open."""
    return len((getattr(proc, "net_connections", None) or proc.connections)())


def get_cmdline(proc: Any) -> str:
    """The command line, words separated by blanks."""
    return " ".join(proc.cmdline())


class Look(NamedTuple):
    """What was read of a process at a tick, and at the tick before."""

    stat: _proc.Stat
    before: _proc.Stat
    memory: _proc.Memory


def _cpu_percent(look: Look) -> float:
    """CPU time of a process between two ticks, in percent of the time between them."""
    seconds = look.stat.read_at - look.before.read_at
    used = (look.stat.user + look.stat.system) - (look.before.user + look.before.system)
    return round(max(0.0, 100 * used / seconds), 1) if seconds > 0 else 0.0


#: Columns that are taken from what has been read of the process anyway, in place of their getters:
#: one moment for all of them, and nothing more to read.
FROM_LOOK: Dict[Any, Callable[[Look], Any]] = {
    get_memory_rss: lambda look: look.memory.rss,
    get_memory_page_faults: lambda look: look.stat.faults,
    get_cpu_percent: _cpu_percent,
    get_cpu_time_user: lambda look: look.stat.user,
    get_cpu_time_system: lambda look: look.stat.system,
    get_num_threads: lambda look: look.stat.threads,
    get_status: lambda look: look.stat.status,
}


class Group(NamedTuple):
    """An option and the columns it adds; ``in_all`` if -a means it too."""

    short: str
    option: str
    in_all: bool
    text: str
    columns: Sequence[WriteSummaryColumn]


def _column(
    name: str, getter: Any, form: str, diff: Optional[str] = None, units: str = ""
) -> WriteSummaryColumn:
    """A column; the width is the number that `form` and `diff` start with, after their signs."""
    factor = {"MB": 1 / 1024**2, "m": 1e-6}.get(units, 1)
    cells = [ColumnWidthFormat(_width(f), f) if f is not None else None for f in (form, diff)]
    assert cells[0] is not None
    return WriteSummaryColumn(name, getter, factor, units, cells[0], cells[1])


def _width(form: str) -> int:
    digits = form.lstrip("<>+").split(",")[0].split(".")[0].rstrip("sdf")
    return int(digits or "0")


#: Every column of the command line, in the order of the table.
GROUPS = (
    Group("", "", True, "", [_column("RSS", get_memory_rss, "8,.1f", "+8,.1f", "MB")]),
    Group("-u", "--uss", False, "memory that no other process shares (slow)",
           [_column("USS", get_memory_uss, "8,.1f", "+8,.1f", "MB")]),
    Group("-g", "--page-faults", True, "page faults, minor and major",
           [_column("PFaults", get_memory_page_faults, "12,d", "+12,d")]),
    Group("", "", True, "", [_column("CPU", get_cpu_percent, "8.1f", "+8.1f", "%")]),
    Group("-c", "--cpu-times", True, "CPU time in user mode and in the kernel",
           [_column("User", get_cpu_time_user, "8,.3f", None, "s"),
            _column("Sys", get_cpu_time_system, "8,.3f", None, "s")]),
    Group("-x", "--context-switches", False, "context switches, in millions",
           [_column("Ctx", get_num_context_switches, "8,.3f", "+8,.3f", "m")]),
    Group("-t", "--threads", True, "threads",
           [_column("Thrds", get_num_threads, "6,d", "+6,d")]),
    Group("-s", "--status", True, "what the process does",
           [_column("Status", get_status, ">10s", ">10s")]),
    Group("-f", "--open-files", True, "open files",
           [_column("Files", get_num_open_files, "6,d", "+6,d")]),
    Group("-n", "--net-connections", True, "open internet sockets",
           [_column("Net", get_num_net_connections, "6,d", "+6,d")]),
    Group("", "--cmdline", False, "the command line",
           [_column("CmdLine", get_cmdline, "s")]),
)  # fmt: skip


def chosen(args: argparse.Namespace) -> WriteSummaryConfig:
    """The columns that the options ask for."""
    columns: List[WriteSummaryColumn] = []
    for group in GROUPS:
        wanted = getattr(args, group.option[2:].replace("-", "_")) if group.option else True
        if wanted or (args.all and group.in_all):
            columns += group.columns
    return WriteSummaryConfig(columns, args.json)
