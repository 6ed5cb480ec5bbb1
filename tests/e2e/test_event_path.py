# SPDX-License-Identifier: MIT
"""What makes recording fast: no system call, no lock and no allocation for an event."""

import re

from harness import LIBRARY, Python, Tracer, compile_target, execute, need_program

# What a new chunk of the log may cost: check the descriptor and the limit, allocate, map, unmap.
CALLS_A_CHUNK = 8


def count_calls(tracer: Tracer, argv: list[str], env: dict[str, str]) -> dict[str, int]:
    """System calls of a traced program by name, as strace counts them."""
    summary = tracer.folder / f"strace-{len(list(tracer.folder.iterdir()))}"
    options = [word for name, value in env.items() for word in ("-E", f"{name}={value}")]
    command = [need_program("strace"), "-f", "-c", "-o", str(summary), *options, *argv]
    outcome = execute(command, cwd=tracer.folder)
    assert outcome.status == 0, outcome.err
    calls = {}
    for line in summary.read_text().splitlines():
        if match := re.fullmatch(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)", line):
            calls[match[2]] = int(match[1])
    return calls


def traced_env(tracer: Tracer, name: str, words: str) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(LIBRARY),
        "PYMEMTRACE_OUTPUT": str(tracer.folder / name),
        "PYMEMTRACE_NON_PYTHON": "on",
        "PYMEMTRACE_TRACE": words,
        "PYMEMTRACE_RSS_INTERVAL": "0",
    }


def difference(tracer: Tracer, small: list[str], large: list[str], words: str) -> tuple[int, int]:
    """System calls and chunks that the larger run has more than the smaller one."""
    totals = []
    for argv, name in ((small, "small.pmt"), (large, "large.pmt")):
        calls = count_calls(tracer, argv, traced_env(tracer, name, words))
        size = (tracer.folder / name).stat().st_size
        totals.append((sum(calls.values()) - calls.get("total", 0), size // 65536))
    return totals[1][0] - totals[0][0], totals[1][1] - totals[0][1]


def test_no_system_call_for_an_event_of_c(tracer: Tracer) -> None:
    program = str(compile_target("pairs.c"))
    calls, chunks = difference(tracer, [program, "1000"], [program, "1000000"], "malloc,mmap,rss")
    assert chunks >= 20, "the run is long enough to fill chunks"
    assert calls <= chunks * CALLS_A_CHUNK


def test_no_system_call_for_an_event_of_python(tracer: Tracer, a_python: Python) -> None:
    """A list of many small objects is freed and made again: the interpreter asks for no memory."""
    program = "import sys\nfor _ in range(int(sys.argv[1])):\n    x = [(i,) for i in range(1000)]\n"
    base = [a_python.path, "-I", "-S", "-c", program]
    calls, chunks = difference(tracer, [*base, "20"], [*base, "800"], "malloc,mmap,pymem,rss")
    assert chunks >= 20
    assert calls <= chunks * CALLS_A_CHUNK + 20
