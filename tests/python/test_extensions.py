# SPDX-License-Identifier: MIT
"""The small C extensions: exercise material whose memory is known to the byte."""

from __future__ import annotations

import ctypes
import gc
import itertools
import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Callable, Iterator

import pymemtrace
import pytest
from pymemtrace import cMemLeak, custom

from installed import TOP, execute

BLOCKS = [cMemLeak.CMalloc, cMemLeak.PyRawMalloc, cMemLeak.PyMalloc]
HAS_TRACER = sys.version_info >= (3, 13)


def tp_name(kind: type) -> str:
    """As C has it: the word behind the object's head, of the type as a variable-sized object."""
    head = object.__basicsize__ + ctypes.sizeof(ctypes.c_ssize_t)
    name = ctypes.c_char_p.from_address(id(kind) + head).value
    assert name is not None
    return name.decode()


@pytest.mark.parametrize("block", BLOCKS)
def test_row_45_cMemLeak_names(block: Any) -> None:
    assert tp_name(block) == f"cMemLeak.{block.__name__}"
    assert repr(block) == f"<class 'cMemLeak.{block.__name__}'>"


def test_row_45_custom_name() -> None:
    assert tp_name(custom.Custom) == "custom.Custom"


@pytest.mark.parametrize("block", BLOCKS)
def test_row_45_cMemLeak_block(block: Any) -> None:
    held = block(1024)
    assert held.size == 1024
    assert ctypes.string_at(held.buffer, 1024) == b"M" * 1024
    assert block(size=3).size == 3
    assert block(0).size == 1


# Counts are taken before they are compared: an assertion that pytest rewrote holds references, too.


@pytest.mark.parametrize("block", BLOCKS)
def test_row_45_cMemLeak_refcnt(block: Any) -> None:
    held = block(1024)
    counts = [(held.refcnt(), sys.getrefcount(held))]
    for change in (3, -3):
        told = held.inc_refcnt(change), held.refcnt()  # an assert would hold it, too
        assert told[0] == told[1]
        counts.append((held.refcnt(), sys.getrefcount(held)))
    first = counts[0][0]
    assert counts == [(first, first), (first + 3, first + 3), (first, first)]
    assert first == (1 if sys.version_info >= (3, 14) else 2)


@pytest.mark.parametrize("block", BLOCKS)
def test_row_45_cMemLeak_wrong_arguments(block: Any) -> None:
    with pytest.raises(TypeError):
        block()
    with pytest.raises(TypeError):
        block("7")
    with pytest.raises(ValueError, match="must not be negative, not -1"):
        block(-1)
    with pytest.raises(MemoryError):
        block(sys.maxsize)
    held = block(8)
    with pytest.raises(RuntimeError, match="has its block already"):
        held.__init__(9)
    assert held.size == 8
    with pytest.raises(ValueError, match="nothing would be left"):
        held.inc_refcnt(-1000)
    with pytest.raises(AttributeError):
        held.size = 9


def test_row_45_cMemLeak_refcnt_of_anything() -> None:
    thing = [object()]
    before = sys.getrefcount(thing), cMemLeak.py_refcnt_of_object(thing)
    cMemLeak.py_incref(thing)
    more = sys.getrefcount(thing), cMemLeak.py_refcnt_of_object(thing)
    address = id(thing)
    by_address = cMemLeak.py_refcnt_of_address(address), cMemLeak.py_refcnt_of_object(thing)
    cMemLeak.py_decref(thing)
    after = sys.getrefcount(thing), cMemLeak.py_refcnt_of_object(thing)
    assert before[0] == before[1]
    assert more == (before[0] + 1, before[0] + 1)
    assert by_address == (more[0], more[0])
    assert after == before


@pytest.mark.parametrize("thing", [1234567, "", b"", [], {}, None, (), object()], ids=repr)
def test_row_45_cMemLeak_refcnt_by_address(thing: object) -> None:
    """Of mortal and immortal objects, as sys.getrefcount() has it."""
    counts = cMemLeak.py_refcnt_of_address(id(thing)), cMemLeak.py_refcnt_of_object(thing)
    assert counts == (sys.getrefcount(thing), sys.getrefcount(thing))


def test_row_45_cMemLeak_wrong_address() -> None:
    for address in (0, -1, -5, -(2**63), 1, 16, 4096, 2**62, 2**63 - 1):
        with pytest.raises(ValueError, match=f"no object at address {address}"):
            cMemLeak.py_refcnt_of_address(address)
    with pytest.raises(TypeError):
        cMemLeak.py_refcnt_of_address("0")  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        cMemLeak.py_refcnt_of_address(2**70)


def test_row_45_cMemLeak_bytes() -> None:
    assert cMemLeak.py_bytes_of_size(1000) == cMemLeak.py_bytes_of_size(size=1000) == bytes(1000)
    assert cMemLeak.py_bytes_of_size(0) == b""
    with pytest.raises(ValueError, match="must not be negative"):
        cMemLeak.py_bytes_of_size(-1)
    with pytest.raises(TypeError):
        cMemLeak.py_bytes_of_size(sizes=1)  # type: ignore[call-arg]


