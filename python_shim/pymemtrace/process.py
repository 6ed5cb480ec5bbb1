# SPDX-License-Identifier: MIT
"""Log the memory and CPU time of a process at intervals, and show or plot such a log.

In a program::

    with process.log_process(interval=0.5) as monitor:
        ...
        monitor.add_message_to_queue("index built")

From a shell: ``python -m pymemtrace.process [-p PID | LOG [DIRECTORY] | -- COMMAND ...]``.

A log is made of lines of the module `logging`. Each holds one JSON object with the keys
``timestamp`` (local time), ``memory_info`` (bytes; ``pfaults`` and ``pageins`` count page faults,
all and those that read from a disk), ``cpu_times`` and ``elapsed_time`` (seconds, since the start
of the process), ``pid``, and where there is one ``label``.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import json
import logging
import math
import os
import queue
import re
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, TextIO, Tuple, TypeVar

from pymemtrace import _proc, _run
from pymemtrace._terminal import escape
from pymemtrace.util import gnuplot

psutil: Any = _proc.load_psutil("pymemtrace.process")

logger = logging.getLogger(__file__)

LOGGER_PREFIX = "ProcessLoggingThread-JSON"
LOGGER_PREFIX_START = LOGGER_PREFIX + "-START"
LOGGER_PREFIX_STOP = LOGGER_PREFIX + "-STOP"
#: A line of a log: which of the three it is, and its JSON.
RE_LOG_LINE = re.compile(r"^.+?" + LOGGER_PREFIX + r"(-START|-STOP)?\s*(.+)$")
DATETIME_NOW_FORMAT = "%Y-%m-%d %H:%M:%S.%f"
KEY_TIMESTAMP = "timestamp"
KEY_ELAPSED_TIME = "elapsed_time"
KEY_LABEL = "label"
KEY_PROCESS_ID = "pid"
#: True in a STOP line when the process had ended before; the line then has no figures.
KEY_ENDED = "ended"
#: Names that psutil.Process.as_dict() knows.
PSUTIL_PROCESS_AS_DICT_KEYS = (
    "cmdline connections cpu_percent cpu_times create_time cwd environ exe gids memory_full_info "
    "memory_info memory_percent name nice num_ctx_switches num_fds num_threads open_files pid ppid "
    "status terminal threads uids username"
).split()
#: To be formatted with name (of the .dat file, without a quote), extension and labels.
GNUPLOT_PLT = """set title "Memory and CPU" font ",14"
set grid
set xlabel "Time since the start of the process (s)"
set ylabel "Resident set (MB)"
set y2label "CPU (%), page faults (10,000/s)"
set yrange [0:*]
set y2range [0:*]
set ytics nomirror
set y2tics
set key top left
set datafile separator whitespace
set datafile missing "NaN"
set terminal {extension} size 1000,700
set output './{name}.{extension}'

{labels}

plot './{name}.dat' using 1:($2 / 1024**2) axes x1y1 with lines lw 2 title "RSS (MB), left", \\
    '' using 1:($3 / 10000) axes x1y2 with lines lt 3 title "page faults (10,000/s)", \\
    '' using 1:5 axes x1y2 with lines lt 2 title "mean CPU (%)", \\
    '' using 1:6 axes x1y2 with lines lt 7 title "CPU since the last sample (%)"
