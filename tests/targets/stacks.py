# SPDX-License-Identifier: MIT
"""Allocations from many kinds of Python code, each with the stack that sys._getframe() shows.

usage: stacks.py CASE... The cases are the functions without an underscore in front. Of several cases,
each begins with a block of 4,321 bytes and a line of the report.
"""

import atexit
import contextlib
import ctypes
import functools
import gc
import os
import sys
import threading

from odd import malloc, note, report, valloc, valloc_held


def nested():
    def inner():
        note(1234, valloc(1234))

    def middle():
        inner()

    middle()
    note(1235, valloc(1235))


def lines():
    note(1234, valloc(1234))
    for size in range(1235, 1240):
        note(size, valloc(size))
        if size % 2:
            note(size + 100, valloc(size + 100))
    note(1250, valloc(1250)); note(1251, valloc(1251))  # noqa: E702


def chains():
    """The same calls from different lines."""

    def last(size):
        note(size, valloc(size))

    def first(size):
        last(size)

    first(1234)
    first(1235)
    for size in (1236, 1237):
        first(size)


def pops():
    """Deep down, up again, and down again by another way."""

    def down(depth, size):
        if depth:
            down(depth - 1, size)
        else:
            note(size, valloc(size))

    def down_otherwise(depth, size):
        if depth:
            down_otherwise(depth - 1, size)
        else:
            note(size, valloc(size))

    down(300, 1234)
    note(1235, valloc(1235))
    down(299, 1236)
    down_otherwise(301, 1237)
    down(300, 1238)


def recursion():
    sys.setrecursionlimit(5000)

    def down(depth):
        if depth in (1000, 500, 0):
            note(1234 + depth, valloc(1234 + depth))
        if depth:
            down(depth - 1)

    down(1000)


def exceptions():
    def down(depth):
        if not depth:
            note(1234, valloc(1234))
            raise ValueError("up")
        try:
            down(depth - 1)
        finally:
            if depth == 50:
                note(1235, valloc(1235))

    try:
        down(100)
    except ValueError:
        note(1236, valloc(1236))
    note(1237, valloc(1237))
    try:
        raise KeyError
    except KeyError:
        try:
            raise OSError
        except OSError:
            note(1238, valloc(1238))
        finally:
            note(1239, valloc(1239))


def generators():
    def numbers(first):
        note(first, valloc(first))
        yield 1
        note(first + 1, valloc(first + 1))
        yield from inner(first + 2)

    def inner(first):
        note(first, valloc(first))
        try:
            yield 2
        finally:
            note(first + 1, valloc(first + 1))

    def consume(source):
        note(1300, valloc(1300))
        next(source)

    source = numbers(1234)
    next(source)
    consume(source)
    source.close()
    note(1301, valloc(1301))
    sum(numbers(1400))


def coroutines():
    import asyncio

    async def leaf(size):
        note(size, valloc(size))
        await asyncio.sleep(0)
        note(size + 1, valloc(size + 1))

    async def both():
        await leaf(1234)
        await asyncio.gather(leaf(1240), leaf(1250))

    asyncio.run(both())


def async_generators():
    import asyncio

    async def numbers():
        note(1234, valloc(1234))
        yield 1
        await asyncio.sleep(0)
        note(1235, valloc(1235))
        yield 2

    @contextlib.asynccontextmanager
    async def context():
        note(1240, valloc(1240))
        yield
        note(1241, valloc(1241))

    async def walk():
        async for _ in numbers():
            note(1236 + _, valloc(1236 + _))
        async with context():
            note(1242, valloc(1242))
        [x async for x in numbers_again()]

    async def numbers_again():
        yield 1
        note(1243, valloc(1243))

    asyncio.run(walk())


def compiled():
    names = {"note": note, "valloc": valloc}
    exec("note(1234, valloc(1234))", names)
    eval("note(1235, valloc(1235))", names)
    exec(compile("\n\n\ndef made():\n    note(1236, valloc(1236))\nmade()", "<made up>", "exec"), names)
    eval(compile("[note(s, valloc(s)) for s in (1237, 1238)]", "", "eval"), names)


