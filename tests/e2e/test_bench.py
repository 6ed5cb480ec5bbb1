# SPDX-License-Identifier: MIT
"""The benchmark runs: tiny workloads, our tool only. Nothing is timed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import harness

BENCH = Path(__file__).resolve().parents[1] / "bench" / "bench.py"
sys.path.append(str(BENCH.parent))

import event_tables  # noqa: E402
import events  # noqa: E402
import idle  # noqa: E402
from measure import Failed, Sample  # noqa: E402
from rounds import Row  # noqa: E402
from tracers import PLAIN  # noqa: E402


def run_bench(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PMT_BENCH": str(folder), "PMT_BUILD": str(harness.BUILD)}
    env.pop("PMT_CHROOT", None)  # the bench measures with interpreters of the machine
    command = [sys.executable, str(BENCH), "--no-peers", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_measures_a_workload(tmp_path: Path) -> None:
    options = ["--no-extras", "-w", "calls", "-w", "threads 2", "-n", "1", "--scale", "0.01"]
    done = run_bench(tmp_path, *options, "-p", sys.executable)
    assert done.returncode == 0, done.stderr
    assert "## Targets" in done.stdout
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    found = {(row["workload"], row["tool"]): row for row in rows}
    c_program = found["threads 2", "malloc,mmap,rss"]
    assert c_program["failed"] == ""
    assert c_program["samples"][0]["turns"] == 240_000
    # Each turn is a malloc and, as far as the table's slots are filled, a free.
    assert c_program["events"] > 470_000
    everything = found["calls", "malloc,mmap,pymem,rss"]
    assert everything["events"] > found["calls", "malloc,mmap,rss"]["events"] > 0
    assert everything["samples"][0]["log_bytes"] > 0
    assert everything["report_s"] > 0


def test_a_workload_that_fails_is_left_out(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\ncase $1 in -c) echo 3.11;; *) echo broken >&2; exit 3;; esac\n")
    python.chmod(0o755)
    options = ["--no-extras", "-w", "calls", "-w", "threads 1", "-n", "1", "--scale", "0.01"]
    done = run_bench(tmp_path / "bench", *options, "-p", str(python))
    assert done.returncode == 0, done.stderr
    assert "calls: left out, exit status 3: broken" in done.stderr
    assert "threads 1" in done.stdout


def test_a_partial_run_is_not_written(tmp_path: Path) -> None:
    done = run_bench(tmp_path, "--write", "-w", "calls")
    assert done.returncode == 2
    assert "--write wants a whole run" in done.stderr


def test_a_part_alone_is_not_written(tmp_path: Path) -> None:
    done = run_bench(tmp_path, "--write", "--only", "events")
    assert done.returncode == 2
    assert "--write wants a whole run" in done.stderr


@pytest.mark.slow
def test_measures_events(tmp_path: Path) -> None:
    if not any(
        python.has_headers and not python.free_threaded and not python.root
        for python in harness.pythons()
    ):
        pytest.skip("no interpreter with headers")
    done = run_bench(tmp_path, "--only", "events", "-n", "1", "--scale", "0.001")
    assert done.returncode == 0, done.stderr
    assert "## Interpreter events" in done.stdout
    assert "profile,rss, fib: bytes an event" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["rows"] == []
    part = results["events"]
    assert [row for row in part["rows"] if row["failed"]] == []
    found = {(row["workload"], row["tool"]): row for row in part["rows"]}
    assert found["fib", "empty profile callback"]["samples"][0]["log_bytes"] == 0
    # fib(23) is 92,735 calls, with a return each.
    assert 185_470 <= found["fib", "profile,rss"]["events"] < 190_000
    assert found["c_calls", "profile,rss"]["events"] >= 120_000
    for name, tool, least in (("lines", "lines,rss", 50_000), ("objects", "objects,rss", 100_000)):
        if tool in part["missing"]:
            assert tool + ": " + part["missing"][tool] in done.stdout
        else:
            assert found[name, tool]["events"] >= least


def row(workload: str, tool: str, times: list[float], log_bytes: int = 0, events: int = 0) -> Row:
    samples = [Sample(time, time, 1 << 20, log_bytes=log_bytes) for time in times]
    return Row(workload, tool, list(samples), events)


def verdicts(rows: list[Row]) -> dict[str, tuple[str, bool]]:
    part = events.Part({}, {}, rows, scale=0.1)
    return {v.what: (v.measured, v.met) for v in event_tables.check_events(part)}


def test_targets_of_events() -> None:
    found = verdicts(
        [
            row("fib", PLAIN, [1.0, 2.0, 1.0]),
            row("fib", events.EMPTY_PROFILE, [2.0, 4.0, 9.0]),
            row("fib", events.PROFILE, [3.0, 6.0, 4.0], log_bytes=7_000_000, events=1_000_000),
            row("batches", PLAIN, [1.0]),
            row("batches", events.EMPTY_OBJECTS, [1.1]),
            row("batches", events.EXCLUDED, [1.14]),
            row("mixed", PLAIN, [1.0]),
            row("mixed", events.PROFILE, [1.5], log_bytes=10),
            row("mixed", events.UPSTREAM["Profile"], [16.0], log_bytes=140),
        ]
    )
    # The middle of 1.5, 1.5 and 0.44; of 3, 3 and 4.
    to_empty = "profile,rss, fib: time, to that of an empty profile callback"
    assert found.pop(to_empty) == ("1.50 (processor time 1.50)", False)
    assert found.pop("profile,rss, fib: time, ratio") == ("3.00 (processor time 3.00)", True)
    assert found.pop("profile,rss, fib: bytes an event") == ("7.00", False)
    # 40 ms for a birth and an end of each of a million objects.
    rejected = "objects,rss, the class excluded, batches: a rejected event"
    assert found.pop(rejected) == ("20.0 ns", True)
    # 15 s to 0.5 s; 140 bytes to 10.
    added = "profile,rss: time added, of what upstream Profile adds"
    assert found.pop(added) == ("1/30.0", True)
    assert found.pop("profile,rss: log, of that of upstream Profile") == ("1/14.0", False)
    assert found == {}


def test_a_watcher_that_ends_by_itself_is_not_measured(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo what is wrong >&2"]
    with pytest.raises(Failed, match="ended by itself: what is wrong"):
        idle.processor_s(command, 2, tmp_path)


def running(group: int) -> list[str]:
    """The processes of a group that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(") ")
        except OSError:
            continue
        state, _, of, *_ = rest.split()
        if of == str(group) and state != "Z":
            found.append(name)
    return found


def test_sleepers_end_with_their_context() -> None:
    with idle.sleepers() as pid:
        assert running(pid)
    for _ in range(200):
        if not running(pid):
            break
        time.sleep(0.05)
    assert running(pid) == []
