"""Who takes part: parties (agencies), their codes in time, and the clients that act for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.model.ids import ClientId, OrganCode, PartyKey


class Link(StrEnum):
    """How a party takes what is addressed to it."""

    AMQP = "amqp"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeValidity:
    """One organ code of a party and the instants between which it holds (open where ``None``)."""

    code: OrganCode
    since: datetime | None = None
    until: datetime | None = None

    def holds_at(self, at: datetime) -> bool:
        """Whether the code names the party at the instant *at*."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An agency that sends and receives.  ``key`` is immutable; everything else may change."""

    key: PartyKey
    name: str
    codes: tuple[CodeValidity, ...]
    link: Link = Link.HTTP
    is_locked: bool = False
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The code belonged to a party that was merged into ``party``; ``since`` is when."""

    party: Party
    former: OrganCode
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The code belonged to a party that no longer exists and has no successor."""

    former: OrganCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """No party of this realm has, or had, this code."""

    code: OrganCode


Found = Party | Successor | Gone | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A credential: the broker user of the same name, and an HTTP token of which we keep the digest alone.

    ``token_sha256`` is lower-case hex; empty means that the client has no HTTP token.
    """

    id: ClientId
    acts_for: frozenset[PartyKey]
    token_sha256: str = field(default="", repr=False)
    is_operator: bool = False
