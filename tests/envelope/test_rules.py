"""Each named rule, broken once: the table is the specification of what we let in."""

from __future__ import annotations

import pytest

import schemas
from adapters.envelope.dates import stamp_as_written
from adapters.envelope.rules import rules
from gateway.errors import ConfigError
from gateway.model.envelope import Edoc, StatusReport
from gateway.model.finding import Severity
from tests.envelope.edxml import a_status, an_attachment, an_edxml, codes, edoc_of, envelopes, errors, read
from tests.vectors.edxml.producers import PDF, b64, businesses

ORGAN = "<OrganId>{}</OrganId><OrganName>x</OrganName>"


def _to(code: str) -> str:
    return f"<To>{ORGAN.format(code)}</To>"


def _traced(business: str) -> str:
    return (
        "<TraceHeaderList><TraceHeader><OrganId>H53</OrganId><Timestamp>2016/03/04 08:00:00</Timestamp>"
        f"</TraceHeader><Bussiness>{business}</Bussiness></TraceHeaderList>"
    )


def _responding(inner: str) -> str:
    return f"<ResponseFor>{inner}</ResponseFor>"


def _updated(info: str) -> str:
    return _traced(
        "<DocumentId>x</DocumentId><BussinessDocType>2</BussinessDocType>"
        f"<BussinessDocumentInfo>{info}</BussinessDocumentInfo>"
    )


def _receivers(inner: str) -> str:
    return f"<DocumentReceiver>1</DocumentReceiver><ReceiverList><Receiver>{inner}</Receiver></ReceiverList>"


ONE = an_attachment("1", "a.pdf", b64(PDF))

