# SPDX-License-Identifier: MIT
"""Tracers of the program's own at odd moments, and logs begun in the middle of all that."""

from __future__ import annotations

import glob
import re
from collections import Counter
from pathlib import Path

import pytest
from test_control import calls, run

from harness import TARGETS, Python, Run, Tracer, compile_library, compile_target, need

pytestmark = pytest.mark.slow

WORDS = {"TRACE": "profile,trace", "RSS": "off"}


def traced(tracer: Tracer, python: Python, scenario: str, words: str, **env: str) -> Run:
    options = {**WORDS, "TRACE": words}
    return tracer.python(python, "tracing_more.py", scenario, options=options, env=env)


@pytest.mark.parametrize("words", ["profile", "trace", "profile,trace"])
@pytest.mark.parametrize(
    ("scenario", "steps"), [("audited", 3), ("refusing", 2), ("audited_change", 5), ("one_line", 2)]
)
def test_own_hooks(tracer: Tracer, python: Python, scenario: str, steps: int, words: str) -> None:
    """The program's audit hooks hear what they hear without us (Tracer.both), and we lose nothing."""
    done = traced(tracer, python, scenario, words)
    if "profile" in words:
        assert calls(done.log)["step"] == steps
        return
    lines = Counter(e["function"] for e in done.log.of("line"))
    assert lines["step"] == steps


def test_instructions_not_asked_for(tracer: Tracer, python: Python) -> None:
    done = traced(tracer, python, "instructions", "trace,opcodes")
    own = [e for e in done.log.of("pyevent", what="opcode") if e["function"] == "step"]
    assert len(own) >= 4


def test_own_keys(tracer: Tracer, python: Python) -> None:
    assert calls(traced(tracer, python, "own_keys", "profile").log)["step"] == 1


def test_entered_often(tracer: Tracer, python: Python) -> None:
    need(not python.root, "the library is compiled outside the root")
    library = str(compile_library("callback.c"))
    done = traced(tracer, python, "entered_often", "profile", PMT_CALLBACK=library)
    assert calls(done.log)["step"] == 5


@pytest.mark.interpreters("3.12")
def test_many_interpreters(tracer: Tracer, python: Python) -> None:
    """Without site (-S), which each interpreter would import anew: that is nearly all of the time."""
    argv = ["-S", str(TARGETS / "tracing_more.py"), "many_interpreters"]
    done = tracer.python_argv(python, argv, options={**WORDS, "TRACE": "calls"})
    need(done.outcome.out != b"none\n", "no interpreters in this Python")
    [made] = re.findall(r"^INTERPRETERS = (\d+)$", Path(argv[1]).read_text(), re.MULTILINE)
    assert calls(done.log)["one_of_many"] == int(made) > 256


@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_tracers_before_ours(tracer: Tracer, python: Python, how: str) -> None:
    """Functions that the program had set when the log began are called, and stay afterwards."""
    done = run(tracer, python, how, "other_tracers")
    told = done.report[-1]
    assert told["main"] == ["call", "return"]
    assert Counter(told["other"]) == Counter(call=2, line=1) + Counter({"return": 2})
    assert told["after"] == ["call", "return"]
    assert calls(done.logs[0])["step"] == 2


@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_new_threads(tracer: Tracer, python: Python, how: str) -> None:
    [log] = run(tracer, python, how, "new_threads").logs
    assert calls(log)["step"] == 6


@pytest.mark.interpreters("3.12", "3.13")
@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_depth_after_gaps(tracer: Tracer, python: Python, how: str) -> None:
    """step() is called at depth 8, which is not wanted, and at 3, which is."""
    for log in run(tracer, python, how, "depth").logs:
        own = [e for e in log.of("pyevent", what="call") if e["function"] == "step"]
        assert len(own) == 1


@pytest.mark.interpreters("3.12", "3.13")
@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_many_logs(tracer: Tracer, python: Python, how: str) -> None:
    done = run(tracer, python, how, "many")
    assert [r["rc"] for r in done.report] == [0] * 30
    mapped = [r["mapped"] for r in done.report]
    assert 0 < max(mapped) <= mapped[0] + 1


def test_often_set(tracer: Tracer, a_python: Python) -> None:
    done = run(tracer, a_python, "loaded", "often_set")
    assert [r["rc"] for r in done.report] == [0, 0, 0]


def test_begun_again(tracer: Tracer, python: Python) -> None:
    """A program that ends the interpreter and begins it anew, three times."""
    need(not python.root, "the program runs outside the root")
    home = Path(python.path).parents[1]
    name = f"lib/libpython{python.version[0]}.{python.version[1]}.so.1.0"
    found = glob.glob(str(home / name))
    need(found, f"{python.name} has no shared library")
    argv = [compile_target("reinit.c"), found[0]]
    done = tracer.both(argv, env={"PYTHONHOME": str(home)}, options={**WORDS, "TRACE": "calls"})
    assert done.outcome.out == b"done\n"
    assert calls(done.log)["step"] == 15
