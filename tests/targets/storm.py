# SPDX-License-Identifier: MIT
"""Allocates until killed; after each call that returned, says on stdout how many: thread, count."""

import os
import struct
import sys
import threading

from odd import free, valloc


def body(number):
    count = 0
    while True:
        block = valloc(70000 + number)
        count += 1
        os.write(1, struct.pack("II", number, count))
        free(block)


for number in range(1, int(sys.argv[1])):
    threading.Thread(target=body, args=(number,), daemon=True).start()
body(0)
