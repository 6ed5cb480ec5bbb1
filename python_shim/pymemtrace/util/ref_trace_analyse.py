# SPDX-License-Identifier: MIT
"""Say which objects a log of reference tracing leaves alive, and count them by type.

Reads the text logs of ``cPyMemTrace.ReferenceTracing``, as a stream: what is kept is the live
objects and, if asked for, the former ones. A log that ends early is read as far as it goes.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import logging
import os
import re
import sys
from typing import (
    IO,
    Any,
    Counter,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Set,
    Tuple,
    Union,
    overload,
)

from ._cli import Complaints, NotThisLogError, add_log_level, printable, run
from ._ref_trace_line import ObjectData, parse_object
from ._ref_trace_plot import GNUPLOT_PLT, invoke_gnuplot

__all__ = [
    "GNUPLOT_PLT",
    "RE_COMPILE_LOG_FILE_MSG",
    "LogFileResult",
    "ObjectData",
    "invoke_gnuplot",
    "main",
    "process_file",
    "process_file_path",
    "process_file_to_log_result",
]

logger = logging.getLogger(__name__)

#: A line that says that a younger log takes over; its path.
RE_DETACHING = re.compile(
    rb"^MSG: .+ # Detaching this Reference Tracing file wrapper\. New file: ?(.+)$"
)

#: A message; its clock and its text.
RE_COMPILE_LOG_FILE_MSG = re.compile(r"MSG:\s+([0-9.]+) # (.+)")

# It may be empty.
_ANY_MESSAGE = re.compile(r"MSG:\s+([0-9.]+) #(?: (.*))?")

_Line = Union[str, bytes]
_Lines = Iterable[_Line]


class LogFileResult:
    """What a log says, and those that were merged into it.

    Attributes: ``live_objects`` by address; ``prev_objects``, pairs of the NEW and DEL lines of
    objects that are gone, and ``objects``, all lines of objects in their order, if they are kept;
    ``clock_message_dict``: the texts of messages by their clock; ``count_prev``;
    ``type_count_new``, ``type_count_del`` and ``type_count_untracked`` (DEL without NEW) by type;
    ``count_lines``, ``count_msg``, ``count_err``; ``count_replaced``: objects whose DEL is missing,
    as their address was given to another one; ``count_bad``: lines that were not understood;
    ``truncated``: logs without an end.

    log_file_id is the name of the log. Without it the only argument is include_untracked.
    """

    def __init__(
        self,
        log_file_id: Union[str, bool] = "",
        include_untracked: Optional[bool] = None,
        keep_historical: bool = True,
    ) -> None:
        named = isinstance(log_file_id, str)
        self.log_file_id = str(log_file_id) if named else ""
        self.include_untracked = bool(include_untracked if named else log_file_id)
        self.keep_historical = keep_historical
        self.objects: List[ObjectData] = []
        self.clock_message_dict: Dict[float, List[str]] = {}
        self.intro_message_lines: List[str] = []
        self.live_objects: Dict[int, ObjectData] = {}
        self.prev_objects: List[Tuple[ObjectData, ObjectData]] = []
        self.type_count_new: Counter[str] = collections.Counter()
        self.type_count_del: Counter[str] = collections.Counter()
        self.type_count_untracked: Counter[str] = collections.Counter()
        self.count_lines = self.count_msg = self.count_err = 0
        self.count_prev = self.count_replaced = self.count_bad = 0
        self.truncated: List[str] = []
        self.complaints = Complaints(logger)

    @property
    def count_new(self) -> int:
        """NEW lines."""
        return sum(self.type_count_new.values())

    @property
    def count_del(self) -> int:
        """DEL lines."""
        return sum(self.type_count_del.values())

    def add_new(self, line_num: int, line: _Line) -> None:
        """A line ``NEW:``. Raises ValueError if it is not understood."""
        self._made(_parsed(line_num, line))

    def add_del(self, line_num: int, line: _Line) -> None:
        """A line ``DEL:``. Raises ValueError if it is not understood."""
        self._gone(_parsed(line_num, line))

    def add_msg(self, line_num: int, line: _Line) -> None:
        """A line ``MSG:``. Raises ValueError if it is not understood."""
        match = _ANY_MESSAGE.match(_as_text(line))
        if match is None:
            raise ValueError(f"Line {line_num}: no message: {_shown(_as_bytes(line))}")
        self.clock_message_dict.setdefault(float(match.group(1)), []).append(match.group(2) or "")
        self.count_msg += 1

    def add_err(self, line_num: int, line: _Line) -> None:
        """A line ``ERR:``: what the tracer had to say."""
        self.count_err += 1
        self.complaints.add("Error in the log", f"line {line_num}: {_shown(_as_bytes(line))}")

    def add(self, line_num: int, line: bytes) -> bool:
        """One of these lines. Returns whether it was understood."""
        kinds = {b"NEW:": self.add_new, b"DEL:": self.add_del, b"MSG:": self.add_msg}
        try:
            kinds.get(line[:4], self.add_err)(line_num, line)
        except ValueError:
            return False
        return True

    def _made(self, new: ObjectData) -> None:
        old = self.live_objects.get(new.address)
        if old is not None:
            # Its DEL is not in the log: 3.13.0 leaves out many.
            self.count_replaced += 1
            self.complaints.add(
                "Address given out twice",
                f"NEW address 0x{new.address:012x} type: {new.type!r} from line {new.line_num}"
                f" already exists from line {old.line_num}. type: {old.type!r}.",
            )
        if self.keep_historical:
            self.objects.append(new)
        self.live_objects[new.address] = new
        self.type_count_new[new.type] += 1

    def _gone(self, gone: ObjectData) -> None:
        """Whatever its type is now, what lay at its address is gone."""
        if self.keep_historical:
            self.objects.append(gone)
        self.type_count_del[gone.type] += 1
        new = self.live_objects.pop(gone.address, None)
        if new is None:
            self.type_count_untracked[gone.type] += 1
            return
        self.count_prev += 1
        if self.keep_historical:
            self.prev_objects.append((new, gone))

    def long_str_list(
        self, show_full_path: bool, include_historical: bool, by_line: bool = False
    ) -> List[str]:
        """The report, in lines.

        by_line counts the live objects by type and line in place of listing them. Raises ValueError
        if the former objects are wanted, and were not kept.
        """
        if include_historical and not self.keep_historical:
            raise ValueError("The former objects were not kept")
        lines = [f"Truncated: {name}" for name in self.truncated]
        if self.intro_message_lines:
            lines += ["Initial Message:", *self.intro_message_lines]
        if self.include_untracked:
            lines += self._untracked()
        lines += self._live_by_line(show_full_path) if by_line else self._live(show_full_path)
        lines.append(f"Previous Objects, sorted by clock [{self.count_prev}]:")
        if include_historical:
            pairs = sorted(self.prev_objects, key=lambda pair: pair[0].clock)
            lines += [f"    {_pair_line(*pair, show_full_path)}" for pair in pairs]
        return [printable(line) for line in [*lines, *self._types()]]

    def _untracked(self) -> List[str]:
        counts = self.type_count_untracked
        lines = [f"Untracked Objects [{len(counts)}]:", f"{'Type':40} {'Count':>8}"]
        return lines + [f"{name:40} {counts[name]:>8}" for name in sorted(counts)]

    def _live(self, show_full_path: bool) -> List[str]:
        lines = [f"Live Objects [{len(self.live_objects)}]:"]
        for _, live in sorted(self.live_objects.items()):
            lines.append(
                f"    0x{live.address:012x} {live.clock:.6f} {live.live_cnt:4d} {live.type:40}"
                f" {live.function:32} {_place(live, show_full_path)}"
            )
        return lines

    def _live_by_line(self, show_full_path: bool) -> List[str]:
        counts = collections.Counter(
            (live.type, live.function, _place(live, show_full_path))
            for live in self.live_objects.values()
        )
        lines = [f"Live Objects by type and line [{len(counts)}]:"]
        for (name, function, place), count in sorted(counts.items(), key=lambda c: (-c[1], c[0])):
            lines.append(f"    {count:>8} {name:40} {function:32} {place}")
        return lines

    def _types(self) -> List[str]:
        names = sorted(self.type_count_new.keys() | self.type_count_del.keys())
        lines = [
            f"Type count [{len(names)}]:",
            f"{'Type':40} {'New':>8} {'Del':>8} {'New - Del':>10}",
        ]
        for name in names:
            new, gone = self.type_count_new[name], self.type_count_del[name]
            lines.append(f"{name:40} {new:>8} {gone:>8} {new - gone:>10}")
        return lines


def _as_bytes(line: _Line) -> bytes:
    return line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line


def _as_text(line: _Line) -> str:
    return line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")


def _parsed(line_num: int, line: _Line) -> ObjectData:
    data = parse_object(line_num, _as_bytes(line))
    if data is None:
        raise ValueError(f"Line {line_num}: no object: {_shown(_as_bytes(line))}")
    return data


def _place(data: ObjectData, show_full_path: bool) -> str:
    file = data.file if show_full_path else os.path.basename(data.file)
    return f"{file}#{data.line}"


def _pair_line(new: ObjectData, gone: ObjectData, show_full_path: bool) -> str:
    return (
        f"0x{new.address:012x} {new.type:40} NEW: t: {new.clock:.6f} {_place(new, show_full_path)}"
        f" DEL: dt: {gone.clock - new.clock:.6f} {_place(gone, show_full_path)}"
    )


class _Log:
    """A log that is being read, and how far."""

    def __init__(self, lines: _Lines, name: str) -> None:
        self.lines = iter(lines)
        self.name = name
        self.number = 0
        self.started = False
        self.ended = False

    def next_line(self) -> Optional[bytes]:
        """The next line, or None at the end."""
        line = next(self.lines, None)
        if line is None:
            return None
        self.number += 1
        return _as_bytes(line)


class _Reader:
    """Reads a log and, if asked for, the younger logs that it names, each where it is named."""

    def __init__(self, result: LogFileResult, recurse_files: bool) -> None:
        self._result = result
        self._recurse_files = recurse_files
        self._seen: Set[str] = set()
        self._stack = contextlib.ExitStack()
        self._logs: List[_Log] = []

    def read(self, lines: _Lines, name: str) -> None:
        """Read a log to its end."""
        self._seen.add(os.path.realpath(name))
        self._logs.append(_Log(lines, name))
        with self._stack:
            while self._logs:
                log = self._logs[-1]
                line = log.next_line()
                if line is None:
                    self._finish(self._logs.pop())
                elif not line.endswith(b"\n"):
                    # Its last number may lack digits.
                    logger.warning("%s: line %d is incomplete", printable(log.name), log.number)
                elif log.started:
                    self._add(log, line)
                else:
                    self._add_intro(log, line)
        self._result.complaints.close()

    def _finish(self, log: _Log) -> None:
        self._result.count_lines += log.number
        if not log.started and not self._logs:
            raise NotThisLogError(f"{log.name}: not a log of reference tracing: no SOF")
        if not log.ended:
            self._result.truncated.append(f"{log.name} ends after line {log.number}, without EOF")

    def _add_intro(self, log: _Log, line: bytes) -> None:
        if line.rstrip() == b"SOF" or line.startswith(b"HDR:"):
            log.started = True
        else:
            text = line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
            self._result.intro_message_lines.append(text)

    def _add(self, log: _Log, line: bytes) -> None:
        start = line[:4]
        if log.ended:
            # A name that has a line end in it can look like one. Nothing is lost by reading on.
            log.ended = False
            self._result.complaints.add("Lines behind EOF", f"from line {log.number} on")
        if start in (b"NEW:", b"DEL:", b"MSG:", b"ERR:"):
            if not self._result.add(log.number, line):
                self._bad(log, line)
            if start == b"MSG:":
                self._message(log, line)
        elif line.rstrip() == b"EOF":
            log.ended = True
        elif start != b"HDR:":
            self._bad(log, line)

    def _bad(self, log: _Log, line: bytes) -> None:
        self._result.count_bad += 1
        self._result.complaints.add("Can not process", f"line {log.number}: {_shown(line)}")

    def _message(self, log: _Log, line: bytes) -> None:
        match = RE_DETACHING.match(line.rstrip(b"\r\n")) if self._recurse_files else None
        if match is None:
            return
        path = _find(os.fsdecode(match.group(1)), log.name)
        if path is None:
            self._result.complaints.add("No such log", _shown(match.group(1)))
        elif os.path.realpath(path) not in self._seen:
            self._seen.add(os.path.realpath(path))
            logger.info("Recursing into log file: %s", printable(path))
            file = self._stack.enter_context(open(path, "rb"))  # noqa: SIM115
            self._logs.append(_Log(file, path))


def _shown(line: bytes) -> str:
    text = line.rstrip().decode("utf-8", "backslashreplace")
    return text if len(text) <= 200 else text[:200] + "..."


def _find(path: str, parent: str) -> Optional[str]:
    """A log, where it was written or, if they were moved, beside the log that names it."""
    beside = os.path.join(os.path.dirname(parent), os.path.basename(path))
    return next((p for p in (path, beside) if os.path.isfile(p)), None)


_File = Union[IO[str], IO[bytes], Iterable[str]]


def process_file_to_log_result(
    file: _File, file_size: int, recurse_log_files: bool, result: LogFileResult
) -> None:
    """Read an open log, of text or of bytes, into a result.

    file_size is of no use here. Raises NotThisLogError, a ValueError, for a file that is no such
    log.
    """
    name: Any = getattr(file, "name", "") or result.log_file_id
    _Reader(result, recurse_log_files).read(file, name if isinstance(name, str) else "<log>")
    counts = (
        result.count_lines,
        result.count_new,
        result.count_del,
        result.count_new - result.count_del,
        result.count_msg,
    )
    logger.info(
        "Lines: %s NEW: %s DEL: %s NEW - DEL: %s MSG: %s", *(f"{count:,d}" for count in counts)
    )


@overload
def process_file(
    file: _File, include_untracked: bool, recurse_files: bool, keep_historical: bool = True
) -> LogFileResult: ...


@overload
def process_file(
    file: _File,
    log_file_id: str,
    file_size: int,
    include_untracked: bool,
    recurse_log_files: bool,
    keep_historical: bool = True,
) -> LogFileResult: ...


def process_file(file: _File, *args: Any, **named: Any) -> LogFileResult:
    """Read an open log, of text or of bytes.

    ``process_file(file, include_untracked, recurse_files)``, or
    ``process_file(file, log_file_id, file_size, include_untracked, recurse_log_files)`` with the
    name of the log. Whether the logs that it names are read too, as part of it, is the last one: an
    object may be made in the one and end in the other. With ``keep_historical=False``, former
    objects are only counted. Raises NotThisLogError, a ValueError, for a file that is no such log.
    """
    newer = "log_file_id" in named or (bool(args) and isinstance(args[0], str))
    read = _process_newer if newer else _process_older
    return read(file, *args, **named)


def _process_older(
    file: _File, include_untracked: bool, recurse_files: bool, keep_historical: bool = True
) -> LogFileResult:
    name: Any = getattr(file, "name", "<log>")
    name = name if isinstance(name, str) else "<log>"
    return _process_newer(file, name, 0, include_untracked, recurse_files, keep_historical)


def _process_newer(
    file: _File,
    log_file_id: str,
    file_size: int,
    include_untracked: bool,
    recurse_log_files: bool,
    keep_historical: bool = True,
) -> LogFileResult:
    result = LogFileResult(log_file_id, include_untracked, keep_historical)
    process_file_to_log_result(file, file_size, recurse_log_files, result)
    return result


def process_file_path(
    file_path: str, include_untracked: bool, recurse_files: bool, keep_historical: bool = True
) -> LogFileResult:
    """Read a log by its path: see ``process_file()``. Raises OSError too."""
    with open(file_path, "rb") as file:
        logger.info("Starting log file: %s", printable(file_path))
        result = _process_older(file, include_untracked, recurse_files, keep_historical)
        logger.info("Finished log file: %s", printable(file_path))
        return result


def _report(args: argparse.Namespace) -> Iterator[str]:
    yield f"File path: {printable(args.log_path)}"
    keep = args.include_historical or bool(args.gnuplot_path)
    result = process_file_path(args.log_path, args.include_untracked, args.recurse_files, keep)
    yield from result.long_str_list(args.full_path, args.include_historical, args.by_line)
    if args.gnuplot_path and invoke_gnuplot(result, args.gnuplot_types, args.gnuplot_path) != 0:
        raise NotThisLogError(f"{args.log_path}: not plotted")


def _names(text: str) -> List[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def main(*arguments: str) -> int:
    """The program ``pymemtrace_ref_trace_analyse``; its exit status."""
    parser = argparse.ArgumentParser(
        prog="pymemtrace_ref_trace_analyse",
        description="Say which objects a log of reference tracing leaves alive.",
    )
    parser.add_argument("log_path", help="The log.")
    for option, text in (
        ("--full-path", "Show the full path of Python files."),
        ("--include-untracked", "Count the objects that end in the log without a beginning."),
        ("--include-historical", "List the objects that begin and end in the log."),
        ("--recurse-files", "Read the logs of inner contexts too, as part of this one."),
        ("--by-line", "Count the live objects by type and line in place of listing them."),
    ):
        parser.add_argument(option, action="store_true", help=text)
    parser.add_argument(
        "--gnuplot-path",
        metavar="DIR",
        help="Plot the resident set and the live objects of some types over time into this folder.",
    )
    parser.add_argument(
        "--gnuplot-types", metavar="A,B", type=_names, default=[], help="The types that it plots."
    )
    add_log_level(parser)
    chosen = parser.parse_args(arguments or None)
    if bool(chosen.gnuplot_path) != bool(chosen.gnuplot_types):
        parser.error("--gnuplot-path and --gnuplot-types go together")
    return run(parser, _report, arguments)


if __name__ == "__main__":
    sys.exit(main())
