# SPDX-License-Identifier: MIT
"""Dumps and loads of nested values."""

import json

from ending import last_statement, turns

value = {
    f"key {i}": {"number": i, "list": list(range(i % 20)), "text": "x" * (i % 50), "none": None}
    for i in range(2000)
}
size = 0
for _ in range(turns(110)):
    text = json.dumps(value)
    size += len(text) + len(json.loads(text))
last_statement(size)
