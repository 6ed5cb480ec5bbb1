# SPDX-License-Identifier: MIT
"""Every command prints the same of a compressed log as of the plain one; no byte gets lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
TOOL = BUILD / "tools" / "pymemtrace"
MAKELOG = BUILD / "tests" / "cli" / "makelog"

# Those whose header can be read; the others are not logs, or not for this version.
REFUSED = {
    "empty",
    "cut-in-header",
    "header-damaged",
    "later-major",
    "not-a-log",
    "unknown-feature",
}
GOLDEN = sorted((TOP / "tests" / "golden" / "logs").glob("*.pmt"))
READABLE = [log for log in GOLDEN if log.stem[len("bad-") :] not in REFUSED]
COMMANDS = [
    ["stats"],
    ["stats", "--json"],
    ["top", "--at", "end"],
    ["top", "--json"],
    ["text", "--stacks", "--definitions"],
    ["json", "--stacks", "--definitions"],
    ["text", "--style=classic"],
    ["calls", "--tree"],
]


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [TOOL, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout, done.stderr


def make_log(folder: Path, blocks: int) -> Path:
    """A log with several chunks of events."""
    lines = ["pid 1", "thread 1 100"]
    for i in range(blocks):
        lines.append(f"at {1 + i / 100000}")
        lines.append(f"alloc {i % 3} {16 * (i * 7919 % 100003)} {i % 4000} a.py:{i % 50}:work")
    path = folder / "made.pmt"
    subprocess.run([MAKELOG, path], input="\n".join(lines) + "\n", text=True, check=True)
    return path


def same_output(folder: Path, name: str) -> None:
    """Of NAME and NAME.zst, whose names alone may differ."""
    for command in COMMANDS:
        status, out, errors = run(folder, *command, name)
        packed = run(folder, *command, name + ".zst")
        assert packed[0] == status, command
        assert packed[1].replace(name + ".zst", name) == out, command
        assert packed[2].replace(name + ".zst", name) == errors, command


def round_trip(folder: Path, name: str) -> None:
    assert run(folder, "compress", name)[:2] == (0, f"{name}.zst\n")
    assert (folder / (name + ".zst")).stat().st_mode & 0o777 == 0o600
    assert run(folder, "decompress", name + ".zst", "--output", "back.pmt") == (0, "back.pmt\n", "")
    assert (folder / "back.pmt").read_bytes() == (folder / name).read_bytes()
    assert (folder / "back.pmt").stat().st_mode & 0o777 == 0o600
    same_output(folder, name)


def test_golden_logs_are_known() -> None:
    assert len(GOLDEN) - len(READABLE) == len(REFUSED)


@pytest.mark.parametrize("log", READABLE, ids=lambda p: p.stem)
def test_golden(log: Path, tmp_path: Path) -> None:
    shutil.copy(log, tmp_path / log.name)
    round_trip(tmp_path, log.name)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_as_by_other_commands(name: str, tmp_path: Path) -> None:
    shutil.copy(TOP / "tests" / "golden" / "logs" / f"bad-{name}.pmt", tmp_path / "x.pmt")
    told = run(tmp_path, "stats", "x.pmt")
    assert run(tmp_path, "compress", "x.pmt") == (1, "", told[2])
    assert [path.name for path in tmp_path.iterdir()] == ["x.pmt"]


@pytest.mark.slow
@pytest.mark.parametrize("level", [1, 19])
def test_many_chunks(level: int, tmp_path: Path) -> None:
    log = make_log(tmp_path, 40000)
    assert log.stat().st_size > 10 * 32768
    round_trip(tmp_path, log.name)
    assert run(tmp_path, "compress", "--force", "--level", str(level), log.name)[0] == 0
    same_output(tmp_path, log.name)


def test_zstd_decompresses_it(tmp_path: Path) -> None:
    if not shutil.which("zstd"):
        pytest.skip("zstd is not installed")
    log = make_log(tmp_path, 20000)
    assert run(tmp_path, "compress", log.name)[0] == 0
    done = subprocess.run(
        ["zstd", "-dc", f"{log}.zst"], capture_output=True, timeout=300, check=True
    )
    assert done.stdout == log.read_bytes()


def test_cut_off(tmp_path: Path) -> None:
    """What is left is read and counted, the rest is told, and nothing is removed."""
    log = make_log(tmp_path, 40000)
    assert run(tmp_path, "compress", log.name)[0] == 0
    packed = tmp_path / "made.pmt.zst"
    size = packed.stat().st_size
    whole = run(tmp_path, "text", log.name)[1].splitlines()
    for part in (0.5, 0.9, 1.0):
        os.truncate(packed, int(size * part) - 1)
        status, out, errors = run(tmp_path, "text", packed.name)
        assert status == 0 and "warning: made.pmt.zst: the file is cut off" in errors
        events = [line for line in out.splitlines() if not line.startswith("#")]
        # stacks may be unknown: their definitions come in other chunks
        assert len(whole) * (part - 0.2) < len(events) <= len(whole)
        assert run(tmp_path, "compress", log.name, "--force")[0] == 0
    os.truncate(packed, size // 2)
    status, out, errors = run(tmp_path, "decompress", "--remove", packed.name, "-o", "part.pmt")
    assert (status, out) == (1, "part.pmt\n") and "cut off" in errors
    assert packed.exists()
    rest = (tmp_path / "part.pmt").read_bytes()
    assert rest and log.read_bytes().startswith(rest)


def test_open_log_of_a_running_process_is_kept(tmp_path: Path) -> None:
    text = f"pid {os.getpid()}\nstate 0\nthread 1 100\nalloc 0 16 1 a.py:1:f\n"
    subprocess.run([MAKELOG, tmp_path / "x.pmt"], input=text, text=True, check=True)
    status, out, errors = run(tmp_path, "compress", "--remove", "x.pmt")
    assert (status, out) == (1, "x.pmt.zst\n") and "it is kept" in errors
    assert (tmp_path / "x.pmt").exists()


def test_nothing_is_left_when_it_fails(tmp_path: Path) -> None:
    """As when the disk is full: the largest file is limited instead."""
    log = make_log(tmp_path, 40000)
    done = subprocess.run(
        ["bash", "-c", 'trap "" XFSZ; ulimit -f 1; exec "$0" "$@"', TOOL, "compress", log.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "cannot write" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [log.name]
