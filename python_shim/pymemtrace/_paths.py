# SPDX-License-Identifier: MIT
"""Where the library and the program are that belong to this package."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Iterator

PACKAGE = Path(__file__).resolve().parent
LIBRARY = "libpymemtrace.so"
PROGRAM = "pymemtrace"


def library_path() -> str:
    """The absolute path of the library to put into ``LD_PRELOAD``.

    The variable ``PYMEMTRACE_LIBRARY`` names another one, as for ``pymemtrace run``. LD_PRELOAD
    cannot hold a path with spaces or colons.

    :raises FileNotFoundError: there is none.
    """
    named = os.environ.get("PYMEMTRACE_LIBRARY")
    if named:
        if not os.access(named, os.R_OK):
            raise FileNotFoundError(f"PYMEMTRACE_LIBRARY={named}: no such library")
        return os.path.realpath(named)
    return _first("library", LIBRARY, [PACKAGE / LIBRARY, *_built("lib/tracer", LIBRARY)], os.R_OK)


def program_path() -> str:
    """The absolute path of the program ``pymemtrace``.

    :raises FileNotFoundError: there is none.
    """
    return _first("program", PROGRAM, _programs(), os.X_OK)


def _first(what: str, name: str, places: Iterator[Path] | list[Path], mode: int) -> str:
    for path in places:
        if path.is_file() and os.access(path, mode):
            return os.path.realpath(path)
    raise FileNotFoundError(f"the {what} {name} does not belong to this installation of pymemtrace")


def _programs() -> Iterator[Path]:
    """Where the program may be, the likeliest first."""
    yield from _recorded()
    scheme = "posix_user"
    for folder in (sysconfig.get_path("scripts"), sysconfig.get_path("scripts", scheme)):
        if folder and _is_ours(Path(folder)):
            yield Path(folder, PROGRAM)
    yield PACKAGE.parent / "bin" / PROGRAM  # pip install --target
    yield from _built("tools", PROGRAM)


def _recorded() -> Iterator[Path]:
    """As the installer wrote it down."""
    from importlib import metadata

    try:
        distribution = metadata.distribution(PROGRAM)
    except metadata.PackageNotFoundError:
        return
    if Path(str(distribution.locate_file(PROGRAM))).resolve() != PACKAGE:
        return
    for file in distribution.files or ():
        if file.name == PROGRAM and file.parent.name == "bin":
            yield Path(str(distribution.locate_file(file)))


def _is_ours(scripts: Path) -> bool:
    """Whether programs of this folder belong to packages where this one lies."""
    return scripts.resolve().parent in PACKAGE.parents


def _built(folder: str, name: str) -> Iterator[Path]:
    """Where a build of the source is, if this package is not installed but lies in the source."""
    top = PACKAGE.parents[1]
    if (top / "meson.build").is_file():
        yield top / "build" / folder / name
        tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
        yield top / "build" / tag / folder / name
