# SPDX-License-Identifier: MIT
"""The wheel: what is in it, what it needs, and that its parts find one another wherever it goes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any, Iterator

import pymemtrace
import pytest

from installed import TOP, clean_env, execute

SOURCE = TOP / "python_shim" / "pymemtrace"
TABLE = (TOP / "python_shim" / "meson.build").read_text(encoding="utf-8")
EXTENSIONS = re.findall(r"^  '(\w+)': '(?:stable|version)',$", TABLE, re.MULTILINE)
BASE = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0"}
LOADER = {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The wheel that is installed here."""
    return Path(os.environ["PMT_WHEEL"])


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def elf_files(folder: Path) -> list[Path]:
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    return [p for p in files if p.read_bytes()[:4] == b"\x7fELF"]


def readelf(path: Path, option: str) -> str:
    return execute(["readelf", "--wide", option, path]).stdout.decode()


def short(path: Path) -> str:
    """The name of a file without the tags that an extension has."""
    return path.name.partition(".")[0]


def test_row_88_wheel_is_for_this_python_only(wheel: Path) -> None:
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    assert re.fullmatch(rf"pymemtrace-[\d.]+-{tag}-{tag}t?-linux_\w+\.whl", wheel.name)


def test_row_88_wheel_has_the_package(unpacked: Path) -> None:
    """Every file of the source, the extensions, the program and the library, and nothing else."""
    ours = {str(p.relative_to(SOURCE.parent)) for p in SOURCE.rglob("*") if p.is_file()}
    ours = {p for p in ours if "__pycache__" not in p}
    assert {"pymemtrace/__init__.py", "pymemtrace/py.typed", "pymemtrace/custom.pyi"} <= ours
    assert {"cMemLeak", "cPyRefTraceExample", "custom"} <= set(EXTENSIONS)
    built = {short(p): p.relative_to(unpacked) for p in elf_files(unpacked)}
    assert sorted(built) == sorted([*EXTENSIONS, "libpymemtrace", "pymemtrace"])
    assert built["libpymemtrace"] == Path("pymemtrace/libpymemtrace.so")
    assert re.fullmatch(r"pymemtrace-[\d.]+\.data/scripts", str(built["pymemtrace"].parent))
    found = {str(p.relative_to(unpacked)) for p in unpacked.rglob("*") if p.is_file()}
    found -= {str(p) for p in built.values()}
    assert {p for p in found if ".dist-info/" not in p} == ours


@pytest.mark.parametrize("name", [*EXTENSIONS, "libpymemtrace", "pymemtrace"])
def test_row_88_wheel_needs_the_c_library_only(
    unpacked: Path, name: str, record_property: Any
) -> None:
    [path] = [p for p in elf_files(unpacked) if short(p) == name]
    dynamic = readelf(path, "--dynamic")
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    assert needed <= BASE | LOADER, needed
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic
    # Of the C library, only versions that it says of itself; which one is the newest is stated.
    required = readelf(path, "--version-info").partition("Version needs section")[2]
    versions = set(re.findall(r"Name: (\S+)", required))
    assert all(re.fullmatch(r"GLIBC_[\d.]+|GLIBC_ABI_\w+", version) for version in versions)
    numbers = [tuple(map(int, v[6:].split("."))) for v in versions if v[6].isdigit()]
    record_property("newest GLIBC", ".".join(map(str, max(numbers, default=()))))
    here = os.confstr("CS_GNU_LIBC_VERSION")
    assert here is not None
    assert max(numbers, default=(0,)) <= tuple(map(int, here.split()[1].split(".")))


def test_row_88_wheel_knows_no_folder_of_its_build(unpacked: Path, program: str) -> None:
    """Were the library looked for in the prefix of the build, another one might be found there."""
    [tool] = [p for p in elf_files(unpacked) if p.name == "pymemtrace"]
    text = tool.read_bytes()
    assert b"../lib/python" in text
    assert sys.prefix.encode() not in text
    assert sys.base_prefix.encode() + b"/lib" not in text


def test_row_88_metadata(unpacked: Path) -> None:
    [path] = unpacked.glob("*.dist-info/METADATA")
    text = path.read_text()
    assert re.findall("^Requires-Dist: (.*)", text, re.MULTILINE) == ["psutil"]
    assert "\nRequires-Python: >=3.8\n" in text
    entries = (path.parent / "entry_points.txt").read_text()
    for name in ("ref_trace_analyse", "dtrace_log_analyse"):
        assert re.search(rf"^pymemtrace_{name} ?= ?pymemtrace\.util\.{name}:main$", entries, re.M)


