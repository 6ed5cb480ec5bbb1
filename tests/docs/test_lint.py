# SPDX-License-Identifier: MIT
"""tests/lint.py finds what it says it finds, and nothing in the tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import generate
import lint
import pytest


def test_the_tree_is_clean() -> None:
    assert lint.lint(generate.TOP) == []


LONG_FUNCTION = "int f(void)\n{\n" + "\tg();\n" * (lint.FUNCTION_LINES + 1) + "}\n"
LONGEST_FUNCTION = "int f(void)\n{\n" + "\tg();\n" * lint.FUNCTION_LINES + "}\n"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.c", 'f("the log is "\n  "damaged");\n', ["a.c:2: a string is broken"]),
        ("a.h", '#define A "the log is " \\\n "damaged"\n', ["a.h:2: a string is broken"]),
        ("a.def", 'A(x,\n"what "\n"it is")\n', ["a.def:3: a string is broken"]),
        ("a.c", 'f("one\\n"\n  "two. "\n  "three");\n', []),
        ("a.c", '/* "not "\n "a string" */ f("%" PRIu64\n "s");\n', []),
        ("a.c", 'f("\\x01"\n  "2");\n', []),
        ("a.c", LONG_FUNCTION, ["a.c:2: a function of 61 lines"]),
        ("a.c", LONGEST_FUNCTION, []),
        ("a.c", "\n" * (lint.FILE_LINES + 1), ["a.c:601: a file of 601 lines"]),
        ("tests/a.c", "\n" * (lint.FILE_LINES + 1), []),
        ("lib/format/a.c", '#include "b.h"\n', ["lib/format/a.c: b.h is above it"]),
    ],
)
def test_planted(tmp_path: Path, name: str, text: str, found: list[str]) -> None:
    for path, content in ((name, text), ("lib/tracer/base/b.h", "")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    lines = lint.lint(tmp_path)
    assert len(lines) == len(found)
    assert all(line.startswith(start) for line, start in zip(lines, found))
