# SPDX-License-Identifier: MIT
"""Every command of every page is run by a test, as it is written; or stands below, with the reason."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import generate
import pytest

MAN = sorted((generate.DOCS / "man").glob("*.[0-9]"))

# Pages whose blocks this file runs, and those of which another test runs every marked block.
HERE = ["README.md", "docs/events.md"]
ELSEWHERE = {
    "docs/tutorial.md": "tests/docs/test_docs_tutorial.py",
    **{f"docs/howto-{name}.md": "tests/docs/test_docs_howtos.py" for name in
       ("command", "hook", "option", "python", "record")},
    **{f"docs/{name}.md": "tests/python/test_docs_tools.py" for name in
       ("cPyMemTrace", "debug_malloc_stats", "process", "process_tree", "python", "redirect_stdout",
        "trace_malloc", "tracker", "util")},
    **{f"docs/{name}.md": "tests/python/test_docs_guides.py" for name in
       ("coming-from", "guide-leaks")},
}  # fmt: skip

# What no test runs word for word: the page, the beginning of the command, and why.
NOT_RUN = [
    ("README.md", "./dev demo", "tests/bare.sh runs it where nothing is installed"),
    ("README.md", "./dev test", "it is what runs this test"),
    ("README.md", "./dev build", "this test runs what it has built"),
    ("README.md", "PATH=$PWD/build/tools:$PATH", "of the reader's shell; this test has that path"),
    ("README.md", "pip install .", "tests/python/run.py installs the package before its tests"),
    ("docs/python.md", "pip install .", "tests/python/run.py installs the package before its tests"),
    ("docs/python.md", "sudo apt-get", "changes the machine"),
    ("CONTRIBUTING.md", "./dev ", "it is what runs this test"),
    ("docs/howto-python.md", "lib/tracer/python/version_entry.py", "tests/docs/test_docs_versions.py"),
    ("docs/howto-python.md", "pytest ", "needs a version of CPython that does not exist yet"),
    ("docs/howto-python.md", "export PMT_PYTHONS", "needs a version that does not exist yet"),
    ("docs/cPyMemTrace.md", "pymemtrace text --style=classic", "needs a program that was killed"),
    ("docs/process.md", "python -m pymemtrace.process", "the forms of the command, with PID and LOG"),
    ("docs/process_tree.md", "python -m pymemtrace.process_tree", "the forms of the command"),
    ("pymemtrace-run.1", "pymemtrace run -o app.pmt -- python3 -m http.server", "serves for ever"),
    ("pymemtrace-run.1", "pymemtrace run -o logs/%e.%p.pmt", "needs gunicorn and serves for ever"),
    ("pymemtrace-watch.1", "pymemtrace watch -p 4711", "the number of a process of the reader's"),
]  # fmt: skip
FRAGMENTS = {"docs/cPyMemTrace.md": 1}  # Python that is no program: so many blocks

COMMAND = re.compile(
    r"^ {4}((?:python3?|pymemtrace|pip|pytest|sudo|\./dev|[A-Z_]+=\S+)\b[^\n]*)", re.MULTILINE
)
FENCE = re.compile(r"(<!-- [^\n]* -->\n)?```(\w*)\n(.*?)```", re.DOTALL)


def name_of(path: Path) -> str:
    return path.name if path in MAN else str(path.relative_to(generate.TOP))


def is_excused(page: str, command: str) -> bool:
    return any(page == p and command.startswith(start) for p, start, _ in NOT_RUN)


def blocks_of_shell(body: str) -> Iterator[str]:
    """The commands of a block: behind a `$`, or each line."""
    if re.search(r"^\$ ", body, re.MULTILINE):
        yield from re.findall(r"^\$ (.*)$", body, re.MULTILINE)
    else:
        yield from (line for line in body.splitlines() if line and not line[0].isspace())


def commands_not_run(path: Path) -> list[str]:
    """The commands of a page that no test runs."""
    page, name = path.read_text(encoding="utf-8"), name_of(path)
    found = [command for command in COMMAND.findall(re.sub(FENCE, "", page))]
    for mark, language, body in FENCE.findall(page):
        if language not in ("console", "sh"):
            continue
        if not (mark.startswith("<!-- run") and (name in HERE or name in ELSEWHERE)):
            found += blocks_of_shell(body)
    return [command for command in found if not is_excused(name, command)]


MARKDOWN = [p for p in generate.sources("*.md") if p.name not in ("NEWS.md", "benchmarks.md")]


@pytest.mark.parametrize("path", MARKDOWN, ids=name_of)
def test_every_command_is_run(path: Path) -> None:
    assert commands_not_run(path) == []


@pytest.mark.parametrize("path", MARKDOWN, ids=name_of)
def test_every_program_has_a_file(path: Path) -> None:
    marks = [mark for mark, language, _ in FENCE.findall(path.read_text()) if language == "python"]
    unnamed = [mark for mark in marks if not re.match(r"<!-- (file|new|change)", mark)]
    assert len(unnamed) == FRAGMENTS.get(name_of(path), 0)


def test_a_command_that_nobody_runs_is_found(tmp_path: Path) -> None:
    page = generate.DOCS / "page-of-a-test.md"
    page.write_text("```console\n$ pymemtrace top a.pmt\n```\n\n    LD_PRELOAD=a.so python3 a.py\n")
    try:
        assert len(commands_not_run(page)) == 2
    finally:
        page.unlink()


def test_the_table_is_needed() -> None:
    """An entry whose command is not in its page has had its day."""
    for page, start, _ in NOT_RUN:
        path = generate.DOCS / "man" / page if page.endswith(".1") else generate.TOP / page
        assert start.split("%")[0] in path.read_text(encoding="utf-8"), start


def test_the_library_has_a_full_path() -> None:
    """The loader ignores a relative one in children that run in other folders."""
    for path in [*MARKDOWN, *MAN]:
        for value in re.findall(r"LD_PRELOAD=(\S+)", path.read_text(encoding="utf-8")):
            assert value[0] in "/$", f"{name_of(path)}: {value}"


# --- running them --------------------------------------------------------------------------------


def newest_python() -> str | None:
    """An interpreter that knows all that the pages trace."""
    places = [
        *Path("/usr/bin").glob("python3.1[3-9]"),
        *Path("/usr/local/bin").glob("python3.1[3-9]"),
    ]
    places += Path.home().glob(".pyenv/versions/3.1[3-9]*[0-9]/bin/python3")
    return str(places[0]) if places else None


def link_programs(folder: Path, *names: str) -> None:
    links = folder / ".bin"
    links.mkdir()
    newest = newest_python()
    for name in names:
        if newest:
            (links / name).symlink_to(newest)


def first_words(text: str) -> list[str]:
    """The first two words without numbers in them: the rest depends on the machine."""
    words = (text.splitlines() or [""])[0].split()
    return [word for word in words if not any(c.isdigit() for c in word)][:2]


def missing(command: str) -> list[str]:
    """Programs in a pipe that are not installed."""
    words = re.findall(r"(?:^|\| *)([\w.-]+)", command.replace("\\\n", " "))
    return [w for w in words if w in ("jq", "less", "gnuplot") and not shutil.which(w)]


@pytest.mark.slow
@pytest.mark.parametrize("page", HERE)
def test_page(page: str, tmp_path: Path) -> None:
    text = (generate.TOP / page).read_text(encoding="utf-8")
    if "python3.13" in text and not newest_python():
        pytest.skip("no Python 3.13 or later")
    link_programs(tmp_path, "python3.13")
    (tmp_path / "build").symlink_to(generate.TOOL.parents[1])
    for step in generate.steps(text):
        status, printed = generate.run_step(step, tmp_path)
        assert status == 0, f"{step.text}\n{printed}"
        if step.shown:
            assert first_words(printed) == first_words(step.shown), step.text


PROGRAM = """\
import ctypes
class Node:
    pass
