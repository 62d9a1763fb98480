"""Who takes part: parties (agencies), their codes and names in time, what they can take, and the clients that
act for them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from gateway.model.envelope import Business, Kind
from gateway.model.ids import ClientId, OrganCode, PartyKey
from gateway.model.quota import UNSAID, Quota

Dialect = NewType("Dialect", str)
"""A form of envelope that a party's system reads."""

EDXML = Dialect("edxml")
"""The one dialect that we write: strict edXML.  spec: QCVN 102:2016/BTTTT"""


class Link(StrEnum):
    """How a party takes what is addressed to it."""

    AMQP = "amqp"
    HTTP = "http"


class CodeForm(StrEnum):
    """Which system of identifiers a code belongs to.

    The form tells nothing about the party, and no code is ever computed from one of the other form: only the
    directory knows which two belong together.  spec: edXML facts §6
    """

    OLD = "old"
    """QCVN 102: ``000.00.13.H53``, read from right to left."""
    QD20 = "qd20"
    """QĐ 20/2020 Art. 4: ``H53.13``, read from left to right."""
    IRREGULAR = "irregular"
    """Whatever else is in use: ``28.22.H17``, ``vxp.saas.03``, and interconnection centres (``00.53.W00``)."""


_FORMS = (
    (re.compile(r"\d{3}\.\d\d\.\d\d\.[A-Z]\d\d"), CodeForm.OLD),
    (re.compile(r"[A-Y]\d\d(\.[0-9A-Z]+)*"), CodeForm.QD20),
)


def form_of(code: OrganCode) -> CodeForm:
    """The system of identifiers that *code* belongs to."""
    return next((form for pattern, form in _FORMS if pattern.fullmatch(code)), CodeForm.IRREGULAR)


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
class FormerName:
    """What a party was called before the instant ``until`` (``None``: at some time that nobody wrote down)."""

    name: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the system of a party can take; the default is everything that we carry.

    ``business`` are the business kinds of an edoc that it can process: a system that knows no recall has no 1.
    ``max_bytes`` bounds the envelope as it is delivered, ``None`` by nothing but our own limit.
    """

    kinds: frozenset[Kind] = frozenset(Kind)
    business: frozenset[Business] = frozenset(Business)
    max_bytes: int | None = None
    dialects: frozenset[Dialect] = frozenset({EDXML})


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An agency that sends and receives.  ``key`` is immutable; everything else may change.

    ``max_bytes`` bounds each document that it may send, ``quota`` all of them together; ``takes`` says what it can be
    sent.  ``parent`` is the agency above it.
    """

    key: PartyKey
    name: str
    codes: tuple[CodeValidity, ...]
    link: Link = Link.HTTP
    is_locked: bool = False
    max_bytes: int | None = None
    parent: PartyKey | None = None
    former_names: tuple[FormerName, ...] = ()
    takes: Capabilities = Capabilities()
    quota: Quota = UNSAID

    def name_at(self, at: datetime) -> str:
        """What the party is called at the instant *at*."""
        then = [(f.until, f.name) for f in self.former_names if f.until is not None and at < f.until]
        return min(then)[1] if then else self.name

    def code_at(self, at: datetime) -> OrganCode:
        """The code that names the party at the instant *at*, before all the one it was registered under."""
        held = [c.code for c in self.codes if c.holds_at(at)]
        own = OrganCode(str(self.key))
        return own if own in held or not held else held[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The code belonged to a party that was merged into ``party``; ``since`` is when.

    ``through`` are the parties in between, where mergers followed each other.  Where ``party`` gave up the
    code itself and lives on under another, ``since`` is when it did.
    """

    party: Party
    former: OrganCode
    since: datetime | None = None
    through: tuple[PartyKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The code belonged to a party that no longer exists and has no successor; ``since`` is when it ended."""

    former: OrganCode
    since: datetime | None = None


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
