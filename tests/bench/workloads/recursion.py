# SPDX-License-Identifier: MIT
"""Deep recursion that allocates at every depth."""

import sys

from ending import last_statement, turns

sys.setrecursionlimit(2000)


def down(depth: int, path: list) -> int:  # type: ignore[type-arg]
    here = [depth, str(depth), bytearray(600)]
    size = down(depth - 1, [*path[-3:], here]) if depth else 0
    return size + len(here) + len(path)


total = 0
for _ in range(turns(300)):
    total += down(900, [])
last_statement(total)
