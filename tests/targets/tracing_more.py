"""Tracers of the program's own at odd moments. usage: tracing_more.py SCENARIO"""

import ctypes
import os
import sys
import threading


def step(i):
    return i


def audited():
    """What the program's own audit hook hears of."""
    heard = []

    def hook(name, args):
        if name.startswith("sys.set") or "monitoring" in name:
            heard.append(name)

    sys.addaudithook(hook)
    for i in range(3):
        t = threading.Thread(target=step, args=(i,))
        t.start()
        t.join()
    print(heard)


def refusing():
    """An audit hook that allows no tracers."""

    def hook(name, args):
        if name in ("sys.setprofile", "sys.settrace"):
            raise RuntimeError(name)

    sys.addaudithook(hook)
    t = threading.Thread(target=step, args=(1,))
    t.start()
    t.join()
    try:
        sys.setprofile(print)
    except RuntimeError as e:
        print("refused", e)
    step(2)


def audited_change():
    """The program's audit hook raises audit events itself between ours and the change."""

    def hook(name, args):
        if name == "sys.setprofile":
            open(os.devnull).close()

    sys.addaudithook(hook)
    told = []
    sys.setprofile(lambda frame, event, arg: frame.f_code is step.__code__ and told.append(event))
    step(1)
    sys.setprofile(None)
    for i in range(4):
        step(i)
    print(told)


def one_line():
    """Both are set in one line."""
    told = []

    def tell(frame, event, arg):
        if frame.f_code is step.__code__:
            told.append(event)
        return tell

    sys.setprofile(tell), sys.settrace(tell)
    step(1)
    sys.setprofile(None), sys.setprofile(tell), sys.settrace(None), sys.setprofile(None)
    step(2)
    print(told)


def instructions():
    """A trace function that has not asked for instructions is not told of them."""
    told = []

    def trace(frame, event, arg):
        if frame.f_code is step.__code__:
            told.append(event)
        return trace

    def trace_all(frame, event, arg):
        frame.f_trace_opcodes = True
        return trace(frame, event, arg)

    sys.settrace(trace)
    step(1)
    sys.settrace(trace_all)
    step(2)
    sys.settrace(None)
    print(told)


def own_keys():
    """Something in this thread keeps a value of its own, with the program's function in place."""
    told = []
    sys.setprofile(lambda frame, event, arg: frame.f_code is step.__code__ and told.append(event))
    library, key = ctypes.CDLL(None), ctypes.c_uint()
    library.pthread_key_create(ctypes.byref(key), None)
    library.pthread_setspecific(key, ctypes.c_void_p(5))
    step(1)
    sys.setprofile(None)
    print(told)


def entered_often():
    """A thread of C that enters the interpreter anew for each call."""
    function = ctypes.CFUNCTYPE(None, ctypes.c_int)(step_from_c)
    ctypes.CDLL(os.environ["PMT_CALLBACK"]).call_in_thread_often(function, 5)


def step_from_c(i):
    step(i)


INTERPRETERS = 300


def many_interpreters():
    """More interpreters, one after the other, than any table has room for."""
    try:
        import _interpreters as module
    except ImportError:
        try:
            import _xxsubinterpreters as module
        except ImportError:
            print("none")
            return
    for _ in range(INTERPRETERS):
        one = module.create()
        module.run_string(one, "def one_of_many():\n    return 1\none_of_many()\n")
        module.destroy(one)


globals()[sys.argv[1]]()
