# SPDX-License-Identifier: MIT
"""Memory that comes and goes by known amounts, and what statm says after each step.

usage: resident_events.py steps PAUSE_MS | threads PAUSE_MS | forked PAUSE_MS | lines

After each step comes a call of marker(), which reads statm first of all: the resident set at the
event of this call is to be that. PAUSE_MS stands between the step and the call.
"""

import ctypes
import mmap
import os
import sys
import threading
import time

from odd import report

MIB = 1 << 20
SMALL = 3000  # bytes: many fit between the end of the heap and what malloc trims

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.realloc.restype = ctypes.c_void_p
libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.free.restype = None
libc.mallopt(-1, 128 << 10)  # M_TRIM_THRESHOLD: the bounds stay where they are
libc.free.argtypes = [ctypes.c_void_p]

statm = os.open("/proc/self/statm", os.O_RDONLY)
pause_s = 0.0
a_while_s = 0.2 if "LD_PRELOAD" in os.environ else 0.0
notes = []


def marker(notes):
    notes.append(os.pread(statm, 200, 0))


def mark(name, notes=notes):
    if pause_s:
        time.sleep(pause_s)
    marker(notes)
    notes.append(name)


def tell(notes, **fields):
    """NOTES is pairs of what statm said and the name of the step."""
    page = os.sysconf("SC_PAGE_SIZE")
    for said, name in zip(notes[::2], notes[1::2]):
        report(step=name, resident=int(said.split()[1]) * page, **fields)


def touch(memory, size, at=0):
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(memory)) + at, 1, size)


def mappings(notes=notes):
    mark("nothing", notes)
    memory = mmap.mmap(-1, 8 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    mark("mapped", notes)
    touch(memory, 4 * MIB)
    mark("touched half +4", notes)
    touch(memory, 4 * MIB, 4 * MIB)
    mark("touched all +4", notes)
    memory.madvise(mmap.MADV_DONTNEED, 0, 4 * MIB)
    mark("advised half away -4", notes)
    memory.close()
    mark("closed -4", notes)


def python_blocks():
    block = bytearray(16 * MIB)  # fresh pages of the kernel: not touched yet
    for at in range(0, 16 * MIB, 4096):
        block[at] = 1
    mark("bytearray +16")
    del block[4 * MIB :]
    mark("shortened")
    del block
    mark("deleted")
    objects = [(n,) for n in range(100000)]
    mark("objects +5")
    objects.clear()
    mark("cleared -5")


def heap_of_c():
    large = libc.malloc(8 * MIB)
    ctypes.memset(large, 1, 8 * MIB)
    mark("large block +8")
    large = libc.realloc(large, 24 * MIB)
    ctypes.memset(large, 1, 24 * MIB)
    mark("larger +16")
    libc.free(large)
    mark("freed -24")
    small = [0] * 4096
    for i in range(len(small)):
        small[i] = libc.malloc(SMALL)
        ctypes.memset(small[i], 1, SMALL)
    mark("small blocks +10")
    for block in reversed(small):
        libc.free(block)
    mark("small blocks freed -10")


def arrays():
    try:
        import numpy
    except ImportError:
        return
    mark("numpy")
    array = numpy.ones(MIB)
    mark("array +8")
    array = array + 1.0
    mark("another")
    del array
    mark("arrays deleted -8")


def steps():
    mappings()
    python_blocks()
    heap_of_c()
    arrays()
    tell(notes)


# Functions of their own, so that a log tells threads apart by their events.
def marker0(notes):
    notes.append(os.pread(statm, 200, 0))


def marker1(notes):
    notes.append(os.pread(statm, 200, 0))


def marker2(notes):
    notes.append(os.pread(statm, 200, 0))


def marker3(notes):
    notes.append(os.pread(statm, 200, 0))


markers = [marker0, marker1, marker2, marker3]


def in_turns(number, barrier):
    """One thread does something and looks at once; then all look, after a while."""
    mine = []
    memory = mmap.mmap(-1, 8 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for turn in range(4 * len(markers)):
        barrier.wait()
        if turn % len(markers) == number:
            if turn // len(markers) % 2 == 0:
                touch(memory, 8 * MIB)
            else:
                memory.madvise(mmap.MADV_DONTNEED)
            if pause_s:
                time.sleep(pause_s)
            markers[number](mine)
            mine.append("mine %d" % turn)
        barrier.wait()
        time.sleep(a_while_s)
        markers[number](mine)
        mine.append("all %d" % turn)
    barrier.wait()
    tell(mine, number=number)


def threads():
    barrier = threading.Barrier(len(markers))
    started = [threading.Thread(target=in_turns, args=(n, barrier)) for n in range(1, len(markers))]
    for thread in started:
        thread.start()
    in_turns(0, barrier)
    for thread in started:
        thread.join()


def forked():
    global statm
    mappings()
    if os.fork() == 0:
        statm = os.open("/proc/self/statm", os.O_RDONLY)
        mine = []
        mappings(mine)
        tell(mine, pid=os.getpid())
        os._exit(0)
    os.wait()
    mappings()
    tell(notes, pid=os.getpid())


def lines():
    """Four times the same line, and a MiB more each time."""
    memory = mmap.mmap(-1, 8 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for i in range(4):
        touch(memory, MIB, i * MIB)
        i += 1  # line: grown
    with open("/proc/self/smaps_rollup") as rollup:
        own = [line.split() for line in rollup if line.startswith("Private_")]
    with open("/proc/self/status") as status:
        rss = {words[0]: int(words[1]) for words in map(str.split, status) if "Rss" in words[0]}
    report(
        uss=sum(int(words[1]) for words in own) * 1024,
        anon=rss["RssAnon:"] * 1024,
        file=(rss["RssFile:"] + rss["RssShmem:"]) * 1024,
    )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        pause_s = float(sys.argv[2]) / 1000
    globals()[sys.argv[1]]()
