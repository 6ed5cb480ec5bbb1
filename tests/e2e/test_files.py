# SPDX-License-Identifier: MIT
"""Names of logs: templates, no overwriting, no following of links, nobody else may read."""

from __future__ import annotations

import datetime
import json
import os
import re
import stat
from pathlib import Path

import pytest

from harness import LIBRARY, Python, Run, Tracer, compile_target, execute, tool


def trace(tracer: Tracer, output: str, **keywords) -> Run:
    program = compile_target("life.c")
    options = {"NON_PYTHON": "on", "OUTPUT": output}
    run = tracer.traced([program, "exits"], options=options, **keywords)
    assert run.outcome.status == 3
    return run


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_default_name(tracer: Tracer, tmp_path: Path) -> None:
    env = {"LD_PRELOAD": str(LIBRARY), "PYMEMTRACE_NON_PYTHON": "on"}
    outcome = execute([compile_target("life.c"), "exits"], env=env, cwd=tmp_path)
    assert files(tmp_path) == [f"pymemtrace.{outcome.pid}.pmt"]


@pytest.mark.parametrize(
    "template, pattern",
    [
        ("a.pmt", r"a\.pmt"),
        ("%p", r"{pid}"),
        ("%e-%p.pmt", r"life-{pid}\.pmt"),
        ("%%p", r"%p"),
        ("%q%p%", r"%q{pid}%"),  # others are kept as they are
        ("%t.x", r"\d{{8}}_\d{{6}}\.x"),
        ("x y ü.pmt", "x y ü\\.pmt"),
    ],
)
def test_template(tracer: Tracer, tmp_path: Path, template: str, pattern: str) -> None:
    run = trace(tracer, template, cwd=tmp_path)
    [name] = [n for n in files(tmp_path) if n not in ("run1",)]
    assert re.fullmatch(pattern.format(pid=run.outcome.pid), name)
    assert run.outcome.err == b""


def test_time_in_the_name(tracer: Tracer, tmp_path: Path) -> None:
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
    trace(tracer, "%t", cwd=tmp_path)
    after = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    [name] = [n for n in files(tmp_path) if n != "run1"]
    assert before <= datetime.datetime.strptime(name, "%Y%m%d_%H%M%S") <= after


def test_mode(tracer: Tracer, tmp_path: Path) -> None:
    """0600, whatever the umask allows."""
    trace(tracer, str(tmp_path / "a.pmt"), preexec=lambda: os.umask(0) and None)
    assert stat.S_IMODE((tmp_path / "a.pmt").stat().st_mode) == 0o600


def test_never_overwrites(tracer: Tracer, tmp_path: Path) -> None:
    """A file of that name is kept; the new log gets a number."""
    (tmp_path / "a.pmt").write_bytes(b"precious")
    for _ in range(3):
        trace(tracer, str(tmp_path / "a.pmt"))
    assert (tmp_path / "a.pmt").read_bytes() == b"precious"
    logs = [p for p in tmp_path.iterdir() if p.is_file() and p.name != "a.pmt"]
    assert len(logs) == 3
    for log in logs:
        tool("stats", log)


@pytest.mark.parametrize("exists", [True, False])
def test_never_follows_a_link(tracer: Tracer, tmp_path: Path, exists: bool) -> None:
    victim = tmp_path / "victim"
    if exists:
        victim.write_bytes(b"precious")
    (tmp_path / "a.pmt").symlink_to(victim)
    trace(tracer, str(tmp_path / "a.pmt"))
    assert (tmp_path / "a.pmt").is_symlink()
    assert victim.exists() == exists
    assert not exists or victim.read_bytes() == b"precious"


def test_output_to_dev_null(tracer: Tracer) -> None:
    """A device is no file to put a log into: kept, and the program is not hurt."""
    program = compile_target("life.c")
    before = os.stat("/dev/null").st_mode
    options = {"NON_PYTHON": "on", "OUTPUT": "/dev/null"}
    outcome = tracer.traced([program, "grows"], options=options).outcome
    for extra in Path("/dev").glob("null?*"):
        extra.unlink()
    assert outcome.status == 0 and outcome.out == b"45000150000\n"
    assert os.stat("/dev/null").st_mode == before


def test_many_at_once(tracer: Tracer, tmp_path: Path) -> None:
    """Processes that start together with one name get a log each."""
    program = compile_target("life.c")
    script = f"for i in 1 2 3 4 5 6 7 8 9 10; do {program} returns & done; wait"
    env = {
        "LD_PRELOAD": str(LIBRARY),
        "PYMEMTRACE_NON_PYTHON": "on",
        "PYMEMTRACE_OUTPUT": str(tmp_path / "%e.pmt"),
    }
    assert execute(["/bin/sh", "-c", script], env=env).visible == (0, b"", b"")
    logs = [p for p in tmp_path.iterdir() if p.name.startswith("life")]
    assert len(logs) == 10
    for log in logs:
        assert '"complete": true' in tool("stats", "--json", log).text.replace('":', '": ').replace(
            ":  ", ": "
        )


def test_not_inherited(tracer: Tracer, a_python: Python) -> None:
    """A child program does not get the log's descriptor."""
    script = "import subprocess; print(subprocess.check_output(['ls', '/proc/self/fd']))"
    argv = ["-c", script.replace("check_output(", "check_output(close_fds=False, args=")]
    tracer.python_argv(a_python, argv)


def test_size_limit(tracer: Tracer, tmp_path: Path) -> None:
    program = compile_target("life.c")
    options = {"NON_PYTHON": "on", "MAX_SIZE": "1M", "OUTPUT": str(tmp_path / "a.pmt")}
    run = tracer.traced([program, "grows"], options=options)
    assert run.outcome.status == 0
    # The program frees nothing: what is live stays in the log, beyond the limit if need be.
    live = json.loads(tool("stats", "--json", tmp_path / "a.pmt").text)["live_at_exit"]["count"]
    assert (tmp_path / "a.pmt").stat().st_size <= (1 << 20) + 64 * live
    assert '"complete":true' in tool("json", tmp_path / "a.pmt").text.splitlines()[-1]
    assert run.outcome.err.count(b"\n") == 1
