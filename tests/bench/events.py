# SPDX-License-Identifier: MIT
"""Part `events`: what it costs to record calls, lines and objects."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import peers
from measure import FOLDER, HERE, Failed, empty_folder, note, run
from rounds import Bench, Row
from tracers import TOOL, Tracer, count, one_log, our_figures, works

import harness

PROFILE = "profile,rss"
LINES = "lines,rss"
TRACE = "trace,rss"
OBJECTS = "objects,rss"
EXCLUDED = "objects,rss, the class excluded"
LINES_RSS = "lines,rss with LINES=rss"
LINES_USS = "lines,rss with LINES=uss-first"
EMPTY_PROFILE = "empty profile callback"
EMPTY_TRACE = "empty trace callback"
EMPTY_OBJECTS = "empty reference tracer"
UPSTREAM = {name: f"upstream {name}" for name in ("Profile", "Trace", "ReferenceTracing")}
MEMPULSE_C = "mempulse, cMemoryUsageTracer"
MEMPULSE = "mempulse, MemoryUsageTracer"
MEMORY_PROFILER = "memory_profiler"

# In the order of the tables. The driver adds one frame to what a peer sees, under.DEPTH frames in all.
WORKLOADS = {
    "fib": "calls of a Python function, 14.8 million",
    "c_calls": "calls of a C function, 18 million",
    "lines": "lines that do little, 40 million",
    "objects": "objects of a small class, each dropped at once, 10 million",
    "batches": "the same, dropped by the thousand",
    "builtin_batches": "lists, dropped by the thousand, 10 million",
    "mixed": "text to HTML, by functions and objects",
    "by_line": "mempulse's benchmark, smaller: lists, UUIDs, numpy, calls within calls",
}
REJECTED = {"builtin_batches": OBJECTS, "batches": EXCLUDED}
OBJECTS_A_TURN, TURNS = 50_000, 200
LEAST = 1000  # events of a trial program
TRIAL = """
class Small:
    pass

def small():
    pass

def loop():
    for _ in range(2000):
        Small()
        small()
        len("")

