# SPDX-License-Identifier: MIT
"""Reports about the first log of a run take the logs of all its processes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from harness import LIBRARY, Python, execute, tool

CREW = """
import os, subprocess, sys
if os.fork() == 0:
    kept = bytearray(100_000)
    os._exit(0)
os.wait()
if len(sys.argv) == 1:
    subprocess.call([sys.executable, "crew.py", "child"])
    os.system(sys.executable + " crew.py child; true")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crew.py").write_text(CREW)
    return tmp_path


def taken(name: str, *options: str) -> tuple[list[str], bytes]:
    """The logs that `stats` reads for NAME, and what it says."""
    outcome = tool("stats", "--json", *options, name)
    answer = json.loads(outcome.out)
    answer = answer if isinstance(answer, list) else [answer]
    return [os.path.basename(log["log"]) for log in answer], outcome.err


def names(stem: str, *numbers: int) -> list[str]:
    return [f"{stem}.pmt", *(f"{stem}.{n}.pmt" for n in numbers)]


def by_hand(python: Python, name: str, *argv: str) -> None:
    env = {"LD_PRELOAD": str(LIBRARY), "PYMEMTRACE_OUTPUT": name}
    assert execute([python.path, "crew.py", *argv], env=env).status == 0


def said(count: int, first: str, last: str) -> bytes:
    return f"pymemtrace: {count} logs of one run: {first} to {last}; --only takes the first alone\n".encode()


@pytest.mark.interpreters("one")
@pytest.mark.parametrize("by", ["run", "hand"])
def test_the_first_name_stands_for_all(folder: Path, a_python: Python, by: str) -> None:
    if by == "run":
        tool("run", "-o", "app.pmt", a_python.path, "crew.py")
    else:
        by_hand(a_python, "app.pmt")
    family = names("app", 1, 2, 3, 4, 5)
    assert taken("app.pmt") == (family, said(6, "app.pmt", "app.5.pmt"))
    assert taken(f"{folder}/app.pmt")[0] == family
    assert taken("app.pmt", "--only") == (["app.pmt"], b"")
    assert taken("app.3.pmt") == (["app.3.pmt"], b"")
    for command in ["top", "calls", "lines", "objects", "gnuplot"]:
        options = ["-o", "plots"] if command == "gnuplot" else []
        outcome = tool(command, *options, "app.pmt", status=None)
        assert outcome.err.startswith(said(6, "app.pmt", "app.5.pmt")), command
        assert (
            b"logs of one run" not in tool(command, *options, "--only", "app.pmt", status=None).err
        )
    assert b"6 processes" in tool("top", "app.pmt").out
    shutil.move("app.3.pmt", "elsewhere.pmt")
    assert taken("app.pmt")[0] == [n for n in family if n != "app.3.pmt"]


@pytest.mark.interpreters("one")
def test_neighbours_of_other_runs_are_left_out(folder: Path, a_python: Python) -> None:
    by_hand(a_python, "app.pmt")
    (folder / "app.pmt").unlink()
    tool("run", "-o", "app.pmt", a_python.path, "crew.py", "child")
    assert taken("app.pmt")[0] == names("app", 6)
    (folder / "app.pmt").unlink()
    by_hand(a_python, "app.pmt", "child")
    assert taken("app.pmt")[0] == names("app", 7)
    by_hand(a_python, "app.pmt", "child")  # its first log is app.8.pmt
    assert taken("app.pmt")[0] == names("app", 7)


@pytest.mark.interpreters("one")
def test_a_shell_that_runs_several(folder: Path, a_python: Python) -> None:
    script = f"{a_python.path} -c 1; {a_python.path} -c 2; exec {a_python.path} -c 3"
    tool("run", "-o", "app.pmt", "--", "sh", "-c", script)
    assert taken("app.pmt")[0] == names("app", 1, 2)


