# SPDX-License-Identifier: MIT
"""The text of sys._debugmallocstats() is got under all circumstances, and read right.

Witnesses: what a process without us prints on its stderr; that the sums of the size classes are the
totals that CPython prints for itself; and blocks that a test makes, which it can count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pymemtrace
import pytest
from pymemtrace import debug_malloc_stats as dms

TOP = Path(__file__).resolve().parents[2]
PACKAGES = Path(pymemtrace.__file__).resolve().parents[1]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
LIBRARY = Path(os.environ.get("PMT_LIBRARY", BUILD / "lib" / "tracer" / "libpymemtrace.so"))

pytestmark = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="no pymalloc without the GIL"
)

# As 3.8 prints it, with three size classes in use.
OLD = b"""Small block threshold = 512, in 32 size classes.

class   size   num pools   blocks in use  avail blocks
-----   ----   ---------   -------------  ------------
    0     16           1             182            71
    1     32           5             522           108
   31    512           2               9             5

# arenas allocated total           =                    6
# arenas reclaimed                 =                    2
# arenas highwater mark            =                    5
# arenas allocated current         =                    4
4 arenas * 262144 bytes/arena      =            1,048,576

# bytes in allocated blocks        =               24,224
# bytes in available blocks        =                7,152
248 unused pools * 4096 bytes      =            1,015,808
# bytes lost to pool headers       =                  384
# bytes lost to quantization       =                1,008
# bytes lost to arena alignment    =                    0
Total                              =            1,048,576

       3 free PyCFunctionObjects * 56 bytes each =                  168
           10 free PyDictObjects * 48 bytes each =                  480
   9 free 1-sized PyTupleObjects * 32 bytes each =                  288
"""

# As 3.10 and later print it.
NEW = b"""Small block threshold = 512, in 32 size classes.

class   size   num pools   blocks in use  avail blocks
-----   ----   ---------   -------------  ------------
    0     16           1              29           992
    2     48           5            1255           445
   31    512           1              30             1

# arenas allocated total           =                    2
# arenas reclaimed                 =                    0
# arenas highwater mark            =                    2
# arenas allocated current         =                    2
2 arenas * 1048576 bytes/arena     =            2,097,152

# bytes in allocated blocks        =               76,064
# bytes in available blocks        =               37,744
119 unused pools * 16384 bytes     =            1,949,696
# bytes lost to pool headers       =                  336
# bytes lost to quantization       =                  544
# bytes lost to arena alignment    =               32,768
Total                              =            2,097,152

arena map counts
# arena map mid nodes              =                    1
# arena map bot nodes              =                    1

# bytes lost to arena map root     =              262,144
# bytes lost to arena map mid      =              262,144
# bytes lost to arena map bot      =              131,072
Total                              =              655,360

           10 free PyDictObjects * 48 bytes each =                  480
  40 free 2-sized PyTupleObjects * 40 bytes each =                1,600
"""


def python(code: str, *, expect: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh process of the same interpreter."""
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGES), "PYTHONDONTWRITEBYTECODE": "1", **env},
    )
    assert process.returncode == expect, process.stderr
    return process


def check_sums(stats: dms.SysDebugMallocStats) -> None:
    """CPython sums the classes by itself: we must come to the same."""
    classes, pools = stats.malloc_stats, stats.pools_blocks
    assert sum(s.allocated_bytes for s in classes) == pools.allocated_bytes > 0
    assert sum(s.available_bytes for s in classes) == pools.available_bytes
    assert sum(s.pool_header_bytes for s in classes) == pools.pool_header_bytes
    assert sum(s.quantization for s in classes) == pools.quantization
    assert pools.total == stats.arenas.arenas_total
    assert [s.size for s in classes] == [16 * (s.block_class + 1) for s in classes]


@pytest.mark.parametrize("text", [OLD, NEW])
def test_row_42_debug_malloc_stats_reads_and_repeats(text: bytes) -> None:
    stats = dms.SysDebugMallocStats(text)
    assert repr(stats).encode() == text
    check_sums(stats)
    assert (stats.small_block_threshold, stats.size_classes) == (512, 32)


