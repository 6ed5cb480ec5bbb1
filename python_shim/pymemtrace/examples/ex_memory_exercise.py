# SPDX-License-Identifier: MIT
"""Make memory grow and shrink, in Python, in C and by a reference leak, for a tracer to see."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from typing import List

from pymemtrace import cMemLeak, custom

logger = logging.getLogger(__name__)

COUNT = 8
SIZE = 1024**2


def exercise_python(wait: float) -> None:
    """Eight strings of 1 MiB, one after another, and away with them."""
    strings: List[str] = []
    for _ in range(COUNT):
        strings.append(" " * SIZE)
        time.sleep(wait)
    logger.info("Python: %d bytes in %d strings", sum(map(sys.getsizeof, strings)), len(strings))
    while strings:
        strings.pop()
        time.sleep(wait)


def exercise_c(wait: float) -> None:
    """Eight blocks of malloc(), each freed before the next."""
    for _ in range(COUNT):
        block = cMemLeak.CMalloc(SIZE)
        logger.info("C: %d bytes at 0x%x", block.size, block.buffer)
        time.sleep(wait)
        del block


def exercise_objects(wait: float) -> None:
    """Objects of an extension type."""
    objects = [custom.Custom("First", "Last", number) for number in range(COUNT)]
    logger.info("Objects: %s", ", ".join(o.name() for o in objects[:2]))
    time.sleep(wait)


def leak_a_reference() -> None:
    """A reference too many: the string, of 1 MiB, is never freed."""
    lost = " " * SIZE
    before = cMemLeak.py_refcnt_of_object(lost)
    cMemLeak.py_incref(lost)
    after = cMemLeak.py_refcnt_of_object(lost)
    logger.info("Leak: %d bytes; references were %d, are %d", sys.getsizeof(lost), before, after)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-p", "--pause", action="store_true", help="wait before the start")
    parser.add_argument("-n", "--number", type=int, default=1, help="rounds [default: %(default)s]")
    parser.add_argument(
        "-w", "--wait", type=float, default=0.0, help="seconds between steps [default: %(default)s]"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(process)5d %(message)s", stream=sys.stdout)
    if args.pause:
        input(f"Process {os.getpid()}: press return to begin ")
    start = time.perf_counter()
    for _ in range(args.number):
        exercise_python(args.wait)
        exercise_c(args.wait)
        exercise_objects(args.wait)
        leak_a_reference()
    logger.info("Runtime: %.3f (s)", time.perf_counter() - start)
    return 0


if __name__ == "__main__":
    sys.exit(main())
