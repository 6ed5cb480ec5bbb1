# cython: language_level=3
# SPDX-License-Identifier: MIT
# Cython between two Python frames. Its functions have no frames of their own.
cdef extern from "stdlib.h":
    void *valloc(size_t size)


def allocate(size_t size):
    return <size_t>valloc(size)


def call(function):
    return function()
