#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the generated parts of the documents and man pages, or checks that they are current.

    docs/generate.py --check      say what is out of date, exit status 1 if anything is
    docs/generate.py --write      bring it up to date
    docs/generate.py --tutorial   run the tutorial's commands and write their output into it

A generated part stands between two marks and is replaced as a whole:

    <!-- generated: records -->            .\\" generated: options run
    ...                                    ...
    <!-- end of generated -->              .\\" end of generated

What it says comes from the program itself (`pymemtrace COMMAND --help`) and from the program
`tables` (tests/docs/tables.c), which prints the tables of lib/format. Both are found in the build
folder, build/ or $PMT_BUILD; $PMT_TOOL names another program.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator

DOCS = Path(__file__).resolve().parent
TOP = DOCS.parent
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build")).resolve()
TOOL = Path(os.environ.get("PMT_TOOL", BUILD / "tools" / "pymemtrace")).resolve()
TABLES = BUILD / "docs" / "tables"
TUTORIAL = DOCS / "tutorial.md"

HELP_COLUMN = 26  # where --help begins its explanations (tools/commands/help.c)


def output(command: list[str], text: str | None = None) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def sources(*patterns: str) -> list[Path]:
    """Files of the source, without what was built; as git has them, or of an unpacked archive."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns]
    names = None
    if shutil.which("git") is not None:
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        names = done.stdout.splitlines() if done.returncode == 0 else None
    if names is not None:
        found = [TOP / name for name in sorted(names)]
    else:
        found = [path for pattern in patterns or ("*",) for path in sorted(TOP.rglob(pattern))]
        built = re.compile(r"build.*|\.venv|\.cache|demo-out|__pycache__")
        found = [p for p in found if not any(map(built.fullmatch, p.relative_to(TOP).parts))]
    return [path for path in found if path.is_file()]


# --- what the program says of itself -------------------------------------------------------------


@dataclasses.dataclass
class Option:
    """One option of --help."""

    letter: str  # "o", or ""
    name: str  # "output", without dashes and without "[no-]"
    value: str  # "TEXT", or ""
    optional: bool  # the value may be left out
    negatable: bool  # --no-NAME exists
    doc: str


@dataclasses.dataclass
class Help:
    """The --help of one command."""

    operands: str
    doc: str
    options: list[Option]


OPTION = re.compile(
    r"  (?:-(?P<letter>\w), |    )--(?P<no>\[no-\])?(?P<name>[a-z][a-z0-9-]*)"
    r"(?:\[=(?P<optional>\S+)\]| (?P<value>\S+))?(?:\s{2,}(?P<doc>\S.*)|\s*)$"
)


def commands() -> dict[str, str]:
    """Names and one-line descriptions of all commands, in the order of --help."""
    found: dict[str, str] = {}
    name = ""
    for line in output([str(TOOL), "--help"]).split("commands:\n")[1].split("\n\n")[0].split("\n"):
        if line.startswith("   "):
            found[name] += " " + line.strip()
        elif line.strip():
            name, _, text = line.strip().partition(" ")
            found[name] = text.strip()
    return found


def parse_options(text: str) -> list[Option]:
    options: list[Option] = []
    for line in text.split("\n"):
        match = OPTION.match(line)
        if match:
            value = match["value"] or match["optional"] or ""
            options.append(
                Option(
                    match["letter"] or "",
                    match["name"],
                    value,
                    bool(match["optional"]),
                    bool(match["no"]),
                    match["doc"] or "",
                )
            )
        elif line.strip():
            assert line.startswith(" " * HELP_COLUMN) and options, f"not understood: {line}"
            options[-1].doc = f"{options[-1].doc} {line.strip()}".strip()
    return options


def command_help(name: str) -> Help:
    text = output([str(TOOL), name, "--help"])
    usage, doc, rest = text.split("\n\n", 2)
    operands = usage.split("[OPTION...] ", 1)[1]
    return Help(operands, " ".join(doc.split()), parse_options(rest.split("options:\n", 1)[1]))


def environment() -> list[list[str]]:
    """Variable, flag, default, what is allowed, explanation; of each option of the tracer."""
    lines = output([str(TABLES), "environment"]).splitlines()
    return [line.split("\t") for line in lines]


# --- man pages -----------------------------------------------------------------------------------


def roff(text: str) -> str:
    """Text for mdoc: nothing in it is taken for a request or a typographic quote."""
    text = text.replace("\\", "\\e").replace("`", "\\(ga").replace("'", "\\(aq")
    text = re.sub(r"--[a-z][a-z-]*", lambda m: m[0].replace("-", "\\-"), text)  # not broken there
    return re.sub(r"\b[A-Z]+_[A-Z_]+\b", lambda m: "\\%" + m[0], text)


def sentence(text: str) -> str:
    """Fragments as --help has them, as a sentence."""
    text = text.rstrip(".")
    return roff(text[:1].upper() + text[1:]) + "."


def paragraph(text: str) -> str:
    """Each sentence on a line of its own, as man pages want it."""
    return "\n".join(roff(line) for line in re.split(r"(?<=\.) (?=[A-Z])", text))


def man_option(option: Option) -> str:
    value = " | ".join(option.value.split("|"))
    words = [".It", f"Fl {option.letter} ," if option.letter else "", f"Fl -{option.name}"]
    if option.optional:
        words.append(f"Ns Oo = Ns Ar {value} Oc")
    elif value:
        words.append(f"Ar {value}")
    if option.negatable:
        words.append(f", Fl -no-{option.name}")
    return " ".join(w for w in words if w) + "\n" + sentence(option.doc)


def man_options(name: str) -> str:
    items = [man_option(o) for o in command_help(name).options]
    return "\n".join([".Bl -tag -width Ds", *items, ".El"])


def man_synopsis(name: str) -> str:
    operands = command_help(name).operands
    words = {
        "[--]": "Op Fl -",
        "COMMAND": "Ar command",
        "[ARGUMENT...]": "Op Ar argument ...",
        "LOG...": "Ar log ...",
        "[LOG...]": "Op Ar log ...",
    }
    lines = [".Nm pymemtrace " + name, ".Op Ar option ..."]
    return "\n".join([*lines, *("." + words[w] for w in operands.split())])


def man_description(name: str) -> str:
    return paragraph(command_help(name).doc)


def man_commands() -> str:
    lines = [".Bl -tag -width Ds"]
    for name, doc in commands().items():
        lines += [f".It Xr pymemtrace-{name} 1", sentence(doc)]
    return "\n".join([*lines, ".El"])


def man_environment() -> str:
    lines = [".Bl -tag -width Ds"]
    for variable, flag, default, allowed, doc in environment():
        lines += [f".It Ev {variable}", sentence(doc)]
        lines += [sentence(f"allowed: {allowed}"), f"Default: {roff(default)}."]
        lines += [f"Flag of {roff('`pymemtrace run`')}: {roff('--' + flag)}."]
    return "\n".join([*lines, ".El"])


# --- marked parts --------------------------------------------------------------------------------

MD_PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[a-z]+) -->\n)"
    r"(?P<body>.*?)(?P<end><!-- end of generated -->)",
    re.DOTALL,
)
MAN_PART = re.compile(
    r"(?P<begin>\.\\\" generated: (?P<name>[a-z ]+)\n)"
    r"(?P<body>.*?)(?P<end>\.\\\" end of generated)",
    re.DOTALL,
)
EXAMPLE = re.compile(r"<!-- example -->\n```text\n(.*?)```", re.DOTALL)


def table(name: str) -> Callable[[str], str]:
    return lambda page: "\n" + output([str(TABLES), name]).strip() + "\n"


def example(page: str) -> str:
    """The bytes of the page's example, decoded by the decoder."""
    found = EXAMPLE.search(page)
    assert found, "no example in this page"
    return "\n" + output([str(TABLES), "example"], found[1]).strip() + "\n"


