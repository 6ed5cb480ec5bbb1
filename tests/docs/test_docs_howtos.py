# SPDX-License-Identifier: MIT
"""The examples of the how-tos fit the source as it is, build together, and do what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import generate
import pytest

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in generate.DOCS.glob("howto-*.md")}
# howto-hook goes on where howto-record ends.
ORDER = ["howto-record", "howto-hook", "howto-option", "howto-command", "howto-python"]


def run(command: list[str], folder: Path, text: str | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source with the changes of all how-tos."""
    if not shutil.which("patch"):
        pytest.skip("patch is not installed")
    copy = tmp_path_factory.mktemp("source")
    for path in generate.sources():
        place = copy / path.relative_to(generate.TOP)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    for page in ORDER:
        for name, text in generate.changes(PAGES[page]):
            if name:
                assert not (copy / name).exists(), f"{page}: {name} is there already"
                (copy / name).write_text(text, encoding="utf-8")
            else:
                run(["patch", "-p1", "-F2", "--no-backup-if-mismatch"], copy, text)
    return copy


def test_all_howtos_are_here() -> None:
    assert sorted(PAGES) == sorted(ORDER)


def test_changes_fit(changed: Path) -> None:
    assert "advice" in (changed / "lib" / "format" / "records.def").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ORDER)
def test_files_touched(name: str) -> None:
    """The last line names all the files, and each is named above its change."""
    page = PAGES[name]
    last = page.split("\nFiles touched: ")[1]
    touched = {f or re.findall(r"^\+\+\+ b/(\S+)", t, re.M)[0] for f, t in generate.changes(page)}
    assert set(re.findall(r"`([^`]+)`", last)) == touched


@pytest.mark.slow
def test_examples_work(changed: Path, tmp_path: Path) -> None:
    build = changed / "build"
    if not (shutil.which("meson") and shutil.which("ninja")):
        pytest.skip("meson or ninja is not installed")
    run(["meson", "setup", str(build), str(changed), "-Dwerror=true"], changed)
    targets = ["tools/pymemtrace", "lib/tracer/libpymemtrace.so", "docs/tables"]
    run(["ninja", "-C", str(build), *targets], changed)
    for name in ORDER:
        for step in generate.steps(PAGES[name]):
            status, text = generate.run_step(step, tmp_path, build / "tools" / "pymemtrace")
            assert status == 0, f"{name}: {step.text}\n{text}"
            without = re.compile(r"0x[0-9a-f]+|[0-9.]+|/\S+/")
            assert without.sub("#", text) == without.sub("#", step.shown), step.text
    # The documents can be brought up to date, and then they are.
    environment = {**os.environ, "PMT_BUILD": str(build)}
    environment.pop("PMT_TOOL", None)
    for what in ("--write", "--check"):
        subprocess.run([changed / "docs" / "generate.py", what], env=environment, check=True)
    page = (changed / "docs" / "man" / "pymemtrace-sizes.1").read_text(encoding="utf-8")
    assert ".It Fl l , Fl -least Ar BYTES" in page
