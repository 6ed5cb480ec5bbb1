# SPDX-License-Identifier: MIT
"""Threads that are named in different ways, each with a block of its own."""

import os
import sys
import threading
import time

from odd import note, report, valloc


def body(size):
    note(size, valloc(size))
    report(name=threading.current_thread().name, size=size, tid=threading.get_native_id())


def renames(size):
    threading.current_thread().name = "from inside"
    body(size)


def main():
    body(1300)
    made = [
        threading.Thread(target=body, args=(1301,), name="before start"),
        threading.Thread(target=renames, args=(1302,)),
        threading.Thread(target=body, args=(1303,)),
    ]
    for thread in made:
        thread.start()
        thread.join()
    sys.stdout.flush()
    # A thread that still ends while the interpreter does aborts CPython 3.12 now and then (-X dev).
    while any(os.path.exists("/proc/self/task/%d" % thread.native_id) for thread in made):
        time.sleep(0.001)


main()
