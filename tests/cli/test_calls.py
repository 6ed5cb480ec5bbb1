# SPDX-License-Identifier: MIT
"""`calls` against a program that knows what it did.

Threads are generators here, that call, return, yield and raise at random, and keep their own stacks.
Each change of the resident set is noted with the stack that it happened in. The log has only the
events; the command has to find the same sums.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
TOOL = BUILD / "tools" / "pymemtrace"
MAKELOG = BUILD / "tests" / "cli" / "makelog"

PAGE = 4096
FUNCTIONS = ["f", "g", "h", "outer.inner", "recursive"]
C_FUNCTIONS = ["sorted", "len", "map"]
Stack = tuple[str, ...]


@dataclass
class Step:
    """An event, and the stack of its thread before it."""

    thread: int
    text: str
    stack: Stack
    called: Stack = ()  # the stack after it, if it is a call that counts
    rss: int = 0
    time: int = 0  # in 10 ms


@dataclass
class Sums:
    """What must come out."""

    own: dict[Stack, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    calls: dict[Stack, int] = field(default_factory=lambda: defaultdict(int))


def place(name: str) -> str:
    return f"/app/{name[0]}.py:{100 + 7 * len(name)}:{name}"


def run_thread(rng: random.Random, thread: int, length: int) -> Iterator[Step]:
    """A random program of one thread, as events. Generators are left and entered again."""
    stack: list[str] = []
    asleep: list[str] = []

    def step(text: str, *, called: str = "") -> Step:
        return Step(thread, text, tuple(stack), (*stack, called) if called else ())

    for _ in range(length):
        top = stack[-1] if stack else ""
        is_c = top.startswith("C ")
        action = rng.random()
        if len(stack) > 12:
            action = 0.99
        if not stack or (action < 0.35):
            name = rng.choice(FUNCTIONS)
            yield step(f"call {place(name)}", called=name)
            stack.append(name)
        elif action < 0.42 and asleep:
            name = asleep.pop()
            yield step(f"{rng.choice(['resume', 'throw'])} {place(name)}")
            stack.append(name)
        elif is_c:
            word = rng.choice(["creturn", "creturn", "cexception"])
            yield step(f"{word} builtins:{top[2:]} {place(stack[-2])}")
            stack.pop()
        elif action < 0.55:
            name = rng.choice(C_FUNCTIONS)
            yield step(f"ccall builtins:{name} {place(top)}", called=f"C {name}")
            stack.append(f"C {name}")
        elif action < 0.7:
            yield step(f"{rng.choice(['lineof', 'exception', 'opcode'])} {place(top)}:150")
        elif action < 0.75:
            yield step(f"yield {place(top)}")
            asleep.append(stack.pop())
        else:
            yield step(f"{rng.choice(['return', 'return', 'unwind'])} {place(top)}")
            stack.pop()


def run_program(seed: int, threads: int, length: int) -> list[Step]:
    rng = random.Random(seed)
    running = [run_thread(rng, t, length) for t in range(1, threads + 1)]
    steps: list[Step] = []
    rss, time = 1000 * PAGE, 1
    while running:
        thread = rng.choice(running)
        for _ in range(rng.randrange(1, 20)):
            step = next(thread, None)
            if step is None:
                running.remove(thread)
                break
            if rng.random() < 0.4:
                rss = max(PAGE, rss + rng.randrange(-20, 30) * PAGE)
            time += rng.random() < 0.3
            step.rss, step.time = rss, time
            steps.append(step)
    return steps


def sums_of(steps: list[Step], thread: int = 0) -> Sums:
    """By the rules of calls.h."""
    sums = Sums()
    rss = steps[0].rss
    last: dict[int, int] = {}
    for step in steps:
        moved, rss = step.rss - rss, step.rss
        passed = step.time - last.get(step.thread, step.time)
        last[step.thread] = step.time
        if thread not in (0, step.thread):
            continue
        own = sums.own[step.stack]
        own[0] += max(moved, 0)
        own[1] += max(-moved, 0)
        own[2] += passed
        if step.called:
            sums.calls[step.called] += 1
    return sums


def make_log(path: Path, steps: list[Step], head: str = "") -> Path:
    lines = ["traced 0x70\n", "rsstext by hand\n"]
    lines += [f"slot {t}\nthread {t} {t}\n" for t in sorted({s.thread for s in steps})]
    lines.append(head)
    rss: dict[int, int] = {}
    time: dict[int, int] = {}
    order = 0
    for before, step in zip([None, *steps], steps):
        if before is None or before.thread != step.thread:
            order += 1
            lines.append(f"slot {step.thread}\norder {order}\n")
        if time.get(step.thread) != step.time:
            lines.append(f"at {step.time / 100}\n")
        if rss.get(step.thread) != step.rss:
            lines.append(f"resident {step.rss}\n")
        rss[step.thread], time[step.thread] = step.rss, step.time
        lines.append(step.text + "\n")
    subprocess.run([MAKELOG, path], input="".join(lines), text=True, check=True)
    return path


def calls(*arguments: str | Path) -> dict[str, Any]:
    command = [str(TOOL), "calls", "--json", "--number=1000000", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["left_out"] == 0
    return result


def name_of(row: dict[str, Any]) -> str:
    if "c_owner" in row:
        assert row["c_owner"] == "builtins" and row["file"] is None and row["line"] is None
        return f"C {row['function']}"
    if row["file"] is None:
        assert row["function"] == "<outside of functions>"
        return ""
    assert place(row["function"]) == f"{row['file']}:{row['line']}:{row['function']}"
    return str(row["function"])


def amount(row: dict[str, Any]) -> list[int]:
    return [row["grown_bytes"], row["shrunk_bytes"], round(row["time_s"] * 100)]


def plus(a: list[int], b: list[int]) -> list[int]:
    return [x + y for x, y in zip(a, b)]


def check_table(result: dict[str, Any], sums: Sums) -> None:
    own: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    whole: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    counts: dict[str, int] = defaultdict(int)
    for stack, moved in sums.own.items():
        name = stack[-1] if stack else ""
        own[name] = plus(own[name], moved)
        for name in set(stack) or {""}:
            whole[name] = plus(whole[name], moved)
    for stack, count in sums.calls.items():
        counts[stack[-1]] += count
    found = {name_of(row): row for row in result["functions"]}
    assert len(found) == len(result["functions"])
    names = {n for n in whole if any(whole[n])} | set(counts)
    assert set(found) == names
    for name, row in found.items():
        assert amount(row["exclusive"]) == own[name], name
        assert amount(row["inclusive"]) == whole[name], name
        assert row["calls"] == counts[name], name
    grown = [row["inclusive"]["grown_bytes"] for row in result["functions"]]
    assert grown == sorted(grown, reverse=True)


def check_tree(result: dict[str, Any], sums: Sums) -> None:
    path: list[str] = []
    found: dict[Stack, dict[str, Any]] = {}
    for row in result["tree"]:
        path = [*path[: row["depth"] - 1], name_of(row)]
        stack = tuple(path) if path != [""] else ()
        assert stack not in found and len(path) == row["depth"]
        found[stack] = row
    whole: dict[Stack, list[int]] = defaultdict(lambda: [0, 0, 0])
    for stack, moved in sums.own.items():
        for depth in range(1, len(stack) + 1):
            whole[stack[:depth]] = plus(whole[stack[:depth]], moved)
        if not stack:
            whole[()] = moved
    for stack, row in found.items():
        assert amount(row["exclusive"]) == sums.own.get(stack, [0, 0, 0]), stack
        assert amount(row["inclusive"]) == whole[stack], stack
        assert row["calls"] == sums.calls.get(stack, 0), stack
    assert {s for s, moved in whole.items() if any(moved)} <= set(found)
    assert set(sums.calls) <= set(found)


def check_total(result: dict[str, Any], steps: list[Step], rows: str) -> None:
    total = result["total"]
    moved = steps[-1].rss - steps[0].rss
    assert total["grown_bytes"] - total["shrunk_bytes"] == moved
    for key in ("grown_bytes", "shrunk_bytes"):
        assert sum(row["exclusive"][key] for row in result[rows]) == total[key]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("seed", range(3))
def test_sums(tmp_path: Path, seed: int, threads: int) -> None:
    steps = run_program(seed, threads, 1500)
    log = make_log(tmp_path / "a.pmt", steps)
    result = calls(log)
    check_table(result, sums_of(steps))
    check_total(result, steps, "functions")
    tree = calls("--tree", log)
    check_tree(tree, sums_of(steps))
    check_total(tree, steps, "tree")
    [process] = result["processes"]
    assert process["events"] == len(steps) and process["rss_mode"] == "by hand"
    assert process["threads"] == threads
    assert [process[k] for k in ("first_rss_bytes", "last_rss_bytes")] == [
        *(steps[0].rss, steps[-1].rss)
    ]


def test_one_thread(tmp_path: Path) -> None:
    """Growth that another thread's event shows first stays that thread's."""
    steps = run_program(5, 3, 500)
    log = make_log(tmp_path / "a.pmt", steps)
    check_table(calls("--thread=2", log), sums_of(steps, 2))


def test_begin_in_the_middle(tmp_path: Path) -> None:
    """`events_begin` says what is on the stack. C functions are on no stack of Python."""
    steps = run_program(6, 1, 800)
    start = next(i for i in range(300, 800) if len(steps[i].stack) > 4 and in_python(steps[i]))
    stack = steps[start].stack
    frames = " ".join(place(name) for name in reversed(stack))
    begin = f"at {steps[start].time / 100}\nbegin 0x30 {frames}\n"
    log = make_log(tmp_path / "a.pmt", steps[start:], begin)
    result = calls("--tree", log)
    check_tree(result, sums_of(steps[start:]))
    # without it the functions turn up when they return
    log = make_log(tmp_path / "b.pmt", steps[start:])
    check_total(calls(log), steps[start:], "functions")


def in_python(step: Step) -> bool:
    return not any(name.startswith("C ") for name in step.stack)


def test_functions_left_out(tmp_path: Path) -> None:
    """Those without any events are part of their callers."""
    steps = run_program(8, 2, 1500)
    left_out = "g"
    kept = []
    for step in steps:
        if f" {place(left_out)}" in step.text or step.text.endswith(place(left_out)):
            continue
        step.stack = tuple(n for n in step.stack if n != left_out)
        step.called = tuple(n for n in step.called if n != left_out)
        kept.append(step)
    # a C function that the left-out one called has neither call nor return
    bare = [s for s in kept if not s.text.startswith("c") or s.text.startswith("call")]
    for step in bare:
        step.stack = tuple(n for n in step.stack if not n.startswith("C "))
        step.called = tuple(n for n in step.called if not n.startswith("C "))
    check_table(calls(make_log(tmp_path / "a.pmt", bare)), sums_of(bare))
    assert len(bare) > 500 and any(s.called for s in bare)


def test_several_logs(tmp_path: Path) -> None:
    """Functions of equal place and name are one, and each log has its own resident set."""
    programs = [run_program(seed, 2, 400) for seed in (20, 21)]
    logs = [make_log(tmp_path / f"{i}.pmt", steps) for i, steps in enumerate(programs)]
    whole = Sums()
    for steps in programs:
        part = sums_of(steps)
        for stack, moved in part.own.items():
            whole.own[stack] = plus(whole.own[stack], moved)
        for stack, count in part.calls.items():
            whole.calls[stack] += count
    check_table(calls(*logs), whole)
    check_table(calls(tmp_path), whole)
    check_tree(calls("--tree", *logs), whole)


@pytest.mark.parametrize("by", ["inclusive", "exclusive", "calls", "time"])
def test_order_and_number(tmp_path: Path, by: str) -> None:
    log = make_log(tmp_path / "a.pmt", run_program(9, 1, 600))
    rows = calls("--by", by, log)["functions"]
    values = {
        "inclusive": [row["inclusive"]["grown_bytes"] for row in rows],
        "exclusive": [row["exclusive"]["grown_bytes"] for row in rows],
        "calls": [row["calls"] for row in rows],
        "time": [row["inclusive"]["time_s"] for row in rows],
    }[by]
    assert values == sorted(values, reverse=True) and values[0] > values[-1]
    command = [str(TOOL), "calls", "--json", "-n3", "--by", by, str(log)]
    few = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert few["functions"] == rows[:3] and few["left_out"] == len(rows) - 3


def test_depth_and_min(tmp_path: Path) -> None:
    log = make_log(tmp_path / "a.pmt", run_program(10, 1, 1500))
    rows = calls("--tree", log)["tree"]
    assert max(row["depth"] for row in rows) > 5
    assert calls("--tree", "--depth=3", log)["tree"] == [r for r in rows if r["depth"] <= 3]
    least = sorted(row["inclusive"]["grown_bytes"] for row in rows)[len(rows) // 2] + 1
    some = calls("--tree", f"--min={least}", log)["tree"]
    assert some == [r for r in rows if r["inclusive"]["grown_bytes"] >= least] and some
