"""Evidence as XML, written at once in exclusive canonical form.

What is hashed and signed is exactly what stands in the file: attributes in order, no empty-element tags,
no XML declaration, and only those characters escaped that canonical XML escapes, so that nobody needs to
canonicalise here.  Element names are those of ETSI EN 319 522-3; ``schemas/evidence.xsd`` says the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from gateway.model.evidence import EVENT_URI, EventReason, Evidence, EvidenceParty

NAMESPACE = "urn:vanthu:evidence:1"
DIGEST_URI = "http://www.w3.org/2001/04/xmlenc#sha256"
CLOSING = "</Evidence>"

_VIETNAM = timezone(timedelta(hours=7))

_SPECIAL = re.compile("[&<>\r\ud800-\udfff\ufffe\uffff\x00-\x08\x0b\x0c\x0e-\x1f]")
# spec: Canonical XML 1.0 §2.3 - in text: &, <, > and CR.  What XML 1.0 §2.2 has no place for becomes U+FFFD.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"}


def text(value: str) -> str:
    """*value* as canonical character data."""
    return _SPECIAL.sub(lambda match: _ESCAPES.get(match[0], "\N{REPLACEMENT CHARACTER}"), value)


@lru_cache(maxsize=256)  # one piece names four or five, and those of one change the same
def instant(at: datetime) -> str:
    """*at* as ``xs:dateTime``, in Vietnam's time zone, to the microsecond."""
    return at.astimezone(_VIETNAM).isoformat(timespec="microseconds")


def issuer(code: str, name: str, policy: str) -> str:
    """The part that names us; the same in every piece."""
    return (
        f"<EvidenceIssuerPolicyID>{text(policy)}</EvidenceIssuerPolicyID>"
        f"<EvidenceIssuerDetails>{_identified(code, name)}</EvidenceIssuerDetails>"
    )


def unsigned(evidence: Evidence, issued_by: str) -> str:
    """Everything but the signature, which goes before the closing tag.  *issued_by* comes from ``issuer``."""
    refers_to = evidence.refers_to
    return "".join(
        (
            f'<Evidence xmlns="{NAMESPACE}" version="1">',
            f"<EvidenceIdentifier>{text(evidence.id)}</EvidenceIdentifier>",
            f"<ERDSEventId>{EVENT_URI}{evidence.event.value}</ERDSEventId>",
            _reasons(evidence.reasons),
            f"<EventTime>{instant(evidence.event_time)}</EventTime>",
            issued_by,
            f"<SenderDetails>{_details(evidence.sender)}</SenderDetails>",
            *(f"<RecipientDetails>{_details(party)}</RecipientDetails>" for party in evidence.recipients),
            f"<EvidenceRefersToRecipient>{text(refers_to.code)}</EvidenceRefersToRecipient>"
            if refers_to
            else "",
            f"<SubmissionTime>{instant(evidence.submitted_at)}</SubmissionTime>",
            f"<MessageIdentifier>{text(evidence.message_id)}</MessageIdentifier>",
            f'<UserContentInfo><Digest Algorithm="{DIGEST_URI}">{text(evidence.content_sha256)}</Digest>'
            f"<Size>{evidence.content_size}</Size></UserContentInfo>",
            f"<TransactionLogInformation><Sequence>{evidence.sequence}</Sequence>",
            f'<Previous Algorithm="{DIGEST_URI}">{text(evidence.previous)}</Previous>'
            if evidence.previous
            else "",
            "</TransactionLogInformation><Extensions>",
            f"<DocumentIdentifier>{text(evidence.document)}</DocumentIdentifier>",
            f"<Submitted>{instant(evidence.submitted_at)}</Submitted>",
            _optional("Available", evidence.available_at),
            _optional("HandedOver", evidence.handed_over_at),
            f"<Expires>{instant(evidence.expires_at)}</Expires>",
            "</Extensions>",
            CLOSING,
        )
    )


def _reasons(reasons: Iterable[EventReason]) -> str:
    written = "".join(map(_reason, reasons))
    return f"<EventReasons>{written}</EventReasons>" if written else ""


def _reason(reason: EventReason) -> str:
    vi, en, detail = reason.message_vi, reason.message_en, reason.detail
    return "".join(
        (
            f"<EventReason><Code>{text(reason.code)}</Code>",
            f'<Details xml:lang="vi">{text(vi)}</Details>' if vi else "",
            f'<Details xml:lang="en">{text(en)}</Details>' if en else "",
            f"<Details>{text(detail)}</Details>" if detail else "",
            "</EventReason>",
        )
    )


def _details(party: EvidenceParty) -> str:
    key = f"<Registered>{text(party.key)}</Registered>" if str(party.key) != party.code else ""
    return _identified(party.code, party.name) + key


def _identified(code: str, name: str) -> str:
    return f"<Identifier>{text(code)}</Identifier><Name>{text(name)}</Name>"


def _optional(element: str, at: datetime | None) -> str:
    return f"<{element}>{instant(at)}</{element}>" if at is not None else ""
