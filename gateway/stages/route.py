"""route: decide, per recipient, where its copy goes; one that can't be served disturbs no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from gateway.errors import Reason
from gateway.model.document import Route, Routed, RouteRefusal, Signed
from gateway.model.envelope import Organ
from gateway.model.ids import PartyKey
from gateway.model.party import Found, Gone, Party, Successor, Unknown


def choose(signed: Signed, found: Sequence[tuple[Organ, Found]]) -> Routed:
    """A route or a refusal for every recipient, in the order of the envelope.

    Two codes that name one party get one copy: the second is refused as ``recipient-doubled``.
    """
    routes: list[Route] = []
    refusals: list[RouteRefusal] = []
    seen: set[PartyKey] = set()
    for organ, answer in found:
        party = _party(answer)
        reason = _why_not(answer, party, seen)
        if party is None or reason is not None:
            refusals.append(
                RouteRefusal(
                    addressed_as=organ.code,
                    name=party.name if party else organ.name,
                    reason=reason or Reason("recipient-unknown"),
                )
            )
            continue
        seen.add(party.key)
        routes.append(Route(party=party, addressed_as=organ.code))
    return Routed(signed=signed, routes=tuple(routes), refusals=tuple(refusals))


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


def _why_not(answer: Found, party: Party | None, seen: set[PartyKey]) -> Reason | None:
    if isinstance(answer, Gone):
        return Reason("recipient-gone")
    if party is None:
        return Reason("recipient-unknown")
    if party.is_locked:
        return Reason("recipient-locked")
    if party.key in seen:
        return Reason("recipient-doubled")
    return None
