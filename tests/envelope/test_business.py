"""What ``Bussiness`` says: the names that a recall, an update or a replacement gives the documents before it."""

from __future__ import annotations

import pytest

from gateway.model.envelope import Amendment, Business, Edoc
from tests.envelope.edxml import an_edxml, codes, edoc_of

OWN = "H53.13,2016/03/04,12/BC-STTTT"
ANSWERED = (
    "<ResponseFor><OrganId>H53.00</OrganId><Code>9/QĐ</Code><PromulgationDate>2016/01/02</PromulgationDate>"
    "<DocumentId>nine</DocumentId></ResponseFor>"
)


def an_amendment(business: str, *, more: str = "", kind: int = 1, files: bool = False) -> bytes:
    traces = (
        "<TraceHeaderList><TraceHeader><OrganId>H53.13</OrganId><Timestamp>2016/03/04 08:00:00</Timestamp>"
        f"</TraceHeader><Bussiness>{business}<BussinessDocType>{kind}</BussinessDocType>"
        "<BussinessDocReason>Sai số</BussinessDocReason></Bussiness></TraceHeaderList>"
    )
    without = {} if files else {"references": "", "attachments": ""}
    return an_edxml(traces=traces, more=more, **without)


def names(edoc: Edoc) -> list[str]:
    """The official ids under which the original is looked for, in order."""
    return [reference.official_id for reference in edoc.amends.originals]


@pytest.mark.parametrize(
    ("business", "more", "wanted"),
    [
        ("<DocumentId>eight</DocumentId>", "", ["eight"]),
        ("<DocumentId>eight</DocumentId>", ANSWERED, ["eight"]),
        ("", ANSWERED, ["nine", OWN]),
        ("", "", [OWN]),
    ],
)
def test_a_recall_names_its_document_in_one_of_three_places(
    business: str, more: str, wanted: list[str]
) -> None:
    edoc = edoc_of(an_amendment(business, more=more))
    assert edoc.business is Business.RECALL
    assert edoc.amends.reason == "Sai số"
    assert names(edoc) == wanted


def test_a_recall_that_names_nothing_but_itself_goes_on_with_a_warning() -> None:
    assert "EDX-053" in codes(an_amendment(""))
    assert "EDX-053" not in codes(an_amendment("", more=ANSWERED))


@pytest.mark.parametrize(("kind", "is_told"), [(0, True), (1, False), (2, False), (3, True)])
def test_a_recall_or_an_update_need_bring_no_file(kind: int, is_told: bool) -> None:
    assert ("EDX-060" in codes(an_amendment("<DocumentId>x</DocumentId>", kind=kind))) is is_told


def test_the_document_id_of_a_new_document_means_nothing() -> None:
    edoc = edoc_of(an_amendment("<DocumentId>eight</DocumentId>", kind=0, files=True))
    assert (edoc.business, edoc.amends) == (Business.NEW, Amendment())


def test_an_update_says_who_is_added_and_who_removed_and_added_wins() -> None:
    receivers = "".join(
        f"<Receiver><OrganId>{code}</OrganId><ReceiverType>{kind}</ReceiverType></Receiver>"
        for code, kind in (("H53.1", 0), ("H53.2", 1), ("H53.3", 0), ("H53.3", 1))
    )
    info = f"<DocumentReceiver>1</DocumentReceiver><ReceiverList>{receivers}</ReceiverList>"
    edoc = edoc_of(
        an_amendment(
            f"<DocumentId>eight</DocumentId><BussinessDocumentInfo>{info}</BussinessDocumentInfo>", kind=2
        )
    )
    assert names(edoc) == ["eight"]
    assert [organ.code for organ in edoc.amends.added] == ["H53.2", "H53.3"]
    assert [organ.code for organ in edoc.amends.removed] == ["H53.1"]


def test_a_replacement_names_documents_and_for_whom_and_one_named_twice_is_one() -> None:
    def info(document: str, *organs: str) -> str:
        listed = "".join(f"<OrganId>{organ}</OrganId>" for organ in organs)
        return (
            f"<ReplacementInfo><DocumentId>{document}</DocumentId><OrganIdList>{listed}</OrganIdList>"
            "</ReplacementInfo>"
        )

    infos = info("a", "H53.1") + info("a", "H53.2") + info("b")
    edoc = edoc_of(an_amendment(f"<ReplacementInfoList>{infos}</ReplacementInfoList>", kind=3, files=True))
    assert [(one.original.official_id, one.organs) for one in edoc.amends.replaces] == [
        ("a", ("H53.1", "H53.2")),
        ("b", ()),
    ]
