"""An edoc's tree into an ``Edoc``: what it must have, and what each field means.

Expects a tree whose form was checked (``shape.check``).  Says everything that is missing, not only the first.
"""

from __future__ import annotations

from datetime import date

from adapters.envelope.business import itself, official_id, read_business, refer
from adapters.envelope.compare import compare
from adapters.envelope.dates import read_date, read_due
from adapters.envelope.files import Files
from adapters.envelope.grammar import EDOC
from adapters.envelope.header import priority_of
from adapters.envelope.parse import Node
from adapters.envelope.rules import Findings
from adapters.envelope.strict import GAP, skeleton
from gateway.model.envelope import Business, DocumentCode, Edoc, Organ
from gateway.model.ids import OrganCode

_HEADER = "edXMLEnvelope/edXMLHeader/MessageHeader"
_TRACES = "edXMLEnvelope/edXMLHeader/TraceHeaderList"


def read_edoc(root: Node, message: Node, files: Files, found: Findings, *, recipients: int) -> Edoc | None:
    """The edoc, or ``None`` where something is missing without which there is none."""
    sender = one_sender(message, found)
    to = _recipients(message, found, at_most=recipients)
    dated = _dated(message, found)
    code = _code(message, found)
    _describe(message, found)
    _note_traces(root, found)
    own = itself("" if sender is None else sender.code, message, code.full, dated)
    business = read_business(root, message, found, own)
    compare(root, message, found)
    # a recall carries what it recalls or nothing, and an update may change the recipients alone
    may_lack = business is not None and business[0] in (Business.RECALL, Business.UPDATE)
    attachments = files.read(may_lack=may_lack)
    if attachments and not any(one.is_pdf for one in attachments):
        found.add("EDX-049", "AttachmentEncoded")
    if sender is None or to is None or dated is None or business is None or attachments is None:
        return None
    return Edoc(
        sender=sender,
        recipients=to,
        official_id=official_id(message),
        code=code,
        dated=dated,
        type_name=_below(message, "DocumentType", "TypeName"),
        subject=message.value("Subject"),
        priority=priority_of(_below(message, "OtherInfo", "Priority")),
        business=business[0],
        amends=business[1],
        attachments=attachments,
        responds_to=tuple(
            reference for each in message.all("ResponseFor") if (reference := refer(each)) is not None
        ),
        sphere=_below(message, "OtherInfo", "SphereOfPromulgation"),
        due=read_due(message.value("DueDate")),
        skeleton=_skeleton(root),
    )


def one_sender(message: Node, found: Findings) -> Organ | None:
    """The organ in From."""
    senders = message.all("From")
    if len(senders) != 1:
        found.add("EDX-010", f"{_HEADER}/From", f"{len(senders)}")
        return None
    return _organ(senders[0], found, f"{_HEADER}/From")


def _organ(node: Node, found: Findings, where: str) -> Organ | None:
    code, name = node.value("OrganId"), node.value("OrganName")
    if not name:
        found.add("EDX-016", f"{where}/OrganName")
    if not code:
        found.add("EDX-011", f"{where}/OrganId")
        return None
    return Organ(code=OrganCode(code), name=name)


def _recipients(message: Node, found: Findings, *, at_most: int) -> tuple[Organ, ...] | None:
    nodes = message.all("To")
    if not nodes:
        found.add("EDX-013", f"{_HEADER}/To")
        return None
    if len(nodes) > at_most:
        found.add("EDX-015", f"{_HEADER}/To", f"{len(nodes)} > {at_most}")
        return None
    organs = [_organ(node, found, f"{_HEADER}/To[{at}]") for at, node in enumerate(nodes, 1)]
    seen: set[str] = set()
    for at, organ in enumerate(organs, 1):
        if organ is None:
            continue
        if organ.code in seen:
            found.add("EDX-014", f"{_HEADER}/To[{at}]/OrganId", organ.code)
        seen.add(organ.code)
    whole = tuple(organ for organ in organs if organ is not None)
    return whole if len(whole) == len(organs) else None


def _dated(message: Node, found: Findings) -> date | None:
    text = _below(message, "PromulgationInfo", "PromulgationDate")
    where = f"{_HEADER}/PromulgationInfo"
    if not text:  # one that is unreadable was noted as being of the wrong form
        found.add("EDX-031", f"{where}/PromulgationDate")
    if not _below(message, "PromulgationInfo", "Place"):
        found.add("EDX-033", f"{where}/Place")
    return read_date(text)


def _code(message: Node, found: Findings) -> DocumentCode:
    number = _below(message, "Code", "CodeNumber")
    notation = _below(message, "Code", "CodeNotation")
    if not number or not notation:
        found.add("EDX-030", f"{_HEADER}/Code/{'CodeNotation' if number else 'CodeNumber'}")
    return DocumentCode(number=number, notation=notation)


def _describe(message: Node, found: Findings) -> None:
    """What people read; a consumer's form needs most of it."""
    if not message.value("DocumentId"):
        found.add("EDX-020", f"{_HEADER}/DocumentId")
    if not _below(message, "DocumentType", "Type"):
        found.add("EDX-034", f"{_HEADER}/DocumentType/Type")
    if not _below(message, "DocumentType", "TypeName"):
        found.add("EDX-041", f"{_HEADER}/DocumentType/TypeName")
    if not message.value("Subject"):
        found.add("EDX-035", f"{_HEADER}/Subject")
    if not _below(message, "SignerInfo", "FullName"):
        found.add("EDX-036", f"{_HEADER}/SignerInfo/FullName")
    if message.first("OtherInfo") is None:
        found.add("EDX-044", f"{_HEADER}/OtherInfo")
    for at, node in enumerate(message.all("ResponseFor"), 1):
        if not node.value("OrganId") and node.whole_text:  # an empty one is how some producers say "none"
            found.add("EDX-042", f"{_HEADER}/ResponseFor[{at}]/OrganId")


def _note_traces(root: Node, found: Findings) -> None:
    traces = _traces(root)
    if traces is None or not traces.all("TraceHeader"):
        found.add("EDX-050", _TRACES)
    for at, trace in enumerate([] if traces is None else traces.all("TraceHeader"), 1):
        if not trace.value("OrganId") or not trace.value("Timestamp"):
            found.add("EDX-051", f"{_TRACES}/TraceHeader[{at}]")


def _skeleton(root: Node) -> bytes:
    """The document with a gap for our trace, behind the traces that are there."""
    traces = _traces(root)
    if traces is None:
        traces = Node("TraceHeaderList")
        envelope = root.first("edXMLEnvelope")
        header = None if envelope is None else envelope.first("edXMLHeader")
        if header is not None:  # always: the message header was found in it
            header.items.append(traces)
    traces.items.append(Node("TraceHeader", items=[GAP]))
    return skeleton(root, EDOC)


def _traces(root: Node) -> Node | None:
    envelope = root.first("edXMLEnvelope")
    header = None if envelope is None else envelope.first("edXMLHeader")
    return None if header is None else header.first("TraceHeaderList")


def _below(node: Node, group: str, name: str) -> str:
    found = node.first(group)
    return "" if found is None else found.value(name)