"""

#: The first sample after the START line comes after so many seconds, if the interval is longer.
FIRST_SAMPLE_SECONDS = 0.1
#: Rates are taken over at least so many seconds.
SHORTEST_RATE_SECONDS = 0.1
_STOP = object()
_LOG_FORMAT = (
    "%(asctime)s - %(filename)s#%(lineno)d - %(process)5d - (%(threadName)-10s) - "
    "%(levelname)-8s - %(message)s"
)
_TABLE_WIDTH = 75

Record = Dict[str, Any]
Table = Dict[int, List[List[str]]]
Function = TypeVar("Function", bound=Callable[..., Any])


def parse_timestamp(s: str) -> datetime.datetime:
    """The local time of a text such as ``2019-06-07 11:57:58.390921``.

    Raises:
        ValueError: it has another form.
    """
    return datetime.datetime.strptime(s, DATETIME_NOW_FORMAT)


def extract_json(istream: TextIO) -> List[Record]:
    """The records of a log, with `KEY_TIMESTAMP` as a datetime. Other lines are ignored.

    Lines whose JSON cannot be read, such as the last one of a log that was cut, are left out;
    a warning says how many.
    """
    records = []
    damaged = 0
    for line in istream:
        match = RE_LOG_LINE.match(line)
        if match:
            try:
                records.append(_record(match.group(2)))
            except ValueError:
                damaged += 1
    if damaged:
        logger.warning("%d damaged lines of the log were left out", damaged)
    return records


def _record(text: str) -> Record:
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    if KEY_TIMESTAMP in record:
        record[KEY_TIMESTAMP] = parse_timestamp(str(record[KEY_TIMESTAMP]))
    return record


def extract_labels_from_json(json_data: List[Record]) -> List[Record]:
    """The records that have a label."""
    return [record for record in json_data if KEY_LABEL in record]


class _Point:
    """The figures of a record that the table is made of."""

    def __init__(self, record: Record, system_time: bool) -> None:
        """Take them out; KeyError, TypeError or ValueError if they are not there."""
        memory, cpu = record["memory_info"], record["cpu_times"]
        self.pid = int(record[KEY_PROCESS_ID])
        self.time = float(record[KEY_ELAPSED_TIME])
        self.rss = int(memory["rss"])
        self.faults = float(memory.get("pfaults", math.nan))
        self.user = float(cpu["user"])
        self.cpu = self.user + (float(cpu["system"]) if system_time else 0.0)
        self.timestamp: datetime.datetime = record[KEY_TIMESTAMP]
        self.label = escape(str(record.get(KEY_LABEL, "")))

    def row(self, before: Optional[_Point]) -> List[str]:
        """The row of the table; its rates are those since `before`, or since the start."""
        seconds = self.time - (before.time if before else 0.0)
        faults = self.faults - (before.faults if before else 0)
        cpu = self.cpu - (before.cpu if before else 0.0)
        return [
            f"{self.time:<12.1f}",
            f"{self.rss:12d}",
            _cell(faults, seconds, "12.1f"),
            f"{self.user:12.1f}",
            _cell(self.cpu, self.time, "12.1%"),
            _cell(cpu, seconds, "12.1%"),
            f"{self.timestamp.isoformat(timespec='microseconds'):26}",
            f"{self.pid:6d}",
            f"# {self.label}",
        ]


def _cell(value: float, seconds: float, form: str) -> str:
    """`value` by second in a cell 12 wide; NaN if it is not known or no time has passed."""
    rate = value / seconds if seconds > 0 else math.nan
    return f"{'NaN':>12}" if math.isnan(rate) else format(rate, form)


_HEADER = [
    f"{'#t(s)':12}",
    *(f"{name:>12}" for name in ("RSS", "PageFaults/s", "User", "Mean_CPU%", "Inst_CPU%")),
    f"{'Timestamp':26}",
    f"{'PID':>6}",
    "Label",
]


def _rows(points: List[_Point]) -> Iterator[List[str]]:
    """The rows of the points of one process.

    Rates are those since the last point that is old enough: systems count CPU time in steps of
    10 ms, so that two samples soon after each other, as labels make them, tell nothing.
    """
    before: Optional[_Point] = None
    base = 0
    for index, point in enumerate(points):
        if index and point.time < points[index - 1].time:  # the number was given out again
            before, base = None, index
        while base < len(points) and point.time - points[base].time >= SHORTEST_RATE_SECONDS:
            before = points[base]
            base += 1
        yield point.row(before)


def _points(json_data: List[Record], system_time: bool) -> Dict[int, List[_Point]]:
    points: Dict[int, List[_Point]] = {}
    for record in json_data:
        try:
            point = _Point(record, system_time)
        except (KeyError, TypeError, ValueError, AttributeError):
            if not record.get(KEY_ENDED):
                logger.warning("a record without memory and CPU figures was left out")
            continue
        points.setdefault(point.pid, []).append(point)
    return points


def extract_json_as_table(
    json_data: List[Record], system_time: bool = False
) -> Tuple[Table, Dict[int, float], Dict[int, float], Dict[int, float], Dict[int, float]]:
    """Tables of the records, made for gnuplot too: by process, a row of headings and the data.

    Returns:
        The tables, the least and largest time (seconds since the start of the process), the least
        and largest resident set (bytes); each by process id.

    Columns: time (s), resident set (bytes), page faults a second, user CPU time (s), user CPU time
    (with system_time, user and system) by the time since the start of the process, and by that
    since the row before, time of day, process id, ``# label``. The row before is one of at least
    `SHORTEST_RATE_SECONDS` ago, for page faults too. What a log does not tell is ``NaN``. Records
    without the figures are left out, with a warning.
    """
    points = _points(json_data, system_time)
    table = {pid: [_HEADER[:], *_rows(rows)] for pid, rows in points.items()}
    return (
        table,
        {pid: min(p.time for p in rows) for pid, rows in points.items()},
        {pid: max(p.time for p in rows) for pid, rows in points.items()},
        {pid: min(p.rss for p in rows) for pid, rows in points.items()},
        {pid: max(p.rss for p in rows) for pid, rows in points.items()},
    )


def _read(log_path: str) -> List[Record]:
    with open(log_path, encoding="utf-8", errors="replace") as stream:
        return extract_json(stream)


def write_log_to_stdout(log_path: str, system_time: bool = False) -> None:
    """Print the tables of a log, as `extract_json_as_table` makes them.

    Raises:
        OSError: the log cannot be read.
    """
    for pid, rows in extract_json_as_table(_read(log_path), system_time)[0].items():
        print(f" PID: {pid} ".center(_TABLE_WIDTH, "-"))
        for row in rows:
            print(" ".join(row))
        print(f" PID: {pid} DONE ".center(_TABLE_WIDTH, "-"))


def _arrows(records: List[Record], pid: int) -> str:
    """Commands that mark the labels of a process in its plot."""
    lines = []
    for record in extract_labels_from_json(records):
        if record.get(KEY_PROCESS_ID) == pid and KEY_ELAPSED_TIME in record:
            seconds = float(record[KEY_ELAPSED_TIME])
            text = gnuplot.as_text(str(record[KEY_LABEL]))
            lines.append(f"set arrow from {seconds},graph 0.5 to {seconds},graph 0 lw 1")
            lines.append(
                f"set label {text} at {seconds},graph 0.51 left rotate by 90 noenhanced front"
            )
    return "\n".join(lines)


def invoke_gnuplot(
    log_path: str, gnuplot_dir: str, extension: str = "png", system_time: bool = False
) -> int:
    """Plot a log: ``LOG_PID.dat``, ``.plt`` and the picture for each process, and ``test.svg``.

    Args:
        log_path: the log.
        gnuplot_dir: where to write; made if needed.
        extension: kind of the picture, a terminal of gnuplot.
        system_time: count system CPU time beside user CPU time.

    Returns:
        0, or the status of gnuplot where it failed; 1 for a log without samples.

    Raises:
        OSError: the log cannot be read, the files cannot be written, or there is no gnuplot.
    """
    records = _read(log_path)
    tables = extract_json_as_table(records, system_time)[0]
    if not tables:
        logger.error("%s has no samples to plot", log_path)
        return 1
    os.makedirs(gnuplot_dir, exist_ok=True)
    status = gnuplot.write_test_file(gnuplot_dir, "svg")
    for pid, table in tables.items():
        if status:
            break
        name = f"{os.path.basename(log_path)}_{pid}"
        plt = GNUPLOT_PLT.format(
            name=name.replace("'", "''"), extension=extension, labels=_arrows(records, pid)
        )
        cells = [[cell.strip() for cell in row] for row in table]
        status = gnuplot.invoke_gnuplot(gnuplot_dir, name, cells, plt)
    return int(status)


class ProcessLoggingThread(threading.Thread):
    """A thread that logs figures of a process: when it starts, at intervals, at each message.

    `join` ends it at once. `process_queue` holds the messages that are still to be logged.
    """

    def __init__(
        self,
        group: None = None,
        target: Optional[Callable[..., object]] = None,
        name: Optional[str] = None,
        daemon: Optional[bool] = None,
        interval: float = 1.0,
        log_level: int = logging.INFO,
        pid: int = -1,
    ) -> None:
        """Make the thread; `start` starts it.

        Args:
            group, target, name, daemon: as for threading.Thread; `target` is not called.
            interval: seconds between two samples.
            log_level: level of the lines.
            pid: the process; -1 is this one.

        Raises:
            ValueError: the interval is not above 0.
            psutil.NoSuchProcess: there is no such process.
        """
        if not interval > 0:
            raise ValueError(f"the interval must be above 0 seconds, not {interval}")
        super().__init__(group=group, target=target, name=name or "ProcMon", daemon=daemon)
        self.process_queue: queue.Queue[Any] = queue.Queue()
        self._interval = interval
        self._log_level = log_level
        self._process = psutil.Process(os.getpid() if pid == -1 else pid)
        self._owner = os.getpid()
        first = _proc.read_stat(self._process.pid)
        if first is None:
            raise psutil.NoSuchProcess(self._process.pid)
        self._first = first
        self._ended = False
        self._stop_lock = threading.Lock()
        self._stopped = False

    def add_message_to_queue(self, msg: str) -> None:
        """Log a sample with the label `msg` now, in the thread."""
        self.process_queue.put(msg)

    def _figures(self) -> Record:
        """The figures of the process; psutil.NoSuchProcess if it has ended."""
        pid = self._process.pid
        stat = _proc.read_stat(pid)
        if stat is None or stat.ended or stat.started != self._first.started:
            raise psutil.NoSuchProcess(pid)
        with self._process.oneshot():
            memory = dict(self._process.memory_info()._asdict())
            cpu = dict(self._process.cpu_times()._asdict())
        memory.setdefault("pfaults", stat.faults)
        memory.setdefault("pageins", stat.major_faults)
        return {"memory_info": memory, "cpu_times": cpu}

    def _write(self, prefix: str, **more: Any) -> None:
        """Log a line; of a process that has ended, only that."""
        figures: Record = {}
        if not self._ended:
            try:
                figures = self._figures()
            except psutil.NoSuchProcess:
                self._ended = True
        if self._ended and prefix != LOGGER_PREFIX_STOP:
            return
        record = {
            KEY_TIMESTAMP: datetime.datetime.now().strftime(DATETIME_NOW_FORMAT),
            **figures,
            KEY_ELAPSED_TIME: self._first.age,
            KEY_PROCESS_ID: self._process.pid,
            **more,
        }
        if self._ended:
            record[KEY_ENDED] = True
        logger.log(self._log_level, "%s %s", prefix, json.dumps(record))

    def run(self) -> None:
        """What the thread does; ends after `join` or when the process has ended."""
        try:
            self._write(LOGGER_PREFIX_START)
            self._sample()
        except psutil.AccessDenied:
            self._ended = True
            logger.error("process %d may not be read", self._process.pid)

    def _sample(self) -> None:
        """Sample until `join`, at least once."""
        due = time.monotonic() + min(self._interval, FIRST_SAMPLE_SECONDS)
        sampled = False
        while not self._ended:
            left = min(due - time.monotonic(), threading.TIMEOUT_MAX)
            try:
                message = self.process_queue.get(timeout=max(0.0, left))
            except queue.Empty:
                self._write(LOGGER_PREFIX)
                due = max(due + self._interval, time.monotonic())
            else:
                if message is _STOP:
                    break
                self._write(LOGGER_PREFIX, **{KEY_LABEL: str(message)})
            sampled = True
        if not sampled:
            self._write(LOGGER_PREFIX)

    def join(self, timeout: Optional[float] = None) -> None:
        """End the thread: log the messages that wait and, once, the STOP line.

        In a child that was forked off meanwhile there is no such thread, and nothing is logged.
        """
        if os.getpid() != self._owner:
            return
        self.process_queue.put(_STOP)
        super().join(timeout)
        with self._stop_lock:
            if not self.is_alive() and not self._stopped:
                self._stopped = True
                self._write(LOGGER_PREFIX_STOP)


@contextlib.contextmanager
def log_process(*args: Any, **kwargs: Any) -> Iterator[ProcessLoggingThread]:
    """Log a process while the body runs, with the arguments of `ProcessLoggingThread`."""
    thread = ProcessLoggingThread(*args, **kwargs)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def log_process_dec(*dec_args: Any, **dec_kwargs: Any) -> Callable[[Function], Function]:
    """Decorator: log this process during each call. The arguments are those of `log_process`."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def logged(*args: Any, **kwargs: Any) -> Any:
            with log_process(*dec_args, **dec_kwargs):
                return function(*args, **kwargs)

        return logged  # type: ignore[return-value]

    return decorate


