# SPDX-License-Identifier: MIT
"""The pages on the tools: their programs run, and print what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pymemtrace
import pytest

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

PACKAGES = Path(pymemtrace.__file__).resolve().parents[1]
DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ["debug_malloc_stats", "redirect_stdout", "trace_malloc", "util"]
BLOCK = re.compile(
    r"<!-- (?:file: (?P<name>\S+)|run(?:: (?P<how>[\w ]+))?) -->\n```\w+\n(?P<body>.*?)```",
    re.DOTALL,
)
PROGRAMS = {
    "python3": "",
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


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, tmp_path: Path) -> None:
    path = f"{commands(tmp_path)}:{os.environ['PATH']}"
    compared = 0
    for name, how, body in blocks(page):
        if name:
            (tmp_path / name).write_text(body, encoding="utf-8")
            continue
        if how == "gnuplot" and shutil.which("gnuplot") is None:
            continue
        command, _, shown = body.partition("\n")
        done = subprocess.run(
            ["bash", "-c", command[2:]],
            cwd=tmp_path,
            capture_output=True,
            timeout=300,
            check=False,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(PACKAGES)},
        )
        printed = plain(done.stdout.decode(), tmp_path)
        assert (done.returncode, done.stderr) == (0, b"")
        if how == "other figures":
            assert without_figures(printed) == without_figures(shown)
        else:
            assert printed == plain(shown, tmp_path)
        compared += 1
    assert compared == {"util": 4 if shutil.which("gnuplot") else 3}.get(page, 1)


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
