# SPDX-License-Identifier: MIT
"""What the tracer costs in memory and on the disk, measured from outside, beside the same run without it."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from harness import TARGETS, Python, Run, Tracer

KIB = 1 << 10
MIB = 1 << 20
CHUNK_MAGIC, FOLD = 0x4B4E4843, 3
DEFAULTS = {"FOLD": "on", "TRACE": None}


def both(tracer: Tracer, python: Python, *args: Any, **options: Any) -> tuple[int, Run]:
    """What the traced process has in pages of its own, beyond the untraced one."""
    if python.root:
        pytest.skip("the program without the tracer is run in the tests' own root only")
    plain = tracer.untraced([python.path, *target(args)])
    run = tracer.traced([python.path, *target(args)], options={**DEFAULTS, **options})
    assert run.outcome.visible == plain.outcome.visible
    return run.report[0]["private"] - plain.report[0]["private"], run


def target(args: tuple[Any, ...]) -> list[str]:
    return [str(TARGETS / "own_memory.py"), *map(str, args)]


def check_rows(run: Run) -> None:
    """The tracer's memory is in its own row, and is no more than the resident set that it is part of."""
    stats = run.log.stats
    rss = stats["rss"]
    assert rss["own_bytes"] <= rss["peak_bytes"]
    last = stats["accounts"]["last"]["parts"]
    assert last["anonymous"]["resident_bytes"] < 4 * MIB, last


@pytest.mark.python
def test_threads_that_do_little(tracer: Tracer, python: Python) -> None:
    threads = 600
    more, run = both(tracer, python, "threads", threads)
    assert more <= 16 * MIB + threads * 64 * KIB
    check_rows(run)
    size = run.log.path.stat()
    assert size.st_blocks * 512 <= 16 * MIB + threads * 16 * KIB


@pytest.mark.python
def test_threads_that_do_much(tracer: Tracer, python: Python) -> None:
    threads = 24
    more, _ = both(tracer, python, "busy", threads)
    assert 1 * MIB < more <= 16 * MIB + threads * MIB


@pytest.mark.interpreters("3.11")
@pytest.mark.slow
def test_many_stacks(tracer: Tracer, python: Python) -> None:
    """Two million stacks: the table of them has a bound."""
    more, run = both(tracer, python, "stacks", 7)
    assert more <= 16 * MIB
    # All places are there, and each is one row though its stack was defined more than once.
    rows = [r for r in run.log.top("--at", "peak", "--by", "line") if "own_memory" in str(r)]
    assert rows
    blocks = run.log.stats["by_allocator"]
    assert sum(b["count"] for b in blocks.values()) > 8**7


@pytest.mark.python
def test_a_program_that_does_nothing(tracer: Tracer, python: Python) -> None:
    more, _ = both(tracer, python, "nothing", 0)
    assert more <= 2 * MIB


def test_space_on_the_disk(tracer: Tracer) -> None:
    """The disk space of a chunk is had as it fills."""
    log = tracer.c("heap.c", "free_null", options=DEFAULTS).log
    assert log.stats["complete"]
    assert log.path.stat().st_blocks * 512 <= 32 * KIB


@pytest.mark.python
def test_the_log_of_a_program_that_does_nothing(tracer: Tracer, python: Python) -> None:
    """A clean end leaves the pages that records are in, and nothing that was only held ready for more.

    Without `site`, which imports what an installation asks for.
    """
    log = tracer.python_argv(python, ["-S", "-c", "pass"], options=DEFAULTS).log
    assert log.stats["complete"]
    data, size = log.path.read_bytes(), log.path.stat()
    header, chunk = struct.unpack_from("<II", data, 12)
    pages, end = header, 0
    for at in range(header, len(data), chunk):
        magic, kind = struct.unpack_from("<IH", data, at)
        (committed,) = struct.unpack_from("<I", data, at + 36)
        assert magic == CHUNK_MAGIC
        end = at + 64 + committed
        if kind == FOLD:
            assert not data[at + 128 : at + chunk].strip(b"\0")
            committed = 64
        pages += -(-(64 + committed) // 4096) * 4096
    assert size.st_size == end, "the last chunk ends where its records do"
    # A page more is the file system's, for where the holes are.
    assert size.st_blocks * 512 <= pages + 4096
    assert size.st_blocks * 512 <= 256 * KIB and size.st_size <= 420 * KIB


@pytest.mark.python
def test_records_longer_than_the_first_step(tracer: Tracer, python: Python) -> None:
    """The space for a record is there before it is written, also at the beginning of a chunk."""
    _, run = both(tracer, python, "tables", 14)
    assert run.outcome.status == 0 and run.log.stats["complete"]
    assert run.log.path.read_bytes().count(b"<table ") == 13
