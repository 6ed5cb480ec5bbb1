# SPDX-License-Identifier: MIT
"""Objects of a small class, 50,000 a turn, dropped by the thousand: CPython 3.13.0 reports such ends."""

from itertools import repeat

from ending import last_statement, turns


class Small:
    __slots__ = ()


def loop(number: int) -> None:
    kept = []
    for _ in repeat(None, number // 1000):
        kept.extend([Small() for _ in repeat(None, 1000)])
        kept.clear()


for _ in range(turns(200)):
    loop(50_000)
last_statement("done")