LEAKING = """
import json
from pymemtrace import cMemLeak
said = {}
for n, block in enumerate([cMemLeak.CMalloc, cMemLeak.PyRawMalloc, cMemLeak.PyMalloc]):
    freed, leaked = block(1_000_001 + n), block(2_000_001 + n)
    leaked.inc_refcnt(1)
    said[block.__name__] = [hex(freed.buffer), hex(leaked.buffer)]
    del freed, leaked
print(json.dumps(said))
"""
ALLOCATORS = {"CMalloc": "malloc", "PyRawMalloc": "PyMem_RawMalloc", "PyMalloc": "PyMem_Malloc"}


def test_row_45_cMemLeak_leaks_in_a_log(program: str, tmp_path: Path) -> None:
    """The tracer sees each block by its own allocator, and the one with a reference too many stay."""
    script, path = tmp_path / "leaking.py", tmp_path / "leaking.pmt"
    script.write_text(LEAKING)
    traced = [sys.executable, str(script)]
    run = execute([program, "run", "--fold=off", "-o", path, "--", *traced])
    said = json.loads(run.stdout)
    events = list(pymemtrace.read(path).events())
    for n, (name, allocator) in enumerate(ALLOCATORS.items()):
        for size, address in zip((1_000_001 + n, 2_000_001 + n), said[name]):
            [birth] = [
                i for i, e in enumerate(events) if e["event"] == "alloc" and e["size"] == size
            ]
            assert events[birth]["allocator"] == allocator
            assert events[birth]["address"] == address
            assert (events[birth]["file"], events[birth]["line"]) == (str(script), 6)
            freed = [e for e in events[birth:] if e["event"] == "free" and e["address"] == address]
            assert bool(freed) == (size < 2_000_000)
    [row] = pymemtrace.read(path).top(1, at="end")
    assert (row["file"], row["line"]) == (str(script), 6)
    assert row["bytes"] >= 3 * 2_000_000


def test_row_45_custom() -> None:
    thing = custom.Custom("Ada", "Lovelace", 7)
    assert (thing.first, thing.last, thing.number) == ("Ada", "Lovelace", 7)
    assert thing.name() == "Ada Lovelace"
    thing.first, thing.number = "Augusta Ада", -1
    assert (thing.name(), thing.number) == ("Augusta Ада Lovelace", -1)
    empty = custom.Custom()
    assert (empty.first, empty.last, empty.number, empty.name()) == ("", "", 0, " ")
    assert custom.Custom(last="x").name() == " x"
    thing.__init__(number=3)  # type: ignore[misc]
    assert (thing.first, thing.number) == ("Augusta Ада", 3)


def test_row_45_custom_wrong_values() -> None:
    thing = custom.Custom("a", "b")
    with pytest.raises(TypeError):
        thing.first = 1  # type: ignore[assignment]
    with pytest.raises(TypeError):
        del thing.last
    with pytest.raises(TypeError):
        custom.Custom(1)  # type: ignore[arg-type]
    assert thing.name() == "a b"


def test_row_45_custom_leaves_nothing() -> None:
    text = "".join(["a", "text of its own"])
    before = sys.getrefcount(text), sys.getrefcount(custom.Custom)
    things = [custom.Custom(text, text) for _ in range(100)]
    for thing in things:
        thing.last = text
    held = sys.getrefcount(text)
    del things, thing
    gc.collect()
    after = sys.getrefcount(text), sys.getrefcount(custom.Custom)
    assert held == before[0] + 200
    assert after == before


@pytest.mark.skipif(HAS_TRACER, reason="this Python has the reference tracer")
def test_row_38_not_before_3_13() -> None:
    with pytest.raises(ImportError, match=r"needs Python 3\.13 or later"):
        import pymemtrace.cPyRefTraceExample  # noqa: F401


class Thing:
    """An object that is in no free list."""


def things_of(count: int) -> list[Thing]:
    """So many, and no other object for each."""
    return [Thing() for _ in itertools.repeat(None, count)]


