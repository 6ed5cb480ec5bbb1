# SPDX-License-Identifier: MIT
"""For targets: blocks that stand out in a log, and what the interpreter itself says of their stack.

CPython never calls valloc(), and no two noted blocks of a program have the same size.
"""

import ctypes
import json
import os
import sys

_report = None


def _function(library, name, restype, *argtypes):
    function = getattr(library, name)
    function.restype = restype
    function.argtypes = argtypes
    return function


_released = ctypes.CDLL(None)  # its calls release the GIL
_held = ctypes.PyDLL(None)  # its calls keep it
valloc = _function(_released, "valloc", ctypes.c_void_p, ctypes.c_size_t)
valloc_held = _function(_held, "valloc", ctypes.c_void_p, ctypes.c_size_t)
malloc = _function(_released, "malloc", ctypes.c_void_p, ctypes.c_size_t)
memalign = _function(_released, "memalign", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
free = _function(_released, "free", None, ctypes.c_void_p)


def report(**fields):
    """A line for the test."""
    global _report
    if _report is None:
        path = os.environ.get("PMT_REPORT", os.devnull)
        _report = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(_report, (json.dumps(fields) + "\n").encode())


def stack(frame):
    """Function, file and line of each frame, innermost first."""
    found = []
    while frame is not None:
        code = frame.f_code
        found.append((getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return found


def _sleeps(folder, thread):
    """How often a thread has gone to sleep; -1: it has ended."""
    try:
        file = os.open(thread + "/status", os.O_RDONLY, dir_fd=folder)
        text = os.read(file, 10000)
        os.close(file)
    except OSError:
        return -1
    return int(text.split(b"\nvoluntary_ctxt_switches:")[1].split()[0])


def wait_for_sampler(folder=None):
    """Until the tracer's own thread, if there is one, has looked around after this call began.

    It is a thread that Python does not know, and it sleeps between two looks. FOLDER: /proc/self/task,
    opened before, for a program that has changed its root.
    """
    import threading
    import time

    if folder is None:
        folder = os.open("/proc/self/task", os.O_RDONLY)
        wait_for_sampler(folder)
        os.close(folder)
        return
    known = {str(thread.native_id) for thread in threading.enumerate()}
    wanted = {one: _sleeps(folder, one) + 5 for one in os.listdir(folder) if one not in known}
    end = time.monotonic() + 60
    while any(0 <= _sleeps(folder, one) < at for one, at in wanted.items()):
        assert time.monotonic() < end
        time.sleep(0.01)


def note(size, pointer):
    """Say with which stack the block was allocated: note(1234, valloc(1234)), on one line."""
    assert pointer
    report(size=size, stack=stack(sys._getframe(1)))
    return pointer
