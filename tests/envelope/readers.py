"""Readers with the habits of public consumers, so that what we write is read by them: written anew from what their
code does, in Python, with nothing of ours.

``java_sdk``: the national axis' library and its kin (JDOM over a DOM that knows no namespaces): the envelope by
namespace, all else by local name; numbers parsed without mercy; whatever is labelled ``application/zip`` and not
called ``.zip`` is unpacked.  ``by_prefix``: readers in .NET and Java that look for ``edXML:…`` by letter, and for
AttachmentEncoded without; dates and numbers that are there must be some.
"""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from io import BytesIO
from xml.dom import minidom
from zipfile import ZipFile

from lxml import etree

from tests.vectors.edxml.producers import NS


class Broken(Exception):
    """The reader gave up."""


Read = dict[str, object]


def java_sdk(body: bytes) -> Read:
    """Subject, recipients, business kind, traces and files."""
    root = etree.fromstring(body)
    envelope = root.find(f"{{{NS}}}edXMLEnvelope")
    if envelope is None:
        raise Broken("no envelope")
    header = _last(envelope, "edXMLHeader")
    message = _last(header, "MessageHeader")
    traces = _last(header, "TraceHeaderList")
    business = _last(traces, "Bussiness")
    kind = paper = 0
    for child in [] if business is None else business:
        if _local(child) == "BussinessDocType":
            kind = _parsed(child)
        if _local(child) == "Paper":
            paper = _parsed(child)
    return {
        "subject": _text(message, "Subject"),
        "to": [_text(to, "OrganId") for to in _all(message, "To")],
        "kind": kind,
        "paper": paper,
        "traces": [_text(trace, "OrganId") for trace in _all(traces, "TraceHeader")],
        "files": _files(root),
    }


def _files(root: etree._Element) -> list[tuple[str, bytes]]:
    files = []
    for attachment in _all(_last(root, "AttachmentEncoded"), "Attachment"):
        name = _text(attachment, "AttachmentName")
        content = b64decode(_text(attachment, "ContentTransferEncoded"))
        is_archive = name.rpartition(".")[2] == "zip"
        if _text(attachment, "ContentType") == "application/zip" and not is_archive:
            with ZipFile(BytesIO(content)) as archive:
                content = archive.read(archive.infolist()[0])
        files.append((name, content))
    return files


def by_prefix(body: bytes) -> Read:
    """Subject, recipients and the names of the files."""
    document = minidom.parseString(body)

    def first(name: str) -> str:
        found = document.getElementsByTagName(name)
        return (
            ""
            if not found
            else "".join(node.data for node in found[0].childNodes if node.nodeType == 3).strip()
        )

    for name in ("edXML:PromulgationDate", "edXML:DueDate"):
        if document.getElementsByTagName(name):
            datetime.strptime(first(name), "%Y/%m/%d")
    for name in ("edXML:Type", "edXML:Priority", "edXML:PromulgationAmount", "edXML:PageAmount"):
        int(first(name) or "0")
    for name in ("edXML:edXMLEnvelope", "edXML:edXMLHeader", "edXML:MessageHeader", "edXML:Code"):
        if not document.getElementsByTagName(name):
            raise Broken(name)
    names = []
    for group in document.getElementsByTagName("AttachmentEncoded"):
        for attachment in group.getElementsByTagName("Attachment"):
            (name,) = attachment.getElementsByTagName("AttachmentName")
            names.append("".join(node.data for node in name.childNodes))
    to = [
        node.getElementsByTagName("edXML:OrganId")[0].firstChild.data
        for node in document.getElementsByTagName("edXML:To")
    ]
    return {"subject": first("edXML:Subject"), "to": to, "files": names}


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _all(parent: etree._Element | None, name: str) -> list[etree._Element]:
    return [] if parent is None else [child for child in parent if _local(child) == name]


def _last(parent: etree._Element | None, name: str) -> etree._Element | None:
    found = _all(parent, name)
    return found[-1] if found else None


def _text(parent: etree._Element | None, name: str) -> str:
    found = _all(parent, name)
    return (found[0].text or "") if found else ""


def _parsed(element: etree._Element) -> int:
    text = element.text or ""
    if not text.removeprefix("-").isdigit():  # Long.parseLong takes no blanks and no nothing
        raise Broken(f"{_local(element)}: {text!r}")
    return int(text)
