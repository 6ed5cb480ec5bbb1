# SPDX-License-Identifier: MIT
"""Write data and instructions for gnuplot, and run it."""

from __future__ import annotations

import argparse
import logging
import os
import re
import subprocess
from typing import Any, Dict, Optional, Sequence, Tuple, overload

from pymemtrace._terminal import escape

__all__ = [
    "PLOT",
    "X_LOG",
    "Y2_LOG",
    "Y_LOG",
    "add_gnuplot_to_argument_parser",
    "as_text",
    "create_gnuplot_dat",
    "invoke_gnuplot",
    "version",
    "write_test_file",
]

logger = logging.getLogger(__name__)

_NOT_INSTALLED = "gnuplot is not installed, or not in a folder of PATH"

#: A plot of columns, to be used as ``PLOT.format(title=...)``.
PLOT = """set title "{title}"
set grid
set pointsize 1
set datafile separator whitespace
set datafile missing "NaN"
"""

#: A logarithmic x axis, to be used as ``X_LOG.format(label=...)``.
X_LOG = """set xlabel "{label}"
set logscale x
"""

#: A logarithmic y axis, to be used as ``Y_LOG.format(label=...)``.
Y_LOG = """set ylabel "{label}"
set logscale y
"""

#: A logarithmic second y axis, on the right, to be used as ``Y2_LOG.format(label=...)``.
Y2_LOG = """set y2label "{label}"
set logscale y2
set y2tics
"""


def _run(args: Sequence[str], timeout_s: Optional[float], **keywords: Any) -> int:
    """Run gnuplot; its exit status. What it prints is logged."""
    try:
        process = subprocess.run(
            ["gnuplot", *args],
            capture_output=True,
            timeout=timeout_s,
            check=False,
            **keywords,
        )
    except FileNotFoundError as error:
        if error.filename != "gnuplot":  # the folder to run it in
            raise
        raise FileNotFoundError(error.errno, _NOT_INSTALLED, "gnuplot") from None
    except subprocess.TimeoutExpired:
        logger.error("gnuplot was killed after %g s", timeout_s)
        return -9
    if process.stdout:
        logger.info("gnuplot: %s", process.stdout.decode(errors="backslashreplace").strip())
    if process.stderr:
        level = logging.ERROR if process.returncode else logging.WARNING
        logger.log(level, "gnuplot: %s", process.stderr.decode(errors="backslashreplace").strip())
    return process.returncode


def version() -> bytes:
    """Such as ``b'gnuplot 5.4 patchlevel 4'``. Raises FileNotFoundError if there is no gnuplot."""
    try:
        return subprocess.check_output(["gnuplot", "--version"]).strip()
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, _NOT_INSTALLED, "gnuplot") from None


