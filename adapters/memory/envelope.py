"""The twin of ``Envelopes``: two lines of JSON, for journeys without XML.

    line 1, the header: {"kind": "edoc", "sender": {"code": …, "name": …}, "recipients": […], …}
    line 2, the rest:   {"traces": [{"organ": …, "at": …}], "files": [{"name": …, "base64": …}]}

A status has the first line alone.  ``type_name``, ``sphere`` and ``subject`` may be lists: an element
written twice.  A key that begins with ``!`` stands for what XML forbids.
"""

from __future__ import annotations

import json
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from gateway.errors import Refused
from gateway.model.envelope import (
    Amendment,
    Attachment,
    Business,
    DocumentCode,
    DocumentReference,
    Due,
    Edoc,
    Envelope,
    Kind,
    Marks,
    Organ,
    Priority,
    Replaced,
    StatusReport,
)
from gateway.model.finding import Finding, Severity
from gateway.model.ids import OfficialId, OrganCode
from gateway.model.payload import PayloadRef
from gateway.ports import Vault

_HEADER_BYTES = 256 * 1024


class MemoryEnvelopes:
    """The port ``gateway.ports.Envelopes`` for the two lines.  *vault* gives bytes that do not ride along."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def peek(self, head: bytes | memoryview, *, is_whole: bool) -> Marks:
        """``Envelopes.peek``."""
        line, newline, _ = bytes(head[:_HEADER_BYTES]).partition(b"\n")
        if not newline and not (is_whole and len(head) <= _HEADER_BYTES):
            raise Refused("header-incomplete")
        header = _parse(line)
        kind = _kind(header)
        priority = header.get("priority")
        return Marks(
            kind=kind,
            sender=OrganCode(header.get("sender", {}).get("code", "")),
            priority=None if priority is None else Priority(priority),
            type_name=_joined(header.get("type_name", "")),
            sphere=_joined(header.get("sphere", "")),
            subject=_joined(header.get("subject", "")),
        )

    async def read(self, ref: PayloadRef) -> tuple[Envelope | None, tuple[Finding, ...]]:
        """``Envelopes.read``."""
        line, _, rest = (await self._body(ref)).partition(b"\n")
        header = _parse(line)
        if _kind(header) is Kind.STATUS:
            return _read_status(header)
        return _read_edoc(header, _parse(rest) if rest else {})

    async def render(
        self,
        edoc: Edoc,
        *,
        hop: OrganCode,
        at: datetime,
        sealed: Mapping[int, PayloadRef],
    ) -> PayloadRef:
        """``Envelopes.render``."""
        if not edoc.skeleton:
            raise Refused("dialect-unsupported", "no skeleton")
        line, _, traces = edoc.skeleton.partition(b"\n")
        refs = [sealed.get(i, attachment.payload) for i, attachment in enumerate(edoc.attachments)]
        bodies = [await self._body(ref) for ref in refs]
        rest = {
            "traces": [*json.loads(traces), {"organ": hop, "at": at.isoformat()}],
            "files": [_file(a, body) for a, body in zip(edoc.attachments, bodies, strict=True)],
        }
        return PayloadRef.of(line + b"\n" + _dump(rest))

    async def _body(self, ref: PayloadRef) -> bytes:
        return ref.body if ref.body is not None else await self._vault.read(ref)


def write_edoc(edoc: Edoc) -> bytes:
    """*edoc* as two lines; its attachments' bytes must ride along."""
    header = {
        "kind": "edoc",
        "sender": _organ(edoc.sender),
        "recipients": [_organ(organ) for organ in edoc.recipients],
        "official_id": edoc.official_id,
        "number": edoc.code.number,
        "notation": edoc.code.notation,
        "dated": edoc.dated.isoformat(),
        "type_name": edoc.type_name,
        "subject": edoc.subject,
        "sphere": edoc.sphere,
        "priority": None if edoc.priority is None else int(edoc.priority),
        "due": str(edoc.due) if edoc.due else "",
        "business": int(edoc.business),
        "responds_to": [_reference(reference) for reference in edoc.responds_to],
        "amends": _amendment(edoc.amends),
    }
    files = [_file(attachment, attachment.payload.body or b"") for attachment in edoc.attachments]
    return _dump(header) + b"\n" + _dump({"traces": [], "files": files})


def write_status(report: StatusReport) -> bytes:
    """*report* as its one line."""
    return _dump(
        {
            "kind": "status",
            "sender": _organ(report.reporter),
            "about": _reference(report.about),
            "code": report.code,
            "description": report.description,
        }
    )


