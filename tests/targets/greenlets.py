# SPDX-License-Identifier: MIT
"""Greenlets that switch between allocations. usage: greenlets.py FOLDER (where greenlet is)"""

import sys

from odd import note, valloc

note(1233, valloc(1233))
sys.path.insert(0, sys.argv[1])
from greenlet import greenlet  # noqa: E402


def ping():
    note(1234, valloc(1234))
    second.switch()
    note(1235, valloc(1235))
    deeper(10)


def deeper(depth):
    if depth:
        return deeper(depth - 1)
    note(1236, valloc(1236))
    second.switch()
    note(1237, valloc(1237))


def pong():
    note(1238, valloc(1238))
    first.switch()
    note(1239, valloc(1239))
    first.switch()


first, second = greenlet(ping), greenlet(pong)
first.switch()
note(1240, valloc(1240))
