# SPDX-License-Identifier: MIT
"""The examples run by themselves, and say what they are there to show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pymemtrace
import pytest

PACKAGES = Path(pymemtrace.__file__).resolve().parents[1]


def example(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"pymemtrace.examples.{name}", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_example_trace_malloc() -> None:
    text = example("ex_trace_malloc")
    for granularity in ("filename", "lineno", "traceback"):
        assert f"{granularity}: 16,77" in text
    assert "TraceMalloc memory delta: 17," in text
    assert text.count('return " " * size') == 1
    rows = example("ex_trace_malloc", "--timeit", "1").splitlines()
    assert [row.split()[:2] for row in rows[1:]] == [
        [granularity, size]
        for granularity in ("filename", "lineno", "traceback")
        for size in ("256", "1024", "1048576")
    ]


def test_example_debug_malloc_stats() -> None:
    text = example("ex_debug_malloc_stats")
    plain, traced = text.split("The same while tracemalloc is on:")
    for part in (plain, traced):
        # 256 characters and the head of a str: 8 blocks of the class of 320 or 304 bytes.
        size = (sys.getsizeof(" " * 256) + 15) // 16 * 16
        rows = [r.split() for r in part.splitlines() if r.split()[1:2] == [str(size)]]
        assert int(rows[0][3]) >= 6  # blocks of anything else come and go
    assert len(example("ex_debug_malloc_stats", "--timeit", "1").splitlines()) == 4


def test_example_of_a_leak() -> None:
    lines = example("example").splitlines()
    source = (PACKAGES / "pymemtrace" / "examples" / "example.py").read_text().splitlines()
    first = next(line for line in lines if " blocks  line " in line)
    assert 'f"order {number} line {line}"' in source[int(first.split()[-1]) - 1]


@pytest.mark.parametrize("name", ["ex_dtrace", "ex_memory_exercise"])
def test_example_with_extensions(name: str) -> None:
    pytest.importorskip("pymemtrace.cMemLeak", reason="the extensions are not built")
    text = example(name)
    if name == "ex_dtrace":
        assert text.count("Created ") == text.count("Popped ") == 16
        for block in ("CMalloc size=1477 ", "PyRawMalloc size=128 ", "PyMalloc size=371 "):
            assert text.count(f"Created {block}") == 4
    else:
        assert text.count("C: 1048576 bytes at 0x") == 8
        before, after = text.split("references were ")[1].split("\n")[0].split(", are ")
        assert int(after) == int(before) + 1
