# SPDX-License-Identifier: MIT
class Custom:
    first: str
    last: str
    number: int
    def __init__(self, first: str = "", last: str = "", number: int = 0) -> None: ...
    def name(self) -> str: ...
