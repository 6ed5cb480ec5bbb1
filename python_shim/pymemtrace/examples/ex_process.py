# SPDX-License-Identifier: MIT
"""Log this process while it makes and drops large strings, with a label for each.

Usage: python -m pymemtrace.examples.ex_process [SCALE], where SCALE (1) multiplies the number of
strings and their sizes.
"""

from __future__ import annotations

import logging
import sys
import time

from pymemtrace import process


def make_strings(scale: int, monitor: process.ProcessLoggingThread) -> None:
    """Hold more and more strings of some megabytes, then let them go."""
    held = []
    for number in range(4 * scale):
        size = (number % 4 + 1) * scale * 5 * 1024 * 1024
        monitor.add_message_to_queue(f"string of {size / 1024**2:.0f} MB")
        held.append("x" * size)
        time.sleep(0.1)
    while held:
        held.pop()
        time.sleep(0.05)


def main() -> int:
    """Run the example; the log goes to stderr."""
    scale = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with process.log_process(interval=0.05) as monitor:
        make_strings(scale, monitor)
    return 0


if __name__ == "__main__":
    sys.exit(main())
