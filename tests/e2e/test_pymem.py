# SPDX-License-Identifier: MIT
"""Python's allocators, word `pymem`: domains, counts and stacks."""

from collections import Counter

import pytest

from harness import TARGETS, Log, Python, Tracer, compile_library, only, same_addresses

ALL = {"TRACE": "malloc,mmap,pymem,rss"}
BARE = ["-S"]  # what an installation imports by itself can be most of a small program's blocks


def domain(name: str) -> int | None:
    """Which domain a function belongs to; PyMem_ is the start of PyMem_Raw too."""
    if name.startswith("PyMem_Raw"):
        return 0
    return 1 if name.startswith("PyMem_") else 2 if name.startswith("PyObject_") else None


def section(log: Log) -> list[dict]:
    """The events between the marks valloc(1234) and valloc(1235)."""
    events = log.events
    marked = [
        i
        for i, e in enumerate(events)
        if e["event"] == "alloc" and e["allocator"] == "valloc" and e["size"] in (1234, 1235)
    ]
    assert len(marked) == 2
    return events[marked[0] + 1 : marked[1]]


def count(events: list[dict]) -> dict[int, list[int]]:
    """As count_pymem.c: new blocks, bytes, resized blocks, bytes, frees of each domain."""
    totals = {d: [0, 0, 0, 0, 0] for d in range(3)}
    for e in events:
        if e["event"] == "alloc" and (d := domain(e["allocator"])) is not None:
            totals[d][0] += 1
            totals[d][1] += e["size"]
        elif e["event"] == "realloc" and (d := domain(e["reallocator"])) is not None:
            totals[d][2] += 1
            totals[d][3] += e["size"]
        elif e["event"] == "free" and (d := domain(e["deallocator"])) is not None:
            totals[d][4] += 1
    return totals


def independent_count(tracer: Tracer, python: Python) -> dict[int, list[int]]:
    """The same program under a small counting wrapper instead of the tracer."""
    library = compile_library("count_pymem.c")
    path = tracer.folder / "count"
    command = [
        "/bin/sh",
        "-c",
        f'exec "$0" {BARE[0]} "$1" 9>{path}',
        python.path,
        TARGETS / "pymem.py",
    ]
    # The library counts in the shell too, where there is no Python: then it does nothing.
    env = {"PYTHONHASHSEED": "0", "LD_PRELOAD": str(library)}
    if python.root:
        words = [f"{name}={value}" for name, value in env.items()]
        command = [*python.enter, "/usr/bin/env", *words, *command]
        run = tracer.untraced(command, preexec=same_addresses)
    else:
        run = tracer.untraced(command, env=env, preexec=same_addresses)
    assert run.outcome.status == 0, run.outcome.err
    rows = [list(map(int, line.split())) for line in path.read_text().splitlines()]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.slow
def test_counts_equal_an_independent_count(tracer: Tracer, python: Python) -> None:
    expected = independent_count(tracer, python)
    env = {"PYTHONHASHSEED": "0"}
    argv = [*BARE, str(TARGETS / "pymem.py")]
    run = tracer.python_argv(python, argv, env=env, options=ALL, preexec=same_addresses)
    counted = count(section(run.log))
    assert counted == expected
    assert counted[2][0] > 3000, "the section makes thousands of objects"


@pytest.mark.interpreters("3.10")
@pytest.mark.slow
def test_large_block_is_counted_once(tracer: Tracer, python: Python) -> None:
    """pymalloc hands a large request on to malloc: one block, of Python's domain."""
    program = "x = [bytes(100_003 + i) for i in range(7)]"
    run = tracer.python_argv(python, [*BARE, "-c", program], options=ALL)
    sizes = Counter(e["allocator"] for e in run.log.of("alloc") if 100_003 <= e["size"] < 100_100)
    assert sum(sizes.values()) == 7
    assert {domain(name) for name in sizes} == {2}


@pytest.mark.interpreters()
def test_absent_without_the_word(tracer: Tracer, python: Python) -> None:
    run = tracer.python_argv(python, ["-c", "pass"], options={"TRACE": "malloc,mmap,rss"})
    assert all(domain(name) is None for name in run.log.stats["by_allocator"])


def test_domains_are_seen_from_the_first_block(tracer: Tracer, python: Python) -> None:
    """By default, and nothing is given back that was not seen being handed out."""
    run = tracer.python_argv(python, ["-c", "import json"], options={"TRACE": None})
    stats = run.log.stats
    assert stats["frees"]["unmatched"] == 0
    names = {d for d in map(domain, stats["by_allocator"]) if d is not None}
    assert names == {0, 1, 2}


@pytest.mark.interpreters("3.10")
@pytest.mark.slow
def test_arenas_are_marked(tracer: Tracer, python: Python) -> None:
    program = "x = [object() for _ in range(200_000)]"
    run = tracer.python_argv(python, [*BARE, "-c", program], options=ALL)
    arenas = [e for e in run.log.of("mmap") if e["arena"] == 1]
    assert sum(e["size"] for e in arenas) > 200_000 * 16


@pytest.mark.interpreters()
@pytest.mark.slow
@pytest.mark.parametrize("how", ("fork", "subprocess"))
def test_traced_in_children(tracer: Tracer, python: Python, how: str) -> None:
    child = "x = [bytes(77_777) for _ in range(5)]"
    program = {
        "fork": f"import os\nif os.fork() == 0:\n    {child}\n    os._exit(0)\nos.wait()",
        "subprocess": f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}])",
    }[how]
    run = tracer.python_argv(python, [*BARE, "-c", program], options=ALL, traced_only=True)
    assert len(run.logs) == 2
    counts = [
        sum(77_777 <= e["size"] < 77_900 and domain(e["allocator"]) == 2 for e in log.of("alloc"))
        for log in run.logs
    ]
    assert sorted(counts) == [0, 5]


@pytest.mark.interpreters("3.11", "3.13")
@pytest.mark.slow
def test_stack_of_a_small_block(tracer: Tracer, python: Python, tmp_path) -> None:
    script = tmp_path / "small.py"
    script.write_text("def make():\n    return bytes(347)\n\n\nkeep = make()\n")
    run = tracer.python_argv(python, [*BARE, str(script)], options=ALL)
    made = [
        e
        for e in run.log.of("alloc")
        if e["size"] in range(347 + 33, 347 + 50)
        and e.get("file") == str(script)
        # Up to 3.10 the frame of make() is a block, too, which its caller makes.
        and e["line"] != 5
    ]
    assert (only(made)["line"], only(made)["function"]) == (2, "make")
