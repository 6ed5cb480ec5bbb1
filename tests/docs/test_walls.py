# SPDX-License-Identifier: MIT
"""No folder of the tracer or of the tools includes from a folder above it.

`FLOORS` is the order of the folders; which of the folders below a folder may use stands in its
meson.build (`sees`). The compiler keeps to that; this test reads all includes, so that it names the
wrong ones, also those of headers that nobody compiles alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import generate
import pytest
from walls import FLOORS, FORMAT, MODULES, Tree, cycles, house_of, too_full, wrong_includes


def copy_of_source(place: Path) -> Path:
    for room in (*FLOORS, FORMAT):
        shutil.copytree(generate.TOP / room, place / room)
    return place


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(generate.TOP)


def test_every_folder_is_a_floor(tree: Tree) -> None:
    folders = {folder for folder, _ in tree.files if house_of(folder) in FLOORS}
    known = {f"{house}/{name}" for house, names in FLOORS.items() for name in names}
    assert folders == known


def test_meson_opens_no_floor_above(tree: Tree) -> None:
    for house, names in FLOORS.items():
        for i, name in enumerate(names):
            seen = tree.sees(f"{house}/{name}") or set()
            assert seen <= {f"{house}/{below}" for below in names[: i + 1]}, f"{house}/{name}"
    assert all(tree.sees(f"lib/tracer/{name}") for name in FLOORS["lib/tracer"])


def test_no_include_runs_up(tree: Tree) -> None:
    assert wrong_includes(tree) == []


def test_no_cycle_of_folders(tree: Tree) -> None:
    assert cycles(tree) == []


def test_no_folder_is_too_full(tree: Tree) -> None:
    assert too_full(tree) == []


# (file, line that is added to it, what is then named)
PLANTED = [
    ("lib/tracer/base/arena.c", '#include "thread.h"'),
    ("lib/tracer/core/thread.h", '#include "folding.h"'),
    ("lib/tracer/heap/real.c", '# include "process.h"'),
    ("lib/tracer/life/preload.c", '#include "reader.h"'),
    ("lib/format/record.c", '#include "sys.h"'),
    ("tools/log/reader.c", '#include "replay.h"'),
    ("tools/report/top.c", '#include "cmd_top.h"'),
]


@pytest.mark.parametrize(("file", "line"), PLANTED)
def test_a_planted_include_is_named(tmp_path: Path, file: str, line: str) -> None:
    top = copy_of_source(tmp_path)
    (top / "tools/commands/cmd_top.h").write_text("", encoding="utf-8")
    with (top / file).open("a", encoding="utf-8") as f:
        f.write(line + "\n")
    header = line.split('"')[1]
    assert set(wrong_includes(Tree(top))) == {f"{file}: {header}"}


def test_a_planted_cycle_is_named(tmp_path: Path) -> None:
    top = copy_of_source(tmp_path)
    with (top / "lib/tracer/log/writer.h").open("a", encoding="utf-8") as f:
        f.write('#include "tracing.h"\n')
    assert {"lib/tracer/core", "lib/tracer/log"} <= set(cycles(Tree(top)))


def test_a_full_folder_is_named(tmp_path: Path) -> None:
    top = copy_of_source(tmp_path)
    for i in range(MODULES + 1):
        (top / f"lib/tracer/core/planted{i}.c").write_text("", encoding="utf-8")
    assert [line.split(":")[0] for line in too_full(Tree(top))] == ["lib/tracer/core"]


def commands() -> dict[str, list[str]]:
    """How a source of each floor is compiled, without its input and output; by folder."""
    build = Path(os.environ.get("PMT_BUILD", generate.TOP / "build"))
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    for entry in entries:
        path = (Path(entry["directory"]) / entry["file"]).resolve()
        folder = path.parent.relative_to(generate.TOP.resolve()).as_posix()
        # The tests compile some sources, too, with all folders.
        if entry["output"].startswith("tests/"):
            continue
        words = entry["command"].split()
        # The compiler may stand behind another program, such as ccache.
        first = next(i for i, word in enumerate(words) if word.startswith("-"))
        flags = [word for word in words[first:] if re.match(r"-(I|D|std)", word)]
        found.setdefault(folder, words[:first] + flags)
    return found


@pytest.mark.parametrize(
    ("folder", "header", "compiles"),
    [
        ("lib/tracer/base", "arena.h", True),
        ("lib/tracer/base", "writer.h", False),
        ("lib/tracer/core", "writer.h", True),
        ("lib/tracer/core", "stack.h", False),
        ("lib/tracer/heap", "rss.h", True),
        ("lib/tracer/heap", "events.h", False),
        ("lib/tracer/interpreter", "thread.h", True),
        ("lib/tracer/interpreter", "process.h", False),
        ("lib/tracer/life", "census.h", True),
        ("lib/tracer/life", "reader.h", False),
    ],
)
def test_the_compiler_keeps_to_it(tmp_path: Path, folder: str, header: str, compiles: bool) -> None:
    build = Path(os.environ.get("PMT_BUILD", generate.TOP / "build"))
    planted = tmp_path / "planted.c"
    planted.write_text(f'#include "{header}"\nint planted;\n', encoding="utf-8")
    done = subprocess.run(
        [*commands()[folder], "-fsyntax-only", str(planted)],
        cwd=build,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == compiles, done.stderr
    assert compiles or f"{header}: No such file" in done.stderr or "not found" in done.stderr
