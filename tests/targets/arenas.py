# SPDX-License-Identifier: MIT
"""Small objects that fill Python's arenas, most of them freed. usage: arenas.py [_exit]"""

import os
import sys

from odd import report, wait_for_sampler


def rss():
    with open("/proc/self/smaps_rollup") as lines:
        for line in lines:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    return 0


def main():
    before = sys.getallocatedblocks()
    objects = [(i,) for i in range(600_000, 1_100_000)]
    report(rss=rss(), blocks=sys.getallocatedblocks() - before)
    wait_for_sampler()
    # Every thousandth stays, and keeps its arena.
    objects = objects[::1000]
    report(rss=rss(), blocks=sys.getallocatedblocks() - before)
    if "_exit" in sys.argv:
        os._exit(0)
    wait_for_sampler()


main()
