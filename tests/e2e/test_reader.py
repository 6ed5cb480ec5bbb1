# SPDX-License-Identifier: MIT
"""Reader: real logs, damaged in every way, are refused or read in part, never a crash or a hang."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from harness import QUICK, Log, Python, Tracer, execute, parse, tool

COMMANDS = (["text"], ["json", "--stacks"], ["stats", "--json"], ["top", "--json"])


@pytest.fixture
def log(tracer: Tracer) -> Path:
    return tracer.c("heap.c", "families").log.path


def check_handled(path: Path) -> None:
    """Exit status 0 or 1, a message with 1, and no signal."""
    for command in COMMANDS:
        outcome = tool(*command, path, status=None, timeout=20)
        assert outcome.status in (0, 1), (command, outcome)
        if outcome.status:
            assert outcome.err.startswith(b"pymemtrace"), outcome
            assert outcome.err.count(b"\n") <= 2


def test_not_a_log(tmp_path: Path) -> None:
    for name, data in (
        ("empty", b""),
        ("text", b"hello\n"),
        ("zeros", bytes(100000)),
        ("elf", Path("/bin/true").read_bytes()),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        for command in COMMANDS:
            outcome = tool(*command, path, status=1)
            assert str(path) in outcome.err.decode(), outcome
            assert outcome.err.count(b"\n") == 1


def test_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        outcome = tool("stats", path, status=None)
        assert outcome.status == 1 and str(path) in outcome.err.decode()


def test_future_version(log: Path, tmp_path: Path) -> None:
    """The message names the version of the log and what this program reads."""
    data = bytearray(log.read_bytes())
    header = tool("json", log).text.splitlines()[0]
    version = json.loads(header)["format_version"]
    changed = tmp_path / "future.pmt"
    hits = []
    for at in range(64):  # wherever the version stands: a byte whose change is named as that
        copy = bytearray(data)
        copy[at] ^= 0x40
        changed.write_bytes(copy)
        outcome = tool("stats", changed, status=None)
        if outcome.status == 1 and b"version" in outcome.err:
            hits.append((at, outcome.err))
    assert hits
    assert any(str(version + 0x40).encode() in err for _, err in hits), hits


@pytest.mark.parametrize("step", [1 if not QUICK else 97])
def test_truncated_at_any_byte(log: Path, tmp_path: Path, step: int) -> None:
    """Cut in the header page, and in the first chunk behind it, at bytes picked over the file."""
    data = log.read_bytes()
    cut = tmp_path / "cut.pmt"
    places = sorted(
        {*range(0, 300, 7), *range(0, len(data), max(1, len(data) // 150)), len(data) - 1}
    )
    for size in places[::step]:
        cut.write_bytes(data[:size])
        outcome = tool("json", cut, status=None, timeout=20)
        assert outcome.status in (0, 1), (size, outcome)
        if outcome.status == 0 or outcome.out:
            for line in outcome.text.splitlines():
                json.loads(line)


@pytest.mark.slow
def test_any_byte_flipped(log: Path, tmp_path: Path) -> None:
    data = log.read_bytes()
    used = [i for i, byte in enumerate(data) if byte]
    pick = random.Random(4)
    changed = tmp_path / "changed.pmt"
    for at in pick.sample(used, 300):
        copy = bytearray(data)
        copy[at] ^= 1 << pick.randrange(8)
        changed.write_bytes(copy)
        outcome = tool("json", "--stacks", changed, status=None, timeout=20)
        assert outcome.status in (0, 1), (at, outcome)
        for line in outcome.text.splitlines():
            json.loads(line)


def test_every_command_on_damaged_logs(log: Path, tmp_path: Path) -> None:
    data = log.read_bytes()
    changed = tmp_path / "changed.pmt"
    pick = random.Random(5)
    for _ in range(10):
        copy = bytearray(data)
        for _ in range(20):
            copy[pick.randrange(len(copy))] = pick.randrange(256)
        copy[:16] = data[:16]
        changed.write_bytes(copy)
        check_handled(changed)


def test_zero_padding_and_garbage_behind(log: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.pmt"
    events = [e for e in Log(log).events if e["event"] not in ("header", "end")]
    for tail in (bytes(100000), bytes(1), b"\xff" * 5000):
        longer.write_bytes(log.read_bytes() + tail)
        outcome = tool("json", longer, status=None)
        assert outcome.status in (0, 1)
        lines = [json.loads(line) for line in outcome.text.splitlines()]
        assert [e for e in lines if e["event"] not in ("header", "end")] == events


def test_read_while_it_is_written(tracer: Tracer, tmp_path: Path) -> None:
    """The log of a process that is still at work."""
    import os
    import signal
    import subprocess
    import time

    from harness import LIBRARY, clean_env, compile_target

    path = tmp_path / "live.pmt"
    env = {
        "LD_PRELOAD": str(LIBRARY),
        "PYMEMTRACE_OUTPUT": str(path),
        "PYMEMTRACE_NON_PYTHON": "on",
    }
    with subprocess.Popen(
        [compile_target("storm.c"), "2"],
        env=clean_env(env),
        stdout=subprocess.DEVNULL,
    ) as child:
        try:
            end = time.monotonic() + 60
            while not path.exists() or tool("stats", path, status=None).status != 0:
                assert time.monotonic() < end, "no log"
                time.sleep(0.01)
            counts = [0]
            while len(counts) < 4:
                stats = json.loads(tool("stats", "--json", path).out)
                stats = stats[0] if isinstance(stats, list) else stats
                assert not stats["complete"]
                count = stats["allocations"]["count"]
                assert count >= counts[-1]
                if count > counts[-1]:
                    counts.append(count)
                assert time.monotonic() < end, "the log does not grow"
                time.sleep(0.1)
        finally:
            os.kill(child.pid, signal.SIGKILL)


def test_several_logs_and_a_folder(tracer: Tracer) -> None:
    run = tracer.c("procs.c", "fork_exit")
    folder = run.logs[0].path.parent
    for where in ([folder], [log.path for log in run.logs]):
        assert b"50002" not in tool("stats", *where).err
        both = json.loads(tool("stats", "--json", *where).out)
        assert sorted(s["pid"] for s in both) == sorted(log.stats["pid"] for log in run.logs)
    rows = json.loads(tool("top", "--json", "--by", "process", "--at", "exit", folder).out)["rows"]
    assert {r["pid"] for r in rows} == {log.stats["pid"] for log in run.logs}


def test_text_has_a_line_a_record(tracer: Tracer) -> None:
    log = tracer.c("heap.c", "families").log
    lines = [x for x in tool("text", log.path).text.splitlines() if not x.startswith("#")]
    assert len(lines) == len([e for e in log.events if e["event"] not in ("header", "end")])
    address = log.calls[0]["address"]
    assert any(address in line and "malloc" in line for line in lines)


def test_array(tracer: Tracer) -> None:
    log = tracer.c("heap.c", "families").log
    array = json.loads(tool("json", "--array", "--stacks", log.path).out)
    assert array == list(map(parse, log.lines_with_stacks))


def test_names_are_escaped(tracer: Tracer, a_python: Python) -> None:
    """Control characters of file names do not reach the terminal; JSON has them spelled out."""
    log = tracer.python(a_python, "stacks.py", "unicode_names").log
    for command in (["text", "--stacks"], ["stats"], ["top", "--at", "exit", "-n", "100000"]):
        out = tool(*command, log.path).out
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", out.replace(b"\t", b""))
        out.decode()
    files = {
        f["file"] for e in log.of("alloc", stacks=True, allocator="valloc") for f in e["stack"]
    }
    assert "a\tb\nc\x1b[31m.py" in files


def test_plot(tracer: Tracer, a_python: Python, tmp_path: Path) -> None:
    """Data, a script, and pictures where gnuplot is installed."""
    import shutil

    log = tracer.python(a_python, "resident.py", "steps").log
    out = tmp_path / "plot"
    tool("gnuplot", log.path, "-o", out)
    assert {p.suffix for p in out.iterdir()} >= {".dat", ".gp"} or len(list(out.iterdir())) >= 2
    if not shutil.which("gnuplot"):
        pytest.skip("gnuplot is not installed")
    tool("gnuplot", log.path, "-o", tmp_path / "png", "--render", "png")
    [picture] = (tmp_path / "png").glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    tool("gnuplot", log.path, "-o", tmp_path / "svg", "--render", "svg")
    [picture] = (tmp_path / "svg").glob("*.svg")
    assert b"<svg" in picture.read_bytes()


def test_output_to_a_full_device(log: Path) -> None:
    """A report that cannot be written is an error, not a success."""
    for command in (["text"], ["json"], ["stats"], ["top"]):
        line = " ".join(command)
        from harness import TOOL

        outcome = execute(["/bin/sh", "-c", f"{TOOL} {line} {log} >/dev/full"])
        assert outcome.status == 1, (command, outcome)
        assert outcome.err


def test_output_to_a_closed_pipe(tracer: Tracer) -> None:
    from harness import TOOL

    log = tracer.c("heap.c", "counted").log
    outcome = execute(["/bin/bash", "-c", f"set -o pipefail; {TOOL} text {log.path} | head -1"])
    assert outcome.out.count(b"\n") == 1
    assert outcome.err == b""