def lambdas():
    allocate = lambda size: note(size, valloc(size))  # noqa: E731
    allocate(1234)
    list(map(lambda size: note(size, valloc(size)), [1235, 1236]))
    sorted([1, 2], key=lambda n: note(1240 + n, valloc(1240 + n)))
    (lambda: (lambda: note(1245, valloc(1245)))())()


def comprehensions():
    [note(size, valloc(size)) for size in (1234, 1235)]
    {note(size, valloc(size)) for size in (1236,)}
    {size: note(size, valloc(size)) for size in (1237,)}
    list(note(size, valloc(size)) for size in (1238, 1239))
    [[note(size, valloc(size)) for size in sizes] for sizes in [(1240, 1241)]]


def decorators():
    def loud(function):
        note(1234, valloc(1234))

        @functools.wraps(function)
        def wrapper(*args):
            note(1235, valloc(1235))
            return function(*args)

        return wrapper

    @functools.lru_cache
    def cached(size):
        return note(size, valloc(size))

    @loud
    def decorated():
        note(1236, valloc(1236))
        cached(1237)

    decorated()
    functools.partial(cached, 1238)()
    with _context():
        note(1239, valloc(1239))


@contextlib.contextmanager
def _context():
    note(1240, valloc(1240))
    yield
    note(1241, valloc(1241))


def classes():
    class Meta(type):
        def __new__(meta, name, bases, names):
            note(1234, valloc(1234))
            return super().__new__(meta, name, bases, names)

    class Body(metaclass=Meta):
        note(1235, valloc(1235))

        def __init__(self):
            note(1236, valloc(1236))

        @property
        def value(self):
            note(1237, valloc(1237))
            return 1

        def __getattr__(self, name):
            note(1238, valloc(1238))
            return 2

        def __lt__(self, other):
            note(1239, valloc(1239))
            return True

        def __call__(self):
            note(1240, valloc(1240))

        class Inner:
            note(1241, valloc(1241))

    body = Body()
    body.value + body.missing
    sorted([body, body])
    body()


def hot_code():
    """Code that the interpreter has specialised: __init__, properties, dunders, loops."""

    class Made:
        def __init__(self, size):
            if size:
                note(size, valloc(size))

        @property
        def value(self):
            if self is last:
                note(1300, valloc(1300))

        def __getitem__(self, key):
            if self is last:
                note(1301, valloc(1301))

        def __add__(self, other):
            if self is last:
                note(1302, valloc(1302))

    last = None
    for number in range(200):
        made = Made(1234 + number if number > 195 else 0)
        if number == 199:
            last = made
        made.value
        made[0]
        made + 1
        for item in (lambda: (yield number))():
            if item == 199:
                note(1303, valloc(1303))


def deletion():
    class Dying:
        def __init__(self, size):
            self.size = size

        def __del__(self):
            note(self.size, valloc(self.size))

    dying = Dying(1234)
    del dying
    [Dying(1235)]
    cycle = Dying(1236)
    cycle.self = cycle
    del cycle
    gc.collect()


def gc_callbacks():
    def callback(phase, info):
        if phase == "start":
            note(1234, valloc(1234))
            gc.callbacks.remove(callback)

    gc.callbacks.append(callback)
    gc.collect()


def at_exit():
    def last():
        note(1234, valloc(1234))

    atexit.register(last)
    note(1235, valloc(1235))


def imports():
    note(2000, valloc(2000))
    import imported

    note(2004, valloc(2004))
    imported.Body.__name__


def from_zip():
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "packed.zip")
        with zipfile.ZipFile(path, "w") as archive:
            text = "from odd import note, valloc\ndef f():\n    note(1234, valloc(1234))\nf()\n"
            archive.writestr("packed_module.py", text)
        sys.path.insert(0, path)
        import packed_module

        report(file=packed_module.__file__)


def unicode_names():
    names = {"note": note, "valloc": valloc}
    exec("def größe_数据_ñ(): note(1234, valloc(1234))\ngröße_数据_ñ()", names)
    long = "n" * 3000
    exec(f"def {long}(): note(1235, valloc(1235))\n{long}()", names)
    for number, path in enumerate(["/tmp/ordner ü/数据.py", "p" * 4000 + ".py", "a\tb\nc\x1b[31m.py"]):
        source = f"note({1240 + number}, valloc({1240 + number}))"
        exec(compile(source, path, "exec"), names)


