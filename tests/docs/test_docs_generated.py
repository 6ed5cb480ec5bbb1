# SPDX-License-Identifier: MIT
"""The generated parts of the documents are those that the tables of the code give."""

from __future__ import annotations

import re
from pathlib import Path

import generate
import pytest

PAGES = list(generate.pages())


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_page_is_current(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert generate.renewed(page) == page, "run docs/generate.py --write"


def test_all_parts_are_there() -> None:
    """A mark that was mistyped would leave its part out of every check."""
    names = set()
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        found = list(generate.parts(page).finditer(page))
        names |= {match["name"].split()[0] for match in found}
        mark = r'^\.\\" ' if path.suffix != ".md" else "^<!-- "
        for text in ("generated: ", "end of generated"):
            assert len(found) == len(re.findall(mark + text, page, re.MULTILINE)), path
    assert {"header", "live", "chunk", "records", "names", "example"} <= names
    assert {"environment", "commands", "options", "synopsis", "description"} <= names


def test_check_notices_a_change() -> None:
    page = (generate.DOCS / "log-format.md").read_text(encoding="utf-8")
    changed = page.replace("| 0 | malloc | C heap |", "| 0 | malloc | a heap |")
    assert changed != page
    assert generate.renewed(changed) == page


def test_example_is_damaged_by_any_byte() -> None:
    """The example's checksum is checked: its bytes cannot be mistyped."""
    page = (generate.DOCS / "log-format.md").read_text(encoding="utf-8")
    found = generate.EXAMPLE.search(page)
    assert found
    wrong = page.replace(found[1], found[1].replace("88 27", "88 28"))
    with pytest.raises(SystemExit, match="not a whole chunk"):
        generate.renewed(wrong)


def test_example_by_hand_is_of_its_bytes() -> None:
    """What the text takes apart stands in the example."""
    page = (generate.DOCS / "log-format.md").read_text(encoding="utf-8")
    section = page.split("\n## An example\n")[1].split("\n## ")[0]
    found = generate.EXAMPLE.search(page)
    assert found
    bytes_of_it = " ".join(found[1].split())
    quoted = re.findall(
        r"`((?:[0-9a-f]{2})(?: [0-9a-f]{2})*)`", section.split("The head, by hand")[1]
    )
    assert len(quoted) > 15
    for text in quoted:
        assert text in bytes_of_it, f"{text} is not in the example"
