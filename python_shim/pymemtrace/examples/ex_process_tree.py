# SPDX-License-Identifier: MIT
"""Watch a pool of eight processes that make strings of different sizes.

Usage: python -m pymemtrace.examples.ex_process_tree [SCALE], where SCALE (1) multiplies the sizes
and the time.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from typing import Tuple

PROCESSES = 8


def hold(task: Tuple[int, int]) -> int:
    """Hold some megabytes for a moment; returns how many."""
    number, scale = task
    megabytes = (number % 4 + 1) * 4 * scale
    held = "x" * (megabytes * 1024 * 1024)
    time.sleep(0.2 * scale)
    return len(held) // (1024 * 1024)


def work(scale: int) -> None:
    """What is watched: a pool with more tasks than processes."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        sizes = pool.map(hold, [(number, scale) for number in range(2 * PROCESSES)], chunksize=1)
    print(f"{len(sizes)} tasks, {sum(sizes)} MB in all")


def main() -> int:
    """Start this program again under process_tree; the table goes to stderr."""
    if len(sys.argv) > 2 and sys.argv[2] == "work":
        work(int(sys.argv[1]))
        return 0
    scale = sys.argv[1] if len(sys.argv) > 1 else "1"
    watched = [sys.executable, os.path.abspath(__file__), scale, "work"]
    tool = [sys.executable, "-m", "pymemtrace.process_tree", "-i", "0.2", "-g", "-t", "--total"]
    return subprocess.call([*tool, "--", *watched])


if __name__ == "__main__":
    sys.exit(main())
