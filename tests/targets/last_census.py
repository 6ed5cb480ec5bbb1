# SPDX-License-Identifier: MIT
"""Processes that end in other ways than by the end of their program.

last_census.py HOW: see main() and end_by(). What ends has 5,000 objects of the class Record.
"""

import ctypes
import os
import signal
import sys
import threading
import time


class Record:
    pass


def end_by(how: str) -> None:
    ready, to_child = os.pipe()
    pid = os.fork()
    if pid == 0:
        keep = [Record() for _ in range(5000)]
        if how == "kill":
            os.kill(os.getpid(), signal.SIGTERM)
        elif how == "raise":
            signal.raise_signal(signal.SIGUSR1)
        elif how == "self_kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "term_in_thread":
            threading.Thread(target=spin, daemon=True).start()
        os.write(to_child, b".")
        if how == "busy":
            spin()
        while keep:
            time.sleep(1)
    if how.startswith("term") or how == "busy":
        os.read(ready, 1)
        os.kill(pid, signal.SIGTERM)
    print(os.waitpid(pid, 0)[1])


def spin() -> None:
    while True:
        [object() for _ in range(100)]


def pool() -> None:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(1, start_worker) as workers:
        assert workers.map(abs, range(3)) == [0, 1, 2]
    workers.join()


def start_worker() -> None:
    global kept
    kept = [Record() for _ in range(5000)]


def dispositions() -> None:
    """What a program sees of SIGTERM, before, between, and after."""
    seen = []
    print(signal.getsignal(signal.SIGTERM))
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    os.kill(os.getpid(), signal.SIGTERM)
    print(before, seen)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGTERM)
    print(signal.signal(signal.SIGTERM, signal.SIG_DFL), signal.getsignal(signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)
    print(signal.sigwait([signal.SIGTERM]))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def main(how: str) -> None:
    if how == "pool":
        pool()
    elif how == "dispositions":
        dispositions()
    elif how == "exec":
        keep = [Record() for _ in range(5000)]
        os.execv(sys.executable, [sys.executable, "-c", "print('another')"])
        assert keep
    elif how == "interval":
        keep = [Record() for _ in range(5000)]
        # For two censuses; without the tracer there is nothing to wait for.
        end = time.monotonic() + 2.5 * ("PYMEMTRACE_CENSUS" in os.environ)
        while keep and time.monotonic() < end:
            [object() for _ in range(100)]
            time.sleep(0.01)
        kill = ctypes.CDLL(None).syscall  # past all hooks but that of syscall()
        kill(62, os.getpid(), 9)
    else:
        end_by(how)


main(sys.argv[1])
