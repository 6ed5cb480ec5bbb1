# SPDX-License-Identifier: MIT
"""Threads hold objects and buffers, in different ways, while the main thread asks for a moment.

held_back.py HOW MOMENT: HOW is what the threads do meanwhile, MOMENT `end`, `return`, `snapshot` or `mark`.
"""

import ctypes
import hashlib
import os
import sys
import threading

THREADS = 6
OBJECTS = 70
BUFFER = 1_721  # bytes asked for, without the head of a bytes object
BUFFERS = 15


class Kept:
    __slots__ = ("value",)


class Dropped(Kept):
    __slots__ = ()


class Buffer(bytes):
    pass


gone: list = []


def ask(moment: str) -> None:
    function = getattr(ctypes.PyDLL(None), "pymemtrace_" + moment, None)
    if function is not None:
        assert function(b"now") == 0


def work(how: str, ready: threading.Semaphore, go: threading.Event, keep: list) -> None:
    dropped = [Dropped() for _ in range(OBJECTS)]  # line: Dropped
    mine = [Kept() for _ in range(OBJECTS)]  # line: Kept
    mine += [Buffer(bytes(BUFFER)) for _ in range(BUFFERS)]  # line: Buffer
    keep.append(mine)
    if how == "ended":
        dropped.clear()
        ready.release()
        return
    ready.release()
    if how == "busy":
        data = bytes(1 << 16)
        while not go.is_set():
            hashlib.sha256(data).digest()  # without the interpreter's lock
    while how == "spinning" and not gone:
        pass  # makes nothing
    if how != "spinning":
        go.wait()
    # The youngest are still held back: they end without a record, if nobody has asked.
    mine.clear()
    dropped.clear()


def main(how: str, moment: str) -> None:
    ready, go = threading.Semaphore(0), threading.Event()
    keep: list = []
    threads = []
    for _ in range(1 if how == "spinning" else THREADS):
        thread = threading.Thread(target=work, args=(how, ready, go, keep), daemon=True)
        thread.start()
        if how != "busy":
            ready.acquire()
        threads.append(thread)
    for _ in range(THREADS if how == "busy" else 0):
        ready.acquire()
    if how == "ended":
        for thread in threads:
            thread.join()
    if moment == "end":
        os._exit(0)
    if moment == "return":
        return
    ask(moment)
    gone.append(True)
    go.set()
    for thread in threads:
        thread.join()


main(*sys.argv[1:])
