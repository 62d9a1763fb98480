"""What the parts of an edoc say about each other: dates in order, identifiers that agree, the fields that its
business kind needs.  Each part alone was looked at by ``shape``.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from uuid import UUID

from adapters.envelope.dates import is_stamp, read_date, read_due
from adapters.envelope.parse import Node
from adapters.envelope.rules import Findings
from gateway.model.envelope import Business, Priority
from gateway.model.ids import normalised

_HEADER = "edXMLEnvelope/edXMLHeader/MessageHeader"
_TRACES = "edXMLEnvelope/edXMLHeader/TraceHeaderList"
_LONGEST_SEEN = 75  # spec: edXML facts §3 - DocumentId
_OFFICIAL_ID = re.compile(r"([^,]+),([^,]+),([^,]+/.+)", re.DOTALL)


def compare(root: Node, message: Node, found: Findings) -> None:
    """Note every rule that takes more than one element to break."""
    _due(message, found)
    _official_id(message, found)
    _sender_is_told(message, found)
    traces = _traces(root)
    if traces is not None:
        _in_order(traces, found)
        for at, node in enumerate(traces.all("Bussiness"), 1):
            _needs(node, f"{_TRACES}/Bussiness" + (f"[{at}]" if at > 1 else ""), found)


def _due(message: Node, found: Findings) -> None:
    info = message.first("PromulgationInfo")
    due = read_date(message.value("DueDate"))
    dated = None if info is None else read_date(info.value("PromulgationDate"))
    if due is not None and dated is not None and due < dated:
        found.add("EDX-040", f"{_HEADER}/DueDate", f"{due:%Y/%m/%d} < {dated:%Y/%m/%d}")
    other = message.first("OtherInfo")
    if other is not None and other.value("Priority") == str(Priority.EXPRESS_TIMED.value):
        told = read_due(message.value("DueDate"))
        if told is None or told.hour is None:
            found.add("EDX-047", f"{_HEADER}/DueDate")


def _official_id(message: Node, found: Findings) -> None:
    text = message.value("DocumentId")
    if not text:
        return
    where = f"{_HEADER}/DocumentId"
    if len(text) > _LONGEST_SEEN:
        found.add("EDX-025", where, f"{len(text)} > {_LONGEST_SEEN}")
    parts = _OFFICIAL_ID.fullmatch(text)
    dated = None if parts is None else read_date(parts[2].strip())
    if parts is None or dated is None:
        if not _is_uuid(text):
            found.add("EDX-023", where, text)
        return
    if not _agrees(message, parts[1].strip(), dated, parts[3].strip()):
        found.add("EDX-024", where, text)


def _agrees(message: Node, organ: str, dated: date, code: str) -> bool:
    sender, info, own = (message.first(name) for name in ("From", "PromulgationInfo", "Code"))
    if sender is not None and normalised(sender.value("OrganId")) != normalised(organ):
        return False
    if info is not None and read_date(info.value("PromulgationDate")) not in (None, dated):
        return False
    full = "" if own is None else f"{own.value('CodeNumber')}/{own.value('CodeNotation')}"
    return len(full) <= 1 or normalised(full) == normalised(code)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return len(text) in (32, 36)


def _sender_is_told(message: Node, found: Findings) -> None:
    sender = message.first("From")
    own = "" if sender is None else sender.value("OrganId")
    for at, to in enumerate(message.all("To"), 1):
        if own and to.value("OrganId") == own:
            found.add("EDX-018", f"{_HEADER}/To[{at}]/OrganId", own)


def _in_order(traces: Node, found: Findings) -> None:
    # written so, stamps are ordered as the texts are
    stamps = [trace.value("Timestamp") for trace in traces.all("TraceHeader")]
    for at, (before, after) in enumerate(pairwise(stamps), 2):
        if after < before and is_stamp(before) and is_stamp(after):
            found.add("EDX-048", f"{_TRACES}/TraceHeader[{at}]/Timestamp", f"{after} < {before}")


def _needs(node: Node, where: str, found: Findings) -> None:
    """What belongs to the business kind, and what does not.  spec: edXML facts §3"""
    text = node.value("BussinessDocType") or "0"
    if text not in ("0", "1", "2", "3"):
        return
    kind = Business(int(text))
    infos = node.all("BussinessDocumentInfo")
    if kind is Business.UPDATE:
        _update(infos, where, found)
    elif any(info.whole_text.strip("0 ") for info in infos):
        found.add("EDX-059", f"{where}/BussinessDocumentInfo", kind.name.lower())
    lists = node.all("ReplacementInfoList")
    if kind is not Business.REPLACE:
        if any(one.whole_text for one in lists):
            found.add("EDX-059", f"{where}/ReplacementInfoList", kind.name.lower())
        return
    for number, each in enumerate(lists, 1):
        for at, info in enumerate(each.all("ReplacementInfo"), 1):
            organs = [one.text for named in info.all("OrganIdList") for one in named.all("OrganId")]
            if not any(organs):
                place = f"{where}/ReplacementInfoList[{number}]/ReplacementInfo[{at}]/OrganIdList"
                found.add("EDX-026", place, info.value("DocumentId"))


def _update(infos: list[Node], where: str, found: Findings) -> None:
    if infos and not any(
        "1" in (info.value("DocumentInfo"), info.value("DocumentReceiver")) for info in infos
    ):
        found.add("EDX-058", f"{where}/BussinessDocumentInfo")
    for number, info in enumerate(infos, 1):
        if info.value("DocumentReceiver") != "1":
            continue
        lists = f"{where}/BussinessDocumentInfo[{number}]/ReceiverList"
        receivers = [one for each in info.all("ReceiverList") for one in each.all("Receiver")]
        if not receivers:
            found.add("EDX-057", lists)
        for at, one in enumerate(receivers, 1):
            if not one.value("OrganId") or not one.value("ReceiverType"):
                found.add("EDX-057", f"{lists}/Receiver[{at}]")


def _traces(root: Node) -> Node | None:
    envelope = root.first("edXMLEnvelope")
    header = None if envelope is None else envelope.first("edXMLHeader")
    return None if header is None else header.first("TraceHeaderList")
