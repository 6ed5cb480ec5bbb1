# SPDX-License-Identifier: MIT
"""As stacks.py, through the C extension of extension.c. usage: extension_stacks.py CASE FOLDER [LIBRARY]"""

import sys
import threading

from odd import note, report, stack

sys.path.insert(0, sys.argv[2])
import extension  # noqa: E402


def between():
    """Python, C, Python, C."""

    def inner():
        note(1234, extension.valloc(1234))
        note(1235, extension.valloc_released(1235))

    extension.call(inner)
    extension.call(lambda: extension.call(inner_again))


def inner_again():
    note(1236, extension.valloc(1236))


def ensured():
    def inner():
        note(1234, extension.valloc(1234))
        note(1235, extension.valloc_released(1235))

    extension.call_ensured(inner)
    note(1236, extension.valloc_released(1236))


def c_thread():
    def inner():
        note(1234, extension.valloc(1234))
        note(1235, extension.valloc_released(1235))

    extension.call_in_thread(inner)
    note(1236, extension.valloc(1236))


def recursive():
    """Python and C in turn, 50 deep."""
    depth = 0

    def down():
        nonlocal depth
        depth += 1
        if depth < 50:
            extension.call(down)
        else:
            note(1234, extension.valloc(1234))

    down()


def loading():
    report(size=1801, stack=stack(sys._getframe())); assert extension.dlopen_released(sys.argv[3])  # noqa: E702


def released_in_thread():
    def body():
        note(1234, extension.valloc_released(1234))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()


globals()[sys.argv[1]]()
