"""What the agencies send: edXML with one PDF to be sealed and one file beside it, all different."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256

from demo.edxml import Business, File, Letter, Organ, Producer, Reference, write_edoc, write_status
from tests.chaos.plan import Plan, Step, What
from tests.service.town import a_pdf

NOTATION = "CV-UBND"
DAY = date(2016, 3, 4)
_PRODUCERS = (
    Producer(),
    Producer(prefix="", zips=False, cid_on_both=False),
    Producer(zips=False, signer_last=True),
)
_BUSINESS = {What.RECALL: Business.RECALL, What.UPDATE: Business.UPDATE}


@dataclass(frozen=True, slots=True)
class Paper:
    """The bytes to be sent, and the files in them."""

    body: bytes
    files: tuple[File, ...]

    @property
    def sha256(self) -> str:
        """Of the whole."""
        return sha256(self.body).hexdigest()

    @property
    def digests(self) -> tuple[tuple[str, str, int], ...]:
        """Name, SHA-256 and size of each file."""
        return tuple((file.name, file.sha256, len(file.body)) for file in self.files)


class Desk:
    """Writes the papers of one plan; what is to be sent again is kept."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._again = {step.of for step in plan.steps if step.what is What.REPEAT}
        self._kept: dict[int, Paper] = {}

    def write(self, step: Step) -> Paper:
        """The paper of *step*."""
        if step.what is What.REPEAT and step.of in self._kept:
            return self._kept.pop(step.of)
        if step.what is What.BROKEN:
            return Paper(b"<edXML>" + b"x" * (step.number % 500), ())
        paper = self._written(step)
        if step.number in self._again:
            self._kept[step.number] = paper
        return paper

    def _written(self, step: Step) -> Paper:
        producer = _PRODUCERS[self._plan.organs.index(step.sender) % len(_PRODUCERS)]
        letter = self._letter(step)
        original = self._plan.by_number[step.of] if step.of is not None else None
        if step.what is What.RECALL and original is not None:
            # A recall is a copy of what it recalls, without its files: it bears the same number.
            letter = replace(
                self._letter(original), business=Business.RECALL, reason="Ban hành nhầm", files=()
            )
        elif step.what is What.UPDATE and original is not None:
            letter = replace(letter, business=Business.UPDATE, about=self._letter(original).document_id)
        return Paper(write_edoc(letter, producer, datetime.now(UTC)), letter.files)

    def _letter(self, step: Step) -> Letter:
        name = f"cv-{step.number}"
        more = random.Random(step.number).randbytes(step.extra)
        return Letter(
            sender=named(step.sender),
            recipients=tuple(map(named, step.recipients)),
            number=str(step.number),
            notation=NOTATION,
            place="Tây Ninh",
            dated=DAY,
            type_id=1,
            type_name="Công văn",
            subject=f"Về việc kiểm tra {name}",
            competence="TM. Ủy ban nhân dân",
            position="Chủ tịch",
            signer="Nguyễn Văn A",
            files=(
                File(name=f"{name}.pdf", body=a_pdf(name)),
                File(name=f"{name}.bin", body=more, media_type="application/octet-stream"),
            ),
            priority=step.priority,
        )


def named(code: str) -> Organ:
    """The agency of *code*."""
    return Organ(code=code, name=f"Cơ quan {code}")


def status(reporter: str, about: Reference, code: str) -> bytes:
    """The report of *reporter*."""
    return write_status(named(reporter), about, code, "Vì lý do", _PRODUCERS[0], datetime.now(UTC))
