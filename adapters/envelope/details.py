"""What an edXML says besides what the gateway needs: for people who look at it, in the order of a register.

spec: NĐ 30/2020 Annex VI - what a clerk enters of a document
"""

from __future__ import annotations

from collections.abc import Iterable

from adapters.envelope.parse import Node

Detail = tuple[str, str]
"""The name of the field (an element of edXML) and its text."""

_MOST_TRACES = 20


def of_edoc(root: Node) -> tuple[Detail, ...]:
    """Place, content, signer, deadline, addressees on paper, pages, business, and the way it took."""
    message = _below(root, "edXMLEnvelope", "edXMLHeader", "MessageHeader")
    traces = _below(root, "edXMLEnvelope", "edXMLHeader", "TraceHeaderList")
    signer = _below(message, "SignerInfo")
    business = _below(traces, "Bussiness")
    content = message.value("Content")
    told = [
        ("Place", _below(message, "PromulgationInfo").value("Place")),
        ("Content", "" if content == message.value("Subject") else content),
        ("SignerInfo", _listed(signer.value(name) for name in ("Competence", "Position", "FullName"))),
        ("DueDate", message.value("DueDate")),
        ("SteeringType", message.value("SteeringType")),
        ("ToPlaces", _listed((node.text for node in _below(message, "ToPlaces").all("Place")), "; ")),
        ("PageAmount", _below(message, "OtherInfo").value("PageAmount")),
        ("BussinessDocReason", business.value("BussinessDocReason")),
        ("StaffInfo", _staff(_below(business, "StaffInfo"))),
    ]
    way = [
        ("TraceHeader", _listed((node.value("Timestamp"), node.value("OrganId"))))
        for node in traces.all("TraceHeader")[:_MOST_TRACES]
    ]
    return tuple((name, text) for name, text in (*told, *way) if text)


def of_status(root: Node) -> tuple[Detail, ...]:
    """When, and by whom."""
    message = _below(root, "edXMLEnvelope", "edXMLHeader", "MessageHeader")
    told = (("Timestamp", message.value("Timestamp")), ("StaffInfo", _staff(_below(message, "StaffInfo"))))
    return tuple((name, text) for name, text in told if text)


def _staff(node: Node) -> str:
    return _listed(node.value(name) for name in ("Staff", "Department", "Email", "Mobile"))


def _listed(texts: Iterable[str], between: str = ", ") -> str:
    return between.join(text for text in texts if text)


def _below(node: Node, *names: str) -> Node:
    """The first element on the path; an empty one where there is none."""
    for name in names:
        node = node.first(name) or Node(name)
    return node
