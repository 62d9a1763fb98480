"""What every process stands on: the directory with its clients, folders, the store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from adapters.directory import OrganDirectory, Report, Secrets, load, make_development_clients
from adapters.store import Options as StoreOptions
from adapters.store import Store
from gateway.config import Config, secret
from gateway.errors import ConfigError
from gateway.wiring.parties import files_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Who takes part, and where things lie.  ``secrets`` exists in development only."""

    directory: OrganDirectory
    report: Report
    secrets: Secrets | None
    trust: Path
    keys: Path
    vault: Path


def lay(config: Config) -> Ground:
    """Read the directory and its clients; in development make what is missing.

    Raises ``ConfigError`` that names the file.
    """
    sections = config.sections
    clients = config.data(sections.clients.file, "dev/clients/clients.toml")
    directory, report = load(files_of(config))
    secrets = None
    if sections.clients.development:
        _, secrets = make_development_clients(directory.parties(), clients.parent)
    elif not sections.clients.file:
        raise ConfigError(f"{config.source}: clients.file: needed where clients.development is false")
    directory, report = load(files_of(config, clients))
    return Ground(
        directory=directory,
        report=report,
        secrets=secrets,
        trust=config.trust_folder,
        keys=config.keys_folder,
        vault=config.data(sections.vault.folder, "vault"),
    )


async def open_the_store(config: Config) -> Store:
    """The store, brought up to date."""
    if config.store_url.startswith("sqlite:///"):
        Path(config.store_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return await Store.open(
        StoreOptions(
            url=config.store_url,
            realm=config.sections.gateway.realm,
            readers=config.sections.store.readers,
        )
    )


def claim_secret(config: Config, ground: Ground) -> bytes:
    """The secret that signs the addresses of claims."""
    name = secret(config.sections.http.secret_file, "http.secret_file")
    if name:
        file = config.file(name, Path())
        try:
            found = file.read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"http.secret_file: {file}: {error.strerror}") from error
        if len(found) < 16:
            raise ConfigError(f"http.secret_file: {file}: at least 16 bytes are needed")
        return found
    if ground.secrets is None:
        raise ConfigError(f"{config.source}: http.secret_file: needed where clients.development is false")
    return ground.secrets.claim_secret


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an AMQP URL that we need beside it."""

    user: str
    password: str
    vhost: str
    without_user: str


def address_of(url: str) -> Address:
    """The user, password, virtual host and public form of *url*.  Raises ``ConfigError``."""
    parts = urlsplit(url)
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        raise ConfigError("broker.url: must be amqp://user:password@host:port/vhost or amqps://…")
    vhost = unquote(parts.path.removeprefix("/")) or "/"
    port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(
        user=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        vhost=vhost,
        without_user=f"{parts.scheme}://{host}:{port}{parts.path or '/'}",
    )


def masked(url: str) -> str:
    """*url* without its password, for messages."""
    return re.sub(r"//([^:/@]*):[^@]*@", r"//\1:…@", url)
