# SPDX-License-Identifier: MIT
"""Processes made by Python in every way. usage: procs.py CASE

Every process allocates COUNT blocks of an own size and reports its pid, the size and the count.
"""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings

from odd import free, note, report, valloc

COUNT = 15111 // 8 + 1  # 8 tasks make a bit over 15,111


def work(number):
    for _ in range(COUNT):
        free(valloc(90000 + number))
    note(80000 + number, valloc(80000 + number))
    report(pid=os.getpid(), size=90000 + number, count=COUNT)
    return number


def _wait(pid):
    return os.waitpid(pid, 0)[1]


def fork():
    pids = []
    for number in range(8):
        pid = os.fork()
        if not pid:
            work(number)
            os._exit(number)
        pids.append(pid)
    print([_wait(pid) >> 8 for pid in pids])
    work(100)


def fork_normal_exit():
    pid = os.fork()
    work(0 if pid else 1)
    if pid:
        print(_wait(pid))


def raw_fork():
    libc = ctypes.PyDLL(None)
    pid = libc.fork()
    work(0 if pid else 1)
    if not pid:
        os._exit(3)
    print(_wait(pid) >> 8)


def _pool(method):
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        print(pool.map(work, range(8), chunksize=1))
    work(100)


def pool_fork():
    _pool("fork")


def pool_spawn():
    _pool("spawn")


def pool_forkserver():
    _pool("forkserver")


def pool_closed():
    """Workers that end by themselves (os._exit) instead of being terminated."""
    pool = multiprocessing.get_context("fork").Pool(2)
    print(pool.map(work, range(4), chunksize=1))
    pool.close()
    pool.join()


def python_child():
    command = [sys.executable, __file__, "only_work"]
    print(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    work(100)


def only_work():
    work(1)
    print("child")


def other_child():
    print(subprocess.check_output(["/bin/echo", "not Python"]))
    print(subprocess.call("exit 3", shell=True))
    work(100)


def spawn_child():
    pid = os.posix_spawn(sys.executable, [sys.executable, __file__, "only_work"], os.environ)
    print(_wait(pid))
    work(100)


def exec_python():
    work(100)
    os.execv(sys.executable, [sys.executable, __file__, "only_work"])


def exec_other():
    work(100)
    os.execv("/bin/echo", ["echo", "replaced"])


def profile_in_child():
    pid = os.fork()
    if not pid:
        sys.setprofile(lambda *_: None)
        work(1)
        os._exit(0)
    print(_wait(pid))
    work(100)


def killed_parent():
    """The parent is killed while the child waits; the child goes on and ends well."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid:
        os.close(readable)
        work(100)
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(writable)
    os.read(readable, 1)
    time.sleep(0.1)
    work(1)


def fork_in_thread():
    import threading

    def body():
        pid = os.fork()
        if not pid:
            work(1)
            os._exit(0)
        print(_wait(pid))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    work(100)


warnings.simplefilter("ignore", DeprecationWarning)  # fork() where there are threads

if __name__ == "__main__":
    globals()[sys.argv[1]]()
