# SPDX-License-Identifier: MIT
"""The analyser of the D scripts' logs reconciles what was allocated and freed, and names who leaks.

Logs are written here from a list of calls; what must come out is counted from that list.
"""

from __future__ import annotations

import collections
import io
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import pymemtrace
import pytest
from pymemtrace.util import dtrace_log_analyse as dla

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

PACKAGES = Path(pymemtrace.__file__).resolve().parents[1]


def line(call: str, place: str = "app.py:3", function: str = "f", process: int = 77633) -> str:
    """As the D scripts print it: "%6d %16s:%-4d -> %s ..."."""
    file, _, number = place.rpartition(":")
    return f"{process:6d} {file:>16s}:{number:<4s} -> {function} {call}\n"


def log(*lines: str, end: bool = True) -> str:
    return "".join(["before\n", "dtrace:::BEGIN\n", *lines, "dtrace:::END\n" if end else ""])


def read(*lines: str) -> dla.DTraceMallocs:
    return dla.read_dtrace_log_file(io.StringIO(log(*lines)))


# Sizes and pointers of the example that upstream's tests read.
OLD = [
    (560, 0x7FCA83EF4240), (1114, 0x7FCA858E4200), (0, 0x7FCA858E4200), (576, 0x7FCA83EF4470),
    (576, 0x7FCA83EF46B0), (264, 0x7FCA83EF21E0), (16, 0x7FCA83D48A30), (536, 0x7FCA83D54BE0),
    (528, 0x7FCA83C47E80), (0, 0), (4096, 0x7FCA8408D200), (25, 0x7FCA83C00620),
    (4096, 0x7FCA8408E200), *[(0, 0)] * 7, (0, 0x7FCA83C00620), (0, 0x7FCA8408E200),
    (0, 0x7FCA8408D200),
]  # fmt: skip


def test_row_46_dtrace_old_figures() -> None:
    lines = [line(f"malloc({n}) pntr 0x{p:x}" if n else f"free(0x{p:x})") for n, p in OLD]
    result = read(*lines)
    assert len(result) == 7
    assert result.count_mallocs == 11
    assert result.count_frees_non_null == 4
    assert result.count_frees_null == 8
    sizes = [size for size, _ in OLD]
    freed = 1114 + 25 + 4096 + 4096
    assert result.total_bytes_malloced == sum(sizes) == 12387
    assert result.total_bytes_freed == freed
    assert result.total_bytes_outstanding == sum(sizes) - freed
    assert result.max_bytes_outstanding == sum(sizes) - 1114
    assert (result.max_malloc, result.max_allocations) == (4096, 10)
    assert result.str_failures() == "Total lines: 23 Failed parse lines: 0 Failed malloc: 0 Failed free: 0"  # fmt: skip


def test_row_46_dtrace_summary(capsys: pytest.CaptureFixture[str]) -> None:
    text = """DTraceMallocs:
malloc count outstanding:            1
 Total bytes outstanding:          560
   Max bytes outstanding:          576
    Total bytes malloc'd:          576
      Total bytes free'd:           16
          Maximum malloc:          560
         Max allocations:            2
           Count mallocs:            2
    Count frees non-null:            1
        Count frees null:            1
Total lines: 4 Failed parse lines: 0 Failed malloc: 0 Failed free: 0
Of these calloc: 1 realloc: 0 (without result: 0) Without memory: 0
"""
    result = read(
        line("malloc(560) pntr 0x10"), line("calloc(2, 8) pntr 0x20"), line("free(0x20)"), line("free(0x0)"),
    )  # fmt: skip
    dla.pprint_mallocs(result)
    assert capsys.readouterr().out == text
    stream = io.StringIO()
    dla.pprint_mallocs(result, stream)
    assert stream.getvalue() == text


