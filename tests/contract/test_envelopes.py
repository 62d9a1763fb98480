"""The port ``Envelopes``: the twin and edXML, by the same sentences.

Each implementation comes with a *hand* that writes the same document in its own dialect, well or badly.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

import schemas
from adapters.envelope import (
    Correspondent,
    EdxmlEnvelopes,
    NewEdoc,
    NewFile,
    NewReference,
    NewStatus,
    Options,
    compose_edoc,
    compose_status,
)
from adapters.envelope.rules import rules
from adapters.memory.envelope import MemoryEnvelopes, write_edoc, write_status
from adapters.memory.vault import gathered
from gateway.errors import Refused, Unavailable
from gateway.model.envelope import Edoc, Kind, Organ, Priority, StatusReport
from gateway.model.finding import Severity, worst
from gateway.model.ids import OrganCode
from gateway.model.payload import PayloadRef
from gateway.ports import Envelopes, Vault
from tests.builders import (
    COMMUNE,
    DEPARTMENT,
    NOON,
    PDF,
    PROVINCE,
    a_status,
    an_attachment,
    an_edoc,
)

HOP = OrganCode("000.00.15.H53")


@dataclass
class Shelf:
    """A vault that counts: what ``Envelopes`` may ask for, and must not add to."""

    kept: dict[str, bytes] = field(default_factory=dict)
    puts: int = 0

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        body = await gathered(chunks)
        self.puts += 1
        ref = PayloadRef.of(body)
        self.kept[ref.sha256] = body
        return ref.bare()

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        yield (ref.body if ref.body is not None else await self.read(ref))[start:]

    async def read(self, ref: PayloadRef) -> bytes:
        if ref.loose is not None:
            return ref.loose.read(0, ref.size)
        if ref.sha256 not in self.kept:
            raise Unavailable("payload-missing")
        return self.kept[ref.sha256]


@dataclass(frozen=True, kw_only=True)
class Hand:
    """How one dialect is written."""

    make: Callable[[Vault], Envelopes]
    edoc: Callable[[Edoc], bytes]
    status: Callable[[StatusReport], bytes]
    header_of: Callable[[bytes], bytes]
    with_two_subjects: Callable[[bytes, str], bytes]
    malformed: tuple[bytes, ...]
    forbidden: tuple[bytes, ...]
    of_no_kind: tuple[bytes, ...]
    without_subject_and_recipients: Callable[[bytes], bytes]


def _xml_edoc(edoc: Edoc) -> bytes:
    return compose_edoc(
        NewEdoc(
            sender=Correspondent(code=edoc.sender.code, name=edoc.sender.name),
            recipients=tuple(Correspondent(code=r.code, name=r.name) for r in edoc.recipients),
            number=edoc.code.number,
            notation=edoc.code.notation,
            dated=edoc.dated,
            subject=edoc.subject,
            sent_at=NOON,
            official_id=edoc.official_id,
            type_name=edoc.type_name,
            sphere=edoc.sphere,
            priority=int(edoc.priority or 0),
            signer="Trần Văn Mẫu",
            responds_to=tuple(
                NewReference(organ=r.organ, code=r.code, dated=r.dated, official_id=r.official_id)
                for r in edoc.responds_to
            ),
            files=tuple(
                NewFile(
                    name=a.name,
                    body=a.payload.body or b"",
                    media_type=a.media_type,
                    description=a.description,
                    is_zipped=a.is_zipped,
                )
                for a in edoc.attachments
            ),
        )
    )


def _xml_status(report: StatusReport) -> bytes:
    return compose_status(
        NewStatus(
            reporter=Correspondent(code=report.reporter.code, name=report.reporter.name),
            about=NewReference(
                organ=report.about.organ,
                code=report.about.code,
                dated=report.about.dated,
                official_id=report.about.official_id,
            ),
            code=report.code,
            description=report.description,
            sent_at=NOON,
        )
    )


def _cut(body: bytes, begin: bytes, end: bytes) -> bytes:
    start = body.index(begin)
    return body[:start] + body[body.index(end, start) + len(end) :]


def _xml_poor(body: bytes) -> bytes:
    body = _cut(body, b"<edXML:Subject>", b"</edXML:Subject>")
    return _cut(body, b"<edXML:To>", b"</edXML:To>")


def _json_poor(body: bytes) -> bytes:
    recipients = _cut(body, b'"recipients": [', b"], ")
    return _cut(recipients, b'"subject": "', b'", ')


_END = b"</edXML:MessageHeader>"

EDXML = Hand(
    make=lambda vault: EdxmlEnvelopes(Options(), vault),
    edoc=_xml_edoc,
    status=_xml_status,
    header_of=lambda body: body[: body.index(_END) + len(_END)],
    with_two_subjects=lambda body, text: body.replace(
        _END, f"<edXML:Subject>{text}</edXML:Subject>".encode() + _END
    ),
    malformed=(b"<edXML><a></edXML>", b"not XML", b"", "<edXML/>".encode("utf-16")),
    forbidden=(
        b"<!DOCTYPE edXML><edXML/>",
        b'<!DOCTYPE edXML [<!ENTITY a "b">]><edXML>&a;</edXML>',
        b'<!DOCTYPE edXML SYSTEM "http://127.0.0.1:9/x.dtd"><edXML/>',
        b"<edXML>&nbsp;</edXML>",
    ),
    of_no_kind=(
        b"<html/>",
        b'<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXMLEnvelope><edXMLHeader>'
        b"<MessageHeader><From/></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>",
    ),
    without_subject_and_recipients=_xml_poor,
)
JSON = Hand(
    make=MemoryEnvelopes,
    edoc=write_edoc,
    status=write_status,
    header_of=lambda body: body[: body.index(b"\n") + 1],
    with_two_subjects=lambda body, text: body.replace(
        b'"subject": ', f'"subject": ["{text}", '.encode()
    ).replace(b', "type_name"', b'], "type_name"'),
    malformed=(b"{", b"not JSON", b"", b"[]"),
    forbidden=(b'{"!ENTITY": "a"}',),
    of_no_kind=(b"{}", b'{"kind": "letter"}'),
    without_subject_and_recipients=_json_poor,
)


@pytest.fixture(params=[JSON, EDXML], ids=["memory", "edxml"])
def hand(request: pytest.FixtureRequest) -> Hand:
    chosen: Hand = request.param
    return chosen


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def envelopes(hand: Hand, shelf: Shelf) -> Envelopes:
    return hand.make(shelf)


# --- peek -------------------------------------------------------------------------------------------


def test_the_header_tells_who_sends_how_urgently_and_what_may_be_marked(
    hand: Hand, envelopes: Envelopes
) -> None:
    """What the header tells."""
    body = hand.edoc(an_edoc(priority=Priority.EXPRESS, sphere="Tài chính"))
    marks = envelopes.peek(body, is_whole=True)
    assert (marks.kind, marks.sender, marks.priority) == (Kind.EDOC, PROVINCE, Priority.EXPRESS)
    assert (marks.type_name, marks.sphere) == ("Quyết định", "Tài chính")
    assert marks.subject == "Về việc ban hành quy chế"


def test_the_header_of_a_status_tells_its_reporter(hand: Hand, envelopes: Envelopes) -> None:
    """What the header tells, of the other kind."""
    marks = envelopes.peek(hand.status(a_status()), is_whole=True)
    assert (marks.kind, marks.sender, marks.priority) == (Kind.STATUS, DEPARTMENT, None)


def test_a_head_that_ends_with_the_header_is_enough(hand: Hand, envelopes: Envelopes) -> None:
    """... from the first bytes alone."""
    body = hand.edoc(an_edoc())
    head = hand.header_of(body)
    assert envelopes.peek(head, is_whole=False) == envelopes.peek(body, is_whole=True)


def test_a_head_that_ends_before_the_header_does_is_incomplete(hand: Hand, envelopes: Envelopes) -> None:
    """Raises Refused with header-incomplete (no complete header in head), wherever it is cut."""
    head = hand.header_of(hand.edoc(an_edoc()))
    for length in range(0, len(head) - 1, 7):
        with pytest.raises(Refused) as refused:
            envelopes.peek(head[:length], is_whole=False)
        assert refused.value.reason == "header-incomplete"


def test_a_header_beyond_the_bound_is_incomplete(hand: Hand, envelopes: Envelopes) -> None:
    """No complete header in 256 KiB, though the head that was handed in is longer."""
    body = hand.edoc(an_edoc(subject="x" * 300_000))
    with pytest.raises(Refused) as refused:
        envelopes.peek(body, is_whole=True)
    assert refused.value.reason == "header-incomplete"


def test_every_value_of_a_repeated_field_is_told(hand: Hand, envelopes: Envelopes) -> None:
    """The three texts are where a secrecy mark may stand: none is left out."""
    body = hand.with_two_subjects(hand.edoc(an_edoc(subject="Mật")), "Thường")
    assert sorted(envelopes.peek(body, is_whole=True).subject.split("\n")) == ["Mật", "Thường"]


def test_peek_refuses_what_is_not_well_formed(hand: Hand, envelopes: Envelopes) -> None:
    """Raises Refused with xml-malformed."""
    for body in hand.malformed:
        with pytest.raises(Refused) as refused:
            envelopes.peek(body, is_whole=True)
        assert refused.value.reason == "xml-malformed", body


def test_peek_refuses_what_is_forbidden(hand: Hand, envelopes: Envelopes) -> None:
    """Raises Refused with xml-forbidden (DTD, entities)."""
    for body in hand.forbidden:
        with pytest.raises(Refused) as refused:
            envelopes.peek(body, is_whole=True)
        assert refused.value.reason == "xml-forbidden", body


def test_peek_refuses_what_is_neither_edoc_nor_status(hand: Hand, envelopes: Envelopes) -> None:
    """Raises Refused with kind-unknown."""
    for body in hand.of_no_kind:
        with pytest.raises(Refused) as refused:
            envelopes.peek(body, is_whole=True)
        assert refused.value.reason == "kind-unknown", body


# --- read -------------------------------------------------------------------------------------------


async def test_an_edoc_is_read_with_its_files(hand: Hand, envelopes: Envelopes) -> None:
    """The envelope."""
    edoc = an_edoc(
        DEPARTMENT,
        COMMUNE,
        sphere="Tài chính",
        responds_to=(a_status().about,),
        attachments=(
            an_attachment("tờ trình.pdf", PDF, media_type="application/pdf", description="Tờ trình"),
            an_attachment("số liệu.csv", b"a;b\n1;2\n", media_type="text/csv"),
        ),
    )
    read, findings = await envelopes.read(PayloadRef.of(hand.edoc(edoc)))
    assert worst(findings) is not Severity.ERROR
    assert isinstance(read, Edoc)
    ids = tuple(a.content_id for a in read.attachments)
    assert len(set(ids)) == 2
    expected = tuple(
        replace(a, content_id=content_id) for a, content_id in zip(edoc.attachments, ids, strict=True)
    )
    assert read == replace(edoc, attachments=expected)
    assert [a.payload.body for a in read.attachments] == [a.payload.body for a in edoc.attachments]


async def test_a_status_is_read(hand: Hand, envelopes: Envelopes) -> None:
    """The envelope, of the other kind; an undefined code is carried as it is."""
    report = a_status(
        "09",
        description="Đã chuyển lãnh đạo",
        reporter=Organ(code=OrganCode(DEPARTMENT), name="Sở Thông tin và Truyền thông"),
    )
    read, _ = await envelopes.read(
        PayloadRef.of(hand.status(report))
    )  # that it is undefined is for the rules to say
    assert read == report


async def test_everything_that_is_wrong_is_told_at_once(hand: Hand, envelopes: Envelopes) -> None:
    """... and every finding at once; no envelope where an error leaves none to speak of."""
    body = hand.without_subject_and_recipients(hand.edoc(an_edoc()))
    envelope, findings = await envelopes.read(PayloadRef.of(body))
    assert envelope is None
    assert {"EDX-013", "EDX-035"} <= {f.code for f in findings if f.severity is Severity.ERROR}


async def test_findings_have_codes_that_people_can_look_up(hand: Hand, envelopes: Envelopes) -> None:
    """A finding's code is a rule or a reason."""
    body = hand.without_subject_and_recipients(hand.edoc(an_edoc()))
    _, findings = await envelopes.read(PayloadRef.of(body))
    assert findings
    assert {f.code for f in findings} <= rules().keys() | schemas.reasons().keys()