@pytest.fixture
def nothing_collected() -> Iterator[None]:
    """What tests before have left cannot die while objects are counted."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


if HAS_TRACER:
    from pymemtrace.cPyRefTraceExample import RefTraceCount

    @pytest.mark.usefixtures("nothing_collected")
    def test_row_38_counts_while_alive() -> None:
        counter = RefTraceCount()
        born, dead = counter.count_new(), counter.count_del()
        things = things_of(1000)
        assert 1000 <= counter.count_new() - born < 1020
        assert counter.count_del() - dead < 20
        del things
        assert 1000 <= counter.count_del() - dead < 1040

    @pytest.mark.usefixtures("nothing_collected")
    def test_row_38_each_counter_from_its_birth() -> None:
        outer = RefTraceCount()
        things = things_of(500)
        inner = RefTraceCount()
        assert inner.count_new() < 20
        things += things_of(500)
        assert 500 <= inner.count_new() < 530
        assert 1000 <= outer.count_new() < 1050
        del inner
        things += things_of(500)
        assert 1500 <= outer.count_new() < 1580

    @pytest.mark.usefixtures("nothing_collected")
    def test_row_38_not_while_none_is_alive() -> None:
        counter = RefTraceCount()
        del counter
        things = things_of(1000)
        counter = RefTraceCount()
        assert counter.count_new() < 20
        del things
        assert 1000 <= counter.count_del() < 1020

    @pytest.mark.usefixtures("nothing_collected")
    def test_row_38_with_another_tracer() -> None:
        """tracemalloc has the one place before, takes it, gives it up; the counter goes on or rests."""
        import tracemalloc

        tracemalloc.start()
        try:
            counter = RefTraceCount()
            things = things_of(100)
            assert 100 <= counter.count_new() < 120
            assert tracemalloc.get_object_traceback(things[5]) is not None
            tracemalloc.stop()
            tracemalloc.start()
            second = RefTraceCount()
            things += things_of(100)
            assert 100 <= second.count_new() < 120
            del counter, second
        finally:
            tracemalloc.stop()
        last = RefTraceCount()
        things = things_of(100)
        assert 100 <= last.count_new() < 120

    def test_row_38_between_tracers_that_hand_on(tmp_path: Path) -> None:
        """Each sees every object once, whatever lies above and below, and nobody goes in circles."""
        library = tmp_path / f"chain{sysconfig.get_config_var('EXT_SUFFIX')}"
        include = f"-I{sysconfig.get_path('include')}"
        execute(
            ["cc", "-shared", "-fPIC", include, "-o", library, Path(__file__).with_name("chain.c")]
        )
        done = execute([sys.executable, "-c", CHAIN], env={"PYTHONPATH": str(tmp_path)})
        answers = json.loads(done.stdout)
        assert [1000 <= n < 1030 for n in answers["births"]] == [True] * len(answers["births"])
        assert answers["rest"] == [True, True]

    def test_row_38_names() -> None:
        assert tp_name(RefTraceCount) == "cPyRefTraceExample.RefTraceCount"
        own = [name for name in dir(RefTraceCount()) if name not in dir(object())]
        assert own == ["count_del", "count_new"]
        with pytest.raises(TypeError):
            RefTraceCount(1)  # type: ignore[call-arg]


# The counters and the other tracer take turns in the interpreter's one place.
CHAIN = """
import itertools, json
import chain
from pymemtrace.cPyRefTraceExample import RefTraceCount

class Thing: pass

births, kept = [], []
def make(*counts):
    before = [count() for count in counts]
    kept.append([Thing() for _ in itertools.repeat(None, 1000)])
    births.extend(count() - was for count, was in zip(counts, before))

first = RefTraceCount()
make(first.count_new)
chain.install()                                         # above the first
make(first.count_new, chain.seen)
second = RefTraceCount()                                # and one above that
make(first.count_new, second.count_new, chain.seen)
third = RefTraceCount()
make(first.count_new, second.count_new, third.count_new, chain.seen)
del first, second, third
rest = [chain.is_installed()]
make(chain.seen)
again = RefTraceCount()
make(again.count_new, chain.seen)
chain.install()                                         # above and below
make(again.count_new)
chain.clear()
del again
last = RefTraceCount()
make(last.count_new)
del last
rest.append(not chain.is_installed())
print(json.dumps({"births": births, "rest": rest}))
"""

FLAGS = """-std=c17 -D_GNU_SOURCE -O2 -fPIC -Wall -Wextra -Wshadow -Wstrict-prototypes
-Wmissing-prototypes -Wundef -Wvla -Wpointer-arith -Werror -fsyntax-only""".split()


# How a free-threaded interpreter's own header would have it; the code for it is compiled at least.
VARIANTS = ["", "-DPy_GIL_DISABLED=1"] if sys.version_info >= (3, 13) else [""]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_row_88_extensions_without_warnings(compiler: str, variant: str) -> None:
    try:
        subprocess.run([compiler, "--version"], check=True, capture_output=True)
    except OSError:
        pytest.skip(f"{compiler} is not installed")
    folders = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
    system = [word for folder in folders for word in ("-isystem", folder)]
    sources = sorted((TOP / "python_shim" / "ext").glob("*.c"))
    assert len(sources) >= 3
    for source in sources:
        done = execute([compiler, *FLAGS, *variant.split(), *system, source], status=None)
        assert done.stderr.decode() == ""
        assert done.returncode == 0


def test_row_88_extensions_are_safe_without_the_lock() -> None:
    """The import of none of them turns the global lock on again in a free-threaded interpreter."""
    is_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    if is_enabled() and sysconfig.get_config_var("Py_GIL_DISABLED") != 1:
        pytest.skip("this Python has a global lock")
    assert not is_enabled()
