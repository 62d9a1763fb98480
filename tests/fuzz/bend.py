"""How bytes are bent: blindly, and as DER (a tree of values); ``bend_pdf`` does it for PDFs.

Every function takes its chance from *chance* alone, so that the same seed gives the same inputs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.fuzz import tlv

# --- blindly ----------------------------------------------------------------------------------------------


def blindly(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Flip, cut, double, or overwrite a few bytes."""
    if not data:
        return bytes(chance.randrange(256) for _ in range(8))
    at = chance.randrange(len(data))
    size = min(len(data) - at, chance.choice((1, 1, 2, 4, 16, 64, 512)))
    match chance.randrange(7):
        case 0:
            return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
        case 1:
            return data[:at] + bytes((chance.randrange(256),)) + data[at + 1 :]
        case 2:
            return data[:at] + data[at + size :]
        case 3:
            return data[: at + size] + data[at : at + size] * chance.choice((1, 1, 3, 40)) + data[at + size :]
        case 4:
            return data[:at] + bytes(chance.randrange(256) for _ in range(min(size, 16))) + data[at:]
        case 5:
            return data[:at]
        case _:
            other = chance.choice(others) if others else data
            cut = chance.randrange(len(other) + 1)
            return data[:at] + other[cut : cut + chance.choice((16, 128, 2048, 1 << 20))]


# --- as DER -----------------------------------------------------------------------------------------------

_OIDS = tuple(
    tlv.oid(dotted)
    for dotted in (
        "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4", "1.2.840.113549.1.9.4",
        "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.5", "1.2.840.113549.1.9.16.2.47",
        "1.2.840.113549.1.9.16.2.14", "1.2.840.113549.1.9.16.2.12", "2.16.840.1.101.3.4.2.1",
        "2.16.840.1.101.3.4.2.3", "1.3.14.3.2.26", "1.2.840.113549.2.5", "1.2.840.113549.1.1.1",
        "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2", "1.2.840.10045.2.1",
        "1.3.101.112", "1.3.101.113", "0.4.0.127.0.7.1.1.4.1.3", "2.5.29.15", "2.5.29.19", "2.5.29.31",
        "2.5.29.37", "2.5.29.32", "2.5.29.30", "1.3.6.1.5.5.7.1.1", "1.2.840.113549.1.9.16.2.18",
        "2.16.840.1.101.3.4.2.11", "1.2.840.10040.4.3",
    )
)  # fmt: skip
_MANY = 2000
_TAGS = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x06,
    0x0C,
    0x13,
    0x17,
    0x18,
    0x24,
    0x30,
    0x31,
    0x80,
    0xA0,
    0xA1,
    0xA3,
    0x1F,
)


def der(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to four changes to the tree of a DER value; blindly where it is none."""
    if chance.random() < 0.1:
        return blindly(chance, data, others)
    try:
        top = tlv.Node.parse(data)
        other = tlv.Node.parse(chance.choice(others)) if others else top
    except tlv.NoTlv:
        return blindly(chance, data, others)
    try:
        for _ in range(chance.choice((1, 1, 2, 4))):
            if len(top.walk()) < _MANY:
                _bend_tree(chance, top, other)
        return top.encoded()
    except RecursionError:
        return blindly(chance, data, others)


def _bend_tree(chance: random.Random, top: tlv.Node, other: tlv.Node) -> None:
    nodes = top.walk()
    node = chance.choice(nodes)
    above = [one for one in nodes if one.kids] or [top]
    parent = chance.choice(above)
    match chance.randrange(10):
        case 0:
            node.tag = chance.choice(_TAGS)
        case 1:
            node.lie = chance.choice((-1, 1, 2, -2, 127, 70000))
        case 2 if parent.kids:
            parent.kids.pop(chance.randrange(len(parent.kids)))
        case 3 if parent.kids:
            kid = chance.choice(parent.kids)
            parent.kids.extend([kid] * chance.choice((1, 1, 2, 100)))
        case 4 if parent.kids:
            chance.shuffle(parent.kids)
        case 5:
            parent.kids.insert(chance.randrange(len(parent.kids) + 1), _copy(chance.choice(other.walk())))
        case 6:
            leaves = [one for one in nodes if not one.kids] or [top]
            leaf = chance.choice(leaves)
            leaf.content = blindly(chance, leaf.content, ())[:4096]
        case 7:
            oids = [one for one in nodes if one.tag == 0x06]
            if oids:
                chance.choice(oids).content = chance.choice(_OIDS)[2:]
        case 8:
            numbers = [one for one in nodes if one.tag == 0x02] or [node]
            content = chance.choice((b"", b"\0", b"\x01", b"\x80", b"\xff" * 9, b"\x7f" + b"\xff" * 300))
            chance.choice(numbers).content = content
        case _:
            kids, content = node.kids, node.content
            inner = tlv.Node(tag=node.tag, kids=kids, content=content)
            for _ in range(chance.choice((1, 5, 60, 400))):
                inner = tlv.Node(tag=chance.choice((0x30, 0x31, 0xA0)), kids=[inner])
            node.tag, node.kids, node.content = inner.tag, inner.kids, b""


def _copy(node: tlv.Node) -> tlv.Node:
    return tlv.Node(tag=node.tag, content=node.content, kids=[_copy(kid) for kid in node.kids])
