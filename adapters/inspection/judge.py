"""What a PDF is worth: bytes in, ``Inspection`` out, and never anything else.

    judge(Path("a.pdf").read_bytes(), Options(trust=Path("config/trust")))

A plain function without I/O (but for the folder of trusted roots).  The gateway runs it in a process
that can be ended (``inspector``); ``vanthu verify`` and tests call it where they are.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from pyhanko.pdf_utils.misc import PdfDecodeLimitError

from adapters.inspection import signatures
from adapters.inspection.authority.trust import Trust
from adapters.inspection.conclusions import Setting
from adapters.inspection.paper import structure
from adapters.inspection.paper.besides import remarks
from adapters.inspection.words import shown
from adapters.pdf.reader import ContentsTooLong, QuickReader
from adapters.pdf.references import TooManySteps
from gateway.model.finding import Finding, Severity
from gateway.model.policy import Acceptance, Attitude
from gateway.model.signature import Indication, Inspection, SignatureReport, Verdict
from schemas import reasons

# both libraries tell stories about odd files; our findings say what matters
for _name in ("pyhanko", "pyhanko_certvalidator", "pikepdf"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_TOO_COSTLY = (
    RecursionError,
    MemoryError,
    ContentsTooLong,
    PdfDecodeLimitError,
    TooManySteps,
    structure.TooCostly,
)
_HEADER = b"%PDF-"
_MAX_WAITING = 10
_BYTES_PER_OBJECT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to judge.

    ``trust`` is a folder of root certificates (PEM or DER); without it nobody is believed, and an intact
    signature is ``indeterminate``.  ``revocations`` is a folder of CRLs, OCSP answers and certificates that
    complete chains.  ``unsafe_accept_any_signer`` skips path, dates and revocation, never
    integrity or coverage.  ``moment`` is the time of validation, by default now.
    """

    trust: Path | None = None
    revocations: Path | None = None
    unsafe_accept_any_signer: bool = False
    moment: datetime | None = None
    acceptance: Acceptance = field(default_factory=Acceptance)
    max_contents_bytes: int = 2 * 1024 * 1024
    max_objects: int = 500_000
    max_stream_bytes: int = 512 * 1024 * 1024


def judge(data: bytes, options: Options | None = None, *, name: str = "") -> Inspection:
    """What is in the file *data*, called *name*, and what its signatures are worth.  Raises nothing."""
    options = options or Options()
    began = time.perf_counter()
    case = _Case(options, name)
    try:
        case.inspect(data)
    except _TOO_COSTLY as exc:
        case.refuse("pdf-too-costly", str(exc))
    except structure.Encrypted:
        case.refuse("pdf-encrypted")
    except structure.Unreadable as exc:
        case.refuse("pdf-unreadable", str(exc))
    except Exception as exc:  # parsers raise anything on hostile bytes; the port lets nothing out
        case.refuse("pdf-unreadable", type(exc).__name__)
    return case.closed((time.perf_counter() - began) * 1000)


class _Case:
    def __init__(self, options: Options, name: str) -> None:
        self.options = options
        self.name = name
        self.findings: list[Finding] = []
        self.reports: list[SignatureReport] = []
        self.pages = 0
        self.is_refused = False

    def inspect(self, data: bytes) -> None:
        most = self.options.acceptance.max_bytes
        if len(data) > most:
            self.refuse("pdf-too-large", f"{len(data)} bytes, {most} at most")
            return
        # 1. structure: two parsers must agree that this is a PDF
        if not data.startswith(_HEADER):
            self.refuse("pdf-unreadable", "the file does not begin with %PDF-")
            return
        found = structure.examine(
            data, max_objects=self.options.max_objects, max_stream_bytes=self.options.max_stream_bytes
        )
        self.pages = found.pages
        reader = QuickReader(data, contents_bytes=self.options.max_contents_bytes)
        try:
            self._read(reader, found, len(data))
        finally:
            reader.let_go()

    def _read(self, reader: QuickReader, found: structure.Structure, size: int) -> None:
        if reader.encrypt_dict is not None:
            raise structure.Encrypted
        if (number := reader.highest_number()) >= size // _BYTES_PER_OBJECT:
            # qpdf leaves such objects out of its table, and what they hold was not looked at
            self.refuse("pdf-unreadable", f"object {number} is numbered beyond what its size allows")
        # 2. what it holds besides paper
        for remark in remarks(found, self.options.acceptance):
            if remark.severity is Severity.ERROR:
                self.refuse(remark.code, remark.detail)
            else:
                self.find(remark.code, remark.severity, remark.detail)
        if found.is_repaired:
            self.find(
                "pdf-unreadable", Severity.WARNING, "its cross-references are damaged and had to be rebuilt"
            )
        # 3. its signatures
        for judged in signatures.judge_all(reader, self._setting):
            self.reports.append(_shown(judged.report))
            for code, severity, detail in judged.findings:
                self.find(code, self._weighed(code, severity), detail)
        # 4. what was signed without being shown
        if self.reports:
            for what in found.waiting[:_MAX_WAITING]:
                self.find("signature-hidden-content", Severity.WARNING, what)

    def _setting(self) -> Setting:
        trust = _trust(self.options.trust, self.options.revocations)
        trust.refresh()
        return Setting(
            trust=trust,
            moment=self.options.moment or datetime.now(UTC),
            accept_any_signer=self.options.unsafe_accept_any_signer,
        )

    def _weighed(self, code: str, severity: Severity) -> Severity:
        is_about_trust = code in ("signature-untrusted", "signature-revocation-unknown")
        if is_about_trust and severity is Severity.WARNING:
            is_strict = self.options.acceptance.untrusted_signer is Attitude.REFUSE
            return Severity.ERROR if is_strict else severity
        return severity

    def find(self, code: str, severity: Severity, detail: str = "") -> None:
        entry = reasons()[code]
        self.findings.append(
            Finding(
                code=code,
                severity=severity,
                where=self.name,
                detail=shown(detail, most=300),
                message=entry.en,
                message_vi=entry.vi,
            )
        )

    def refuse(self, code: str, detail: str = "") -> None:
        self.is_refused = True
        self.find(code, Severity.ERROR, detail)

    def closed(self, elapsed_ms: float) -> Inspection:
        return Inspection(
            verdict=self._verdict(),
            signatures=tuple(self.reports),
            findings=tuple(self.findings),
            pages=self.pages,
            elapsed_ms=round(elapsed_ms, 3),
        )

    def _verdict(self) -> Verdict:
        if self.is_refused:
            return Verdict.REFUSED
        outcomes = {report.indication for report in self.reports}
        if not outcomes:
            return Verdict.UNSIGNED
        if Indication.FAILED in outcomes:
            return Verdict.INVALID
        if Indication.INDETERMINATE in outcomes:
            return Verdict.INDETERMINATE
        return Verdict.VALID


def _shown(report: SignatureReport) -> SignatureReport:
    return replace(
        report,
        field=shown(report.field, most=200),
        signer=shown(report.signer, most=200),
        sub_filter=shown(report.sub_filter, most=60),
        chain=tuple(shown(name, most=200) for name in report.chain[:20]),
    )


@lru_cache(maxsize=8)
def _trust(roots: Path | None, revocations: Path | None) -> Trust:
    return Trust(roots, revocations)
