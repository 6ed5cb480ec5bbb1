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


def note(size, pointer):
    """Say with which stack the block was allocated: note(1234, valloc(1234)), on one line."""
    assert pointer
    report(size=size, stack=stack(sys._getframe(1)))
    return pointer
