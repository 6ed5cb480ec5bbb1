#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the entry of a CPython version for python_versions.def, from that version's headers.

usage: version_entry.py PYTHON | FOLDER

PYTHON is an interpreter whose headers are installed, FOLDER one that has Python.h in it. What no
header tells stands below the last comment of an entry and is added by hand: docs/howto-python.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List, NamedTuple, Optional

HAND = "/* What no header tells. */"

# Not all of them are in each version.
HEADERS = """
#include <Python.h>
#include <stddef.h>
#include <stdio.h>
#include <frameobject.h>
#include <opcode.h>
#if __has_include(<internal/pycore_pystate.h>)
#include <internal/pycore_pystate.h>
#endif
#if __has_include(<internal/pycore_interp.h>)
#include <internal/pycore_interp.h>
#endif
#if __has_include(<internal/pycore_frame.h>)
#include <internal/pycore_frame.h>
#endif
#if __has_include(<internal/pycore_interpframe.h>)
#include <internal/pycore_interpframe.h>
#endif
#if __has_include(<internal/pycore_dict.h>)
#include <internal/pycore_dict.h>
#endif
#if __has_include(<internal/pycore_runtime.h>)
#include <internal/pycore_runtime.h>
#endif
#if __has_include(<internal/pycore_debug_offsets.h>)
#include <internal/pycore_debug_offsets.h>
#endif
"""

# Which bit of the state of a str object its kind begins at.
KIND_SHIFT = """
static int kind_shift(void)
{
	PyASCIIObject text;
	unsigned state;

	memset(&text, 0, sizeof(text));
	text.state.kind = 1;
	memcpy(&state, &text.state, sizeof(state));
	return __builtin_ctz(state);
}
"""


class Line(NamedTuple):
    """A field of the entry, and what it is: a C expression, or a word as it is."""

    field: str
    value: str
    is_word: bool = False


def folder_of(place: str) -> Path:
    """Where Python.h is."""
    if Path(place).is_dir():
        return Path(place)
    code = "import sysconfig; print(sysconfig.get_config_var('INCLUDEPY'))"
    asked = subprocess.run([place, "-c", code], capture_output=True, text=True, check=True)
    return Path(asked.stdout.strip())


