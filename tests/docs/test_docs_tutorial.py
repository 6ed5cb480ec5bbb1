# SPDX-License-Identifier: MIT
"""The tutorial's marked commands run, in their order, in one folder, and say what the page shows."""

from __future__ import annotations

import dataclasses
import shutil

import generate
import pytest

PAGE = generate.TUTORIAL.read_text(encoding="utf-8")
MISSING = [name for name in ("gnuplot", "python3") if not shutil.which(name, path="/usr/bin:/bin")]


# On a busy machine a program may take longer to start than the reader is told to wait.
STARTED = "until pymemtrace stats killed.pmt >/dev/null 2>&1; do sleep 0.1; done"


def patient(step: generate.Step) -> generate.Step:
    """The step, which kills a program as soon as it has a log."""
    return dataclasses.replace(step, text=step.text.replace("sleep 0.5; kill", f"{STARTED}; kill"))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[generate.Step, int, str]]:
    """Each step with its exit status and output."""
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)}")
    folder = tmp_path_factory.mktemp("demo")
    steps = [patient(step) for step in generate.steps(PAGE)]
    assert len([step for step in steps if STARTED in step.text]) == 1
    return [(step, *generate.run_step(step, folder)) for step in steps]


def test_every_block_is_marked() -> None:
    """A block with commands that nobody runs would go stale."""
    assert len(generate.BLOCK.findall(PAGE)) == PAGE.count("```console") + PAGE.count("```python")
    assert len(generate.steps(PAGE)) > 20


@pytest.mark.slow
def test_commands_succeed(done: list[tuple[generate.Step, int, str]]) -> None:
    wrong = [(step.text, status, text) for step, status, text in done if status != step.status]
    assert wrong == []


@pytest.mark.slow
def test_output_begins_as_shown(done: list[tuple[generate.Step, int, str]]) -> None:
    """The first two words without numbers in them: the rest depends on the machine."""

    def words(text: str) -> list[str]:
        first = (text.splitlines() or [""])[0]
        return [word for word in first.split() if not any(c.isdigit() for c in word)][:2]

    for step, _, text in done:
        assert words(text) == words(step.shown), step.text


@pytest.mark.slow
def test_tracing_is_silent(done: list[tuple[generate.Step, int, str]]) -> None:
    runs = [text for step, _, text in done if "pymemtrace run" in step.text]
    assert len(runs) >= 4 and set(runs) == {""}


def test_picture_is_small() -> None:
    pictures = list((generate.DOCS / "images").iterdir())
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 100_000, picture
        used = [page for page in generate.pages() if f"images/{picture.name}" in page.read_text()]
        assert used, f"{picture.name} is shown nowhere"
