"""What each client may do at the broker: patterns, anchored and with every dot escaped.

A client configures nothing, writes to the submit exchange only, under its own parties' keys only, and
reads its own parties' queues only.  Measured: an unanchored or unescaped pattern lets
``SLOPx1.edoc.anything`` through, and without a topic permission every key passes; so the topic permission
is always set before the permission to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model.ids import ClientId, PartyKey

SUBMIT_EXCHANGE = "vanthu.submit"
DEAD_EXCHANGE = "vanthu.dead"
NOTHING = "^$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one broker user may do in our virtual host.  ``topics`` is what it may publish to the exchange,
    ``parties`` are those in whose name it does all that."""

    user: str
    configure: str
    write: str
    read: str
    topics: str | None = None
    parties: frozenset[PartyKey] = frozenset()


def grant_of(client: ClientId, parties: Iterable[PartyKey]) -> Grant:
    """The grant of a client that acts for *parties* (all of them with queues, at least one)."""
    own = frozenset(parties)
    organs = "|".join(re.escape(party) for party in sorted(own))
    return Grant(
        user=client,
        configure=NOTHING,
        write=f"^{re.escape(SUBMIT_EXCHANGE)}$",
        read=rf"^vanthu\.(deliver|receipts)\.({organs})$",
        topics=rf"^({organs})\.(edoc(\.urgent)?|status)$",
        parties=own,
    )


def grant_of_gateway(user: str) -> Grant:
    """The least that the gateway itself needs over AMQP; it declares nothing there."""
    return Grant(
        user=user,
        configure=NOTHING,
        # spec: RabbitMQ access control - the default exchange is checked under the name amq.default
        write=r"^(amq\.default|vanthu\.dead)$",
        read=r"^vanthu\..*$",
    )
