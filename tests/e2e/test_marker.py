# SPDX-License-Identifier: MIT
"""The marker `interpreters`: which interpreters a test gets."""

from __future__ import annotations

import pytest

from interpreters import Known, at_changes, from_text, text_of

# In the order in which they are found: machine, then unstable.
FOUND = [
    Known("11.7", (3, 11, 7)),
    Known("11.2", (3, 11, 2)),
    Known("8", (3, 8, 18)),
    Known("12", (3, 12, 1)),
    Known("13.0", (3, 13, 0)),
    Known("13.5", (3, 13, 5)),
    Known("15", (3, 15, 0)),
    Known("14", (3, 14, 0)),
    Known("14t", (3, 14, 0), True),
]


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [
        ([], "8 15 14t"),
        (["3.12"], "8 11.7 12 15 14t"),
        (["3.11", "3.14"], "8 11.2 13.5 14 15 14t"),
        (["3.8"], "8 15 14t"),
        (["3.16"], "8 15 14t"),
        (["one"], "11.7"),
    ],
)
def test_chosen(monkeypatch: pytest.MonkeyPatch, changes: list[str], chosen: str) -> None:
    monkeypatch.delenv("PMT_ALL", raising=False)
    assert at_changes(FOUND, changes) == set(chosen.split())
    assert at_changes([], changes) == set()


def test_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMT_ALL", "1")
    assert at_changes(FOUND, ["one"]) == {known.name for known in FOUND}


def test_other_processes_are_told_the_same() -> None:
    assert from_text(text_of(FOUND)) == FOUND
