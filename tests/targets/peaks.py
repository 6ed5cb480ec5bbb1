# SPDX-License-Identifier: MIT
"""Blocks that come and go, large enough to decide where the peak of the heap lies.

usage: peaks.py CASE. A MB is not touched, so nothing here takes real memory.
"""

import functools
import sys
import threading
import time

from odd import free, malloc, memalign, report, valloc, wait_for_sampler

MB = 10**6


def nothing():
    pass


def single():
    valloc(50 * MB)  # line: kept


def freed_before():
    free(valloc(50 * MB))  # line: before
    valloc(60 * MB)  # line: peak


def freed_after():
    block = valloc(50 * MB)  # line: first
    other = valloc(60 * MB)  # line: second
    free(block)
    free(other)


def after_the_peak():
    free(valloc(60 * MB))  # line: at_peak
    valloc(50 * MB)  # line: later


def final():
    for size in range(1, 10):
        free(valloc(size * MB))  # line: small
    valloc(50 * MB)  # line: last


def several():
    for size in (30, 70, 50):
        blocks = [valloc(size * MB) for _ in range(2)]  # line: spike
        for block in blocks:
            free(block)


def rising():
    for size in range(10, 60):
        valloc(MB // 10)  # line: step
        free(valloc(size * MB))  # line: spike_of_rise
    valloc(5)  # line: tiny


def between_leaked():
    free(valloc(50 * MB))  # line: peak_one
    valloc(20 * MB)  # line: leaked
    free(valloc(60 * MB))  # line: peak_two


def between_freed():
    free(valloc(60 * MB))  # line: highest
    free(valloc(20 * MB))  # line: between
    free(valloc(50 * MB))  # line: lower


def loop():
    for _ in range(10):
        valloc(MB)  # line: same
    valloc(MB)  # line: other
    valloc(MB)  # line: another


def two_allocators():
    for allocate in (valloc, malloc, functools.partial(memalign, 64)):
        allocate(10 * MB)  # line: mixed


def _in_threads(function):
    made = [threading.Thread(target=function, name=f"maker {n}") for n in range(4)]
    for thread in made:
        thread.start()
        thread.join()


def per_thread():
    def make():
        valloc(10 * MB)  # line: threaded

    _in_threads(make)
    make()


def leaks():
    held = []
    for number in range(100):
        held.append(valloc(MB + number))  # line: some_leak
        free(valloc(MB))  # line: no_leak
    for block in held[:30] + held[40:]:
        free(block)


def thread_leaks():
    def make():
        valloc(3 * MB)  # line: leaked_in_thread
        free(valloc(5 * MB))  # line: freed_in_thread

    _in_threads(make)


def handed_over():
    """Allocated in one thread, freed in another: no leak."""
    blocks = []
    _in_threads(lambda: blocks.append(valloc(3 * MB)))  # line: handed
    for block in blocks:
        free(block)


def moments():
    """Allocated and freed at times that the target notes, in seconds since the epoch."""
    times = []

    def pause():
        wait_for_sampler()  # which moves the clock of events on
        times.append(time.time())
        wait_for_sampler()

    pause()
    first = valloc(10 * MB)  # line: moment_one
    pause()
    second = valloc(20 * MB)  # line: moment_two
    free(first)
    pause()
    free(second)
    pause()
    report(times=times)


def temporary():
    for _ in range(50):
        free(valloc(2 * MB))  # line: short_lived
    first = valloc(MB)  # line: one_between
    valloc(3)  # line: kept_between
    free(first)
    blocks = [0] * 200
    for number in range(200):
        blocks[number] = valloc(MB + number)  # line: long_lived
    valloc(4), valloc(5)
    for block in blocks:
        free(block)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