def test_version_is_one(wheel: Path, program: str) -> None:
    from importlib import metadata

    [stated] = re.findall(r"^  version: '(.*)'", (TOP / "meson.build").read_text(), re.MULTILINE)
    assert pymemtrace.__version__ == stated
    assert metadata.version("pymemtrace") == stated
    assert wheel.name.split("-")[1] == stated
    assert execute([program, "--version"]).stdout.decode().split()[-1] == stated
    assert "@" in pymemtrace.__email__ and pymemtrace.__author__


MODULE = [sys.executable, "-m", "pymemtrace"]


@pytest.mark.parametrize(
    "args",
    [["--version"], ["--help"], ["run", "--help"], ["nonsense"], ["stats", "/no such log"], []],
)
def test_module_is_the_command(program: str, args: list[str]) -> None:
    by_name = execute([program, *args], status=None)
    by_module = execute([*MODULE, *args], status=None)
    assert by_module.returncode == by_name.returncode
    assert (by_module.stdout, by_module.stderr) == (by_name.stdout, by_name.stderr)
    assert by_name.stdout + by_name.stderr != b""


# PYMEMTRACE_RUN names the run, of which there are two.
STATE = (
    "grep -E '^(Sig(Ign|Blk)):' /proc/self/status;"
    " env | grep -Ev '^(_|PYMEMTRACE_RUN)=' | sort; kill -TERM $$"
)


@pytest.mark.parametrize("language", [{}, {"LANG": "C"}, {"LC_ALL": "C"}, {"LC_CTYPE": "C.UTF-8"}])
def test_module_leaves_what_it_runs_alone(program: str, language: dict[str, str]) -> None:
    """Same signals, same environment, same death, though an interpreter was between."""
    outcomes = []
    for command in ([program], MODULE):
        env = {"PATH": os.environ["PATH"], **language}
        full = [*command, "run", "--", "sh", "-c", STATE]
        outcomes.append(subprocess.run(full, env=env, capture_output=True, check=False))
    assert outcomes[0].stdout.count(b"Sig") == 2
    assert outcomes[0].returncode == -signal.SIGTERM
    for field in ("stdout", "stderr", "returncode"):
        assert getattr(outcomes[0], field) == getattr(outcomes[1], field)


def test_command_is_on_the_path(program: str) -> None:
    scripts = sysconfig.get_path("scripts")
    assert program == os.path.join(os.path.realpath(scripts), "pymemtrace")
    done = execute(["pymemtrace", "--version"], env={"PATH": f"{scripts}:{os.environ['PATH']}"})
    assert done.returncode == 0


def test_run_finds_the_library(program: str, tmp_path: Path) -> None:
    log = tmp_path / "x.pmt"
    show = [sys.executable, "-c", "import os; print(os.environ['LD_PRELOAD'])"]
    done = execute([program, "run", "-o", log, "--", *show], cwd=tmp_path)
    assert done.stdout.decode().strip() == pymemtrace.library_path()
    assert pymemtrace.read(log).statistics()["complete"]


def test_library_for_ld_preload(tmp_path: Path) -> None:
    env = {"LD_PRELOAD": pymemtrace.library_path(), "PYMEMTRACE_OUTPUT": str(tmp_path / "x.pmt")}
    execute([sys.executable, "-c", "pass"], env=env)
    assert pymemtrace.read(tmp_path / "x.pmt").header["command"][1:] == ["-c", "pass"]


def test_another_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other.so"
    other.touch()
    monkeypatch.setenv("PYMEMTRACE_LIBRARY", str(other))
    assert pymemtrace.library_path() == str(other)
    monkeypatch.setenv("PYMEMTRACE_LIBRARY", str(tmp_path / "none.so"))
    with pytest.raises(FileNotFoundError, match=r"PYMEMTRACE_LIBRARY=.*none\.so: no such library"):
        pymemtrace.library_path()


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """CODE with FOLDER on sys.path, in an interpreter without installed packages."""
    return execute([sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(folder)})


SAY = "import pymemtrace as p; print(p.library_path()); print(p.program_path())"


@pytest.mark.parametrize("site", ["-S", "-s"])
def test_package_without_its_program(tmp_path: Path, site: str) -> None:
    """A copy of the Python files alone says what is missing, and takes nobody else's program."""
    (tmp_path / "pymemtrace").mkdir()
    for file in SOURCE.glob("*.py"):
        (tmp_path / "pymemtrace" / file.name).write_bytes(file.read_bytes())
    for function in ("library_path", "program_path"):
        command = [sys.executable, site, "-c", f"import pymemtrace; pymemtrace.{function}()"]
        done = execute(command, 1, env={"PYTHONPATH": str(tmp_path)})
        assert b"FileNotFoundError" in done.stderr
    command = [sys.executable, site, "-m", "pymemtrace", "--version"]
    done = execute(command, 1, env={"PYTHONPATH": str(tmp_path)})
    assert done.stderr.startswith(b"pymemtrace: the program pymemtrace does not belong to")


