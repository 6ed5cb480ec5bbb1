# SPDX-License-Identifier: MIT
"""Who holds how much, by line: what tracemalloc says, and what the log says, of the same program.

lines.py runs twice, under tracemalloc and under the tracer: in one run each of them would meet the
blocks of the other. Its blocks are the same in both runs (PYTHONHASHSEED is 0), and both count the
bytes that were asked for in the domains RAW, MEM and OBJ. So the sizes of the live blocks of each
line must be equal, one by one. Where they are not, one of these rules says why:

- MALLOC: tracemalloc does not see plain malloc().
- REUSE: Python keeps blocks of dead objects for the next object of the type. Such a block is not
  handed out again. In the log it belongs to the line that took it; tracemalloc gives it to the line
  of the new object. The program names every object that it holds, so the block is known.
- BEGIN: from 3.11 on a generator or coroutine is made, and a variable that closures share, before
  the first instruction of the function that has a line. tracemalloc passes over such a frame.
- FRAME: up to 3.10 a function keeps its last frame for the next call. That is REUSE of an object
  that is dead, so nobody can name it.
- CLASS: from 3.14 on numbers are REUSE, too, and a class knows each of its subclasses by a number
  that nobody can name. The program makes seven classes.
- ADDRESS: that number, and what plain malloc() returned, is an address. A number below 2**30 has
  28 bytes, a larger one 32. Where the heap begins is low in a program that is linked to a fixed
  address. There are ten such numbers. No address is random here, but the runs are not alike.
- Left out are the lines that make the mark and take the snapshot, and one that imports: of what is
  REUSE there, other modules hold the objects.
"""

from __future__ import annotations

import bisect
import dataclasses
import inspect
from collections import Counter, defaultdict
from types import CodeType
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple

import pytest

from harness import EVERYTHING, TARGETS, Log, Python, Run, Tracer, is_mark, marks, same_addresses
from replay import Replay, Stack

SCRIPT = TARGETS / "lines.py"
OWN = (str(SCRIPT), "<made>")
AT = marks("lines.py")
MALLOC = (OWN[0], AT["plain_malloc"])
LEFT_OUT = {(OWN[0], line) for line in AT.values()} - {MALLOC}
GC_HEAD = 16

# REUSE: types of which CPython keeps dead objects, in one version or another, and of how many
# objects at most this is so here; and the coroutine of a function of another file (see BEGIN).
REUSED = {
    "list": 100,
    "dict": 100,
    "tuple": 150,
    "float": 100,
    "int": 1000,  # 3.14: each number of a loop
    "slice": 5,
    "range_iterator": 5,
    "coroutine": 5,
}

Line = Tuple[str, Optional[int]]
Sizes = Dict[Line, "Counter[int]"]  # of the live blocks of each line


@dataclasses.dataclass
class Block:
    size: int
    allocator: str
    line: Line | None  # whose it is, after the rules


