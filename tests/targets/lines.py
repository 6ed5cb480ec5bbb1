# SPDX-License-Identifier: MIT
"""A deterministic program that holds objects of all kinds at one moment, and says who holds what.

Under tracemalloc (PYTHONTRACEMALLOC=1) it reports the blocks of its own lines, from a snapshot.
Without, it marks the moment in the log by valloc(1234) and reports the time. Both report all objects
that are held, in an order that is the same in every run: the type, and the line or the address.
"""

import asyncio
import collections
import functools
import gc
import sys
import threading
import time
import tracemalloc
import types
import weakref

from odd import malloc, report, valloc, wait_for_sampler  # line: import_odd

OWN = (__file__, "<made>")


class Plain:
    def __init__(self, number):
        self.number = number * 1000
        self.text = "number %d" % number


class Slots:
    __slots__ = ("first", "second", "__weakref__", *("slot%d" % number for number in range(20)))

    def __init__(self, first):
        self.first = first
        self.second = [first]


def containers():
    held = []
    for number in range(1000):
        held.append(number + 1000)
    table = {}
    for number in range(500):
        table["key %d" % number] = (number, number * 1.5)
    for number in range(0, 500, 3):
        del table["key %d" % number]
    held.append(table)
    held.append({number * 7 for number in range(300)})
    held.append(frozenset("abc%d" % number for number in range(40)))
    held.append([[None] * number for number in range(30)])
    held.append([tuple(range(number)) for number in range(30)])
    held.append(collections.deque(range(300), maxlen=200))
    held.append(collections.OrderedDict((str(number), []) for number in range(50)))
    held.append(collections.defaultdict(list, {1: [2]}))
    shrunk = list(range(5000))
    del shrunk[10:]
    held.append(shrunk)
    held.append(sorted(range(100, 0, -1)))
    return held


def texts():
    held = ["x" * number for number in range(200)]
    text = ""
    for number in range(100):
        text += "%d, " % number
    held.append(text)
    held.append(text.upper())
    held.append("\u20ac".join(held[:10]) + "\U0001f40d")
    held.append(text.split(","))
    grown = bytearray()
    for number in range(3000):
        grown.append(number % 256)
    held.append(grown)
    held.append(grown[500:])
    del grown[1000:]
    held.append(bytes(70000))
    held.append(memoryview(held[-1])[10:])
    held.append("".join(map(str, range(1000))).encode())
    return held


def numbers():
    held = [number / 3 for number in range(200)]
    held += [3**number for number in range(100)]
    held.append(complex(1, 2))
    held.append([1.5 + number for number in range(10)])
    return held


def objects():
    held = [Plain(number) for number in range(100)]
    held.extend(Slots(number) for number in range(100))
    for number in range(5):
        held.append(type("Made%d" % number, (Plain,), {"extra": [number]})(number))
    held.append([weakref.ref(each) for each in held[100:120]])
    held[7].late = "an attribute of its own"
    held[8].__dict__["other"] = 5
    held.append(types.SimpleNamespace(one=1.25, two=[2]))
    return held


def adder(by):
    def add(to):
        return to + by

    return add


def functions():
    held = [adder(number + 300) for number in range(20)]
    held.append(functools.partial(adder, 5))
    held.append(held[0].__call__)
    held.append(Plain(1).__init__)
    held.append([lambda each=number: each for number in range(5)])
    namespace = {}
    gc.collect()  # the compiler's objects cannot all be named
    source = "def made(a, b=3):\n    return [a + b for _ in range(50)]\n\nkept = [made(n) for n in range(9)]\n"
    exec(compile(source, "<made>", "exec"), namespace)
    held.append(namespace["kept"])
    held.append(namespace["made"])
    return held


def counting(start):
    inner = [start, start * 2.5]
    while True:
        inner.append(start)
        yield inner
        start += 1


async def waiting(number):
    box = [number]
    await asyncio.sleep(0)
    return box


async def each_of(number):
    box = {number: number}
    yield box


