# SPDX-License-Identifier: MIT
"""Makes known numbers of objects of many types and says how many, and of which size, it has by itself.

The report is one line of JSON: type -> [count, bytes of the blocks, or null where they are not known].
"""

import ctypes
import gc
import json
import sys


class Plain:
    def __init__(self):
        self.x = None


class Slots:
    __slots__ = ("a", "b")


class Weak:
    __slots__ = ("__weakref__",)


class Both:
    __slots__ = ("a", "__dict__", "__weakref__")


class List(list):
    pass


class Dict(dict):
    pass


class Tuple(tuple):
    pass


class Text(str):
    pass


class Int(int):
    pass


class Float(float):
    __slots__ = ()


class Bytes(bytes):
    __slots__ = ()


class Error(Exception):
    pass


class Meta(type):
    def __call__(cls, *words):
        return super().__call__(*words)


class Made(metaclass=Meta):
    pass


class Outer:
    class Inner:
        pass


def lookalike(n):
    return type("Ünïcode<\x1b[31m>" + n, (), {})


def generate():
    yield 1


def enclose(n):
    def inner():
        return n

    return inner


def build(n):
    """Type -> list of its objects."""
    kept = {}
    kept["Plain"] = [Plain() for _ in range(n)]
    kept["Slots"] = [Slots() for _ in range(n + 1)]
    kept["Weak"] = [Weak() for _ in range(n + 2)]
    kept["Both"] = [Both() for _ in range(n + 3)]
    for one in kept["Both"]:
        one.any = one.a = None
    kept["List"] = [List([1, 2]) for _ in range(n + 4)]
    kept["Dict"] = [Dict(a=1) for _ in range(n + 5)]
    kept["Tuple"] = [Tuple((1, 2, 3)) for _ in range(n + 6)]
    kept["Text"] = [Text("text %d" % i) for i in range(n + 7)]
    kept["Int"] = [Int(2**80 + i) for i in range(n + 8)]
    kept["Float"] = [Float(i) for i in range(n + 9)]
    kept["Bytes"] = [Bytes(b"%d" % i) for i in range(n + 10)]
    kept["Error"] = [Error() for _ in range(n + 11)]
    kept["Made"] = [Made() for _ in range(n + 12)]
    kept["Meta"] = [Meta("M%d" % i, (), {}) for i in range(20)] + [Made]
    kept["Outer.Inner"] = [Outer.Inner() for _ in range(n + 13)]
    return kept


class Rises:
    """Comes back to life when it dies."""

    risen = []

    def __del__(self):
        Rises.risen.append(self)


def odd():
    """Nothing that is wrong, and nothing that is common."""
    for _ in range(30):
        Rises()
    forgotten = type("Forgotten", (), {"__slots__": ("me",)})
    kept = [forgotten() for _ in range(40)]
    forgotten.__module__ = 17  # no text
    nameless = type("Nameless", (list,), {})
    nameless.__module__ = None
    kept += [nameless() for _ in range(50)]
    kept += [lookalike("x")() for _ in range(60)]
    long = type("L" * 3000, (), {})
    kept += [long() for _ in range(70)]
    buffer = bytearray(1000)
    # A buffer that looks as if objects were in it.
    ctypes.memmove((ctypes.c_char * 1000).from_buffer(buffer), id(kept[0]), 16)
    return kept, buffer


ITEMS = {"Tuple": 3, "Int": 3}  # Int: 2**80 has three digits of 30 bits


def block_bytes(one):
    """Bytes of the object's own block by its type; what it holds elsewhere is not part of it."""
    kind = type(one)
    size = kind.__basicsize__
    if kind.__itemsize__:
        items = len(one) if isinstance(one, bytes) else ITEMS.get(kind.__name__, 0)
        size += (items + 1) * kind.__itemsize__  # one for the end, as PyType_GenericAlloc() has it
    size = (size + 7) // 8 * 8
    if kind.__flags__ & 1 << 14:
        size += 16  # head of the garbage collector
    if sys.version_info >= (3, 11) and kind.__flags__ & (1 << 4):
        size += 16  # managed dict
    elif sys.version_info >= (3, 12) and kind.__flags__ & (1 << 3):
        size += 16  # managed weak references
    return size


def build_common():
    """Objects of types that the interpreter has objects of as well."""
    return {
        "float": [i + 0.5 for i in range(5000)],
        "bytes": [b"%d bytes" % i for i in range(3000)],
        "generator": [generate() for _ in range(700)],
        "function": [enclose(object()) for _ in range(800)],
        "object": [object() for _ in range(900)],
        "str": [chr(97 + i % 26) * (100000 + i) for i in range(9)],
    }


def main():
    kept = build(100)
    exactly = {name: [len(v), sum(map(block_bytes, v))] for name, v in kept.items()}
    # The attributes of these are in the object's block or elsewhere, by version; so is a long text.
    for name in ("Plain", "Both", "Made", "Meta", "Error", "Outer.Inner", "Text"):
        exactly[name][1] = None
    for name, objects in kept.items():
        if sys.version_info >= (3, 13) and type(objects[0]).__flags__ & 1 << 2:
            exactly[name][1] = None  # with values in the block
    for name in ("List", "Dict"):
        assert len([o for o in gc.get_objects() if type(o).__name__ == name]) == exactly[name][0]
    common = build_common()
    least = {name: [len(v), sum(map(sys.getsizeof, v))] for name, v in common.items()}
    del least["function"][1], least["generator"][1]
    strange = odd()
    exactly["Rises"] = [len(Rises.risen), None]
    print(json.dumps({"exactly": exactly, "least": least, "odd": [40, 50, 60, 70]}))
    return kept, common, strange


everything = main()
