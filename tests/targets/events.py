"""Small programs; what happens in them is told by a recorder in Python, or by the tracer.

usage: events.py SCENARIO[,SCENARIO...] record|opcodes|quiet

record: sys.setprofile() and sys.settrace() write down every event between begin() and end() to the
report; opcodes: instructions, too. quiet: nothing is recorded here.
"""

import _thread
import dis
import functools
import json
import os
import re
import sys
import threading
import types

HOW = sys.argv[2]
OWN = __file__
recorded = []  # [thread, event, line, function, C function]


def line_of(frame):
    """Up to 3.9 f_lineno is that of the last line event while the frame has a trace function."""
    if sys.version_info >= (3, 10) or frame.f_lasti < 0:
        return frame.f_lineno
    return [line for at, line in dis.findlinestarts(frame.f_code) if at <= frame.f_lasti][-1]


def add(frame, event, function=None):
    code = frame.f_code
    if code.co_filename == OWN and code not in HIDDEN:
        name = getattr(code, "co_qualname", code.co_name)
        line = frame.f_lineno if event == "line" else line_of(frame)
        recorded.append([_thread.get_ident(), event, line, name, function])


def on_profile(frame, event, arg):
    add(frame, event, arg.__name__ if event.startswith("c_") else None)


def on_trace(frame, event, arg):
    if event in ("line", "exception", "opcode"):
        add(frame, event)
    elif HOW == "opcodes":
        frame.f_trace = on_trace  # from 3.13 on the order of these two matters
        frame.f_trace_opcodes = True
    return on_trace


def begin():
    """From the next line of the caller on."""
    if HOW == "quiet":
        return
    caller = sys._getframe(1)
    recorded.append([_thread.get_ident(), "begin", 0, caller.f_code.co_name, None])
    if HOW == "opcodes":
        caller.f_trace_opcodes = True  # 3.12 wants it before, 3.13 behind
    sys.setprofile(on_profile)
    sys.settrace(on_trace)
    caller.f_trace = on_trace
    if HOW == "opcodes":
        caller.f_trace_opcodes = True


def end():
    if HOW != "quiet":
        sys.settrace(None)
        sys.setprofile(None)


HIDDEN = {f.__code__ for f in (add, line_of, on_profile, on_trace, begin, end)}


def nested():
    begin()
    outer(3)
    end()


def outer(n):
    def inner(m):
        return m + n

    total = 0
    for i in range(n):
        total += inner(i)
    while total > 100: total -= 1
    x = [
        inner(1),
        inner(2),
    ]
    return total if total else x


def recursion():
    begin()
    fib(6)
    end()


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def generators():
    begin()
    total = 0
    for each in count(3):
        total += each
    g = echo()
    next(g)
    g.send(1)
    try:
        g.throw(KeyError("k"))
    except StopIteration:
        pass
    h = echo()
    next(h)
    h.close()
    list(delegate(2))
    sum(x * x for x in count(2))
    end()


def count(n):
    for i in range(n):
        yield i


def echo():
    try:
        while True:
            got = yield
            str(got)
    except KeyError:
        return
    finally:
        len("done")


def delegate(n):
    result = yield from count(n)
    return result


def thrown():
    begin()
    g = closing()
    next(g)
    g.close()
    g = catching(1)
    next(g)
    g.throw(KeyError("k"))
    g.close()
    g = handing()
    next(g)
    g.throw(KeyError("k"))
    list(g)
    c = waiter(3)
    c.send(None)
    c.close()
    c = waiter(3)
    c.send(None)
    try:
        c.throw(KeyError("k"))
    except KeyError:
        pass
    end()


def unstarted():
    begin()
    g = closing()
    g.close()
    c = waiter(3)
    c.close()
    end()


def closing():
    try:
        yield 1
    finally:
        len("done")


def catching(n):
    for i in range(n):
        try:
            yield i
        except KeyError:
            yield "caught"


def handing():
    yield from catching(1)


def cancelled():
    """Tasks that are cancelled: where they wait, before they begin, and one that does not care."""
    import asyncio

    loop = asyncio.new_event_loop()
    begin()
    loop.run_until_complete(cancelling(asyncio))
    end()
    loop.close()


async def cancelling(asyncio):
    tasks = [asyncio.ensure_future(sleeping(asyncio)) for _ in range(2)]
    tasks.append(asyncio.ensure_future(stubborn(asyncio)))
    await asyncio.sleep(0)
    late = asyncio.ensure_future(sleeping(asyncio))
    for task in [*tasks, late]:
        task.cancel()
    await asyncio.gather(*tasks, late, return_exceptions=True)


