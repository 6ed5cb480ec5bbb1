# SPDX-License-Identifier: MIT
"""Bad surroundings: a program behaves and exits as without the library, whatever becomes of the log."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from pathlib import Path

import pytest

from harness import (
    Outcome,
    Python,
    Run,
    Tracer,
    check_notes,
    compile_target,
    need_root,
    tool,
)


def same_but_for_messages(plain: Outcome, traced: Outcome) -> list[str]:
    """Status and stdout are equal; stderr has nothing more than lines of the library: gives these."""
    assert (traced.status, traced.out) == (plain.status, plain.out), (plain, traced)
    lines = traced.err.decode().splitlines(keepends=True)
    messages = [line for line in lines if line.startswith("pymemtrace: ")]
    assert "".join(line for line in lines if line not in messages) == plain.err.decode()
    return messages


def run_c(tracer: Tracer, case: str, **keywords) -> tuple[Run, list[str]]:
    program = compile_target("life.c")
    options = {"NON_PYTHON": "on", **keywords.pop("options", {})}
    plain = tracer.untraced([program, case], **keywords)
    run = tracer.traced([program, case], options=options, **keywords)
    return run, same_but_for_messages(plain.outcome, run.outcome)


def mallocs(run: Run) -> int:
    return run.log.stats["by_allocator"]["malloc"]["count"]


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of one megabyte."""
    need_root()
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk(tracer: Tracer, small_disk: Path) -> None:
    """One message, the program goes on, and what was written can be read."""
    run, messages = run_c(tracer, "grows", options={"OUTPUT": str(small_disk / "log.pmt")})
    assert len(messages) == 1, messages
    events = tool("json", small_disk / "log.pmt").text.splitlines()
    assert len(events) > 1000
    assert '"stop_reason":"disk"' in events[-1].replace(": ", ":")


def test_full_disk_under_python(tracer: Tracer, small_disk: Path, a_python: Python) -> None:
    script = "l=[bytearray(n % 5000 + 600) for n in range(200000)]; print(len(l))"
    argv = [a_python.path, "-c", script]
    plain = tracer.untraced(argv)
    run = tracer.traced(argv, options={"OUTPUT": str(small_disk / "log.pmt")})
    assert len(same_but_for_messages(plain.outcome, run.outcome)) == 1
    tool("stats", small_disk / "log.pmt")


def test_disk_full_from_the_start(tracer: Tracer, small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "filler").write_bytes(b"x" * (1 << 21))
    _, messages = run_c(tracer, "grows", options={"OUTPUT": str(small_disk / "log.pmt")})
    assert len(messages) == 1, messages


def test_unwritable_folder(tracer: Tracer, tmp_path: Path) -> None:
    """As a user who may not write there; root may, so a folder that cannot be written by anyone."""
    folder = "/proc/self" if os.geteuid() == 0 else str(tmp_path / "closed")
    if os.geteuid():
        os.mkdir(folder, 0o500)
    _, messages = run_c(tracer, "grows", options={"OUTPUT": folder + "/log.pmt"})
    assert len(messages) == 1 and folder in messages[0]


def test_missing_folder(tracer: Tracer, tmp_path: Path) -> None:
    _, messages = run_c(tracer, "exits", options={"OUTPUT": str(tmp_path / "no" / "log.pmt")})
    assert len(messages) == 1 and str(tmp_path / "no") in messages[0]


def test_output_is_a_folder(tracer: Tracer, tmp_path: Path) -> None:
    """An existing thing of that name is kept; the log gets a number, or there is a message."""
    run, messages = run_c(tracer, "exits", options={"OUTPUT": str(tmp_path)})
    assert len(messages) <= 1
    assert tmp_path.is_dir()


def test_silent_if_asked(tracer: Tracer, tmp_path: Path) -> None:
    options = {"OUTPUT": str(tmp_path / "no" / "log.pmt"), "VERBOSITY": 0}
    _, messages = run_c(tracer, "exits", options=options)
    assert messages == []


