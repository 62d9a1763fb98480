"""``gateway.ports.Notary``: each sentence of its docstrings, for the twin and for the XAdES notary.

"As it will be stored and sent" is the repetition: a step that runs twice must write the same bytes.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.memory import FixedClock, MemoryDirectory, MemoryNotary
from adapters.signing import KeyRing, Options, XadesNotary
from gateway.errors import Reason
from gateway.model.evidence import EventName, EventReason, Evidence, EvidenceParty
from gateway.model.ids import DocumentId, EvidenceId, MessageId, OrganCode, PartyKey
from gateway.model.log import TreeHead
from gateway.ports import Notary
from tests.pki import NOW, ec_key, pki

SENDER = EvidenceParty(
    key=PartyKey("000.00.00.H53"), code=OrganCode("000.00.00.H53"), name="UBND tỉnh Tây Ninh"
)


@pytest.fixture(params=["memory", "xades"])
def notary(request: pytest.FixtureRequest, tmp_path: Path) -> Notary:
    if request.param == "memory":
        return MemoryNotary()
    pki().agency("gateway", "Vanthu", key=ec_key()).write_pem(tmp_path / "gateway.pem")
    options = Options(keys=tmp_path, organ=OrganCode("000.00.99.H53"), name="Trục Tây Ninh")
    return XadesNotary(KeyRing(options, directory=MemoryDirectory(), clock=FixedClock(NOW)))


def a_party(number: int = 13, name: str = "Sở Thông tin và Truyền thông") -> EvidenceParty:
    code = f"000.00.{number}.H53"
    return EvidenceParty(key=PartyKey(code), code=OrganCode(code), name=name)


def an_evidence(
    event: EventName = EventName.CONTENT_HANDOVER,
    *,
    recipients: tuple[EvidenceParty, ...] = (a_party(),),
    refers_to: EvidenceParty | None = a_party(),  # noqa: B008 - frozen
    reasons: tuple[EventReason, ...] = (),
    message_id: str = "tn-517",
    previous: str = "b" * 64,
) -> Evidence:
    return Evidence(
        id=EvidenceId("3c3ab8f5-9c0d-5b0e-8f51-2a1d5a1f7b10"),
        event=event,
        event_time=NOW + timedelta(minutes=2, microseconds=7),
        reasons=reasons,
        document=DocumentId("01533f4a-1c80-7000-8000-000000000517"),
        message_id=MessageId(message_id),
        sender=SENDER,
        recipients=recipients,
        refers_to=refers_to,
        submitted_at=NOW,
        available_at=NOW + timedelta(minutes=1),
        handed_over_at=NOW + timedelta(minutes=2) if event is EventName.CONTENT_HANDOVER else None,
        content_sha256="a" * 64,
        content_size=234_000,
        expires_at=NOW + timedelta(days=30),
        sequence=2 if refers_to else 0,
        previous=previous,
    )


def test_evidence_names_everything_that_it_attests(notary: Notary) -> None:
    """ "The evidence as signed XML." """
    refusal = EventReason(
        code=Reason("recipient-unknown"), message_vi="Không có cơ quan này.", message_en="No such organ."
    )
    xml = notary.attest(an_evidence(EventName.CONTENT_CONSIGNMENT_FAILURE, reasons=(refusal,))).decode()
    for said in (
        "3c3ab8f5-9c0d-5b0e-8f51-2a1d5a1f7b10",
        "http://uri.etsi.org/19522/Event/ContentConsignmentFailure",
        "recipient-unknown",
        "Không có cơ quan này.",
        "No such organ.",
        "000.00.00.H53",
        "UBND tỉnh Tây Ninh",
        "000.00.13.H53",
        "Sở Thông tin và Truyền thông",
        "01533f4a-1c80-7000-8000-000000000517",
        "tn-517",
        "a" * 64,
        ">234000<",
        "b" * 64,
    ):
        assert said in xml


@pytest.mark.parametrize("event", list(EventName))
def test_every_event_can_be_attested(notary: Notary, event: EventName) -> None:
    """Every ending produces a receipt, so no event may be one that the notary does not know."""
    assert f"/Event/{event}<".encode() in notary.attest(an_evidence(event))


def test_the_same_evidence_gives_the_same_bytes(notary: Notary) -> None:
    """ "As it will be stored and sent": a repeated step changes nothing."""
    assert notary.attest(an_evidence()) == notary.attest(an_evidence())


def test_evidence_that_differs_anywhere_gives_other_bytes(notary: Notary) -> None:
    """The other side of the sentence before."""
    evidence = an_evidence()
    others = [
        replace(evidence, sequence=3),
        replace(evidence, previous="c" * 64),
        replace(evidence, available_at=NOW),
        replace(evidence, handed_over_at=None),
        replace(evidence, content_sha256="d" * 64),
        replace(evidence, event=EventName.CONTENT_CONSIGNMENT),
    ]
    assert len({notary.attest(e) for e in (evidence, *others)}) == 1 + len(others)


def test_an_acceptance_lists_all_its_recipients(notary: Notary) -> None:
    """RecipientDetails 1..n, spec: EN 319 522-3."""
    recipients = tuple(a_party(number) for number in range(1_000))
    xml = notary.attest(
        an_evidence(EventName.SUBMISSION_ACCEPTANCE, recipients=recipients, refers_to=None, previous="")
    )
    assert xml.count(b"<RecipientDetails>") == 1_000


def a_head(size: int = 517, root: str = "c" * 64) -> TreeHead:
    return TreeHead(log=OrganCode("00.53.W00"), size=size, root=root, at=NOW)


def test_a_head_names_everything_that_it_commits_to(notary: Notary) -> None:
    """ "The head of the log as signed XML"; twice the same bytes, and others for another head."""
    xml = notary.vouch(a_head())
    for said in (b"00.53.W00", b"<Size>517</Size>", b"c" * 64):
        assert said in xml
    assert xml == notary.vouch(a_head())
    assert len({xml, notary.vouch(a_head(size=518)), notary.vouch(a_head(root="d" * 64))}) == 3


def test_names_are_text_and_never_markup(notary: Notary) -> None:
    """An organ's name comes from outside."""
    xml = notary.attest(an_evidence(recipients=(a_party(name='</Name><Evil a="1"/>&'),)))
    assert b"<Evil" not in xml


def test_attesting_is_quick(notary: Notary) -> None:
    """ "Under 1 ms; no I/O." The best of many runs: other work on the machine is not ours."""
    evidence, best = an_evidence(), 1.0
    for _ in range(50):
        start = time.perf_counter()
        notary.attest(evidence)
        best = min(best, time.perf_counter() - start)
    assert best < 0.001
