# SPDX-License-Identifier: MIT
"""Compare the line-table decoder with CPython's own, on every interpreter of the machine.

Each interpreter compiles part of its standard library and some awkward sources, and says for every
instruction of every function which line it thinks that is; the decoder must say the same. TAP on
stdout. Usage: linetable_cpython.py DECODER
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys

# Runs inside the interpreter under test, which may be as old as 3.8.
PROBE = r"""
import dis, glob, os, random, sys, types
STDLIB = os.path.dirname(os.__file__)
AWKWARD = [
    "def f():\n" + "\n" * 300 + "    return 1\n",
    "x = [\n" + "\n" * 200 + "1,\n" + "\n" * 4000 + "2]\n",
    "def f(a):\n    return (a +\n\n  a(\n1,\n2)\n -\n a)\n",
    "y = 1\n" * 3000,
    "def g():\n    x = " + " + ".join(["g()"] * 400) + "\n    return (x,\n" + " g(),\n" * 90 + ")\n",
    "try:\n    f()\nexcept E as e:\n    g()\nfinally:\n    h()\n",
    "async def f():\n    async with a as b:\n        async for c in d:\n            yield c\n",
    "with a:\n    pass\n",
    "for i in x:\n    while i:\n        break\n    else:\n        continue\n",
]

def expected(code):
    count = len(code.co_code) // 2
    lines = [0] * count
    if hasattr(code, "co_lines"):
        for start, end, line in code.co_lines():
            for i in range(start // 2, min(end // 2, count)):
                lines[i] = line or 0
        return lines
    starts = sorted(dis.findlinestarts(code))
    table = code.co_lnotab
    # findlinestarts leaves out starts that repeat a line: those in between have the last one.
    for (start, line), (end, _) in zip(starts, starts[1:] + [(len(code.co_code), 0)]):
        for i in range(start // 2, min(end // 2, count)):
            lines[i] = line
    return lines

def table(code):
    if sys.version_info >= (3, 11):
        return 3, code.co_linetable
    if sys.version_info >= (3, 10):
        return 2, code.co_linetable
    return 1, code.co_lnotab

def walk(code):
    kind, data = table(code)
    print(kind, code.co_firstlineno, len(code.co_code), bytes(data).hex() or "-", "|",
          *expected(code))
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            walk(const)

files = sorted(glob.glob(STDLIB + "/*.py") + glob.glob(STDLIB + "/asyncio/*.py"))
random.Random(1).shuffle(files)
for path in files[:FILES]:
    try:
        with open(path, "rb") as f:
            walk(compile(f.read(), path, "exec", dont_inherit=True))
    except (SyntaxError, RecursionError):
        pass
for source in AWKWARD:
    walk(compile(source, "awkward", "exec"))
"""

FILES = 60
CHROOT = "/opt/sid"


def interpreters() -> list[list[str]]:
    """Commands of all CPythons from 3.8 on, those of the Debian unstable root too."""
    found = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3")))
    found += [path for path in ("/usr/bin/python3", sys.executable) if os.path.exists(path)]
    commands = [[path] for path in dict.fromkeys(map(os.path.realpath, found))]
    if os.geteuid() == 0 and shutil.which("chroot"):
        for path in sorted(glob.glob(CHROOT + "/usr/bin/python3.[0-9]*")):
            if re.fullmatch(r"python3\.\d+", os.path.basename(path)):
                commands.append(["chroot", CHROOT, path.removeprefix(CHROOT)])
    return commands


def version(command: list[str]) -> tuple[int, int] | None:
    probe = "import sys; print(*sys.version_info[:2])"
    run = subprocess.run([*command, "-c", probe], capture_output=True, text=True, check=False)
    return None if run.returncode else (int(run.stdout.split()[0]), int(run.stdout.split()[1]))


def compare(decoder: str, command: list[str]) -> tuple[int, list[str]]:
    """Number of code objects that were compared, and what differs."""
    probe = PROBE.replace("FILES", str(FILES))
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    run = subprocess.run(
        [*command, "-E", "-"], input=probe, capture_output=True, text=True, check=False, env=env
    )
    if run.returncode != 0:
        return 0, ["the interpreter failed: " + run.stderr[-300:]]
    pairs = [line.split("|") for line in run.stdout.splitlines()]
    asked = "".join(p[0].replace(" - ", "  ") + "\n" for p in pairs)
    answers = subprocess.run([decoder], input=asked, capture_output=True, text=True, check=True)
    differences = []
    lines = answers.stdout.splitlines()
    if len(lines) != len(pairs):
        differences.append(f"{len(pairs)} asked, {len(lines)} answered")
    for (question, wanted), got in zip(pairs, lines):
        if wanted.split() != got.split():
            differences.append(f"{question[:300]}: wanted {wanted[:200]}, got {got[:200]}")
    return len(pairs), differences


def main() -> int:
    decoder = sys.argv[1]
    commands = interpreters()
    failed = False
    print(f"1..{len(commands)}")
    for number, command in enumerate(commands, 1):
        name = " ".join(command)
        found = version(command)
        if found is None or found < (3, 8):
            print(f"ok {number} - {name} # SKIP not a CPython from 3.8 on")
            continue
        count, differences = compare(decoder, command)
        good = count > 500 and not differences
        failed |= not good
        result = "ok" if good else "not ok"
        print(f"{result} {number} - {name} {found[0]}.{found[1]}, {count} code objects", flush=True)
        for difference in differences[:5]:
            print(f"# {difference}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
