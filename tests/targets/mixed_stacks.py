# SPDX-License-Identifier: MIT
"""As stacks.py, through the Cython module of mixed.pyx. usage: mixed_stacks.py FOLDER"""

import sys

from odd import note, valloc

sys.path.insert(0, sys.argv[1])
import mixed  # noqa: E402


def inner():
    note(1234, mixed.allocate(1234))
    note(1235, valloc(1235))


mixed.call(inner)
note(1236, mixed.allocate(1236))
