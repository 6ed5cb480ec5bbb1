# SPDX-License-Identifier: MIT
"""Threads that `threading` names, each with blocks of its own.

usage: thread_names.py names
       thread_names.py late LIBRARY|preloaded	the log begins while threads run
"""

import ctypes
import sys
import threading

from odd import report, valloc

LONG = "loader of pictures number ten, \u00e9"
HOSTILE = "a\x1b[31m\u20ac\n"


def told(*rows):
    for size, name in rows:
        report(size=size, name=name)


def work(*sizes):
    for size in sizes:
        valloc(size)


def renames():
    valloc(4011)
    threading.current_thread().name = "renamed from inside, and long"
    valloc(4012)


class Own(threading.Thread):
    """Its start() is its own, and its name is one that is asked for."""

    asked = []

    def start(self):
        super().start()

    def run(self):
        work(4021)


class Odd(threading.Thread):
    """Reading _name would run this function, and that is seen."""

    @property
    def _name(self):
        self.asked.append(1)
        return "odd"

    @_name.setter
    def _name(self, name):
        pass

    asked = []


def renamed_from_outside():
    go, done = threading.Event(), threading.Event()

    def body():
        valloc(4031)
        go.set()
        done.wait()
        valloc(4032)

    thread = threading.Thread(target=body, name="first")
    thread.start()
    go.wait()
    thread.name = "second"
    done.set()
    thread.join()
    thread.name = "too late"


def names():
    made = [
        threading.Thread(target=work, args=(4001,), name="loader-10"),
        threading.Thread(target=work, args=(4002,), name=LONG),
        threading.Thread(target=work, args=(4003,), name=HOSTILE),
        threading.Thread(target=work, args=(4004,), name="before"),
        threading.Thread(target=renames),
        Own(name="own start"),
    ]
    made[3].name = "before start"
    for thread in made:
        thread.start()
        thread.join()
    odd = Odd(target=work, args=(4041,))
    odd.start()
    before = len(odd.asked)
    odd.join()
    renamed_from_outside()
    threading.current_thread().name = "the main one"
    valloc(4051)
    told((4001, "loader-10"), (4002, LONG), (4003, HOSTILE), (4004, "before start"))
    told((4012, "renamed from inside, and long"), (4021, "own start"))
    told((4031, "first"), (4032, "second"), (4051, "the main one"))
    print(before)


def late(library):
    barrier = threading.Barrier(3)

    def body(size):
        barrier.wait()
        barrier.wait()  # the log has begun
        valloc(size)
        barrier.wait()
        barrier.wait()  # the interpreter has told the tracer of something

    made = [
        threading.Thread(target=body, args=(4060 + n,), name="early-%d" % n, daemon=True)
        for n in (1, 2)
    ]
    for thread in made:
        thread.start()
    barrier.wait()
    tracer = ctypes.PyDLL(None if library == "preloaded" else library)
    trace = b"TRACE=malloc,pymem" if library == "preloaded" else b"TRACE=pymem"
    settings = (b"OUTPUT=logs/late.pmt", trace, b"FOLD=off", None)
    assert tracer.pymemtrace_start((ctypes.c_char_p * len(settings))(*settings)) == 0
    barrier.wait()
    barrier.wait()
    compile("1", "late", "eval")
    barrier.wait()
    for thread in made:
        thread.join()
    tracer.pymemtrace_stop()
    told((4061, "early-1"), (4062, "early-2"))


if sys.argv[1] == "names":
    names()
else:
    late(sys.argv[2])