def add_process_logger_to_argument_parser(parser: argparse.ArgumentParser) -> None:
    """Add ``--log-process SECONDS`` to a parser: the interval, 0.0 (the default) for no log."""
    parser.add_argument(
        "--log-process",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="log memory and CPU time of this process every so many seconds; 0.0: do not"
        " [default: %(default)s]",
    )


def positive(text: str) -> float:
    """Argument type: a number above 0."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="process",
        usage="%(prog)s [-i S] [-l N] [-o FILE] [-p PID | -- COMMAND ...]\n"
        "       %(prog)s LOG [DIRECTORY] [--system-time]",
        description="Log memory and CPU time of a process or a COMMAND; or print the table of a"
        " LOG; or plot it into a DIRECTORY with gnuplot.",
    )
    add_common_arguments(parser)
    parser.add_argument("path_in", metavar="LOG", nargs="?", help="a log to show")
    parser.add_argument("path_out", metavar="DIRECTORY", nargs="?", help="where to plot it")
    parser.add_argument(
        "--system-time",
        action="store_true",
        help="count system time, too, in the CPU percentages of a LOG",
    )
    return parser


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command lines of this module and of process_tree share."""
    add = parser.add_argument
    add("-i", "--interval", type=positive, default=1.0, metavar="S", help="seconds [1.0]")
    add("-p", "--pid", type=int, default=-1, help="the process, -1 is this one [-1]")
    add("-l", "--log_level", type=int, default=20, metavar="N", help="10 debug, 20 info ... [20]")
    add("-o", "--output", metavar="FILE", help="write to FILE")


