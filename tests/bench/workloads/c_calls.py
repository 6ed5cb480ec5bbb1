# SPDX-License-Identifier: MIT
"""Calls of a C function, 60,000 a turn."""

from itertools import repeat

from ending import last_statement, turns


def loop(number: int) -> None:
    some = [1, 2, 3]
    for _ in repeat(None, number):
        len(some)


for _ in range(turns(300)):
    loop(60_000)
last_statement("done")