def md_options(page: str) -> str:
    lines = ["", "| variable | flag | default | allowed | meaning |", "|---|---|---|---|---|"]
    for variable, flag, default, allowed, doc in environment():
        lines.append(f"| `{variable}` | `--{flag}` | `{default}` | {allowed} | {doc} |")
    return "\n".join([*lines, ""])


TABLES_OF_FORMAT = (
    *("header", "live", "chunk", "fold", "foldblock", "foldsite"),
    *("totals", "totalsnumbers", "totalssite", "totalsentry", "records", "names"),
)

GENERATORS: dict[str, Callable[[str], str]] = {
    **{name: table(name) for name in TABLES_OF_FORMAT},
    "example": example,
    "variables": md_options,
    "commands": lambda page: man_commands(),
    "environment": lambda page: man_environment(),
}
MAN_GENERATORS: dict[str, Callable[[str], str]] = {
    "options": man_options,
    "synopsis": man_synopsis,
    "description": man_description,
}


def generate(name: str, page: str) -> str:
    """The body of the part NAME ("records", "options run")."""
    kind, _, argument = name.partition(" ")
    text = MAN_GENERATORS[kind](argument) if argument else GENERATORS[kind](page)
    return text.rstrip("\n") + "\n" + ("\n" if text.startswith("\n") else "")


def parts(page: str) -> re.Pattern[str]:
    """What marks the generated parts of a page, which begins with a comment if it is for man."""
    return MAN_PART if page.startswith('.\\"') else MD_PART