def test_row_42_debug_malloc_stats_attributes() -> None:
    stats = dms.SysDebugMallocStats(OLD)
    assert stats.malloc_stats[1] == (1, 32, 5, 522, 108)
    assert repr(stats.malloc_stats[1]) == "    1     32           5             522           108"
    arenas = stats.arenas
    assert (arenas.ntimes_arena_allocated, arenas.narenas_highwater, arenas.narenas) == (6, 5, 4)
    assert (arenas.arena_size, arenas.arenas_reclaimed, arenas.arenas_total) == (262144, 2, 1048576)
    pools = stats.pools_blocks
    assert (pools.numfreepools, pools.pool_size, pools.unused_pool_total) == (248, 4096, 1015808)
    assert (pools.arena_alignment, pools.pool_overhead(8)) == (0, 48)
    assert list(stats.object_types()) == [
        b"PyCFunctionObjects", b"PyDictObjects", b"1-sized PyTupleObjects",
    ]  # fmt: skip
    assert stats.type_stat(b"PyDictObjects") == (10, "PyDictObjects", 48, 480)
    assert stats.has_object_type(b"PyDictObjects")
    assert not stats.has_object_type(b"PyListObjects")
    with pytest.raises(KeyError):
        stats.type_stat(b"PyListObjects")
    assert stats.arena_map is None
    new = dms.SysDebugMallocStats(NEW)
    assert new.arena_map is not None
    assert new.arena_map.total == 655360
    # 16 KiB pools: (16384 - 48) % 48 bytes are left over in each of 5.
    assert new.malloc_stats[1].quantization == 5 * 16


def test_row_42_debug_malloc_stats_lone_classes() -> None:
    """As upstream's users make them, without a snapshot."""
    stat = dms.DebugMallocStat(0, 16, 4, 777, 235)
    assert (stat.allocated_bytes, stat.available_bytes) == (777 * 16, 235 * 16)
    assert stat.pool_header_bytes == 4 * dms.POOL_OVERHEAD
    assert stat.quantization == 0
    assert dms.DebugMallocPoolsBlocks(NEW).pool_overhead(0) == dms.POOL_OVERHEAD
    assert dms.last_value_as_int(b"# arenas allocated total           =       2,033") == 2033
    with pytest.raises(ValueError):
        dms.last_value_as_int(b"class   size")
    stat = dms.DebugTypeStat(52, "2-sized PyTupleObjects", 40, 2080)  # type: ignore[assignment]
    assert repr(stat) == "  52 free 2-sized PyTupleObjects * 40 bytes each =                2,080"


@pytest.mark.parametrize(
    "expression, line, groups",
    [
        (dms.RE_DEBUG_MALLOC_STATS_LINE, b"    0     16     2   294   212", "0 16 2 294 212"),
        (dms.RE_DEBUG_MALLOC_ARENAS_SUMMARY_LINE, b"18 arenas * 262144 bytes/arena     =            4,718,592", "18 262144 4,718,592"),
        (dms.RE_DEBUG_MALLOC_POOLS_SUMMARY_LINE, b"63 unused pools * 4096 bytes       =              258,048", "63 4096 258,048"),
        (dms.RE_DEBUG_MALLOC_TYPE_LINE, b"   34 free PyTupleObjects * 40 bytes each =      1,360", "34 PyTupleObjects 40 1,360"),
        (dms.RE_DEBUG_MALLOC_HEADER_LINE, b"Small block threshold = 512, in 32 size classes.", "512 32"),
    ],
)  # fmt: skip
def test_row_42_debug_malloc_stats_expressions(expression, line, groups) -> None:  # type: ignore[no-untyped-def]
    match = expression.match(line)
    assert match is not None
    assert b" ".join(match.groups()).decode() == groups


def test_row_42_debug_malloc_stats_diff() -> None:
    changed = (
        OLD.replace(b"    1     32           5             522           108", b"    1     32           6             500           256")
        .replace(b"6\n# arenas reclaimed                 =                    2", b"7\n# arenas reclaimed                 =                    2")
        .replace(b"current         =                    4\n4 arenas * 262144 bytes/arena      =            1,048,576", b"current         =                    5\n5 arenas * 262144 bytes/arena      =            1,310,720")
        .replace(b"248 unused pools * 4096 bytes      =            1,015,808", b"311 unused pools * 4096 bytes      =            1,273,856")
        .replace(b"           10 free PyDictObjects * 48 bytes each =                  480", b"            8 free PyDictObjects * 48 bytes each =                  384")
    )  # fmt: skip
    a, b = dms.SysDebugMallocStats(OLD), dms.SysDebugMallocStats(changed)
    assert dms.diff_debugmallocstats(a, a) == []
    assert dms.diff_debugmallocstats(a, b) == [
        "class   size   num pools   blocks in use  avail blocks",
        "-----   ----   ---------   -------------  ------------",
        "    1     32          +1             -22          +148",
        "",
        "# arenas allocated total           =                   +1",
        "# arenas allocated current         =                   +1",
        "+1 arenas * 262144 bytes/arena     =             +262,144",
        "",
        "+63 unused pools * 4096 bytes      =             +258,048",
        "Total                              =             +258,048",
        "",
        "           -2 free PyDictObjects * 48 bytes each =                  -96",
    ]


