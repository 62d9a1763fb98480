"""The header look: whatever ``read`` accepts later, ``peek`` has seen the same, secrecy marks above all."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.envelope import EdxmlEnvelopes, parse
from gateway.errors import Refused
from gateway.model.envelope import Edoc, Kind
from gateway.model.finding import Severity
from gateway.model.payload import PayloadRef
from tests.envelope.edxml import a_status, an_edxml, edoc_of, envelopes, read
from tests.vectors.edxml.producers import NS, edocs

EDXML = envelopes()


def subject_of(body: bytes) -> str:
    return EDXML.peek(body, is_whole=True).subject


def refused(head: bytes, *, is_whole: bool = True) -> str:
    with pytest.raises(Refused) as error:
        EDXML.peek(head, is_whole=is_whole)
    return error.value.reason


@pytest.mark.parametrize(
    "written",
    [
        "Mật",
        "<![CDATA[Mật]]>",
        "M&#x1EAD;t",
        "M&#7853;t",
        "M<!-- -->ậ<?p i?>t",
        "M<![CDATA[ậ]]>t",
        "\n   Mật\t ",
        "M<b>ậ</b>t",
        '<x:y xmlns:x="urn:x">Mật</x:y>',
    ],
)
def test_a_mark_is_seen_however_it_is_written(written: str) -> None:
    assert subject_of(an_edxml(subject=f"<Subject>{written}</Subject>")) == "Mật"


@pytest.mark.parametrize(
    "where",
    [
        {"subject": "<Subject>x</Subject><Subject>Mật</Subject>"},
        {"subject": "<Subject>x</Subject>", "more": "<Content><Subject>Mật</Subject></Content>"},
        {"sender": "<From><OrganId>H53</OrganId><Subject>Mật</Subject></From>"},
        {"more": '<x:Subject xmlns:x="urn:x">Mật</x:Subject>'},
    ],
)
def test_a_mark_is_seen_wherever_in_the_header_it_stands(where: dict[str, str]) -> None:
    assert "Mật" in subject_of(an_edxml(**where)).split("\n")  # type: ignore[arg-type]  # texts only


def test_the_three_fields_are_told_apart() -> None:
    marks = EDXML.peek(
        an_edxml(
            document_type="<DocumentType><TypeName>a</TypeName><TypeName>b</TypeName></DocumentType>",
            other="<OtherInfo><SphereOfPromulgation>c</SphereOfPromulgation></OtherInfo>",
            subject="<Subject>d</Subject>",
        ),
        is_whole=True,
    )
    assert (marks.type_name, marks.sphere, marks.subject) == ("a\nb", "c", "d")


DECOY = "<edXMLHeader><MessageHeader><Subject>x</Subject></MessageHeader></edXMLHeader>"


@pytest.mark.parametrize(
    "decoy",
    [
        f'<e:edXMLEnvelope xmlns:e="urn:x">{DECOY.replace("<", "<e:").replace("<e:/", "</e:")}</e:edXMLEnvelope>',
        f"<other>{DECOY}</other>",
        "<MessageHeader><Subject>x</Subject></MessageHeader>",
        f"<!-- <edXMLEnvelope>{DECOY}</edXMLEnvelope> -->",
        f"<![CDATA[<edXMLEnvelope>{DECOY}</edXMLEnvelope>]]>",
    ],
)
def test_a_decoy_before_the_header_is_not_taken_for_it(decoy: str) -> None:
    assert subject_of(an_edxml(subject="<Subject>Mật</Subject>", around=decoy)) == "Mật"


def test_a_document_with_two_headers_is_never_accepted() -> None:
    """peek sees the first; so read must refuse."""
    body = an_edxml(around=f"<edXMLEnvelope>{DECOY}</edXMLEnvelope>", subject="<Subject>Mật</Subject>")
    assert subject_of(body) == "x"
    assert read(body)[0] is None or any(f.severity is Severity.ERROR for f in read(body)[1])


PLAIN = an_edxml().decode().encode("ascii", "replace").decode()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_only_utf_8_is_read(encoding: str) -> None:
    """Another encoding can't hide a mark: it is refused by both, declared or not."""
    for text in (PLAIN, f'<?xml version="1.0" encoding="{encoding}"?>{PLAIN}'):
        body = text.encode(encoding)
        assert refused(body) == refused(body[:3000], is_whole=False) == "xml-malformed"
        with pytest.raises(Refused, match="UTF-8"):
            read(body)