class Headers:
    """The headers of one version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Behind the system's own folders: Debian's pyconfig.h lies beside the folder.
        self.flags = ["-w", "-DPy_BUILD_CORE", "-I", str(folder), "-I", str(folder / "internal")]
        self.flags += ["-idirafter", str(folder.parent)]
        self.text = self.compiler(["-E", "-P"], HEADERS)
        self.macros = self.compiler(["-E", "-dM"], HEADERS)

    def compiler(self, flags: List[str], source: str) -> str:
        command = [os.environ.get("CC", "cc"), *flags, *self.flags, "-x", "c", "-"]
        done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(
                f"version_entry.py: the headers in {self.folder} do not compile\n{done.stderr}"
            )
        return done.stdout

    def has(self, word: str) -> bool:
        return re.search(rf"\b{word}\b", self.text) is not None

    def macro(self, word: str) -> Optional[str]:
        found = re.search(rf"^#define {word} (.*)$", self.macros, re.M)
        return found.group(1) if found else None

    def values(self, expressions: List[str], *flags: str) -> List[int]:
        """What the C expressions are, all of them numbers."""
        prints = "".join(f'\tprintf("%llu\\n", (unsigned long long)({e}));\n' for e in expressions)
        source = f"{HEADERS}{KIND_SHIFT}\nint main(void)\n{{\n{prints}\treturn 0;\n}}\n"
        with tempfile.TemporaryDirectory() as scratch:
            program = str(Path(scratch) / "values")
            self.compiler([*flags, "-o", program], source)
            printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
        return [int(line) for line in printed.split()]


def at(kind: str, member: str) -> str:
    return f"offsetof({kind}, {member})"


def texts() -> List[Line]:
    return [
        Line("layout.ob_type", at("PyObject", "ob_type")),
        Line("layout.bytes_size", at("PyVarObject", "ob_size")),
        Line("layout.bytes_data", at("PyBytesObject", "ob_sval")),
        Line("layout.text_state", at("PyASCIIObject", "state")),
        Line("layout.text_length", at("PyASCIIObject", "length")),
        Line("layout.text_ascii", "sizeof(PyASCIIObject)"),
        Line("layout.text_compact", "sizeof(PyCompactUnicodeObject)"),
        Line("layout.tp_dealloc", at("PyTypeObject", "tp_dealloc")),
    ]


def code_objects(names: List[str]) -> List[Line]:
    members = {
        "filename": "co_filename",
        "name": "co_name",
        "qualname": "co_qualname",
        "first_line": "co_firstlineno",
        "linetable": "co_linetable",
        "lnotab": "co_lnotab",
        "bytecode": "co_code_adaptive",
    }
    return [
        Line("layout." + name.replace("lnotab", "linetable"), at("PyCodeObject", members[name]))
        for name in names
    ]


def frame_objects(headers: Headers) -> List[Line]:
    """Up to 3.10 a frame is an object."""
    table = "linetable" if headers.has("co_linetable") else "lnotab"
    kinds = (
        ("PYTHON_INDEX_UNITS", "PMT_LINETABLE_LINETABLE310")
        if table == "linetable"
        else ("PYTHON_INDEX_BYTES", "PMT_LINETABLE_LNOTAB")
    )
    return [
        Line("layout.position_kind", kinds[0], True),
        Line("layout.linetable_kind", kinds[1], True),
        Line("layout.mark_kind", "PYTHON_MARK_BYTE", True),
        Line("layout.tstate_frame", at("PyThreadState", "frame")),
        Line("layout.previous", at("PyFrameObject", "f_back")),
        Line("layout.executable", at("PyFrameObject", "f_code")),
        Line("layout.position", at("PyFrameObject", "f_lasti")),
        Line("layout.locals", at("PyFrameObject", "f_localsplus")),
        Line("layout.mark", at("PyFrameObject", "f_trace_lines")),
        Line("layout.generator", at("PyFrameObject", "f_gen")),
        *code_objects(["filename", "name", "first_line", table]),
    ]


def interpreter_frames(headers: Headers) -> List[Line]:
    """3.11 and 3.12: frames of the interpreter's own, behind a frame of C."""
    lines = [
        Line("layout.position_kind", "PYTHON_PREVIOUS", True),
        Line("layout.linetable_kind", "PMT_LINETABLE_LOCATIONS", True),
        Line("layout.mark_kind", "PYTHON_MARK_INDEX", True),
        Line("layout.tstate_frame", at("PyThreadState", "cframe")),
        Line("layout.has_cframe", "1"),
        Line("layout.cframe_frame", at("_PyCFrame", "current_frame")),
        Line("layout.previous", at("_PyInterpreterFrame", "previous")),
        Line("layout.executable", at("_PyInterpreterFrame", "f_code")),
        Line("layout.position", at("_PyInterpreterFrame", "prev_instr")),
        Line("layout.has_owner", "1"),
        Line("layout.owner", at("_PyInterpreterFrame", "owner")),
        Line("layout.mark", at("_PyInterpreterFrame", "stacktop")),
        Line("layout.locals", at("_PyInterpreterFrame", "localsplus")),
    ]
    if headers.has("is_entry"):
        lines.append(Line("layout.entry", at("_PyInterpreterFrame", "is_entry")))
    return lines + code_objects(
        ["filename", "name", "qualname", "first_line", "linetable", "bytecode"]
    )


def debug_offsets(headers: Headers) -> List[Line]:
    """From 3.13 on: where the table in the interpreter's own memory has each offset."""
    members = {
        "tstate_frame": "thread_state.current_frame",
        "previous": "interpreter_frame.previous",
        "executable": "interpreter_frame.executable",
        "position": "interpreter_frame.instr_ptr",
        "locals": "interpreter_frame.localsplus",
        "owner": "interpreter_frame.owner",
        "stackpointer": "interpreter_frame.stackpointer",
        "tlbc_index": "interpreter_frame.tlbc_index",
        "filename": "code_object.filename",
        "name": "code_object.name",
        "qualname": "code_object.qualname",
        "linetable": "code_object.linetable",
        "first_line": "code_object.firstlineno",
        "bytecode": "code_object.co_code_adaptive",
        "tlbc": "code_object.co_tlbc",
        "ob_type": "pyobject.ob_type",
        "bytes_size": "bytes_object.ob_size",
        "bytes_data": "bytes_object.ob_sval",
        "text_state": "unicode_object.state",
        "text_length": "unicode_object.length",
        "text_ascii": "unicode_object.asciiobject_size",
    }
    table = re.search(r"struct _Py_DebugOffsets \{.*?\n\} _Py_DebugOffsets;", headers.text, re.S)
    if table is None:
        sys.exit("version_entry.py: _Py_DebugOffsets is not where it was")
    return [
        Line(f"offsets.{name}", at("struct _Py_DebugOffsets", member))
        for name, member in members.items()
        if re.search(rf"\b{member.split('.')[1]}\b", table.group(0))
    ]