def _read_edoc(header: dict[str, Any], rest: dict[str, Any]) -> tuple[Envelope | None, tuple[Finding, ...]]:
    found: list[Finding] = []
    if not header.get("sender", {}).get("code"):
        found.append(_error("EDX-010", "sender"))
    if not header.get("recipients"):
        found.append(_error("EDX-013", "recipients"))
    if not header.get("subject"):
        found.append(_error("EDX-035", "subject"))
    if not header.get("dated"):
        found.append(_error("EDX-031", "dated"))
    repeatable = ("type_name", "sphere", "subject")
    found += [_error("EDX-002", name) for name in repeatable if isinstance(header.get(name), list)]
    attachments = _attachments(rest.get("files", []), found)
    if found:
        return None, tuple(found)
    priority = header.get("priority")
    edoc = Edoc(
        sender=_as_organ(header["sender"]),
        recipients=tuple(map(_as_organ, header["recipients"])),
        official_id=OfficialId(unicodedata.normalize("NFC", header.get("official_id", ""))),
        code=DocumentCode(number=header.get("number", ""), notation=header.get("notation", "")),
        dated=date.fromisoformat(header["dated"]),
        type_name=header.get("type_name", ""),
        subject=header["subject"],
        sphere=header.get("sphere", ""),
        due=Due.parse(header["due"]) if header.get("due") else None,
        priority=None if priority is None else Priority(priority),
        business=Business(header.get("business", 0)),
        responds_to=tuple(map(_as_reference, header.get("responds_to", []))),
        amends=_as_amendment(header.get("amends", {})),
        attachments=attachments,
        skeleton=_dump(header) + b"\n" + _dump(rest.get("traces", [])),
    )
    return edoc, ()


def _read_status(header: dict[str, Any]) -> tuple[Envelope | None, tuple[Finding, ...]]:
    found: list[Finding] = []
    if not header.get("sender", {}).get("code"):
        found.append(_error("EDX-010", "sender"))
    if not header.get("about", {}).get("organ"):
        found.append(_error("EDX-081", "about"))
    if found:
        return None, tuple(found)
    report = StatusReport(
        reporter=_as_organ(header["sender"]),
        about=_as_reference(header["about"]),
        code=header.get("code", ""),
        description=header.get("description", ""),
    )
    return report, ()


def _attachments(files: Sequence[dict[str, Any]], found: list[Finding]) -> tuple[Attachment, ...]:
    attachments = []
    for file in files:
        try:
            body = b64decode(file["base64"], validate=True)
        except ValueError:
            found.append(_error("EDX-066", file["name"]))
            continue
        attachments.append(
            Attachment(
                content_id=file["content_id"],
                name=file["name"],
                payload=PayloadRef.of(body),
                media_type=file["media_type"],
                description=file["description"],
                is_zipped=file["is_zipped"],
                is_pdf=b"%PDF-" in body[:1024],
            )
        )
    return tuple(attachments)


def _file(attachment: Attachment, body: bytes) -> dict[str, Any]:
    return {
        "content_id": attachment.content_id,
        "name": attachment.name,
        "media_type": attachment.media_type,
        "description": attachment.description,
        "is_zipped": attachment.is_zipped,
        "base64": b64encode(body).decode(),
    }


def _kind(header: dict[str, Any]) -> Kind:
    try:
        return Kind(header.get("kind", ""))
    except ValueError:
        raise Refused("kind-unknown") from None


def _parse(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise Refused("xml-malformed", "no JSON") from error
    if not isinstance(value, dict):
        raise Refused("xml-malformed", "no object")
    if any(key.startswith("!") for key in value):
        raise Refused("xml-forbidden")
    return value


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "\n".join(text)


def _organ(organ: Organ) -> dict[str, str]:
    return {"code": organ.code, "name": organ.name}


def _as_organ(value: dict[str, str]) -> Organ:
    return Organ(code=OrganCode(value["code"]), name=value.get("name", ""))


def _reference(reference: DocumentReference) -> dict[str, str]:
    return {
        "organ": reference.organ,
        "code": reference.code,
        "dated": "" if reference.dated is None else reference.dated.isoformat(),
        "official_id": reference.official_id,
    }


def _as_reference(value: dict[str, str]) -> DocumentReference:
    return DocumentReference(
        organ=OrganCode(value["organ"]),
        code=value.get("code", ""),
        dated=date.fromisoformat(value["dated"]) if value.get("dated") else None,
        official_id=OfficialId(value.get("official_id", "")),
    )


def _amendment(amends: Amendment) -> dict[str, Any]:
    return {
        "originals": [_reference(reference) for reference in amends.originals],
        "reason": amends.reason,
        "added": [_organ(organ) for organ in amends.added],
        "removed": [_organ(organ) for organ in amends.removed],
        "replaces": [{"original": _reference(r.original), "organs": list(r.organs)} for r in amends.replaces],
    }


def _as_amendment(value: dict[str, Any]) -> Amendment:
    return Amendment(
        originals=tuple(map(_as_reference, value.get("originals", []))),
        reason=value.get("reason", ""),
        added=tuple(map(_as_organ, value.get("added", []))),
        removed=tuple(map(_as_organ, value.get("removed", []))),
        replaces=tuple(
            Replaced(original=_as_reference(r["original"]), organs=tuple(map(OrganCode, r["organs"])))
            for r in value.get("replaces", [])
        ),
    )


def _error(code: str, where: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, where=where)


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
