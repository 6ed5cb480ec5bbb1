# SPDX-License-Identifier: MIT
"""Events of the interpreter, against what a recorder in pure Python sees of the same program."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Dict, List, Tuple

import pytest

from harness import TARGETS, Log, Python, Tracer, need

SCRIPT = TARGETS / "events.py"

# What sys.setprofile() and sys.settrace() call our events.
PROFILE_WORDS = {
    "call": "call",
    "resume": "call",
    "throw": "call",
    "return": "return",
    "yield": "return",
    "unwind": "return",
    "exception": "exception",
    "opcode": "opcode",
    "c-call": "c_call",
    "c-return": "c_return",
    "c-exception": "c_exception",
}

Told = Tuple[str, int, str, str]  # event, line, function, C function
SCENARIOS = [
    "nested",
    "recursion",
    "generators",
    "coroutines",
    "thrown",
    "unstarted",
    "cancelled",
    "exceptions",
    "comprehensions",
    "executed",
    "callbacks",
    "objects",
    "threads",
]


def events_of(log: Log) -> Dict[int, List[Told]]:
    """Thread -> the events of the script's own functions, all of them."""
    found: Dict[int, List[Told]] = defaultdict(list)
    for e in log.of("pyevent", "c_event", "line", file=str(SCRIPT)):
        word = "line" if e["event"] == "line" else PROFILE_WORDS[e["what"]]
        found[e["thread"]].append((word, e["line"] or 0, e["function"], e.get("c_function") or ""))
    return found


def between(events: List[Told]) -> List[List[Told]]:
    """From each return of begin() to the call of end(), both left out."""
    first = [i for i, e in enumerate(events) if e[0] == "return" and e[2] == "begin"]
    last = [i for i, e in enumerate(events) if e[0] == "call" and e[2] == "end"]
    assert len(first) == len(last)
    return [events[begin + 1 : end] for begin, end in zip(first, last)]


def recorded(report: List[Dict[str, Any]]) -> List[List[List[Told]]]:
    """Of each thread, what was recorded from each begin() on."""
    threads: Dict[int, List[List[Told]]] = defaultdict(list)
    for r in report:
        if r["event"] == "begin":
            threads[r["thread"]].append([])
        else:
            event = r["event"], r["line"] or 0, r["function"], r["c"] or ""
            threads[r["thread"]][-1].append(event)
    return sorted(threads.values())


def check(python: Python, tracer: Tracer, scenario: str, how: str, trace: str) -> None:
    told = recorded(tracer.untraced([*python.enter, python.path, SCRIPT, scenario, how]).report)
    sections = [section for thread in told for section in thread]
    heard = how != "opcodes" or any(e[0] == "opcode" for section in sections for e in section)
    need(heard, f"sys.settrace() of {python.name} tells of no instructions")
    run = tracer.python(python, SCRIPT.name, scenario, "quiet", options={"TRACE": trace})
    ours = sorted(filter(None, map(between, events_of(run.log).values())))
    assert ours == told
    assert len(sections) >= len(scenario.split(","))
    assert all(len(section) > 5 for section in sections)


def test_events_equal_recorder(tracer: Tracer, python: Python) -> None:
    """All scenarios, one after the other in one process."""
    check(python, tracer, ",".join(SCENARIOS), "record", "profile,trace")


@pytest.mark.interpreters()
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_events_of_one_scenario(tracer: Tracer, python: Python, scenario: str) -> None:
    """Each alone, in an interpreter that has done nothing before."""
    check(python, tracer, scenario, "record", "profile,trace")


def test_opcodes_equal_recorder(tracer: Tracer, python: Python) -> None:
    check(python, tracer, "nested", "opcodes", "profile,trace,opcodes")


def test_deep_recursion(tracer: Tracer, python: Python) -> None:
    """The limit is where it is without tracing, and each call has its end in the log."""
    run = tracer.python(python, SCRIPT.name, "deep", "quiet", options={"TRACE": "profile,trace"})
    depth = int(run.outcome.out)
    own = run.log.of("pyevent", function="endless")
    kinds = [e["what"] for e in own]
    assert kinds.count("call") in (depth + 1, depth + 2)  # the last one may fail at its beginning
    assert kinds.count("call") == kinds.count("unwind")
    assert depth > 500


def test_generators_go_on(tracer: Tracer, python: Python) -> None:
    """A call begins a function, also a generator; what follows are resumes, each after a yield."""
    run = tracer.python(python, SCRIPT.name, "generators", "quiet", options={"TRACE": "calls"})
    own = [e["what"] for e in run.log.of("pyevent", function="count")]
    assert own.count("call") == 3
    assert own.count("yield") == own.count("resume") == 7
    assert own.count("return") == 3


def test_exceptions_thrown_into_generators(tracer: Tracer, python: Python) -> None:
    """close(), throw() and the end of a task do not call a function; before 3.11 they resume it."""
    thrown = "throw" if python.version >= (3, 11) else "resume"
    run = tracer.python(python, SCRIPT.name, "thrown", "quiet", options={"TRACE": "calls"})
    kinds: Dict[str, List[str]] = defaultdict(list)
    for e in run.log.of("pyevent"):
        kinds[e["function"]].append(e["what"])
    assert kinds["closing"] == ["call", "yield", thrown, "unwind"]
    assert kinds["catching"] == [
        *("call", "yield", thrown, "yield", thrown, "unwind"),
        *("call", "yield", thrown, "yield", "resume", "return"),
    ]
    assert kinds["waiter"] == ["call", "yield", thrown, "unwind"] * 2
    run = tracer.python(python, SCRIPT.name, "cancelled", "quiet", options={"TRACE": "calls"})
    kinds.clear()
    for e in run.log.of("pyevent"):
        kinds[e["function"]].append(e["what"])
    # Two that wait, one that another waits for, and one that has not begun.
    assert kinds["sleeping"].count("yield") == 3
    assert kinds["sleeping"].count("unwind") in (3, 4)
    assert kinds["stubborn"] == ["call", "yield", thrown, "return"]


def test_quickened_generators_go_on(tracer: Tracer, python: Python) -> None:
    """The same where the interpreter has rewritten the code."""
    code = (
        "def g(n):\n    for i in range(n):\n        yield i\nfor _ in range(40):\n    list(g(5))\n"
    )
    run = tracer.python_argv(python, ["-c", code], options={"TRACE": "calls"})
    own = [e["what"] for e in run.log.of("pyevent", function="g")]
    assert own.count("call") == 40
    assert own.count("resume") == own.count("yield") == 200
