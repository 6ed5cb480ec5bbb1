# SPDX-License-Identifier: MIT
"""Each file of cases/ is a test: logs, commands, and what the commands print, exactly.

A case file is read from top to bottom; lines that begin with `==` say what the lines below are:

    == log NAME              events, see makelog.c: writes the log NAME
    == cut NAME SIZE         keeps the first SIZE bytes of a file
    == run [VAR=VALUE] ARG.. runs `pymemtrace ARG..`; below: its output, `! ` before lines of stderr,
                             and `exit N` at the end when it is not 0
    == show NAME             below: the contents of a file
    == note                  below: words to the reader

`pytest tests/cli --update-expected` writes what came instead of what was expected: read the
difference before committing it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
TOOL = BUILD / "tools" / "pymemtrace"
MAKELOG = BUILD / "tests" / "cli" / "makelog"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-expected", action="store_true", help="rewrite the expected output of tests/cli"
    )


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    if file_path.suffix == ".case" and file_path.parent.name == "cases":
        return CaseFile.from_parent(parent, path=file_path)
    return None


class CaseFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield Case.from_parent(self, name=self.path.stem)


class Mismatch(Exception):
    """What came is not what the file says."""


def sections(text: str) -> list[tuple[str, str]]:
    """Pairs of a `==` line and what stands below it; the first has no such line."""
    found = [("", "")]
    for line in text.splitlines(keepends=True):
        if line.startswith("== "):
            found.append((line, ""))
        else:
            head, body = found[-1]
            found[-1] = (head, body + line)
    return found


class Case(pytest.Item):
    """One case file, in a folder of its own."""

    def runtest(self) -> None:
        for path in (TOOL, MAKELOG):
            assert path.exists(), f"{path} does not exist; run ./dev build"
        factory = self.config._tmp_path_factory  # type: ignore[attr-defined]
        self.folder: Path = factory.mktemp(self.name)
        text = self.path.read_text()
        actual = "".join(head + self.section(head, body) for head, body in sections(text))
        if self.config.getoption("--update-expected"):
            if actual != text:
                self.path.write_text(actual)
        elif actual != text:
            raise Mismatch(text, actual)

    def section(self, head: str, body: str) -> str:
        """Do what HEAD says; returns what should stand below it."""
        words = shlex.split(head)[1:]
        blank = body[len(body.rstrip("\n")) + 1 :]  # empty lines before the next section
        if not words or words[0] == "note":
            return body
        if words[0] == "log":
            subprocess.run([MAKELOG, self.folder / words[1]], input=body, text=True, check=True)
            return body
        if words[0] == "cut":
            os.truncate(self.folder / words[1], int(words[2]))
            return body
        if words[0] == "show":
            return (self.folder / words[1]).read_text().rstrip("\n") + "\n" + blank
        assert words[0] == "run", head
        return self.run_tool(words[1:]).rstrip("\n") + "\n" + blank

    def run_tool(self, words: list[str]) -> str:
        env = {**os.environ, "LC_ALL": "C.UTF-8"}
        while "=" in words[0]:
            key, value = words.pop(0).split("=", 1)
            env[key] = value
        done = subprocess.run(
            [TOOL, *words], cwd=self.folder, env=env, capture_output=True, timeout=300, check=False
        )
        out = done.stdout.decode("utf-8", "backslashreplace")
        errors = done.stderr.decode("utf-8", "backslashreplace").splitlines(keepends=True)
        out += "".join("! " + line for line in errors)
        return out + (f"exit {done.returncode}\n" if done.returncode else "")

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> str:
        if not isinstance(excinfo.value, Mismatch):
            return str(super().repr_failure(excinfo))
        import difflib

        expected, actual = excinfo.value.args
        lines = difflib.unified_diff(
            expected.splitlines(), actual.splitlines(), "expected", "actual", lineterm=""
        )
        return "\n".join(lines)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name
