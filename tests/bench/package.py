# SPDX-License-Identifier: MIT
"""Part `package`: what the tools of the Python package cost, as pip installs it."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
from pathlib import Path
from typing import Dict, List, Optional

import idle
import peers
from events import UPSTREAM, EventBench, Part, facts, too_old, under, upstream, usable
from measure import FOLDER, Failed, clean_environment, empty_folder, note
from tracers import TOOL, Tracer

import harness

OURS = {name: f"our {name}" for name in UPSTREAM}
WATCH_S = 20.0

# Prints nanoseconds a call: the middle of five loops. What the loop itself takes is counted.
CALLS = """
import itertools, sys, time
from pymemtrace import cPyMemTrace

def loop(function, number):
    began = time.perf_counter_ns()
    for _ in itertools.repeat(None, number):
        function()
    return (time.perf_counter_ns() - began) / number

number = int(sys.argv[1])
print(sorted(loop(cPyMemTrace.rss, number) for _ in range(5))[2])
"""


@dataclasses.dataclass
class PackagePart(Part):
    """With nanoseconds a call, and the part of a core of what only watches, by name."""

    calls_ns: Dict[str, float] = dataclasses.field(default_factory=dict)
    idle: Dict[str, float] = dataclasses.field(default_factory=dict)


def python_of(venv: Path) -> str:
    return str(venv / "bin" / "python")


def lacks(venv: Path, module: str) -> Optional[str]:
    """None, or why MODULE cannot be had from VENV."""
    if not Path(python_of(venv)).exists():
        return "not installed"
    done = subprocess.run(
        [python_of(venv), "-I", "-c", f"import {module}"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stderr.strip().splitlines()
    return None if done.returncode == 0 else (lines[-1][:100] if lines else "cannot be imported")


def call_ns(venv: Path, number: int) -> float:
    """Of cPyMemTrace.rss()."""
    folder = empty_folder(FOLDER / "run")
    done = subprocess.run(
        [python_of(venv), "-I", "-c", CALLS, str(number)],
        env=clean_environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def calls(venvs: Dict[str, Path], rounds: int, scale: float) -> Dict[str, float]:
    number = max(1000, round(200_000 * scale))
    return {
        name: statistics.median(call_ns(venv, number) for _ in range(rounds))
        for name, venv in venvs.items()
        if lacks(venv, "pymemtrace.cPyMemTrace") is None
    }


def watched(scale: float, ours: Optional[str], missing: Dict[str, str]) -> Dict[str, float]:
    """Part of a core of each of our tools that watch; reasons go to MISSING."""
    seconds = WATCH_S if scale >= 0.5 else WATCH_S / 10
    commands = {"watch": [str(TOOL), "watch"]}
    for module in ("pymemtrace.process", "pymemtrace.process_tree"):
        reason = ours or lacks(peers.OURS, module)
        if reason:
            missing[module] = reason
        else:
            commands[module] = [python_of(peers.OURS), "-I", "-m", module]
    found = {}
    for name, command in commands.items():
        note(f"{name}: watches for {seconds:.0f} s")
        try:
            found[name] = idle.share(
                lambda pid, start=command: [*start, "-i", "1", "-p", str(pid)],  # type: ignore[misc]
                seconds,
                FOLDER / "run",
            )
        except Failed as error:
            missing[name] = str(error)[:100]
    return found


def tools(with_peers: bool) -> List[Tracer]:
    own = [under(OURS[name], name, Path(python_of(peers.OURS))) for name in OURS]
    return [*own, *(map(upstream, UPSTREAM) if with_peers else ())]


def measure_package(
    python: harness.Python, rounds: int, side_rounds: int, scale: float, with_peers: bool
) -> PackagePart:
    absent = peers.install_peers(python) if with_peers else {}
    no_wheel = peers.install_ours(python)
    no_module = no_wheel or lacks(peers.OURS, "pymemtrace.cPyMemTrace")
    missing = dict(absent)
    unknown = {**absent, **too_old(python)}
    if no_module:
        unknown.update(dict.fromkeys(OURS.values(), no_module))
    kept, unusable = usable({"mixed": tools(with_peers)}, python.path, unknown)
    bench = EventBench(python.path, [], rounds, side_rounds, scale, by_workload=kept)
    if kept["mixed"]:
        bench.workload("mixed")
    venvs = {"ours": peers.OURS, **({"upstream": peers.PEERS} if with_peers else {})}
    shares = watched(scale, no_wheel, missing)
    missing.update(unusable)
    for name, why in missing.items():
        note(f"not measured: {name}: {why}")
    times = calls(venvs, rounds, scale)
    return PackagePart(facts(python), missing, bench.rows, scale, times, shares)
