# SPDX-License-Identifier: MIT
"""Ways in which a Python program ends. usage: ending.py CASE"""

import ctypes
import os
import signal
import sys
import threading
import time

from odd import note, valloc


def returns():
    print("end")


def exits():
    sys.exit(3)


def raises():
    raise RuntimeError("told so")


def underscore_exits():
    print("end", flush=True)
    os._exit(4)


def aborts():
    os.abort()


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def is_terminated():
    os.kill(os.getpid(), signal.SIGTERM)


def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)


def c_exits():
    """exit() of the C library, past Py_Finalize."""
    print("end", flush=True)
    ctypes.PyDLL(None).exit(5)


def finalizes():
    """Py_FinalizeEx, then exit(): both by hand."""
    print("end", flush=True)
    api = ctypes.PyDLL(None)
    api.Py_Exit(6)


def with_daemons():
    """Threads are still at work at the end."""

    def body():
        while True:
            bytearray(3000)
            time.sleep(0.0001)

    for _ in range(3):
        threading.Thread(target=body, daemon=True).start()
    time.sleep(0.05)
    print("end")


def late_thread():
    """A thread that lives longer than the main thread's code."""

    def body():
        time.sleep(0.1)
        note(1235, valloc(1235))

    threading.Thread(target=body).start()


def closed_streams():
    for fd in range(3):
        os.close(fd)
    [bytearray(1000) for _ in range(1000)]
    os._exit(7)


def renamed():
    """What setproctitle does: the command line and the name are overwritten."""
    libc = ctypes.CDLL(None)
    libc.prctl(15, b"renamed", 0, 0, 0)
    note(1235, valloc(1235))


note(1234, valloc(1234))
globals()[sys.argv[1]]()
