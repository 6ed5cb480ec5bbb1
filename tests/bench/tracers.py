# SPDX-License-Identifier: MIT
"""The tools measured, ours and the peers: how each runs a program, and how it reports its peak."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from measure import BUILD, FOLDER, Failed, empty_folder, note, run

TOOL = BUILD / "tools" / "pymemtrace"
VENV = BUILD / "bench-venv"

# Versions that have wheels for Python 3.9 to 3.13 (numpy: the last for each).
NUMPY = {(3, 9): "1.26.4", (3, 10): "1.26.4", (3, 11): "1.26.4", (3, 12): "1.26.4"}
NEWER_NUMPY = "2.3.5"
PEERS = {"memray": "1.20.0", "filprofiler": "2024.11.2", "scalene": "2.4.0"}

PLAIN = "untraced"
OURS = "malloc,mmap,rss"
OURS_ALL = "malloc,mmap,pymem,rss"
OURS_ALL_UNFOLDED = "the same, unfolded"
MEMRAY = "memray"
MEMRAY_ALL = "memray, Python allocators"


@dataclasses.dataclass
class Tracer:
    """One way to run a program. Commands take the folder of logs, the others the files in it."""

    name: str
    command: Callable[[List[str], Path], List[str]]
    env: Callable[[Path], Dict[str, str]] = lambda logs: {}
    report: Optional[Callable[[Path, Path], List[str]]] = None  # (log, folder for output)
    events: Optional[Callable[[Path], int]] = None
    programs: Tuple[str, ...] = ("python",)
    side: bool = False  # measured in fewer rounds
    sizes_only: bool = False  # once, for its log
    ours: bool = False  # what the program prints must stay the same


def one_log(logs: Path) -> Path:
    """The log of a run: its largest file."""
    return max((p for p in logs.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


# --- ours ------------------------------------------------------------------------------------------


def our_figures(log: Path) -> Dict[str, object]:
    command = [str(TOOL), "stats", "--json", str(log)]
    figures: Dict[str, object] = json.loads(
        subprocess.run(command, check=True, capture_output=True).stdout
    )
    return figures


def count(figures: Dict[str, object], *names: str) -> int:
    """A number some levels down; 0 where there is none."""
    value: object = figures
    for name in names:
        value = value.get(name, 0) if isinstance(value, dict) else 0
    return value if isinstance(value, int) else 0


def our_events(log: Path) -> int:
    """What the program did: allocations, frees, mappings and their ends, a realloc once."""
    figures = our_figures(log)
    names = figures["by_allocator"]
    assert isinstance(names, dict)
    both = sum(count(names, name, "count") for name in names if name.lower().endswith("realloc"))
    done = count(figures, "allocations", "count") + count(figures, "frees", "count") - both
    return done + count(figures, "mappings", "count") + count(figures, "mappings", "unmaps")


def ours(name: str, trace: str, fold: Optional[str] = None) -> Tracer:
    def env(logs: Path) -> Dict[str, str]:
        extra = {"PYMEMTRACE_FOLD": fold} if fold else {}
        return {"PYMEMTRACE_TRACE": trace, "PYMEMTRACE_OUTPUT": f"{logs}/%p.pmt", **extra}

    return Tracer(
        name,
        lambda program, logs: [str(TOOL), "run", "--non-python", "--", *program],
        env,
        lambda log, folder: [str(TOOL), "top", str(log)],
        our_events,
        programs=("python",) if "pymem" in trace else ("python", "c"),
        sizes_only=fold is not None,
        ours=True,
    )


def can_fold() -> bool:
    text = subprocess.run(
        [str(TOOL), "run", "--help"], check=True, capture_output=True, text=True
    ).stdout
    return "fold" in text


def our_tracers() -> List[Tracer]:
    found = [ours(OURS, "malloc,mmap,rss"), ours(OURS_ALL, "malloc,mmap,pymem,rss")]
    if can_fold():
        found.append(ours(OURS_ALL_UNFOLDED, "malloc,mmap,pymem,rss", "off"))
    return found


# --- peers -----------------------------------------------------------------------------------------


def script(name: str) -> str:
    return str(VENV / "bin" / name)


def memray_events(log: Path) -> int:
    """Records of allocations and of frees, which memray's total_allocations counts together."""
    code = "import memray, sys; print(memray.FileReader(sys.argv[1]).metadata.total_allocations)"
    command = [script("python"), "-I", "-c", code, str(log)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)


