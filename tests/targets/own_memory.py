# SPDX-License-Identifier: MIT
"""Says what its process holds in pages of its own, after work of a known kind: threads N, stacks N, trivial."""

import json
import os
import sys
import threading


def private_bytes():
    total = 0
    with open("/proc/self/smaps") as smaps:
        for line in smaps:
            if line.startswith("Private_Dirty:"):
                total += int(line.split()[1])
    return total * 1024


def report():
    with open(os.environ["PMT_REPORT"], "w") as out:
        out.write(json.dumps({"private": private_bytes()}) + "\n")


def wait(started, stop):
    blocks = [bytearray(1000) for _ in range(20)]
    started.release()
    stop.wait()
    del blocks


def work(started, stop):
    for i in range(30000):
        kept = [bytearray(700), bytearray(i % 4000)]
        del kept
    started.release()
    stop.wait()


def many_threads(count, target):
    threading.stack_size(131072)
    started, stop = threading.Semaphore(0), threading.Event()
    threads = [threading.Thread(target=target, args=(started, stop)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        started.acquire()
    report()
    stop.set()
    for thread in threads:
        thread.join()


# Each level calls the next one from one of eight places: 8 ** depth stacks.
def level(depth):
    if depth == 0:
        bytearray(600)
        return
    level(depth - 1), level(depth - 1), level(depth - 1), level(depth - 1)
    level(depth - 1), level(depth - 1), level(depth - 1), level(depth - 1)


def long_tables(count):
    """Code objects with line tables of some kilobytes, each longer than the one before."""
    for i in range(count):
        lines = "".join(f"x = bytearray({600 + j})\n" for j in range(60 * i))
        exec(compile(lines, f"<table {i}>", "exec"), {})


def main():
    kind, count = sys.argv[1], int(sys.argv[2])
    if kind == "threads":
        many_threads(count, wait)
    elif kind == "busy":
        many_threads(count, work)
    elif kind == "stacks":
        level(count)
        report()
    else:
        if kind == "tables":
            long_tables(count)
        report()


main()