def renewed(page: str) -> str:
    """The page with all its generated parts made anew."""

    def renew(match: re.Match[str]) -> str:
        return match["begin"] + generate(match["name"], page) + match["end"]

    return parts(page).sub(renew, page)


def pages() -> Iterator[Path]:
    """Every page that may have generated parts."""
    yield from sorted(DOCS.glob("*.md"))
    yield from sorted((DOCS / "man").glob("*.[0-9]"))


def check(write: bool) -> int:
    status = 0
    for path in pages():
        old = path.read_text(encoding="utf-8")
        new = renewed(old)
        if new == old:
            continue
        if write:
            path.write_text(new, encoding="utf-8")
            print(f"written: {path.relative_to(TOP)}")
        else:
            print(f"out of date: {path.relative_to(TOP)}; run docs/generate.py --write")
            status = 1
    return status


# --- the tutorial --------------------------------------------------------------------------------

BLOCK = re.compile(
    r"<!-- (?P<what>file|run|new|change)(?:: (?P<argument>[^\n]*?))? -->\n"
    r"```(?P<language>[a-z]+)\n(?P<body>.*?)```\n",
    re.DOTALL,
)


@dataclasses.dataclass
class Step:
    """A marked block of a page: a file to write, or a command to run with its status and output."""

    file: str  # its name, or "" for a command
    text: str  # of the file, or the command
    status: int
    shown: str  # output as the page has it


def block_steps(match: re.Match[str]) -> list[Step]:
    if match["what"] == "file":
        return [Step(match["argument"], match["body"], 0, "")]
    status = re.search(r"status (\d+)", match["argument"] or "")
    found: list[Step] = []
    for line in match["body"].splitlines():
        if line.startswith("$ "):
            found.append(Step("", line[2:], 0, ""))
        elif found and found[-1].text.endswith("\\") and not found[-1].shown:
            found[-1].text += "\n" + line
        else:
            found[-1].shown += line + "\n"
    found[-1].status = (
        int(status[1]) if status else 0
    )  # of the block's last command; the others must succeed
    return found


def steps(page: str) -> list[Step]:
    """All blocks to write or run, in their order."""
    wanted = [match for match in BLOCK.finditer(page) if match["what"] in ("file", "run")]
    return [step for match in wanted for step in block_steps(match)]


def changes(page: str) -> list[tuple[str, str]]:
    """What a how-to changes in the source: ("", difference) or (name, text of a new file)."""
    wanted = [match for match in BLOCK.finditer(page) if match["what"] in ("new", "change")]
    return [(match["argument"] or "", match["body"]) for match in wanted]


def run_step(step: Step, folder: Path, tool: Path = TOOL) -> tuple[int, str]:
    """Do one step in FOLDER. Returns the exit status and what was printed."""
    if step.file:
        (folder / step.file).write_text(step.text, encoding="utf-8")
        return 0, ""
    links = folder / ".bin"
    links.mkdir(exist_ok=True)
    if not (links / "pymemtrace").exists():
        (links / "pymemtrace").symlink_to(tool)
    kept = {"HOME": str(folder), "LANG": "C.UTF-8", "PATH": f"{links}:/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", step.text],
        cwd=folder,
        env=kept,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def shown(step: Step, printed: str) -> str:
    """The output as the page shows it: a line "..." in the page cuts it at that place."""
    lines = printed.splitlines()
    old = step.shown.splitlines()
    if "..." in old:
        at = old.index("...")
        tail = len(old) - at - 1
        if len(lines) > len(old):
            lines = [*lines[:at], "...", *(lines[-tail:] if tail else [])]
    return "".join(line + "\n" for line in lines)


def run_tutorial(folder: Path) -> str:
    """Run all its steps in FOLDER. Returns the page with the output of now."""

    def renew(match: re.Match[str]) -> str:
        body = ""
        for step in block_steps(match):
            status, printed = run_step(step, folder)
            if status != step.status:
                raise SystemExit(f"{step.text}: exit status {status}\n{printed}")
            body += f"$ {step.text}\n{shown(step, printed)}" if not step.file else step.text
        return match[0].replace(match["body"], body)

    return BLOCK.sub(renew, TUTORIAL.read_text(encoding="utf-8"))


def write_tutorial() -> int:
    folder = Path(tempfile.gettempdir(), "demo")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    TUTORIAL.write_text(run_tutorial(folder), encoding="utf-8")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="generated parts of the documents")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="say what is out of date")
    what.add_argument("--write", action="store_true", help="bring it up to date")
    what.add_argument("--tutorial", action="store_true", help="run the tutorial, keep its output")
    asked = parser.parse_args()
    return write_tutorial() if asked.tutorial else check(asked.write)


if __name__ == "__main__":
    sys.exit(main())
