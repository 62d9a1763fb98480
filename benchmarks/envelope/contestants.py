"""Who reads and writes a document: the gateway's adapter, the bare limit, stock DOMs.

``ours``: the look at the header, the reading with every rule, the rendering with our trace.  ``limit``: what nobody
can leave out, by the same libraries: every byte through expat without a handler, base64 both ways, one SHA-256
over the document and one over the file.  ``lxml_dom`` and ``element_tree``: parse into a tree, take the file out, hash it,
append a trace, write the tree; no rules, no bounds, no ZIP.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from pyexpat import ParserCreate
from xml.etree import ElementTree

import pybase64
from lxml import etree

from adapters.envelope.edxml import EdxmlEnvelopes, Options
from benchmarks.envelope.documents import NS, Paper
from gateway.model.envelope import Edoc
from gateway.model.ids import OrganCode
from gateway.model.payload import PayloadRef
from gateway.ports import Vault

AT = datetime(2026, 3, 4, 18, 30, 5, tzinfo=UTC)
HOP = OrganCode("00.53.W00")
_HEAD = 256 * 1024


def ours(paper: Paper, vault: Vault) -> Callable[[], Awaitable[None]]:
    """Look, read, check and write *paper*, which rides along with its reference."""
    envelopes = EdxmlEnvelopes(Options(), vault)
    body = paper.edxml

    async def run() -> None:
        ref = PayloadRef.of(body)
        await _pass(envelopes, ref, body[:_HEAD], is_whole=len(body) <= _HEAD)

    return run


def from_vault(ref: PayloadRef, head: bytes, vault: Vault, options: Options) -> Callable[[], Awaitable[None]]:
    """The same with a document that lies in *vault*, and goes back there."""
    envelopes = EdxmlEnvelopes(options, vault)

    async def run() -> None:
        await _pass(envelopes, ref.bare(), head, is_whole=False)

    return run


async def _pass(envelopes: EdxmlEnvelopes, ref: PayloadRef, head: bytes, *, is_whole: bool) -> None:
    envelopes.peek(head, is_whole=is_whole)
    edoc, findings = await envelopes.read(ref)
    assert isinstance(edoc, Edoc), findings
    await envelopes.render(edoc, hop=HOP, at=AT, sealed={})


def limit(paper: Paper) -> Callable[[], None]:
    """expat, base64 both ways, SHA-256 of document and file."""
    body = paper.edxml
    start = body.index(b"<ContentTransferEncoded>") + len(b"<ContentTransferEncoded>")
    stop = body.index(b"</ContentTransferEncoded>")

    def run() -> None:
        ParserCreate("utf-8").Parse(body, True)
        sha256(body).digest()
        content = pybase64.b64decode(memoryview(body)[start:stop], validate=True)
        sha256(content).digest()
        pybase64.b64encode(content)

    return run


def lxml_dom(paper: Paper) -> Callable[[], None]:
    """lxml's tree."""

    def run() -> None:
        root = etree.fromstring(paper.edxml, etree.XMLParser(resolve_entities=False, huge_tree=True))
        node = root.find(f".//{{{NS}}}ContentTransferEncoded")
        traces = root.find(f".//{{{NS}}}TraceHeaderList")
        assert node is not None
        assert traces is not None
        content = base64.b64decode(node.text or "")
        sha256(content).digest()
        trace = etree.SubElement(traces, f"{{{NS}}}TraceHeader")
        etree.SubElement(trace, f"{{{NS}}}OrganId").text = HOP
        node.text = base64.b64encode(content).decode()
        sha256(etree.tostring(root, encoding="UTF-8", xml_declaration=True)).digest()

    return run


def element_tree(paper: Paper) -> Callable[[], None]:
    """The standard library's tree."""

    def run() -> None:
        root = ElementTree.fromstring(paper.edxml)
        node = root.find(f".//{{{NS}}}ContentTransferEncoded")
        traces = root.find(f".//{{{NS}}}TraceHeaderList")
        assert node is not None
        assert traces is not None
        content = base64.b64decode(node.text or "")
        sha256(content).digest()
        trace = ElementTree.SubElement(traces, f"{{{NS}}}TraceHeader")
        ElementTree.SubElement(trace, f"{{{NS}}}OrganId").text = HOP
        node.text = base64.b64encode(content).decode()
        sha256(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)).digest()

    return run
