# SPDX-License-Identifier: MIT
"""``python -m pymemtrace`` is the program ``pymemtrace``, by another name."""

from __future__ import annotations

import os
import signal
import sys

from pymemtrace import program_path


def environment() -> dict[bytes, bytes]:
    """The environment as it was before this interpreter put LC_CTYPE into it (PEP 538)."""
    now = dict(os.environb)
    try:
        with open("/proc/self/environ", "rb") as file:
            before = file.read().split(b"\0")
    except OSError:
        return now
    if not any(variable.startswith(b"LC_CTYPE=") for variable in before):
        now.pop(b"LC_CTYPE", None)
    return now


def main() -> None:
    """Runs the program in place of this process, with the signals as they usually are."""
    try:
        program = program_path()
    except FileNotFoundError as error:
        sys.exit(f"pymemtrace: {error}")
    # This interpreter ignores these two, and the program and what it runs would do so, too.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execve(program, ["pymemtrace", *sys.argv[1:]], environment())


if __name__ == "__main__":
    main()
