# SPDX-License-Identifier: MIT
"""What strings do to the allocator for small objects, and what a look at it costs.

``python -m pymemtrace.examples.ex_debug_malloc_stats`` shows the first; with ``--timeit [NUMBER]``
it measures the second.
"""

from __future__ import annotations

import argparse
import sys
import timeit
import tracemalloc
from typing import List

from pymemtrace import debug_malloc_stats

COUNT = 8
SIZES = (256, 1024, 1024**2)


def create_string(size: int) -> str:
    """A new string of so many characters."""
    return " " * size


def create_strings(kept: List[str], size: int) -> None:
    """Keep COUNT strings."""
    for _ in range(COUNT):
        kept.append(create_string(size))


def example(size: int) -> None:
    """Blocks of more than 512 bytes do not come from this allocator."""
    kept: List[str] = []
    with debug_malloc_stats.DiffSysDebugMallocStats() as difference:
        create_strings(kept, size)
    print(f"{len(kept)} strings of {size} characters".center(75, "-"))
    print(difference.diff())
    print()


def run_timeit(number: int) -> None:
    """Time of COUNT strings without and with two snapshots, in microseconds."""
    print(f"{'size':>8} {'without us':>11} {'with us':>11} {'times':>7}")
    for size in SIZES:

        def plain(size: int = size) -> None:
            create_strings([], size)

        def within(size: int = size) -> None:
            with debug_malloc_stats.DiffSysDebugMallocStats():
                create_strings([], size)

        scale = 1e6 / number
        a = min(timeit.repeat(plain, number=number, repeat=5)) * scale
        b = min(timeit.repeat(within, number=number, repeat=5)) * scale
        print(f"{size:8d} {a:11.1f} {b:11.1f} {b / a:7.1f}")


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timeit", type=int, nargs="?", const=100, metavar="NUMBER")
    args = parser.parse_args()
    if args.timeit:
        run_timeit(args.timeit)
        return 0
    for size in SIZES:
        example(size)
    print("The same while tracemalloc is on:")
    tracemalloc.start()
    example(SIZES[0])
    tracemalloc.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
