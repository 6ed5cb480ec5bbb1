# SPDX-License-Identifier: MIT
"""pymemtrace run: which program is meant, and which name the log gets."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness import LIBRARY, Log, Python, execute, need, tool

HELLO = "import sys\nprint('hello', sys.argv)\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a script app.py."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(HELLO)
    return tmp_path


def logs(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*.pmt"))


@pytest.mark.parametrize(
    "argv, shown",
    [
        (["app.py", "-m", "x"], b"hello ['app.py', '-m', 'x']\n"),
        (["./app.py"], b"hello ['./app.py']\n"),
        (["-m", "app", "y"], None),
        (["-mapp"], None),
        (["-c", "print('code')", "z"], b"code\n"),
        (["--", "app.py"], b"hello ['app.py']\n"),
    ],
)
def test_python_is_put_in_front(folder: Path, argv: list[str], shown: bytes | None) -> None:
    outcome = tool("run", "-o", "a.pmt", *argv)
    assert outcome.err == b""
    expected = (
        shown or f"hello ['{folder}/app.py'{', ' + repr('y') if 'y' in argv else ''}]\n".encode()
    )
    assert outcome.out == expected
    assert Log(folder / "a.pmt").stats["python_version"]


def test_another_python(folder: Path, a_python: Python) -> None:
    (folder / "which.py").write_text("import sys\nprint(sys.executable)\n")
    outcome = tool("run", "--python", a_python.path, "-o", "a.pmt", "which.py")
    assert os.path.realpath(outcome.out.decode().strip()) == os.path.realpath(a_python.path)


def test_a_script_with_an_interpreter_keeps_it(folder: Path) -> None:
    script = folder / "tool.py"
    script.write_text("#!/bin/sh\necho shell\n")
    script.chmod(0o755)
    assert tool("run", "--non-python", "-o", "a.pmt", "./tool.py").out == b"shell\n"


@pytest.mark.parametrize(
    "name, meant", [("ap.py", "app.py"), ("./aap.py", "./app.py"), ("pythn3", "python3")]
)
def test_the_nearest_name_is_suggested(folder: Path, name: str, meant: str) -> None:
    outcome = tool("run", name, status=127)
    assert f"did you mean {meant}?" in outcome.err.decode()
    assert logs(folder) == []


def test_a_log_is_not_overwritten(folder: Path) -> None:
    tool("run", "-o", "app.pmt", "app.py")
    before = (folder / "app.pmt").read_bytes()
    outcome = tool("run", "-o", "app.pmt", "app.py", status=2)
    assert outcome.out == b"", "the program was not started"
    assert b"--force" in outcome.err and b"%p" in outcome.err
    assert logs(folder) == ["app.pmt"] and (folder / "app.pmt").read_bytes() == before
    tool("run", "-o", "app.%p.pmt", "app.py")
    assert len(logs(folder)) == 2


def test_force_replaces_a_family(folder: Path) -> None:
    (folder / "family.py").write_text(
        "import os, sys\n"
        "for i in range(int(sys.argv[1])):\n"
        "    if os.fork() == 0:\n"
        "        kept = bytearray(100_000)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    others = ["app.1x.pmt", "app.2.txt", "application.1.pmt"]
    for name in others:
        (folder / name).write_text("somebody's own\n")
    (folder / "app.7.pmt").write_text("not a log\n")
    tool("run", "-o", "app.pmt", "family.py", "3")
    assert {"app.pmt", "app.1.pmt", "app.2.pmt", "app.3.pmt"} <= set(logs(folder))
    old = Log(folder / "app.pmt").header["pid"]
    tool("run", "--force", "-o", "app.pmt", "family.py", "1")
    assert Log(folder / "app.pmt").header["pid"] != old
    assert set(logs(folder)) == {
        "app.pmt",
        "app.1.pmt",
        "app.7.pmt",
        "app.1x.pmt",
        "application.1.pmt",
    }
    for name in others:
        assert (folder / name).read_text() == "somebody's own\n"


def test_force_spares_what_is_no_log(folder: Path) -> None:
    (folder / "thesis.pmt").write_text("years of work\n")
    outcome = tool("run", "--force", "-o", "thesis.pmt", "app.py", status=2)
    assert b"not a log" in outcome.err
    assert (folder / "thesis.pmt").read_text() == "years of work\n"


@pytest.mark.parametrize(
    "name, hint",
    [
        ("-", "pymemtrace text"),
        ("/dev/null", "a file of its own"),
        ("missing/x.pmt", "mkdir -p missing/"),
    ],
)
def test_names_that_cannot_be(folder: Path, name: str, hint: str) -> None:
    outcome = tool("run", "-o", name, "app.py", status=2)
    assert hint in outcome.err.decode() and outcome.out == b""
    assert sorted(os.listdir(folder)) == ["app.py"]


def test_a_folder_takes_the_default_name(folder: Path) -> None:
    (folder / "logs").mkdir()
    tool("run", "-o", "logs", "app.py")
    [log] = (folder / "logs").iterdir()
    assert log.name.startswith("pymemtrace.") and log.suffix == ".pmt"
    assert Log(log).stats["complete"]


@pytest.mark.parametrize("name", [None, "logs/%p.pmt", "app.pmt"])
def test_children_elsewhere_write_beside_their_parent(folder: Path, name: str | None) -> None:
    (folder / "logs").mkdir()
    (folder / "at 100%p").mkdir()
    (folder / "parent.py").write_text(
        "import os, subprocess, sys\n"
        "other = sys.argv[1]\n"
        "done = subprocess.run([sys.executable, '-c', 'x = bytearray(10**6)'], cwd=other, capture_output=True)\n"
        "print(done.stderr, os.listdir(other))\n"
    )
    work = folder / "at 100%p"
    (work / "logs").mkdir()
    (folder / "elsewhere").mkdir()
    os.chdir(work)
    option = ["-o", name] if name else []
    outcome = tool("run", *option, folder / "parent.py", folder / "elsewhere")
    assert outcome.visible == (0, b"b'' []\n", b"")
    assert len(logs(work)) == 2


def test_the_address_sanitizer_stays_first(folder: Path) -> None:
    found = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=False
    ).stdout.strip()
    need(os.path.isabs(found), "no library of the address sanitizer")
    env = {"LD_PRELOAD": os.path.realpath(found), "ASAN_OPTIONS": "detect_leaks=0"}
    (folder / "loaded.py").write_text("import os\nprint(os.environ['LD_PRELOAD'].split(':'))\n")
    outcome = tool("run", "-o", "a.pmt", "loaded.py", env=env)
    names = [os.path.basename(path) for path in eval(outcome.out)]
    assert names[0].startswith("libasan") and names[1] == "libpymemtrace.so"
    assert b"does not come first" not in outcome.err


NO_PYTHON = b"pymemtrace: no log: no Python ran in this command; pymemtrace run --non-python traces other programs, too\n"


@pytest.mark.parametrize(
    "command, status",
    [
        (["ls", "-d", "."], 0),
        (["bash", "-c", "echo $PPID; exit 3"], 3),
        (["sh", "-c", "ls -d .; ls -d ."], 0),
        (["bash", "-c", "exec ls -d ."], 0),
    ],
)
@pytest.mark.parametrize("name", [None, "app.pmt", "%e.%p.pmt"])
def test_a_command_without_python_is_said_at_its_end(
    folder: Path, command: list[str], status: int, name: str | None
) -> None:
    (folder / "app.1.pmt").write_bytes(b"\x89PMT\r\n\x1a\n")
    plain = execute(command)
    outcome = tool("run", *(["-o", name] if name else []), "--", *command, status=status)
    assert outcome.err == plain.err + NO_PYTHON
    assert logs(folder) == ["app.1.pmt"]
    if "echo" not in command[-1]:
        assert outcome.out == plain.out
    quiet = tool("run", "-o", "b.pmt", "--verbosity", "0", "--", *command, status=status)
    assert quiet.err == plain.err


@pytest.mark.parametrize("name", [None, "app.pmt", "logs/%p.pmt"])
@pytest.mark.parametrize(
    "command",
    [
        "python3 app.py",
        "python3 app.py; true",
        "(python3 app.py); ls -d . > /dev/null",
        "sh -c 'cd / && python3 -c 1; true'; true",
    ],
)
def test_a_shell_that_runs_python_hears_nothing(
    folder: Path, command: str, name: str | None
) -> None:
    (folder / "logs").mkdir()
    outcome = tool("run", *(["-o", name] if name else []), "--", "bash", "-c", command)
    assert outcome.err == b""
    assert len(logs(folder)) == 1


def test_a_daemon_does_not_hold_stderr(folder: Path) -> None:
    """The tool's reader sees the end of stderr while a child of the program lives on."""
    fifo = folder / "end"
    os.mkfifo(fifo)
    command = "(exec > /dev/null 2>&1; read line < end) & exit 0"
    outcome = tool("run", "--", "bash", "-c", command, timeout=60)
    with fifo.open("w") as stream:
        stream.write("end\n")
    assert outcome.err == NO_PYTHON


