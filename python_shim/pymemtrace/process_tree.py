# SPDX-License-Identifier: MIT
"""Watch a process and all processes below it: a table and a JSON file, a line a process a tick.

From a shell: ``python -m pymemtrace.process_tree [options] [-p PID | -- COMMAND ...]``.

Between ticks new processes are looked for, so that one that lives shorter than the interval is
reported too. On Linux that costs next to nothing while no process starts.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any, Dict, List, Optional, Sequence, TextIO, Union

from pymemtrace import _proc, _run, _terminal, _tree_columns
from pymemtrace._tree_model import (
    ACCESS_DENIED,
    ColumnWidthFormat,
    Ended,
    Sample,
    Unseen,
    WriteSummaryColumn,
    WriteSummaryConfig,
)
from pymemtrace._tree_output import INDENT, TableWriter

__all__ = [
    "ColumnWidthFormat",
    "ProcessTree",
    "WriteSummaryColumn",
    "WriteSummaryConfig",
    "log_process",
    "main",
]

psutil: Any = _proc.load_psutil("pymemtrace.process_tree")

logger = logging.getLogger(__file__)


class _Census:
    """What the nodes of one tree share: who is known, who has died, who was the largest."""

    def __init__(self) -> None:
        self.children = _proc.Children()
        self.known: Dict[int, ProcessTree] = {}
        self.seen = 0
        self.short_lived = 0
        self.missed_children = 0
        self.ended: List[Ended] = []
        self.unseen: List[Unseen] = []
        self.orphans: List[ProcessTree] = []
        self.largest_rss = 0
        self.largest: Dict[str, Any] = {}

    def peak(self, pid: int, name: str, rss: int) -> None:
        """Note the largest resident set of a process (bytes)."""
        if rss > self.largest_rss:
            self.largest_rss = rss
            self.largest = {"pid": pid, "name": name, "RSS": rss}

    def died(self, process: Ended) -> None:
        """Note a process that lived and died between two ticks."""
        self.short_lived += 1
        self.ended.append(process)

    def missed(self, parent: int, seconds: float, faults: int) -> None:
        """Note one or more children that nobody has seen."""
        self.missed_children += 1
        group = next((group for group in self.unseen if group.parent == parent), None)
        if group is None:
            group = Unseen(parent, 0, 0.0, 0)
            self.unseen.append(group)
        group.at_least += 1
        group.cpu_time = round(group.cpu_time + seconds, 3)
        group.page_faults += faults


class ProcessTree:
    """A process and, in `children`, the trees of its children."""

    DEPTH_INDENT_PREFIX = INDENT

    def __init__(self, proc: Union[int, Any], _census: Optional[_Census] = None) -> None:
        """Make the tree of a process id or a psutil.Process, as yet without children.

        Raises:
            psutil.NoSuchProcess: there is no such process.
        """
        self.proc = psutil.Process(proc) if isinstance(proc, int) else proc
        self.children: List[ProcessTree] = []
        self.previous_values: Dict[str, Any] = {}
        stat = _proc.read_stat(self.proc.pid)
        if stat is None:
            raise psutil.NoSuchProcess(self.proc.pid)
        self.census = _census or _Census()
        self.census.seen += 1
        self.census.known[self.proc.pid] = self
        self.young = True
        self._stat = self._accounted = stat
        self._age = 0.0
        self._peak = 0
        self._deaths = self._deaths_before = 0
        self._is_root = _census is None
        self._sampled = stat
        self._fresh = False
        self._measure()

    def update_children(self) -> None:
        """Bring the tree up to date at a tick: new processes come in, ended ones go out.

        A process whose parent has ended stays, under the root. What lived and died since the last
        tick is then in ``census.ended``, what must have and was not seen in ``census.unseen``.
        """
        self._scan(tick=True)

    def find_new(self) -> None:
        """Between ticks: take in the processes that have started."""
        self._scan(tick=False)

    def look_at_young(self) -> None:
        """Between ticks: measure the processes that have not had a tick yet."""
        for node in list(self.census.known.values()):
            if node.young and not node._is_root:
                node._look()

    def has_young(self) -> bool:
        """Whether there are processes that have not had a tick yet."""
        return any(n.young and not n._is_root for n in self.census.known.values())

    def runs(self) -> bool:
        """Whether the process of this node has not ended."""
        return self._look() and not self._stat.ended

    def _scan(self, tick: bool) -> None:
        self.census.children.refresh()
        self._look()
        self._refresh(tick)
        for orphan in self.census.orphans:
            if orphan._look():
                self.children.append(orphan)
        self.census.orphans = []
        self.children.sort(key=lambda node: node.proc.pid)

    def _refresh(self, tick: bool) -> None:
        """Bring the children up to date. This node was looked at just before: see `_account`."""
        kept = []
        for child in self.children:
            if child._look():
                kept.append(child)
            else:
                self._bury(child)
        for pid in self.census.children.of(self.proc.pid):
            if pid not in self.census.known:
                kept += self._adopt(pid)
        self.children = sorted(kept, key=lambda node: node.proc.pid)
        self._account()
        if tick:
            if self.young and not self._is_root and self._stat.ended:
                self.census.died(self._as_ended())
            self.young = False
        for child in self.children:
            child._refresh(tick)

    def _look(self) -> bool:
        """Read the state of the process; False if it is gone, or another has its number."""
        stat = _proc.read_stat(self.proc.pid)
        self._fresh = stat is not None and stat.started == self._stat.started
        if stat is None or not self._fresh:
            return False
        if self._stat.ended and stat.ended:
            return True
        self._stat = stat
        if not stat.ended:
            self._measure()
        return True

    def _measure(self) -> None:
        """Keep how long the process has been seen, and for a young one its largest size."""
        self._age = self._stat.age
        if self.young:
            self._note_peak()

    def _note_peak(self) -> _proc.Memory:
        memory = _proc.read_memory(self.proc.pid)
        self._peak = max(self._peak, memory.peak)
        self.census.peak(self.proc.pid, self._stat.name, self._peak)
        return memory

    def _adopt(self, pid: int) -> List[ProcessTree]:
        """A new child; if it has died meanwhile, it is noted as such."""
        parent = self.proc.pid
        try:
            child = ProcessTree(pid, self.census)
        except psutil.NoSuchProcess:
            self.census.seen += 1
            self._deaths += 1
            self.census.died(Ended(pid, parent, "?", 0, 0.0))
            return []
        if child._stat.parent != parent:
            del self.census.known[pid]
            self.census.seen -= 1
            return []
        return [child]

    def _bury(self, child: ProcessTree) -> None:
        self._deaths += 1
        self.census.known.pop(child.proc.pid, None)
        self.census.orphans += child.children
        if child.young:
            self.census.died(child._as_ended(self.proc.pid))

    def _as_ended(self, parent: int = 0) -> Ended:
        parent = parent or self._stat.parent
        return Ended(self.proc.pid, parent, self._stat.name, self._peak, round(self._age, 3))

    def _account(self) -> None:
        """Find out whether children were missed.

        When a process collects a child that has ended, the kernel adds the child's page faults,
        of which each process has some, to its account. If the account grows though no child that
        we know has gone since the last look, there was one that we do not know. A child may go
        between the looks at the account and at the children: so those gone before count too.
        """
        faults = self._stat.reaped_faults - self._accounted.reaped_faults
        if faults > 0 and not self._deaths and not self._deaths_before:
            seconds = self._stat.reaped_cpu - self._accounted.reaped_cpu
            self.census.missed(self.proc.pid, seconds, faults)
        self._accounted = self._stat
        self._deaths_before, self._deaths = self._deaths, 0

    def sample(self, config: WriteSummaryConfig) -> Optional[Sample]:
        """Measure this process and those below it; None if it has ended and left no entry.

        What /proc/PID/stat tells is of an `update_children` just before, if there was one.
        """
        found = self._sample_self(config)
        for child in self.children:
            below = child.sample(config)
            if found and below:
                found.children.append(below)
        return found

    def _sample_self(self, config: WriteSummaryConfig) -> Optional[Sample]:
        if not self._fresh and not self._look():
            return None
        self._fresh = False
        look = _tree_columns.Look(self._stat, self._sampled, self._note_peak())
        values: Dict[str, Any] = {}
        name = self._stat.name
        try:
            with self.proc.oneshot():
                if len(name) >= _proc.CUT_NAME:
                    name = self.proc.name()
                for column in config.columns:
                    values[column.name] = self._value(column, look)
        except psutil.NoSuchProcess:
            return None
        self._sampled = self._stat
        deltas = {c.name: self._delta(c, values[c.name]) for c in config.columns}
        return Sample(self.proc.pid, name, round(self._stat.age, 6), values, deltas)

    def _value(self, column: WriteSummaryColumn, look: _tree_columns.Look) -> Any:
        read = _tree_columns.FROM_LOOK.get(column.getter) if _proc.LINUX else None
        if read:
            return read(look)
        try:
            value = column.getter(self.proc)
            refused = column.getter is _tree_columns.get_memory_uss and value == -1
            return ACCESS_DENIED if refused else value
        except psutil.AccessDenied:
            return ACCESS_DENIED
        except psutil.ZombieProcess:
            return None

    def _delta(self, column: WriteSummaryColumn, value: Any) -> Any:
        """How a value has changed since the last sample; no change in the first one."""
        if column.width_and_format_diff is None or value is None or value == ACCESS_DENIED:
            return None
        before = self.previous_values.get(column.name, value)
        self.previous_values[column.name] = value
        if isinstance(value, str):
            return "" if value == before else value
        return value - before

    @staticmethod
    def write_header(
        write_summary_config: WriteSummaryConfig, sep: str, ostream: TextIO = sys.stdout
    ) -> None:
        """Write the headings of the table."""
        TableWriter(write_summary_config, sep, ostream).header()

    def load_previous(self, write_summary_config: WriteSummaryConfig) -> None:
        """Measure without writing: the next sample shows its changes since this one."""
        self.sample(write_summary_config)

    def write_summary(
        self,
        depth: int,
        record_number: int,
        write_summary_config: WriteSummaryConfig,
        sep: str,
        ostream: TextIO = sys.stdout,
    ) -> None:
        """Measure, and write the lines of the table.

        `depth` is that of this process; `record_number` counts the ticks and changes nothing here.
        """
        found = self.sample(write_summary_config)
        if found:
            TableWriter(write_summary_config, sep, ostream).sample(found, depth)

    # What the columns show: each takes a psutil.Process.
    get_exec_time = staticmethod(_tree_columns.get_exec_time)
    get_cpu_percent = staticmethod(_tree_columns.get_cpu_percent)
    get_cpu_time_user = staticmethod(_tree_columns.get_cpu_time_user)
    get_cpu_time_system = staticmethod(_tree_columns.get_cpu_time_system)
    get_memory_rss = staticmethod(_tree_columns.get_memory_rss)
    get_memory_uss = staticmethod(_tree_columns.get_memory_uss)
    get_memory_page_faults = staticmethod(_tree_columns.get_memory_page_faults)
    get_num_context_switches = staticmethod(_tree_columns.get_num_context_switches)
    get_num_threads = staticmethod(_tree_columns.get_num_threads)
    get_status = staticmethod(_tree_columns.get_status)
    get_num_open_files = staticmethod(_tree_columns.get_num_open_files)
    get_num_net_connections = staticmethod(_tree_columns.get_num_net_connections)
    get_cmdline = staticmethod(_tree_columns.get_cmdline)


def log_process(
    pid: int,
    interval: float,
    omit_first: bool,
    write_summary_config: WriteSummaryConfig,
    sep: str,
    ostream: TextIO = sys.stdout,
    **more: Any,
) -> int:
    """Write samples of a tree of processes until its root ends or Ctrl-C is pressed.

    Args:
        pid: the root.
        interval: seconds between two samples.
        omit_first: do not write the first sample.
        write_summary_config: the columns, and the JSON file if there is to be one.
        sep: what stands between fields; "" for a table.
        ostream: where the table goes.
        more: fields of `pymemtrace._tree_watch.Options`.

    Returns:
        0, or the number of the signal that ended it.

    Raises:
        psutil.NoSuchProcess: there is no such process.
        OSError: the JSON file cannot be written.
        ValueError: the separator cannot be told from a number.
    """
    from pymemtrace._tree_watch import Options, Watch

    options = Options(interval=interval, omit_first=omit_first, **more)
    table = TableWriter(write_summary_config, _terminal.check_separator(sep), ostream)
    return Watch(ProcessTree(pid), write_summary_config, table, options).run()


def _seconds(text: str) -> float:
    """Argument type: a number of 0 or more."""
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"must not be below 0, is {text}")
    return value


def _separator(text: str) -> str:
    try:
        return _terminal.check_separator(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parser() -> argparse.ArgumentParser:
    from pymemtrace.process import add_common_arguments

    parser = argparse.ArgumentParser(
        prog="process_tree",
        usage="%(prog)s [options] [-p PID | -- COMMAND ...]\n"
        "       %(prog)s --plot JSON DIRECTORY",
        description="Watch a process, or a COMMAND, and all processes below it.",
    )
    add_common_arguments(parser)
    add = parser.add_argument
    add("--sep", type=_separator, default="", help="text between fields, such as '|' [a table]")
    add("-1", "--omit-first", action="store_true", help="do not write the first sample")
    for group in _tree_columns.GROUPS:
        if group.option:
            names = [name for name in (group.short, group.option) if name]
            add(*names, action="store_true", help=group.text)
    add("-a", "--all", action="store_true", help="the same as -cfgstn")
    add("--total", action="store_true", help="a line with the sums over the tree at each tick")
    add("--json", metavar="PATH", default="", help="write the samples to PATH as well")
    add("--poll", type=_seconds, default=0.03, metavar="S",
        help="between ticks look for new processes every S seconds, 0: do not [0.03]")  # fmt: skip
    add("--plot", nargs=2, metavar=("JSON", "DIRECTORY"), help="plot a file that --json wrote")
    return parser


def _follow(args: argparse.Namespace, words: Optional[List[str]], out: TextIO) -> int:
    """Watch a process or a command until it ends; returns the exit status."""
    config = _tree_columns.chosen(args)
    with _run.Waiter() as waiter:
        command, failed = _run.start(words, "process_tree") if words else (None, 0)
        if failed:
            return failed
        pid = command.pid if command else os.getpid() if args.pid < 1 else args.pid
        try:
            number = log_process(
                pid, args.interval, args.omit_first, config, args.sep, out,
                total=args.total, poll_interval=args.poll, command=command, waiter=waiter,
            )  # fmt: skip
        finally:
            status = command.wait(waiter) if command else 0
    TableWriter(config, args.sep, out).note("Bye, bye!")
    return status if command else 128 + number if number not in (0, 2) else 0


def main(argv: Optional[Sequence[str]] = None) -> int:
    """The command line. Returns the exit status; that of the command if one was started."""
    own, words = _run.split_command(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    args = parser.parse_args(own)
    if words is not None and (not words or args.plot or args.pid != -1):
        parser.error("-- needs a COMMAND behind it, and no PID or --plot beside it")
    logging.basicConfig(level=args.log_level)
    try:
        if args.plot:
            from pymemtrace._tree_plot import plot

            return plot(*args.plot)
        if args.output:
            with open(args.output, "w", encoding="utf-8", errors="replace") as out:
                return _follow(args, words, out)
        return _follow(args, words, sys.stderr if words else sys.stdout)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError, psutil.Error) as error:
        print(f"process_tree: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