def _too_long():
    """A path of more than 4096 bytes."""
    exec(compile("valloc(1234)", "q" * 5000 + ".py", "exec"), {"valloc": valloc})


def code_reuse():
    """Code objects that die, whose addresses other code objects get."""
    names = {"note": note, "valloc": valloc}
    addresses = set()
    for number in range(200):
        size = 3000 + number
        source = "\n" * (number % 50) + f"def f{number}():\n  note({size}, valloc({size}))\nf{number}()"
        code = compile(source, f"<code {number}>", "exec")
        exec(code, names)
        addresses.add(id(code))
        del code, names[f"f{number}"]
    report(reused=200 - len(addresses))


def threads():
    def body(size):
        note(size, valloc(size))
        note(size + 1, valloc_held(size + 1))

    made = [threading.Thread(target=body, args=(1300 + 10 * n,)) for n in range(5)]
    for thread in made:
        thread.start()
    for thread in made:
        thread.join()
    note(1234, valloc(1234))


def released():
    """Without the GIL, while another thread holds it and runs other Python code."""
    stop = False

    def busy():
        def spin():
            return sum(range(50))

        while not stop:
            spin()

    def body(first):
        for size in range(first, first + 50):
            note(size, valloc(size))

    spinner = threading.Thread(target=busy)
    spinner.start()
    workers = [threading.Thread(target=body, args=(first,)) for first in (1300, 1400)]
    for worker in workers:
        worker.start()
    body(1500)
    for worker in workers:
        worker.join()
    stop = True
    spinner.join()


def profiled():
    sys.setprofile(lambda *_: None)
    note(1234, valloc(1234))
    _helper(1235)
    sys.setprofile(None)
    note(1236, valloc(1236))
    _helper(1237)


def traced():
    def trace(frame, event, arg):
        return trace

    sys.settrace(trace)
    _helper(1234)
    sys.settrace(None)
    note(1236, valloc(1236))
    _helper(1237)


def c_profiled():
    import cProfile

    profile = cProfile.Profile()
    profile.runcall(_helper, 1234)
    with contextlib.ExitStack() as stack:
        profile.enable()
        stack.callback(profile.disable)
        note(1235, valloc(1235))
        _helper(1236)


def monitored():
    if not hasattr(sys, "monitoring"):
        return lines()
    events = sys.monitoring.events
    sys.monitoring.use_tool_id(1, "target")
    sys.monitoring.register_callback(1, events.LINE, lambda code, line: None)
    sys.monitoring.set_events(1, events.LINE)
    _helper(1234)
    sys.monitoring.set_events(1, 0)
    _helper(1235)


def _helper(size):
    note(size, valloc(size))


def c_calls_python():
    """Python, C, Python: a callback through ctypes."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)

    def callback(size):
        note(size, valloc(size))

    library = ctypes.CDLL(os.environ["PMT_CALLBACK"])
    library.call(kind(callback), 1234)
    library.call(kind(callback), 1235)


def foreign_thread():
    """A thread that Python did not start, calling into it, first and again."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)

    def callback(size):
        note(size, valloc(size))
        note(size + 1, valloc_held(size + 1))

    library = ctypes.CDLL(os.environ["PMT_CALLBACK"])
    library.call_in_thread(kind(callback), 1234)
    library.call_in_thread(kind(callback), 1300)


def bare_thread():
    """A thread that never sees Python has no Python stack, whatever the others run."""
    library = ctypes.CDLL(os.environ["PMT_CALLBACK"])
    library.valloc_in_thread(1234)
    note(1235, valloc(1235))


def many_stacks():
    """More stacks than fit one chunk of definitions."""
    names = {"note": note, "valloc": valloc, "malloc": malloc}
    body = "".join(f"    if n == {n}: malloc(77)\n" for n in range(2000))
    exec(f"def many(n):\n{body}", names)
    for number in range(2000):
        names["many"](number)
    note(1234, valloc(1234))


