# SPDX-License-Identifier: MIT
"""pymemtrace run: the same program, started by the tool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness import TARGETS, TOOL, Log, Python, Tracer, compile_target, execute, need, tool


def test_python(a_python: Python, tmp_path: Path) -> None:
    outcome = tool(
        "run", "-o", tmp_path / "a.pmt", "--", a_python.path, TARGETS / "stacks.py", "nested"
    )
    assert outcome.visible == (0, b"", b"")
    assert Log(tmp_path / "a.pmt").stats["complete"]


@pytest.mark.parametrize("case, status", [("exits", 3), ("is_killed", -9), ("aborts", -6)])
def test_status(tmp_path: Path, case: str, status: int) -> None:
    """The command's own exit status, or the signal that ended it."""
    argv = ["run", "--non-python", "-o", tmp_path / "a.pmt", compile_target("life.c"), case]
    tool(*argv, status=status)
    assert len(Log(tmp_path / "a.pmt").of("alloc", size=60001)) == 10


def test_options(a_python: Python, tmp_path: Path) -> None:
    argv = ["--trace", "malloc", "--stack-depth", "3", "--rss-interval", "0", "--chunk-size", "32K"]
    tool("run", *argv, "-o", tmp_path / "a.pmt", a_python.path, "-c", "print(1)")
    header = Log(tmp_path / "a.pmt").header
    assert header["traced"] == ["malloc"] and header["max_stack_depth"] == 3


def test_options_of_the_command_are_its_own(a_python: Python, tmp_path: Path) -> None:
    outcome = tool(
        "run",
        "-o",
        tmp_path / "a.pmt",
        a_python.path,
        "-c",
        "import sys; print(sys.argv)",
        "--trace",
        "x",
    )
    assert outcome.out == b"['-c', '--trace', 'x']\n"


def test_found_in_path(tmp_path: Path) -> None:
    tool("run", "--non-python", "-o", tmp_path / "a.pmt", "true")
    assert (tmp_path / "a.pmt").exists()


@pytest.mark.parametrize(
    "argv, word",
    [
        (["--stack-depth", "deep", "true"], "stack-depth"),
        (["--trace", "everything", "true"], "trace"),
        (["--no-such-option", "true"], "no-such-option"),
        ([], "command"),
    ],
)
def test_wrong_usage(argv: list[str], word: str) -> None:
    outcome = tool("run", *argv, status=2)
    assert word in outcome.err.decode().lower() and outcome.out == b""


def test_no_such_program(tmp_path: Path) -> None:
    outcome = tool("run", "no-such-program", status=None)
    assert outcome.status == 127
    assert b"no-such-program" in outcome.err


def test_static_program(tmp_path: Path) -> None:
    """A static program cannot be traced: refused, with the reason."""
    source = tmp_path / "static.c"
    source.write_text("int main(void) { return 0; }\n")
    built = subprocess.run(
        ["gcc", "-static", "-o", tmp_path / "static", source], capture_output=True, check=False
    )
    need(built.returncode == 0, "static programs cannot be linked here")
    outcome = tool("run", tmp_path / "static", status=None)
    assert outcome.status not in (0, -11) and b"static" in outcome.err


def test_setuid_program(tmp_path: Path) -> None:
    program = Path("/usr/bin/su")
    need(program.exists() and program.stat().st_mode & 0o4000, "no setuid program here")
    outcome = tool("run", program, "--version", status=None)
    if outcome.status == 0:
        pytest.skip("setuid changes nothing for root")
    assert b"setuid" in outcome.err


def test_script_with_interpreter_line(a_python: Python, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!{a_python.path}\nprint('script')\n")
    script.chmod(0o755)
    outcome = tool("run", "-o", tmp_path / "a.pmt", script)
    assert outcome.out == b"script\n"
    assert Log(tmp_path / "a.pmt").stats["python_version"]


def test_a_preload_of_the_user_is_kept(a_python: Python, tmp_path: Path, tracer: Tracer) -> None:
    preload = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
    need(Path(preload).exists(), "libjemalloc.so.2 is not installed")
    argv = ["run", "-o", tmp_path / "a.pmt", a_python.path, "-c"]
    script = "print('jemalloc' in open('/proc/self/maps').read())"
    outcome = tool(*argv, script, env={"LD_PRELOAD": preload})
    assert outcome.visible == (0, b"True\n", b"")


def test_installed(a_python: Python, tmp_path: Path) -> None:
    """An installed tool finds the installed library."""
    from harness import BUILD

    need(shutil.which("meson"), "meson is not installed")
    need((BUILD / "build.ninja").exists(), "not a Meson build folder")
    command = ["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", tmp_path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    [installed] = [p for p in tmp_path.rglob("bin/pymemtrace")]
    log = tmp_path / "a.pmt"
    outcome = execute([installed, "run", "-o", log, a_python.path, "-c", "print(1)"])
    assert outcome.visible == (0, b"1\n", b"")
    maps = execute(
        [
            installed,
            "run",
            "-o",
            tmp_path / "b.pmt",
            a_python.path,
            "-c",
            "print(open('/proc/self/maps').read())",
        ]
    )
    assert str(tmp_path).encode() in maps.out, "runs with the library of the build folder"
    assert log.exists() and TOOL.exists()