nodes = [Node() for number in range(100)]
pages = [b"%d" % number * 25_000 for number in range(1000, 1040)]
snapshot = getattr(ctypes.PyDLL(None), "pymemtrace_snapshot", None)
if snapshot:
    snapshot(b"loaded")
"""
JOBS = """\
import subprocess, sys, time
code = "import time; block = bytearray(20_000_000); time.sleep(0.7)"
workers = [subprocess.Popen([sys.executable, "-c", code]) for number in range(2)]
for worker in workers:
    worker.wait()
"""


def man_commands(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    for written, meant in (("\\e", "\\"), ("\\-", "-"), ("\\(aq", "'")):
        text = text.replace(written, meant)
    return [c.rstrip("\n") for c in re.findall(r"^\$ ((?:[^\n]*\\\n)*[^\n]*)$", text, re.MULTILINE)]


def do(command: str, folder: Path) -> None:
    status, printed = generate.run_step(generate.Step("", command, 0, ""), folder)
    assert status == 0, f"{command}\n{printed}"


def prepare(folder: Path, needed: str) -> None:
    """The files that a reader of a man page is taken to have."""
    (folder / "app.py").write_text(PROGRAM)
    (folder / "jobs.py").write_text(JOBS)
    (folder / "logs").mkdir()
    do("pymemtrace run --trace malloc,mmap,pymem,rss,calls,lines,objects -o app.pmt app.py", folder)
    do("cp app.pmt logs", folder)
    if "app.pmt.zst" in needed:
        do("pymemtrace compress --remove app.pmt", folder)


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in MAN if man_commands(p)], ids=name_of)
def test_examples_of_man_page(path: Path, tmp_path: Path) -> None:
    link_programs(tmp_path, "python3")
    if not newest_python() and "objects" in path.name:
        pytest.skip("no Python 3.13 or later")
    prepare(tmp_path, path.read_text(encoding="utf-8").split(".Sh EXAMPLES")[1].split(" logs/")[0])
    done, prepared = 0, True
    for command in man_commands(path):
        if is_excused(path.name, command) or missing(command):
            continue
        if prepared and " -o app.pmt " in command:
            (tmp_path / "app.pmt").unlink()  # the page makes its own, once
            prepared = False
        do(command, tmp_path)
        done += 1
    assert done


def test_steps_of_a_page_may_be_marked() -> None:
    """`figures` and the like are of other tests; `status N` is the last command's."""
    page = "<!-- run: status 3 -->\n```console\n$ a\n$ b\nc\n```\n<!-- run: figures -->\n```console\n$ d\n```\n"
    found = generate.steps(page)
    assert [(s.text, s.status) for s in found] == [("a", 0), ("b", 3), ("d", 0)]
    assert dataclasses.replace(found[1]).shown == "c\n"