def long_line_table():
    """One function of 30,000 lines: its line table is long."""
    names = {"note": note, "valloc": valloc}
    filler = "    x = (1 +\n 2)\n" * 15000
    exec(f"def long():\n    note(1234, valloc(1234))\n{filler}    note(1235, valloc(1235))", names)
    names["long"]()


def trees():
    """Calls of all kinds, in trees that grow and shrink at random, with blocks on the way."""
    import asyncio

    state = [12345]
    size = iter(range(10000, 10400))

    def dice(sides):
        state[0] = state[0] * 1103515245 + 12345 & 0x7FFFFFFF
        return (state[0] >> 8) % sides

    def maybe():
        if dice(9) == 0:
            number = next(size, None)
            if number:
                note(number, (valloc_held if dice(2) else valloc)(number))

    class Raising:
        def __init__(self, depth):
            maybe()
            step(depth)
            if dice(2):
                raise ValueError(depth)

        @property
        def value(self):
            return step(2)

        def __getitem__(self, depth):
            maybe()
            return step(depth)

        def __lt__(self, other):
            maybe()
            return False

    def plain(depth):
        maybe()
        step(depth)
        maybe()
        return step(depth)

    def loops(depth):
        for _ in range(3):
            step(depth)

    def one_place(depth):
        """The same call, of this or that."""
        for function in (plain, loops, other, plain):
            function(depth - 1)

    def other(depth):
        maybe()

    def numbers(depth):
        maybe()
        yield step(depth)
        try:
            yield 1
            maybe()
            yield from numbers(depth - 2) if depth > 2 else ()
        finally:
            maybe()

    def generator(depth):
        ready = numbers(depth)
        for _ in ready:
            if dice(4) == 0:
                break
        for _ in ready:
            step(depth - 1)
        return sum(1 for _ in numbers(depth))

    def catching(depth):
        try:
            made = Raising(depth)
        except ValueError:
            return maybe()
        made.value
        made[depth]
        return sorted([made, made])

    def raising(depth):
        if dice(2):
            raise ValueError(depth)
        step(depth)

    def careful(depth):
        for _ in range(2):
            try:
                raising(depth)
            except ValueError:
                maybe()
            finally:
                step(depth - 1)

    def spread(depth):
        return plain(*[depth], **{}) if dice(2) else list(map(plain, [depth]))

    async def task(depth):
        maybe()
        await asyncio.sleep(0)
        step(depth)
        if depth > 1:
            await task(depth - 1)

    async def tasks(depth):
        await asyncio.gather(task(depth), task(depth + 1))

    kinds = [plain, loops, one_place, generator, catching, careful, spread]

    def step(depth):
        if depth <= 0:
            return maybe()
        kind = kinds[dice(len(kinds))]
        return kind(depth - 1)

    def deep(depth, then):
        return deep(depth - 1, then) if depth else then(3)

    for turn in range(6):
        step(5 + turn % 3)
        for _ in range(3):
            deep(turn * 20, step)
            deep(turn * 20, step)
        try:
            step(4)
        except ValueError:
            maybe()
        asyncio.run(tasks(3))


def same_places():
    """Frames that come back to the same address and instruction, called from another line."""

    def numbers(count, size):
        yield from range(count)
        if size:
            note(size, valloc_held(size))
            raise ValueError

    def loop(source):
        for _ in source:
            pass

    def two_loops(size):
        first, second = numbers(3, size), numbers(0, size and size + 1)
        try:
            loop(first)
        except ValueError:
            pass
        try:
            loop(second)
        except ValueError:
            pass

    class Raising:
        def __init__(self, size):
            if size:
                note(size, valloc_held(size))
                raise ValueError

    def two_objects(size):
        try:
            Raising(size)
        except ValueError:
            pass
        try:
            Raising(size and size + 1)
        except ValueError:
            pass

    def steps(size):
        note(size, valloc_held(size))
        yield 1
        note(size + 1, valloc_held(size + 1))
        yield 2
        note(size + 2, valloc_held(size + 2))

    for _ in range(1000):
        two_loops(0)
        two_objects(0)
    two_loops(1234)
    two_objects(1240)
    source = steps(1250)
    next(source)
    next(source)
    loop(source)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        if len(sys.argv) > 2:
            report(case=name)
            valloc(4321)
        globals()[name]()
