"""Clients: who may come in, and for whom they act.  The file holds digests of tokens, never tokens.

[clients."e-office-huyen"]
acts_for = ["000.00.36.H53", "000.25.36.H53"]
token_sha256 = "…"       # lower-case hex of SHA-256 of the token
operator = false
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from adapters.directory.overrides import flag, known, read_table, tables
from gateway.errors import ConfigError
from gateway.model.ids import ClientId, PartyKey, normalised
from gateway.model.party import Client, Party

_KEYS = {"acts_for", "token_sha256", "operator"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A client is a broker user as well; its name stands in addresses and permissions.
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")


def load_clients(
    path: Path, parties: Iterable[Party], *, drop_unknown_parties: bool = False
) -> tuple[Client, ...]:
    """The clients of the file at *path*, by name.  They act for *parties* alone.

    Raises ``ConfigError``, naming file and key: unknown keys, one token for two clients, and parties that do
    not exist unless they are to be dropped.
    """
    keys = {party.key for party in parties}
    table = read_table(path)
    known(table, {"clients"}, str(path))
    clients: dict[str, Client] = {}
    owners: dict[str, str] = {}
    for name, entry in tables(table, "clients", str(path)).items():
        where = f'{path}: clients."{name}"'
        known(entry, _KEYS, where)
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{where}: a name has 1 to 100 letters, digits, dots, dashes and underscores")
        digest = entry.get("token_sha256", "")
        if not isinstance(digest, str) or (digest and not _SHA256.fullmatch(digest)):
            raise ConfigError(f"{where}.token_sha256: 64 lower-case hexadecimal digits are needed")
        if digest and (other := owners.setdefault(digest, name)) != name:
            raise ConfigError(f'{where}.token_sha256: clients."{other}" has the same token')
        clients[name] = Client(
            id=ClientId(name),
            acts_for=_acts_for(entry.get("acts_for"), keys, f"{where}.acts_for", drop_unknown_parties),
            token_sha256=digest,
            is_operator=flag(entry, "operator", where),
        )
    return tuple(clients[name] for name in sorted(clients))


def _acts_for(value: object, keys: set[PartyKey], where: str, drop_unknown: bool) -> frozenset[PartyKey]:
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        raise ConfigError(f"{where}: a list of organ codes is needed")
    named = frozenset(PartyKey(normalised(code)) for code in value)
    if (unknown := sorted(named - keys)) and not drop_unknown:
        raise ConfigError(f"{where}: no party {unknown[0]!r}")
    return named & keys
