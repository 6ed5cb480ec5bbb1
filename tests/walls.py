# SPDX-License-Identifier: MIT
"""The floors of the tracer and of the tools, and who includes whom.

`FLOORS` is the order of the folders; which of the folders below a folder may use stands in its
meson.build (`sees`). `./dev lint` and tests/docs/test_walls.py ask here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

# Ground floor first. All of them may include from lib/format, which includes from nowhere.
FLOORS = {
    "lib/tracer": [
        "base",
        "log",
        "core",
        "python",
        "resident",
        "heap",
        "interpreter",
        "life",
    ],
    "tools": [
        "base",
        "log",
        "inputs",
        "replay",
        "python",
        "report",
        "export",
        "plot",
        "watch",
        "commands",
    ],
}
FORMAT = "lib/format"
# A folder of more modules is two folders. Each command is a file, so their folder may grow.
MODULES = 20
GROWING = {"tools/commands"}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
SEES = re.compile(r"'sees'\s*:\s*\[([^\]]*)\]")


def sources(top: Path, folder: str) -> list[Path]:
    return sorted(path for path in (top / folder).rglob("*") if path.suffix in (".c", ".h", ".def"))


def house_of(folder: str) -> str:
    return next((house for house in FLOORS if folder.startswith(house + "/")), folder)


class Tree:
    """The source under TOP: which folder each header is in, and who includes it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.homes: dict[str, set[str]] = {}
        self.files: list[tuple[str, Path]] = []
        for room in (*FLOORS, FORMAT):
            for path in sources(top, room):
                folder = path.parent.relative_to(top).as_posix()
                self.files.append((folder, path))
                self.homes.setdefault(path.name, set()).add(folder)

    def includes(self) -> Iterator[tuple[str, str, str]]:
        """(including folder, included folder, "file: header") of all includes of our own headers."""
        for folder, path in self.files:
            for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
                found = self.homes.get(name.rsplit("/", 1)[-1], set())
                near = [home for home in found if house_of(home) == house_of(folder)]
                near = near or [home for home in found if home == FORMAT] or sorted(found)
                if near:
                    yield folder, near[0], f"{path.relative_to(self.top).as_posix()}: {name}"

    def sees(self, folder: str) -> set[str] | None:
        """The folders of the same house that FOLDER's meson.build names; None: it names none."""
        meson = self.top / folder / "meson.build"
        found = SEES.search(meson.read_text(encoding="utf-8")) if meson.exists() else None
        if found is None:
            return None
        house = house_of(folder)
        names = re.findall(rf"{house.rsplit('/', 1)[-1]}_(\w+)_inc", found[1])
        return {f"{house}/{name}" for name in names}

    def allowed(self, folder: str) -> set[str]:
        """Where FOLDER may include from, besides itself and lib/format."""
        house = house_of(folder)
        if house not in FLOORS:
            return set()
        floors = [f"{house}/{name}" for name in FLOORS[house]]
        below = set(floors[: floors.index(folder)]) if folder in floors else set()
        named = self.sees(folder)
        return below if named is None else below & named


def wrong_includes(tree: Tree) -> list[str]:
    return [
        where
        for folder, home, where in tree.includes()
        if home not in {folder, FORMAT} | tree.allowed(folder)
    ]


def cycles(tree: Tree) -> list[str]:
    """Folders that include one another, perhaps through others."""
    graph: dict[str, set[str]] = {}
    for folder, home, _ in tree.includes():
        if home != folder:
            graph.setdefault(folder, set()).add(home)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(graph.get(start, ()))
        while todo:
            folder = todo.pop()
            if folder not in seen:
                seen.add(folder)
                todo += graph.get(folder, ())
        return seen

    return sorted(folder for folder in graph if folder in reached(folder))


def too_full(tree: Tree) -> list[str]:
    modules: dict[str, set[str]] = {}
    for folder, path in tree.files:
        modules.setdefault(folder, set()).add(path.stem)
    return [
        f"{folder}: {len(names)} modules"
        for folder, names in sorted(modules.items())
        if len(names) > MODULES and folder not in GROWING and folder not in FLOORS
    ]
