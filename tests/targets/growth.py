# SPDX-License-Identifier: MIT
"""Functions that let the resident set grow and shrink by known amounts."""

import mmap

MIB = 1 << 20
FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x8000  # MAP_POPULATE: all pages at once


def grow(mib):
    """Pages that are there at once, and are gone when the mapping is."""
    return mmap.mmap(-1, mib * MIB, FLAGS)


def shrink(kept):
    while kept:
        kept.pop().close()


def outer():
    kept = [grow(16), grow(8)]
    own = mmap.mmap(-1, 12 * MIB, FLAGS)
    shrink(kept)
    return own


def recursive(depth):
    if depth == 0:
        return grow(10)
    return recursive(depth - 1)


def numbers():
    kept = []
    for number in range(5):
        kept.append(mmap.mmap(-1, 4 * MIB, FLAGS))
        yield number


def failing():
    kept = grow(6)
    raise ValueError(len(kept))


def main():
    kept = [outer(), recursive(30)]
    total = sum(numbers())
    try:
        failing()
    except ValueError:
        pass
    print(total, [len(k) for k in kept])


main()