def test_row_46_dtrace_reconciles() -> None:
    """Thousands of calls of two processes, at the same addresses."""
    rng = random.Random(3)
    live: Dict[Tuple[int, int], Tuple[int, str]] = {}
    lines: List[str] = []
    mallocs = frees = total = peak = now = reallocs = 0
    for i in range(5000):
        process, pointer, size = rng.choice([11, 12]), 16 * rng.randrange(1, 60), rng.randrange(1, 999)  # fmt: skip
        place, key = f"app{i % 7}.py:{i % 7 + 1}", (process, pointer)
        if key not in live:
            kind = rng.choice(["malloc(%d)", "calloc(1, %d)", "realloc(0x0, %d)"])
            lines.append(line(kind % size + f" pntr 0x{pointer:x}", place, f"f{i % 7}", process))
            reallocs += kind[0] == "r"
        elif rng.random() < 0.2:
            free = [p for p in range(16, 960, 16) if (process, p) not in live] + [pointer]
            target = rng.choice(free)
            lines.append(line(f"realloc(0x{pointer:x}, {size}) pntr 0x{target:x}", place, f"f{i % 7}", process))  # fmt: skip
            now -= live.pop(key)[0]
            key = (process, target)
            frees += 1
            reallocs += 1
        else:
            lines.append(line(f"free(0x{pointer:x})", place, "g", process))
            now -= live.pop(key)[0]
            frees += 1
            continue
        live[key] = (size, place)
        mallocs, total, now = mallocs + 1, total + size, now + size
        peak = max(peak, now)
    result = read(*lines)
    assert {k: (c.size, f"{c.file}:{c.line}") for k, c in result.malloc_dict.items()} == live
    assert (result.count_mallocs, result.count_frees_non_null) == (mallocs, frees)
    assert (result.total_bytes_malloced, result.total_bytes_freed) == (total, total - now)
    assert (result.total_bytes_outstanding, result.max_bytes_outstanding) == (now, peak)
    assert result.count_reallocs == reallocs
    assert (result.failed_to_add_malloc, result.failed_to_add_free, result.failed_to_parse_line) == (0, 0, 0)  # fmt: skip
    sizes: collections.Counter[str] = collections.Counter()
    for size, place in live.values():
        sizes[place] += size
    assert {f"{h.file}:{h.line}": h.size for h in result.holders()} == sizes
    assert sum(h.count for h in result.holders()) == len(live)
    assert [h.size for h in result.holders()] == sorted(sizes.values(), reverse=True)


@pytest.mark.parametrize(
    "text, groups",
    [
        (" 77633  cmn_cmd_opts.py:141  -> set_log_level malloc(560) pntr 0x7fca83ef4240\n",
         ("77633", "cmn_cmd_opts.py", "141", "set_log_level", "560", "0x7fca83ef4240")),
        (" 77633 rs/p/lib/python3.9/site-packages/numpy/ma/core.py:3420 -> ction__ internals> malloc(2632) pntr 0x7fca85895000\n",
         ("77633", "rs/p/lib/python3.9/site-packages/numpy/ma/core.py", "3420", "ction__ internals>", "2632", "0x7fca85895000")),
        (" 77633 s/common/np summary.py:100  -> y malloc(15424) pntr 0x7fca8410fe00\n",
         ("77633", "s/common/np summary.py", "100", "y", "15424", "0x7fca8410fe00")),
        (" 30273     ex_dtrace.py:88   -> create_py_array_list _PyMem_RawMalloc(84) _PyMem_RawMalloc returns 0x7f859ee67ce0\n",
         ("30273", "ex_dtrace.py", "88", "create_py_array_list", "84", "0x7f859ee67ce0")),
        (" 30273     ex_dtrace.py:-1   -> f _PyObject_Malloc(84) _PyObject_Malloc returns 0x7f8\n",
         ("30273", "ex_dtrace.py", "-1", "f", "84", "0x7f8")),
    ],
)  # fmt: skip
def test_row_46_dtrace_malloc_lines(text: str, groups: Tuple[str, ...]) -> None:
    match = dla.RE_MALLOC.match(text)
    assert match is not None
    assert match.groups() == groups
    call = dla.match_malloc_line(text, 9)
    assert call is not None
    assert (call.log_line, call.process, call.file) == (9, int(groups[0]), groups[1])
    assert (call.size, call.pointer) == (int(groups[4]), int(groups[5], 16))


