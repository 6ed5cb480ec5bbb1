# SPDX-License-Identifier: MIT
"""Python stacks: each block has the stack that the interpreter itself shows at its allocation."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import (
    COMPILED,
    END,
    TARGETS,
    TOP,
    Event,
    Python,
    Run,
    Tracer,
    check_notes,
    check_stacks,
    compile_extension,
    compile_library,
    compile_target,
    frames,
    marks,
    need,
    only,
    short,
    vallocs,
)

CASES = re.findall(r"^def ([a-z]\w*)", (TARGETS / "stacks.py").read_text(), re.MULTILINE)
CASES.remove("trees")  # see test_trees
# In one process: what notes a stack when the interpreter ends comes last.
TOGETHER = sorted(CASES, key=lambda case: case == "at_exit")
CALLBACKS = ("c_calls_python", "foreign_thread", "bare_thread")


def trace(tracer: Tracer, python: Python, *cases: str, **keywords) -> Run:
    env = {}
    if "trees" in cases:  # every event with its deep stack would be gigabytes of JSON
        keywords["options"] = {"FOLD": "on", **keywords.get("options", {})}
    if set(cases) & set(CALLBACKS):
        env["PMT_CALLBACK"] = str(compile_library("callback.c"))
    return tracer.python(python, "stacks.py", *cases, env=env, **keywords)


def test_stacks(tracer: Tracer, python: Python) -> None:
    """All cases of stacks.py, one after the other in one process: function, file and line of every frame."""
    run = trace(tracer, python, *TOGETHER)
    blocks: list[list[Event]] = []
    for event in run.log.of("alloc", stacks=True, allocator="valloc"):
        if event["size"] == END:
            blocks.append([])
        else:
            blocks[-1].append(event)
    notes: list[list[Any]] = []
    for row in run.report:
        if "case" in row:
            notes.append([])
        elif "stack" in row:
            notes[-1].append(row)
    assert len(blocks) == len(notes) == len(TOGETHER)
    for case, made, noted in zip(TOGETHER, blocks, notes):
        check_stacks(noted, made, case)


@pytest.mark.interpreters()
@pytest.mark.parametrize("case", CASES)
def test_stack(tracer: Tracer, python: Python, case: str) -> None:
    """Each case alone, in an interpreter that has done nothing before."""
    check_notes(trace(tracer, python, case))


@pytest.mark.slow
@pytest.mark.parametrize("words", ["malloc", "malloc,pymem"])
def test_trees(tracer: Tracer, python: Python, words: str) -> None:
    """Walks that end at frames known from the last walk: a great many changes of the stack."""
    run = trace(tracer, python, "trees", options={"TRACE": words})
    check_notes(run, 300)


def test_line_of_the_allocation(tracer: Tracer, python: Python) -> None:
    """Lines checked against the source, not against the interpreter."""
    log = tracer.python(python, "plain.py").log
    at = marks("plain.py")
    top_line = at["call"]
    assert short(only(vallocs(log, 1234))) == [
        ("inner", at["first"]),
        ("outer", at["calls_inner"]),
        ("<module>", top_line),
    ]
    assert short(only(vallocs(log, 1235)))[0] == ("inner", at["second"])
    assert short(only(vallocs(log, 1236))) == [("<module>", at["root"])]
    assert short(only(vallocs(log, 1237))) == [("<module>", at["root_later"])]
    # Within a call that is spread over lines.
    assert short(only(vallocs(log, 1238)))[0] == ("spread", at["argument"])
    assert only(vallocs(log, 1234))["file"] == str(TARGETS / "plain.py")


def test_equal_stacks_compare_equal(tracer: Tracer, python: Python) -> None:
    """The same chain from different lines differs, from the same line is the same stack."""
    log = trace(tracer, python, "chains").log
    [one, two, three, four] = [only(vallocs(log, size)) for size in range(1234, 1238)]
    assert frames(three) == frames(four)
    assert frames(one) != frames(two) != frames(three)
    rows = {tuple(frames(r)) for r in log.top("--by", "stack", "--at", "exit") if r["bytes"] > 1233}
    assert len(rows & {tuple(frames(e)) for e in (one, two, three, four)}) == 3


@pytest.mark.interpreters("3.11")
def test_long_names_are_cut(tracer: Tracer, python: Python) -> None:
    """Of a text of more than 4096 bytes, its beginning is kept."""
    log = trace(tracer, python, "_too_long").log
    assert only(vallocs(log, 1234))["file"] == "q" * 4096


def test_bare_thread_has_no_stack(tracer: Tracer, python: Python) -> None:
    """A C thread that never met Python does not get somebody else's stack."""
    log = trace(tracer, python, "bare_thread").log
    assert only(vallocs(log, 1234))["stack"] == []


