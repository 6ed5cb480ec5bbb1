# SPDX-License-Identifier: MIT
"""Logs that the program begins and ends itself, with the library preloaded and without."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from harness import LIBRARY, TARGETS, Log, Python, Run, Tracer, tool

SCRIPT = TARGETS / "control.py"


def run(tracer: Tracer, python: Python, how: str, scenario: str, **options: Any) -> Run:
    """HOW: preloaded (dormant until the program asks) or loaded."""
    if python.root:
        pytest.skip("this program writes its logs outside the root")
    library = "preloaded" if how == "preloaded" else str(LIBRARY)
    argv = [python.path, SCRIPT, library, scenario]
    if how == "preloaded":
        given = {"START": "off", "TRACE": None, "FOLD": None, **options}
        done = tracer.traced(argv, options=given)
    else:
        folder = tracer.folder / f"run{tracer.runs + 1}" / "logs"
        argv = ["/bin/sh", "-c", 'mkdir -p logs && exec "$@"', "sh", *map(str, argv)]
        done = tracer.untraced(argv)
        done.logs = [Log(p) for p in sorted(folder.iterdir())]
    assert done.outcome.status == 0, done.outcome
    return done


def calls(log: Log) -> Counter[str]:
    found: Counter[str] = Counter()
    for e in log.of("pyevent", what="call"):
        found[e["function"].rsplit(".", 1)[-1]] += 1
    return found


@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_cycles(tracer: Tracer, python: Python, how: str) -> None:
    done = run(tracer, python, how, "cycles")
    assert [r["rc"] for r in done.report] == [0] * 8
    assert [log.path.name for log in done.logs] == [f"cycle{i}.pmt" for i in range(4)]
    for i, log in enumerate(done.logs):
        assert log.end["complete"] and not any(log.end["damage"].values()), log.end
        assert calls(log)["step"] == 10 + i
        assert calls(log)["in_thread"] >= 1
        assert [e["text"] for e in log.of("mark")] == [f"cycle {i}"]
        blocks = Counter(e["size"] for e in log.of("alloc") if 1033 <= e["size"] < 1100)
        assert sum(blocks.values()) == 10 + i  # bytes objects have a head


@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_suspended(tracer: Tracer, python: Python, how: str) -> None:
    [log] = run(tracer, python, how, "suspended").logs
    assert calls(log)["step"] == 7
    assert [e["text"] for e in log.of("notice")] == ["suspended", "resumed"]


@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_changed(tracer: Tracer, python: Python, how: str) -> None:
    [log] = run(tracer, python, how, "changed").logs
    # The functions that the thread is in have begun before.
    first = log.of("events_begin", "pyevent", stacks=True)[:2]
    assert [f["function"] for f in first[0]["stack"]] == ["start", "changed", "<module>"]
    assert (first[1]["what"], first[1]["function"]) == ("return", "start")
    assert calls(log)["step"] == 3
    lines = [e for e in log.of("line") if e["function"] == "step"]
    assert len(lines) == 3


@pytest.mark.interpreters("3.13", "3.14")
@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_builtin_types_turned_on(tracer: Tracer, python: Python, how: str) -> None:
    """They stay on: the ends of those that are recorded must not be missing."""
    if python.version < (3, 13):
        pytest.skip("no objects before CPython 3.13")
    done = run(tracer, python, how, "builtin_types")
    assert [r["rc"] for r in done.report] == [0] * 4
    [log] = done.logs
    made = [e["address"] for e in log.of("create", type="list", function="builtin_types")]
    gone = {e["address"] for e in log.of("destroy", type="list")}
    assert len(set(made)) == len(made) == 20 and set(made) <= gone


@pytest.mark.interpreters("3.12", "3.13")
@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_refused(tracer: Tracer, python: Python, how: str) -> None:
    done = run(tracer, python, how, "refused")
    assert [r["rc"] for r in done.report] == [-1] * 6 + [0, -1, -1, -1, 0]
    problems = [r["problem"] for r in done.report if r["rc"] != 0]
    assert all(problems)
    assert "there is no option NOTHING" in problems[4]
    assert "traced already" in problems[6]
    [log] = done.logs
    tool("stats", log.path)


@pytest.mark.interpreters("3.12", "3.13")
def test_malloc_needs_preload(tracer: Tracer, python: Python) -> None:
    done = run(tracer, python, "loaded", "malloc")
    assert [r["rc"] for r in done.report] == [-1]
    assert "LD_PRELOAD" in done.report[0]["problem"]
    assert run(tracer, python, "preloaded", "malloc").report[0]["rc"] == 0


@pytest.mark.interpreters("3.12", "3.13")
def test_signal(tracer: Tracer, python: Python) -> None:
    done = run(tracer, python, "preloaded", "toggled", SIGNAL=12, TRACE="calls")
    assert [calls(log)["step"] for log in done.logs] == [3, 3]
    assert done.outcome.err == b""


@pytest.mark.interpreters("3.12", "3.13")
def test_dormant_leaves_nothing(tracer: Tracer, python: Python) -> None:
    if python.root:
        pytest.skip("preloaded by other tests there")
    done = tracer.traced([python.path, "-c", "print(1)"], options={"START": "off"})
    assert done.outcome.visible == (0, b"1\n", b"")
    assert done.logs == []


@pytest.mark.interpreters("3.12", "3.13")
@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_fork(tracer: Tracer, python: Python, how: str) -> None:
    done = run(tracer, python, how, "forks")
    assert sorted(calls(log)["step"] for log in done.logs) == [2, 7]


@pytest.mark.interpreters("3.12", "3.13")
@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_left_open(tracer: Tracer, python: Python, how: str) -> None:
    [log] = run(tracer, python, how, "left_open").logs
    assert calls(log)["step"] == 2
    assert log.end["state"] == "closed"


@pytest.mark.parametrize("how", ["preloaded", "loaded"])
def test_call_comes_first(tracer: Tracer, python: Python, how: str) -> None:
    """What the first call enters has not begun before; functions that are left out are nowhere."""
    [log] = run(tracer, python, how, "filtered").logs
    events = log.of("events_begin", "pyevent", stacks=True)
    first = [e for e in events if e.get("what") != "return"][:2]
    assert [f["function"] for f in first[0]["stack"]] == ["filtered"]
    assert (first[1]["what"], first[1]["function"]) == ("call", "step")
