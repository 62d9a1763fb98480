"""Trees of edXML by chance: every element of the grammar, in any order, with strangers among them."""

from __future__ import annotations

import random

from adapters.envelope.grammar import Form, Shape
from adapters.envelope.parse import QCVN, Node
from adapters.envelope.strict import GAP

_LETTERS = "abc ĐđÐ<>&\"']\t\n\r\x85\xa0\u2028😀ệ"
_TEXTS = ("", "", "0", "1", "13", "2016/03/04", "04/03/2016", "cid:1", "tệp.pdf", "H53.13", "]]>", "\r")
_NAMES = ("Ext", "ghi-chú", "_x", "Confidence", "Đơn.vị", "a1")
_SPACES = (QCVN, "urn:vendor", "http://www.w3.org/2000/09/xmldsig#", "urn:b c")
_OF_KEYS = ("", "", "urn:v", "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace")
_ALWAYS = ("edXMLEnvelope", "edXMLHeader", "AttachmentEncoded")


def text(chance: random.Random) -> str:
    """A few characters."""
    if chance.random() < 0.6:
        return chance.choice(_TEXTS)
    return "".join(chance.choice(_LETTERS) for _ in range(chance.randrange(8)))


def stranger(chance: random.Random, depth: int = 2) -> Node:
    """An element that the grammar does not know, with whatever is in it."""
    items: list[Node | str] = [one for _ in range(chance.randrange(3)) if (one := text(chance))]
    for _ in range(chance.randrange(3) if depth else 0):
        items.insert(chance.randrange(len(items) + 1), stranger(chance, depth - 1))
    return Node(chance.choice(_NAMES), chance.choice(_SPACES), _attributes(chance), items)


def group(chance: random.Random, name: str, shape: Shape, *, files: int) -> Node:
    """An element *name* of that shape; *files* Attachments, where it can have any."""
    items: list[Node | str] = []
    for child, known in shape.children.items():
        if child == "Attachment":
            count = files
        elif known.form is Form.BASE64 or child in _ALWAYS:
            count = 1
        else:
            count = chance.randrange(3 if known.is_many else 2)
        items += [_child(chance, child, known, files=files) for _ in range(count)]
    items += [stranger(chance) for _ in range(chance.choice((0, 0, 1, 2)))]
    chance.shuffle(items)
    return Node(name, attributes=_attributes(chance), items=items)


def _child(chance: random.Random, name: str, shape: Shape, *, files: int) -> Node:
    if shape.is_opaque:
        return Node(name, QCVN, _attributes(chance), [stranger(chance)])
    if shape.children:
        return group(chance, name, shape, files=files)
    content = GAP if shape.form is Form.BASE64 else text(chance)
    return Node(name, attributes=_attributes(chance), items=[content])


def _attributes(chance: random.Random) -> dict[str, str]:
    made: dict[str, str] = {}
    while chance.random() < 0.15:
        space = chance.choice(_OF_KEYS)
        name = chance.choice(_NAMES)
        made[f"{space}\x1f{name}" if space else name] = text(chance)
    return made