async def sleeping(asyncio):
    await asyncio.sleep(100)


async def stubborn(asyncio):
    try:
        await sleeping(asyncio)
    except asyncio.CancelledError:
        return 1


def coroutines():
    begin()
    drive(waiter(2))
    drive(user())
    end()


def drive(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


@types.coroutine
def pause():
    yield 1


async def waiter(n):
    for _ in range(n):
        await pause()
    return n


class Manager:
    async def __aenter__(self):
        await pause()
        return self

    async def __aexit__(self, *exception):
        return None


async def ticks(n):
    for i in range(n):
        await pause()
        yield i


async def user():
    async with Manager():
        async for each in ticks(2):
            int(each)
    return [x async for x in ticks(1)]


def exceptions():
    begin()
    try:
        fails(2)
    except ValueError as e:
        str(e)
    try:
        int("no number")
    except ValueError:
        pass
    with Context():
        raise KeyError("swallowed")
    try:
        try:
            fails(0)
        finally:
            len("finally")
    except ValueError:
        pass
    try:
        try:
            fails(0)
        except ValueError as e:
            raise RuntimeError("other") from e
    except RuntimeError:
        pass
    for _ in iterates():
        pass
    end()


def fails(n):
    if n:
        return fails(n - 1)
    raise ValueError("failed")


class Context:
    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        return True


class iterates:
    def __iter__(self):
        self.left = 2
        return self

    def __next__(self):
        self.left -= 1
        if self.left < 0:
            raise StopIteration
        return self.left


def comprehensions():
    begin()
    a = [str(i) for i in range(3)]
    b = {i: len(s) for i, s in enumerate(a)}
    c = {x for x in b if x}
    d = [[y for y in range(x)] for x in c]
    e = list(map(lambda x: x + 1, b))
    (d, e)
    end()


def executed():
    begin()
    exec("x = 1\nfor i in range(2):\n    x += i\n", {})
    eval("len('abc')")
    exec(compile("def f():\n    return 1\nf()", OWN, "exec"), {})
    end()


def callbacks():
    begin()
    sorted([3, 1, 2], key=lambda n: -n)
    functools.reduce(plus, [1, 2, 3])
    re.sub("b", replaced, "abc")
    list(filter(None, map(str, [1, 2])))
    max([1, 2], key=abs)
    end()


def plus(a, b):
    return a + b


def replaced(match):
    return match.group(0).upper()


def objects():
    begin()
    thing = Thing(2)
    thing.value
    thing.value = 3
    thing.method(1, *[2], **{"c": 3})
    Thing.make()
    Thing.static()
    str.upper("a")
    "a".upper()
    list.append([], 1)
    [].append(1)
    dict.fromkeys("ab")
    isinstance(1, int)
    thing + thing
    thing[1]
    type("Made", (Thing,), {})
    list(thing)
    Thing(4)
    end()


class Thing:
    def __init__(self, n):
        self._n = n

    @property
    def value(self):
        return self._n

    @value.setter
    def value(self, n):
        self._n = n

    def method(self, a, b, c=0):
        return a + b + c

    @classmethod
    def make(cls):
        return cls(1)

    @staticmethod
    def static():
        return None

    def __add__(self, other):
        return self

    def __getitem__(self, i):
        return i

    def __iter__(self):
        return iter([1])

    def __del__(self):
        len("deleted")


def deep():
    """To the interpreter's limit, and how far that was."""
    try:
        endless(0)
    except RecursionError:
        print(depth)


depth = 0


def endless(n):
    global depth
    depth = n
    return endless(n + 1)


def threads():
    ready = threading.Barrier(3)
    ts = [threading.Thread(target=in_thread, args=(ready, n)) for n in (2, 3)]
    for t in ts:
        t.start()
    _thread.start_new_thread(in_thread, (ready, 4, done))
    done.acquire()
    for t in ts:
        t.join()


done = _thread.allocate_lock()
done.acquire()


def in_thread(ready, n, lock=None):
    ready.wait()
    begin()
    for _ in count(n):
        fib(n)
    end()
    if lock:
        lock.release()


for scenario in sys.argv[1].split(","):
    globals()[scenario]()

if "PMT_REPORT" in os.environ and HOW != "quiet":
    with open(os.environ["PMT_REPORT"], "w") as report:
        for each in recorded:
            print(json.dumps(dict(zip(("thread", "event", "line", "function", "c"), each))), file=report)