def generators():
    held = [counting(number) for number in range(10)]
    for number in range(5):
        next(held[number])
        next(held[number])
    held.append(iter([1.5, 2.5]))
    held.append(zip(range(3), "abc"))
    held.append(enumerate("xyz"))
    coroutine = waiting(1)
    coroutine.send(None)
    held.append(coroutine)
    asynchronous = each_of(4)
    gc.collect()
    try:
        asynchronous.__anext__().send(None)
    except StopIteration as stop:
        held.append(stop.value)
    held.append(asynchronous)
    return held


def dive(depth):
    local = [depth]
    if depth == 0:
        raise ValueError("as deep as %d" % len(local))
    dive(depth - 1)


def exceptions():
    held = []
    for depth in (1, 5, 20):
        try:
            dive(depth)
        except ValueError as error:
            held.append(error)
    try:
        try:
            {}["none"]
        except KeyError as error:
            raise RuntimeError("from another") from error
    except RuntimeError as error:
        held.append(error)
    return held


def cycles():
    held = []
    for number in range(50):
        box = [number]
        box.append({"box": box})
        if number % 5 == 0:
            held.append(box)
    del box
    gc.collect()
    return held


def used_again():
    """Python keeps some blocks of dead objects for the next object of that type."""
    for _ in range(5):
        dead = [[number] for number in range(40)]
        del dead
    first = [{"a": number} for number in range(20)]
    del first
    floats = [number * 0.25 for number in range(60)]
    pairs = [(number, floats) for number in range(30)]
    del floats, pairs
    again = [[number] for number in range(60)]
    more = [{"b": number} for number in range(40)]
    return [again, more, [number * 0.75 for number in range(50)], [(more, 5) for _ in range(20)]]


def in_thread():
    held = []

    def fill():
        held.append([bytes(number) for number in range(300)])
        held.append({number: str(number) for number in range(300)})

    thread = threading.Thread(target=fill)
    thread.start()
    thread.join()
    return held


def plain_malloc():
    return [malloc(5000) for _ in range(3)]  # line: plain_malloc


def known(obj):
    """What this run knows of the place of an object: the line, or the address."""
    if not tracemalloc.is_tracing():
        return id(obj)
    trace = tracemalloc.get_object_traceback(obj)
    return [trace[0].filename, trace[0].lineno] if trace else None


def walk(roots):
    """Everything that the roots hold, but for what belongs to other modules."""
    stops = (types.ModuleType, types.BuiltinFunctionType)
    waiting, found = list(roots), []
    seen = {id(sys.modules), id(__builtins__.__dict__), id(waiting), id(found), id(sys._getframe())}
    while waiting:
        obj = waiting.pop()
        other = isinstance(obj, type) and obj.__module__ != __name__
        if id(obj) in seen or isinstance(obj, stops) or other:
            continue
        seen.add(id(obj))
        found.append(obj)
        if obj is not sys._getframe(1):
            waiting.extend(gc.get_referents(obj))
        if isinstance(obj, types.CodeType):
            waiting.extend((obj.co_names, obj.co_consts))
            if sys.version_info < (3, 11):  # later ones make these when asked
                waiting.extend((obj.co_varnames, obj.co_freevars, obj.co_cellvars))
    return found


SECTIONS = (
    containers, texts, numbers, objects, functions, generators, exceptions, cycles, used_again,
    in_thread, plain_malloc,
)


def main():
    gc.disable()
    held = {}
    tracing = tracemalloc.is_tracing()
    take = tracemalloc.take_snapshot
    now = 0
    for section in SECTIONS:
        gc.collect()  # gives back the blocks that are kept for the next object
        held[section.__name__] = section()
    gc.collect()
    wait_for_sampler()  # line: pause
    valloc(1234)  # line: moment
    snapshot = take() if tracing else None  # line: snapshot
    now = time.time()  # line: now
    wait_for_sampler()  # line: pause_after
    if snapshot:
        for trace in snapshot.traces:
            frame = trace.traceback[0]
            if frame.filename in OWN:
                report(file=frame.filename, line=frame.lineno, size=trace.size)
    else:
        report(time=now, frame=types.FrameType.__basicsize__)
    roots = [held, globals(), sys._getframe()]
    report(walk=[(type(each).__name__, known(each)) for each in walk(roots)])


main()
