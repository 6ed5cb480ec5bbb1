# SPDX-License-Identifier: MIT
"""What the programs that read logs have in common."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from typing import Callable, Iterable, Tuple

_LEVELS = "debug=10, info=20, warning=30, error=40, critical=50"


class NotThisLogError(ValueError):
    """A file is not the kind of log that a program reads."""


def printable(text: str) -> str:
    """Text from a log, with whatever could move a terminal's cursor written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Complaints:
    """Logs the first few problems of a kind, and at the end how many more there were."""

    MOST = 5

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._counts: dict[str, int] = {}

    def add(self, kind: str, text: str) -> None:
        """Log a problem of a kind, such as ``'line not understood'``."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] <= self.MOST:
            self._logger.warning("%s: %s", kind, printable(text))

    def close(self) -> None:
        """Say how many were not logged."""
        for kind, count in self._counts.items():
            if count > self.MOST:
                self._logger.warning("%s: %d more", kind, count - self.MOST)
        self._counts.clear()


def add_log_level(parser: argparse.ArgumentParser) -> None:
    """Add ``-l``, ``--log_level``."""
    parser.add_argument(
        "-l",
        "--log_level",
        type=int,
        default=logging.INFO,
        help=f"Log level ({_LEVELS}) [default: %(default)s]",
    )


def run(
    parser: argparse.ArgumentParser,
    report: Callable[[argparse.Namespace], Iterable[str]],
    arguments: Tuple[str, ...],
) -> int:
    """Print a report on stdout, and the time that it took; exit status 1 after a failure."""
    args = parser.parse_args(arguments or None)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(
        level=args.log_level,
        format="%(asctime)s - %(filename)s#%(lineno)d - %(levelname)-8s - %(message)s",
        stream=sys.stdout,
    )
    logging.raiseExceptions = False  # stdout may be a pipe that nobody reads any more
    start = time.perf_counter()
    try:
        for line in report(args):
            print(line)
        print(f"Process time: {time.perf_counter() - start:.3f} (s)", flush=True)
    except BrokenPipeError:  # into head(1), say; and nothing more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, NotThisLogError) as error:
        sys.stdout.flush()
        print(f"{parser.prog}: {printable(str(error))}", file=sys.stderr)
        return 1
    return 0
