# SPDX-License-Identifier: MIT
"""Loads the library of the command line with RTLD_DEEPBIND, and lets it allocate and free."""

import ctypes
import os
import sys

library = ctypes.CDLL(sys.argv[1], mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
library.deep_malloc.restype = ctypes.c_void_p
library.deep_malloc.argtypes = [ctypes.c_size_t]
library.deep_free.argtypes = [ctypes.c_void_p]
for _ in range(100):
    library.deep_free(library.deep_malloc(30_000))
