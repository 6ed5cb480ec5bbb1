# SPDX-License-Identifier: MIT
"""A program that keeps too much: find out where, with two tools that need no preparation.

``python -m pymemtrace.examples.example``
"""

from __future__ import annotations

import sys
from typing import Dict, List

from pymemtrace import debug_malloc_stats, trace_malloc


class Shop:
    """Looks orders up, and never forgets one."""

    def __init__(self) -> None:
        self.cache: Dict[int, List[str]] = {}

    def order(self, number: int) -> List[str]:
        """The lines of an order."""
        if number not in self.cache:
            self.cache[number] = [f"order {number} line {line}" for line in range(5)]
        return self.cache[number]


def serve(shop: Shop, first: int, count: int) -> int:
    """A day's work; the characters of all orders."""
    return sum(len(line) for number in range(first, first + count) for line in shop.order(number))


def main() -> int:
    """Run it."""
    shop = Shop()
    serve(shop, 0, 100)
    print("Which lines hold more memory after another 1000 orders (trace_malloc):")
    with trace_malloc.TraceMalloc("lineno") as trace:
        serve(shop, 100, 1000)
    print(f"{trace.diff:,d} bytes")
    for statistic in trace.net_statistics()[:3]:
        frame = statistic.traceback[-1]
        print(
            f"{statistic.size_diff:+9,d} bytes {statistic.count_diff:+6,d} blocks"
            f"  line {frame.lineno}"
        )
    print()
    print("What kind of blocks they are (debug_malloc_stats):")
    with debug_malloc_stats.DiffSysDebugMallocStats() as difference:
        serve(shop, 1100, 1000)
    print(difference.diff())
    return 0


if __name__ == "__main__":
    sys.exit(main())
