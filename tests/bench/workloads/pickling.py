# SPDX-License-Identifier: MIT
"""Pickling in pure Python."""

import io
import pickle

from ending import last_statement, turns

value = [
    {"name": f"name {i}", "values": (i, i / 3, [i] * 5), "set": {i, i + 1}} for i in range(300)
]
size = 0
for _ in range(turns(75)):
    file = io.BytesIO()
    pickle._Pickler(file, 4).dump(value)
    size += len(file.getvalue())
    file.seek(0)
    size += len(pickle._Unpickler(file).load())
last_statement(size)
