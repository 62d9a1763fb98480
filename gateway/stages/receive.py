"""receive: know who sends; look at the header for secrecy marks before anything is stored.

A refusal at the door that concerns the message and not its bytes (no ``user_id``, a wrong expiry …)
does not use the message id up: the sender mends the message and sends the same id again.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.errors import Reason
from gateway.model.claim import CLAIM_TYPE
from gateway.model.document import Refusal, Submission
from gateway.model.envelope import Kind, Marks, Priority
from gateway.model.ids import ClientId, DocumentId, MessageId, PartyKey, Realm
from gateway.model.journey import SubmissionState
from gateway.model.party import Client, Found, Gone, Party, Successor
from gateway.model.policy import Acceptance, Policy, SecrecyField
from gateway.model.submission import Arrival

NOBODY = ClientId("")
_XML_TYPES = ("", "application/xml", "text/xml", "application/edxml", "application/octet-stream")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Somebody known, with a message of the right form."""

    party: Party
    client: ClientId
    message_id: MessageId
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """Turned away at the door; ``party`` is whom to tell, ``None`` where nobody is known."""

    party: Party | None
    refusal: Refusal


def admit(
    arrival: Arrival, client: Client | None, claimed: Found, policy: Policy, now: datetime
) -> Admitted | Turned:
    """Whether *arrival* may come in: who sends it, and is the message of the right form?

    *client* is what the directory knows of ``arrival.client``, *claimed* whom its organ code names.
    """
    if not isinstance(claimed, Party):
        return _turned(None, "party-unknown", str(arrival.claimed))
    if arrival.client is None:
        # The broker's topic permission has already tied the routing key to the publisher, so the party
        # that it names may be told.
        return _turned(claimed, "user-id-missing")
    if client is None or claimed.key not in client.acts_for:
        return _turned(None, "not-authorised", str(arrival.claimed))
    if claimed.is_locked:
        return _turned(claimed, "party-locked")
    if not arrival.message_id:
        return _turned(claimed, "message-id-missing")
    if len(arrival.message_id) > 200 or not arrival.message_id.isprintable():
        return _turned(claimed, "message-id-invalid")
    content_type = arrival.content_type.partition(";")[0].strip().lower()
    if content_type == CLAIM_TYPE:  # an outlet resolves good claims; one that arrives here is bad
        return _turned(claimed, "claim-invalid")
    if content_type not in _XML_TYPES:
        return _turned(claimed, "content-type-unsupported", content_type[:80])
    if arrival.payload.size == 0:
        return _turned(claimed, "body-empty")
    body = arrival.payload.body
    bound = policy.limits.document_bytes if body is None else policy.limits.message_bytes
    if arrival.payload.size > min(bound, claimed.max_bytes or bound):
        return _turned(claimed, "body-too-large", f"{arrival.payload.size} > {bound}")
    expires_at = expiry(arrival.expires, policy, now)
    if expires_at is None:
        return _turned(claimed, "expires-invalid", arrival.expires[:80])
    return Admitted(
        party=claimed,
        client=arrival.client,
        message_id=arrival.message_id,
        expires_at=expires_at,
    )


def speaker(named: Found, registered: Party | None) -> Found:
    """Who speaks under a code: whom it names now, or the party that was registered under it, where that has ended
    or bears another code since.  What a party was registered under stays in its routing keys for ever."""
    if isinstance(named, Successor | Gone) and registered is not None:
        return registered
    return named


def may_speak(kind: Kind, named: Found, party: Party) -> Refusal | None:
    """A party that was merged, or is gone, sends no documents; what it received before it may still report on.

    *named* is whom its code names now.
    """
    match named:
        case Successor(party=heir) if heir.key != party.key and kind is Kind.EDOC:
            return Refusal(reason=Reason("party-ended"), detail=f"{named.former} → {heir.key}")
        case Gone() if kind is Kind.EDOC:
            return Refusal(reason=Reason("party-ended"), detail=str(named.former))
        case _:
            return None