BROKEN = {
    "EDX-001": [b"<edXML/>", an_edxml().replace(b"MessageHeader", b"Massage"), an_edxml(around="<edXMLEnvelope/>")],
    "EDX-002": [
        an_edxml(subject="<Subject>a</Subject><Subject>b</Subject>"),
        an_edxml(sender="<From><OrganId>H53</OrganId><OrganId>H54</OrganId></From>"),
        an_edxml(around="<AttachmentEncoded/>"),
        an_edxml().replace(b"</edXMLHeader>", b"<MessageHeader><Subject>x</Subject></MessageHeader></edXMLHeader>"),
    ],
    "EDX-003": [
        an_edxml(subject="<Subject>a<b/>c</Subject>"),
        an_edxml(sender=f"<From>{ORGAN.format('<x/>H53')}</From>"),
        an_edxml(attachments=an_attachment("1", "a.pdf", b64(PDF) + "<x/>")),
    ],
    "EDX-004": [an_edxml(more="<Confidence>1</Confidence>"), an_edxml(more='<v:E xmlns:v="urn:v"/>')],
    "EDX-005": [an_edxml(code="<Code>12<CodeNumber>1</CodeNumber><CodeNotation>B</CodeNotation></Code>")],
    "EDX-006": [an_edxml(subject=f"<Subject>{'x' * 10_001}</Subject>")],
    "EDX-007": [
        an_edxml(subject=f"<Subject>{'x' * 501}</Subject>"),
        a_status(description=f"<Description>{'x' * 1001}</Description>"),
    ],
    "EDX-008": [
        an_edxml(other=f"<OtherInfo><PageAmount>{text}</PageAmount></OtherInfo>") for text in ("bốn", "-4", "1.5")
    ],
    "EDX-009": [
        an_edxml(promulgation="<PromulgationInfo><PromulgationDate>04/03/2016</PromulgationDate></PromulgationInfo>"),
        an_edxml(more="<DueDate>2016/03/04 00:00:00</DueDate>"),
        a_status(timestamp="<Timestamp>04/03/2016 09:00:00</Timestamp>"),
    ],
    "EDX-017": [an_edxml(other="<OtherInfo><Direction>đi</Direction></OtherInfo>")],
    "EDX-022": [
        an_edxml().replace(b"edXMLManifest", b"Manifest"),
        a_status().replace(b"MessageHeader", b"Status"),
        an_edxml(traces=_traced("").replace("Bussiness", "Business")),
        an_edxml(traces=_traced("<BusinessDocType>0</BusinessDocType>")),
    ],
    "EDX-018": [an_edxml(to=_to("H53.13"))],
    "EDX-010": [an_edxml(sender=""), an_edxml(sender=f"<From>{ORGAN.format('H53')}</From>" * 2), a_status(sender="")],
    "EDX-011": [
        an_edxml(sender="<From><OrganName>x</OrganName></From>"),
        an_edxml(sender=f"<From><From>{ORGAN.format('H53')}</From></From>"),
        an_edxml(to="<To><OrganId> </OrganId></To>"),
        a_status(sender="<From/>"),
    ],
    "EDX-012": [
        an_edxml(to=_to("H" * 36)),
        an_edxml(to=_to("H53;H54")),
        an_edxml(sender=f"<From>{ORGAN.format('Sở')}</From>"),
    ],
    "EDX-013": [an_edxml(to="")],
    "EDX-014": [an_edxml(to=_to("H53.00") + _to("H53.01") + _to("H53.00"))],
    "EDX-015": [an_edxml(to="".join(_to(f"H53.{i}") for i in range(1001)))],
    "EDX-016": [an_edxml(to="<To><OrganId>H53.00</OrganId></To>")],
    "EDX-020": [an_edxml(document_id="")],
    "EDX-021": [an_edxml(document_id=f"<DocumentId>{'x' * 256}</DocumentId>")],
    "EDX-023": [an_edxml(document_id=f"<DocumentId>{text}</DocumentId>") for text in ("12", "a,b,c/d", "1,2016/03/04,c")],
    "EDX-024": [
        an_edxml(document_id=f"<DocumentId>{text}</DocumentId>")
        for text in ("H53.14,2016/03/04,12/BC-STTTT", "H53.13,2016/03/05,12/BC-STTTT", "H53.13,2016/03/04,13/BC")
    ],
    "EDX-025": [an_edxml(document_id=f"<DocumentId>{'x' * 76}</DocumentId>")],
    "EDX-030": [an_edxml(code=""), an_edxml(code="<Code><CodeNumber>12</CodeNumber></Code>")],
    "EDX-031": [
        an_edxml(promulgation=""),
        an_edxml(promulgation="<PromulgationInfo><PromulgationDate>2016/02/30</PromulgationDate></PromulgationInfo>"),
        an_edxml(promulgation="<PromulgationInfo><PromulgationDate>hôm nay</PromulgationDate></PromulgationInfo>"),
    ],
    "EDX-033": [
        an_edxml(promulgation="<PromulgationInfo><PromulgationDate>2016/03/04</PromulgationDate></PromulgationInfo>")
    ],
    "EDX-034": [
        an_edxml(document_type=""),
        an_edxml(document_type="<DocumentType><Type>QĐ</Type><TypeName>x</TypeName></DocumentType>"),
    ],
    "EDX-035": [an_edxml(subject=""), an_edxml(subject="<Subject> </Subject>")],
    "EDX-036": [an_edxml(signer="")],
    "EDX-037": [an_edxml(more="<DueDate>sớm</DueDate>")],
    "EDX-038": [an_edxml(other=f"<OtherInfo><Priority>{text}</Priority></OtherInfo>") for text in ("5", "-1", "khẩn")],
    "EDX-039": [an_edxml(more=f"<SteeringType>{text}</SteeringType>") for text in ("4", "-1", "chỉ đạo")],
    "EDX-040": [an_edxml(more="<DueDate>2016/03/03</DueDate>"), an_edxml(more="<DueDate>03/03/2016</DueDate>")],
    "EDX-041": [an_edxml(document_type="<DocumentType><Type>1</Type></DocumentType>")],
    "EDX-042": [an_edxml(more=_responding("<Code>1/A</Code>")), an_edxml(more=_responding("<OrganId>?</OrganId>"))],
    "EDX-043": [an_edxml(more=_responding("<OrganId>H53</OrganId><PromulgationDate>x</PromulgationDate>"))],
    "EDX-044": [an_edxml(other="")],
    "EDX-050": [an_edxml(traces="")],
    "EDX-051": [
        an_edxml(traces="<TraceHeaderList><TraceHeader><OrganId>H53</OrganId></TraceHeader></TraceHeaderList>"),
        an_edxml(
            traces="<TraceHeaderList><TraceHeader><OrganId>H53</OrganId><Timestamp>2016-03-04</Timestamp>"
            "</TraceHeader></TraceHeaderList>"
        ),
    ],
    "EDX-048": [
        an_edxml(
            traces="<TraceHeaderList>"
            + "".join(
                f"<TraceHeader><OrganId>H53</OrganId><Timestamp>2016/03/0{day} 08:00:00</Timestamp></TraceHeader>"
                for day in (5, 4)
            )
            + "</TraceHeaderList>"
        )
    ],
    "EDX-047": [
        an_edxml(other="<OtherInfo><Priority>4</Priority></OtherInfo>"),
        an_edxml(other="<OtherInfo><Priority>4</Priority></OtherInfo>", more="<DueDate>2016/03/31</DueDate>"),
        an_edxml(other="<OtherInfo><Priority>4</Priority></OtherInfo>", more="<DueDate>2016/03/31 00:00:00</DueDate>"),
    ],
    "EDX-049": [an_edxml(attached=b"no PDF", name="a.txt")],
    "EDX-052": [an_edxml(traces=_traced(f"<BussinessDocType>{text}</BussinessDocType>")) for text in ("4", "mới")],
    "EDX-053": [an_edxml(traces=_traced("<BussinessDocType>1</BussinessDocType>"))],
    "EDX-054": [
        an_edxml(traces=_traced("<BussinessDocType>2</BussinessDocType>")),
        an_edxml(traces=_traced("<BussinessDocType>2</BussinessDocType><DocumentId>x</DocumentId>")),
    ],
    "EDX-055": [
        an_edxml(traces=_traced("<BussinessDocType>3</BussinessDocType>")),
        an_edxml(
            traces=_traced(
                "<BussinessDocType>3</BussinessDocType><ReplacementInfoList><ReplacementInfo>"
                "<OrganIdList><OrganId>H53</OrganId></OrganIdList></ReplacementInfo></ReplacementInfoList>"
            )
        ),
    ],
    "EDX-026": [
        an_edxml(
            traces=_traced(
                "<BussinessDocType>3</BussinessDocType><ReplacementInfoList><ReplacementInfo><DocumentId>x</DocumentId>"
                f"{organs}</ReplacementInfo></ReplacementInfoList>"
            )
        )
        for organs in ("", "<OrganIdList/>", "<OrganIdList><OrganId/></OrganIdList>")
    ],
    "EDX-056": [
        an_edxml(traces=_updated("<DocumentInfo>2</DocumentInfo>")),
        an_edxml(traces=_updated("<DocumentReceiver>có</DocumentReceiver>")),
        an_edxml(traces=_updated(_receivers("<OrganId>H53</OrganId><ReceiverType>2</ReceiverType>"))),
    ],
    "EDX-057": [
        an_edxml(traces=_updated("<DocumentReceiver>1</DocumentReceiver>")),
        an_edxml(traces=_updated(_receivers("<OrganId>H53</OrganId>"))),
        an_edxml(traces=_updated(_receivers("<ReceiverType>1</ReceiverType>"))),
    ],
    "EDX-058": [an_edxml(traces=_updated("<DocumentInfo>0</DocumentInfo><DocumentReceiver>0</DocumentReceiver>"))],
    "EDX-059": [
        an_edxml(traces=_updated("<DocumentInfo>1</DocumentInfo>").replace(">2<", ">0<")),
        an_edxml(
            traces=_traced(
                "<ReplacementInfoList><ReplacementInfo><DocumentId>x</DocumentId></ReplacementInfo></ReplacementInfoList>"
            )
        ),
    ],
    "EDX-060": [an_edxml(references="", attachments="")],
    "EDX-061": [an_edxml(attachments="")],
    "EDX-062": [an_edxml(references="", attachments=ONE)],
    "EDX-063": [
        an_edxml(attachments=ONE * 2),
        an_edxml(references="<Reference><ContentId>cid:</ContentId></Reference>", attachments=ONE),
    ],
    "EDX-064": [
        an_edxml(
            references="<Reference><ContentId>1</ContentId></Reference>",
            attachments=an_attachment("1", "", b64(PDF)),
        )
    ],
    "EDX-065": [an_edxml(attachments=an_attachment("1", "b.pdf", b64(PDF)))],
    "EDX-066": [
        an_edxml(attachments=an_attachment("1", "a.pdf", text))
        for text in ("!!!!", "QUJD=QUJD", "QUJ", "QUJD-_" * 500, "QUJD" * 500 + "é", "QUJD&#33;")
    ],
    "EDX-067": [an_edxml(attachments=an_attachment("1", "a.pdf", "")), an_edxml(attachments=ONE[:20] + ONE[20:].replace(b64(PDF), " "))],
    "EDX-068": [an_edxml(attachments=an_attachment("1", "a.pdf", b64(PDF), "text/plain"))],
    "EDX-069": [
        an_edxml(
            references="".join(f"<Reference><ContentId>{i}</ContentId></Reference>" for i in range(101)),
            attachments="".join(an_attachment(str(i), "a.pdf", "QUJD") for i in range(101)),
        )
    ],
    "EDX-077": [
        an_edxml(
            references="".join(f"<Reference><ContentId>{i}</ContentId></Reference>" for i in (1, 2)),
            attachments="".join(an_attachment(str(i), "a.pdf", b64(PDF)) for i in (1, 2)),
        )
    ],
    "EDX-078": [an_edxml(name=name) for name in ("../a.pdf", "a&#9;.pdf", "C:\\a.pdf", "..")],
    "EDX-081": [
        a_status(about=""),
        a_status(about="<ResponseFor><Code>1/A</Code></ResponseFor>"),
        a_status(about="<ResponseFor><OrganId>H53</OrganId><Code>1/A</Code></ResponseFor>" * 2),
    ],
    "EDX-082": [a_status(about="<ResponseFor><OrganId>H53</OrganId></ResponseFor>")],
    "EDX-083": [a_status(code="1"), a_status(code=""), a_status(code="đến")],
    "EDX-045": [a_status(staff="")],
    "EDX-046": [a_status(description=""), a_status(description="<Description> </Description>")],
    "EDX-080": [a_status(code="14")],
    "EDX-084": [a_status(code=code) for code in ("00", "07", "12", "17", "99")],
    "EDX-086": [a_status(code="13", description="")],
    "EDX-085": [a_status(code="02", description="")],
    "EDX-087": [a_status(timestamp=""), a_status(timestamp="<Timestamp>04/03/2016</Timestamp>")],
    "EDX-088": [
        a_status(beside=f"<AttachmentEncoded>{ONE}</AttachmentEncoded>"),
        a_status(beside="<AttachmentEncoded/>"),
    ],
    "EDX-089": [a_status(description=f"<!--{'x' * 262_144}-->")],
}  # fmt: skip
ELSEWHERE = {*(f"EDX-07{i}" for i in range(7)), "EDX-079"}  # tests/envelope/test_files.py


