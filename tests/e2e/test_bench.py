# SPDX-License-Identifier: MIT
"""The benchmark runs: one tiny workload, our tool only. Nothing is timed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import harness

BENCH = Path(__file__).resolve().parents[1] / "bench" / "bench.py"


def run_bench(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PMT_BENCH": str(folder), "PMT_BUILD": str(harness.BUILD)}
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
