# SPDX-License-Identifier: MIT
"""Decorators of pymemtrace.cpymemtrace_decs: each call runs in a context, and has its log."""

from __future__ import annotations

import sys
from pathlib import Path

import classic
import pytest
from pymemtrace import cPyMemTrace, cpymemtrace_decs


def functions(path: Path) -> list[str]:
    return [row["function"] for row in classic.events(path)]


def test_row_29_profile(tmp_path: Path) -> None:
    path = tmp_path / "p.log"

    @cpymemtrace_decs.profile(0, "as written", filepath=path)
    def decorated(a: int, *, b: int) -> int:
        """Its text."""
        cPyMemTrace.profile_write_message_to_log("inside")
        return a + b

    assert decorated.__name__ == "decorated"
    assert decorated.__doc__ == "Its text."
    assert decorated(1, b=2) == 3
    assert path.read_text().splitlines()[0] == "as written"
    assert functions(path).count("decorated") == 2
    assert classic.messages(path) == ["inside"]


def test_row_29_trace(tmp_path: Path) -> None:
    path = tmp_path / "t.log"

    @cpymemtrace_decs.trace(d_rss_trigger=0, filepath=path)
    def decorated() -> int:
        one = 1
        return one

    assert decorated() == 1
    own = [row["what"] for row in classic.events(path) if row["function"] == "decorated"]
    assert own == ["CALL", "LINE", "LINE", "RETURN"]


def test_row_81_own_frames_are_hidden(tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"{kind}.log" for kind in ("profile", "trace")}

    @cpymemtrace_decs.profile(0, filepath=str(paths["profile"]))
    @cpymemtrace_decs.trace(0, filepath=str(paths["trace"]))
    def decorated() -> int:
        return abs(-1)

    assert decorated() == 1
    for path in paths.values():
        assert {row["file"] for row in classic.events(path)} == {__file__}


def test_row_29_each_call_has_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    @cpymemtrace_decs.profile()
    def decorated(again: bool) -> None:
        if again:
            decorated(False)

    decorated(True)
    decorated(False)
    logs = sorted(tmp_path.glob("*.log"))
    assert len(logs) == 3
    for log in logs:
        assert classic.labels(log)[-1] == "EOF"


def test_row_29_nested_and_mixed(tmp_path: Path) -> None:
    profile, trace, inner = (tmp_path / name for name in ("p.log", "t.log", "i.log"))

    @cpymemtrace_decs.profile(0, filepath=inner)
    def deep() -> int:
        return 7

    @cpymemtrace_decs.profile(0, filepath=profile)
    @cpymemtrace_decs.trace(0, filepath=trace)
    def decorated() -> int:
        return deep()

    assert decorated() == 7
    assert functions(inner).count("deep") == 2
    assert functions(profile).count("decorated") == 2
    assert functions(profile).count("deep") == 0
    assert "deep" in functions(trace)
    assert len(classic.messages(profile)) == 2


def test_row_29_exception(tmp_path: Path) -> None:
    path = tmp_path / "p.log"

    @cpymemtrace_decs.profile(0, filepath=path)
    def fails() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fails()
    assert classic.labels(path)[-2:] == ["LAST", "EOF"]
    assert cPyMemTrace.profile_wrapper_depth() == 0


def test_row_29_bad_arguments() -> None:
    @cpymemtrace_decs.profile("no number")
    def decorated() -> None:
        pass

    with pytest.raises(TypeError):
        decorated()


if sys.version_info >= (3, 13):

    class Thing:
        """Of a type that nobody else has."""

    def test_row_29_reference_tracing(tmp_path: Path) -> None:
        path = tmp_path / "r.log"

        @cpymemtrace_decs.reference_tracing(filepath=path, include_tp_names=["Thing"])
        def decorated() -> int:
            return len([Thing(), Thing()])

        assert decorated() == 2
        assert [row["label"] for row in classic.events(path, "NEW", "DEL")] == [
            "NEW",
            "NEW",
            "DEL",
            "DEL",
        ]
else:

    def test_row_29_no_reference_tracing_before_3_13() -> None:
        assert not hasattr(cpymemtrace_decs, "reference_tracing")