def test_another_name_is_said_once(folder: Path, a_python: Python) -> None:
    """Without `run`, by the first process only."""
    (folder / "family.py").write_text(
        "import os, subprocess, sys\n"
        "if os.fork() == 0:\n"
        "    kept = bytearray(100_000)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "if len(sys.argv) == 1:\n"
        "    subprocess.call([sys.executable, 'family.py', 'child'])\n"
        "    os.system(sys.executable + ' family.py child; true')\n"
    )
    env = {"LD_PRELOAD": str(LIBRARY), "PYMEMTRACE_OUTPUT": "app.pmt"}
    first = execute([a_python.path, "family.py"], env=env)
    assert first.visible == (0, b"", b"")
    names = ["app.pmt", *(f"app.{i}.pmt" for i in range(1, 6))]
    assert sorted(logs(folder)) == sorted(names)
    second = execute([a_python.path, "family.py"], env=env)
    assert second.out == b""
    assert (
        second.err
        == (
            f"pymemtrace: there is a file of the log's name already; this log is {folder}/app.6.pmt\n"
        ).encode()
    )
    assert len(logs(folder)) == 12
    third = execute([a_python.path, "family.py"], env={**env, "PYMEMTRACE_VERBOSITY": "0"})
    assert third.visible == (0, b"", b"")