async def test_what_is_not_well_formed_is_not_read(hand: Hand, envelopes: Envelopes) -> None:
    """Raises Refused with xml-malformed."""
    for body in hand.malformed:
        with pytest.raises(Refused) as refused:
            await envelopes.read(PayloadRef.of(body))
        assert refused.value.reason == "xml-malformed", body


async def test_what_is_forbidden_is_not_read(hand: Hand, envelopes: Envelopes) -> None:
    """Raises Refused with xml-forbidden."""
    for body in hand.forbidden:
        with pytest.raises(Refused) as refused:
            await envelopes.read(PayloadRef.of(body))
        assert refused.value.reason == "xml-forbidden", body


async def test_bytes_that_do_not_ride_along_come_from_the_vault(
    hand: Hand, envelopes: Envelopes, shelf: Shelf
) -> None:
    """Nothing carries bytes where a reference will do."""
    ref = await shelf.put(hand.edoc(an_edoc()))
    assert ref.body is None
    read, _ = await envelopes.read(ref)
    assert isinstance(read, Edoc)


async def test_a_vault_that_does_not_answer_is_no_verdict(hand: Hand, envelopes: Envelopes) -> None:
    """A port raises Unavailable when the world does not answer."""
    with pytest.raises(Unavailable):
        await envelopes.read(PayloadRef.of(hand.edoc(an_edoc())).bare())


