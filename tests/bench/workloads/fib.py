# SPDX-License-Identifier: MIT
"""Calls of a Python function, 92,735 a turn."""

from ending import last_statement, turns


def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


total = 0
for _ in range(turns(160)):
    total += fib(23)
last_statement(total)
