"""route: decide, per recipient, where its copy goes; one that can't be served disturbs no other.

A code that an agency no longer bears leads to whoever has its duties now, and the sender is told so: ``explain``
says which code became which, and since when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import assert_never

from gateway.errors import Reason
from gateway.model.document import Route, Routed, RouteRefusal, Signed
from gateway.model.envelope import Business, Kind, Organ
from gateway.model.evidence import EventReason
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import EDXML, Found, Gone, Party, Successor, Unknown

SUCCEEDED = Reason("recipient-succeeded")
"""A remark and no refusal: the copy goes to the successor of whom the envelope names."""

_VIETNAM = timezone(timedelta(hours=7))


def choose(signed: Signed, found: Sequence[tuple[Organ, Found]]) -> Routed:
    """A route or a refusal for every recipient, in the order of the envelope.

    Two codes that name one party get one copy: that of its own code before one that it took over, else the
    first; the other is refused as ``recipient-doubled``, naming the code that has the copy.
    """
    business = signed.valid.edoc.business
    first = _first_codes(found)
    routes: list[Route] = []
    refusals: list[RouteRefusal] = []
    for index, (organ, answer) in enumerate(found):
        party, successor = _party(answer), answer if isinstance(answer, Successor) else None
        reason, detail = _why_not(answer, party, business)
        if party is not None and reason is None and first[party.key] != index:
            reason, detail = Reason("recipient-doubled"), str(found[first[party.key]][0].code)
        if party is None or reason is not None:
            refusals.append(
                RouteRefusal(
                    addressed_as=organ.code,
                    name=party.name if party else organ.name,
                    reason=reason or Reason("recipient-unknown"),
                    detail=detail,
                    succession=successor,
                )
            )
            continue
        routes.append(Route(party=party, addressed_as=organ.code, succession=successor))
    return Routed(signed=signed, routes=tuple(routes), refusals=tuple(refusals))


def fit(routed: Routed, size: int) -> Routed:
    """*routed* without the routes to parties that can't take an envelope of *size* bytes, as it was rendered."""
    routes: list[Route] = []
    refusals = list(routed.refusals)
    for route in routed.routes:
        limit = route.party.takes.max_bytes
        if limit is None or size <= limit:
            routes.append(route)
            continue
        refusals.append(
            RouteRefusal(
                addressed_as=route.addressed_as,
                name=route.party.name,
                reason=Reason("recipient-too-large"),
                detail=f"{size} > {limit}",
                succession=route.succession,
            )
        )
    return replace(routed, routes=tuple(routes), refusals=tuple(refusals))


def codes_of(code: OrganCode, named: Found, registered: Party | None) -> tuple[OrganCode, ...]:
    """*code* and every other code, of any time, of the party that bears it: *named* is whom it names now,
    *registered* who was registered under it, if anybody."""
    codes = [code]
    for party in (_party(named), registered):
        if party is not None and (_is_own(code, party) or str(party.key) == code):
            codes += [validity.code for validity in party.codes]
    return tuple(dict.fromkeys(codes))


def carries_back(sender: Party) -> bool:
    """Whether a status may go back to *sender*: not every system can take one."""
    return Kind.STATUS in sender.takes.kinds


def explain(succession: Successor, at: datetime) -> EventReason:
    """What the sender is told of a copy that goes to a successor: which code became which, and since when."""
    party, former = succession.party, succession.former
    code = party.code_at(at)
    way = " → ".join((former, *succession.through, code))
    since = succession.since.astimezone(_VIETNAM).date() if succession.since else None
    vi_since = f" từ ngày {since:%d/%m/%Y}" if since else ""
    en_since = f" since {since:%Y-%m-%d}" if since else ""
    detail = f"{way}, {since:%Y-%m-%d}" if since else way
    if _is_own(former, party):
        vi = f"Mã {former} đã được thay bằng {code}{vi_since}; văn bản được giao tới {party.name}."
        en = f"The code {former} has been replaced by {code}{en_since}; the document goes to {party.name}."
    else:
        vi = (
            f"Mã {former} không còn hiệu lực{vi_since}: cơ quan đã sáp nhập; "
            f"văn bản được chuyển tới đơn vị kế thừa {party.name} ({code})."
        )
        en = (
            f"The code {former} is no longer valid{en_since}: the organ was merged; "
            f"the document goes to its successor {party.name} ({code})."
        )
    return EventReason(code=SUCCEEDED, detail=detail, message_vi=vi, message_en=en)


def by_heir(holder: PartyKey, reporter: PartyKey) -> tuple[EventReason, ...]:
    """What evidence says besides where *reporter* reports on what *holder* had, which was merged into it."""
    if holder == reporter:
        return ()
    vi = f"Đơn vị kế thừa {reporter} báo thay {holder}, cơ quan đã sáp nhập."
    en = f"Reported by {reporter}, into which {holder} was merged."
    return (EventReason(code=SUCCEEDED, detail=f"{holder} → {reporter}", message_vi=vi, message_en=en),)


def _is_own(code: OrganCode, party: Party) -> bool:
    return any(validity.code == code for validity in party.codes)


def _first_codes(found: Sequence[tuple[Organ, Found]]) -> dict[PartyKey, int]:
    """Which recipient gets the copy of each party, by its place in the envelope."""
    first: dict[PartyKey, int] = {}
    for index, (_, answer) in enumerate(found):
        if isinstance(answer, Party) and not isinstance(found[first.get(answer.key, index)][1], Successor):
            first.setdefault(answer.key, index)
        elif isinstance(answer, Party):
            first[answer.key] = index
        elif isinstance(answer, Successor):
            first.setdefault(answer.party.key, index)
    return first


def _party(answer: Found) -> Party | None:
    match answer:
        case Party():
            return answer
        case Successor(party=party):
            return party
        case Gone() | Unknown():
            return None
        case _:
            assert_never(answer)


def _why_not(answer: Found, party: Party | None, business: Business) -> tuple[Reason | None, str]:
    """Why *party* gets nothing of this kind, and the detail of it; no reason where it does."""
    if isinstance(answer, Gone):
        since = answer.since.astimezone(_VIETNAM) if answer.since else None
        return Reason("recipient-gone"), f"{since:%Y-%m-%d}" if since else ""
    if party is None:
        return Reason("recipient-unknown"), ""
    if party.is_locked:
        return Reason("recipient-locked"), ""
    if Kind.EDOC not in party.takes.kinds:
        return Reason("recipient-kind-unsupported"), str(Kind.EDOC)
    if business not in party.takes.business:
        return Reason("recipient-kind-unsupported"), f"{business:d} {business.name.lower()}"
    if EDXML not in party.takes.dialects:
        return Reason("dialect-unsupported"), ", ".join(sorted(party.takes.dialects))
    return None, ""
