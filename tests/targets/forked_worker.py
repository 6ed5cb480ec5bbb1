# SPDX-License-Identifier: MIT
"""A worker of a server that loads first and forks then: the parent has 50 MB and some arenas, the child makes 1 MB."""

import os

app = [bytearray(100_000) for _ in range(500)]
rows = [str(i) for i in range(100_000)]
large = bytearray(30_000_000)
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    mine = [bytearray(10_000) for _ in range(100)]
    os.read(read, 1)
    os._exit(0)
os.write(write, b"x")
os.waitpid(pid, 0)
