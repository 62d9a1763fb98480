"""Clients for a machine of one's own: made on first use, kept, and told to whoever may read the folder.

One client per party, named as its organ code, so that anybody's program can start at once.  Not for
production: there, tokens are given out by people and no file holds them.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from adapters.directory.clients import load_clients
from gateway.errors import ConfigError
from gateway.model.ids import ClientId, PartyKey
from gateway.model.party import Client, Link, Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What the development clients know, by party, and what the gateway itself needs.

    ``claim_secret`` signs the addresses of claims; ``gateway_password`` is the gateway's own at the broker.
    """

    tokens: Mapping[PartyKey, str] = field(repr=False)
    broker_passwords: Mapping[PartyKey, str] = field(repr=False)
    gateway_password: str = field(repr=False)
    claim_secret: bytes = field(repr=False)


def make_development_clients(parties: Sequence[Party], folder: Path) -> tuple[tuple[Client, ...], Secrets]:
    """A client for every party, from ``clients.toml`` and ``secrets.json`` in *folder*.

    What is missing is made; what is there stays, further clients in ``clients.toml`` too.  Both files are
    readable by their owner alone, and replaced in one step.  Raises ``ConfigError`` where the folder can't be
    written or a file not be read.
    """
    clients_file, secrets_file = folder / "clients.toml", folder / "secrets.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"{folder}: {exc.strerror or exc}") from exc
    held = _held(secrets_file)
    made = Secrets(
        tokens={p.key: held.tokens.get(p.key) or secrets.token_urlsafe(32) for p in parties},
        broker_passwords={
            p.key: held.broker_passwords.get(p.key) or secrets.token_urlsafe(24)
            for p in parties
            if p.link is Link.AMQP
        },
        gateway_password=held.gateway_password or secrets.token_urlsafe(24),
        claim_secret=held.claim_secret or secrets.token_bytes(32),
    )
    # Parties that left the list keep their secrets: they may come back.
    kept = Secrets(
        tokens={**held.tokens, **made.tokens},
        broker_passwords={**held.broker_passwords, **made.broker_passwords},
        gateway_password=made.gateway_password,
        claim_secret=made.claim_secret,
    )
    if kept != held:
        _keep(secrets_file, kept)
    there = load_clients(clients_file, parties, drop_unknown_parties=True) if clients_file.exists() else ()
    wanted = {client.id: client for client in there}
    for gone in held.tokens.keys() - made.tokens.keys():
        wanted.pop(ClientId(gone), None)
    for party in parties:
        name = ClientId(party.key)
        digest = sha256(made.tokens[party.key].encode()).hexdigest()
        if name not in wanted or wanted[name].token_sha256 != digest:
            wanted[name] = Client(id=name, acts_for=frozenset({party.key}), token_sha256=digest)
    text = "".join(_entry(wanted[name]) for name in sorted(wanted))
    if not clients_file.exists() or clients_file.read_text("utf-8") != text:
        write_private(clients_file, text)
    return tuple(wanted[name] for name in sorted(wanted)), made


def write_access(
    path: Path,
    parties: Iterable[Party],
    known: Secrets,
    *,
    amqp_url: str | None,
    http_url: str,
) -> None:
    """Write the object, keyed by organ, from which a client in any language can start.

    *amqp_url* is the broker's without a user (``amqp://127.0.0.1:5672/vanthu``).  Parties without queues
    have ``null`` in the four AMQP fields.  Replaced in one step, readable by its owner alone.
    """
    access = {}
    for party in parties:
        has_queues = amqp_url is not None and party.link is Link.AMQP
        access[party.key] = {
            "amqp_url": _with_user(amqp_url, party.key, known.broker_passwords[party.key])
            if amqp_url is not None and has_queues
            else None,
            "submit_exchange": "vanthu.submit" if has_queues else None,
            "deliver_queue": f"vanthu.deliver.{party.key}" if has_queues else None,
            "receipts_queue": f"vanthu.receipts.{party.key}" if has_queues else None,
            "http_url": http_url,
            "http_token": known.tokens[party.key],
        }
    write_private(path, json.dumps(access, indent=1, ensure_ascii=False) + "\n")


def write_private(path: Path, text: str) -> None:
    """Put *text* at *path*, all at once and readable by its owner alone.  Raises ``ConfigError``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp opens with 0600: at no instant can anybody else read it
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror or exc}") from exc


def _held(path: Path) -> Secrets:
    try:
        kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return Secrets(
            tokens={PartyKey(key): str(token) for key, token in kept.get("tokens", {}).items()},
            broker_passwords={
                PartyKey(key): str(word) for key, word in kept.get("broker_passwords", {}).items()
            },
            gateway_password=str(kept.get("gateway_password", "")),
            claim_secret=bytes.fromhex(kept.get("claim_secret", "")),
        )
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror or exc}") from exc
    except (ValueError, AttributeError, TypeError) as exc:
        raise ConfigError(f"{path}: not what we wrote; remove it, and new secrets are made") from exc


def _keep(path: Path, kept: Secrets) -> None:
    text = json.dumps(
        {
            "tokens": dict(kept.tokens),
            "broker_passwords": dict(kept.broker_passwords),
            "gateway_password": kept.gateway_password,
            "claim_secret": kept.claim_secret.hex(),
        },
        indent=1,
    )
    write_private(path, text + "\n")


def _entry(client: Client) -> str:
    acts_for = ", ".join(f'"{key}"' for key in sorted(client.acts_for))
    operator = "true" if client.is_operator else "false"
    return (
        f'[clients."{client.id}"]\nacts_for = [{acts_for}]\n'
        f'token_sha256 = "{client.token_sha256}"\noperator = {operator}\n\n'
    )


def _with_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))