def test_the_ordinary_documents_break_no_rule() -> None:
    assert codes(an_edxml()) == set()
    assert codes(a_status()) == set()


@pytest.mark.parametrize(
    ("rule", "body"), [(rule, body) for rule, bodies in BROKEN.items() for body in bodies]
)
def test_a_broken_rule_is_told_with_its_weight_and_in_both_languages(rule: str, body: bytes) -> None:
    envelope, findings = read(body)
    finding = next(f for f in findings if f.code == rule)
    entry = rules()[rule]
    assert finding.severity is entry.severity
    assert (finding.message, finding.message_vi) == (entry.en, entry.vi)
    if entry.is_fixed:
        assert finding.severity is Severity.ERROR
    if not errors(body):
        assert isinstance(envelope, Edoc | StatusReport)


def test_every_rule_has_a_document_that_breaks_it() -> None:
    assert rules().keys() == BROKEN.keys() | ELSEWHERE


def test_every_rule_says_where_it_is_from() -> None:
    for rule in rules().values():
        assert rule.source in ("S", "I", "M", "V"), rule
        assert rule.vi.endswith("."), rule
        assert rule.en.endswith("."), rule
    assert not rules().keys() & schemas.reasons().keys()


def test_a_severity_can_be_changed_by_configuration() -> None:
    body = an_edxml(subject="")
    assert "EDX-035" in errors(body)
    assert edoc_of(body, severities={"EDX-035": Severity.WARNING}).subject == ""
    strict = {"EDX-060": Severity.ERROR}
    assert errors(an_edxml(references="", attachments=""), severities=strict) == {"EDX-060"}


