"""Does a tree look like edXML?  One walk over the grammar: what occurs twice, what is unknown, too long,
or not of its form.  What a document must *have* is asked by the readers of its kind."""

from __future__ import annotations

import re

from adapters.envelope.dates import is_stamp, read_date, read_stamp
from adapters.envelope.grammar import Form, Shape
from adapters.envelope.parse import QCVN, Node
from adapters.envelope.rules import Findings

_ORGAN = re.compile(r"[0-9A-Za-z]+(\.[0-9A-Za-z]+)*", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_PATTERNS = {
    Form.NUMBER: _NUMBER,
    Form.AMOUNT: re.compile(r"\+?\d{1,9}", re.ASCII),
    Form.BOOLEAN: re.compile(r"true|false|0|1", re.ASCII | re.IGNORECASE),
    Form.FLAG: re.compile(r"[01]", re.ASCII),
    Form.PRIORITY: re.compile(r"[0-4]", re.ASCII),
    Form.STEERING: re.compile(r"[0-3]", re.ASCII),
}
_STANDARD_DATE = re.compile(r"\d{4}/\d\d/\d\d", re.ASCII)
_LONGEST_ORGAN = 35  # spec: QĐ 20/2020 Art. 4
_LONGEST_TEXT = 10_000
_IDENTIFIERS = frozenset({"DocumentId", "ContentId", "AttachmentName"})
_LONGEST_IDENTIFIER = 255


def check(node: Node, shape: Shape, found: Findings, path: str = "") -> None:
    """Note every rule of form that *node* and what is within it break."""
    if not shape.children:
        _check_leaf(node, shape, found, path)
        return
    seen: dict[str, int] = {}
    for item in node.items:
        if isinstance(item, str):
            if item and not item.isspace():
                found.add("EDX-005", path)
            continue
        known = shape.children.get(item.name)
        below = f"{path}/{item.name}" if path else item.name
        if known is None or (item.space != QCVN and not known.is_opaque):
            found.add("EDX-004", below)
            continue
        count = seen[item.name] = seen.get(item.name, 0) + 1
        if item.alias:
            found.add("EDX-022", below, item.alias)
        if known.is_opaque:
            continue
        if known.is_many:
            below = f"{below}[{count}]"
        elif count > 1:
            below = f"{below}[{count}]"
            found.add("EDX-002", below)
        check(item, known, found, below)


def is_organ(text: str) -> bool:
    """Whether *text* can be an organ's identifier: the directory decides whether it is."""
    return len(text) <= _LONGEST_ORGAN and _ORGAN.fullmatch(text) is not None


def _check_leaf(node: Node, shape: Shape, found: Findings, path: str) -> None:
    if node.children:
        found.add("EDX-003", path)
        return
    if node.name == "ContentTransferEncoded":
        return  # long by nature; ``files`` looks at it
    text = node.text
    if not text:
        return
    length = len(text)
    if node.name in _IDENTIFIERS and length > _LONGEST_IDENTIFIER:
        found.add("EDX-021", path, f"{length} > {_LONGEST_IDENTIFIER}")
    elif length > _LONGEST_TEXT:
        found.add("EDX-006", path, f"{length} > {_LONGEST_TEXT}")
    elif shape.limit and length > shape.limit:
        found.add("EDX-007", path, f"{length} > {shape.limit}")
    match shape.form:
        case Form.ORGAN if not is_organ(text):
            found.add(shape.rule, path, text)
        case Form.DATE if not _STANDARD_DATE.fullmatch(text) or read_date(text) is None:
            found.add("EDX-009" if read_date(text) else shape.rule, path, text)
        case Form.STAMP if not is_stamp(text):
            found.add("EDX-009" if read_stamp(text) else shape.rule, path, text)
        case form if (pattern := _PATTERNS.get(form)) is not None and not pattern.fullmatch(text):
            found.add(shape.rule, path, text)
        case _:
            pass
