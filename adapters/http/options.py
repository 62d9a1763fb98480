"""What the HTTP side is told (``Options``) and what it is given (``Ports``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from adapters.http.gate import AlwaysOpen, Unmetered
from gateway.ports import (
    Clock,
    Desk,
    Directory,
    Disposal,
    Inlet,
    Intake,
    Ledger,
    LogRecords,
    Quotas,
    Records,
    Uploads,
    Vault,
)

MIB = 1024 * 1024

Health = Callable[[], Awaitable[Mapping[str, str]]]
"""``Operations.health``: each part by name with ``ok``, or one sentence that says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where to listen, and the bounds of everything that a client can do.

    ``port`` 0 takes a free one.  ``public_url`` is how clients reach us (behind a proxy, say) and the
    beginning of every address that we hand out; empty means the address we listen on.  ``secret`` signs the
    addresses of claims: the same in every worker, and in every life as long as claims are to be fetched.

    ``max_bytes`` bounds a submission or upload (a party's own limit may be lower); bodies above
    ``memory_bytes`` stream to the vault, the rest rides along in memory.  ``transfers`` and
    ``transfers_per_client`` bound how many bodies are on their way at once, in and out.

    ``idle`` is how long a peer may be silent: between requests, within a request's head, between two pieces
    of a body, and while it takes an answer.  ``body_time`` bounds one whole body.  ``grace`` is how long
    ``stop`` waits for what is running.

    ``heads`` beginnings of uploads, of ``header_bytes`` at most, are held in memory for ``head_time`` after their
    last piece, until a whole header was seen.

    ``metrics_token_sha256`` asks for a token on ``/metrics``; without it loopback alone may look, and
    nobody through a proxy.  ``health_age`` is how long one answer of ``/readyz`` is told again: the check
    signs, and nobody shall make it sign a thousand times a second.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    secret: bytes = field(repr=False)
    max_bytes: int = 64 * MIB
    memory_bytes: int = MIB
    header_bytes: int = 256 * 1024
    heads: int = 64
    head_time: timedelta = timedelta(minutes=10)
    transfers: int = 64
    transfers_per_client: int = 8
    connections: int = 2000
    idle: timedelta = timedelta(seconds=30)
    body_time: timedelta = timedelta(minutes=10)
    grace: timedelta = timedelta(seconds=20)
    lock_default: timedelta = timedelta(minutes=5)
    lock_longest: timedelta = timedelta(hours=1)
    metrics_token_sha256: str = field(default="", repr=False)
    health_age: timedelta = timedelta(seconds=1)
    health_time: timedelta = timedelta(seconds=10)
    reuse_port: bool = False
    certificate_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the routes need of the gateway."""

    intake: Intake
    desk: Desk
    ledger: Ledger
    records: Records
    log: LogRecords
    vault: Vault
    uploads: Uploads
    directory: Directory
    clock: Clock
    health: Health
    inlet: Inlet = field(default_factory=AlwaysOpen)
    quotas: Quotas = field(default_factory=Unmetered)
    days_left: Callable[[], Mapping[str, int]] = dict
    disposal: Disposal | None = None
