"""A program that moves its environment away and writes a title over its arguments and the old place.

usage: moved.py [keep|lose] SCENARIO: `lose` leaves the environment where the title goes, as a program
does that knows nothing of it.
"""

import ctypes
import os
import signal
import subprocess
import sys

libc = ctypes.CDLL(None)
libc.strdup.restype = ctypes.c_void_p
libc.strdup.argtypes = [ctypes.c_void_p]


def write_title(keep):
    with open("/proc/self/stat") as stream:
        fields = stream.read().rsplit(")", 1)[1].split()
    start, end = int(fields[45]), int(fields[48])  # arg_start, env_end
    environ = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")
    places = []
    i = 0
    while environ[i]:
        places.append((environ[i], len(ctypes.string_at(environ[i]))))
        if keep:
            environ[i] = libc.strdup(environ[i])
        i += 1
    for address, size in places:  # also of what somebody has put elsewhere
        ctypes.memset(address, ord("*"), size)
    title = b"worker: f* busy " * ((end - start) // 16 + 1)
    ctypes.memmove(start, title, end - start - 1)


def f(n):
    return [bytearray(10_000) for _ in range(n)]


def g():
    return 2


def fork():
    pid = os.fork()
    if pid == 0:
        kept = f(100)
        os._exit(len(kept) - 100)
    print("fork", os.waitpid(pid, 0)[1])


CHILD = "import os, sys; x = [bytearray(10000) for _ in range(100)]; sys.exit(3)"


def spawn():
    print("spawn", subprocess.call([sys.executable, "-S", "-c", CHILD]))
    pid = os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", CHILD], os.environ)
    print("posix_spawn", os.waitpid(pid, 0)[1] >> 8)
    print("shell", os.system("cd / && %s -S -c '%s'; exit 5" % (sys.executable, CHILD)) >> 8)
    pid = os.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-S", "-c", CHILD])
    print("exec", os.waitpid(pid, 0)[1] >> 8)


def calls():
    for _ in range(10):
        f(1)
        g()


def mark():
    library = ctypes.PyDLL(None)
    text = ctypes.create_string_buffer(b"before the title")
    library.pymemtrace_mark(text)
    text.value = b"x" * 16
    library.pymemtrace_mark(b"behind the title")


def toggle():
    os.kill(os.getpid(), signal.SIGUSR1)
    calls()
    os.kill(os.getpid(), signal.SIGUSR1)
    g()
    os.chdir("/")
    os.kill(os.getpid(), signal.SIGUSR1)
    calls()
    g()


scenario = globals()[sys.argv[2]]
keep = sys.argv[1] == "keep"
write_title(keep)
scenario()
print("end", flush=True)
