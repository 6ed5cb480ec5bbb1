"""A program that asks for its own tracing. usage: control.py LIBRARY|preloaded SCENARIO"""

import ctypes
import json
import os
import signal
import sys
import threading
import time

library = ctypes.PyDLL(None if sys.argv[1] == "preloaded" else sys.argv[1])
library.pymemtrace_problem.restype = ctypes.c_char_p
library.pymemtrace_log_path.restype = ctypes.c_char_p


def report(**fields):
    with open(os.environ["PMT_REPORT"], "a") as file:
        print(json.dumps(fields), file=file)


def problem():
    return library.pymemtrace_problem().decode()


def start(**settings):
    texts = [("%s=%s" % item).encode() for item in settings.items()]
    return library.pymemtrace_start((ctypes.c_char_p * (len(texts) + 1))(*texts, None))


def log(name):
    return os.path.join("logs", name)


def work(n):
    return [step(i) for i in range(n)]


def step(i):
    return bytes(1000 + i)


def cycles():
    """Logs one after the other, each with what happened in its time, from all threads."""
    stop = threading.Event()
    calls = [0]  # about

    def other():
        while not stop.is_set():
            in_thread(1)
            time.sleep(0.0005)

    def in_thread(n):
        calls[0] += 1
        return bytearray(3000 + n)

    threads = [threading.Thread(target=other) for _ in range(3)]
    for t in threads:
        t.start()
    for i in range(4):
        work(5)
        report(rc=start(OUTPUT=log("cycle%d.pmt" % i), TRACE="calls,pymem,rss", FOLD="off"))
        held = work(10 + i)
        before = calls[0]
        # One more than there are threads: that call began when the log was there.
        while calls[0] < before + 4:
            time.sleep(0.001)
        assert library.pymemtrace_is_active() == 1
        library.pymemtrace_mark(b"cycle %d" % i)
        report(rc=library.pymemtrace_stop())
        assert library.pymemtrace_is_active() == 0
        del held
    stop.set()
    for t in threads:
        t.join()


def suspended():
    report(rc=start(OUTPUT=log("suspended.pmt"), TRACE="calls,pymem,rss", FOLD="off"))
    work(3)
    library.pymemtrace_suspend()
    assert library.pymemtrace_is_active() == 2
    work(100)
    library.pymemtrace_resume()
    work(4)
    report(rc=library.pymemtrace_stop())


def changed():
    report(rc=start(OUTPUT=log("changed.pmt"), TRACE="calls"))
    work(2)
    report(rc=library.pymemtrace_set(b"TRACE=lines"))
    work(2)
    report(rc=library.pymemtrace_set(b"TRACE=calls,lines"))
    work(1)
    report(rc=library.pymemtrace_stop())


def builtin_types():
    """Lists are left out at first, and from the second ten on they are not."""
    report(rc=start(OUTPUT=log("builtin_types.pmt"), TRACE="objects"))
    made = []
    for setting in (None, b"BUILTIN_TYPES=on", b"BUILTIN_TYPES=off"):
        if setting is not None:
            report(rc=library.pymemtrace_set(setting))
        for n in range(10):
            made.append([n])
    made.clear()
    report(rc=library.pymemtrace_stop())


def filtered():
    start(OUTPUT=log("filtered.pmt"), TRACE="calls", INCLUDE_FUNCTIONS="step,filtered")
    work(3)
    library.pymemtrace_stop()


def refused():
    report(rc=library.pymemtrace_stop(), problem=problem())
    report(rc=library.pymemtrace_mark(b"text"), problem=problem())
    report(rc=library.pymemtrace_set(b"TRACE=calls"), problem=problem())
    report(rc=start(TRACE="nothing"), problem=problem())
    report(rc=start(NOTHING="1"), problem=problem())
    report(rc=start(OUTPUT="/nowhere/at/all.pmt"), problem=problem())
    report(rc=start(OUTPUT=log("refused.pmt"), TRACE="calls"), problem=problem())
    report(rc=start(OUTPUT=log("again.pmt"), TRACE="calls"), problem=problem())
    report(rc=library.pymemtrace_set(b"RSS=1"), problem=problem())
    report(rc=library.pymemtrace_mark(b"x" * 5000), problem=problem())
    report(rc=library.pymemtrace_stop(), problem=problem())


def malloc():
    report(rc=start(OUTPUT=log("malloc.pmt"), TRACE="malloc"), problem=problem())


def toggled():
    """By a signal, twice."""
    for _ in range(2):
        work(2)
        os.kill(os.getpid(), signal.SIGUSR2)
        work(3)
        os.kill(os.getpid(), signal.SIGUSR2)
    work(2)


def forks():
    report(rc=start(OUTPUT=log("%p.pmt"), TRACE="calls"))
    pid = os.fork()
    if pid == 0:
        work(7)
        library.pymemtrace_stop()
        os._exit(0)
    os.waitpid(pid, 0)
    work(2)
    report(rc=library.pymemtrace_stop())


def left_open():
    """To the end of the program."""
    report(rc=start(OUTPUT=log("open.pmt"), TRACE="calls,pymem,rss"))
    work(2)


def other_tracers():
    """Profile and trace functions of the program that were there before us, in two threads."""
    told = []
    ready, go = threading.Event(), threading.Event()

    def tell(frame, event, arg):
        if frame.f_code is step.__code__:
            told.append(event)
        return tell

    def body():
        sys.setprofile(tell)
        sys.settrace(tell)
        ready.set()
        go.wait()
        step(1)

    t = threading.Thread(target=body)
    t.start()
    ready.wait()
    sys.setprofile(tell)
    report(rc=start(OUTPUT=log("others.pmt"), TRACE="profile,trace"))
    step(1)
    main, told[:] = told[:], []
    go.set()
    t.join()
    other, told[:] = told[:], []
    report(rc=library.pymemtrace_stop())
    step(2)
    report(main=main, other=other, after=told[:])


def new_threads():
    report(rc=start(OUTPUT=log("threads.pmt"), TRACE="calls"))
    for i in range(3):
        t = threading.Thread(target=work, args=(2,))
        t.start()
        t.join()
    report(rc=library.pymemtrace_stop())


def down(n, function):
    return down(n - 1, function) if n else function()


def depth():
    """The depth is right although calls were not seen for a while, or not counted."""

    def resumed():
        library.pymemtrace_resume()
        step(1)

    def limited():
        library.pymemtrace_set(b"CALL_DEPTH=3")
        step(1)

    report(rc=start(OUTPUT=log("depth0.pmt"), TRACE="calls", CALL_DEPTH="3"))
    library.pymemtrace_suspend()
    down(3, resumed)
    step(2)
    report(rc=library.pymemtrace_stop())
    report(rc=start(OUTPUT=log("depth1.pmt"), TRACE="calls"))
    down(3, limited)
    step(2)
    report(rc=library.pymemtrace_stop())


def many():
    """Logs without end leave nothing in the address space."""

    def mapped():
        with open("/proc/self/maps") as file:
            return sum(".pmt" in line for line in file)

    for i in range(30):
        rc = start(OUTPUT=log("many%d.pmt" % i), TRACE="calls,pymem")
        work(3)
        report(rc=rc, mapped=mapped())
        library.pymemtrace_stop()


def often_set():
    report(rc=start(OUTPUT=log("often.pmt"), TRACE="calls"))
    for _ in range(6000):
        if library.pymemtrace_set(b"TRACE=calls") != 0:
            break
    report(rc=library.pymemtrace_set(b"TRACE=calls"), problem=problem())
    report(rc=library.pymemtrace_stop())


globals()[sys.argv[2]]()
