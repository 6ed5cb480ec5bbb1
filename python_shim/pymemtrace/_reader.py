# SPDX-License-Identifier: MIT
"""Read a log through the program ``pymemtrace``, which is the one decoder of logs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import warnings
from typing import IO, Any, AnyStr, Generator, Iterator, List, Optional, Sequence, Union, cast

from pymemtrace._paths import program_path
from pymemtrace._records import Event, Header, Row, Statistics

USAGE = 2  # exit status of a command line that the program does not understand


class LogError(Exception):
    """A log cannot be read. The text is the program's message."""


class LogWarning(UserWarning):
    """A log can be read in part only: what was read came, and this says what did not."""


class Log:
    """One log. It may be compressed, cut off, damaged, or still being written.

    Every call runs the program ``pymemtrace``. If a part of the log cannot be read, the rest is
    given back with a :class:`LogWarning`. Names come from the traced program: they may hold
    anything, and what is not UTF-8 is U+FFFD.
    """

    def __init__(self, path: Union[AnyStr, os.PathLike[AnyStr]]) -> None:
        """
        :raises LogError: there is no log at this path.
        :raises FileNotFoundError: the program is not there.
        """
        given = os.fsencode(path)
        # A name like "-h" is a file's all the same.
        self._path = b"./" + given if given.startswith(b"-") else given
        self.path = os.fsdecode(given)
        if os.path.isdir(given):
            raise LogError(f"{self.path}: is a folder, not a log")
        self.header = self._header()

    def __repr__(self) -> str:
        return f"<pymemtrace.Log {self.path!r} of process {self.header['pid']}>"

    def statistics(self) -> Statistics:
        """The figures that ``pymemtrace stats`` prints.

        :raises LogError: the log cannot be read.
        """
        return cast(Statistics, self._ask("stats", []))

    def top(
        self,
        n: int = 20,
        by: str = "line",
        at: Union[str, float, None] = None,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        frame: Optional[str] = None,
        thread: Optional[int] = None,
        census: Union[str, int, None] = None,
        temporary: bool = False,
        threshold: Optional[int] = None,
        mappings: bool = False,
        heap: bool = False,
        show_imports: bool = False,
    ) -> List[Row]:
        """The first ``n`` rows that ``pymemtrace top`` prints: who holds the memory, largest first.

        :param by: line, function, file, stack, thread, allocator, process or type.
        :param at: "peak" (so if None), "end", "exit", "rss-peak", "mark:LABEL", or seconds since
            the start.
        :param heap: blocks of the heap only; ``mappings``: memory mappings only.
        :param include: patterns, as of a shell, of which one must match a frame's file, function or
            package; ``exclude``: none may. ``frame``: "innermost" (so if None) or "any".
        :param thread: only what the thread with this number did.
        :param show_imports: with the frames of the import system in stacks.
        :param census: with ``by="type"``, the label or number of a snapshot.
        :param temporary: what was short-lived; ``threshold``: allocations between birth and death.
        :raises ValueError: the program does not take these arguments.
        :raises LogError: the log cannot be read.
        """
        options = [f"--number={n}", f"--by={by}"]
        values = {
            "at": at,
            "census": census,
            "frame": frame,
            "thread": thread,
            "threshold": threshold,
        }
        options += [f"--{name}={value}" for name, value in values.items() if value is not None]
        options += [f"--include={pattern}" for pattern in include]
        options += [f"--exclude={pattern}" for pattern in exclude]
        switches = {
            "temporary": temporary,
            "mappings": mappings,
            "heap": heap,
            "show-imports": show_imports,
        }
        options += [f"--{name}" for name, wanted in switches.items() if wanted]
        return cast(List[Row], self._ask("top", options)["rows"])

    def events(self, *, stacks: bool = False) -> Iterator[Event]:
        """The events, in order, each read when it is asked for: logs may be larger than memory.

        Without ``stacks`` an event has the innermost frame only: "file", "function", "line". With
        it also "stack", a list of all frames, innermost first. In a log that reached its size
        limit, what was dropped comes first, summed up, as events "totals".

        :raises LogError: the log cannot be read.
        """
        return self._events(["--stacks"] if stacks else [])

    def _header(self) -> Header:
        lines = self._lines([])
        first = next(lines, None)
        lines.close()
        if first is None or first.pop("event") != "header":
            raise LogError(f"{self.path}: the program prints no header")
        return cast(Header, first)

    def _events(self, options: List[str]) -> Iterator[Event]:
        lines = self._lines(options)
        next(lines, None)  # the header
        last: Optional[Event] = None
        for event in lines:
            if last is not None:
                yield last
            last = event
        if last is None or last["event"] != "end":
            raise LogError(f"{self.path}: the program ended before the log did")

    def _lines(self, options: List[str]) -> Generator[Event, None, None]:
        """The objects that `pymemtrace json` prints, at least one."""
        command: List[Union[str, bytes]] = [program_path(), "json", *options, self._path]
        with tempfile.TemporaryFile() as messages:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages
            )
            count = 0
            try:
                for line in cast(IO[bytes], child.stdout):
                    count += 1
                    yield json.loads(line)
            except GeneratorExit:  # enough was read
                child.kill()
                raise
            finally:
                cast(IO[bytes], child.stdout).close()
                status = child.wait()
            messages.seek(0)
            self._judge(status, messages.read(), count > 0)

    def _ask(self, command: str, options: List[str]) -> Any:
        """What a command prints with --json."""
        answer = subprocess.run(
            [program_path(), command, "--json", "--only", *options, self._path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        self._judge(answer.returncode, answer.stderr, bool(answer.stdout))
        return json.loads(answer.stdout)

    def _judge(self, status: int, messages: bytes, has_output: bool) -> None:
        """Nothing if all is well; warns as the program does; raises if nothing was read."""
        lines = messages.decode(errors="replace").splitlines()
        if status == 0:  # notes are for people at a terminal
            lines = [line for line in lines if line.startswith("pymemtrace: warning: ")]
        if status == 0 and not lines:
            return
        text = "; ".join(re.sub("^pymemtrace: (warning: )?", "", line) for line in lines)
        if status == USAGE:
            raise ValueError(text)
        if not has_output or status < 0:
            raise LogError(text or f"{self.path}: the program ended with status {status}")
        warnings.warn(text, LogWarning, stacklevel=4)


def read(path: Union[AnyStr, os.PathLike[AnyStr]]) -> Log:
    """Opens a log.

    :raises LogError: there is no log at this path, or its header cannot be read.
    :raises FileNotFoundError: the program ``pymemtrace`` is not there.
    """
    return Log(path)
