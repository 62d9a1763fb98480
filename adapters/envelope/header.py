"""A look at the header before anything is stored: who sends, how urgent, is it marked secret?

Every value of the three fields in which a secrecy mark may stand is told, wherever in the header
the element is and whatever its namespace: rather too many than one too few.
"""

from __future__ import annotations

from adapters.envelope.parse import Begun, Bounds, Node, parse_header
from gateway.errors import Refused
from gateway.model.envelope import Kind, Marks, Priority
from gateway.model.ids import OrganCode

_OF_EDOC = ("To", "Subject", "DocumentType", "Code", "PromulgationInfo")


def peek(
    head: bytes | memoryview, bounds: Bounds, *, is_whole: bool, until: int = 0
) -> tuple[Marks, Begun | None]:
    """The marks in *head*, and what has begun up to *until* (see ``parse_header``); raises ``Refused`` as
    ``Envelopes.peek`` says."""
    header, begun = parse_header(head, bounds, is_whole=is_whole, until=until)
    if header is None:
        # a whole document that is well-formed and has no header is something else
        raise Refused("kind-unknown" if is_whole else "header-incomplete")
    kind = kind_of(header)
    if kind is None:
        raise Refused("kind-unknown")
    texts: dict[str, list[str]] = {"TypeName": [], "SphereOfPromulgation": [], "Subject": []}
    for node in header.walk():
        if node.name in texts:
            texts[node.name].append(node.whole_text)
    sender = header.first("From")
    other = header.first("OtherInfo")
    marks = Marks(
        kind=kind,
        sender=OrganCode("" if sender is None else sender.value("OrganId")),
        priority=None if other is None else priority_of(other.value("Priority")),
        type_name="\n".join(texts["TypeName"]),
        sphere="\n".join(texts["SphereOfPromulgation"]),
        subject="\n".join(texts["Subject"]),
    )
    return marks, begun


def kind_of(header: Node) -> Kind | None:
    """A status has a StatusCode; an edoc has a recipient, a subject, a type or a number.

    ``None`` where the header is neither.
    """
    if header.first("StatusCode") is not None:
        return Kind.STATUS
    if any(header.first(name) is not None for name in _OF_EDOC):
        return Kind.EDOC
    return None


def priority_of(text: str) -> Priority | None:
    """The priority that *text* (``0`` … ``4``) names; ``None`` where it names none."""
    if len(text) == 1 and text in "01234":
        return Priority(int(text))
    return None
