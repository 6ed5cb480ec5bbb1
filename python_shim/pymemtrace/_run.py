# SPDX-License-Identifier: MIT
"""Signals that end a tool at once, and commands that a tool starts, for the process tools."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from typing import Any, Dict, List, Optional, Sequence, Tuple

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOT_FOUND = 127
NOT_EXECUTABLE = 126


def split_command(arguments: Sequence[str]) -> Tuple[List[str], Optional[List[str]]]:
    """Arguments before the first ``--``, and the command behind it (None without a ``--``)."""
    words = list(arguments)
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


class Waiter:
    """Waits for time to pass, or for a signal.

    Inside ``with`` the signals are kept instead of ending the program, `wait` returns at once when
    one arrives or a child ends, and the former handlers come back at the end. Signals that the
    program was started with as ignored stay ignored. Outside the main thread there are no signals
    to wait for.
    """

    def __init__(self, signals: Sequence[signal.Signals] = STOP_SIGNALS) -> None:
        self._signals = signals
        self._came: List[int] = []
        self._former: Dict[signal.Signals, Any] = {}
        self._former_fd: Optional[int] = None
        self._pipe = (-1, -1)
        self._poll = select.poll()

    def __enter__(self) -> Waiter:
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_blocking(end, False)
        self._poll.register(self._pipe[0], select.POLLIN)
        if self._signals and threading.current_thread() is threading.main_thread():
            self._former_fd = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
            for number in self._signals:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._keep)
            self._former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._former.clear()
        if self._former_fd is not None:
            signal.set_wakeup_fd(self._former_fd)
            self._former_fd = None
        self._poll.unregister(self._pipe[0])
        for end in self._pipe:
            os.close(end)

    def _keep(self, number: int, _frame: object) -> None:
        self._came.append(number)

    def wait(self, seconds: float) -> int:
        """Number of a signal that arrived within `seconds`; 0 if none, or if a child has ended."""
        if not self._came and self._poll.poll(max(0.0, seconds) * 1000):
            with contextlib.suppress(BlockingIOError):
                os.read(self._pipe[0], 4096)
        return self._came.pop(0) if self._came else 0


class Command:
    """A command that a tool has started and watches."""

    def __init__(self, words: Sequence[str]) -> None:
        """Start `words`.

        Raises:
            OSError: it cannot be started; `start_status` gives the exit status for that.
        """
        self._process = subprocess.Popen(list(words), close_fds=False)
        self.pid = self._process.pid

    def status(self) -> Optional[int]:
        """Exit status as a shell gives it (128 + N after signal N), None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def wait(self, waiter: Waiter) -> int:
        """Wait for the end of the command, handing on signals, and return its status."""
        status = self.status()
        while status is None:
            number = waiter.wait(1.0)
            if number:
                self.forward(number)
            status = self.status()
        return status

    def forward(self, number: int) -> None:
        """Send on a signal that the tool got, unless the command has it from the terminal too."""
        if number != signal.SIGINT or not _in_foreground():
            self._process.send_signal(number)


def start_status(error: OSError) -> int:
    """The exit status of a shell for a command that could not be started."""
    return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


def start(words: Sequence[str], program: str) -> Tuple[Optional[Command], int]:
    """Start a command; (None, exit status) after a message if that cannot be done."""
    try:
        return Command(words), 0
    except OSError as error:
        print(f"{program}: {words[0]}: {error.strerror}", file=sys.stderr)
        return None, start_status(error)


def _in_foreground() -> bool:
    """Whether a Ctrl-C of a terminal reaches this process, and so the command as well."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