def test_row_42_debug_malloc_stats_diff_of_new_and_gone() -> None:
    """Upstream: ValueError for a new size class, KeyError for a new type."""
    more = OLD.replace(
        b"   31    512 ", b"    7    128           1               3            28\n   31    512 "
    )
    more = more.replace(b"       3 free PyCFunctionObjects * 56 bytes each =                  168\n", b"").replace(
        b"   9 free 1-", b"            6 free PyListObjects * 40 bytes each =                  240\n   9 free 1-"
    )  # fmt: skip
    a, b = dms.SysDebugMallocStats(OLD), dms.SysDebugMallocStats(more)
    assert [len(s.malloc_stats) for s in (a, b)] == [3, 4]
    there, back = dms.diff_debugmallocstats(a, b), dms.diff_debugmallocstats(b, a)
    assert there[2:] == [
        "    7    128          +1              +3           +28",
        "",
        "           +6 free PyListObjects * 40 bytes each =                 +240",
        "      -3 free PyCFunctionObjects * 56 bytes each =                 -168",
    ]
    assert back[2:] == [
        "    7    128          -1              -3           -28",
        "",
        "      +3 free PyCFunctionObjects * 56 bytes each =                 +168",
        "           -6 free PyListObjects * 40 bytes each =                 -240",
    ]


def test_row_42_debug_malloc_stats_refuses_to_compare() -> None:
    a, b = dms.SysDebugMallocStats(OLD), dms.SysDebugMallocStats(NEW)
    with pytest.raises(ValueError, match=r"a\.arena_size != b\.arena_size: 262144 != 1048576"):
        dms.diff_debugmallocstats(a, b)
    one = dms.DebugMallocStat(0, 16, 2, 297, 209)
    with pytest.raises(ValueError, match=r"^a\.block_class != b\.block_class: 0 != 1$"):
        dms.diff_debug_malloc_stat(one, dms.DebugMallocStat(1, 16, 2, 297, 209))
    with pytest.raises(ValueError, match=r"^a\.size != b\.size: 16 != 32$"):
        dms.diff_debug_malloc_stat(one, dms.DebugMallocStat(0, 32, 2, 297, 209))
    with pytest.raises(ValueError, match=r"^a\.bytes_each != b\.bytes_each: 40 != 64$"):
        dms.diff_debug_type_stat(
            dms.DebugTypeStat(1, "X", 40, 40), dms.DebugTypeStat(1, "X", 64, 64)
        )


def test_row_42_debug_malloc_stats_live() -> None:
    """What another process of this interpreter prints is read to the last byte."""
    text = python("import sys; sys._debugmallocstats()", PYTHONMALLOC="pymalloc").stderr
    stats = dms.SysDebugMallocStats(text.encode())
    assert repr(stats) == text
    check_sums(stats)
    assert stats.pools_blocks.pool_size == dms.POOL_SIZE


# Keeps 5000 blocks of a size class that is hardly used, and says how many more are in use then.
COUNTS = """
import sys, tracemalloc
from pymemtrace import debug_malloc_stats as dms
size = 400 - sys.getsizeof(b"") - {debug}
with dms.DiffSysDebugMallocStats() as diff:
    kept = [bytes(size) for _ in range(5000)]
def blocks(stats):
    return sum(s.blocks_in_use for s in stats.malloc_stats if s.size == 400)
more = blocks(diff.after) - blocks(diff.before)
assert 5000 <= more <= 5010, (more, diff.diff())
assert "   24    400 " in diff.diff()
after = diff.after
assert sum(s.quantization for s in after.malloc_stats) == after.pools_blocks.quantization
print("counted")
"""
TRACED = "import tracemalloc; tracemalloc.start(4)\n"


@pytest.mark.parametrize("allocator", ["pymalloc", "pymalloc_debug"])
@pytest.mark.parametrize("before", ["", TRACED], ids=["plain", "tracemalloc"])
def test_row_42_debug_malloc_stats_counts_blocks(before: str, allocator: str) -> None:
    # The debug hooks put three words around a block.
    code = before + COUNTS.format(debug=24 if allocator == "pymalloc_debug" else 0)
    assert python(code, PYTHONMALLOC=allocator).stdout == "counted\n"


def test_row_42_debug_malloc_stats_leaves_tracemalloc_as_it_was() -> None:
    """No block of any thread passes tracemalloc by while its functions are away."""
    code = """
import ctypes, gc, sys, threading, tracemalloc
from pymemtrace import debug_malloc_stats as dms
tracemalloc.start()
sys.setswitchinterval(1e-6)
gc.set_threshold(1)
hooks = (ctypes.c_void_p * 5)()
ctypes.pythonapi.PyMem_GetAllocator(2, hooks)
before = list(hooks)
made, stop = [], threading.Event()

class Finalised:
    def __init__(self):
        self.me = self
    def __del__(self):
        made.append(bytes(100))

def work():
    while not stop.is_set():
        made.append(bytes(200))
        Finalised()
        del made[:-2000]

threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
texts = [dms.get_debugmallocstats() for _ in range(100)]
while len(made) <= 100:
    stop.wait(0.001)
stop.set()
for thread in threads:
    thread.join()
assert all(b"arenas allocated total" in text for text in texts)
ctypes.pythonapi.PyMem_GetAllocator(2, hooks)
assert list(hooks) == before
assert gc.isenabled()
assert len(made) > 100
missing = [m for m in made if tracemalloc.get_object_traceback(m) is None]
print(len(missing))
"""
    assert python(code).stdout == "0\n"


