# SPDX-License-Identifier: MIT
"""Abstract syntax trees of files of the standard library."""

import ast
import sysconfig
from pathlib import Path

from ending import last_statement, turns

nodes = 0
for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[: turns(170)]:
    nodes += len(ast.parse(path.read_bytes()).body)
last_statement(nodes)