def test_a_fixed_severity_and_an_unknown_rule_are_configuration_errors() -> None:
    with pytest.raises(ConfigError, match="EDX-010"):
        envelopes(severities={"EDX-010": Severity.INFO})
    with pytest.raises(ConfigError, match="EDX-999"):
        envelopes(severities={"EDX-999": Severity.INFO})


def test_a_thousand_mistakes_of_a_kind_are_counted_not_listed() -> None:
    _, findings = read(an_edxml(to="".join(_to("!" + str(i)) for i in range(900))))
    assert len(findings) == 21
    assert findings[-1].detail == "and 880 more"


def test_findings_hold_no_more_of_a_value_than_a_line() -> None:
    _, findings = read(an_edxml(more=f"<DueDate>{'x' * 5000}</DueDate>"))
    assert all(len(f.detail) <= 81 for f in findings)


def test_an_empty_response_for_is_how_some_producers_say_none() -> None:
    body = an_edxml(more=_responding("<OrganId></OrganId><Code></Code><PromulgationDate></PromulgationDate>"))
    assert codes(body) == set()
    assert edoc_of(body).responds_to == ()


def test_missing_options_have_defaults() -> None:
    edoc = edoc_of(an_edxml(other="", traces="", document_id=""))
    assert (edoc.priority, edoc.business.name, edoc.official_id) == (None, "NEW", "")


