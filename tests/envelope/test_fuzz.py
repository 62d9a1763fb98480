"""Mutations of valid documents: whatever the bytes, the answer is a refusal or findings, and soon."""

from __future__ import annotations

import time
from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st

import schemas
from adapters.envelope.rules import rules
from gateway.errors import Refused
from gateway.model.envelope import Edoc, Envelope, Kind, Marks, StatusReport
from gateway.model.finding import Finding, Severity
from tests.envelope.edxml import an_edxml, envelopes, read
from tests.vectors.edxml.producers import edocs, statuses, zipped

SEEDS = sorted((edocs() | statuses()).items())
EDXML = envelopes()
CODES = rules().keys() | schemas.reasons().keys()
PIECES = [
    b"<",
    b">",
    b"&",
    b"\0",
    b"\xff",
    b"]]>",
    b"-->",
    b"<!--",
    b"<![CDATA[",
    b"<!DOCTYPE a>",
    b"&#0;",
    b"&lt;",
    b"&x;",
    b"<?x?>",
    b"cid:",
    b"ContentTransferEncoded",
    b"<ContentTransferEncoded>",
    b"</edXML:MessageHeader>",
    b"<edXML:Subject>M\xe1\xba\xadt</edXML:Subject>",
    b'xmlns="urn:x"',
    b"\xf0\x9f\x98\x80",
    b"PK\x03\x04",
    b"99999999999999999999",
    b"0000/00/00",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid document, bent in up to four places."""
    body = bytearray(draw(st.sampled_from(SEEDS))[1])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        to = min(len(body), at + draw(st.integers(0, 200)))
        match draw(st.sampled_from(["cut", "insert", "double", "move", "flip"])):
            case "cut":
                del body[at:to]
            case "insert":
                body[at:at] = draw(st.sampled_from(PIECES))
            case "double":
                body[at:at] = body[at:to]
            case "move":
                piece = bytes(body[at:to])
                del body[at:to]
                target = draw(st.integers(0, len(body)))
                body[target:target] = piece
            case _:
                if at < len(body):
                    body[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(body)


def judge(body: bytes) -> None:
    """The invariants of any input."""
    start = time.process_time()
    marks, envelope, findings, reason = _look(body)
    if time.process_time() - start > 0.2:  # or was it the garbage of the examples before?
        start = time.process_time()
        _look(body)
        assert time.process_time() - start < 0.2
    assert reason == "" or reason in schemas.reasons()
    if marks is None:
        _is_never_accepted(body)
    assert {f.code for f in findings} <= CODES
    accepted = envelope is not None and not any(f.severity is Severity.ERROR for f in findings)
    if not accepted:
        return
    # what is accepted has passed the look at its header, and looked the same there
    assert marks is not None
    match envelope:
        case Edoc():
            assert marks.kind is Kind.EDOC
            assert (marks.subject, marks.sender) == (envelope.subject, envelope.sender.code)
            assert (marks.type_name, marks.sphere) == (envelope.type_name, envelope.sphere)
        case StatusReport():
            assert (marks.kind, marks.sender) == (Kind.STATUS, envelope.reporter.code)


def _look(body: bytes) -> tuple[Marks | None, Envelope | None, tuple[Finding, ...], str]:
    marks = None
    try:
        marks = EDXML.peek(body, is_whole=True)
        return marks, *read(body), ""
    except Refused as refused:
        return marks, None, (), refused.reason


def _is_never_accepted(body: bytes) -> None:
    """What peek refuses must not be let through by read either."""
    with suppress(Refused):
        envelope, findings = read(body)
        assert envelope is None or any(f.severity is Severity.ERROR for f in findings)


@settings(max_examples=400, deadline=None)
@given(mutated())
@example(b"")
@example(b"\xef\xbb\xbf")
@example(b"<edXML/>" * 2)
def test_a_mutated_document_is_refused_or_found_faulty_or_fine(body: bytes) -> None:
    judge(body)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_mutated_zip_is_a_finding_or_a_file(data: st.DataObject) -> None:
    body = bytearray(zipped(b"%PDF-1.4 " + b"x" * 200))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    judge(an_edxml(attached=bytes(body)))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(body: bytes) -> None:
    judge(body)