def makers(code: CodeType, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Name and first line of each function that makes a generator or a coroutine."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            name = prefix + inner.co_name
            flags = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
            if inner.co_flags & flags and inner.co_name != "<genexpr>":
                yield name, inner.co_firstlineno
            is_function = inner.co_flags & inspect.CO_NEWLOCALS
            yield from makers(inner, name + (".<locals>." if is_function else "."))


MAKERS = set(makers(compile(SCRIPT.read_text(), OWN[0], "exec")))


def line_of(stack: Stack) -> Line | None:
    return (stack[0]["file"], stack[0]["line"]) if stack else None


def line_begun(python: Python, stack: Stack) -> Line | None:
    """BEGIN: the line of the innermost frame that tracemalloc looks at."""
    if python.version >= (3, 11) and len(stack) > 1 and stack[0]["file"] == OWN[0]:
        at = stack[0]["line"]
        if at is None or (stack[0]["function"], at) in MAKERS:
            return line_of(stack[1:])
    return line_of(stack)


def replay_to_mark(log: Log) -> Replay:
    replay = Replay(log, lambda event: is_mark(event, 1234))
    assert replay.stopped, "the mark is not in the log"
    return replay


def check_top(run: Run, replay: Replay) -> None:
    """`top --at` of the moment says the same as the replay, of these lines and all allocators."""
    expected = sizes_by_line((line_of(b.stack), b.size) for b in replay.live.values())
    [moment] = [r["time"] for r in run.report if "time" in r]
    found: dict[Line, list[int]] = defaultdict(lambda: [0, 0])
    for row in run.log.top("--at", f"{moment - run.log.header['start_s']:.6f}"):
        found[row["file"], row["line"]][0] += row["count"]
        found[row["file"], row["line"]][1] += row["bytes"]
    amounts = {
        line: [sum(sizes.values()), sum(size * count for size, count in sizes.items())]
        for line, sizes in expected.items()
    }
    assert {line: found[line] for line in amounts} == amounts
    plain = [b for b in replay.live.values() if b.allocator == "malloc"]
    assert [b.size for b in plain if line_of(b.stack) == MALLOC] == [5000] * 3


def sizes_by_line(pairs: Iterable[tuple[Line | None, int]]) -> Sizes:
    sizes: Sizes = defaultdict(Counter)
    for line, size in pairs:
        if line is not None and line[0] in OWN and line not in LEFT_OUT:
            sizes[line][size] += 1
    return sizes


def walk(run: Run) -> list[tuple[str, Any]]:
    [found] = [r["walk"] for r in run.report if "walk" in r]
    return [(kind, known) for kind, known in found]


def move_reused(live: dict[int, Block], ours: Run, theirs: Run) -> Counter[str]:
    """REUSE: give each block to the line where its object was made; returns the types."""
    starts = sorted(live)
    moved: Counter[str] = Counter()
    pairs = list(zip(walk(ours), walk(theirs)))
    assert len(walk(ours)) == len(walk(theirs)) > 3000
    for (kind, address), (same, line) in pairs:
        assert kind == same, "the runs differ"
        at = bisect.bisect_right(starts, address) - 1
        block = live.get(starts[at]) if at >= 0 else None
        if block is None or address >= starts[at] + block.size or line is None:
            continue  # a static object, or one from before tracemalloc began
        before, block.line = block.line, tuple(line)
        if before != block.line and (line[0] in OWN or (before and before[0] in OWN)):
            moved[kind] += 1
    return moved


def take_nameless(theirs: Sizes, ours: Sizes, sizes: range, most: int) -> None:
    """FRAME, CLASS: take at most so many blocks of these sizes out where the lines differ."""
    for some, others in ((theirs, ours), (ours, theirs)):
        left = most
        for line in list(some):
            for size, count in (some[line] - others[line]).items():
                taken = min(count, left) if size in sizes else 0
                some[line][size] -= taken
                left -= taken


def take_addresses(theirs: Sizes, ours: Sizes) -> None:
    """ADDRESS: where the lines differ, count at most ten numbers of 28 bytes as of 32."""
    left = 10
    for some, others in ((theirs, ours), (ours, theirs)):
        for line in list(some):
            taken = min((some[line] - others[line])[28], (others[line] - some[line])[32], left)
            some[line][28] -= taken
            some[line][32] += taken
            left -= taken


def differences(theirs: Sizes, ours: Sizes) -> dict[Line, tuple[Any, Any]]:
    """Line -> sizes that only they have, sizes that only we have."""
    lines = {*theirs, *ours}
    both = {line: (theirs[line] - ours[line], ours[line] - theirs[line]) for line in lines}
    return {line: (dict(a), dict(b)) for line, (a, b) in both.items() if a or b}


@pytest.mark.slow
def test_lines_equal_tracemalloc(tracer: Tracer, python: Python) -> None:
    counted = tracer.untraced(
        [*python.enter, python.path, SCRIPT],
        env={"PYTHONTRACEMALLOC": "1"},
        preexec=same_addresses,
    )
    assert counted.outcome.visible == (0, b"", b"")
    theirs = sizes_by_line(
        ((r["file"], r["line"]), r["size"]) for r in counted.report if "size" in r
    )
    # Only the two innermost frames matter, here.
    options = {**EVERYTHING, "STACK_DEPTH": 4}
    run = tracer.python(python, SCRIPT.name, options=options, preexec=same_addresses)
    replay = replay_to_mark(run.log)
    check_top(run, replay)
    live = {
        address: Block(b.size, b.allocator, line_begun(python, b.stack))
        for address, b in replay.live.items()
    }
    moved = move_reused(live, run, counted)
    assert all(count <= REUSED.get(kind, 0) for kind, count in moved.items()), moved
    seen = [b for b in live.values() if b.allocator.startswith("Py")]  # MALLOC
    ours = sizes_by_line((b.line, b.size) for b in seen)
    if python.version < (3, 11):
        [frame] = [r["frame"] + GC_HEAD for r in run.report if "frame" in r]
        take_nameless(theirs, ours, range(frame, frame + 200), 6)
    if python.version >= (3, 14):
        take_nameless(theirs, ours, range(28, 33), 7)
    take_addresses(theirs, ours)
    assert differences(theirs, ours) == {}
    assert len(ours) > 50 and sum(sum(c.values()) for c in ours.values()) > 3000
