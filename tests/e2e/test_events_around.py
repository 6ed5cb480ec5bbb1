# SPDX-License-Identifier: MIT
"""Events of the interpreter in odd surroundings: other tracers, threads, filters, ends."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from harness import TARGETS, Python, Run, Tracer, compile_library, need, tool

SCRIPT = str(TARGETS / "tracing.py")
ALL = {"TRACE": "profile,trace", "RSS": "off"}


def calls(run: Run, **fields: Any) -> Counter[str]:
    return Counter(e["function"] for e in run.log.of("pyevent", what="call", **fields))


def traced(tracer: Tracer, python: Python, scenario: str, **keywords: Any) -> Run:
    options = {**ALL, **keywords.pop("options", {})}
    return tracer.python(python, "tracing.py", scenario, options=options, **keywords)


@pytest.mark.interpreters("3.10", "3.12")
@pytest.mark.parametrize(
    "words",
    [
        "profile",
        pytest.param("trace", marks=pytest.mark.slow),
        "lines",
        "profile,trace",
        pytest.param("exceptions", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("scenario", ["own_functions", "profiler", "failing"])
def test_own_tracers(tracer: Tracer, python: Python, scenario: str, words: str) -> None:
    """The program sees no difference (Tracer.both), and we lose no more than the rest of a line."""
    run = traced(tracer, python, scenario, options={"TRACE": words})
    if "profile" in words:
        assert calls(run)["step"] == {"own_functions": 11, "profiler": 5, "failing": 2}[scenario]
        assert calls(run)["marked"] == 1
    if words == "lines":
        lines = [e for e in run.log.of("line") if e["function"] == "marked"]
        assert len(lines) == 1


def test_shared_tracers_are_noticed(tracer: Tracer, python: Python) -> None:
    run = traced(tracer, python, "own_functions")
    notices = [e["what"] for e in run.log.of("notice")]
    assert notices == (["shared"] if python.version < (3, 12) else [])
    assert run.outcome.err == b""


def test_threading_functions(tracer: Tracer, python: Python) -> None:
    run = traced(tracer, python, "threading_functions")
    assert calls(run)["step"] == 4
    assert calls(run)["marked"] == 2


def test_threads_of_all_kinds(tracer: Tracer, python: Python) -> None:
    env = {} if python.root else {"PMT_CALLBACK": str(compile_library("callback.c"))}
    run = traced(tracer, python, "raw_threads", env=env)
    assert calls(run)["step"] == 9
    own = {e["thread"] for e in run.log.of("pyevent", what="call", function="step")}
    assert len(own) == 3
    assert calls(run)["marked"] == 4


def test_ends_in_the_middle(tracer: Tracer, python: Python) -> None:
    run = traced(tracer, python, "middle")
    assert calls(run)["marked"] == 5
    assert calls(run)["middle.<locals>.leaves" if python.version >= (3, 11) else "leaves"] == 6
    tool("stats", run.log.path)


@pytest.mark.slow
def test_interpreters(tracer: Tracer, python: Python) -> None:
    run = traced(tracer, python, "interpreters")
    need(run.outcome.out != b"none\n", "no interpreters in this Python")
    found = calls(run, file="<string>") + calls(run, file="<script>")  # 3.14 calls it so
    assert found["inner"] == 12
    assert calls(run)["step"] == 2


def test_fork(tracer: Tracer, python: Python) -> None:
    run = traced(tracer, python, "forks")
    found = sorted(
        Counter(e["function"] for e in log.of("pyevent", what="call"))["step"] for log in run.logs
    )
    assert found == [1, 3]


@pytest.mark.parametrize("scenario", ["uncaught", "exits", "leaves_at_once"])
def test_ends(tracer: Tracer, python: Python, scenario: str) -> None:
    run = traced(tracer, python, scenario)
    assert calls(run)["marked"] == 1


@pytest.mark.interpreters("3.11", "3.12")
@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"INCLUDE_FILES": "*/tracing.py"}, {"step": 4, "deep": 6, "JSONEncoder.encode": 0}),
        ({"EXCLUDE_FILES": "*/json/*,<frozen*"}, {"step": 4, "deep": 6, "JSONEncoder.encode": 0}),
        ({"INCLUDE_FUNCTIONS": "s?ep"}, {"step": 4, "deep": 0, "JSONEncoder.encode": 0}),
        ({"EXCLUDE_FUNCTIONS": "st*,*encode"}, {"step": 0, "deep": 6, "JSONEncoder.encode": 0}),
        (
            {"INCLUDE_FUNCTIONS": "s[t-u]ep,deep", "EXCLUDE_FUNCTIONS": "*deep"},
            {"step": 4, "deep": 0, "JSONEncoder.encode": 0},
        ),
        ({"CALL_DEPTH": 4}, {"step": 0, "deep": 2, "JSONEncoder.encode": 1}),
        ({"THREADS": "main"}, {"step": 1, "deep": 6, "JSONEncoder.encode": 1}),
        ({"THREADS": "nobody"}, {"step": 0, "deep": 0, "JSONEncoder.encode": 0}),
    ],
)
def test_filters(
    tracer: Tracer, python: Python, options: dict[str, Any], wanted: dict[str, int]
) -> None:
    run = traced(tracer, python, "filtered", options=options)
    found = calls(run)
    if python.version < (3, 11):
        names = {"encode": "JSONEncoder.encode"}
    else:
        names = {"filtered.<locals>.deep": "deep"}
    for name, other in names.items():
        found[other] = found.pop(name, 0)
    if options.get("THREADS") == "main":
        # Kernel names of threads: those of threading reach it from 3.14 on only.
        assert found["step"] == 1
    assert {name: found[name] for name in wanted} == wanted
    returns = Counter(e["function"] for e in run.log.of("pyevent", what="return"))
    assert returns["step"] == wanted["step"]
    lines = Counter(e["function"] for e in run.log.of("line"))
    assert lines["step"] == wanted["step"]


@pytest.mark.interpreters("3.12")
def test_trigger(tracer: Tracer, python: Python) -> None:
    """Events at which the resident set has jumped, with the one before, and the count of the rest."""
    options = {"TRACE": "profile", "RSS": "exact", "RSS_TRIGGER": "4M"}
    run = tracer.python(python, "tracing.py", "grows", options=options)
    everything = tracer.python(
        python, "tracing.py", "grows", options={"TRACE": "profile", "RSS": "exact"}
    )
    events = run.log.of("pyevent", "c_event")
    own = [e for e in events if e["function"] in ("grows", "grown", "step")]
    jumps = [e for e in own if not e.get("previous") and e["rss"] - events[0]["rss"] > 6 << 20]
    assert len(jumps) >= 2
    assert {e["function"] for e in jumps[:2]} <= {"grown", "grows"}
    for a, b in zip(events, events[1:]):
        assert a.get("previous") or b.get("previous") or "skipped" not in b
    told = sum(1 + e.get("skipped", 0) for e in events)
    assert abs(told - len(everything.log.of("pyevent", "c_event"))) <= 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRACE", "call"),
        ("RSS", "never"),
        ("RSS_TRIGGER", "-2"),
        ("LINES", "all"),
        ("CALL_DEPTH", "-1"),
        ("GC_AT_END", "3"),
        ("INCLUDE_FILES", "x" * 5000),
    ],
)
def test_bad_values(tracer: Tracer, a_python: Python, name: str, value: str) -> None:
    argv = [a_python.path, "-c", "print(1)"]
    run = tracer.traced(argv, options={**ALL, name: value})
    assert run.outcome.visible[:2] == (0, b"1\n")
    assert f"PYMEMTRACE_{name}=" in run.outcome.err.decode()
    assert "runs untraced" in run.outcome.err.decode()
    assert run.logs == []
