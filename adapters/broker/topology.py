"""Everything the contract needs at the broker, computed from parties and clients: no I/O.

Per party with queues: ``vanthu.submit.<organ>`` and ``.urgent``, ``vanthu.deliver.<organ>``,
``vanthu.receipts.<organ>``.  Every queue is quorum, durable, bounded in messages and bytes, has a delivery
limit, and gives up its dead at least once to the exchange ``vanthu.dead`` under a key that tells their
origin (``submit.<organ>``, ``deliver.<organ>`` …).  We consume the dead; what we ourselves can't make
anything of ends in ``vanthu.dead.parked``, which nobody consumes and readiness reports.

    topology = plan(directory.parties(), directory.clients(), Bounds())
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapters.broker.permissions import DEAD_EXCHANGE, SUBMIT_EXCHANGE, Grant, grant_of
from gateway.errors import ConfigError
from gateway.model.ids import PartyKey
from gateway.model.party import Client, Link, Party

DEAD_SUBMIT = "vanthu.dead.submit"
DEAD_DELIVER = "vanthu.dead.deliver"
DEAD_RECEIPTS = "vanthu.dead.receipts"
DEAD_PARKED = "vanthu.dead.parked"
SUBMITTED = ("vanthu.submit.", DEAD_SUBMIT, DEAD_DELIVER)
"""How the names of the queues begin from which we take documents, and news of them."""

_MIB = 1024 * 1024
# Letters that mean nothing to topic bindings, permission patterns, or RabbitMQ's {username} expansion.
_ORGAN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_LANES = (".edoc", ".status", ".urgent")
_LONGEST_ORGAN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much one queue holds, and how often it tries a message before it gives it up as dead."""

    messages: int
    bytes: int
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of each kind of queue.  A queue's arguments can't be changed once it exists.

    ``dead`` allows more deliveries than there will ever be (RabbitMQ 3.x knows no word for "no limit"): the
    deaths of a dead letter are counted in the store.
    """

    submit: Bound = Bound(messages=1_000, bytes=256 * _MIB, deliveries=5)
    urgent: Bound = Bound(messages=1_000, bytes=256 * _MIB, deliveries=5)
    deliver: Bound = Bound(messages=100, bytes=128 * _MIB, deliveries=20)
    receipts: Bound = Bound(messages=10_000, bytes=128 * _MIB, deliveries=20)
    dead: Bound = Bound(messages=100_000, bytes=4096 * _MIB, deliveries=1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue; ``dead_key`` is the key under which it gives up its dead."""

    name: str
    bound: Bound
    dead_key: str

    @property
    def arguments(self) -> Mapping[str, str | int]:
        """What it is declared with: everything explicit, for defaults differ between broker versions."""
        return {
            "x-queue-type": "quorum",
            "x-max-length": self.bound.messages,
            "x-max-length-bytes": self.bound.bytes,
            # spec: RabbitMQ, quorum queues - at-least-once dead-lettering needs reject-publish
            "x-overflow": "reject-publish",
            "x-delivery-limit": self.bound.deliveries,
            "x-dead-letter-exchange": DEAD_EXCHANGE,
            "x-dead-letter-routing-key": self.dead_key,
            "x-dead-letter-strategy": "at-least-once",
        }


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Binding:
    """What of an exchange goes to which queue."""

    exchange: str
    queue: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All of it.  ``parties`` are those whose submissions we take, in order; who is locked has its queues and is
    none of them, and no client may use them."""

    parties: tuple[PartyKey, ...]
    exchanges: tuple[str, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    grants: tuple[Grant, ...]


def submit_queue(party: PartyKey, *, urgent: bool = False) -> str:
    """Where submissions of *party* wait for us."""
    return f"vanthu.submit.{party}.urgent" if urgent else f"vanthu.submit.{party}"


def deliver_queue(party: PartyKey) -> str:
    """Where *party* takes its deliveries."""
    return f"vanthu.deliver.{party}"


def receipts_queue(party: PartyKey) -> str:
    """Where *party* takes its receipts."""
    return f"vanthu.receipts.{party}"


def parties_with_queues(parties: Iterable[Party]) -> tuple[PartyKey, ...]:
    """The keys of the parties whose link is AMQP, in order."""
    return tuple(sorted(party.key for party in parties if party.link is Link.AMQP))


def plan(parties: Iterable[Party], clients: Iterable[Client], bounds: Bounds | None = None) -> Topology:
    """What the broker must have.  Clients that act for no party with queues get no broker user.

    Raises ``ConfigError`` for a code that can't be part of a routing key.
    """
    bounds = bounds or Bounds()
    held = tuple(parties)
    keys = parties_with_queues(held)
    locked = frozenset(party.key for party in held if party.is_locked)
    for key in keys:
        if not _ORGAN.fullmatch(key) or len(key) > _LONGEST_ORGAN or key.endswith(_LANES):
            raise ConfigError(
                f"party {key!r}: a code with queues has letters, digits, dashes and underscores between dots, "
                "and does not end like a lane"
            )
    queues = [queue for key in keys for queue in _queues_of(key, bounds)]
    queues += [
        # Each of the three may itself give up (a bug of ours): parked, not lost.
        Queue(name=DEAD_SUBMIT, bound=bounds.dead, dead_key="parked.submit"),
        Queue(name=DEAD_DELIVER, bound=bounds.dead, dead_key="parked.deliver"),
        Queue(name=DEAD_RECEIPTS, bound=bounds.dead, dead_key="parked.receipts"),
        Queue(name=DEAD_PARKED, bound=bounds.dead, dead_key="parked.parked"),
    ]
    bindings = [binding for key in keys for binding in _bindings_of(key)]
    bindings += [
        Binding(exchange=DEAD_EXCHANGE, queue=DEAD_SUBMIT, key="submit.#"),
        Binding(exchange=DEAD_EXCHANGE, queue=DEAD_DELIVER, key="deliver.#"),
        Binding(exchange=DEAD_EXCHANGE, queue=DEAD_RECEIPTS, key="receipts.#"),
        Binding(exchange=DEAD_EXCHANGE, queue=DEAD_PARKED, key="parked.#"),
    ]
    served = frozenset(keys) - locked
    grants = [
        grant_of(client.id, own)
        for client in sorted(clients, key=lambda c: c.id)
        if (own := client.acts_for & served)
    ]
    return Topology(
        parties=tuple(key for key in keys if key in served),
        exchanges=(SUBMIT_EXCHANGE, DEAD_EXCHANGE),
        queues=tuple(queues),
        bindings=tuple(bindings),
        grants=tuple(grants),
    )


def narrowed(before: Topology, after: Topology) -> tuple[str, ...]:
    """The users who may do less by *after* than by *before*, those who may do nothing any more among them."""
    reach = {grant.user: grant.parties for grant in after.grants}
    return tuple(
        grant.user for grant in before.grants if not grant.parties <= reach.get(grant.user, frozenset())
    )


def is_of_a_party(queue: str) -> bool:
    """Whether *queue* is named as the queues of parties are."""
    return queue.startswith(("vanthu.submit.", "vanthu.deliver.", "vanthu.receipts."))


def _queues_of(party: PartyKey, bounds: Bounds) -> tuple[Queue, ...]:
    return (
        Queue(name=submit_queue(party), bound=bounds.submit, dead_key=f"submit.{party}"),
        Queue(name=submit_queue(party, urgent=True), bound=bounds.urgent, dead_key=f"submit.{party}.urgent"),
        Queue(name=deliver_queue(party), bound=bounds.deliver, dead_key=f"deliver.{party}"),
        Queue(name=receipts_queue(party), bound=bounds.receipts, dead_key=f"receipts.{party}"),
    )


def _bindings_of(party: PartyKey) -> tuple[Binding, ...]:
    ordinary, urgent = submit_queue(party), submit_queue(party, urgent=True)
    return (
        Binding(exchange=SUBMIT_EXCHANGE, queue=ordinary, key=f"{party}.edoc"),
        Binding(exchange=SUBMIT_EXCHANGE, queue=ordinary, key=f"{party}.status"),
        Binding(exchange=SUBMIT_EXCHANGE, queue=urgent, key=f"{party}.edoc.urgent"),
    )
