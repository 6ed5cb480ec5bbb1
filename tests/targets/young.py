# SPDX-License-Identifier: MIT
"""Blocks of all ages, deterministic: lives of all lengths, growing lists, generators, deep calls."""

import sys


def lives(ages):
    """Blocks that live for so many further blocks, one after the other."""
    kept = []
    for number in range(4000):
        kept.append(bytearray(100 + number % 50))
        age = ages[number % len(ages)]
        while len(kept) > age:
            del kept[0]
    return len(kept)


def growing():
    for length in range(300):
        items = []
        for number in range(length):
            items.append(number)
        text = bytearray()
        for number in range(length):
            text += b"0123456789"


def numbers(count):
    for number in range(count):
        yield [number] * 5


def deep(depth):
    here = [bytearray(600), str(depth)]
    return len(here) + (deep(depth - 1) if depth else 0)


def fail(number):
    if number % 3:
        raise ValueError(str(number))
    return bytes(number)


for _ in range(3):
    lives([1])
    lives([0, 3, 50, 100, 200, 600])
    growing()
    sum(len(item) for item in numbers(3000))
    deep(200)
    for each in range(2000):
        try:
            fail(each)
        except ValueError:
            pass
at_end = [bytearray(5000) for _ in range(100)]
print(sys.getrefcount(None) > 0, len(at_end))