@pytest.mark.interpreters("one")
@pytest.mark.parametrize("by", ["run", "hand"])
def test_one_process_that_runs_another_program(folder: Path, a_python: Python, by: str) -> None:
    (folder / "crew.py").write_text(
        "import os, sys\nif len(sys.argv) == 1: os.execv(sys.executable, [sys.executable, 'crew.py', 'x'])\n"
    )
    if by == "run":
        tool("run", "-o", "app.pmt", a_python.path, "crew.py")
    else:
        by_hand(a_python, "app.pmt")
    assert taken("app.pmt")[0] == names("app", 1)


@pytest.mark.interpreters("one")
def test_windows_of_one_process_are_reports_of_their_own(folder: Path, a_python: Python) -> None:
    (folder / "crew.py").write_text(
        "import os, signal\nfor _ in range(4): os.kill(os.getpid(), signal.SIGUSR2); len([])\n"
    )
    tool("run", "--start=off", "--signal", "USR2", "-o", "w.pmt", a_python.path, "crew.py")
    assert sorted(p.name for p in folder.glob("*.pmt")) == ["w.1.pmt", "w.pmt"]
    assert taken("w.pmt") == (["w.pmt"], b"")


@pytest.mark.interpreters("one")
def test_hostile_neighbours(folder: Path, a_python: Python) -> None:
    tool("run", "-o", "app.pmt", a_python.path, "crew.py", "child")
    whole = (folder / "app.1.pmt").read_bytes()
    os.mkfifo("app.2.pmt")
    os.mkdir("app.3.pmt")
    os.symlink("/dev/zero", "app.4.pmt")
    os.symlink("app.5.pmt", "app.5.pmt")
    (folder / "app.6.pmt").write_bytes(b"")
    (folder / "app.7.pmt").write_bytes(whole[:300])
    (folder / "app.8.pmt").write_bytes(whole[:256] + b"\xff" * 4000 + whole[4256:])
    (folder / "app.9.pmt").write_text("years of work\n")
    for name in ["app.01.pmt", "app.10000.pmt", "app.1x.pmt", "app.99999999999999999999.pmt"]:
        (folder / name).write_bytes(whole)
    (folder / "app..pmt").write_bytes(whole)
    assert taken("app.pmt") == (names("app", 1), said(2, "app.pmt", "app.1.pmt"))


@pytest.mark.interpreters("one")
def test_a_folder_with_many_files(folder: Path, a_python: Python) -> None:
    tool("run", "-o", "app.pmt", a_python.path, "crew.py", "child")
    for n in range(2, 3000):
        os.link("app.1.pmt", f"app.{n}.pmt")
        os.link("crew.py", f"other.{n}.pmt")
    tool("compress", "app.1.pmt")
    found, _ = taken("app.pmt")
    assert found[:2] == ["app.pmt", "app.1.pmt"]


def test_compressed_families(folder: Path, a_python: Python) -> None:
    tool("run", "-o", "app.pmt", a_python.path, "crew.py", "child")
    tool("compress", "app.pmt", "app.1.pmt")
    assert taken("app.pmt.zst")[0] == ["app.pmt.zst", "app.1.pmt"]
    (folder / "app.1.pmt").unlink()
    assert taken("app.pmt.zst")[0] == ["app.pmt.zst", "app.1.pmt.zst"]
    assert taken("app.pmt")[0] == ["app.pmt", "app.1.pmt.zst"]


@pytest.mark.interpreters("one")
@pytest.mark.parametrize("command", ["crew", "shell"])
def test_the_newest_run_is_taken_whole(folder: Path, a_python: Python, command: str) -> None:
    """Without a name: its first log, and with it the others, also where a shell has none."""
    tool("run", "-o", "old.pmt", a_python.path, "crew.py")
    script = f"{a_python.path} -c 1; {a_python.path} -c 2; true"
    argv = [a_python.path, "crew.py", "child"] if command == "crew" else ["sh", "-c", script]
    tool("run", "-o", "new.pmt", "--", *argv)
    outcome = tool("stats", "--json")
    assert [log["log"] for log in json.loads(outcome.out)] == names("new", 1)
    assert outcome.err.endswith(said(2, "new.pmt", "new.1.pmt"))
