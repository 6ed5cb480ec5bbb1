# SPDX-License-Identifier: MIT
"""Objects of a small class, 50,000 a turn, each dropped when it is made."""

from itertools import repeat

from ending import last_statement, turns


class Small:
    __slots__ = ()


def loop(number: int) -> None:
    for _ in repeat(None, number):
        Small()


for _ in range(turns(200)):
    loop(50_000)
last_statement("done")