@pytest.mark.parametrize(
    "text, groups",
    [
        (" 77633       process.py:268  -> _get_process_data free(0x7fca83c00620)\n",
         ("77633", "process.py", "268", "_get_process_data", "0x7fca83c00620")),
        (" 77633                 :45   ->  free(0x0)\n", ("77633", None, "45", None, "0x0")),
        (" 77633 rs/numpy/ma/core.py:3009 -> ction__ internals> free(0x0)\n",
         ("77633", "rs/numpy/ma/core.py", "3009", "ction__ internals>", "0x0")),
        (" 77633                 :121  -> Æ\xa04A/ free(0x7fca8518c800)\n",
         ("77633", None, "121", "Æ\xa04A/", "0x7fca8518c800")),
        (" 30273     ex_dtrace.py:88   -> f _PyObject_Free(0x103429810)\n",
         ("30273", "ex_dtrace.py", "88", "f", "0x103429810")),
        (" 30273     ex_dtrace.py:88   -> f _PyMem_RawFree(0x103429810)\n",
         ("30273", "ex_dtrace.py", "88", "f", "0x103429810")),
    ],
)  # fmt: skip
def test_row_46_dtrace_free_lines(text: str, groups: Tuple[str, ...]) -> None:
    match = dla.RE_FREE.match(text)
    assert match is not None
    assert match.groups() == groups
    call = dla.match_free_line(text, 9)
    assert call is not None
    assert (call.process, call.line, call.pointer) == (int(groups[0]), int(groups[2]), int(groups[4], 16))  # fmt: skip


def test_row_46_dtrace_calloc_and_realloc_lines() -> None:
    for name, returns in (
        ("calloc", "pntr"), ("_PyObject_Calloc", "_PyObject_Calloc returns"), ("_PyMem_RawCalloc", "_PyMem_RawCalloc returns"),
    ):  # fmt: skip
        call = dla.match_malloc_line(line(f"{name}(3, 8) {returns} 0x7f"), 1)
        assert call is not None
        assert (call.function, call.size, call.pointer, call.calloc) == ("f", 24, 0x7F, True)
    for name, end, new in (
        ("realloc", " pntr 0x20", 0x20),
        ("_PyMem_RawRealloc", " _PyMem_RawRealloc returns 0x20", 0x20),
        ("_PyObject_Realloc", "", None),
    ):
        moved = dla.match_realloc_line(line(f"{name}(0x10, 88){end}"), 1)
        assert moved is not None
        assert (moved.pointer, moved.size, moved.new_pointer) == (0x10, 88, new)
        assert (moved.file, moved.line, moved.function) == ("app.py", 3, "f")
    for text in ("", "x\n", line("malloc(5)"), line("mmap(5) pntr 0x1"), line("free(0xg)")):
        assert dla.match_malloc_line(text, 1) is None
        assert dla.match_realloc_line(text, 1) is None
        assert dla.match_free_line(text, 1) is None


def test_row_46_dtrace_realloc_ends() -> None:
    """No memory, freed by size 0, in place, and a result that is not told."""
    result = read(
        line("malloc(10) pntr 0x10"), line("realloc(0x10, 99) pntr 0x0"),
        line("malloc(20) pntr 0x20"), line("realloc(0x20, 0) pntr 0x0"),
        line("malloc(30) pntr 0x30"), line("realloc(0x30, 31) pntr 0x30"),
        line("malloc(40) pntr 0x40"), line("_PyObject_Realloc(0x40, 41)"),
        line("malloc(50) pntr 0x0"), line("realloc(0x7777, 5) pntr 0x50"),
    )  # fmt: skip
    assert {p: c.size for (_, p), c in result.malloc_dict.items()} == {0x10: 10, 0x30: 31, 0x50: 5}
    assert (result.count_null_results, result.count_reallocs_without_result) == (2, 1)
    assert (result.failed_to_add_free, result.failed_to_add_malloc) == (1, 0)
    assert result.total_bytes_outstanding == 46


