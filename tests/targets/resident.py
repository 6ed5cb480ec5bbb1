# SPDX-License-Identifier: MIT
"""Memory that is really used, and what the kernel says of it. usage: resident.py CASE"""

import mmap
import sys
import time

from odd import report, wait_for_sampler


def _status():
    found = {}
    with open("/proc/self/status") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.startswith(("Vm", "Rss", "Huge")):
                found[key] = int(value.split()[0]) * 1024
    return found


def steps():
    """Idle, 64 MB more, idle, given back, idle; each state reported with the time."""

    def state(name):
        wait_for_sampler()
        report(name=name, time_s=time.time(), **_status())
        wait_for_sampler()

    state("before")
    memory = mmap.mmap(-1, 64 << 20)
    for at in range(0, 64 << 20, 4096):
        memory[at] = 1
    state("grown")
    memory.close()
    state("shrunk")


def busy():
    """Half a second of the processor in which memory changes all the time."""
    begin_s = time.time()
    until = time.thread_time() + 0.5
    blocks = []
    while time.thread_time() < until:
        blocks.append(bytearray(50000))
        if len(blocks) > 500:
            blocks.clear()
    report(cpu_ns=time.process_time_ns(), begin_s=begin_s, end_s=time.time(), **_status())


def idle():
    """Half a second in which nothing happens."""
    wait_for_sampler()
    begin_s = time.time()
    time.sleep(0.5)
    report(begin_s=begin_s, end_s=time.time(), **_status())


def shared():
    """Shared memory is told apart from anonymous memory."""
    private = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    common = mmap.mmap(-1, 48 << 20)  # MAP_SHARED
    for at in range(0, 32 << 20, 4096):
        private[at] = 1
    for at in range(0, 48 << 20, 4096):
        common[at] = 1
    time.sleep(1.1)  # a value that does not change is written again after a second, with its parts
    wait_for_sampler()
    report(**_status())


if __name__ == "__main__":
    globals()[sys.argv[1]]()
