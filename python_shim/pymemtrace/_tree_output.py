# SPDX-License-Identifier: MIT
"""Writes what process_tree measures: as a table, and as a JSON file that is whole after a tick."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import Any, Dict, List, Optional, TextIO

from pymemtrace import _terminal
from pymemtrace._terminal import escape
from pymemtrace._tree_model import (
    ACCESS_DENIED,
    Ended,
    Sample,
    Total,
    Unseen,
    WriteSummaryColumn,
    WriteSummaryConfig,
)

INDENT = "  "
_NAME_END = 39  # of time, process and name in a table


class TableWriter:
    """Writes lines to a stream: columns of fixed width, or fields with a separator between them.

    With a separator every line has the same number of fields, numbers have no thousands mark and
    nothing has a colour; what is not a row then goes to stderr.
    """

    def __init__(self, config: WriteSummaryConfig, sep: str, ostream: TextIO) -> None:
        self._config = config
        self._sep = sep
        self._out = ostream
        self._painter = _terminal.Painter(ostream, wanted=not sep)

    def note(self, text: str) -> None:
        """Write a line that is not a row."""
        stream = sys.stderr if self._sep else self._out
        stream.write(escape(text) + "\n")
        stream.flush()

    def header(self) -> None:
        """Write the headings."""
        fields = []
        for column in self._config.columns:
            name = column.name_and_units()
            fields.append(_right(name, column.width_and_format.width))
            if column.width_and_format_diff:
                fields.append(_right("d" + name, column.width_and_format_diff.width))
        self._row("Time(s)", "PID", "Name", fields)

    def sample(self, sample: Sample, depth: int = 0) -> None:
        """Write a process and those below it."""
        time = f"{sample.time:.1f}" if depth == 0 else ""
        fields = self._fields(sample.values, sample.deltas)
        self._row(time, str(sample.pid), f'"{sample.name}"', fields, depth)
        for child in sample.children:
            self.sample(child, depth + 1)

    def total(self, total: Total, word: str = "TOTAL") -> None:
        """Write sums, with `word` in place of a process."""
        fields = self._fields(total.values, total.deltas)
        self._row(f"{total.time:.1f}", word, f'"{counted(total.processes)}"', fields)

    def peak(self, total: Total) -> None:
        """Write the largest sums as a row, where the summary in words is not with the rows."""
        if self._sep:
            self.total(total, "PEAK")

    def ended(self, process: Ended) -> None:
        """Write a process that lived and died since the last tick."""
        fields = self._fields({"RSS": process.rss}, {})
        self._row("ended", str(process.pid), f'"{process.name}"', fields, 1)

    def unseen(self, group: Unseen) -> None:
        """Write that there were children that were not seen."""
        self._row("ended", "?", f'"child of {group.parent}"', self._fields({}, {}), 1)

    def flush(self) -> None:
        """Hand on what was written."""
        self._out.flush()

    def _fields(self, values: Dict[str, Any], deltas: Dict[str, Any]) -> List[str]:
        fields: List[str] = []
        for column in self._config.columns:
            value, delta = values.get(column.name), deltas.get(column.name)
            if value == ACCESS_DENIED:
                fields += self._denied(column)
                continue
            fields.append(self._cell(value, column, delta=False))
            if column.width_and_format_diff:
                fields.append(self._painter.paint(self._cell(delta, column, True), _colour(delta)))
        return fields

    def _cell(self, value: Any, column: WriteSummaryColumn, delta: bool) -> str:
        how = column.width_and_format_diff if delta else column.width_and_format
        assert how is not None
        if value is None:
            text = ""
        elif isinstance(value, str):
            text = format(escape(value), how.format)
        else:
            scaled = value if column.mult_factor == 1 else value * column.mult_factor
            form = how.format.replace(",", "") if self._sep else how.format
            text = format(scaled, form)
            if delta and not text.strip("-0. "):
                text = text.replace("-", "+")  # less by something that is too small to show
        return text.strip() if self._sep else _right(text, how.width)

    def _denied(self, column: WriteSummaryColumn) -> List[str]:
        """In a table the two words take the room of the change as well."""
        marked = self._painter.paint(ACCESS_DENIED, _terminal.BLACK_ON_YELLOW)
        change = column.width_and_format_diff
        if self._sep:
            return [marked, ""] if change else [marked]
        width = column.width_and_format.width + (change.width + 1 if change else 0)
        return [" " * (width - len(ACCESS_DENIED)) + marked]

    def _row(self, time: str, pid: str, name: str, fields: List[str], depth: int = 0) -> None:
        name = escape(name)
        if self._sep:
            words = [time, pid, name, *(field.strip() for field in fields)]
            line = _terminal.join(words, self._sep)
        else:
            align = "<" if time == "Time(s)" else ">"
            start = f"{time:{align}8} {INDENT * depth} {pid:>5} {name}"
            line = " ".join([f"{start:{_NAME_END + 1}}", *fields]).rstrip()
        self._out.write(line + "\n")


def counted(processes: int) -> str:
    """A number of processes in words."""
    return f"{processes} process" + ("" if processes == 1 else "es")


def _right(text: str, width: int) -> str:
    return f"{text:>{width}}" if width else text


def _colour(delta: Any) -> str:
    """Red for more, green for less; a text that has changed is red."""
    if isinstance(delta, str):
        return _terminal.RED if delta else ""
    if not delta:
        return ""
    return _terminal.RED if delta > 0 else _terminal.GREEN


def as_json(sample: Sample) -> Dict[str, Any]:
    """A sample as an object for JSON; refused values are null."""
    return {
        "process_time": sample.time,
        "pid": sample.pid,
        "name": sample.name,
        **_known(sample.values),
        "children": [as_json(child) for child in sample.children],
    }


def total_as_json(total: Total) -> Dict[str, Any]:
    """Sums as an object for JSON."""
    return {"process_time": total.time, "processes": total.processes, **_known(total.values)}


def _known(values: Dict[str, Any]) -> Dict[str, Any]:
    return {name: None if value == ACCESS_DENIED else value for name, value in values.items()}


class JsonWriter:
    """Writes an array of objects, one after the other, to a file that is whole after each.

    Each object goes to the file together with the bracket that ends the array, by one write over
    the former bracket: a process that is killed leaves a whole file too. What is not a plain file
    gets everything at the end.
    """

    _END = b"\n]\n"

    def __init__(self, path: str) -> None:
        """Make the file, with an empty array.

        Raises:
            OSError: it cannot be written.
        """
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._kept: List[bytes] = []
        self._last: Optional[Dict[str, Any]] = None
        self._data = b""  # the last object as it is in the file
        self._at = self._last_at = 1  # where the next and the last object starts
        try:
            os.lseek(self._file, 0, os.SEEK_CUR)
            self._plain = True
        except OSError:
            self._plain = False
        self._put(b"[" + self._END, 0, b"")

    def add(self, record: Dict[str, Any]) -> None:
        """Write an object; OSError if it cannot be, and then the file is as before."""
        data = (b",\n" if self._last else b"\n") + _encoded(record)
        self._put(data + self._END, self._at, self._END)
        self._kept.append(b"" if self._plain else data)
        self._last, self._data = record, data
        self._last_at, self._at = self._at, self._at + len(data)

    def amend(self, changes: Dict[str, Any]) -> None:
        """Change keys of the last object, where lists grow; nothing if there is none."""
        if self._last is None:
            return
        record = dict(self._last)
        for key, value in changes.items():
            record[key] = record[key] + value if isinstance(value, list) else value
        data = (b",\n" if self._last_at > 1 else b"\n") + _encoded(record)
        data = data.ljust(len(self._data))  # blanks, so that no rest of it stays
        self._put(data + self._END, self._last_at, self._data + self._END)
        self._kept[-1] = b"" if self._plain else data
        self._last, self._data = record, data
        self._at = self._last_at + len(data)

    def close(self) -> None:
        """Close the file."""
        if not self._plain:
            data = b"[" + b"".join(self._kept) + self._END
            while data:
                data = data[os.write(self._file, data) :]
        os.close(self._file)

    def _put(self, data: bytes, at: int, before: bytes) -> None:
        """Write `data` over `before`; if that fails, `before` is there again."""
        if not self._plain:
            return
        try:
            if os.pwrite(self._file, data, at) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.pwrite(self._file, before, at)
            os.ftruncate(self._file, at + len(before))
            raise


def _encoded(record: Dict[str, Any]) -> bytes:
    """JSON in ASCII. Names may hold what is no character: it is escaped like any other."""
    return json.dumps(record, allow_nan=False).encode("ascii")