def test_row_46_dtrace_lost_lines(caplog: pytest.LogCaptureFixture) -> None:
    """A free that is not in the log: the address belongs to the new block."""
    result = read(line("malloc(10) pntr 0x10", "old.py:1"), line("malloc(20) pntr 0x10", "new.py:2"), line("free(0x99)"))  # fmt: skip
    assert (result.failed_to_add_malloc, result.failed_to_add_free) == (1, 1)
    assert [(h.file, h.size) for h in result.holders()] == [("new.py", 20)]
    assert result.total_bytes_outstanding == 20
    assert "Was log line: 3 now 4" in caplog.text
    assert "0x000000000099 line 5" in caplog.text


def test_row_46_dtrace_garbled_lines(caplog: pytest.LogCaptureFixture) -> None:
    garbled = [" 77633 \x1b[1mq@-> malloc(8) pntr 0x10\n", " 77633 zz free(0x10)\n", "xx free(0x20)\n",
               "malloc(7) pntr 0x30\n", "nothing\x1b\n", " 77633 a.py:1 -> f malloc(5)\n"]  # fmt: skip
    result = read(line("malloc(9) pntr 0x20"), *garbled)
    assert (result.count_mallocs, result.count_frees_non_null, len(result)) == (3, 2, 1)
    assert (result.failed_to_parse_line, result.failed_to_add_free) == (2, 0)
    assert all(message.isprintable() for message in caplog.messages)


def test_row_46_dtrace_flow_lines() -> None:
    """What -D PYTHON_CALL_STACK adds is not about memory, and no failure."""
    result = read(
        "C    PID  DELTA(us)              FILE:LINE TYPE     -- FUNC\n",
        " 11672     ex_dtrace.py:48   CALL   -> create_cmalloc_list\n",
        line("malloc(5) pntr 0x10"),
        " 11672     ex_dtrace.py:53   RTN    <- create_cmalloc_list\n",
        "\n",
    )
    assert (len(result), result.failed_to_parse_line) == (1, 0)


def test_row_46_dtrace_block(caplog: pytest.LogCaptureFixture) -> None:
    """What is in front of BEGIN and behind END is something else."""
    text = line("malloc(1) pntr 0x1") + log(line("malloc(2) pntr 0x2")) + line("malloc(3) pntr 0x3")
    assert [c.size for c in dla.read_dtrace_log_file(io.StringIO(text)).malloc_dict.values()] == [2]
    assert "ends early" not in caplog.text
    result = dla.read_dtrace_log_file(io.StringIO(log(line("malloc(2) pntr 0x2"), end=False)))
    assert (len(result), result.ended) == (1, False)
    assert "ends early" in caplog.text
    with pytest.raises(ValueError, match="no line dtrace:::BEGIN"):
        dla.read_dtrace_log_file(io.StringIO("x\n"))


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pymemtrace.util.dtrace_log_analyse", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGES), "PYTHONIOENCODING": "utf-8"},
    )


def test_row_46_dtrace_program_names_who_leaks(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    leaks = [line(f"malloc(1000) pntr 0x{i:x}", "утечка в.py:12", "leak") for i in range(1, 9)]
    others = [line(f"calloc(1, {i}) pntr 0x{i:x}", f"o.py:{i}", "f") for i in range(20, 50)]
    garbled = " 1 \x1b[1m malloc(3) pntr 0xff\n"
    path.write_bytes(log(*leaks, *others, garbled).encode() + b"\xff\n")
    done = program("-n", "3", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    start = lines.index("Outstanding by file, line and function [32]:")
    assert [row.split() for row in lines[start + 2 : start + 6]] == [
        ["8,000", "8", "утечка", "в.py:12", "leak"],
        ["49", "1", "o.py:49", "f"],
        ["48", "1", "o.py:48", "f"],
        [str(sum(range(20, 48)) + 3), "29", "29", "more"],
    ]
    assert re.match(r"Process time: \d+\.\d{3} \(s\)$", lines[-1])
    assert "\x1b" not in program(str(path)).stdout
    assert "Starting DTrace block at line 2" in done.stdout
    assert "INFO" not in program("-l", "40", str(path)).stdout


def test_row_46_dtrace_program_refuses(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(bytes(range(256)))
    done = program(str(path))
    assert done.returncode == 1
    assert done.stderr.endswith("x.log: not a log of a D script: no line dtrace:::BEGIN\n")
    assert program(str(tmp_path / "none")).returncode == 1
    assert program().returncode == 2
