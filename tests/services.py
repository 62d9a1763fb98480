"""Real servers for tests: a RabbitMQ node and a PostgreSQL cluster of our own, ended with the test run.

Both are plain context managers that belong to no event loop, live in a folder of their own under
``var/test`` and may run any number of times side by side, also from several checkouts.  Kill -9 of the
test run ends them, too; the folders that such a run leaves are swept by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from adapters.broker import guardian
from adapters.broker.guard import Guard, Part
from adapters.broker.node import Options, PrivateNode

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def private_broker() -> Iterator[PrivateNode]:
    """A private RabbitMQ node, started; give it to as many tests as you like."""
    with _folder(ROOT / "var" / "test", "broker-") as folder:
        node = PrivateNode(Options(folder=folder))
        asyncio.run(node.start())
        try:
            yield node
        finally:
            # Nobody needs the data any more: a killed node is gone at once, a stopping one in 6 s.
            asyncio.run(node.kill())


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running PostgreSQL cluster, with fsync as in production."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the database ``postgres``."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """SQLAlchemy's URL of one database."""
        return self._url(database).render_as_string(hide_password=False)

    def new_database(self) -> str:
        """Make an empty database; answers its URL."""
        name = f"vanthu_{secrets.token_hex(6)}"
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def _url(self, database: str) -> URL:
        return URL.create("postgresql+psycopg", "vanthu", self.password, "127.0.0.1", self.port, database)

    def _conninfo(self, database: str) -> str:
        return self._url(database).set(drivername="postgresql").render_as_string(hide_password=False)


class Cluster:
    """A PostgreSQL cluster in *folder*, on loopback; it may be stopped, killed, and started again, the same.

    No UNIX socket, so no path is ever too long.  PostgreSQL refuses to run as root: whoever it runs as instead
    must be able to walk to its folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        self.postgres = Postgres(port=_free_port(), password=secrets.token_hex(16))
        self.pid = 0
        self._guard: Guard | None = None

    @property
    def owner(self) -> tuple[int, int]:
        """User and group that it runs as."""
        if self._user is None:
            return os.geteuid(), os.getegid()
        entry = pwd.getpwnam(self._user)
        return entry.pw_uid, entry.pw_gid

    def make(self) -> None:
        """Make the empty cluster."""
        secret = self._folder / "password"
        secret.write_text(self.postgres.password)
        if self._user is not None:
            for path in (self._folder, secret):
                shutil.chown(path, self._user, pwd.getpwnam(self._user).pw_gid)
        as_user: dict[str, Any] = {"user": self._user, "extra_groups": []} if self._user is not None else {}
        options = f"--pgdata=data --username=vanthu --pwfile={secret.name} --auth=scram-sha-256"
        made = subprocess.run(
            [
                postgres_binaries() / "initdb",
                *options.split(),
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            cwd=self._folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **as_user,
        )
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")

    @property
    def is_running(self) -> bool:
        """Whether it runs, as far as its guardian knows."""
        return self._guard is not None and self._guard.is_running

    def start(self) -> None:
        """Run it under the same guardian that the private broker has; returns when it answers."""
        deadline = time.monotonic() + 60
        while not self._begin(deadline):
            # Of a killed server its children may still hold the memory that they shared.
            self.stop()
            if time.monotonic() > deadline:
                log = (self._folder / "server.log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{log}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it in order, by its "fast shutdown".  May be called twice."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        guard.release()
        while guard.is_running:
            time.sleep(0.02)
        guard.close()

    def kill(self) -> None:
        """End it as a power cut would; ``start`` comes next."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def _begin(self, deadline: float) -> bool:
        options = f"-D data -p {self.postgres.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        server = Part(
            name="postgres",
            argv=[str(postgres_binaries() / "postgres"), *options.split()],
            env=_environment(),
            cwd=self._folder,
            output=self._folder / "server.log",
            signal="INT",  # PostgreSQL's "fast shutdown"
            user=self._user,
        )
        guard = self._guard = Guard(self._folder, wait=timedelta(seconds=10))
        assert guard.has_folder()
        self.pid = guard.run([server])["postgres"]
        while not _accepts(self.postgres):
            if not guard.is_running or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@contextlib.contextmanager
def private_postgres() -> Iterator[Postgres]:
    """A private PostgreSQL cluster on a free loopback port, in a folder of its own."""
    with postgres_folder() as folder:
        cluster = Cluster(folder)
        cluster.make()
        try:
            cluster.start()
            yield cluster.postgres
        finally:
            cluster.stop()


@contextlib.contextmanager
def postgres_folder() -> Iterator[Path]:
    """A new folder where a cluster may lie, removed at the end."""
    parent = ROOT / "var" / "test"
    if os.geteuid() == 0 and not _all_may_enter(parent):
        parent = Path(tempfile.gettempdir())
    with _folder(parent, "vanthu-postgres-") as folder:
        yield folder


def postgres_binaries() -> Path:
    """The folder of the newest PostgreSQL server on this machine."""
    found = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda path: float(path.parent.name),
    )
    if found:
        return found[-1]
    on_path = shutil.which("initdb")
    if on_path is None:
        raise RuntimeError("no PostgreSQL server on this machine: run `make setup`, or install postgresql")
    return Path(on_path).resolve().parent


def _accepts(postgres: Postgres) -> bool:
    try:
        psycopg.connect(postgres._conninfo("postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@contextlib.contextmanager
def _folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder, removed at the end; what runs that were killed left beside it is removed, too."""
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.glob(f"{prefix}*"):
        _remove_if_idle(old)
    hidden = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
    with (hidden / "used").open("w") as used:
        fcntl.flock(used, fcntl.LOCK_EX)
        # Only a locked folder gets the name by which others sweep.
        folder = hidden.rename(parent / f"{prefix}{hidden.name.removeprefix('.new-')}")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_if_idle(folder: Path) -> None:
    # Both locks: the test run's own, and the guardian's, who may outlive it by some seconds.
    with contextlib.ExitStack() as stack:
        try:
            for name in ("used", "lock"):
                file = stack.enter_context((folder / name).open("a"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        guardian.end_leftovers(folder / "processes.json")
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_user() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _all_may_enter(folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
