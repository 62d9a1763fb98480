"""The server: listens, bounds connections, stops without losing what is running.

server = HttpServer(Options(port=0, secret=secret), ports)
await server.start()
...
await server.stop()
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from datetime import timedelta

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from adapters.http import problem
from adapters.http.answer import abort
from adapters.http.app import build, dress
from adapters.http.gate import Gate
from adapters.http.metrics import Metrics
from adapters.http.options import Options, Ports
from gateway.errors import ConfigError

_LINGER_S = 2.0
_LAST_S = 2.0
_log = structlog.get_logger(__name__)


class HttpServer:
    """One HTTP listener over the gateway's ports; with ``reuse_port`` one per worker process."""

    def __init__(self, options: Options, ports: Ports, metrics: Metrics | None = None) -> None:
        self._options = options
        self.metrics = metrics if metrics is not None else Metrics()
        self._gate = Gate()
        self._app = build(options, ports, self.metrics, self._gate, lambda: self.public_url)
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self._port = options.port

    @property
    def port(self) -> int:
        """The port that we listen on, once started."""
        return self._port

    @property
    def public_url(self) -> str:
        """The beginning of our addresses, without a slash at its end."""
        if self._options.public_url:
            return self._options.public_url.rstrip("/")
        scheme = "https" if self._options.certificate_file else "http"
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"{scheme}://{host}:{self._port}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        server = self._runner.server if self._runner is not None else None
        return len(server.connections) if server is not None else 0

    def routes(self) -> Iterable[web.AbstractRoute]:
        """Everything that is answered."""
        return self._app.router.routes()

    async def start(self) -> None:
        """Listen.  Raises ``ConfigError`` where the address is taken or the certificate can't be read."""
        options = self._options
        context = _tls(options)
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=_LAST_S)
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                lambda: _Connection(server, loop, options),
                options.host,
                options.port,
                ssl=context,
                reuse_port=options.reuse_port or None,
                backlog=512,
            )
        except OSError as exc:
            await self._runner.cleanup()
            self._runner = None
            raise ConfigError(
                f"http.host, http.port: {options.host}:{options.port}: {exc.strerror or exc}"
            ) from exc
        self._port = self._listener.sockets[0].getsockname()[1]
        _log.info("http listens", port=self._port)

    async def rest(self, grace: timedelta) -> int:
        """Answer what comes as ``draining``, and wait up to *grace* for what runs; how many requests are left."""
        await self._gate.close(grace)
        return self._gate.running

    def resume(self) -> None:
        """Take requests again, after ``rest``."""
        self._gate.open()

    async def stop(self) -> None:
        """Take no new requests, finish those that run for ``grace``, close.  May be called twice, or early."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        # 1. Nobody new: the port is free for our successor, and open connections are told "draining".
        if self._listener is not None:
            self._listener.close()
        # 2. What runs may end.  aiohttp's own shutdown stops reading first, so that an upload under way could
        #    never end; therefore we wait before it.
        await self._gate.close(self._options.grace)
        # 3. Answers on their way may still leave; the rest is broken off.
        await runner.cleanup()


class _Connection(RequestHandler):
    """aiohttp's connection with what it lacks: a bound on their number, a limit for a peer that takes no
    answer, and problems for requests that are no HTTP."""

    def __init__(
        self,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        options: Options,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is what turns it off
            # Also the limit for a request's head: the clock starts with the connection and with each answer.
            keepalive_timeout=options.idle.total_seconds(),
            lingering_time=_LINGER_S,
            auto_decompress=False,
        )
        self._answer_s = options.body_time.total_seconds()
        self._server = server
        self._most = options.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the connection in where there is room."""
        super().connection_made(transport)
        if len(self._server.connections) > self._most:
            _log.warning("too many connections", most=self._most)
            self.force_close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; a peer that does not take it loses the connection."""
        try:
            async with asyncio.timeout(self._answer_s):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            abort(request)
            raise ConnectionResetError("the peer takes nothing") from None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What never reached a route: bytes that are no HTTP, heads that are too large."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        if status == 400:
            answer = problem.of_reason("request-invalid")
        else:
            answer = problem.of(exc if exc is not None else RuntimeError(message or "unknown"))
        dress(answer)
        answer.force_close()
        return answer


def _tls(options: Options) -> ssl.SSLContext | None:
    if options.certificate_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.certificate_file, options.key_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"http.certificate_file, http.key_file: {exc}") from exc
    return context
