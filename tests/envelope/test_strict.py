"""The one form that we write: checked by our own schema, the same for every producer, signed bytes verbatim."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

import schemas
from adapters.envelope import (
    Correspondent,
    NewEdoc,
    NewFile,
    NewReference,
    NewStatus,
    compose_edoc,
    compose_status,
)
from adapters.envelope.grammar import EDOC, STATUS, Shape
from gateway.errors import Refused
from gateway.model.envelope import Business, Edoc, Priority, StatusReport
from gateway.model.finding import Severity
from gateway.model.ids import OrganCode
from gateway.model.payload import PayloadRef
from tests.builders import an_edoc
from tests.envelope.edxml import an_edxml, codes, edoc_of, envelopes, read
from tests.vectors.edxml.producers import NS, PDF, businesses, edocs, statuses

AT = datetime(2026, 3, 4, 18, 30, 5, tzinfo=UTC)
XSD = etree.XMLSchema(etree.fromstring(schemas.read("edxml.xsd")))
VECTORS = Path(__file__).parents[1] / "vectors" / "edxml"
SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "edxml"


def render(edoc: Edoc, sealed: dict[int, PayloadRef] | None = None) -> bytes:
    out = asyncio.run(envelopes().render(edoc, hop=OrganCode("H53.15"), at=AT, sealed=sealed or {}))
    assert out.body is not None
    return out.body


def is_strict(body: bytes) -> bool:
    """Valid by our schema, prefixes where consumers want them."""
    root = etree.fromstring(body)
    XSD.assertValid(root)
    inside, _, outside = body.partition(b"</edXML:edXMLEnvelope>")
    names = re.findall(rb"<([A-Za-z][\w:]*)", inside)
    signature = re.sub(rb"<Signature.*</Signature>", b"", inside, flags=re.DOTALL)
    assert names[0] == b"edXML"
    bare = [n for n in re.findall(rb"<([A-Za-z][\w:]*)", signature)[1:] if not n.startswith(b"edXML:")]
    return not bare and b"edXML:" not in outside


@pytest.mark.parametrize("name", sorted(edocs() | statuses() | businesses()))
def test_the_vectors_are_what_their_script_makes(name: str) -> None:
    assert (VECTORS / f"{name}.edxml").read_bytes() == (edocs() | statuses() | businesses())[name]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("recall", Business.RECALL), ("recall_by_reference", Business.RECALL)),
        *(("update", Business.UPDATE), ("replace", Business.REPLACE)),
    ],
)
def test_every_business_kind_is_read_without_a_remark_and_written_strictly(name: str, kind: Business) -> None:
    body = businesses()[name]
    assert codes(body) == set()
    edoc = edoc_of(body)
    assert edoc.business is kind
    assert is_strict(render(edoc))


@pytest.mark.parametrize("name", sorted(edocs()))
def test_every_producer_is_read_without_error(name: str) -> None:
    edoc = edoc_of(edocs()[name])
    assert edoc.dated == date(2016, 3, 4)
    assert edoc.business is Business.NEW
    assert edoc.recipients
    assert edoc.attachments
    assert edoc.attachments[0].is_pdf is (name != "other_prefix")


@pytest.mark.parametrize("name", sorted(edocs()))
def test_every_producer_is_written_in_the_same_form_and_loses_nothing(name: str) -> None:
    """read → render → read is the identity, but for labels that lied."""
    edoc = edoc_of(edocs()[name])
    body = render(edoc)
    again = edoc_of(body)
    labels = tuple(a.media_type for a in again.attachments)
    mended = tuple(replace(a, media_type=m) for a, m in zip(edoc.attachments, labels, strict=True))
    assert again == replace(edoc, attachments=mended)
    assert not codes(body) & {"EDX-009", "EDX-050", "EDX-068"}
    if name not in (
        "other_prefix",
        "java_service",
    ):  # they hold elements of edXML's namespace that we do not know
        assert is_strict(body)


def test_writing_what_we_wrote_adds_a_trace_and_nothing_else() -> None:
    first = render(edoc_of(edocs()["axis"]))
    second = render(edoc_of(first))
    trace = (
        b"<edXML:TraceHeader><edXML:OrganId>H53.15</edXML:OrganId>"
        b"<edXML:Timestamp>2026/03/05 01:30:05</edXML:Timestamp></edXML:TraceHeader>"
    )
    assert first.count(trace) == 1
    assert second == first.replace(trace, trace * 2)
    assert second.count(trace) == 2


def test_the_trace_is_in_vietnam_time_behind_the_others() -> None:
    root = etree.fromstring(render(edoc_of(edocs()["axis_reordered"])))
    traces = root.find(f".//{{{NS}}}TraceHeaderList")
    assert traces is not None
    assert [etree.QName(child).localname for child in traces] == ["TraceHeader", "TraceHeader", "Bussiness"]
    assert [child[1].text for child in list(traces)[:2]] == ["2016/03/04 08:30:00", "2026/03/05 01:30:05"]


def test_unknown_elements_and_attributes_are_carried() -> None:
    body = render(edoc_of(edocs()["other_prefix"]))
    root = etree.fromstring(body)
    assert root.findtext(f".//{{{NS}}}Confidence") == "high"
    extra = root.find(".//{urn:vendor}Ext")
    assert extra is not None
    assert extra.get("{urn:vendor}a") == "1&2"
    assert extra.findtext("{urn:vendor}in") == "x < y"
    dotnet = etree.fromstring(render(edoc_of(edocs()["dotnet"])))
    reference = dotnet.find(f".//{{{NS}}}Reference")
    assert reference is not None
    assert reference.get("{http://www.w3.org/1999/xlink}href") == "cid:a-1"


@pytest.mark.parametrize("name", ["axis", "other_prefix", "dotnet"])
def test_a_signature_element_is_carried_as_it_came(name: str) -> None:
    def signatures(body: bytes) -> Iterator[bytes]:
        for node in etree.fromstring(body).iter("{*}Signature", "{*}DigitalSignature"):
            node.tail = None
            yield (
                etree.tostring(node, method="c14n", exclusive=True)
                .replace(b"edXML:", b"")
                .replace(b"n:", b"")
                .replace(b"xmlns:edXML=", b"xmlns=")
            )

    before = list(signatures(edocs()[name]))
    assert before
    assert list(signatures(render(edoc_of(edocs()[name])))) == before


def test_a_wrapped_file_is_wrapped_again_stored_and_dated() -> None:
    edoc = edoc_of(edocs()["axis"])
    sealed = PayloadRef.of(PDF + b"% sealed")
    root = etree.fromstring(render(edoc, {0: sealed}))
    encoded = root.findtext(f".//{{{NS}}}ContentTransferEncoded")
    assert encoded is not None
    with ZipFile(BytesIO(base64.b64decode(encoded))) as archive:
        (entry,) = archive.infolist()
        assert (entry.compress_type, entry.date_time) == (ZIP_STORED, (2026, 3, 5, 1, 30, 4))
        assert re.fullmatch(r"[0-9a-f-]{36}\.pdf", entry.filename)
        assert archive.read(entry) == sealed.body
    types = {node.text for node in root.iter(f"{{{NS}}}ContentType")}
    assert types == {"application/zip"}


def test_labels_follow_the_bytes_in_both_places() -> None:
    root = etree.fromstring(render(edoc_of(edocs()["other_prefix"])))
    assert [node.text for node in root.iter(f"{{{NS}}}ContentType")] == ["application/octet-stream"] * 2


def test_text_is_escaped_as_xml_wants_it() -> None:
    body = an_edxml(subject="<Subject>a &lt;b&gt; &amp;amp; \"c\" 'd' ]]&gt; &#13;e</Subject>")
    edoc = edoc_of(body)
    assert edoc.subject == "a <b> &amp; \"c\" 'd' ]]> \re"
    assert edoc_of(render(edoc)).subject == edoc.subject


def test_an_edoc_that_was_not_read_from_edxml_can_not_be_written() -> None:
    with pytest.raises(Refused, match="dialect-unsupported"):
        render(an_edoc())


_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=30
)
_line = _text.map(str.strip).filter(bool)


@settings(max_examples=100, deadline=None)
@given(
    subject=_line,
    names=st.lists(_line, max_size=4),
    bodies=st.lists(st.binary(min_size=1, max_size=900), min_size=4, max_size=4),
    is_zipped=st.booleans(),
    priority=st.sampled_from(Priority),
    replaced=st.sets(st.integers(0, 3)),
)
def test_reading_undoes_writing(
    subject: str,
    names: list[str],
    bodies: list[bytes],
    is_zipped: bool,
    priority: Priority,
    replaced: set[int],
) -> None:
    """What is composed is strict; what is rendered reads as it was, but for the trace and what was sealed."""
    files = tuple(
        NewFile(name=f"{name}.bin", body=b"-" + body, is_zipped=is_zipped)
        for name, body in zip(names, bodies, strict=False)
    )
    composed = compose_edoc(
        NewEdoc(
            sender=Correspondent(code="H53.13", name=subject),
            recipients=(Correspondent(code="H53.00"), Correspondent(code="000.00.00.H53")),
            number="12",
            notation="BC-STTTT",
            dated=date(2016, 3, 4),
            subject=subject,
            sent_at=AT,
            priority=int(priority),
            files=files,
        )
    )
    edoc = edoc_of(composed)
    assert is_strict(composed)
    assert (edoc.subject, edoc.priority) == (subject, priority)
    assert [a.payload.body for a in edoc.attachments] == [file.body for file in files]
    sealed = {i: PayloadRef.of(b"sealed %d" % i) for i in replaced if i < len(files)}
    rendered = render(edoc, sealed)
    assert is_strict(rendered)
    again = edoc_of(rendered)
    expected = [sealed.get(i, a.payload) for i, a in enumerate(edoc.attachments)]
    assert [a.payload for a in again.attachments] == expected
    assert (again.sender, again.recipients, again.subject) == (edoc.sender, edoc.recipients, edoc.subject)


def test_every_field_that_can_be_composed_is_read_back() -> None:
    body = compose_edoc(
        NewEdoc(
            sender=Correspondent(code="H53.13", name="Sở", in_charge="Tỉnh", address="a", email="b"),
            recipients=(Correspondent(code="H53.00", name="Tỉnh", telephone="1", fax="2", website="c"),),
            number="12",
            notation="BC-STTTT",
            dated=date(2016, 3, 4),
            subject="Trích yếu",
            sent_at=AT,
            official_id="H53.13,2016/03/04,12/BC-STTTT",
            type_code=18,
            type_name="Báo cáo",
            competence="KT.",
            position="Phó Giám đốc",
            signer="Nguyễn Thị Ví Dụ",
            due=date(2016, 4, 1),
            to_places=("Như trên", "Lưu: VT"),
            priority=3,
            sphere="Thống kê",
            pages=4,
            steering=1,
            business=1,
            business_reason="Nhầm",
            business_document="id-0",
            responds_to=(NewReference(organ="H53.00", code="1/A", dated=date(2016, 1, 2), official_id="x"),),
            files=(NewFile(name="a.pdf", body=PDF, description="Tệp"),),
        )
    )
    assert is_strict(body)
    assert codes(body) == set()
    edoc = edoc_of(body)
    assert (edoc.official_id, edoc.sphere, edoc.business) == (
        "H53.13,2016/03/04,12/BC-STTTT",
        "Thống kê",
        Business.RECALL,
    )
    (reference,) = edoc.responds_to
    assert (reference.organ, reference.code, reference.dated) == ("H53.00", "1/A", date(2016, 1, 2))
    assert edoc.attachments[0].description == "Tệp"


def test_a_composed_status_is_strict_and_read_back() -> None:
    body = compose_status(
        NewStatus(
            reporter=Correspondent(code="H53.13", name="Sở"),
            about=NewReference(organ="H53.00", code="1/A", dated=date(2016, 1, 2), official_id="x"),
            code="02",
            description="Sai nơi nhận",
            sent_at=AT,
            staff="Lê Thị Thử",
        )
    )
    assert is_strict(body)
    report, findings = read(body)
    assert isinstance(report, StatusReport)
    assert findings == ()
    assert (report.code, report.description, report.about.official_id) == ("02", "Sai nơi nhận", "x")


def _names(shape: Shape) -> Iterator[str]:
    for name, child in shape.children.items():
        yield name
        yield from _names(child)


def test_the_schema_knows_the_elements_that_the_reader_knows() -> None:
    xs = "{http://www.w3.org/2001/XMLSchema}"
    root = etree.fromstring(schemas.read("edxml.xsd"))
    declared = {str(node.get("name")) for node in root.iter(f"{xs}element")}
    assert declared == {"edXML", *_names(EDOC), *_names(STATUS)}


# --- files of other people --------------------------------------------------------------------------


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples beside this checkout")
def test_every_well_formed_public_sample_is_read_and_every_other_refused() -> None:
    outcomes: dict[str, str] = {}
    for path in sorted(SAMPLES.glob("*.edxml")):
        body = path.read_bytes()
        try:
            etree.fromstring(body)
            is_well_formed = True
        except etree.XMLSyntaxError:
            is_well_formed = False
        try:
            marks = envelopes().peek(body[: 256 * 1024], is_whole=len(body) <= 256 * 1024)
            envelope, findings = read(body)
        except Refused as refused:
            assert not is_well_formed
            outcomes[path.name] = refused.reason
            continue
        assert is_well_formed
        assert envelope is not None
        assert not [f for f in findings if f.severity is Severity.ERROR], findings
        sender = envelope.sender if isinstance(envelope, Edoc) else envelope.reporter
        assert sender.code == marks.sender
        outcomes[path.name] = type(envelope).__name__
        if isinstance(envelope, Edoc):
            rendered = render(envelope)
            assert is_strict(rendered)
            assert edoc_of(rendered) == envelope
    assert set(outcomes.values()) == {"Edoc", "StatusReport", "xml-malformed"}