def test_source_tree_without_installation() -> None:
    """Where it was built, the package can be used from the source."""
    if not (TOP / "build" / "tools" / "pymemtrace").exists():
        pytest.skip("the program is not built in build/")
    library, program = run_python(SAY, SOURCE.parent).stdout.decode().split("\n")[:2]
    assert library == str(TOP / "build" / "lib" / "tracer" / "libpymemtrace.so")
    assert program == str(TOP / "build" / "tools" / "pymemtrace")


def test_import_without_psutil(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["psutil"] = None
import pymemtrace, pymemtrace.__main__, pymemtrace.cMemLeak
print(pymemtrace.program_path())
"""
    assert execute([sys.executable, "-c", code]).stdout.strip()
    code = "import sys, pymemtrace; print('psutil' in sys.modules, 'colorama' in sys.modules)"
    assert execute([sys.executable, "-c", code]).stdout == b"False False\n"


def pip(*args: str | Path) -> None:
    options = ["-q", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check"]
    execute([sys.executable, "-m", "pip", args[0], *options, *args[1:]])


def schemes(wheel: Path, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Installations of every kind: where the package is, and where its program is."""
    pip("install", "--target", folder / "target", wheel)
    yield folder / "target", folder / "target" / "bin"
    pip("install", "--ignore-installed", "--prefix", folder / "prefix", wheel)
    (folder / "prefix").rename(folder / "moved")
    [package] = (folder / "moved").glob("**/*-packages")
    yield package, folder / "moved" / "bin"
    (folder / "system" / "local" / "lib" / package.parent.name).mkdir(parents=True)
    system = folder / "system" / "local" / "lib" / package.parent.name / "dist-packages"
    package.rename(system)
    (folder / "moved" / "bin").rename(folder / "system" / "local" / "bin")
    yield system, folder / "system" / "local" / "bin"


def test_installed_anywhere(wheel: Path, tmp_path: Path) -> None:
    """By --target, by --prefix and moved afterwards, and laid out as Debian has it."""
    for package, scripts in schemes(wheel, tmp_path):
        library, program = run_python(SAY, package).stdout.decode().split("\n")[:2]
        assert library == str(package / "pymemtrace" / "libpymemtrace.so")
        assert program == str(scripts / "pymemtrace")
        show = [sys.executable, "-c", "import os; print(os.environ['LD_PRELOAD'])"]
        log = tmp_path / "x.pmt"
        done = execute([program, "run", "-o", log, "--", *show], cwd=tmp_path)
        assert done.stdout.decode().strip() == library
        log.unlink()


@pytest.mark.slow
@pytest.mark.interpreters("one")
def test_row_88_sdist(tmp_path: Path) -> None:
    """The archive of the source has all that a wheel is built from, and the tests."""
    if not (TOP / ".git").exists():
        pytest.skip("not a git checkout")
    code = f"import mesonpy; mesonpy.build_sdist({str(tmp_path)!r})"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    execute([sys.executable, "-c", code], cwd=TOP, env={"PATH": path})
    [archive] = tmp_path.glob("pymemtrace-*.tar.gz")
    execute(["tar", "-xzf", archive, "-C", tmp_path])
    [tree] = [p for p in tmp_path.iterdir() if p.is_dir()]
    assert (tree / "tests" / "python" / "conftest.py").exists()
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps"]
    execute([*command, "--no-index", "-w", tmp_path, tree], env={"PATH": path})
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        assert "pymemtrace/libpymemtrace.so" in built.namelist()


@pytest.mark.slow
@pytest.mark.interpreters("one")
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_row_88_builds_without_warnings(tmp_path: Path, compiler: str) -> None:
    try:
        subprocess.run([compiler, "--version"], check=True, capture_output=True)
    except OSError:
        pytest.skip(f"{compiler} is not installed")
    scripts = Path(sys.executable).parent
    env = clean_env({"CC": compiler, "PATH": f"{scripts}:{os.environ['PATH']}"})
    options = ["-Dpython=true", "-Dwheel=true", "-Dtests=false", "-Dwerror=true"]
    setup = ["meson", "setup", str(tmp_path), str(TOP), *options]
    for command in (setup, ["ninja", "-C", str(tmp_path)]):
        done = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        assert done.returncode == 0, done.stdout.decode()
    assert (tmp_path / "tools" / "pymemtrace").exists()
