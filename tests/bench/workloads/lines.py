# SPDX-License-Identifier: MIT
"""Lines that do little, five a turn of the inner loop, no calls in it."""

from itertools import repeat

from ending import last_statement, turns


def loop(number: int) -> int:
    a, b = 1, 2
    for _ in repeat(None, number):
        a ^= b
        b ^= a
        a ^= b
        b &= 127
    return a + b


total = 0
for _ in range(turns(800)):
    total += loop(10_000)
last_statement(total)
