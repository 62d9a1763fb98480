"""Alive, ready, counted: what orchestrators and monitors ask."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping

import structlog
from aiohttp import web

from adapters.http.answer import as_json
from adapters.http.auth import holds_token
from adapters.http.gate import Gate
from adapters.http.metrics import MEDIA_TYPE, Metrics
from adapters.http.options import Options, Ports
from gateway.errors import GatewayError, Refused

PARTS = ("broker", "contract", "store", "vault", "signing", "certificates", "disk", "inspector")
"""What readiness speaks of, in this order; what ``Ports.health`` names besides comes after."""

_OK = "ok"
_log = structlog.get_logger(__name__)


class Health:
    """``/healthz``, ``/readyz`` and ``/metrics``."""

    def __init__(self, options: Options, ports: Ports, metrics: Metrics, gate: Gate) -> None:
        self._options = options
        self._ports = ports
        self._metrics = metrics
        self._gate = gate
        self._parts: Mapping[str, str] = {}
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def alive(self, request: web.Request) -> web.StreamResponse:
        """The loop turns: that is all."""
        return as_json({"status": "alive"})

    async def ready(self, request: web.Request) -> web.StreamResponse:
        """Each part with its own verdict; 503 where one is not well, or where we are stopping."""
        parts = await self._ask()
        is_ready = all(_is_well(verdict) for verdict in parts.values()) and not self._gate.is_closed
        status = "ready" if is_ready else "draining" if self._gate.is_closed else "not-ready"
        return as_json(
            {"status": status, "parts": dict(parts)},
            status=200 if is_ready else 503,
            **({} if is_ready else {"Retry-After": "5"}),
        )

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """The numbers; for the token's holder, or for loopback where no token is configured."""
        if self._options.metrics_token_sha256:
            if not holds_token(request, self._options.metrics_token_sha256):
                raise Refused("token-wrong")
        elif not _is_loopback(request):
            raise Refused("not-found")
        try:
            async with asyncio.timeout(self._options.health_time.total_seconds()):
                self._metrics.work_waiting(await self._ports.records.waiting())
                self._metrics.evidence_log(await self._ports.log.state(), self._ports.clock.now())
        except (GatewayError, TimeoutError):
            _log.warning("work not counted")  # the other numbers are worth having all the more
        self._metrics.certificate_days_left(self._ports.days_left())
        body = await self._metrics.exposition()
        return web.Response(body=body, content_type=MEDIA_TYPE, charset="utf-8")

    async def close(self, app: web.Application) -> None:
        """Nobody waits for a running check any more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> Mapping[str, str]:
        """The parts' verdicts, at most ``health_age`` old.  However many ask, one check runs."""
        now = asyncio.get_running_loop().time()
        if self._asking is None and now - self._asked_at > self._options.health_age.total_seconds():
            self._asking = asyncio.create_task(self._check(), name="readiness")
        if self._asking is not None:
            await asyncio.shield(self._asking)
        return self._parts

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(self._options.health_time.total_seconds()):
                told = await self._ports.health()
            missing = {part: "not checked" for part in PARTS if part not in told}
            found = {**told, **missing}
        except TimeoutError:
            found = dict.fromkeys(PARTS, "no answer in time")
        except Exception as exc:
            # A check that falls over is the clearest sign that we are not ready.
            _log.error("readiness check failed", exc_info=exc)
            found = dict.fromkeys(PARTS, "could not be checked")
        self._metrics.certificate_days_left(self._ports.days_left())  # a scrape may ask another worker
        order = (*PARTS, *sorted(found.keys() - set(PARTS)))
        self._parts = {part: found[part] for part in order}
        self._asked_at = asyncio.get_running_loop().time()
        self._asking = None


def _is_well(verdict: str) -> bool:
    """``ok``, or ``ok`` with something worth knowing: ``ok, the first certificate ends in 12 days``."""
    return verdict == _OK or verdict.startswith(f"{_OK}, ")


def _is_loopback(request: web.Request) -> bool:
    """Whether the peer sits on this machine and speaks for itself, not for somebody behind a proxy."""
    if any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")):
        return False
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
