# SPDX-License-Identifier: MIT
"""Allocates while it is being imported."""

from odd import note, valloc

note(2001, valloc(2001))


class Body:
    note(2002, valloc(2002))

    def method(self):
        note(2003, valloc(2003))


Body().method()
