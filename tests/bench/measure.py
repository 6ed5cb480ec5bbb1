# SPDX-License-Identifier: MIT
"""Runs a command through `launch` and says what it took."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build")).resolve()
# Compiled programs, logs, results: the same disk for every tool.
FOLDER = Path(os.environ.get("PMT_BENCH", BUILD / "bench")).resolve()
TIMEOUT_S = 300

# What other tools and shells leave in the environment must not reach the programs measured.
UNWANTED = ("PYMEMTRACE_", "PYTHON", "LD_PRELOAD", "MALLOC_", "GLIBC_TUNABLES")


@dataclasses.dataclass
class Sample:
    """One run of one process: seconds and bytes."""

    wall_s: float
    cpu_s: float  # processor time, user and system, with that of its children
    peak_rss: int  # largest resident set of the process or a child of it
    exit_s: float = 0.0  # from the last statement to the end
    log_bytes: int = 0
    loop_s: float = 0.0  # C program: from the first turn to the last
    turns: int = 0


class Failed(Exception):
    """A program ended with an error, or not at all."""


def clean_environment() -> Dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(UNWANTED)}
    # Names and order of sets are those of every other run; byte code is there from the first run.
    return {**kept, "PYTHONHASHSEED": "0", "DEBUGINFOD_URLS": "", "OPENBLAS_NUM_THREADS": "1"}


def compile_c(name: str) -> Path:
    """The C program NAME.c of this folder, built when it is older than its source."""
    source, program = HERE / f"{name}.c", FOLDER / name
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        command = [
            os.environ.get("CC", "cc"),
            "-O2",
            "-g",
            "-pthread",
            "-o",
            str(program),
            str(source),
        ]
        subprocess.run(command, check=True)
    return program


def run_bounded(command: List[str], env: Dict[str, str], cwd: Path, output: Path) -> int:
    """Exit status; after TIMEOUT_S the process and its children are ended."""
    with output.open("wb") as out, (cwd / "stderr").open("wb") as err:
        process = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            return process.wait(TIMEOUT_S)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(f"not finished after {TIMEOUT_S} s") from None
            raise


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def run(command: List[str], folder: Path, env: Optional[Dict[str, str]] = None) -> Sample:
    """Runs COMMAND in FOLDER, which then holds its stdout and stderr. Raises Failed."""
    figures = folder / "figures"
    launch = [str(compile_c("launch")), str(figures), *command]
    status = run_bounded(launch, {**clean_environment(), **(env or {})}, folder, folder / "stdout")
    if status != 0:
        raise Failed(f"exit status {status}: {last_line(folder / 'stderr')}")
    wall_ns, cpu_ns, rss_kib, end_ns = map(int, figures.read_text().split())
    sample = Sample(wall_ns / 1e9, cpu_ns / 1e9, rss_kib * 1024)
    stamp = folder / "stamp"
    if stamp.exists():
        parts = [int(part) for part in stamp.read_text().split()]
        sample.exit_s = (end_ns - parts[0]) / 1e9
        if len(parts) == 3:
            sample.loop_s, sample.turns = parts[1] / 1e9, parts[2]
    return sample


def empty_folder(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def log_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
