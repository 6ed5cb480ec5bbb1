# SPDX-License-Identifier: MIT
"""Links lead somewhere, and the pages speak of the project only."""

from __future__ import annotations

import re
from pathlib import Path

import generate
import pytest

TOP = generate.TOP


MARKDOWN = generate.sources("*.md")
PAGES = [*MARKDOWN, *sorted((generate.DOCS / "man").glob("*.[0-9]"))]


def name(path: Path) -> str:
    return str(path.relative_to(TOP))


def without_code(page: str) -> str:
    return re.sub(r"```.*?```", "", page, flags=re.DOTALL)


def anchors(page: str) -> set[str]:
    """What GitHub makes of the headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE):
        text = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        assert text not in found, f"two headings have the anchor {text}"
        found.add(text)
    return found


def broken_links(path: Path) -> list[str]:
    page = path.read_text(encoding="utf-8")
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path if not file else (path.parent / file)
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            wrong.append(link)
    return wrong


def test_there_are_pages() -> None:
    assert {"docs/README.md", "docs/tutorial.md", "docs/internals.md"} <= set(map(name, MARKDOWN))


@pytest.mark.parametrize("path", MARKDOWN, ids=name)
def test_links(path: Path) -> None:
    assert broken_links(path) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Head\n[a](#head) [b](#tail) [c](none.md)\n```\n[d](code.md)\n```\n")
    assert broken_links(page) == ["#tail", "none.md"]


def test_index_names_every_page() -> None:
    index = (generate.DOCS / "README.md").read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(([^)#\s]+)\)", index))
    pages = {str(p.relative_to(generate.DOCS)) for p in generate.pages()} - {"README.md"}
    assert pages <= links


# Folders of whoever wrote the page, and places that packages come from.
FORBIDDEN = [
    r"/root\b",
    r"/work\b",
    r"/home/\w+",
    r"\.pyenv",
    r"https?://(?!github\.com/Cyan4973)[\w.]*(?:pypi|pythonhosted|debian|ubuntu|artifact|mirror|proxy)",
    r"\b(?:localhost|127\.0\.0\.1|10\.\d+\.\d+\.\d+)\b",
]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_no_places_of_the_writer(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert [m[0] for pattern in FORBIDDEN for m in re.finditer(pattern, page)] == []


@pytest.mark.parametrize("path", sorted(generate.DOCS.rglob("*.md")), ids=name)
def test_files_named_in_pages_exist(path: Path) -> None:
    """`lib/tracer/core/order.h` and the like, written as code, must be in the source."""
    page = path.read_text(encoding="utf-8")
    made = {file for file, _ in generate.changes(page)}
    found = re.findall(r"`((?:lib|tools|tests|docs)/[\w./-]+)`", without_code(page))
    missing = [file for file in found if not (TOP / file).exists() and file not in made]
    assert missing == []


@pytest.mark.parametrize("path", sorted(generate.DOCS.rglob("*.md")), ids=name)
def test_tables_have_equal_rows(path: Path) -> None:
    """A bar in a cell would make one more of it."""
    width = 0
    for line in without_code(path.read_text(encoding="utf-8")).splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert width in (0, cells), line
        width = cells