@pytest.mark.parametrize("encoding", ["windows-1258", "iso-8859-1", "utf-7", "utf-16", "x-made-up"])
def test_another_encoding_may_not_be_declared(encoding: str) -> None:
    body = f'<?xml version="1.0" encoding="{encoding}"?>{PLAIN}'.encode()
    assert refused(body) == "xml-malformed"
    with pytest.raises(Refused, match="UTF-8"):
        read(body)


def test_a_byte_order_mark_of_utf_8_is_fine() -> None:
    assert subject_of(b"\xef\xbb\xbf" + an_edxml()) == "Kết quả"


def test_what_follows_the_header_is_not_looked_at() -> None:
    """The head may be cut anywhere behind it, and what is broken there is found by read."""
    body = an_edxml()
    end = body.index(b"</MessageHeader>") + len(b"</MessageHeader>")
    assert EDXML.peek(body[:end] + b"<<<", is_whole=True) == EDXML.peek(body, is_whole=True)


def test_an_external_dtd_is_not_fetched() -> None:
    for body in (
        b'<!DOCTYPE edXML SYSTEM "file:///etc/passwd"><edXML/>',
        b'<?xml version="1.0" standalone="no"?><!DOCTYPE edXML PUBLIC "a" "b"><edXML/>',
        b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/">%x;]><edXML/>',
    ):
        assert refused(body) == refused(body, is_whole=False) == "xml-forbidden"


def test_a_header_that_is_too_deep_or_too_wide_is_too_costly() -> None:
    assert refused(b"<a>" * 100, is_whole=False) == "xml-too-costly"
    assert refused(b"<a>" + b"<b/>" * 60_000, is_whole=False) == "xml-too-costly"
    wide = b"<a " + b" ".join(b'a%d=""' % i for i in range(17)) + b">"
    assert refused(wide, is_whole=False) == "xml-too-costly"


def test_a_status_code_makes_a_status() -> None:
    assert EDXML.peek(a_status(), is_whole=True).kind is Kind.STATUS
    assert EDXML.peek(a_status(code=""), is_whole=True).kind is Kind.STATUS


@pytest.mark.parametrize(("text", "priority"), [("0", 0), ("4", 4), ("5", None), ("", None), ("²", None)])
def test_a_priority_that_is_none_is_told_as_none(text: str, priority: int | None) -> None:
    body = an_edxml(other=f"<OtherInfo><Priority>{text}</Priority></OtherInfo>")
    assert EDXML.peek(body, is_whole=True).priority == priority


def test_an_ordinary_header_takes_less_than_a_millisecond() -> None:
    body = edocs()["axis"]
    EDXML.peek(body, is_whole=True)
    taken = []
    for _ in range(50):
        start = time.process_time()
        EDXML.peek(body, is_whole=True)
        taken.append(time.process_time() - start)
    assert sorted(taken)[25] < 0.001


# --- peek and read see the same ---------------------------------------------------------------------

_words = st.text(
    st.sampled_from("Mật MẬT tối ế <>&'\"]-\n\té\u0301\u200b"),
    min_size=0,
    max_size=12,
)


@st.composite
def _written(draw: st.DrawFn) -> tuple[str, str]:
    """A text and one of the many ways to write it."""
    plain = draw(_words)
    ways = {
        "escaped": escape(plain),
        "references": "".join(f"&#{ord(c)};" for c in plain),
        "cdata": "".join(f"<![CDATA[{c}]]>" for c in plain),
        "commented": "".join(f"{escape(c)}<!--x-->" for c in plain),
    }
    return plain, draw(st.sampled_from(sorted(ways.items())))[1]


@st.composite
def _documents(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    values = draw(st.lists(_written(), min_size=1, max_size=3))
    subject = "".join(f"<Subject>{way}</Subject>" for _, way in values)
    body = an_edxml(subject=subject).decode()
    prefix = draw(st.sampled_from(["", "edXML:", "ns0:"]))
    if prefix:
        body = re.sub(r"<(/?)(?=[A-Za-z])", rf"<\1{prefix}", body)
        body = body.replace(f'xmlns="{NS}"', f'xmlns:{prefix[:-1]}="{NS}"')
    noise = draw(st.sampled_from(["", "<!-- <Subject>x</Subject> -->", "<?x <Subject>?>"]))
    body = body.replace(f"<{prefix}Code>", f"{noise}<{prefix}Code>", 1)
    return body.encode(), [plain for plain, _ in values]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_documents())
