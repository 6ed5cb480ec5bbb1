# SPDX-License-Identifier: MIT
"""The objects of processes that end by a signal, by exec, or by SIGKILL from outside."""

from __future__ import annotations

import platform

import pytest

from harness import Log, Python, Run, Tracer, need, tool

TYPED = {"TRACE": "malloc,mmap,pymem,rss", "FOLD": "on"}
RECORDS = 5000


def records(log: Log) -> int:
    rows = [r for r in log.top("--by", "type") if r["type"] == "__main__.Record"]
    return sum(r["count"] for r in rows)


def moments(log: Log) -> list[str]:
    return [e["moment"] for e in log.of("census")]


def child(run: Run) -> Log:
    [found] = [log for log in run.logs if "forked" in log.header["flags"]]
    return found


@pytest.mark.interpreters("3.13")
@pytest.mark.parametrize("how", ("kill", "raise", "self_kill", "term", "term_in_thread", "busy"))
def test_a_child_that_ends_by_a_signal(tracer: Tracer, python: Python, how: str) -> None:
    run = tracer.python(python, "last_census.py", how, options=TYPED)
    log = child(run)
    assert moments(log) == ["signal"]
    assert records(log) == RECORDS
    text = tool("top", "--by", "type", *[one.path for one in run.logs]).out.decode()
    assert "\n2 processes, added up\n" in text


@pytest.mark.interpreters("3.13")
def test_a_worker_of_a_pool(tracer: Tracer, python: Python) -> None:
    run = tracer.python(python, "last_census.py", "pool", options=TYPED)
    assert records(child(run)) == RECORDS


def test_a_process_that_becomes_another_program(tracer: Tracer, python: Python) -> None:
    run = tracer.python(python, "last_census.py", "exec", options=TYPED)
    assert sorted(records(log) for log in run.logs) == [0, RECORDS]
    assert sorted(moments(log) for log in run.logs) == [["end"], ["exec"]]


def test_the_handler_is_not_seen(tracer: Tracer, python: Python) -> None:
    run = tracer.python(python, "last_census.py", "dispositions", options=TYPED)
    assert moments(run.log)[-1] == "end"


@pytest.mark.interpreters("3.13")
def test_an_interval(tracer: Tracer, python: Python) -> None:
    need(platform.machine() == "x86_64", "the number of a system call")
    run = tracer.python(python, "last_census.py", "interval", options={**TYPED, "CENSUS": "1"})
    assert len(moments(run.log)) >= 2
    assert set(moments(run.log)) == {"interval"}
    assert records(run.log) == RECORDS
    text = tool("top", "--by", "type", run.log.path, status=None).out.decode()
    assert "live Python objects at the last interval, " in text
    assert " s before the last event\n" in text


def test_processes_without_a_census_are_not_counted(tracer: Tracer, python: Python) -> None:
    first = tracer.python(python, "plain.py", options=TYPED)
    second = tracer.python(python, "plain.py", options={**TYPED, "TYPES": "off"})
    outcome = tool("top", "--by", "type", first.log.path, second.log.path)
    assert b"\n1 of 2 processes, added up\n" in outcome.out
    assert str(second.log.path).encode() in outcome.err
