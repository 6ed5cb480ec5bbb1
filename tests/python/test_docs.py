# SPDX-License-Identifier: MIT
"""The examples of docs/python.md print what the page says."""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import pymemtrace
import pytest

from installed import TOP, execute

PAGE = (TOP / "docs" / "python.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (file: (?P<name>\S+)|run) -->\n```\w+\n(?P<body>.*?)```", re.DOTALL)


def test_examples(tmp_path: Path) -> None:
    folder = tmp_path
    scripts = sysconfig.get_path("scripts")
    compared = 0
    for block in BLOCK.finditer(PAGE):
        if block["name"]:
            (folder / block["name"]).write_text(block["body"], encoding="utf-8")
            continue
        for step in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            env = {"PATH": f"{scripts}:/usr/bin:/bin"}
            done = execute(["bash", "-c", command], env=env, cwd=folder)
            printed = done.stdout.decode().replace(f"{folder}/", "")
            assert (command, printed, done.stderr) == (command, shown, b"")
            compared += 1
    assert compared == 3


@pytest.mark.skipif(sys.version_info < (3, 13), reason="needs Python 3.13 or later")
def test_leak_of_cPyMemTrace(tmp_path: Path) -> None:
    """The search for a leak prints what the page says, and the log has those lines."""
    page = (TOP / "docs" / "cPyMemTrace.md").read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(page))
    assert [block["name"] for block in blocks] == ["leak.py", None]
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