def test_removed_folder(tracer: Tracer, tmp_path: Path) -> None:
    """The working folder is removed by the program; a log in it was open already."""
    program = compile_target("life.c")
    outcomes = []
    for traced in (False, True):
        folder = tmp_path / f"removed{traced}"
        folder.mkdir()
        script = f"cd {folder} && rm -rf {folder} && exec {program} grows"
        argv = ["/bin/sh", "-c", script]
        options = {"NON_PYTHON": "on", "OUTPUT": "log.%e.pmt"}
        start = tracer.traced if traced else tracer.untraced
        keywords = {"options": options} if traced else {}
        outcomes.append(start(argv, **keywords).outcome)
    messages = same_but_for_messages(*outcomes)
    assert len(messages) <= 2  # one for each program: the shell and the target


def test_folder_removed_meanwhile(tracer: Tracer, tmp_path: Path) -> None:
    run, messages = run_c(tracer, "removed_folder", cwd=None, preexec=_own_folder(tmp_path))
    assert messages == []
    assert mallocs(run) > 300000


def _own_folder(tmp_path: Path):
    def enter() -> None:
        folder = tmp_path / f"own{os.getpid()}"
        folder.mkdir()
        os.chdir(folder)

    return enter


def test_closed_streams(tracer: Tracer) -> None:
    run, messages = run_c(tracer, "closed_streams")
    assert messages == []
    assert len(run.log.of("alloc", size=60004)) == 100000
    assert run.log.stats["complete"]


def test_streams_closed_from_the_start(tracer: Tracer) -> None:
    """Neither log nor message goes to a descriptor that the program takes for its stdin."""

    def close() -> None:
        for fd in range(3):
            os.close(fd)

    run, _ = run_c(tracer, "closed_streams", preexec=close)
    assert run.outcome.status == 6
    assert len(run.log.of("alloc", size=60004)) == 100000


def test_all_descriptors_closed(tracer: Tracer) -> None:
    """As a daemon does: the log goes on, or stops, but never into a file of the program."""
    run, messages = run_c(tracer, "closes_all")
    assert messages == []
    assert mallocs(run) >= 300000


def test_no_descriptors_left(tracer: Tracer) -> None:
    run, messages = run_c(tracer, "no_descriptors")
    assert messages == []
    assert mallocs(run) >= 300000


def test_no_descriptor_from_the_start(tracer: Tracer) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))

    program = compile_target("life.c", "-static-libgcc")
    plain = tracer.untraced([program, "exits"])
    assert plain.outcome.status == 3
    # The loader itself needs a descriptor for each library, so this is about four.
    for count in (4, 5):
        keywords = {"preexec": lambda n=count: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))}
        plain = tracer.untraced([program, "exits"], **keywords)
        run = tracer.traced([program, "exits"], options={"NON_PYTHON": "on"}, **keywords)
        assert len(same_but_for_messages(plain.outcome, run.outcome)) <= 1


def test_descriptors_are_the_program_s(tracer: Tracer) -> None:
    """open() gives the number that it would give without the library."""
    run, messages = run_c(tracer, "lowest_descriptor")
    assert messages == []


def test_little_address_space(tracer: Tracer) -> None:
    run, messages = run_c(tracer, "little_memory")
    assert len(messages) <= 1
    tool("stats", run.log.path)


@pytest.mark.parametrize("case", ["limited_files"])
def test_file_size_limit_set_by_the_program(tracer: Tracer, case: str) -> None:
    """No SIGXFSZ for a log that may not grow."""
    run, messages = run_c(tracer, case)
    assert len(messages) == 1, messages
    assert mallocs(run) > 1000


@pytest.mark.parametrize("kib", [0, pytest.param(1, marks=pytest.mark.slow), 64, 256])
def test_ulimit_f(tracer: Tracer, kib: int) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kib << 10, kib << 10))

    # The report would be too large itself.
    run, messages = run_c(tracer, "grows", preexec=limit, env={"PMT_REPORT": "/dev/null"})
    assert len(messages) == 1, messages
    for log in run.logs:
        tool("text", log.path, status=None, timeout=60)


