# SPDX-License-Identifier: MIT
"""The man pages say what the program says, and are well formed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import generate
import pytest

MAN = generate.DOCS / "man"
COMMANDS = list(generate.commands())
MAN_PAGES = sorted(MAN.glob("*.[0-9]"))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def flags_of_page(page: str) -> set[str]:
    """Long options that the OPTIONS section of a page explains."""
    section = re.split(r"\n\.Sh ", page.split("\n.Sh OPTIONS\n")[1])[0]
    items = [line for line in section.splitlines() if line.startswith(".It ")]
    return {flag for line in items for flag in re.findall(r"Fl -([a-z][a-z-]*)", line)}


def flags_of_help(name: str) -> set[str]:
    """Long options in --help, read in another way than docs/generate.py does."""
    text = generate.output([str(generate.TOOL), name, "--help"]).split("\noptions:\n")[1]
    flags = set()
    for no, flag in re.findall(r"^ {2}(?:-\w, | {4})--(\[no-\])?([a-z-]+)", text, re.MULTILINE):
        flags |= {flag, "no-" + flag} if no else {flag}
    return flags


def test_there_are_commands() -> None:
    assert {"run", "text", "json", "stats", "top", "gnuplot"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page(name: str) -> None:
    page = MAN / f"pymemtrace-{name}.1"
    assert page.exists(), f"write {page.relative_to(generate.TOP)}"
    assert f".Dt PYMEMTRACE-{name.upper()} 1" in text_of(page)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_agree(name: str) -> None:
    page, told = flags_of_page(text_of(MAN / f"pymemtrace-{name}.1")), flags_of_help(name)
    assert told and page == told


def test_every_page_has_a_command() -> None:
    pages = {p.stem[len("pymemtrace-") :] for p in MAN.glob("pymemtrace-*.1")}
    assert pages == set(COMMANDS)


def test_every_option_of_the_tracer_is_there() -> None:
    """Each entry of options.def: in libpymemtrace(7) as a variable, in pymemtrace-run(1) as a flag."""
    source = text_of(generate.TOP / "lib" / "format" / "options.def")
    table = re.findall(r'^PMT_OPTION\(\w+, "(\w+)", "([a-z-]+)"', source, re.MULTILINE)
    assert len(table) >= 9
    variables = re.findall(r"^\.It Ev PYMEMTRACE_(\w+)$", text_of(MAN / "libpymemtrace.7"), re.M)
    assert variables == [variable for variable, _ in table]
    flags = flags_of_page(text_of(MAN / "pymemtrace-run.1"))
    assert {flag for _, flag in table} <= flags


def test_members_of_stats(tmp_path: Path) -> None:
    """pymemtrace-stats(1) names the members that there are."""
    log = str(tmp_path / "a.pmt")
    generate.output([str(generate.TOOL), "run", "-o", log, sys.executable, "-c", "pass"])
    members = json.loads(generate.output([str(generate.TOOL), "stats", "--json", log]))
    section = text_of(MAN / "pymemtrace-stats.1").split(".Sh JSON\n")[1].split("\n.Sh ")[0]
    named = [name for line in re.findall(r"^\.It Cm (.*)$", section, re.M) for name in line.split()]
    assert [name for name in named if name != ","] == list(members)


def test_members_of_top(tmp_path: Path) -> None:
    """pymemtrace-top(1) names the members that there are."""
    log = str(tmp_path / "a.pmt")
    generate.output([str(generate.TOOL), "run", "-o", log, sys.executable, "-c", "pass"])
    answer = json.loads(generate.output([str(generate.TOOL), "top", "--json", log]))
    section = text_of(MAN / "pymemtrace-top.1").split(".Sh JSON\n")[1].split("\n.Sh ")[0]
    assert re.findall(r"^\.It Cm (.*)$", section, re.M) == list(answer)
    named = set(re.findall(r"^\.Cm (\w+)", section, re.M))
    for part in (answer["moment"], answer["total"], answer["processes"][0], answer["rows"][0]):
        assert set(part) <= named


@pytest.mark.parametrize("path", MAN_PAGES, ids=lambda p: p.name)
def test_page_is_installed(path: Path) -> None:
    """By its name, or as that of a command in the one list of commands."""
    commands = re.search(
        r"^commands = \[(.*?)\]",
        text_of(generate.DOCS.parent / "tools" / "commands" / "meson.build"),
        re.M | re.S,
    )
    assert commands
    names = {f"pymemtrace-{name}.1" for name in re.findall(r"'([\w-]+)'", commands[1])}
    build = text_of(generate.DOCS / "meson.build")
    assert "foreach command : commands" in build
    assert f"'man/{path.name}'" in build or path.name in names


@pytest.mark.parametrize("path", MAN_PAGES, ids=lambda p: p.name)
def test_references_between_pages(path: Path) -> None:
    ours = {p.name for p in MAN_PAGES}
    for name, section in re.findall(r"^\.(?:It )?Xr (\S+) (\d)", text_of(path), re.MULTILINE):
        assert f"{name}.{section}" in ours or name in ("gnuplot", "zstd"), f"{name}({section})"


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", MAN_PAGES, ids=lambda p: p.name)
def test_mandoc_is_content(path: Path) -> None:
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    # Not matters of form: pages that are not installed here, and lines over 80 bytes.
    fine = re.compile(r"referenced manual not found|input text line longer|mandoc\.db")
    done = run(["mandoc", "-T", "lint", str(path)])
    lines = (done.stdout + done.stderr).splitlines()
    assert [line for line in lines if not fine.search(line)] == []


@pytest.mark.parametrize("path", MAN_PAGES, ids=lambda p: p.name)
def test_groff_is_content(path: Path) -> None:
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    assert run(["groff", "-mandoc", "-Tutf8", "-ww", str(path)]).stderr == ""


@pytest.mark.parametrize("path", MAN_PAGES, ids=lambda p: p.name)
def test_man_shows_it(path: Path) -> None:
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    assert run(["man", "--warnings", "-l", str(path)]).stderr == ""