def _follow(args: argparse.Namespace, words: Optional[List[str]], waiter: _run.Waiter) -> int:
    """Log a process or a command until it ends or a signal comes; returns the exit status."""
    command, failed = _run.start(words, "process") if words else (None, 0)
    if failed:
        return failed
    pid = command.pid if command else args.pid
    stopped_by = 0
    with log_process(interval=args.interval, log_level=args.log_level, pid=pid) as thread:
        if command:
            return command.wait(waiter)
        while not stopped_by and thread.is_alive():
            stopped_by = waiter.wait(0.1)
    if stopped_by:
        print("KeyboardInterrupt!" if stopped_by == 2 else f"Signal {stopped_by}.")
    else:
        print(f"Process {pid} is not running.")
    print("Bye, bye!")
    return 128 + stopped_by if stopped_by not in (0, 2) else 0


def main(argv: Optional[Sequence[str]] = None) -> int:
    """The command line. Returns the exit status; that of the command if one was started."""
    own, words = _run.split_command(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    args = parser.parse_args(own)
    if words is not None and (not words or args.path_in or args.pid != -1):
        parser.error("-- needs a COMMAND behind it, and no LOG or PID beside it")
    try:
        logging.basicConfig(level=args.log_level, format=_LOG_FORMAT, filename=args.output)
        if args.path_in and args.path_out:
            return invoke_gnuplot(args.path_in, args.path_out, system_time=args.system_time)
        if args.path_in:
            write_log_to_stdout(args.path_in, args.system_time)
            return 0
        with _run.Waiter() as waiter:
            return _follow(args, words, waiter)
    except (OSError, psutil.Error) as error:
        print(f"process: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
