#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks of the C source that no other program makes; `./dev lint` runs it.

usage: lint.py [FOLDER]    prints a line for each thing found and exits with 1, or prints nothing

- A function has at most 60 lines, a source file outside tests/ at most 600.
- A folder includes from folders below it only (walls.py).
- A sentence in a string stands whole on its line: so a message can be searched for. A literal goes on
  in the next line only where a line or a sentence of the text ends.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from walls import Tree, wrong_includes

FUNCTION_LINES = 60
FILE_LINES = 600

TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""",
    re.DOTALL,
)
ENDS = re.compile(r'(\\n|[.:;] )"$')


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def broken_strings(text: str) -> Iterator[tuple[int, str]]:
    before: re.Match[str] | None = None
    for token in TOKEN.finditer(text):
        if (
            before is not None
            and before[0][0] == token[0][0] == '"'
            and len(before[0]) > 2
            and not ENDS.search(before[0])
            # An escape of hexadecimal or octal digits may have to end before the next digit.
            and not re.search(r'\\(x[0-9a-fA-F]+|[0-7]+)"$', before[0])
            and "\n" in (between := text[before.end() : token.start()])
            and not between.strip(" \t\n\\")
        ):
            yield line_of(text, token.start()), "a string is broken inside a sentence"
        before = token


def long_functions(text: str) -> Iterator[tuple[int, str]]:
    """A function of this style begins with { and ends with } at the begin of a line."""
    begin = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line == "{":
            begin = number
        elif line == "}" and begin:
            lines = number - begin - 1
            if lines > FUNCTION_LINES:
                yield begin, f"a function of {lines} lines; {FUNCTION_LINES} at most"
            begin = 0


def long_file(text: str) -> Iterator[tuple[int, str]]:
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield lines, f"a file of {lines} lines; {FILE_LINES} at most"


CHECKS = {
    ".c": (broken_strings, long_functions, long_file),
    ".h": (broken_strings, long_functions, long_file),
    ".def": (broken_strings,),
}


def sources(top: Path) -> list[Path]:
    names = subprocess.run(
        ["git", "-C", str(top), "ls-files", "-co", "--exclude-standard", "-z"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = [top / name for name in names.split("\0") if Path(name).suffix in CHECKS]
    return sorted(path for path in found if path.exists())


def lint(top: Path) -> list[str]:
    found = []
    for path in sources(top):
        text = path.read_text(encoding="utf-8")
        for check in CHECKS[path.suffix]:
            name = path.relative_to(top).as_posix()
            if check is long_file and name.startswith("tests/"):
                continue
            found += [f"{name}:{line}: {what}" for line, what in check(text)]
    return found + [f"{where} is above it" for where in wrong_includes(Tree(top))]


if __name__ == "__main__":
    lines = lint(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
    print("".join(line + "\n" for line in lines), end="")
    sys.exit(bool(lines))