def test_whatever_is_accepted_was_seen_by_peek(document: tuple[bytes, list[str]]) -> None:
    body, plain = document
    expected = "\n".join(text.strip() for text in plain)
    marks = EDXML.peek(body, is_whole=True)
    assert marks.subject == expected
    envelope, findings = read(body)
    if isinstance(envelope, Edoc) and not any(f.severity is Severity.ERROR for f in findings):
        assert (envelope.subject, envelope.type_name, envelope.sphere, envelope.sender.code) == (
            marks.subject,
            marks.type_name,
            marks.sphere,
            marks.sender,
        )
        assert len(plain) == 1


# --- what was peeked at is not parsed again ---------------------------------------------------------


def outcome(adapter: EdxmlEnvelopes, body: bytes) -> object:
    try:
        return asyncio.run(adapter.read(PayloadRef.of(body)))
    except Refused as refused:
        return refused.reason, refused.detail


def test_a_header_that_was_peeked_at_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def counted(*given: str) -> object:
        made.append(given)
        return create(*given)

    create = parse.ParserCreate
    monkeypatch.setattr(parse, "ParserCreate", counted)
    for producer, body in sorted(edocs().items()):
        adapter = envelopes()
        adapter.peek(body, is_whole=True)
        outcome(adapter, body)
        assert len(made) == 1, producer
        outcome(adapter, body)
        assert len(made) == 2, producer
        made.clear()


_NOISE = (
    b"<", b">", b"</MessageHeader>", b"<MessageHeader>", b"&x;", b"&#13;", b"\x00", b"\xff", b"]]>", b"<a>", b"<b/>", b"ch\xe1",
    b"<!-- <ContentTransferEncoded> -->", b"<![CDATA[<ContentTransferEncoded>]]>", b"<ContentTransferEncoded>",
    b"<ContentTransferEncoded/>", b"ContentTransferEncoded", b"<!--", b"-->", b"<?x", b" " * 20_000,
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    producer=st.sampled_from(sorted(edocs())),
    noise=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(_NOISE)), max_size=3),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_a_document_reads_the_same_whether_or_not_it_was_peeked_at(
    producer: str, noise: list[tuple[float, bytes]], cut: float | None
) -> None:
    body = edocs()[producer]
    for where, what in noise:
        at = round(where**4 * len(body))  # most of them in the header
        body = body[:at] + what + body[at:]
    body = body if cut is None else body[: round(cut * len(body))]
    peeked = envelopes()
    with suppress(Refused):
        peeked.peek(body, is_whole=True)
    assert outcome(peeked, body) == outcome(envelopes(), body)


def test_what_begun_otherwise_is_not_gone_on_with() -> None:
    body = an_edxml()
    until = body.index(b"<ContentTransferEncoded>")
    header, begun = parse.parse_header(body, parse.Bounds(), is_whole=True, until=until)
    assert header is not None
    assert begun is not None
    with pytest.raises(ValueError, match="another document"):
        parse.parse(body.replace(b"H53.13", b"H53.14", 1), parse.Bounds(), begun)
    assert parse.parse(body, parse.Bounds(), begun) == parse.parse(body, parse.Bounds())


def test_of_those_that_nobody_reads_few_are_kept() -> None:
    adapter = envelopes()
    for number in range(200):
        adapter.peek(an_edxml(subject=f"<Subject>{number}</Subject>"), is_whole=True)
    assert len(adapter._begun) == 64


@pytest.mark.parametrize(
    "body",
    [
        b'<?xml version="1.0"?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:edXML="http://www.e-doc.vn/Schema/">'
        b"<S:Header><edXML:MessageHeader/></S:Header></S:Envelope>",
        b"<edXML:edXMLEnvelope xmlns:edXML = 'http://www.e-doc.vn/Schema/'/>",
        b"--Boundary\r\nContent-Type: text/xml\r\n\r\n<a/>",
        b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n",
        b"content-type : multipart/related; boundary=x\r\n\r\n",
    ],
)
def test_the_older_form_is_told_by_its_name(body: bytes) -> None:
    with pytest.raises(Refused, match="edxml-older-form"):
        envelopes().peek(body, is_whole=True)
    with pytest.raises(Refused, match="edxml-older-form"):
        read(body)


def test_who_only_speaks_of_the_older_form_is_read() -> None:
    edoc_of(an_edxml(subject="<Subject>xmlns='http://www.e-doc.vn/Schema/'</Subject>"))