def _folder(text: str) -> str:
    """An argument of the command line that is of use only with gnuplot."""
    try:
        version()
    except (OSError, subprocess.CalledProcessError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_gnuplot_to_argument_parser(parser: argparse.ArgumentParser) -> None:
    """Add ``--gnuplot DIR``, as ``args.gnuplot``: a folder to write to, or None.

    Whoever gives it without having gnuplot gets a usage error.
    """
    parser.add_argument(
        "--gnuplot",
        type=_folder,
        metavar="DIR",
        help="write data and instructions for gnuplot into this folder, and run gnuplot",
    )


def as_text(text: str) -> str:
    """A text as gnuplot writes one that it takes as it is, without any of its commands."""
    # A doubled quote is one, but not at the beginning, and not beside another one.
    parts = re.split(r"(^'+|'{2,})", escape(text))
    pieces = [
        f'"{part}"' if number % 2 else "'" + part.replace("'", "''") + "'"
        for number, part in enumerate(parts)
        if part
    ]
    return ".".join(pieces) or "''"


def _word(value: Any) -> str:
    """A value as one column: text with white space in quotes, but a comment as it is."""
    text = " ".join(str(value).splitlines())
    if text.startswith("#") or text.split() == [text]:
        return text
    return '"{}"'.format(text.replace('"', "'"))


def create_gnuplot_dat(table: Sequence[Sequence[Any]]) -> str:
    """Rows in columns of equal width, as gnuplot reads them; text with spaces in quotes.

    Text that starts with ``#`` is a comment to gnuplot, up to the end of the row. Raises ValueError
    for rows of different lengths.
    """
    widths = {len(row) for row in table}
    if len(widths) > 1:
        raise ValueError(f"Not rectangular: rows have {sorted(widths)} columns.")
    rows = [[_word(value) for value in row] for row in table]
    columns = [max(map(len, column)) + 2 for column in zip(*rows)]
    return "\n".join(" ".join(map(str.ljust, row, columns)) for row in rows)


_Table = Sequence[Sequence[Any]]
_OLDER = ("table", "plt", "dat_prefix_lines", "timeout_s")
_NEWER = ("dat_prefix_lines", "table", "plt", "timeout_s")


def _plot_arguments(args: Tuple[Any, ...], named: Dict[str, Any]) -> Dict[str, Any]:
    """The arguments behind path and name, by their names.

    The text for gnuplot tells the forms apart: it is the second of these in the one and the third
    in the other. A single one without a name is the table, unless that is given by its name.
    """
    older = isinstance(args[1], str) if len(args) > 1 else "table" not in named
    order = _OLDER if older else _NEWER
    if len(args) > len(order):
        raise TypeError(f"invoke_gnuplot() takes at most {len(order) + 2} arguments")
    found = dict(zip(order, args))
    for key, value in named.items():
        if key in found or key not in order:
            what = "two values for" if key in found else "an unexpected"
            raise TypeError(f"invoke_gnuplot() got {what} argument {key!r}")
        found[key] = value
    missing = [key for key in ("table", "plt") if key not in found]
    if missing:
        raise TypeError(f"invoke_gnuplot() is missing: {', '.join(missing)}")
    return found


@overload
def invoke_gnuplot(
    path: str,
    name: str,
    table: _Table,
    plt: str,
    dat_prefix_lines: Sequence[str] = (),
    timeout_s: Optional[float] = 60.0,
) -> int: ...


@overload
def invoke_gnuplot(
    path: str,
    name: str,
    dat_prefix_lines: Sequence[str],
    table: _Table,
    plt: str,
    timeout_s: Optional[float] = 60.0,
) -> int: ...


def invoke_gnuplot(path: str, name: str, *args: Any, **named: Any) -> int:
    """Write ``name.dat`` and ``name.plt`` into the folder path, and run gnuplot there.

    ``invoke_gnuplot(path, name, table, plt)``, or with lines that come before the table,
    ``invoke_gnuplot(path, name, dat_prefix_lines, table, plt)``. table is written as by
    ``create_gnuplot_dat()``; plt is the text for gnuplot. Makes the folder if need be. Returns the
    exit status of gnuplot, negative if it was killed, as after timeout_s seconds (60). Raises
    FileNotFoundError if there is no gnuplot, after the files are written.
    """
    given = _plot_arguments(args, named)
    lines = [*given.get("dat_prefix_lines", ()), create_gnuplot_dat(given["table"])]
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, f"{name}.dat"), "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    with open(os.path.join(path, f"{name}.plt"), "w", encoding="utf-8") as file:
        file.write(given["plt"])
    logger.info("Plotting %s.plt in %s", name, path)
    return _run(["-p", f"./{name}.plt"], given.get("timeout_s", 60.0), cwd=path)


def write_test_file(path: str, typ: str) -> int:
    """Let gnuplot write its test page ``test.TYP`` into a folder, typ being one of its terminals.

    Returns the exit status of gnuplot. Raises FileNotFoundError if there is no gnuplot.
    """
    commands = f'set terminal {typ}\nset output "test.{typ}"\ntest\n'
    return _run([], 60.0, cwd=path, input=commands.encode())
