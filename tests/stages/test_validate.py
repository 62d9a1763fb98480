"""validate: what stops a document, and what only makes a remark."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from gateway.model.document import Dossier, Refusal, Valid, ValidStatus
from gateway.model.envelope import Business, Due, Priority
from gateway.model.finding import Finding, Severity
from gateway.model.journey import HandOverState, Status
from gateway.model.policy import Acceptance, Attitude
from gateway.model.signature import Verdict
from gateway.stages import validate
from tests import builders as b


def _finding(severity: Severity, code: str = "pdf-encrypted") -> Finding:
    return Finding(code=code, severity=severity)


def _judge(*examined, edoc=None, findings=(), acceptance=None, lane=None, submission=None):
    return validate.judge(
        b.received(priority=(edoc or b.an_edoc()).priority or Priority.ORDINARY)
        if submission is None
        else submission,
        edoc or b.an_edoc(),
        examined,
        findings,
        acceptance or Acceptance(),
        lane_is_urgent=lane,
    )


@pytest.mark.parametrize(
    ("name", "body", "opened"),
    [("a.pdf", b.PDF, True), ("a.PDF ", b"no pdf", True), ("a.doc", b.PDF, True), ("a.doc", b"x", False)],
)
def test_what_is_or_claims_to_be_a_pdf_is_opened(name, body, opened):
    assert validate.needs_inspection(b.an_attachment(name, body)) is opened


def test_an_unsigned_main_document_is_accepted_with_a_warning():
    answer = _judge(b.examined(Verdict.UNSIGNED))
    assert isinstance(answer, Valid)
    assert [f.code for f in answer.findings] == ["main-unsigned"]


def test_an_unsigned_main_document_is_refused_where_the_policy_says_so():
    answer = _judge(b.examined(), acceptance=Acceptance(unsigned_main=Attitude.REFUSE))
    assert isinstance(answer, Refusal)
    assert answer.reason == "main-unsigned"


def test_an_unsigned_appendix_needs_no_remark():
    edoc = b.an_edoc(attachments=(b.an_attachment(), b.an_attachment("pl.pdf")))
    answer = _judge(b.examined(Verdict.VALID), b.examined(Verdict.UNSIGNED, 1), edoc=edoc)
    assert isinstance(answer, Valid)
    assert answer.findings == ()


@pytest.mark.parametrize(
    ("examined", "reason"),
    [
        (b.examined(Verdict.INVALID), "signature-broken"),
        (b.examined(Verdict.REFUSED), "pdf-unreadable"),
        (b.examined(Verdict.REFUSED, findings=(_finding(Severity.ERROR),)), "pdf-encrypted"),
        (b.examined(Verdict.VALID, findings=(_finding(Severity.ERROR, "pdf-xfa"),)), "pdf-xfa"),
    ],
)
def test_a_broken_or_dangerous_pdf_is_refused_with_its_reason(examined, reason):
    answer = _judge(examined)
    assert isinstance(answer, Refusal)
    assert answer.reason == reason
    assert "517.pdf" in answer.detail


@pytest.mark.parametrize("where", ["", "517.pdf", "517.pdf page 1", "page 1"])
def test_a_finding_names_its_file_once(where):
    found = Finding(code="pdf-encrypted", severity=Severity.ERROR, where=where)
    answer = _judge(b.examined(Verdict.REFUSED, findings=(found,)))
    assert isinstance(answer, Refusal)
    assert answer.detail.startswith("517.pdf")
    assert answer.detail.count("517.pdf") == 1


def test_every_finding_is_told_at_once():
    answer = _judge(
        b.examined(
            Verdict.REFUSED, findings=(_finding(Severity.ERROR), _finding(Severity.WARNING, "pdf-xfa"))
        ),
        findings=(_finding(Severity.WARNING, "EDX-001"),),
    )
    assert isinstance(answer, Refusal)
    assert [f.code for f in answer.findings] == ["EDX-001", "pdf-encrypted", "pdf-xfa"]


def test_an_untrusted_signer_is_a_warning():
    warned = b.examined(Verdict.INDETERMINATE, findings=(_finding(Severity.WARNING, "signature-untrusted"),))
    assert isinstance(_judge(warned), Valid)


@pytest.mark.parametrize(
    ("priority", "lane", "warned"),
    [
        (Priority.ORDINARY, True, True),
        (Priority.URGENT, False, True),
        (Priority.URGENT, True, False),
        (None, True, False),
        (Priority.ORDINARY, None, False),
    ],
)
def test_a_lane_that_differs_from_the_priority_is_a_warning(priority, lane, warned):
    answer = _judge(b.examined(Verdict.VALID), edoc=b.an_edoc(priority=priority), lane=lane)
    assert isinstance(answer, Valid)
    assert ("priority-differs" in [f.code for f in answer.findings]) is warned


def _codes(answer) -> list[str]:
    assert isinstance(answer, Valid)
    return [f.code for f in answer.findings]


def test_what_is_beyond_the_quota_is_told_once():
    """Whatever the lane, also after the work was resumed and the lane is no longer known."""
    for lane in (True, False, None):
        edoc = b.an_edoc(priority=Priority.EXPRESS)
        answer = _judge(b.examined(Verdict.VALID), edoc=edoc, lane=lane, submission=b.received())
        assert _codes(answer) == ["urgent-over-quota"]


@pytest.mark.parametrize(
    ("due", "is_past"),
    [
        (None, False),
        (Due(b.NOON.date()), False),  # the whole day counts
        (Due(b.NOON.date() - timedelta(days=1)), True),
        (Due(b.NOON.date(), time(11, 59)), True),  # 05:00 UTC is noon in Vietnam
        (Due(b.NOON.date(), time(12, 0)), False),
    ],
)
def test_a_deadline_that_is_past_on_arrival_is_a_warning(due, is_past):
    answer = _judge(b.examined(Verdict.VALID), edoc=b.an_edoc(due=due))
    assert ("deadline-past" in _codes(answer)) is is_past


def test_an_envelope_that_breaks_a_rule_is_refused_with_its_findings():
    found = (_finding(Severity.ERROR, "EDX-010"),)
    answer = validate.read_envelope(b.an_edoc(), found)
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.findings) == ("rule-broken", found)
    assert isinstance(validate.read_envelope(None, ()), Refusal)


@pytest.mark.parametrize("business", Business)
def test_all_kinds_of_business_are_carried(business):
    edoc = b.an_edoc(business=business)
    assert validate.read_envelope(edoc, ()) == edoc


@pytest.mark.parametrize(
    ("code", "description", "expected"),
    [
        ("01", "", Status.ARRIVED),
        (" 03 ", "", Status.REGISTERED),
        ("02", "sai nơi nhận", Status.REJECTED),
        ("02", "  ", "status-reason-missing"),
        ("07", "", "status-unknown"),
        ("", "", "status-unknown"),
        ("12", "", "status-unknown"),
        ("x", "", "status-unknown"),
    ],
)
def test_a_status_is_one_that_we_know(code, description, expected):
    answer = validate.read_status(b.a_status(code, description=description))
    assert (answer.reason if isinstance(answer, Refusal) else answer) == expected


def _dossier(state=HandOverState.AVAILABLE):
    return Dossier(submission=b.a_submission(), header=None, handovers=(b.a_handover(state),))


def _match(*found):
    return validate.match(b.received(party=b.DEPARTMENT), b.a_status(), found)


def test_a_status_names_exactly_one_copy():
    assert isinstance(_match(_dossier()), ValidStatus)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ((), "document-unknown"),
        ((_dossier(), _dossier()), "document-ambiguous"),
        ((_dossier(HandOverState.FAILED),), "document-unknown"),
        ((_dossier(HandOverState.EXPIRED),), "document-unknown"),
        ((Dossier(submission=b.a_submission(), header=None, handovers=()),), "document-unknown"),
    ],
)
def test_none_or_several_is_an_answer(found, reason):
    answer = _match(*found)
    assert isinstance(answer, Refusal)
    assert answer.reason == reason


def test_a_refusal_after_acceptance_is_impossible():
    accepted = b.a_handover(HandOverState.HANDED_OVER, status=Status.REGISTERED)
    answer = validate.possible(accepted, Status.REJECTED)
    assert answer is not None
    assert answer.reason == "status-impossible"
    assert validate.possible(accepted, Status.ARRIVED) is None, "late, but no contradiction"