loop()
"""


@dataclasses.dataclass
class Part:
    """What a part found. Rows as those of the other parts."""

    facts: Dict[str, str]
    missing: Dict[str, str]
    rows: List[Row]
    scale: float = 1.0  # of the work


@dataclasses.dataclass
class EventBench(Bench):
    """Each workload has its own tools."""

    by_workload: Dict[str, List[Tracer]] = dataclasses.field(default_factory=dict)

    def suitable(self, workload: str) -> List[Tracer]:
        return self.by_workload[workload]

    def examine(self, tracer: Tracer, row: Row) -> None:
        if tracer.events:
            row.events = tracer.events(one_log(FOLDER / "run" / "logs"))


def events_of(log: Path) -> int:
    return count(our_figures(log), "events")


def ours(name: str, **options: str) -> Tracer:
    """The program under our tool; OPTIONS are those of the environment."""
    env = {f"PYMEMTRACE_{key}": value for key, value in options.items()}
    return Tracer(
        name,
        lambda program, logs: [str(TOOL), "run", "--", *program],
        lambda logs: {**env, "PYMEMTRACE_OUTPUT": f"{logs}/%p.pmt"},
        events=events_of,
        ours=True,
    )


def under(name: str, mode: str, python: Optional[Path] = None, **env: str) -> Tracer:
    """The program under a tracer that under.py starts, by another interpreter if PYTHON names one."""

    def command(program: List[str], logs: Path) -> List[str]:
        chosen = str(python) if python else program[0]
        return [chosen, str(HERE / "under.py"), mode, str(logs), *program[1:]]

    return Tracer(name, command, lambda logs: env)


def upstream(name: str) -> Tracer:
    return dataclasses.replace(
        under(UPSTREAM[name], name, peers.PEERS / "bin" / "python"), side=True
    )


def tools(folder: Path) -> Dict[str, List[Tracer]]:
    """By workload. FOLDER has the module `callbacks`."""
    empty = {
        name: under(name, mode, BENCH_CALLBACKS=str(folder))
        for name, mode in (
            (EMPTY_PROFILE, "empty-profile"),
            (EMPTY_TRACE, "empty-trace"),
            (EMPTY_OBJECTS, "empty-objects"),
        )
    }
    calls = [empty[EMPTY_PROFILE], ours(PROFILE, TRACE=PROFILE)]
    objects = ours(OBJECTS, TRACE=OBJECTS)
    peer = peers.PEERS / "bin" / "python"
    depth = {"TRACE": LINES, "CALL_DEPTH": "3"}  # the program, main, the function
    return {
        "fib": calls,
        "c_calls": calls,
        "lines": [empty[EMPTY_TRACE], ours(LINES, TRACE=LINES)],
        "objects": [empty[EMPTY_OBJECTS], objects],
        "batches": [empty[EMPTY_OBJECTS], ours(EXCLUDED, TRACE=OBJECTS, EXCLUDE_TYPES="*Small")],
        "builtin_batches": [empty[EMPTY_OBJECTS], objects],
        "mixed": [
            *(ours(trace, TRACE=trace) for trace in (PROFILE, TRACE, OBJECTS)),
            *map(upstream, UPSTREAM),
        ],
        "by_line": [
            ours(LINES_RSS, **depth, LINES="rss"),
            ours(LINES_USS, **depth, LINES="uss-first"),
            under(MEMPULSE_C, "mempulse-c", peer),
            under(MEMPULSE, "mempulse", peer),
            dataclasses.replace(under(MEMORY_PROFILER, "memory_profiler", peer), side=True),
        ],
    }


# --- what can be measured here ---------------------------------------------------------------------


def trial(tracer: Tracer, python: str) -> Optional[str]:
    """None, or why TRACER cannot be measured: it fails, or records none of its events."""
    if not tracer.ours:
        return works(tracer, python)
    folder = empty_folder(FOLDER / "try")
    logs = empty_folder(folder / "logs")
    (folder / "program.py").write_text(TRIAL)
    options = {k: v for k, v in tracer.env(logs).items() if "EXCLUDE" not in k and "DEPTH" not in k}
    try:
        run(tracer.command([python, str(folder / "program.py")], logs), folder, options)
        found = events_of(one_log(logs))
    except (Failed, ValueError) as error:
        return f"fails with a trivial program ({str(error)[:100]})"
    return None if found >= LEAST else "this build records no such events"


def package_of(tracer: Tracer) -> str:
    names = {MEMPULSE_C: "mempulse", MEMPULSE: "mempulse", MEMORY_PROFILER: "memory_profiler"}
    return "upstream pymemtrace" if tracer.name in UPSTREAM.values() else names.get(tracer.name, "")


def usable(
    chosen: Dict[str, List[Tracer]], python: str, absent: Dict[str, str]
) -> Tuple[Dict[str, List[Tracer]], Dict[str, str]]:
    """The tools that work, by workload, and why others do not; ABSENT has packages and tools."""
    known: Dict[str, Optional[str]] = {}
    for tracer in (t for found in chosen.values() for t in found):
        if tracer.name not in known:
            absence = absent.get(tracer.name) or absent.get(package_of(tracer))
            known[tracer.name] = absence or trial(tracer, python)
    reasons = {name: reason for name, reason in known.items() if reason}
    kept = {name: [t for t in found if known[t.name] is None] for name, found in chosen.items()}
    return kept, reasons


def too_old(python: harness.Python) -> Dict[str, str]:
    """The tools that an interpreter before 3.13 cannot have, and why."""
    names = (EMPTY_OBJECTS, OBJECTS, EXCLUDED, UPSTREAM["ReferenceTracing"])
    return {} if python.version >= (3, 13) else dict.fromkeys(names, "needs CPython 3.13 or later")


def without_peers(chosen: Dict[str, List[Tracer]]) -> Dict[str, List[Tracer]]:
    def own(tracer: Tracer) -> bool:
        return tracer.ours or tracer.name in (EMPTY_PROFILE, EMPTY_TRACE, EMPTY_OBJECTS)

    return {
        name: [t for t in found if own(t)] for name, found in chosen.items() if name != "by_line"
    }


def facts(python: harness.Python) -> Dict[str, str]:
    versions = peers.installed(peers.PEERS)
    names = ("pymemtrace", "mempulse", "memory-profiler", "memory_profiler", "numpy", "psutil")
    shown = [f"{name} {versions[name]}" for name in names if name in versions]
    return {
        "Python with headers": ".".join(map(str, python.version)),
        "packages for events": ", ".join(shown) or "none",
    }


def measure_events(
    python: harness.Python, rounds: int, side_rounds: int, scale: float, with_peers: bool
) -> Part:
    absent = peers.install_peers(python) if with_peers else {}
    chosen = tools(peers.extension(python))
    if not with_peers:
        chosen = without_peers(chosen)
    # The workload by_line needs numpy, which is in the peers' environment.
    venv = peers.PEERS / "bin" / "python"
    command = str(venv) if with_peers and os.path.exists(venv) else python.path
    chosen, missing = usable(chosen, command, {**absent, **too_old(python)})
    for name, reason in missing.items():
        note(f"not measured: {name}: {reason}")
    bench = EventBench(command, [], rounds, side_rounds, scale, by_workload=chosen)
    for name, found in chosen.items():
        if found:
            bench.workload(name)
    return Part(facts(python), {**absent, **missing}, bench.rows, scale)
