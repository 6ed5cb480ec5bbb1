# SPDX-License-Identifier: MIT
"""What the workloads share: how much to do, and the time of the last statement."""

import os
import sys
import time


def turns(number: int) -> int:
    """So many turns, times the scale of the command line (SCALE FILE), at least one."""
    return max(1, round(number * float(sys.argv[1])))


def last_statement(result: object) -> None:
    """Prints the result, and writes the monotonic clock to FILE."""
    print(result, flush=True)
    with open(sys.argv[2], "wb", buffering=0) as file:
        os.write(file.fileno(), b"%d" % time.monotonic_ns())
