# SPDX-License-Identifier: MIT
"""What the parts `events` and `package` need: an interpreter with headers, an extension, packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional

from measure import BUILD, FOLDER, HERE, TOP, note
from tracers import NEWER_NUMPY, NUMPY

sys.path.insert(0, str(TOP / "tests" / "e2e"))

import harness

# Both are named pymemtrace: the package that ours replaces, and ours. So they live apart.
PEERS = BUILD / "bench-venv-events"
OURS = BUILD / "bench-venv-package"
UPSTREAM = "pymemtrace==0.6.3"
PSUTIL = "psutil==7.2.2"
PACKAGES = {
    "upstream pymemtrace": ["--no-binary", "pymemtrace", UPSTREAM],
    "mempulse": ["mempulse==0.6.4"],
    "memory_profiler": ["memory-profiler==0.61.0"],
    "psutil": [PSUTIL],
}


def newest_with_headers() -> Optional[harness.Python]:
    """Without free-threading: the released interpreter that most have."""
    found = [p for p in harness.find_pythons() if p.has_headers and not p.free_threaded]
    return max(found, key=lambda p: p.version) if found else None


def extension(python: harness.Python) -> Path:
    """The folder with the module `callbacks`, built for PYTHON."""
    folder = FOLDER / "callbacks" / python.name
    folder.mkdir(parents=True, exist_ok=True)
    source, module = HERE / "callbacks.c", folder / f"callbacks{python.suffix}"
    if not module.exists() or module.stat().st_mtime < source.stat().st_mtime:
        compiler = os.environ.get("CC", "cc")
        options = ["-O2", "-DNDEBUG", "-shared", "-fPIC", "-I", python.include]
        subprocess.run([compiler, *options, "-o", str(module), str(source)], check=True)
    return folder


def pip(venv: Path, *arguments: str) -> Optional[str]:
    """Installs into VENV; None, or why it could not. Sees nothing of the build in the environment."""
    command = [str(venv / "bin" / "python"), "-I", "-m", "pip", "install", "-q"]
    command += ["--disable-pip-version-check", *arguments]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LD_PRELOAD"))}
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=600, check=False
        )
    except subprocess.TimeoutExpired:
        return "pip did not finish"
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if "rror: " in line or "ERROR: " in line]
    return "pip could not install it" + (f": {errors[-1].strip()[:100]}" if errors else "")


def make(venv: Path, python: harness.Python, wanted: Dict[str, List[str]]) -> Dict[str, str]:
    """A virtual environment with all that is WANTED; what could not be installed, and why."""
    made = venv / "made.json"
    key = [python.path, sorted(wanted.items())]
    if made.exists():
        old = json.loads(made.read_text())
        if old["key"] == json.loads(json.dumps(key)) and not old["missing"]:
            return {}
    shutil.rmtree(venv, ignore_errors=True)
    note(f"making the virtual environment {venv.name}")
    done = subprocess.run(
        [python.path, "-m", "venv", str(venv)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return dict.fromkeys(wanted, f"{python.path} cannot make a virtual environment")
    reasons = {name: pip(venv, *arguments) for name, arguments in wanted.items()}
    missing = {name: reason for name, reason in reasons.items() if reason}
    made.write_text(json.dumps({"key": key, "missing": missing}))
    return missing


def install_peers(python: harness.Python) -> Dict[str, str]:
    numpy = NUMPY.get((python.version[0], python.version[1]), NEWER_NUMPY)
    return make(PEERS, python, {"numpy": [f"numpy=={numpy}"], **PACKAGES})


def install_ours(python: harness.Python) -> Optional[str]:
    """Our wheel, as it is now, built by pip; None, or why not."""
    missing = make(OURS, python, {"psutil": [PSUTIL]})
    if missing:
        return next(iter(missing.values()))
    note("building our wheel")
    build = f"-Cbuild-dir={FOLDER / 'wheel-build' / python.name}"
    return pip(OURS, "--force-reinstall", "--no-deps", "--no-cache-dir", build, str(TOP))


def installed(venv: Path) -> Dict[str, str]:
    """Versions by name, of what is in VENV; empty where there is none."""
    python = venv / "bin" / "python"
    if not python.exists():
        return {}
    code = (
        "import importlib.metadata as m, json; "
        "print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))"
    )
    done = subprocess.run(
        [str(python), "-I", "-c", code], capture_output=True, text=True, check=True
    )
    versions: Dict[str, str] = json.loads(done.stdout)
    return versions
