# SPDX-License-Identifier: MIT
"""A deterministic program between two marks: every kind of block, of every domain."""

import ctypes
import gc
import json
import re
import sys

libc = ctypes.CDLL(None)
libc.valloc.restype = ctypes.c_void_p
libc.valloc.argtypes = [ctypes.c_size_t]
valloc = libc.valloc  # binding it allocates
valloc(1)


class Node:
    def __init__(self, depth):
        self.left = Node(depth - 1) if depth else None
        self.text = "x" * depth


def generate(n):
    for i in range(n):
        yield {"i": i, "t": (i, str(i))}


def work():
    tree = Node(8)
    table = list(generate(500))
    text = json.dumps(table)
    json.loads(text)
    growing = []
    for i in range(3000):
        growing.append(bytes(i))
    re.compile("(a|b)*c{3,5}[^%d]" % len(text)).match("ab" * 100)
    del tree, growing
    namespace = {}
    exec("def f(a, b=3):\n    return [a + b for _ in range(50)]\n", namespace)
    namespace["f"](4)
    return len(text)


work()  # warm: what is cached once is cached
gc.collect()
gc.disable()
valloc(1234)
work()
valloc(1235)
sys.stdout.write("done\n")
