# SPDX-License-Identifier: MIT
"""A few allocations whose lines the test knows."""

from odd import valloc


def inner():
    valloc(1234)  # line: first
    valloc(1235)  # line: second


def outer():
    inner()  # line: calls_inner


def spread():
    max(
        1,
        valloc(1238),  # line: argument
    )


valloc(1236)  # line: root
outer()  # line: call
spread()
valloc(1237)  # line: root_later
