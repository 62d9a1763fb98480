"""The inbox of parties that fetch by HTTP: peek, lock, read, acknowledge."""

from __future__ import annotations

from datetime import datetime, timedelta

from aiohttp import web

from adapters.http.answer import as_json, instant, is_past, send_payload
from adapters.http.auth import Access
from adapters.http.body import small_json
from adapters.http.gate import Turnstile
from adapters.http.options import Options, Ports
from gateway.errors import Refused
from gateway.model.handover import InboxItem

_LIMIT, _MOST = 50, 200


class Inbox:
    """What a party does with its inbox, by way of ``Desk``."""

    def __init__(self, options: Options, ports: Ports, access: Access, turnstile: Turnstile) -> None:
        self._options = options
        self._ports = ports
        self._access = access
        self._turnstile = turnstile

    async def peek(self, request: web.Request) -> web.StreamResponse:
        """What waits, without touching it."""
        _, party = self._access.party(request)
        items = await self._ports.desk.peek(party.key, number(request, "limit", _LIMIT, _MOST))
        now = self._ports.clock.now()
        return as_json({"items": [_shown(item, now) for item in items]})

    async def lock(self, request: web.Request) -> web.StreamResponse:
        """Keep one item for oneself for a while."""
        _, party = self._access.party(request)
        wanted = await small_json(request, idle=self._options.idle)
        lasting = _lasting(wanted.get("seconds"), self._options)
        item = await self._ports.desk.lock(party.key, request.match_info["id"], lasting)
        return as_json(
            {
                "lock": item.lock,
                "locked_until": instant(item.locked_until),
                "item": _shown(item, self._ports.clock.now()),
            }
        )

    async def content(self, request: web.Request) -> web.StreamResponse:
        """The bytes: edXML, or a receipt's evidence."""
        client, party = self._access.party(request)
        _, ref = await self._ports.desk.content(party.key, request.match_info["id"])
        with self._turnstile.through(client.id):
            return await send_payload(
                request, ref, self._ports.vault, media_type="application/xml", idle=self._options.idle
            )

    async def acknowledge(self, request: web.Request) -> web.StreamResponse:
        """The party has it: that is the hand-over."""
        _, party = self._access.party(request)
        match await small_json(request, idle=self._options.idle):
            case {"lock": str(lock)} if lock:
                await self._ports.desk.acknowledge(party.key, request.match_info["id"], lock)
            case _:
                raise Refused("request-invalid", "lock")
        return web.Response(status=204)


def number(request: web.Request, name: str, default: int, most: int) -> int:
    """The query parameter *name*, from 1 to *most*; raises ``Refused("request-invalid")``."""
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise Refused("request-invalid", f"{name}: 1 to {most}")
    return int(text)


def _lasting(seconds: object, options: Options) -> timedelta:
    if seconds is None:
        return options.lock_default
    longest = options.lock_longest.total_seconds()
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= longest:
        raise Refused("request-invalid", f"seconds: 1 to {longest:.0f}")
    return timedelta(seconds=seconds)


def _shown(item: InboxItem, now: datetime) -> dict[str, object]:
    # The lock's token is for who locked alone; everybody else of the party sees until when.
    is_locked = item.locked_until is not None and not is_past(item.locked_until, now)
    return {
        "id": item.id,
        "type": item.type,
        "document": item.document,
        "correlation": item.correlation,
        "headers": dict(item.headers),
        "sha256": item.sha256,
        "size": item.size,
        "urgent": item.is_urgent,
        "priority": int(item.priority),
        "available_at": instant(item.available_at),
        "expires_at": instant(item.expires_at),
        "locked_until": instant(item.locked_until) if is_locked else None,
    }