def slots(headers: Headers) -> List[Line]:
    """Up to 3.11: the profile and the trace function in a thread state."""
    lines = [
        Line("slots.profile", at("PyThreadState", "c_profilefunc")),
        Line("slots.trace", at("PyThreadState", "c_tracefunc")),
        Line("slots.interpreter", at("PyThreadState", "interp")),
    ]
    flag = "PyThreadState"
    if headers.has("cframe"):
        lines.append(Line("slots.cframe", at("PyThreadState", "cframe")))
        flag = "_PyCFrame" if headers.has("_PyCFrame") else "CFrame"
    lines.append(Line("slots.use_tracing", at(flag, "use_tracing")))
    lines.append(Line("slots.use_tracing_bytes", f"sizeof((({flag} *)0)->use_tracing)"))
    if headers.has("tracing_possible"):
        of_runtime = re.search(
            r"struct _ceval_runtime_state \{[^}]*\btracing_possible\b", headers.text, re.S
        )
        field, whose = (
            ("runtime_count", "_PyRuntimeState")
            if of_runtime
            else ("interpreter_count", "PyInterpreterState")
        )
        lines.append(Line(f"slots.{field}", at(whose, "ceval.tracing_possible")))
    lines += [
        Line("slots.lineno", at("PyFrameObject", "f_lineno")),
        Line("slots.opcodes", at("PyFrameObject", "f_trace_opcodes")),
        Line("slots.flags", at("PyCodeObject", "co_flags")),
        Line("slots.yield_value", "YIELD_VALUE"),
    ]
    if headers.has("prev_instr"):
        lines.append(Line("slots.frame", at("PyFrameObject", "f_frame")))
        lines.append(Line("slots.resume", "RESUME"))
        lines.append(Line("slots.resume_quick", "RESUME_QUICK"))
    else:
        lines.append(Line("slots.bytecode", at("PyCodeObject", "co_code")))
        lines.append(Line("slots.yield_from", "YIELD_FROM"))
    return lines


def objects(headers: Headers) -> List[Line]:
    lines = [Line("types.qualname", "offsetof(PyHeapTypeObject, ht_qualname) - sizeof(PyObject)")]
    for name, macro in (("dict", "MANAGED_DICT"), ("weakref", "MANAGED_WEAKREF")):
        if headers.macro(f"Py_TPFLAGS_{macro}"):
            lines.append(Line(f"types.managed_{name}", f"Py_TPFLAGS_{macro}"))
    if headers.has("dk_log2_size"):
        lines.append(Line("types.keys_have_log", "1"))
    if headers.has("ob_overflow"):
        lines.append(Line("types.head_has_flags", "1"))
    return lines


def capabilities(headers: Headers) -> List[Line]:
    tests = {
        "has_monitoring": headers.macro("PY_MONITORING_TOOL_IDS") is not None
        or headers.has("PY_MONITORING_EVENT_PY_START")
        or headers.has("_Py_LocalMonitors"),
        "current_is_own": headers.has("_Py_tss_tstate"),
        "keeps_exit_functions": headers.has("atexit_state"),
        "tells_objects": headers.has("PyRefTracer_SetTracer"),
    }
    return [Line(name, "1") for name, there in tests.items() if there]


def entry(folder: Path) -> str:
    """The entry, but for what is added by hand."""
    headers = Headers(folder)
    lines = fields(headers)
    numbers = headers.values(
        ["PY_VERSION_HEX >> 16"] + [line.value for line in lines if not line.is_word]
    )
    version = numbers.pop(0)
    out = [f"PYTHON_VERSION({version:#06x}, /* {version >> 8}.{version & 255} */"]
    for line in lines:
        value = line.value if line.is_word else str(numbers.pop(0))
        if ".managed_" in line.field:
            value = hex(int(value))
        out.append(f"\t.{line.field} = {value},")
    if headers.has("_Py_DebugOffsets"):
        [shift] = headers.values(["kind_shift()"], "-DPy_GIL_DISABLED=1")
        out.append(f"\t.kind_shift_threaded = {shift},")
    out.append(f"\t{HAND}")
    return "\n".join(out) + "\n"


def fields(headers: Headers) -> List[Line]:
    """What the headers tell."""
    able = capabilities(headers)
    if headers.has("_Py_DebugOffsets"):
        lines = debug_offsets(headers)
    elif headers.has("prev_instr"):
        lines = interpreter_frames(headers) + texts()
    else:
        lines = frame_objects(headers) + texts()
    lines.append(Line("layout.text_kind_shift", "kind_shift()"))
    if Line("current_is_own", "1") not in able:
        lines.append(Line("layout.thread_id", at("PyThreadState", "thread_id")))
    if Line("has_monitoring", "1") not in able:
        lines += slots(headers)
    return lines + objects(headers) + able


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    print(entry(folder_of(sys.argv[1])), end="")
    print(")")


if __name__ == "__main__":
    main()
