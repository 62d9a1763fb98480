"""What the command line does to edXML files: check, show and convert them.  No store, no broker, nothing that runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.envelope import convert, parse
from adapters.envelope.canonical import Document
from adapters.envelope.content import content_of
from adapters.envelope.edxml import EdxmlEnvelopes, Options
from adapters.envelope.media import media_type
from adapters.files import InHand, OutTray, taken, taken_from
from gateway.config import Config
from gateway.errors import Refused, Unavailable
from gateway.model.envelope import Attachment, Business, Edoc, Envelope, Kind, Marks, StatusReport
from gateway.model.finding import Finding, Severity, worst
from gateway.model.ids import OfficialId, OrganCode
from gateway.model.payload import PayloadRef
from gateway.stages.receive import screen
from schemas import reasons

STDIN = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """An attached file as it really is, unwrapped; ``media_type`` by its bytes where they tell."""

    name: str
    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a look at one file found.  ``is_file`` is false where there was none to look at."""

    file: Path
    is_file: bool = True
    kind: Kind | None = None
    business: Business | None = None
    sender: OrganCode | None = None
    recipients: tuple[OrganCode, ...] = ()
    official_id: OfficialId | None = None
    attachments: tuple[FileFacts, ...] = ()
    findings: tuple[Finding, ...] = ()
    envelope: Envelope | None = field(default=None, repr=False)

    @property
    def verdict(self) -> str:
        """``ok``, ``warnings`` or ``refused``: what the gateway would make of it."""
        match worst(self.findings):
            case Severity.ERROR:
                return "refused"
            case Severity.WARNING:
                return "warnings"
            case _:
                return "ok"


def envelope_options(config: Config, folder: Path | None = None, leaving_bytes: int = 0) -> Options:
    """The bounds and severities of *config*; large attachments lie in *folder* while they are in hand, and leave
    so many bytes of its disk to others."""
    limits = config.policy.limits
    return Options(
        header_bytes=limits.header_bytes,
        document_bytes=limits.document_bytes,
        large_file_bytes=limits.large_file_bytes,
        folder=folder,
        leaving_bytes=leaving_bytes,
        recipients=limits.recipients,
        severities={rule: Severity(severity) for rule, severity in config.sections.rules.items()},
    )


async def check_edxml(config: Config, file: Path) -> Checked:
    """Look at *file* (``-``: standard input) as the gateway would.  Never raises for what it is or holds.

    Canonical JSON is looked at as the edXML that it stands for.
    """
    bare = Checked(file=file)
    try:
        ref = _taken(file, config.policy.limits.document_bytes)
    except Refused as why:
        return replace(bare, is_file=False, findings=(_as_finding(why),))
    return await _checked(config, bare, ref)


async def convert_edxml(config: Config, file: Path, *, to_json: bool) -> tuple[bytes, Checked]:
    """*file*, edXML or its canonical JSON, as edXML in the strict form or as JSON; and what there is to say of it.

    What breaks a rule is converted all the same, where there is an envelope left to speak of.  Raises
    ``Refused`` where there is none, with the reason, or for a state secret.
    """
    ref = _taken(file, config.policy.limits.document_bytes)
    checked = await _checked(config, Checked(file=file), ref)
    for finding in checked.findings:
        if finding.code in reasons():
            raise Refused(finding.code, finding.detail)
    document = await _document(config, ref, checked)
    return (convert.write_json if to_json else convert.write_edxml)(document), checked


async def write_file(out: Path, body: bytes) -> None:
    """Write *body* to *out*, which appears complete or not at all.  Raises ``Refused("file-unwritable")``."""
    with OutTray(out) as tray:
        tray.hand_out(await tray.put(body))


async def _document(config: Config, ref: PayloadRef, checked: Checked) -> Document:
    match checked.envelope:
        case Edoc() as edoc:
            vault = InHand()
            bodies = [await vault.read(one.payload) for one in edoc.attachments]
            return convert.of_edoc(edoc, bodies)
        case StatusReport():
            body = await InHand().read(_as_edxml(ref))
            return convert.of_status(body, parse.Bounds())
        case _:
            raise Refused("rule-broken", "; ".join(f"{one.code} {one.where}" for one in checked.findings[:5]))


async def _checked(config: Config, bare: Checked, ref: PayloadRef) -> Checked:
    if ref.size == 0:
        return replace(bare, findings=(_as_finding(Refused("body-empty")),))
    envelopes = EdxmlEnvelopes(envelope_options(config), InHand())
    marks = None
    try:
        ref = _as_edxml(ref)
        marks = _peeked(envelopes, config, ref)
        reading = await envelopes.examine(ref)
    except (Refused, Unavailable) as why:
        known = bare if marks is None else _of_marks(bare, marks)
        return replace(known, findings=(_as_finding(why),))
    findings = reading.findings
    if (refusal := screen(marks, config.policy.acceptance)) is not None:
        findings = (_as_finding(Refused(refusal.reason, refusal.detail)), *findings)
    known = replace(
        _of_marks(bare, marks),
        findings=findings,
        business=reading.outline.business,
        recipients=reading.outline.recipients,
        official_id=reading.outline.official_id or None,
        attachments=tuple(_facts(one) for one in reading.outline.attachments),
        envelope=reading.envelope,
    )
    match reading.envelope:
        case Edoc() as edoc:  # in the order of the references
            return replace(known, attachments=tuple(_facts(one) for one in edoc.attachments))
        case _:
            return known


def _as_edxml(ref: PayloadRef) -> PayloadRef:
    content = content_of(ref)
    if not convert.is_json(content.head()):
        return ref
    return PayloadRef.of(convert.write_edxml(convert.read_json(content.read(0, ref.size))))


def _taken(file: Path, most: int) -> PayloadRef:
    return taken_from(sys.stdin.buffer, max_bytes=most) if file == STDIN else taken(file, max_bytes=most)


def _peeked(envelopes: EdxmlEnvelopes, config: Config, ref: PayloadRef) -> Marks:
    if not ref.sha256:
        raise Refused("body-too-large", f"{ref.size} > {config.policy.limits.document_bytes}")
    most = config.policy.limits.header_bytes
    return envelopes.peek(content_of(ref).head(most), is_whole=ref.size <= most)


def _of_marks(known: Checked, marks: Marks) -> Checked:
    return replace(known, kind=marks.kind, sender=marks.sender or None)


def _facts(attachment: Attachment) -> FileFacts:
    content = content_of(attachment.payload)
    return FileFacts(
        name=attachment.name,
        sha256=attachment.payload.sha256,
        size=attachment.payload.size,
        media_type=media_type(content.head(), content.tail(), attachment.name, attachment.media_type),
    )


def _as_finding(why: Refused | Unavailable) -> Finding:
    entry = reasons()[why.reason]
    return Finding(
        code=why.reason, severity=Severity.ERROR, detail=why.detail, message=entry.en, message_vi=entry.vi
    )
