# SPDX-License-Identifier: MIT
"""What the figures were measured on."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List

from measure import FOLDER, TOP
from tracers import TOOL, VENV


def field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def file_system(path: Path) -> str:
    """Type of the file system of a folder, by the longest mount point that holds it."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, what, *_ = line.split()
        inside = str(path) == where or str(path).startswith(where.rstrip("/") + "/")
        if inside and len(where) >= len(best):
            best, kind = where, what
    return kind


def first_line(command: List[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr or "unknown").splitlines()[0]


def installed() -> str:
    """Packages of the virtual environment that are measured or used."""
    python = VENV / "bin" / "python"
    if not python.exists():
        return "none"
    code = (
        "import importlib.metadata as m, json; "
        "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    )
    done = subprocess.run(
        [str(python), "-I", "-c", code], capture_output=True, text=True, check=True
    )
    versions = json.loads(done.stdout)
    names = ("memray", "filprofiler", "scalene", "numpy")
    return ", ".join(f"{name} {versions[name]}" for name in names if name in versions) or "none"


def revision() -> str:
    if shutil.which("git") is None:
        return ""
    command = ["git", "-C", str(TOP), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f" ({done.stdout.strip()})" if done.returncode == 0 else ""


def describe(python: str) -> Dict[str, str]:
    memory_kib = int(field("/proc/meminfo", "MemTotal").split()[0])
    details = "import sys, platform; print(sys.version.split()[0], platform.python_compiler())"
    facts = {
        "processor": f"{field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{memory_kib / 2**20:.0f} GiB",
        "system": f"Linux {platform.release().split('-')[0]}, {' '.join(platform.libc_ver())}, "
        f"{platform.machine()}",
        "disk": f"{file_system(FOLDER)}",
        "Python": first_line([python, "-c", details]),
        "pymemtrace": first_line([str(TOOL), "--version"]).replace("pymemtrace ", "") + revision(),
        "packages": installed(),
        "heaptrack": first_line(["sh", "-c", "heaptrack --version || echo none"]),
        "load when it began": f"{os.getloadavg()[0]:.1f}",
    }
    return facts