@pytest.mark.parametrize("name", ["USR2", "SIGUSR2", "12"])
def test_a_window_by_signal(folder: Path, name: str) -> None:
    (folder / "service.py").write_text(
        "import os, signal\n"
        "def work(): return [bytearray(100_000) for _ in range(10)]\n"
        "work()\n"
        "for _ in range(2):\n"
        "    os.kill(os.getpid(), signal.SIGUSR2)\n"
        "    kept = work()\n"
        "    os.kill(os.getpid(), signal.SIGUSR2)\n"
        "    work()\n"
    )
    options = ["--start=off", "--signal", name, "--fold=off"]
    outcome = tool("run", *options, "-o", "window.pmt", "service.py")
    assert outcome.visible == (0, b"", b"")
    assert logs(folder) == ["window.1.pmt", "window.pmt"]
    for log in map(Log, folder.glob("*.pmt")):
        assert sum(e["size"] >= 100_000 for e in log.of("alloc")) == 10


@pytest.mark.parametrize("name", ["USR3", "SIG", "usr2", "-1", "65", "12x"])
def test_a_signal_that_is_none(folder: Path, name: str) -> None:
    outcome = tool("run", "--signal", name, "app.py", status=2)
    assert (
        outcome.err
        == (
            f"pymemtrace: --signal {name}: not allowed, wants the name of a signal, such as USR2, or a number from 0 to 64\n"
        ).encode()
    )
