"""What can be told of an edoc or status that has no whole envelope: people want to know which one was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.envelope.business import business_of, official_id
from adapters.envelope.parse import Node
from gateway.model.envelope import Attachment, Business, Envelope, Kind
from gateway.model.finding import Finding
from gateway.model.ids import OfficialId, OrganCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Whatever is there, whether or not rules allow it; ``attachments`` are those that could be had."""

    recipients: tuple[OrganCode, ...] = ()
    official_id: OfficialId = OfficialId("")
    business: Business | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reading came to: the envelope if there is one, every finding, and what is known in any case."""

    envelope: Envelope | None
    findings: tuple[Finding, ...]
    outline: Outline = Outline()


def outline(root: Node, message: Node, kind: Kind, attachments: Sequence[Attachment] = ()) -> Outline:
    """The outline of the document *root* with the header *message*."""
    if kind is Kind.STATUS:
        about = message.first("ResponseFor") or Node("ResponseFor")
        return Outline(recipients=_organs([about]), official_id=official_id(about))
    return Outline(
        recipients=_organs(message.all("To")),
        official_id=official_id(message),
        business=business_of(root),
        attachments=tuple(attachments),
    )


def _organs(nodes: Sequence[Node]) -> tuple[OrganCode, ...]:
    return tuple(OrganCode(code) for node in nodes if (code := node.value("OrganId")))