def memray(name: str, *options: str) -> Tracer:
    return Tracer(
        name,
        lambda program, logs: [
            script("memray"),
            "run",
            "-q",
            *options,
            "-o",
            f"{logs}/log",
            *program[1:],
        ],
        report=lambda log, folder: [
            script("memray"),
            "table",
            "-f",
            "-o",
            f"{folder}/t.html",
            str(log),
        ],
        events=memray_events,
    )


def peer_tracers() -> Dict[str, List[Tracer]]:
    """By the name of the package that brings them."""
    return {
        "memray": [memray(MEMRAY), memray(MEMRAY_ALL, "--trace-python-allocators")],
        "tracemalloc": [
            Tracer(
                "tracemalloc", lambda program, logs: [program[0], "-X", "tracemalloc", *program[1:]]
            )
        ],
        "heaptrack": [
            Tracer(
                "heaptrack",
                lambda program, logs: ["heaptrack", "-o", f"{logs}/log", *program],
                report=lambda log, folder: ["heaptrack_print", str(log)],
                programs=("python", "c"),
                side=True,
            )
        ],
        "filprofiler": [
            Tracer(
                "filprofiler",
                lambda program, logs: [
                    *(script("fil-profile"), "-o", str(logs), "--no-browser", "run"),
                    *program[1:],
                ],
                side=True,
            )
        ],
        "scalene": [
            Tracer(
                "scalene",
                lambda program, logs: [
                    *(script("scalene"), "run", "-o", f"{logs}/log.json", program[1], "---"),
                    *program[2:],
                ],
                side=True,
            )
        ],
    }


# --- set-up ----------------------------------------------------------------------------------------


def version_of(python: str) -> Tuple[int, int]:
    code = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    major, minor = map(int, done.stdout.split())
    return major, minor


def pip_install(requirement: str) -> Optional[str]:
    """None, or why it is not there."""
    python = script("python")
    command = [
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
    ]
    try:
        done = subprocess.run(
            [*command, requirement], capture_output=True, text=True, timeout=300, check=False
        )
    except subprocess.TimeoutExpired:
        return "pip did not finish"
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: No matching")]
    return errors[-1].replace("ERROR: ", "") if errors else "pip could not install it"


def make_venv(python: str) -> Dict[str, str]:
    """The virtual environment of the peers; what could not be installed, and why."""
    numpy = NUMPY.get(version_of(python), NEWER_NUMPY)
    wanted = {**PEERS, "numpy": numpy}
    made = VENV / "made.json"
    key = [python, sorted(wanted.items())]
    if made.exists():
        old = json.loads(made.read_text())
        if old["key"] == key and not old["missing"]:
            return {}
    shutil.rmtree(VENV, ignore_errors=True)
    note(f"making the peers' virtual environment in {VENV.name}")
    subprocess.run([python, "-m", "venv", str(VENV)], check=True)
    missing = {}
    for name, version in sorted(wanted.items()):
        reason = pip_install(f"{name}=={version}")
        if reason:
            missing[name] = reason
    made.write_text(json.dumps({"key": key, "missing": missing}))
    return missing


def works(tracer: Tracer, python: str) -> Optional[str]:
    """None, or why a tool that is there cannot be used: it fails with a trivial program."""
    folder = empty_folder(FOLDER / "try")
    logs = empty_folder(folder / "logs")
    (folder / "program.py").write_text("print(sum(range(1000)))\n")
    try:
        run(tracer.command([python, str(folder / "program.py")], logs), folder, tracer.env(logs))
    except Failed as error:
        return f"fails with a trivial program ({str(error)[:100]})"
    return None


def set_up(python: str, peers: bool) -> Tuple[str, List[Tracer], Dict[str, str]]:
    """The interpreter to measure with, the tools in the order of the tables, and what is missing."""
    if not peers:
        return python, our_tracers(), {}
    missing = make_venv(python)
    if not shutil.which("heaptrack"):
        missing["heaptrack"] = "not installed, and apt could not install it"
    found = our_tracers()
    python = script("python")
    for package, tracers in peer_tracers().items():
        if package not in missing:
            reasons = [works(tracer, python) for tracer in tracers]
            found += [t for t, reason in zip(tracers, reasons) if reason is None]
            missing.update({t.name: r for t, r in zip(tracers, reasons) if r})
    return python, found, missing
