"""One AMQP connection that comes back by itself, and never keeps anybody waiting without a limit.

    connection = Connection(Options(url="amqps://…"), "publish")
    await connection.start()
    live = await connection.opened()       # waits until there is one
    connection.state                       # "ok", or one sentence for health

Strategy: aio-pika's robust connections restore themselves in the background and let publishes hang
meanwhile (its issues #505, #563, #577).  So we use its plain ones, one at a time, and supervise them: a
task opens one, waits until it is gone, throws it away within a deadline whatever the broker does (a
stopped process answers nothing), and opens the next after a back-off.  Who uses it learns of the loss by
exceptions, and asks for the next one.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from yarl import URL

from adapters.broker import decoding, framing
from adapters.broker.wire import Wires
from gateway.errors import ConfigError

log = structlog.get_logger(__name__)

LOST = (aio_pika.exceptions.AMQPError, OSError, RuntimeError, TimeoutError)
"""What aio-pika and aiormq raise where connection or channel are lost (RuntimeError is theirs, too)."""

GONE = "the connection to the broker is not open"
_STEADY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the broker is, and how long we wait for it.  ``amqps:`` in the URL means TLS."""

    url: str = field(repr=False)
    """With user, password and virtual host."""
    life: str = ""
    """Whose connection it is, told to the broker behind the purpose."""
    ca_file: Path | None = None
    """Whom to trust with TLS; the machine's authorities when absent."""
    connect_within: timedelta = timedelta(seconds=10)
    close_within: timedelta = timedelta(seconds=3)
    """After that a connection is dropped without the broker's consent; nothing is lost by it."""
    heartbeat: timedelta = timedelta(seconds=20)
    """A silent broker is given up after three of these."""
    first_wait: timedelta = timedelta(milliseconds=100)
    longest_wait: timedelta = timedelta(seconds=5)
    """Between attempts; doubles from the first to the longest, with jitter."""