def test_of_several_lists_of_replacements_none_is_overlooked() -> None:
    """The national axis' library writes as many as its caller puts in."""
    edoc = edoc_of(businesses()["replace"])
    assert [(str(one.original.official_id)[-11:], len(one.organs)) for one in edoc.amends.replaces] == [
        ("515/QĐ-UBND", 1),
        ("516/QĐ-UBND", 2),
    ]


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ("2016/03/04 09:00:00", "2016/03/04 09:00:00"),
        ("04/03/2016 09:00:00", "2016/03/04 09:00:00"),
        ("2016-03-04 9:00", "2016/03/04 09:00:00"),
        ("2016-03-04T09:00:00.123", "2016/03/04 09:00:00"),
        ("2016-03-04T09:00:00+07:00", "2016/03/04 09:00:00"),
        ("2016-03-04T02:00:00Z", "2016/03/04 09:00:00"),
        ("2016-03-03T21:00:00-0500", "2016/03/04 09:00:00"),
        ("2016/02/30 09:00:00", "2016/02/30 09:00:00"),
        ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59-12:00"),
        ("2016-03-04T09:00:00+99:00", "2016-03-04T09:00:00+99:00"),
        ("2016/03/04", "2016/03/04"),
        ("3/4/2016 8:30:00 AM", "3/4/2016 8:30:00 AM"),
    ],
)
def test_instants_are_written_as_the_standard_has_them(told: str, written: str) -> None:
    assert stamp_as_written(told) == written
    trace = f"<TraceHeader><OrganId>H53</OrganId><Timestamp>{told}</Timestamp></TraceHeader>"
    edoc = edoc_of(an_edxml(traces=f"<TraceHeaderList>{trace}</TraceHeaderList>"))
    assert f">{written}</edXML:Timestamp>".encode() in edoc.skeleton
