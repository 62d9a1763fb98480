"""What recipients answer to a recall or an update: status 15 agrees, 16 declines.

An answer moves the request on the recipient's copy of the original, and the copy that asked: there it is the proof,
in the chain of the document that asked, so that its sender has it.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.copies import Copies
from gateway.decision import Decision
from gateway.errors import Reason, Unavailable
from gateway.model.change import Work
from gateway.model.document import Dossier, Received, Refusal, ValidAnswer
from gateway.model.envelope import StatusReport
from gateway.model.evidence import EventName, EventReason
from gateway.model.ids import PartyKey
from gateway.model.journey import (
    FINAL_SUBMISSIONS,
    Answer,
    Ask,
    Request,
    SubmissionEvent,
    next_request,
)
from gateway.register import Register, reasons_with, remarks
from gateway.stages import amend, receipt
from gateway.world import TRIES, Errands, World

_REASONS = {
    (Ask.RECALL, Answer.AGREED): "recall-agreed",
    (Ask.RECALL, Answer.DECLINED): "recall-declined",
    (Ask.UPDATE, Answer.AGREED): "update-agreed",
    (Ask.UPDATE, Answer.DECLINED): "update-declined",
}

_Pair = tuple[Dossier, Dossier]


class Answers:
    """Finds what is answered, and writes the answer down."""

    def __init__(self, world: World, register: Register, decision: Decision, copies: Copies) -> None:
        self._world = world
        self._register = register
        self._decision = decision
        self._copies = copies

    async def match(
        self, received: Received, report: StatusReport, answer: Answer, found: list[Dossier]
    ) -> ValidAnswer | Refusal:
        """What *report* answers.  *found* are the documents that it may name: the original, or what asked."""
        if not found:
            return Refusal(reason=Reason("document-unknown"))
        reporter = received.submission.party
        pairs: dict[tuple[str, str], _Pair] = {}
        for dossier in found:
            pair = await self._pair(dossier, reporter)
            if pair is not None:
                about, asked_by = pair
                pairs.setdefault((about.submission.document, asked_by.submission.document), pair)
        chosen = [pair for pair in pairs.values() if _is_open(pair, reporter)] or list(pairs.values())
        if len(chosen) > 1:
            detail = amend.candidates([about for about, _ in chosen])
            return Refusal(reason=Reason("document-ambiguous"), detail=detail)
        code = report.code.strip()
        if not chosen:
            never_asked = found[0].of(reporter)
            assert never_asked is not None
            return amend.impossible(never_asked, answer, code) or Refusal(reason=Reason("status-impossible"))
        ((about, asked_by),) = chosen
        valid = ValidAnswer(received=received, report=report, answer=answer, about=about, asked_by=asked_by)
        return _refused(valid) or valid

    async def _pair(self, dossier: Dossier, reporter: PartyKey) -> _Pair | None:
        copy = dossier.of(reporter)
        if copy is None:
            return None
        ledger = self._world.ledger
        if copy.asks is not Ask.NOTHING and copy.about is not None:
            about = await ledger.load(copy.about, reporter)
            return None if about is None or about.of(reporter) is None else (about, dossier)
        if copy.request is Request.NONE or copy.asked_by is None:
            return None
        asked_by = await ledger.load(copy.asked_by, reporter)
        return None if asked_by is None or asked_by.of(reporter) is None else (dossier, asked_by)

    async def answer(self, valid: ValidAnswer, work: Work) -> Errands:
        """Write the answer down (T2 of the status), and carry it back to the original sender."""
        reporter = valid.received.submission.party
        for _ in range(TRIES):
            refusal = _refused(valid)
            if refusal is not None:
                return await self._decision.refuse(valid.received, work, refusal)
            now = self._world.clock.now()
            original, asking = valid.about.of(reporter), valid.asked_by.of(reporter)
            assert original is not None
            assert asking is not None
            submission = valid.received.submission.after(SubmissionEvent.ACCEPT)
            draft = self._register.open(submission.document)
            draft.note(now, "receipt", "reported", detail=valid.report.code.strip())
            by_mistake = valid.report.code.strip() == amend.AGREED_BY_MISTAKE
            findings = [amend.remark("status-read-as-15", amend.AGREED_BY_MISTAKE)] if by_mistake else []
            submission = self._register.attest(
                draft, submission, EventName.SUBMISSION_ACCEPTANCE, (), remarks(findings), now
            )
            asker, after = valid.asked_by.submission, None
            if original.asked_by == asker.document:
                after = next_request(original.request, valid.answer)
            if after is not None:
                draft.handovers.append(replace(original, request=after, version=original.version + 1))
                draft.note(now, "receipt", after, recipient=original.recipient, document=original.document)
            told, statements = receipt.answered(asking, valid.answer, now, _why(valid, asking.asks))
            if told != asking:
                told = self._register.attest_copy(draft, asker, told, statements, now)
                draft.handovers.append(replace(told, version=asking.version + 1))
            if after is not None or told != asking:
                self._copies.carry_back(draft, submission, valid.about, now)
            errands = await self._decision.commit(draft, work, submission)
            if errands is not None:
                return errands
            own = await self._world.ledger.load(submission.document)
            about = await self._world.ledger.load(original.document, reporter)
            asked_by = await self._world.ledger.load(asker.document, reporter)
            if own is None or about is None or asked_by is None:
                return ()
            if own.submission.state in FINAL_SUBMISSIONS:
                return ()
            valid = replace(valid, about=about, asked_by=asked_by)
        raise Unavailable("store-away", "an answer lost every race")


def _is_open(pair: _Pair, reporter: PartyKey) -> bool:
    about, asked_by = pair
    copy = about.of(reporter)
    return copy is not None and amend.is_open(copy) and copy.asked_by == asked_by.submission.document


def _refused(valid: ValidAnswer) -> Refusal | None:
    """Refuse what contradicts the answer before.  To a question that a later one took the place of, nothing does."""
    reporter = valid.received.submission.party
    original, asking = valid.about.of(reporter), valid.asked_by.of(reporter)
    if original is None or asking is None:
        return Refusal(reason=Reason("document-unknown"))
    if original.asked_by != asking.document:
        answered = asking.answer not in (Answer.NONE, valid.answer)
        return Refusal(reason=Reason("status-impossible")) if answered else None
    return amend.impossible(original, valid.answer, valid.report.code.strip())


def _why(valid: ValidAnswer, asks: Ask) -> EventReason:
    named = f"{valid.about.submission.document} {valid.report.description}".strip()
    return reasons_with(_REASONS[asks, valid.answer], named)[0]
