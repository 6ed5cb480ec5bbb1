"""Programs with tracers of their own, threads of all kinds and odd ends. usage: tracing.py SCENARIO"""

import _thread
import cProfile
import ctypes
import os
import pstats
import sys
import threading
import time


def work(n):
    return sum(step(i) for i in range(n))


def step(i):
    return len(str(i))


def marked(name):
    """The tests look for calls of this."""
    return name


def own_functions():
    """The program's own functions see what they see without us, and stay in place."""
    told = []

    def profile(frame, event, arg):
        if frame.f_code.co_filename == __file__ and frame.f_code.co_name in ("work", "step", "marked"):
            told.append((event, frame.f_code.co_name, frame.f_lineno))

    def trace(frame, event, arg):
        profile(frame, event, arg)
        return trace

    print(sys.getprofile(), sys.gettrace())
    sys.setprofile(profile)
    print(sys.getprofile() is profile, sys.gettrace())
    work(3)
    sys.settrace(trace)
    print(sys.getprofile() is profile, sys.gettrace() is trace)
    work(3)
    sys.setprofile(None)
    print(sys.getprofile(), sys.gettrace() is trace)
    work(2)
    sys.settrace(None)
    print(sys.getprofile(), sys.gettrace())
    work(2)
    sys.settrace(trace)
    sys.setprofile(profile)
    sys.settrace(None)
    work(1)
    sys.setprofile(None)
    print(told)
    marked("end")


def profiler():
    p = cProfile.Profile()
    p.enable()
    work(5)
    p.disable()
    stats = pstats.Stats(p).stats
    print(sorted((name, calls[0]) for (file, _, name), calls in stats.items() if file == __file__))
    marked("end")


def failing():
    """A trace function that raises is removed, and the program gets the exception."""

    def profile(frame, event, arg):
        if arg is not sys.setprofile:  # of which our tracing makes the interpreter tell the end
            raise KeyError(event)

    try:
        sys.setprofile(profile)
        work(2)
    except KeyError as e:
        print("caught", e)
    print(sys.getprofile())
    work(2)
    marked("end")


def threading_functions():
    """threading.setprofile() and settrace(), in threads."""
    told = set()

    def profile(frame, event, arg):
        if frame.f_code.co_filename == __file__:
            told.add((event, frame.f_code.co_name))

    threading.setprofile(profile)
    t = threading.Thread(target=work, args=(4,))
    t.start()
    t.join()
    threading.setprofile(None)
    t = threading.Thread(target=marked, args=("thread",))
    t.start()
    t.join()
    print(sorted(told))
    marked("end")


def raw_threads():
    """Threads of threading, _thread, and C, some of which began before."""
    done = [_thread.allocate_lock() for _ in range(3)]
    for lock in done:
        lock.acquire()

    def body(n):
        marked("thread%d" % n)
        work(3)
        done[n].release()

    threading.Thread(target=body, args=(0,)).start()
    _thread.start_new_thread(body, (1,))
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int)(body)
    if "PMT_CALLBACK" in os.environ:
        ctypes.CDLL(os.environ["PMT_CALLBACK"]).call_in_thread(callback, 2)
    else:
        body(2)
    for lock in done:
        lock.acquire()
    marked("end")


def middle():
    """Threads that end, or are still there, in the middle of calls."""

    def leaves(n):
        if n:
            return leaves(n - 1)
        marked("leaves")
        _thread.exit()

    there = []

    def stays():
        marked("stays")
        there.append(1)
        while True:
            time.sleep(0.001)
            work(2)

    t = threading.Thread(target=leaves, args=(5,))
    t.start()
    t.join()
    for _ in range(3):
        threading.Thread(target=stays, daemon=True).start()
    while len(there) < 3:
        time.sleep(0.001)
    time.sleep(0.02)
    marked("end")


def interpreters():
    code = "def inner(n):\n    return len(str(n))\nfor i in range(3):\n    inner(i)\n"
    try:
        import _interpreters as module
    except ImportError:
        try:
            import _xxsubinterpreters as module
        except ImportError:
            print("none")
            return
    one = module.create()
    module.run_string(one, code)
    module.destroy(one)
    for _ in range(3):
        two = module.create()
        module.run_string(two, code)
        module.destroy(two)
    work(2)
    marked("end")


def forks():
    work(1)
    pid = os.fork()
    if pid == 0:
        work(3)
        marked("child")
        os._exit(0)
    os.waitpid(pid, 0)
    marked("end")


def uncaught():
    def inner():
        raise ValueError("nobody catches it")

    marked("end")
    inner()


def exits():
    marked("end")
    sys.exit(3)


def leaves_at_once():
    marked("end")
    os._exit(4)


def filtered():
    import json

    def deep(n):
        return deep(n - 1) if n else step(1)

    json.dumps([1, {"a": None}])
    deep(5)
    t = threading.Thread(target=work, args=(3,))
    t.start()
    t.join()
    marked("end")


def grows():
    held = []
    for i in range(20):
        step(i)
        if i in (5, 11):
            held.append(grown(8))
    marked("end")
    return held


def grown(megabytes):
    return b"x" * (megabytes << 20)


globals()[sys.argv[1]]()
