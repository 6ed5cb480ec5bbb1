# SPDX-License-Identifier: MIT
"""Install the Python package into every interpreter found, as a user would, and test it there.

usage: run.py [--set-up | --test] RESULTS [ARG...]

RESULTS gets a JUnit file an interpreter, or NAME.skipped with the reason. ARGs go to pytest. --set-up
only installs, one interpreter after the other, beside something else; --test only tests. Each
interpreter has a virtual environment in .cache/python, with what requirements.txt pins, made again
when that changes. PMT_QUICK: one interpreter, and no test that is slow. `./dev test` runs this.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Sequence
from xml.sax.saxutils import quoteattr

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "e2e"))

import harness  # noqa: E402
import interpreters  # noqa: E402

SET_UP, TEST = "--set-up", "--test"

HERE = TOP / "tests" / "python"
PINS = HERE / "requirements.txt"
CACHE = TOP / ".cache" / "python"
WHEELS = CACHE / "wheels"
NOTHING_SELECTED = 5  # exit status of pytest

# The package that ours replaces, for its tests: test_upstream_suite.py.
UPSTREAM = CACHE / "upstream"
UPSTREAM_PIN = "pymemtrace==0.6.3"

building = threading.Lock()  # a first build takes all cores, and makes those after it short
builds: dict[str, Path] = {}  # finished ones, by root folder: each of these has its own compiler


class Failure(Exception):
    """An interpreter could not be set up; the text is what the command printed."""


def pins(version: tuple[int, ...]) -> list[str]:
    """NAME==VERSION of all that is pinned for an interpreter of VERSION."""
    chosen = []
    for line in PINS.read_text().splitlines():
        pin = re.match(r'([\w-]+==[\w.]+)(?:; python_version (<|>=) "(\d+)\.(\d+)")?$', line)
        if not pin:
            continue
        older = pin[2] and version < (int(pin[3]), int(pin[4]))
        if not pin[2] or older == (pin[2] == "<"):
            chosen.append(pin[1])
    return chosen


def fetch_wheels() -> None:
    """All that is pinned, for the oldest and for the newest interpreter: none is built for one."""
    stamp = WHEELS / "pins.txt"
    if stamp.exists() and stamp.read_bytes() == PINS.read_bytes():
        return
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--implementation=cp", "-d", str(WHEELS)]
    command += ["--abi=cp38", "--abi=abi3", "--abi=none"]
    for version in (3, 8), (3, 15):
        chosen = [f"--python-version={version[0]}.{version[1]}", *pins(version)]
        subprocess.run([*command, *chosen], check=True, stdin=subprocess.DEVNULL)
    stamp.write_bytes(PINS.read_bytes())


def fetch_upstream() -> None:
    """The source package, once; without it, the reason is left in its place."""
    if list(UPSTREAM.glob("*.tar.gz")):
        return
    UPSTREAM.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-binary=:all:", "--retries=1", "--timeout=20"]
    command += ["-d", str(UPSTREAM), UPSTREAM_PIN]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = f"pip cannot fetch {UPSTREAM_PIN}: {said[-1] if said else done.returncode}"
        (UPSTREAM / "missing.txt").write_text(why)


class Environment:
    """The virtual environment of one interpreter, which may live in a root folder of its own."""

    def __init__(self, python: harness.Python) -> None:
        self.python = python
        self.folder = CACHE / python.name
        self.venv = self.folder / "venv"
        self.wheel = self.folder / "wheel"

    def run(self, command: Sequence[str | Path], **variables: str) -> str:
        """What COMMAND prints, run where the interpreter lives. Failure if it fails."""
        path = f"{self.venv}/bin:/usr/local/bin:/usr/bin:/bin"
        env = {"PATH": path, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", **variables}
        words = [f"{name}={value}" for name, value in env.items()]
        enter = [*self.python.enter, "/usr/bin/env", "-i", "-C", str(TOP), *words]
        done = subprocess.run(
            [*enter, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        text = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise Failure(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{text}")
        return text

    def missing(self) -> str | None:
        """Why nothing can be installed into this interpreter."""
        if not self.python.has_headers:
            return f"{self.python.path} has no headers (python3-dev?)"
        needs = {
            "cannot make virtual environments": [self.python.path, "-c", "import venv"],
            "has no C compiler": ["cc", "--version"],
            "has no pkg-config": ["pkg-config", "--version"],
            "has no jansson or zstd": ["pkg-config", "--exists", "jansson", "libzstd"],
        }
        for what, command in needs.items():
            try:
                self.run(command)
            except Failure:
                return (
                    f"{self.python.path}{' in ' * bool(self.python.root)}{self.python.root} {what}"
                )
        return None

    def prepare(self) -> None:
        """Makes the virtual environment unless it is there and as it should be."""
        key = f"{self.python}\n{PINS.read_text()}"
        stamp = self.folder / "made.txt"
        if stamp.exists() and stamp.read_text() == key:
            return
        if self.folder.exists():
            subprocess.run(["rm", "-rf", str(self.folder)], check=True)
        self.folder.mkdir(parents=True)
        self.run([self.python.path, "-m", "venv", "--without-pip", self.venv])
        chosen = pins(self.python.version)
        [name] = (pin.replace("==", "-") for pin in chosen if pin.startswith("pip=="))
        [pip] = WHEELS.glob(f"{name}-*.whl")
        options = ["--no-index", "--no-deps", "--no-compile", "--find-links", str(WHEELS)]
        self.run([self.venv / "bin/python", pip / "pip", "install", *options, *chosen])
        stamp.write_text(key)

    def install(self) -> None:
        """What `pip install .` does, in two steps: the tests look at the wheel, too. The tools are
        those of this environment; the build goes on from the last one."""
        subprocess.run(["rm", "-rf", str(self.wheel)], check=True)
        options = ["--no-build-isolation", "--no-deps", "--no-index", "--no-cache-dir"]
        options += [f"-Cbuild-dir={self.folder / 'build'}", "-w", str(self.wheel)]
        with building:
            self.take_over()
            self.run([self.venv / "bin/python", "-m", "pip", "wheel", *options, "."])
            builds.setdefault(self.python.root, self.folder / "build")
        [built] = self.wheel.glob("*.whl")
        options = ["--force-reinstall", "--no-deps", "--no-index"]
        self.run([self.venv / "bin/python", "-m", "pip", "install", *options, built])

    def take_over(self) -> None:
        """A new build starts with what another interpreter's has compiled: most of it, the library
        and the program, is the same for all. Ninja makes anew what has another command."""
        build = self.folder / "build"
        if self.python.root in builds and not build.exists():
            other = shutil.ignore_patterns("meson-*", "build.ninja", "python_shim")
            shutil.copytree(builds[self.python.root], build, symlinks=True, ignore=other)

    def test(self, results: Path, args: Sequence[str]) -> str:
        """The last line of pytest."""
        [wheel] = self.wheel.glob("*.whl")
        variables = {"PMT_WHEEL": str(wheel), "PMT_RESULTS": str(results)}
        variables["PMT_UPSTREAM"] = str(UPSTREAM)
        known = [python.known for python in harness.pythons()]
        variables["PMT_INTERPRETERS"] = interpreters.text_of(known)
        variables["PMT_INTERPRETER"] = self.python.name
        variables.update({"PMT_ALL": "1"} if interpreters.everything() else {})
        if harness.QUICK:
            args = ["-m", "not slow", *args]
        report = results / f"python-{self.python.name}.xml"
        command = [str(self.venv / "bin/python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [
            "--reruns=1",
            "--tb=short",
            f"--junitxml={report}",
            f"--junit-prefix={self.python.name}",
        ]
        try:
            text = self.run([*command, "-o", "junit_family=xunit1", *args], **variables)
        except Failure as failure:
            if f"exit status {NOTHING_SELECTED}\n" in str(failure):
                return "nothing selected"
            raise
        return text.splitlines()[-1].strip("= ")


def note_failure(path: Path, name: str, text: str) -> None:
    """As the result of a test, unless pytest could say it itself."""
    if not path.exists():
        case = f'<testcase classname={quoteattr(name)} name="set-up"><error message={quoteattr(text)}/>'
        path.write_text(f"<testsuites><testsuite>{case}</testcase></testsuite></testsuites>\n")


def set_up(environment: Environment, results: Path) -> bool:
    """Whether something can be tested in it; if not, RESULTS has the reason."""
    name = environment.python.name
    started = time.monotonic()
    reason = environment.missing()
    if reason:
        (results / f"python-{name}.skipped").write_text(reason + "\n")
        print(f"{name}: skipped: {reason}", flush=True)
        return False
    try:
        environment.prepare()
        environment.install()
    except Failure as failure:
        print(f"{name}: {failure}", flush=True)
        note_failure(results / f"python-{name}.xml", name, str(failure))
        return False
    print(f"{name}: set up in {time.monotonic() - started:.0f} s", flush=True)
    return True


def has_result(python: harness.Python, results: Path) -> bool:
    return any((results / f"python-{python.name}.{end}").exists() for end in ("xml", "skipped"))


def run_tests(environment: Environment, results: Path, args: Sequence[str]) -> bool:
    name = environment.python.name
    try:
        print(f"{name}: {environment.test(results, args)}", flush=True)
    except Failure as failure:
        print(f"{name}: {failure}", flush=True)
        note_failure(results / f"python-{name}.xml", name, str(failure))
        return False
    return True


def run_one(
    python: harness.Python, results: Path, args: Sequence[str], steps: Sequence[str]
) -> bool:
    """Whether all went well with this interpreter."""
    environment = Environment(python)
    skipped = results / f"python-{python.name}.skipped"
    if SET_UP in steps and not set_up(environment, results):
        return skipped.exists()
    if TEST in steps and (SET_UP in steps or not has_result(python, results)):
        return run_tests(environment, results, args)
    return TEST not in steps or skipped.exists()


def selected(args: Sequence[str]) -> list[str] | None:
    """ARGs with the files that are ours, or None if others were named only."""
    paths = [a for a in args if Path(a.partition("::")[0]).exists()]
    ours = [p for p in paths if HERE in Path(p.partition("::")[0]).resolve().parents]
    if paths and not ours:
        return None
    return [*(a for a in args if a not in paths), *(ours or [str(HERE)])]


def main(results: Path, args: Sequence[str], steps: Sequence[str]) -> int:
    chosen = selected(args)
    if chosen is None:
        return 0
    if not harness.pythons():
        (results / "python.skipped").write_text("no Python interpreter found\n")
        return 0
    fetch_wheels()
    fetch_upstream()
    # One more than there are cores: some of the tests wait.
    workers = (os.cpu_count() or 1) + 1 if TEST in steps else 1
    with ThreadPoolExecutor(workers) as pool:
        good = list(pool.map(lambda p: run_one(p, results, chosen, steps), harness.pythons()))
    return 0 if all(good) else 1


if __name__ == "__main__":
    words = sys.argv[1:]
    only = [words.pop(0)] if words[0] in (SET_UP, TEST) else [SET_UP, TEST]
    sys.exit(main(Path(words[0]).resolve(), words[1:], only))
