# SPDX-License-Identifier: MIT
"""Makes and drops known numbers of objects, and says which, by type and by line.

The report has a line for each class: how many were made and dropped, and at which marks.
"""

import gc
import json
import os
import sys
import threading
import weakref

report = []


def say(name, made, dropped, new=None, old=None, **more):
    report.append({"type": name, "made": made, "dropped": dropped, "new": new, "old": old, **more})


class Plain:
    def __init__(self):
        self.x = 1


def plain():
    for i in range(1000):
        x = Plain()  # line: plain_new
        del x  # line: plain_del
    say("Plain", 1000, 1000, "plain_new", "plain_del", size=Plain.__basicsize__)


class Slots:
    __slots__ = ("a", "b")


def slots():
    for i in range(500):
        Slots()  # line: slots
    say("Slots", 500, 500, "slots", "slots", size=Slots.__basicsize__)


class List(list):
    pass


class Dict(dict):
    pass


class Tuple(tuple):
    pass


class Int(int):
    pass


class Float(float):
    __slots__ = ()


class Text(str):
    pass


class Bytes(bytes):
    __slots__ = ()


class Set(frozenset):
    pass


def subclasses():
    values = {
        List: [1],
        Dict: {1: 2},
        Tuple: range(5),
        Int: 1 << 70,
        Float: 0.5,
        Text: "text",
        Bytes: b"bytes",
        Set: [1, 2],
    }
    for kind, value in values.items():
        kept = [kind(value) for _ in range(50)]  # line: sub_new
        more = {}
        if kind in (Tuple, Int, Bytes):
            more["least"] = super(kind, kept[0]).__sizeof__()
        kept.clear()  # line: sub_del
        say(kind.__name__, 50, 50, "sub_new", "sub_del", **more)


class Cycle:
    pass


def cycles():
    gc.collect()
    gc.disable()
    for i in range(20):
        a, b = Cycle(), Cycle()  # line: cycle_new
        a.b, b.a = b, a
    del a, b
    gc.collect()  # line: cycle_del
    gc.enable()
    say("Cycle", 40, 40, "cycle_new", "cycle_del")


class Error(Exception):
    pass


def errors():
    for i in range(30):
        try:
            raise Error(i)  # line: error_new
        except Error:
            pass
    say("Error", 30, 30, "error_new")


class Item:
    pass


def made_by_generator():
    for i in range(25):
        yield Item()  # line: item_new


def generators():
    for item in made_by_generator():
        del item  # line: item_del
    say("Item", 25, 25, "item_new", "item_del")


class Nest:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner


class NestList(list):
    pass


class NestTuple(tuple):
    pass


def nests():
    x = y = z = None
    for i in range(20000):
        x = Nest(x)  # line: nest_new
        y = NestList((y,))
        z = NestTuple((z,))
    del x  # line: nest_del
    del y
    del z
    say("Nest", 20000, 20000, "nest_new", "nest_del")
    say("NestList", 20000, 20000)
    say("NestTuple", 20000, 20000)


class Referenced:
    pass


def references():
    gone = []
    for i in range(40):
        x = Referenced()
        reference = weakref.ref(x, gone.append)
        del x
    assert len(gone) == 40 and reference() is None
    say("Referenced", 40, 40)


class Final:
    def __del__(self):
        pass


class Again:
    kept = []

    def __del__(self):
        self.kept.append(self)


def finalisers():
    for i in range(60):
        Final()
    say("Final", 60, 60)
    for i in range(10):
        Again()
    Again.kept.clear()
    say("Again", 10, 10, again=True)


class Meta(type):
    pass


def types():
    # Types that come and go take the places of earlier ones.
    for i in range(350):
        kind = type("T%d" % (i % 7), (), {})
        kind(), kind()
        del kind
        if i % 10 == 0:
            gc.collect()
    for i in range(5):
        kind = Meta("M", (), {})
    del kind
    gc.collect()
    for i in range(7):
        say("T%d" % i, 100, 100)
    say("Meta", 5, 5)


class Before:
    pass


class After:
    pass


def changes():
    for i in range(15):
        x = Before()
        x.__class__ = After
        del x
    say("Before", 15, 15)
    say("After", 0, 0)


class Passed:
    pass


def threads():
    kept = [Passed() for _ in range(70)]

    def drop():
        ids.append(threading.get_native_id())
        kept.clear()  # line: thread_del

    ids = []
    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()
    say("Passed", 70, 70, None, "thread_del", made_by=os.getpid(), dropped_by=ids[0])


class Mine:
    pass


def many_threads():
    def work():
        for i in range(1000):
            x = Mine()
            x = None

    several = [threading.Thread(target=work) for _ in range(4)]
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    say("Mine", 4000, 4000)


class Deep:
    pass


def deep(depth):
    x = Deep()  # line: deep_new
    if depth > 1:
        deep(depth - 1)
    del x  # line: deep_del


class Swarm:
    def __init__(self, payload):
        self.payload = payload


def swarm():
    # In no order of addresses.
    kept = {}
    state = 1
    for i in range(30000):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        kept[state % 997] = Swarm(bytes(state % 100))
    kept.clear()
    say("Swarm", 30000, 30000)


def main():
    plain()
    slots()
    subclasses()
    cycles()
    errors()
    generators()
    nests()
    references()
    finalisers()
    types()
    changes()
    threads()
    many_threads()
    deep(900)
    say("Deep", 900, 900, "deep_new", "deep_del")
    swarm()
    with open(os.environ["PMT_REPORT"], "w") as file:
        for line in report:
            print(json.dumps(line), file=file)


sys.setrecursionlimit(2000)
main()
