# SPDX-License-Identifier: MIT
"""What the tests of the installed package share: running commands in an environment of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Mapping, Sequence

TOP = Path(__file__).resolve().parents[2]


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment that traces nothing."""
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR")}
    keep.update(LANG="C.UTF-8", PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    keep.update(extra or {})
    return keep


def execute(
    argv: Sequence[str | Path],
    status: int | None = 0,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    limit_s: float | None = 300,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command and demands its exit status, unless STATUS is None."""
    done = subprocess.run(
        list(map(str, argv)),
        env=clean_env(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=limit_s,
        check=False,
    )
    if status is not None:
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == status, f"{argv}: status {done.returncode}\n{said}"
    return done