def expiry(text: str, policy: Policy, now: datetime) -> datetime | None:
    """When the document expires: the instant in *text* (RFC 3339), the default where it is empty, ``None``
    where it is no instant, past, or further ahead than we promise."""
    if not text:
        return now + policy.patience.expiry
    if not _RFC3339.fullmatch(text.strip()):
        return None
    try:
        at = datetime.fromisoformat(text.strip().upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if now < at <= now + policy.patience.expiry else None


def screen(marks: Marks, acceptance: Acceptance) -> Refusal | None:
    """Refuse what is marked as a state secret.  The findings name the field, never its text.

    spec: NĐ 30/2020 and the law on state secrets - such documents must not travel here.
    """
    for name, text in (
        (SecrecyField.TYPE_NAME, marks.type_name),
        (SecrecyField.SPHERE, marks.sphere),
        (SecrecyField.SUBJECT, marks.subject),
    ):
        if name in acceptance.secrecy_fields and is_secret(text, acceptance.secrecy_marks):
            return Refusal(reason=Reason("state-secret"), detail=str(name))
    return None


def is_secret(text: str, marks: tuple[str, ...]) -> bool:
    """Whether the whole of *text*, or a part set off by brackets, dash, slash or line end, equals a mark.

    Compared as people see it: in any case and normal form, full width or not, without what is not seen, without
    blanks ("M Ậ T" is how stamps are written), letters of other scripts that look the same read as Latin.  So
    "mật độ dân số" and "bí mật nhà nước" pass, "Công văn (MẬT)" does not.
    """
    wanted = {_plain(mark).replace("\n", "") for mark in marks}
    seen = _plain(text)
    return any(part.strip(_ASIDE) in wanted for part in (seen.replace("\n", ""), *seen.split("\n")))


def _plain(text: str) -> str:
    """*text* as it is seen, each separator a line end."""
    seen = _TOO_MANY_TONES.sub("", text.translate(_AS_SEEN))
    return unicodedata.normalize("NFC", seen).casefold()


_ASIDE = ".,;:!*\"'“”‘’„‚_"
_SLASHES = "/\\⁄∕⧸⟋«»<>|\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_NOT_SEEN = "\u2800\u3164\u115f\u1160\uffa0"  # no blanks by their category, and yet they look like some
_TONES = "\u0300\u0301\u0302\u0303\u0306\u0309\u031b\u0323"
# Normalising takes time by the square of a run of marks: 65,000 on one letter would hold the loop for 18 s.
_TOO_MANY_TONES = re.compile(f"(?<=[{_TONES}]{{8}})[{_TONES}]+")
_LOOKALIKES = dict(zip("МАТОІУЕматоіуеΜΑΤΟΙΥΕοαιıҮү", "MATOIYEmatoiyeMATOIYEoaiiYy", strict=True))


class _AsSeen(dict[int, str | None]):
    """For ``str.translate``: what each character is to the eye.  Asked once per character, since a header of 256 KiB
    must be looked at in a few milliseconds."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        plain = unicodedata.normalize("NFKD", char)
        seen = "".join(map(_seen, plain)) if len(plain) <= _LONGEST_PLAIN else char
        self[code] = unicodedata.normalize("NFC", seen)
        return self[code]


def _seen(char: str) -> str:
    category = unicodedata.category(char)
    if char in _SLASHES or char == "−" or (category in ("Ps", "Pe", "Pd") and char not in _ASIDE):
        return "\n"
    if category in ("Cf", "Cc", "Zs") or char in _NOT_SEEN:
        return ""
    if category in ("Mn", "Me") and char not in _TONES:
        return ""  # variation selectors, joiners, strokes
    return _LOOKALIKES.get(char, char)


_LONGEST_PLAIN = 4  # a letter with three marks; what unfolds further is no letter of a mark
_AS_SEEN = _AsSeen()


def identify(marks: Marks, named: Found, admitted: Admitted, routed_as: Kind | None) -> Refusal | None:
    """Whether the envelope's own sender and kind are those under which it was sent.

    *named* is whom From/OrganId names, *routed_as* the kind of the routing key where there is one.
    """
    if routed_as is not None and routed_as is not marks.kind:
        return Refusal(reason=Reason("kind-mismatch"), detail=f"{routed_as} / {marks.kind}")
    if not isinstance(named, Party) or named.key != admitted.party.key:
        return Refusal(reason=Reason("sender-mismatch"), detail=str(marks.sender)[:40])
    return None


def urgency(arrival: Arrival, marks: Marks) -> Priority:
    """How urgent it is: the envelope decides, and where it is silent the lane."""
    return _of_lane(arrival) if marks.priority is None else marks.priority


def _of_lane(arrival: Arrival) -> Priority:
    return Priority.URGENT if arrival.is_urgent else Priority.ORDINARY


def register(
    arrival: Arrival,
    admitted: Admitted,
    marks: Marks,
    *,
    realm: Realm,
    document: DocumentId,
    priority: Priority,
    now: datetime,
) -> Submission:
    """The row that T1 writes: received, not yet judged."""
    return Submission(
        document=document,
        realm=realm,
        party=admitted.party.key,
        client=admitted.client,
        message_id=admitted.message_id,
        sha256=arrival.payload.sha256,
        size=arrival.payload.size,
        kind=marks.kind,
        link=arrival.link,
        priority=priority,
        state=SubmissionState.RECEIVED,
        received_at=now,
        expires_at=admitted.expires_at,
        payload=arrival.payload,
        traceparent=arrival.traceparent,
    )


def turn_away(
    arrival: Arrival,
    party: PartyKey,
    refusal: Refusal,
    *,
    kind: Kind,
    realm: Realm,
    document: DocumentId,
    policy: Policy,
    uses_id: bool,
    now: datetime,
) -> Submission:
    """The row of a refusal on arrival: no payload is kept.

    *uses_id* says whether the refusal is a verdict on the bytes (the same id and bytes will get it
    again) or on the message around them.
    """
    digest = arrival.payload.sha256
    return Submission(
        document=document,
        realm=realm,
        party=party,
        client=arrival.client or NOBODY,
        message_id=arrival.message_id or MessageId(f"sha256:{digest}"),
        sha256=digest,
        size=arrival.payload.size,
        kind=kind,
        link=arrival.link,
        priority=_of_lane(arrival),
        state=SubmissionState.REFUSED,
        received_at=now,
        expires_at=now + policy.patience.expiry,
        reason=refusal.reason,
        traceparent=arrival.traceparent,
        slot="" if uses_id else f"{refusal.reason}:{digest}",
    )


def _turned(party: Party | None, reason: str, detail: str = "") -> Turned:
    return Turned(party=party, refusal=Refusal(reason=Reason(reason), detail=detail))