def test_row_42_debug_malloc_stats_runs_no_collection_within() -> None:
    """A finaliser could run any code while the functions of tracemalloc are away."""
    code = """
import ctypes, gc, tracemalloc
from pymemtrace import debug_malloc_stats as dms
tracemalloc.start()
now = (ctypes.c_void_p * 5)()
ctypes.pythonapi.PyMem_GetAllocator(2, now)
before, seen = list(now), []

def look(phase, info):
    ctypes.pythonapi.PyMem_GetAllocator(2, now)
    seen.append(list(now))

gc.callbacks.append(look)
gc.set_threshold(1)
for _ in range(20):
    dms.get_debugmallocstats()
gc.callbacks.remove(look)
assert len(seen) > 20
print(len([s for s in seen if s != before]))
gc.disable()
dms.get_debugmallocstats()
assert not gc.isenabled()
"""
    assert python(code).stdout == "0\n"


# The innermost allocator is not pymalloc, or cannot be found.
@pytest.mark.parametrize("before", ["", TRACED], ids=["plain", "tracemalloc"])
def test_row_42_debug_malloc_stats_without_pymalloc(before: str) -> None:
    code = """
from pymemtrace import debug_malloc_stats as dms
kept = [float(i) for i in range(100)]
del kept
try:
    dms.SysDebugMallocStats()
except dms.PymallocNotActiveError as error:
    assert isinstance(error, ValueError)
    assert "PYTHONMALLOC=malloc" in str(error)
    types = {stat.object_type: stat.free_count for stat in error.type_stats}
    print(types["PyFloatObjects"])
"""
    told = int(python(before + code, PYTHONMALLOC="malloc").stdout)
    assert 50 <= told <= 100


@pytest.mark.skipif(not LIBRARY.exists(), reason=f"no {LIBRARY}")
@pytest.mark.parametrize("before", ["", TRACED], ids=["plain", "tracemalloc"])
def test_row_42_debug_malloc_stats_while_traced(before: str, tmp_path: Path) -> None:
    log = tmp_path / "log.pmt"
    process = python(
        before + COUNTS.format(debug=0), LD_PRELOAD=str(LIBRARY), PYMEMTRACE_OUTPUT=str(log)
    )
    assert (process.stdout, process.stderr) == ("counted\n", "")
    assert log.stat().st_size > 0


def test_row_42_debug_malloc_stats_without_stderr() -> None:
    """Upstream: AttributeError. And descriptors are as before, also a closed one."""
    code = """
import os, sys
from pymemtrace import debug_malloc_stats as dms
sys.stderr = None
def fds():
    return {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in map(int, os.listdir("/proc/self/fd"))
            if os.path.exists(f"/proc/self/fd/{fd}")}
before = fds()
dms.SysDebugMallocStats()
assert fds() == before
os.close(2)
dms.SysDebugMallocStats()
try:
    os.fstat(2)
except OSError as error:
    print(error.errno)
"""
    process = python(code)
    assert (process.stdout, process.stderr) == ("9\n", "")


def test_row_42_debug_malloc_stats_context() -> None:
    diff = dms.DiffSysDebugMallocStats()
    with pytest.raises(RuntimeError, match=r"^Context manager not entered\.$"):
        diff.diff()
    with diff, pytest.raises(RuntimeError, match=r"^Context manager not exited\.$"):
        diff.diff()
    assert isinstance(diff.diff(), str)
    with pytest.raises(KeyError), diff:
        raise KeyError
    assert diff.after is not None


@pytest.mark.parametrize("before", ["", TRACED], ids=["plain", "tracemalloc"])
def test_row_42_debug_malloc_stats_sees_little_of_itself(before: str) -> None:
    code = """
from pymemtrace.debug_malloc_stats import DiffSysDebugMallocStats
with DiffSysDebugMallocStats() as diff:
    pass
after = {s.block_class: s.blocks_in_use for s in diff.after.malloc_stats}
before = {s.block_class: s.blocks_in_use for s in diff.before.malloc_stats}
print(sum(abs(after.get(c, 0) - before.get(c, 0)) for c in range(32)))
"""
    assert int(python(before + code).stdout) <= 16


def test_row_42_debug_malloc_stats_under_capture(capfd: pytest.CaptureFixture[str]) -> None:
    check_sums(dms.SysDebugMallocStats())
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