async def test_reading_twice_says_the_same(hand: Hand, envelopes: Envelopes) -> None:
    """A port may be called again with the same arguments without harm."""
    ref = PayloadRef.of(hand.edoc(an_edoc()))
    assert await envelopes.read(ref) == await envelopes.read(ref)
    assert envelopes.peek(ref.body or b"", is_whole=True) == envelopes.peek(ref.body or b"", is_whole=True)


# --- render -----------------------------------------------------------------------------------------


async def _read(hand: Hand, envelopes: Envelopes, edoc: Edoc) -> Edoc:
    read, _ = await envelopes.read(PayloadRef.of(hand.edoc(edoc)))
    assert isinstance(read, Edoc)
    return read


async def test_our_trace_is_appended(hand: Hand, envelopes: Envelopes) -> None:
    """... our TraceHeader (hop, at) appended: the traces before it stay, in their order."""
    edoc = await _read(hand, envelopes, an_edoc())
    once = await envelopes.render(edoc, hop=HOP, at=NOON, sealed={})
    again, _ = await envelopes.read(once)
    assert isinstance(again, Edoc)
    twice = await envelopes.render(again, hop=OrganCode("H53.99"), at=NOON, sealed={})
    assert HOP.encode() in (once.body or b"")
    body = twice.body or b""
    assert body.count(HOP.encode()) == 1
    assert body.index(HOP.encode()) < body.index(b"H53.99")


