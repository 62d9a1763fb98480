"""What every process stands on: the directory with its clients, folders, the store."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from adapters.directory import Options as DirectoryOptions
from adapters.directory import (
    OrganDirectory,
    Report,
    Secrets,
    admit,
    load,
    load_clients,
    make_development_clients,
)
from adapters.store import Options as StoreOptions
from adapters.store import Retention, Store
from gateway.config import Config, secret
from gateway.errors import ConfigError
from gateway.wiring.parties import clients_file, files_of


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
    clients = clients_file(config)
    directory, report = load(files_of(config))
    secrets = None
    if sections.clients.development:
        _, secrets = make_development_clients(directory.parties(), clients.parent)
    elif not sections.clients.file:
        raise ConfigError(f"{config.source}: clients.file: needed where clients.development is false")
    directory, report = load(files_of(config, clients))
    return _ground(config, directory, report, secrets)


def take(config: Config, folder: Path) -> Ground:
    """Like ``lay``, from copies of the files in *folder*, which are made here: whoever reads them later reads the
    very same, whatever becomes of the files.

    Raises ``ConfigError`` that names the file as the configuration does.
    """
    folder.mkdir(mode=0o700, parents=True)
    given = files_of(config)
    clients = clients_file(config)
    copies = {given.organs: folder / _ORGANS, clients: folder / _CLIENTS}
    if given.parties is not None:
        copies[given.parties] = folder / _PARTIES
    try:
        for original, copy in copies.items():
            if original != clients:
                _copy(original, copy)
        bare, report = load(_kept(config, folder, with_clients=False))
        secrets = None
        if config.sections.clients.development:
            admitted, secrets = make_development_clients(bare.parties(), clients.parent)
            _copy(clients, copies[clients])
        elif config.sections.clients.file:
            _copy(clients, copies[clients])
            admitted = load_clients(copies[clients], bare.parties())
        else:
            raise ConfigError(f"{config.source}: clients.file: needed where clients.development is false")
        directory = admit(bare, admitted)
    except ConfigError as error:
        told = str(error)
        for original, copy in copies.items():
            told = told.replace(str(copy), str(original))
        raise ConfigError(told) from None
    return _ground(config, directory, report, secrets)


def stand(config: Config, folder: Path) -> Ground:
    """What a worker stands on: the files that its parent took to *folder*."""
    directory, report = load(_kept(config, folder))
    return _ground(config, directory, report, None)


_ORGANS, _PARTIES, _CLIENTS = "organs.csv", "parties.toml", "clients.toml"


def _kept(config: Config, folder: Path, *, with_clients: bool = True) -> DirectoryOptions:
    parties = folder / _PARTIES
    return DirectoryOptions(
        organs=folder / _ORGANS,
        parties=parties if parties.exists() else None,
        clients=folder / _CLIENTS if with_clients else None,
        queues=config.sections.directory.queues,
    )


def _copy(original: Path, copy: Path) -> None:
    try:
        shutil.copyfile(original, copy)
        copy.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"{original}: {error.strerror or error}") from error


def _ground(config: Config, directory: OrganDirectory, report: Report, secrets: Secrets | None) -> Ground:
    return Ground(
        directory=directory,
        report=report,
        secrets=secrets,
        trust=config.trust_folder,
        keys=config.keys_folder,
        vault=config.data(config.sections.vault.folder, "vault"),
    )


def retention_of(config: Config) -> Retention:
    """How long each data class is kept; evidence stays."""
    section = config.sections.retention
    return Retention(content=_days(section.content_days), metadata=_days(section.metadata_days))


def _days(number: float) -> timedelta | None:
    return timedelta(days=number) if number else None


async def open_the_store(config: Config) -> Store:
    """The store, brought up to date."""
    if config.store_url.startswith("sqlite:///"):
        Path(config.store_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return await Store.open(
        StoreOptions(
            url=config.store_url,
            realm=config.sections.gateway.realm,
            readers=config.sections.store.readers,
            retention=retention_of(config),
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