def test_deep_stack_is_cut_in_the_middle(tracer: Tracer, python: Python) -> None:
    """Of more frames than asked for, the innermost and the outermost halves are kept."""
    run = trace(tracer, python, "recursion", options={"STACK_DEPTH": 100})
    for note in run.report:
        expected = [tuple(f) for f in note["stack"]]
        got = frames(only(vallocs(run.log, note["size"])))
        if len(expected) <= 100:
            assert got == expected
            continue
        gap = [i for i, f in enumerate(got) if f[0] == "..."]
        assert len(gap) == 1, got
        assert got[: gap[0]] == expected[: gap[0]]
        after = got[gap[0] + 1 :]
        assert after == expected[-len(after) :]
        assert 98 <= len(got) <= 101
        assert abs(gap[0] - len(after)) <= 2


def test_very_deep_stack(tracer: Tracer, python: Python) -> None:
    run = trace(tracer, python, "recursion", options={"STACK_DEPTH": 16384})
    check_notes(run, 3)


@pytest.mark.interpreters("one")
def test_no_stacks_if_not_wanted(tracer: Tracer, python: Python) -> None:
    log = trace(tracer, python, "nested", options={"STACK_DEPTH": 0}).log
    assert only(vallocs(log, 1234))["stack"] == []


def extension_run(tracer: Tracer, python: Python, case: str, *more: object) -> Run:
    need(python.has_headers, f"no headers of {python.name}")
    built = compile_extension("extension.c", python)
    return tracer.python(python, "extension_stacks.py", case, built.parent, *more)


@pytest.mark.parametrize("case", ["between", "ensured", "recursive", "released_in_thread"])
def test_c_extension(tracer: Tracer, python: Python, case: str) -> None:
    """A C extension between Python frames, with and without the GIL."""
    check_notes(extension_run(tracer, python, case))


def test_c_thread(tracer: Tracer, python: Python) -> None:
    """A C thread that calls Python by PyGILState_Ensure: no stack before and after."""
    run = extension_run(tracer, python, "c_thread")
    check_notes(run, 3)
    assert only(vallocs(run.log, 1901))["stack"] == []
    assert only(vallocs(run.log, 1902))["stack"] == []


def test_dlopen_without_the_gil(tracer: Tracer, python: Python) -> None:
    run = extension_run(tracer, python, "loading", compile_library("loaded.c"))
    check_notes(run)


def test_cython(tracer: Tracer, python: Python) -> None:
    """A Cython module between two Python frames."""
    need(python.has_headers, f"no headers of {python.name}")
    need(python.version < (3, 14), "this Cython does not know this version")
    source = COMPILED / "mixed.c"
    if not source.exists():
        pytest.importorskip("Cython", reason="Cython is not installed")
        COMPILED.mkdir(parents=True, exist_ok=True)
        made = source.with_name(f"mixed.{tracer.folder.name}.c")
        command = [sys.executable, "-m", "cython", "-3", "--module-name", "mixed"]
        subprocess.run([*command, TARGETS / "mixed.pyx", "-o", made], check=True)
        made.rename(source)
    flags = ("-shared", "-fPIC", "-I" + python.include)
    built = compile_target(str(source), *flags, python=python, suffix=python.suffix)
    check_notes(tracer.python(python, "mixed_stacks.py", built.parent), 3)


@pytest.mark.slow
def test_greenlets(tracer: Tracer, python: Python) -> None:
    """Switches between allocations; greenlet is imported after the first one."""
    folder = greenlet_for(python)
    check_notes(tracer.python(python, "greenlets.py", folder), 8)


def greenlet_for(python: Python) -> Path:
    """greenlet for this interpreter, in .cache; skips where there is none to install."""
    need(not python.root, "greenlet is not installed into the unstable root")
    tag = "".join(map(str, python.version[:2])) + ("t" if python.free_threaded else "")
    folder = TOP / ".cache" / f"greenlet-{tag}"
    if not (folder / "greenlet").exists():
        unfinished = folder.with_name(f"{folder.name}.{tracer_name()}")
        command = [sys.executable, "-m", "pip", "install", "-q", "--only-binary", ":all:"]
        command += ["--python-version", ".".join(map(str, python.version[:2]))]
        command += ["--target", str(unfinished), "greenlet==3.1.1"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        need(done.returncode == 0, f"greenlet cannot be installed for {python.name}")
        with contextlib.suppress(OSError):  # somebody else was first
            unfinished.rename(folder)
    return folder


def tracer_name() -> str:
    import os

    return str(os.getpid())