async def test_what_is_rendered_reads_as_it_was(hand: Hand, envelopes: Envelopes) -> None:
    """*edoc* in the strict form: nothing but the trace is new."""
    edoc = await _read(hand, envelopes, an_edoc(DEPARTMENT, COMMUNE, sphere="Y tế"))
    rendered = await envelopes.render(edoc, hop=HOP, at=NOON, sealed={})
    again, _ = await envelopes.read(rendered)
    assert again == edoc


async def test_a_sealed_file_takes_the_place_of_the_one_it_was_made_of(
    hand: Hand, envelopes: Envelopes
) -> None:
    """... sealed attachments in place of theirs; all other bytes verbatim."""
    files = tuple(an_attachment(f"{i}.pdf", PDF + bytes([i])) for i in range(3))
    edoc = await _read(hand, envelopes, an_edoc(attachments=files))
    sealed = PayloadRef.of(PDF + b"sealed")
    rendered = await envelopes.render(edoc, hop=HOP, at=NOON, sealed={1: sealed})
    again, _ = await envelopes.read(rendered)
    assert isinstance(again, Edoc)
    digests = [a.payload.sha256 for a in again.attachments]
    assert digests == [files[0].payload.sha256, sealed.sha256, files[2].payload.sha256]


async def test_sealed_bytes_may_come_from_the_vault(hand: Hand, envelopes: Envelopes, shelf: Shelf) -> None:
    """... also where only their reference is given."""
    edoc = await _read(hand, envelopes, an_edoc())
    sealed = await shelf.put(PDF + b"sealed")
    rendered = await envelopes.render(edoc, hop=HOP, at=NOON, sealed={0: sealed})
    again, _ = await envelopes.read(rendered)
    assert isinstance(again, Edoc)
    assert again.attachments[0].payload == sealed


async def test_the_rendered_body_rides_along_and_nothing_is_stored(
    hand: Hand, envelopes: Envelopes, shelf: Shelf
) -> None:
    """The body rides along; nothing is stored."""
    edoc = await _read(hand, envelopes, an_edoc())
    rendered = await envelopes.render(edoc, hop=HOP, at=NOON, sealed={})
    assert rendered.body is not None
    assert rendered == PayloadRef.of(rendered.body)
    assert shelf.puts == 0


async def test_a_large_rendering_rides_along_or_is_in_the_vault(
    hand: Hand, envelopes: Envelopes, shelf: Shelf
) -> None:
    """... a large one is in the vault, durable; what it was made of need not be."""
    files = (an_attachment("1.bin", os.urandom(1_200_000)), an_attachment("2.pdf", PDF))
    edoc, _ = await envelopes.read(await shelf.put(hand.edoc(an_edoc(attachments=files))))
    assert isinstance(edoc, Edoc)
    shelf.kept.clear()
    rendered = await envelopes.render(edoc, hop=HOP, at=NOON, sealed={})
    assert rendered.body is not None or rendered.sha256 in shelf.kept
    again, _ = await envelopes.read(rendered)
    assert isinstance(again, Edoc)
    assert [a.payload for a in again.attachments] == [a.payload for a in files]


async def test_the_same_arguments_give_the_same_bytes(hand: Hand, envelopes: Envelopes) -> None:
    """The same arguments give the same bytes, and another instant gives others."""
    zipped = an_attachment(is_zipped=True)
    edoc = await _read(hand, envelopes, an_edoc(attachments=(zipped,)))
    first = await envelopes.render(edoc, hop=HOP, at=NOON, sealed={})
    assert await envelopes.render(edoc, hop=HOP, at=NOON, sealed={}) == first
    later = await envelopes.render(edoc, hop=HOP, at=NOON + timedelta(hours=1), sealed={})
    assert later != first
