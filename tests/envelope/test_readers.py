"""What we write is read by readers with the habits of public consumers; and forwarding changes only what must change."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from adapters.envelope.convert import of_edoc, write_edxml
from gateway.model.envelope import Edoc
from gateway.model.ids import OrganCode
from gateway.model.payload import PayloadRef
from tests.envelope import readers
from tests.envelope.edxml import an_edxml, edoc_of, envelopes
from tests.vectors.edxml.producers import PDF, businesses, edocs

AT = datetime(2026, 3, 4, 18, 30, 5, tzinfo=UTC)
ALL = edocs() | businesses()
_TRACE = (
    b"<edXML:TraceHeader><edXML:OrganId>H53.15</edXML:OrganId>"
    b"<edXML:Timestamp>2026/03/05 01:30:05</edXML:Timestamp></edXML:TraceHeader>"
)


def render(edoc: Edoc, sealed: dict[int, PayloadRef] | None = None) -> bytes:
    out = asyncio.run(envelopes().render(edoc, hop=OrganCode("H53.15"), at=AT, sealed=sealed or {}))
    assert out.body is not None
    return out.body


@pytest.mark.parametrize("name", ALL)
def test_the_national_axis_reads_what_we_write(name: str) -> None:
    edoc = edoc_of(ALL[name])
    told = readers.java_sdk(render(edoc))
    assert told["subject"] == edoc.subject
    assert told["to"] == [organ.code for organ in edoc.recipients]
    assert told["kind"] == int(edoc.business)
    assert told["files"] == [(one.name, one.payload.body) for one in edoc.attachments]
    assert isinstance(told["traces"], list)
    assert told["traces"][-1] == "H53.15"


@pytest.mark.parametrize("name", ALL)
def test_those_who_look_for_the_prefix_read_what_we_write(name: str) -> None:
    edoc = edoc_of(ALL[name])
    told = readers.by_prefix(render(edoc))
    assert told == {
        "subject": edoc.subject,
        "to": [organ.code for organ in edoc.recipients],
        "files": [one.name for one in edoc.attachments],
    }


def test_what_some_producers_write_breaks_these_readers_and_what_we_make_of_it_does_not() -> None:
    with pytest.raises(readers.Broken, match="Paper"):
        readers.java_sdk(edocs()["dotnet_sdk"])
    with pytest.raises(readers.Broken, match="edXMLEnvelope"):
        readers.by_prefix(edocs()["php"])


@pytest.mark.parametrize("name", ALL)
def test_forwarding_adds_our_trace_and_exchanges_what_was_sealed(name: str) -> None:
    """All other bytes of the strict form stay: compared letter by letter, base64 aside."""
    edoc = edoc_of(ALL[name])
    before = write_edxml(of_edoc(edoc, [one.payload.body or b"" for one in edoc.attachments]))
    sealed = {0: PayloadRef.of(b"%PDF-1.4 sealed")} if edoc.attachments[0].is_pdf else {}
    after = render(edoc, sealed)
    assert after.count(_TRACE) == 1
    without = after.replace(_TRACE, b"").replace(b"<edXML:TraceHeaderList></edXML:TraceHeaderList>", b"")
    assert _outline(without) == _outline(before)
    again = edoc_of(after)
    for at, (old, new) in enumerate(zip(edoc.attachments, again.attachments, strict=True)):
        expected = sealed.get(at, old.payload)
        assert new.payload.sha256 == expected.sha256 == sha256(new.payload.body or b"").hexdigest()


def _outline(body: bytes) -> bytes:
    return re.sub(rb"(<ContentTransferEncoded[^>]*>)[^<]*", rb"\1", body)


def test_a_file_that_is_not_wrapped_is_forwarded_letter_by_letter() -> None:
    body = an_edxml(attached=PDF)
    assert b64encode(PDF) in render(edoc_of(body))
