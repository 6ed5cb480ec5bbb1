# SPDX-License-Identifier: MIT
"""The table of CPython versions is what their headers say, and nothing else compares versions."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path

import generate
import pytest

TRACER = generate.TOP / "lib" / "tracer"
TABLE = TRACER / "python" / "python_versions.def"
SID = Path(os.environ.get("PMT_SID_ROOT", "/var/cache/pymemtrace-sid"))

spec = importlib.util.spec_from_file_location(
    "version_entry", TRACER / "python" / "version_entry.py"
)
assert spec is not None and spec.loader is not None
version_entry = importlib.util.module_from_spec(spec)
spec.loader.exec_module(version_entry)

# CPython's major and minor version as a number, 3.8 or later.
LITERAL = r"0x0?3(0[89a-f]|[1-9a-f][0-9a-f])(0000)?\b"
COMPARES = re.compile(
    rf"\bpython\.version\s*(>>|<|>|[=!]=)|([<>]=?|[=!]=)\s*python\.version\b|[<>=]\s*{LITERAL}"
    r"|\bPY_VERSION_HEX\s*[<>=]"
)
# The one that fills the table's place in; it compares what the interpreter says of itself.
ALLOWED = {TRACER / "python" / "python.c", TRACER / "python" / "python_versions.c"}


def entries() -> dict[str, str]:
    """ "3.8" -> the entry as it stands in the table."""
    text = TABLE.read_text(encoding="utf-8")
    found = re.findall(r"^PYTHON_VERSION\(.*?^\)$", text, re.M | re.S)
    return {re.findall(r"/\* (3\.\d+) \*/", entry)[0]: entry + "\n" for entry in found}


def folders() -> list[Path]:
    """Where headers of supported versions are on this machine."""
    places = [Path.home() / ".pyenv" / "versions", Path("/usr"), SID / "usr"]
    patterns = ["3.*/include/python3.*", "include/python3.*", "include/python3.*"]
    found = [p for place, pattern in zip(places, patterns) for p in sorted(place.glob(pattern))]
    return [p for p in found if (p / "internal").is_dir() and p.name[6:].rstrip("dt") in entries()]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("folder", [*folders(), *([] if folders() else [None])], ids=str)
def test_entry_is_what_headers_say(folder: Path | None) -> None:
    if folder is None:
        pytest.skip("no headers of CPython are here (python3-dev)")
    printed = version_entry.entry(folder)
    assert printed.endswith(version_entry.HAND + "\n")
    assert entries()[folder.name[6:].rstrip("dt")].startswith(printed)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_later_headers_of_no_entry(tmp_path: Path) -> None:
    """Headers of a version that is not there yet make an entry with that version's number."""
    if not folders():
        pytest.skip("no headers of CPython are here (python3-dev)")
    copy = tmp_path / "python3.99"
    shutil.copytree(folders()[-1], copy)
    for other in folders()[-1].parent.glob(f"*-linux-*/{folders()[-1].name}"):
        shutil.copytree(other, tmp_path / other.relative_to(folders()[-1].parent))
    place = copy / "patchlevel.h"
    place.write_text(
        re.sub(r"(PY_MINOR_VERSION\s+)\d+", r"\g<1>99", place.read_text(encoding="utf-8")),
        encoding="utf-8",
    )
    lines = version_entry.entry(copy).splitlines()
    assert lines[0] == "PYTHON_VERSION(0x0363, /* 3.99 */"
    assert lines[1:] == version_entry.entry(folders()[-1]).splitlines()[1:]


def test_versions_ascend() -> None:
    numbers = [int(n, 16) for n in re.findall(r"^PYTHON_VERSION\((\w+),", TABLE.read_text(), re.M)]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0x308


def test_bugs_have_numbers() -> None:
    for entry in entries().values():
        assert entry.count(".kind =") == len(re.findall(r'\.issue = "gh-\d+"', entry))


def test_nothing_else_compares_versions() -> None:
    files = [p for p in TRACER.rglob("*.[ch]") if p not in ALLOWED]
    assert len(files) > 80
    lines = [(p, line) for p in files for line in p.read_text(encoding="utf-8").splitlines()]
    found = [f"{p}: {line}" for p, line in lines if COMPARES.search(line)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "if (python.version >= 0x030c0000)",
        "return python.version >> 16 == 0x30d;",
        "if (version < 0x30b)",
        "const uint32_t version = python.version >> 16;",
        "if (0x030c0000 <= python.version)",
        "#if PY_VERSION_HEX >= x",
    ],
)
def test_comparison_is_found(line: str) -> None:
    assert COMPARES.search(line)


def test_howto_shows_the_entry() -> None:
    """What the how-to shows of an entry is in the table, line for line."""
    page = (generate.DOCS / "howto-python.md").read_text(encoding="utf-8")
    block = page.split("version_entry.py /usr/bin/python3.15\n")[1].split("```")[0]
    shown = [line for line in block.splitlines() if line != "..."]
    assert len(shown) > 5
    assert set(shown) <= set(entries()["3.15"].splitlines())
