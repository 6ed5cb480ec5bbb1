# SPDX-License-Identifier: MIT
"""Small and large lists, UUIDs, numpy, calls within calls: what mempulse is measured on, smaller."""

import builtins
import gc
import random
import uuid
from typing import Any, Callable, List, TypeVar

import numpy as np  # type: ignore[import-not-found,unused-ignore]
from ending import last_statement, turns

# memory_profiler wants to be told which functions to watch.
F = TypeVar("F", bound=Callable[[], Any])


def watched(function: F) -> F:
    mark: Callable[[F], F] = getattr(builtins, "watched", lambda same: same)
    return mark(function)


@watched
def small() -> int:
    a = [1] * turns(100_000)
    b = [2] * turns(100_000)
    return len(a) + len(b)


@watched
def large() -> int:
    a = [1] * turns(100_000)
    b = [1] * turns(1_000_000)
    c = [1] * turns(4_000_000)
    del b
    return len(a) + len(c)


@watched
def uuids() -> int:
    found: List[str] = []
    for _ in range(turns(5000)):
        found.append(str(uuid.UUID(int=random.getrandbits(128))))
    return len(found)


@watched
def arrays() -> float:
    total = 0.0
    for _ in range(turns(300)):
        a = np.random.rand(10_000)
        b = np.random.rand(10_000)
        c = a * b
        total += float(c.sum() + c.mean())
    return total


@watched
def large_array() -> int:
    a = np.random.rand(turns(300_000), 10)
    means = a.mean(axis=0)
    return int(means.size)


@watched
def innermost() -> int:
    return len({n: n for n in range(turns(10_000))})


@watched
def inner() -> int:
    a = [1] * turns(10_000)
    return len(a) + innermost()


@watched
def outer() -> int:
    a = [1] * turns(100_000)
    b = inner()
    return len(a) + b


@watched
def main() -> int:
    size = small()
    size += large()
    size += uuids()
    size += int(arrays() > 0)
    size += large_array()
    gc.collect()
    size += outer()
    return size


random.seed(1)
last_statement(main())
