# SPDX-License-Identifier: MIT
"""Lists, 50,000 a turn, dropped by the thousand: objects of a type of the interpreter."""

from itertools import repeat
from typing import List

from ending import last_statement, turns


def loop(number: int) -> None:
    kept: List[List[int]] = []
    for _ in repeat(None, number // 1000):
        kept.extend([[] for _ in repeat(None, 1000)])
        kept.clear()


for _ in range(turns(200)):
    loop(50_000)
last_statement("done")
