# SPDX-License-Identifier: MIT
"""Every page on the package: its programs run as they are written, and print what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, Tuple

import pymemtrace
import pytest

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

PACKAGES = Path(pymemtrace.__file__).resolve().parents[1]
DOCS = Path(__file__).resolve().parents[2] / "docs"
# Each with the number of its commands; tests/docs/test_docs_commands.py sees that none is left out.
PAGES = {
    "cPyMemTrace": 2,
    "debug_malloc_stats": 1,
    "process": 2,
    "process_tree": 1,
    "python": 4,
    "redirect_stdout": 1,
    "trace_malloc": 1,
    "tracker": 3,
    "util": 4,
}
NEEDS_PSUTIL = {"process", "process_tree"}
BLOCK = re.compile(
    r"<!-- (?:file: (?P<name>\S+)|run(?:: (?P<how>[\w. ]+))?) -->\n```\w+\n(?P<body>.*?)```",
    re.DOTALL,
)
PROGRAMS = {
    "python": "",
    "python3": "",
    "pymemtrace": "-m pymemtrace",
    "pymemtrace_ref_trace_analyse": "-m pymemtrace.util.ref_trace_analyse",
    "pymemtrace_dtrace_log_analyse": "-m pymemtrace.util.dtrace_log_analyse",
}


def commands(folder: Path) -> Path:
    """A folder of programs that use this interpreter."""
    bin = folder / "bin"
    bin.mkdir()
    for name, arguments in PROGRAMS.items():
        path = bin / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        path.chmod(0o755)
    return bin


def plain(text: str, folder: Path) -> str:
    text = text.replace(f"{folder}/", "").replace(f"{os.path.realpath(folder)}/", "")
    return re.sub(r"Process time: [\d.]+", "Process time: T", text)


def without_figures(text: str) -> List[str]:
    """The kinds of lines; which size classes change and how much depends on the version."""
    lines = [re.sub(r"\s*[+-]?\d[\d,]*", " #", line) for line in text.splitlines()]
    kinds = [line for line in lines if not line.startswith(("# ", " #", " # free", "Total"))]
    return list(dict.fromkeys(kinds))


def blocks(page: str) -> List[Tuple[str, str, str]]:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    return [(m["name"] or "", m["how"] or "", m["body"]) for m in BLOCK.finditer(text)]


def steps(body: str) -> Iterator[Tuple[str, str]]:
    """Each command of a block, with what the page shows below it."""
    for step in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        lines = step.splitlines(keepends=True)
        end = next(i for i, line in enumerate(lines) if not line.endswith("\\\n")) + 1
        yield "".join(lines[:end]), "".join(lines[end:])


def first_word(text: str) -> str:
    """Nothing where it has a figure in it."""
    words = text.split()
    return words[0] if words and not re.search(r"\d", words[0]) else ""


def is_possible(how: str) -> bool:
    if how == "gnuplot":
        return shutil.which("gnuplot") is not None
    return how != "3.13" or sys.version_info >= (3, 13)


def compare(how: str, printed: str, shown: str, folder: Path) -> None:
    if how == "figures":
        assert first_word(printed) == first_word(shown)
    elif how == "other figures":
        assert without_figures(printed) == without_figures(shown)
    else:
        assert printed == plain(shown, folder)


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, tmp_path: Path) -> None:
    if page in NEEDS_PSUTIL:
        pytest.importorskip("psutil")
    path = f"{commands(tmp_path)}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(PACKAGES)}
    done = 0
    for name, how, body in blocks(page):
        if name:
            (tmp_path / name).write_text(body, encoding="utf-8")
            continue
        for command, shown in steps(body):
            done += 1
            if not is_possible(how):
                continue
            got = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                capture_output=True,
                timeout=300,
                check=False,
                env=env,
            )
            said = got.stderr if how == "figures" else b""  # which of the two is no matter there
            assert (got.returncode, got.stderr) == (0, said), command
            compare(how, plain((got.stdout + said).decode(), tmp_path), shown, tmp_path)
    assert done == PAGES[page]


def test_pages_name_all_that_is_public() -> None:
    from pymemtrace import debug_malloc_stats, redirect_stdout, trace_malloc
    from pymemtrace.util import gnuplot

    for module, page in (
        (debug_malloc_stats, "debug_malloc_stats"),
        (redirect_stdout, "redirect_stdout"),
        (trace_malloc, "trace_malloc"),
        (gnuplot, "util"),
    ):
        text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        names = module.__all__
        assert [
            n for n in names if n not in text and not n.startswith(("Debug", "diff_", "last_"))
        ] == []
