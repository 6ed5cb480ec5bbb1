# SPDX-License-Identifier: MIT
"""Regular expressions: matches, groups, substitutions, splits."""

import re

from ending import last_statement, turns

LINE = re.compile(
    r"(?P<ip>\d+\.\d+\.\d+\.\d+) - (?P<user>\w+) \[(?P<time>[^\]]+)\] \"(?P<what>.*?)\""
)
lines = [
    f'192.168.{i % 256}.{i % 199} - user{i} [day {i}] "GET /page/{i}?a={i * 7}"' for i in range(500)
]
found = 0
for _ in range(turns(340)):
    for line in lines:
        match = LINE.match(line)
        assert match
        found += len(match.groupdict())
        found += len(re.sub(r"\d+", "#", line)) + len(re.split(r"[/?=]", line))
last_statement(found)