class Connection:
    """A supervised connection; *purpose* is shown in the broker's list of connections.

    *room* is awaited before each frame is read: who is full slows the broker down by it.  It must not
    wait for long: RabbitMQ closes a connection that it could not write to for 15 s.
    """

    def __init__(
        self, options: Options, purpose: str, *, room: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        decoding.install()
        framing.install()
        self._options = options
        self._purpose = purpose
        self._room = room
        self._url = _address(options, purpose)
        self._trusted = _trusted(options)
        self._live: AbstractConnection | None = None
        self._is_open = asyncio.Event()
        self._is_suspect = asyncio.Event()
        self._state = "the broker was not asked yet"
        self._wires = Wires(room)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def state(self) -> str:
        """``ok``, or a sentence that says what is wrong."""
        return self._state

    @property
    def live(self) -> AbstractConnection | None:
        """The open connection, if there is one right now."""
        return self._live

    async def opened(self) -> AbstractConnection:
        """Wait (without a limit of our own) for an open connection."""
        while self._live is None:
            await self._is_open.wait()
        return self._live

    async def start(self) -> None:
        """Begin to connect.  Returns once there is a connection, or the first attempt has failed: a broker
        that is away does not stop us from starting, ``state`` tells.  May be called twice."""
        if self._task is not None:
            return
        first = asyncio.Event()
        self._task = asyncio.create_task(self._supervise(first), name=f"broker-{self._purpose}")
        await first.wait()

    async def stop(self) -> None:
        """Close within ``close_within``.  May be called twice."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait({task})
        self._state = "the connection to the broker is closed"

    def suspect(self, live: AbstractConnection, why: str) -> None:
        """Tell that *live* does not answer: it is thrown away and replaced, if it is still the one in use."""
        if live is self._live and not self._is_suspect.is_set():
            log.warning("broker connection suspected", purpose=self._purpose, why=why)
            self._is_suspect.set()

    async def _supervise(self, first: asyncio.Event) -> None:
        options = self._options
        wait_s = options.first_wait.total_seconds()
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    live = await self._connect()
                except Exception as exc:  # whatever aiormq, ssl or the resolver raise: it is not there
                    self._tell(_sentence(exc))
                    first.set()
                else:
                    opened_at = loop.time()
                    self._open(live)
                    first.set()
                    try:
                        why = await self._gone(live)
                    finally:
                        self._shut()
                        await self._dispose(live)
                    self._tell(why)
                    if loop.time() - opened_at > _STEADY_S:
                        wait_s = options.first_wait.total_seconds()
                await asyncio.sleep(wait_s * (0.5 + random.random()))
                wait_s = min(wait_s * 2, options.longest_wait.total_seconds())
        finally:
            first.set()

    async def _connect(self) -> AbstractConnection:
        self._wires = Wires(self._room)
        live = aio_pika.Connection(self._url, ssl_context=self._trusted)
        live.kwargs["transport_factory"] = self._wires
        opening = asyncio.create_task(live.connect(), name=f"broker-{self._purpose}-connect")
        try:
            done, _ = await asyncio.wait({opening}, timeout=self._options.connect_within.total_seconds())
            if not done:
                raise TimeoutError
            opening.result()
        except BaseException:
            # Not awaited: a TLS peer that was stopped may keep even a cancelled handshake waiting.
            _abandon(opening)
            self._wires.abort()
            raise
        return live

    async def _dispose(self, live: AbstractConnection) -> None:
        try:
            await within(live.close(), self._options.close_within)
        finally:
            self._wires.abort()  # a no-op where the close has come to its end

    async def _gone(self, live: AbstractConnection) -> str:
        transport = live.transport
        if transport is None:
            return GONE
        closing = transport.connection.closing
        suspected = asyncio.ensure_future(self._is_suspect.wait())
        try:
            await asyncio.wait({closing, suspected}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            suspected.cancel()
        if not closing.done():
            closing.cancel()  # our observer only
            return "the broker does not answer"
        lost = None if closing.cancelled() else closing.exception()
        return _sentence(lost) if lost else GONE

    def _open(self, live: AbstractConnection) -> None:
        self._is_suspect.clear()
        self._live = live
        self._is_open.set()
        self._state = "ok"
        log.info("broker connected", purpose=self._purpose)

    def _shut(self) -> None:
        self._live = None
        self._is_open.clear()

    def _tell(self, why: str) -> None:
        if why != self._state:
            log.warning("broker away", purpose=self._purpose, why=why)
        self._state = why


class real_cancellation_only:
    """aiormq ends what waits on a lost channel with a CancelledError that nobody asked for; here that becomes
    a ``ConnectionResetError``.  A task that is really being cancelled is cancelled."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None or not issubclass(kind, asyncio.CancelledError):
            return
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            raise ConnectionResetError(GONE) from None


async def within(what: Awaitable[Any], limit: timedelta) -> bool:
    """Wait for *what*, but no longer than *limit*; then it is cancelled and left alone.  Says whether it
    came to its end; what it raised is of no interest."""
    task = asyncio.ensure_future(what)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
    finally:
        _abandon(task)
    return bool(done)


def _abandon(task: asyncio.Future[Any]) -> None:
    task.add_done_callback(lambda t: t.cancelled() or t.exception())
    task.cancel()


def _address(options: Options, purpose: str) -> URL:
    url = URL(options.url)
    if url.scheme not in ("amqp", "amqps") or not url.host:
        raise ConfigError("[broker] url: amqp://user:password@host:port/vhost or amqps://… is needed")
    name = f"vanthu-{purpose} {options.life}".rstrip()
    return url.update_query(heartbeat=str(round(options.heartbeat.total_seconds())), name=name)


def _trusted(options: Options) -> ssl.SSLContext | None:
    if not options.url.startswith("amqps:"):
        return None
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"[broker] ca_file: {options.ca_file} cannot be read") from exc


def _sentence(exc: BaseException) -> str:
    match exc:
        case aio_pika.exceptions.ProbableAuthenticationError() | aio_pika.exceptions.AuthenticationError():
            return "the broker refused our user or password"
        case TimeoutError():
            return "the broker does not answer"
        case ssl.SSLError():
            return f"TLS with the broker failed: {exc.reason}"
    return f"the broker is away ({type(exc).__name__})"
