# SPDX-License-Identifier: MIT
"""The pages on the package name what there is, and a log has the lines that a page shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pymemtrace
import pytest

from installed import TOP, execute

PAGE = (TOP / "docs" / "python.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (file: (?P<name>\S+)|run[^\n]*) -->\n```\w+\n(?P<body>.*?)```", re.DOTALL)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="needs Python 3.13 or later")
def test_leak_of_cPyMemTrace(tmp_path: Path) -> None:
    """The search for a leak prints what the page says, and the log has those lines."""
    page = (TOP / "docs" / "cPyMemTrace.md").read_text(encoding="utf-8")
    names = [block["name"] for block in BLOCK.finditer(page)]
    blocks = list(BLOCK.finditer(page))[names.index("leak.py") :]
    assert len(blocks) == 2
    script = tmp_path / "leak.py"
    script.write_text(blocks[0]["body"], encoding="utf-8")
    done = execute([sys.executable, script], cwd=tmp_path)
    assert blocks[1]["body"] == f"$ python leak.py\n{done.stdout.decode()}"
    shown = re.findall(r"^(NEW|DEL): \S+ \S+ (\d+) Session leak.py (\d+) (\S+)", page, re.MULTILINE)
    log = (tmp_path / "leak.log").read_text()
    columns = r"^(NEW|DEL): +\S+ +\S+ +(\d+) Session +\S+ +(\d+) (\S+)"
    assert re.findall(columns, log, re.MULTILINE) == shown


def test_arguments_of_top() -> None:
    """The page names all of them."""
    code = pymemtrace.Log.top.__code__
    named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    assert [n for n in named[1:] if f"{n}=" not in PAGE and f"`{n}`" not in PAGE] == []


def test_public_names() -> None:
    assert [name for name in pymemtrace.__all__ if f"{name}" not in PAGE] == []
