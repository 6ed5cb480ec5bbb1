# SPDX-License-Identifier: MIT
"""What strings cost, as TraceMalloc tells it, and what TraceMalloc itself costs.

``python -m pymemtrace.examples.ex_trace_malloc`` shows the first; with ``--timeit [NUMBER]`` it
measures the second.
"""

from __future__ import annotations

import argparse
import logging
import sys
import timeit
from typing import List

from pymemtrace import trace_malloc

COUNT = 16
SIZES = (256, 1024, 1024**2)


def create_string(size: int) -> str:
    """A new string of so many characters."""
    return " " * size


def create_strings(kept: List[str], size: int) -> None:
    """Keep COUNT strings."""
    for _ in range(COUNT):
        kept.append(create_string(size))


def example_context(granularity: str) -> None:
    """What is allocated within a context, by file, line or stack."""
    kept: List[str] = []
    with trace_malloc.TraceMalloc(granularity) as trace:
        create_strings(kept, 1024**2)
    print(f"{granularity}: {trace.diff:,d} bytes more in {len(kept)} strings of 1 MiB")
    print(f"tracemalloc itself took {trace.tracemalloc_memory_usage:,d} bytes")
    for statistic in trace.net_statistics()[:2]:
        print(statistic)
        for line in statistic.traceback.format() if granularity == "traceback" else ():
            print(line)
    print()


@trace_malloc.trace_malloc_log(logging.INFO)
def example_decorator(kept: List[str]) -> None:
    """Each call is logged."""
    create_strings(kept, 1024)


def run_timeit(number: int) -> None:
    """Time of COUNT strings without and with TraceMalloc, in microseconds."""

    def traced(size: int, granularity: str) -> None:
        with trace_malloc.TraceMalloc(granularity):
            create_strings([], size)

    print(f"{'granularity':12} {'size':>8} {'without us':>11} {'with us':>11} {'times':>7}")
    for granularity in trace_malloc.TraceMalloc.ALLOWED_GRANULARITY:
        for size in SIZES:
            scale = 1e6 / number

            def plain(size: int = size) -> None:
                create_strings([], size)

            def with_trace(size: int = size, granularity: str = granularity) -> None:
                traced(size, granularity)

            without = min(timeit.repeat(plain, number=number, repeat=5)) * scale
            within = min(timeit.repeat(with_trace, number=number, repeat=5)) * scale
            print(
                f"{granularity:12} {size:8d} {without:11.1f} {within:11.1f} {within / without:7.1f}"
            )


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timeit", type=int, nargs="?", const=100, metavar="NUMBER")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    if args.timeit:
        run_timeit(args.timeit)
        return 0
    for granularity in trace_malloc.TraceMalloc.ALLOWED_GRANULARITY:
        example_context(granularity)
    kept: List[str] = []
    example_decorator(kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
