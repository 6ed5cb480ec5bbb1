# SPDX-License-Identifier: MIT
"""Text to HTML: records are read into objects, sorted, summed and printed as tables."""

import html
from typing import Dict, List

from ending import last_statement, turns

LINES = [f"{n}\tname <{n % 97}>\t{n * 7919 % 1009}" for n in range(400)]


class Cell:
    def __init__(self, text: str) -> None:
        self.text = html.escape(text)


class Record:
    def __init__(self, number: int, name: str, value: float) -> None:
        self.number = number
        self.name = name
        self.value = value

    def cells(self) -> List[Cell]:
        return [Cell(str(self.number)), Cell(self.name), Cell(f"{self.value:.2f}")]


def parse(lines: List[str]) -> List[Record]:
    records = []
    for line in lines:
        number, name, value = line.split("\t")
        if not name:
            continue
        records.append(Record(int(number), name, float(value)))
    return records


def sums(records: List[Record]) -> Dict[str, float]:
    found: Dict[str, float] = {}
    for record in records:
        old = found.get(record.name, 0.0)
        found[record.name] = old + record.value
    return found


def table(records: List[Record]) -> str:
    rows = []
    for record in sorted(records, key=lambda r: r.value):
        cells = "".join(f"<td>{cell.text}</td>" for cell in record.cells())
        rows.append(f"<tr>{cells}</tr>")
    return "\n".join(rows)


size = 0
for _ in range(turns(30)):
    records = parse(LINES)
    size += len(table(records)) + len(sums(records))
    records.clear()
last_statement(size)
