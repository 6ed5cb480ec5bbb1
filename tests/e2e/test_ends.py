# SPDX-License-Identifier: MIT
"""Ends that are easy to forget: of threads, of the interpreter, in handlers, in sandboxes."""

import pytest

from harness import Python, Tracer, compile_library, only

PIPE = """
import os, time
read, write = os.pipe()
os.dup2(write, 1016)
os.close(write)
if os.fork() == 0:
    os.close(1016)
    os._exit(0)
os.wait()
time.sleep(0.25)
blocks = [bytearray(5000) for _ in range(100)]
time.sleep(0.1)
os.close(1016)
print(os.read(read, 1))
"""
CHILD = "import os, sys\nif os.fork() == 0:\n    sys.exit(0)\nprint(os.wait()[1])"


def test_daemon_thread_at_the_end_of_the_interpreter(tracer: Tracer, python: Python) -> None:
    """The thread's state is freed while the thread allocates: its stack must not be walked."""
    env = {"PMT_BUSY": str(compile_library("busy.c"))}
    run = tracer.python(python, "daemon.py", env=env)
    assert run.outcome.status == 0


@pytest.mark.parametrize("microseconds", range(1500, 6000, 300))
def test_exit_in_a_signal_handler(tracer: Tracer, microseconds: int) -> None:
    options = {"CHUNK_SIZE": "32K", "RSS_INTERVAL": "1"}
    run = tracer.c("ends.c", "exit_in_handler", microseconds, options=options)
    assert run.outcome.status == 5
    assert run.log.stats["complete"]


def test_last_thread_ends_past_exit(tracer: Tracer) -> None:
    """The sampler's thread must not keep the process alive, and leaves it its status."""
    assert tracer.c("ends.c", "exit_thread").outcome.status == 3


def test_sandbox(tracer: Tracer) -> None:
    """Under strict seccomp one system call of ours would be the program's last."""
    run = tracer.c("ends.c", "strict", 100_000, options={"VERBOSITY": "0"})
    assert run.outcome.status == 4
    assert run.log.end["stop_reason"] == "sandbox"


def test_reallocarray_overflow_frees_nothing(tracer: Tracer) -> None:
    run = tracer.c("ends.c", "too_large")
    block = only(e for e in run.log.of("alloc") if e["size"] == 77777)
    assert all(e["addr"] != block["addr"] for e in run.log.of("free"))


def test_mremap_keeps_the_wished_address(tracer: Tracer) -> None:
    tracer.c("ends.c", "hint")


def test_descriptor_of_the_program_is_let_go(tracer: Tracer, a_python: Python) -> None:
    """The program takes our descriptor's number for a pipe; its reader must see the end."""
    run = tracer.python_argv(a_python, ["-c", PIPE], traced_only=True)
    assert run.outcome.text == "b''\n"


def test_child_without_a_log_under_debug_allocators(tracer: Tracer, python: Python) -> None:
    if python.version < (3, 9):
        pytest.skip("such a child of this version dies by itself")
    options = {"FOLLOW": "off"}
    run = tracer.python_argv(python, ["-X", "dev", "-c", CHILD], options=options)
    assert run.outcome.text == "0\n"
