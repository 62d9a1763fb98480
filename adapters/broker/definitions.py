"""RabbitMQ's definitions (its own JSON): what is missing of ours, what differs, what has no business there.

Pure: compares a ``Topology`` with an export and says what to import, in two parts whose order matters: users and topic
permissions first, the permission to write after them.  An export holds no statistics, so comparing a
thousand queues takes milliseconds.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from adapters.broker.permissions import SUBMIT_EXCHANGE, Grant, grant_of_gateway
from adapters.broker.topology import Topology, is_of_a_party

Rows = Sequence[Mapping[str, Any]]
Definitions = Mapping[str, Any]

HASHING = "rabbit_password_hashing_sha256"
OURS = "vanthu-client"
"""The tag of users that we made: only those do we ever remove, and only from our virtual host."""
LIMITS = {"max-connections": 256, "max-channels": 2048}
"""What one user may hold open at most, so that a client that leaks connections harms itself alone."""
_POWERS = frozenset({"administrator", "monitoring", "policymaker", "management"})
# Policy keys that bend what a queue's arguments promise.
_BENDING = ("expires", "message-ttl", "max-", "overflow", "delivery-limit", "dead-letter")
_MOST_NAMED = 5
_KEYS = (
    *("user", "vhost", "exchange", "configure", "write", "read"),
    *("source", "destination", "destination_type", "routing_key", "arguments"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where in the broker: our virtual host, and the user that the gateway itself is."""

    vhost: str = "vanthu"
    gateway_user: str = "vanthu-gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """What to do, in this order: remove *strangers* (users), import *first*, then *second*."""

    strangers: tuple[str, ...]
    first: Mapping[str, Rows]
    second: Mapping[str, Rows]


def password_hash(password: str, salt: bytes | None = None) -> str:
    """spec: RabbitMQ, passwords - base64(salt of 4 bytes, SHA-256(salt, password))."""
    salt = secrets.token_bytes(4) if salt is None else salt
    return base64.b64encode(salt + sha256(salt + password.encode()).digest()).decode()


def is_password(password: str, hashed: str) -> bool:
    """Whether *hashed* was made of *password*."""
    try:
        salt = base64.b64decode(hashed, validate=True)[:4]
    except ValueError:
        return False
    return hmac.compare_digest(password_hash(password, salt), hashed)


def shortfall(topology: Topology, have: Definitions, site: Site, passwords: Mapping[str, str]) -> Shortfall:
    """What must be imported so that the broker has all of *topology*.

    *passwords* are by user; a user without one keeps what it has, or is made unable to log in.  A queue that
    exists with other arguments can't be mended by an import: ``differences`` reports it.
    """
    first: dict[str, Rows] = {}
    second: dict[str, Rows] = {}
    if site.vhost not in {row["name"] for row in have.get("vhosts", ())}:
        first["vhosts"] = [{"name": site.vhost}]
    users = _by(have, "users", "name")
    first["users"] = [
        user for grant in topology.grants if (user := _user(grant.user, users, passwords)) is not None
    ]
    first["topic_permissions"] = _absent(_topic_rows(topology, site), _of(have, "topic_permissions", site))
    permissions = _of(have, "permissions", site)
    second["permissions"] = _absent(_permission_rows(topology.grants, site), permissions)
    if site.gateway_user not in {row["user"] for row in permissions}:
        gateway = grant_of_gateway(site.gateway_user)
        second["permissions"] = [*second["permissions"], *_permission_rows([gateway], site)]
    queues = {row["name"] for row in _of(have, "queues", site)}
    second["queues"] = [
        {
            "name": queue.name,
            "vhost": site.vhost,
            "durable": True,
            "auto_delete": False,
            "arguments": queue.arguments,
        }
        for queue in topology.queues
        if queue.name not in queues
    ]
    exchanges = {row["name"] for row in _of(have, "exchanges", site)}
    second["exchanges"] = [row for row in _exchange_rows(topology, site) if row["name"] not in exchanges]
    second["bindings"] = _absent(_binding_rows(topology, site), _of(have, "bindings", site))
    return Shortfall(
        strangers=_strangers(topology, have, site),
        first={part: rows for part, rows in first.items() if rows},
        second={part: rows for part, rows in second.items() if rows},
    )


def leftovers(topology: Topology, have: Definitions, site: Site) -> tuple[str, ...]:
    """The queues of parties that are in the broker and in no directory, in order."""
    wanted = {queue.name for queue in topology.queues}
    names = {row["name"] for row in _of(have, "queues", site)}
    return tuple(sorted(name for name in names - wanted if is_of_a_party(name)))


def stray_bindings(topology: Topology, have: Definitions, site: Site) -> Rows:
    """The bindings that lead from our exchanges to queues of parties that are in no directory."""
    gone = set(leftovers(topology, have, site))
    bindings = _of(have, "bindings", site)
    return [row for row in bindings if row["source"] in topology.exchanges and row["destination"] in gone]


def differences(topology: Topology, have: Definitions, site: Site) -> list[str]:
    """Each way in which the broker is not as the contract says, one sentence each; empty when all is well."""
    if site.vhost not in {row["name"] for row in have.get("vhosts", ())}:
        return [f"the virtual host {site.vhost} is missing"]
    return [
        *_of_queues(topology, have, site),
        *_of_routes(topology, have, site),
        *_of_permissions(topology, have, site),
    ]


# --- what differs -----------------------------------------------------------------------------------


def _of_queues(topology: Topology, have: Definitions, site: Site) -> Iterable[str]:
    queues = {row["name"]: row for row in _of(have, "queues", site)}
    missing = [queue.name for queue in topology.queues if queue.name not in queues]
    if missing:
        yield f"{len(missing)} queues are missing: {_named(missing)}"
    for queue in topology.queues:
        row = queues.get(queue.name)
        if row is None:
            continue
        if not row.get("durable") or row.get("auto_delete"):
            yield f"queue {queue.name} is not durable"
        found = row.get("arguments", {})
        for name, value in queue.arguments.items():
            if found.get(name) != value:
                yield f"queue {queue.name} has {name} = {found.get(name)!r} instead of {value!r}"
        for name in sorted(found.keys() - queue.arguments.keys()):
            yield f"queue {queue.name} has the argument {name}, which the contract does not know"
    for policy in _of(have, "policies", site):
        bent = [key for key in policy.get("definition", {}) if key.startswith(_BENDING)]
        if bent and any(_matches(policy.get("pattern", ""), queue.name) for queue in topology.queues):
            yield f"the policy {policy.get('name')} changes {_named(sorted(bent))} of our queues"


def _of_routes(topology: Topology, have: Definitions, site: Site) -> Iterable[str]:
    exchanges = {row["name"]: row for row in _of(have, "exchanges", site)}
    for wanted in _exchange_rows(topology, site):
        row = exchanges.get(wanted["name"])
        if row is None:
            yield f"the exchange {wanted['name']} is missing"
        elif any(row.get(key) != wanted[key] for key in ("type", "durable", "auto_delete", "internal")):
            yield f"the exchange {wanted['name']} is not a durable topic exchange"
        elif row.get("arguments"):
            yield f"the exchange {wanted['name']} has arguments, which the contract does not know"
    bindings = [row for row in _of(have, "bindings", site) if row["source"] in topology.exchanges]
    wanted_bindings = _binding_rows(topology, site)
    if missing := _absent(wanted_bindings, bindings):
        yield f"{len(missing)} bindings are missing: {_named([row['routing_key'] for row in missing])}"
    for row in _absent(bindings, wanted_bindings):
        yield f"{row['source']} also goes to {row['destination']} under {row['routing_key']!r}"


def _of_permissions(topology: Topology, have: Definitions, site: Site) -> Iterable[str]:
    users = _by(have, "users", "name")
    wanted = {grant.user: grant for grant in topology.grants}
    if missing := sorted(wanted.keys() - users.keys()):
        yield f"{len(missing)} users are missing: {_named(missing)}"
    for name in sorted(wanted.keys() & users.keys()):
        if powers := _POWERS.intersection(_tags(users[name])):
            yield f"user {name} carries the tag {', '.join(sorted(powers))}"
    permissions = {row["user"]: row for row in _of(have, "permissions", site)}
    if site.gateway_user not in permissions:
        yield f"the gateway's user {site.gateway_user} has no permission in {site.vhost}"
    else:
        yield from _of_gateway(permissions[site.gateway_user], site)
    if missing := sorted(wanted.keys() - permissions.keys()):
        yield f"{len(missing)} users have no permission: {_named(missing)}"
    for name, row in sorted(permissions.items()):
        if name == site.gateway_user:
            continue
        if name not in wanted:
            yield f"user {name} has a permission in {site.vhost}, but is no client"
            continue
        for part in ("configure", "write", "read"):
            if row.get(part) != getattr(wanted[name], part):
                yield f"user {name} may {part} {row.get(part)!r} instead of {getattr(wanted[name], part)!r}"
    topics = _of(have, "topic_permissions", site)
    rows = _topic_rows(topology, site)
    if short := [row["user"] for row in _absent(rows, topics)]:
        yield f"{len(short)} users lack the right topic permission: {_named(short)}"
    for row in topics:
        if row["user"] != site.gateway_user and (row["user"], row.get("exchange")) not in {
            (want["user"], want["exchange"]) for want in rows
        }:
            yield f"user {row['user']} has a topic permission on {row.get('exchange')!r}, which nobody gave"


def _of_gateway(row: Mapping[str, Any], site: Site) -> Iterable[str]:
    for part, name in (("write", "amq.default"), ("read", "vanthu.submit.x"), ("read", "vanthu.dead.submit")):
        if not _matches(row.get(part, ""), name):
            yield f"the gateway's user {site.gateway_user} may not {part} {name}"


def _strangers(topology: Topology, have: Definitions, site: Site) -> tuple[str, ...]:
    """Users that we made, that are no clients any more, and that nobody lets into another virtual host."""
    wanted = {grant.user for grant in topology.grants}
    ours = {row["name"] for row in have.get("users", ()) if OURS in _tags(row)}
    here = {row["user"] for row in _of(have, "permissions", site)}
    elsewhere = {row["user"] for row in have.get("permissions", ()) if row.get("vhost") != site.vhost}
    return tuple(sorted((ours & here) - elsewhere - wanted))


# --- rows -------------------------------------------------------------------------------------------


def _user(name: str, users: Mapping[str, Mapping[str, Any]], passwords: Mapping[str, str]) -> Any:
    existing, password = users.get(name), passwords.get(name)
    if existing is None:
        # An empty hash is a user that can't log in until an operator gives it a password.
        hashed = password_hash(password) if password else ""
        return {
            "name": name,
            "password_hash": hashed,
            "hashing_algorithm": HASHING,
            "tags": [OURS],
            "limits": LIMITS,
        }
    if password is None or is_password(password, str(existing.get("password_hash", ""))):
        return None
    return {
        "name": name,
        "password_hash": password_hash(password),
        "hashing_algorithm": HASHING,
        "tags": sorted(_tags(existing)),
    }


def _permission_rows(grants: Iterable[Grant], site: Site) -> list[Mapping[str, Any]]:
    return [
        {"user": g.user, "vhost": site.vhost, "configure": g.configure, "write": g.write, "read": g.read}
        for g in grants
    ]


def _topic_rows(topology: Topology, site: Site) -> list[Mapping[str, Any]]:
    return [
        {
            "user": g.user,
            "vhost": site.vhost,
            "exchange": SUBMIT_EXCHANGE,
            "write": g.topics,
            "read": "^$",
        }
        for g in topology.grants
    ]


def _exchange_rows(topology: Topology, site: Site) -> list[Mapping[str, Any]]:
    return [
        {
            "name": name,
            "vhost": site.vhost,
            "type": "topic",
            "durable": True,
            "auto_delete": False,
            "internal": False,
            "arguments": {},
        }
        for name in topology.exchanges
    ]


def _binding_rows(topology: Topology, site: Site) -> list[Mapping[str, Any]]:
    return [
        {
            "source": b.exchange,
            "vhost": site.vhost,
            "destination": b.queue,
            "destination_type": "queue",
            "routing_key": b.key,
            "arguments": {},
        }
        for b in topology.bindings
    ]


def _absent(wanted: Iterable[Mapping[str, Any]], have: Iterable[Mapping[str, Any]]) -> Rows:
    """The rows of *wanted* that *have* lacks, compared by what we know of rows (versions add keys)."""
    held = {_known(row) for row in have}
    return [row for row in wanted if _known(row) not in held]


def _known(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(repr(row.get(key)) for key in _KEYS)


def _of(have: Definitions, part: str, site: Site) -> Rows:
    return [row for row in have.get(part, ()) if row.get("vhost") == site.vhost]


def _by(have: Definitions, part: str, key: str) -> Mapping[str, Mapping[str, Any]]:
    return {row[key]: row for row in have.get(part, ())}


def _tags(user: Mapping[str, Any]) -> frozenset[str]:
    # A list since 3.9, one text with commas before.
    tags = user.get("tags", ())
    return frozenset(tag.strip() for tag in (tags.split(",") if isinstance(tags, str) else tags) if tag)


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} …"
