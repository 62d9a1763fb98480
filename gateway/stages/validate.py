"""validate: is the envelope in order, is every attachment what it says, are the signatures sound?

An error stops the document, and the sender gets every finding at once; warnings travel with the
acceptance.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import Reason, WrongStep
from gateway.model.document import (
    Dossier,
    Examined,
    Received,
    Refusal,
    Submission,
    Valid,
    ValidStatus,
)
from gateway.model.envelope import Attachment, Business, Edoc, Envelope, StatusReport
from gateway.model.finding import Finding, Severity, worst
from gateway.model.handover import HandOver
from gateway.model.ids import OrganCode, PartyKey, normalised
from gateway.model.journey import HandOverState, Status, next_status
from gateway.model.policy import Acceptance, Attitude
from gateway.model.signature import Verdict
from gateway.stages.amend import NEVER_HAD, are_versions, candidates

PENDING = HandOverState.PENDING

_REASONS = {"EDX-083": "status-unknown", "EDX-084": "status-unknown", "EDX-085": "status-reason-missing"}
"""Rules whose breach has a reason of its own, where nothing else is wrong."""


def needs_inspection(attachment: Attachment) -> bool:
    """Whether the inspector must open the file: bytes that are PDF, or a name that says so."""
    return attachment.is_pdf or attachment.name.strip().lower().endswith(".pdf")


def read_envelope(envelope: Envelope | None, findings: tuple[Finding, ...]) -> Refusal | Edoc | StatusReport:
    """The envelope, if no rule that it breaks is an error."""
    if envelope is None or worst(findings) is Severity.ERROR:
        errors = (finding.code for finding in findings if finding.severity is Severity.ERROR)
        reasons = {_REASONS.get(code, "rule-broken") for code in errors}
        reason = reasons.pop() if len(reasons) == 1 else "rule-broken"
        return Refusal(reason=Reason(reason), findings=findings)
    return envelope


def judge(
    received: Received,
    edoc: Edoc,
    examined: Sequence[Examined],
    findings: tuple[Finding, ...],
    acceptance: Acceptance,
    *,
    lane_is_urgent: bool | None = None,
    originals: tuple[Dossier, ...] = (),
) -> Valid | Refusal:
    """The verdict on an edoc whose attachments were opened.

    *lane_is_urgent* is the lane that the sender chose; ``None`` where it is not known (resumed work).
    """
    found = [*findings]
    for one in examined:
        name = edoc.attachments[one.index].name
        found += [_at(name, finding) for finding in one.inspection.findings]
        if one.inspection.verdict is Verdict.INVALID and not _has_error(one.inspection.findings):
            found.append(_error("signature-broken", name))
        if one.inspection.verdict is Verdict.REFUSED and not _has_error(one.inspection.findings):
            found.append(_error("pdf-unreadable", name))
    if edoc.business is not Business.RECALL:  # a recall is not sealed, and need not be
        found += _main_unsigned(edoc, examined, acceptance)
    found += _urgency(received.submission, edoc, lane_is_urgent)
    first = next((f for f in found if f.severity is Severity.ERROR), None)
    if first is not None:
        return Refusal(reason=Reason(first.code), findings=tuple(found), detail=first.where)
    return Valid(
        received=received,
        edoc=edoc,
        examined=tuple(examined),
        findings=tuple(found),
        originals=originals,
    )


def _urgency(submission: Submission, edoc: Edoc, lane_is_urgent: bool | None) -> list[Finding]:
    found = []
    priority = edoc.priority
    if priority is not None and priority.is_urgent and not submission.is_urgent:
        found.append(Finding(code="urgent-over-quota", severity=Severity.WARNING))
    elif lane_is_urgent is not None and priority is not None and priority.is_urgent != lane_is_urgent:
        found.append(Finding(code="priority-differs", severity=Severity.WARNING))
    if edoc.due is not None and edoc.due.ends_at < submission.received_at:
        found.append(Finding(code="deadline-past", severity=Severity.WARNING, detail=str(edoc.due)))
    return found


def _main_unsigned(edoc: Edoc, examined: Sequence[Examined], acceptance: Acceptance) -> list[Finding]:
    main = next((e for e in examined if edoc.attachments[e.index].is_pdf), None)
    if main is None or main.inspection.verdict is not Verdict.UNSIGNED:
        return []
    severity = Severity.ERROR if acceptance.unsigned_main is Attitude.REFUSE else Severity.WARNING
    return [Finding(code="main-unsigned", severity=severity, where=edoc.attachments[main.index].name)]


def reporter_is(report: StatusReport, code: OrganCode) -> bool:
    """Whether the report speaks for the organ *code*."""
    return normalised(report.reporter.code) == normalised(code)


def read_status(report: StatusReport) -> Status | Refusal:
    """The status that *report* tells, if it is one that we know.  spec: edXML facts §4"""
    try:
        status = Status(report.code.strip())
    except ValueError:
        return Refusal(reason=Reason("status-unknown"), detail=report.code[:20])
    if status is Status.NONE:
        return Refusal(reason=Reason("status-unknown"))
    if status is Status.REJECTED and not report.description.strip():
        return Refusal(reason=Reason("status-reason-missing"))
    return status


def match(
    received: Received, report: StatusReport, found: Sequence[Dossier], holder: PartyKey | None = None
) -> ValidStatus | Refusal:
    """The one copy that *report* is about.  None is an answer, and so are several.

    *found* are the documents that the reference may mean and of which *holder* had a copy: the reporter itself, or
    a party that was merged into it.
    """
    holder = holder or received.submission.party
    if not found:
        return Refusal(reason=Reason("document-unknown"))
    if not are_versions(found):
        return Refusal(reason=Reason("document-ambiguous"), detail=candidates(found))
    seen = [
        (dossier, copy)
        for dossier in found
        if (copy := dossier.of(holder)) is not None and copy.state not in NEVER_HAD
    ]
    if not seen:
        return Refusal(reason=Reason("document-unknown"))
    # The oldest version to which it is news.  A late one about an earlier version must not prove of a later one that
    # it arrived before it went out; and where it is news to none, it is about the first.
    about, handover = next(
        (
            (d, c)
            for n, (d, c) in enumerate(seen)
            if _is_news(c, report) and (n == 0 or c.state is not PENDING)
        ),
        seen[0],
    )
    return ValidStatus(received=received, report=report, about=about, handover=handover)


def _is_news(copy: HandOver, report: StatusReport) -> bool:
    try:
        return next_status(copy.status, Status(report.code.strip())) is not None
    except (ValueError, WrongStep):
        return False


def possible(handover: HandOver, reported: Status) -> Refusal | None:
    """Refuse a status that contradicts what the same clerk said before."""
    try:
        next_status(handover.status, reported)
    except WrongStep:
        return Refusal(reason=Reason("status-impossible"), detail=f"{handover.status} → {reported}")
    return None


def _has_error(findings: tuple[Finding, ...]) -> bool:
    return worst(findings) is Severity.ERROR


def _error(code: str, where: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, where=where)


def _at(name: str, finding: Finding) -> Finding:
    # An inspector that was told the name may have put it there already.
    is_named = finding.where == name or finding.where.startswith(f"{name} ")
    return Finding(
        code=finding.code,
        severity=finding.severity,
        where=finding.where if is_named else f"{name} {finding.where}".strip(),
        detail=finding.detail,
        message=finding.message,
        message_vi=finding.message_vi,
    )