def test_ulimit_f_under_python(tracer: Tracer, a_python: Python) -> None:
    """Python ignores SIGXFSZ; the program's own file meets its limit as without the library."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, 1 << 17))

    script = (
        "l=[bytearray(n % 5000 + 600) for n in range(100000)]\n"
        "try:\n open('big', 'wb').write(b'x' * 200000)\n"
        "except OSError as e: print(e.errno)\n"
    )
    argv = [a_python.path, "-c", script]
    plain = tracer.untraced(argv, preexec=limit)
    run = tracer.traced(argv, preexec=limit)
    assert plain.outcome.out == b"27\n"
    assert len(same_but_for_messages(plain.outcome, run.outcome)) == 1


def test_little_stack(tracer: Tracer, a_python: Python) -> None:
    """The hooks need little of the stack of a thread that has little."""
    script = (
        "import threading\nthreading.stack_size(32768)\n"
        "t = threading.Thread(target=lambda: bytearray(100000)); t.start(); t.join(); print(1)\n"
    )
    tracer.python_argv(a_python, ["-c", script])


@pytest.mark.parametrize(
    "limit",
    [resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK],
    ids=["core", "memlock"],
)
def test_other_limits(tracer: Tracer, a_python: Python, limit: int) -> None:
    run = tracer.python(
        a_python, "stacks.py", "nested", preexec=lambda: resource.setrlimit(limit, (0, 0))
    )
    check_notes(run, 2)


def test_as_another_user(tracer: Tracer, a_python: Python, tmp_path: Path) -> None:
    """An ordinary user who may write the folder gets a log."""
    need_root()
    folder = tmp_path / "everyone"
    folder.mkdir(mode=0o777)
    os.chmod(folder, 0o777)
    # Only what everybody can reach: the system's own programs and the library.
    from harness import LIBRARY, execute

    copy = Path("/tmp") / f"pmt-library-{os.getpid()}.so"
    copy.write_bytes(LIBRARY.read_bytes())
    copy.chmod(0o755)
    place = Path("/tmp") / f"pmt-user-{os.getpid()}"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    try:
        outcome = execute(
            ["/usr/bin/python3", "-c", "print(1)"],
            env={"LD_PRELOAD": str(copy), "PYMEMTRACE_OUTPUT": f"{place}/log.pmt"},
            cwd=place,
            preexec=lambda: (os.setgid(65534), os.setuid(65534)),
        )
        assert outcome.visible == (0, b"1\n", b"")
        assert (place / "log.pmt").stat().st_uid == 65534
        tool("stats", place / "log.pmt")
    finally:
        copy.unlink()
        for path in place.iterdir():
            path.unlink()
        place.rmdir()


CREDENTIALS = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for task in os.listdir("/proc/self/task"):
    with open(f"/proc/self/task/{task}/status") as status:
        for line in status:
            if line.startswith(("Uid:", "Gid:", "Groups:")):
                print(line.split())
"""


def test_no_thread_keeps_given_up_credentials(tracer: Tracer, a_python: Python) -> None:
    need_root()
    run = tracer.python_argv(a_python, ["-c", CREDENTIALS], traced_only=True)
    lines = run.outcome.text.splitlines()
    assert lines, run.outcome.err
    assert set(lines) == {
        "['Uid:', '65534', '65534', '65534', '65534']",
        "['Gid:', '65534', '65534', '65534', '65534']",
        "['Groups:']",
    }


def test_unshare_of_the_user_namespace(tracer: Tracer, a_python: Python) -> None:
    """The kernel refuses that to a process with several threads; ours must not be the second."""
    program = (
        "import ctypes; print(ctypes.CDLL(None, use_errno=True).unshare(0x10000000),"
        " ctypes.get_errno())"
    )
    tracer.python_argv(a_python, ["-c", program])
