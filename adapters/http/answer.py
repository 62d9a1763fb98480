"""How answers look: JSON, instants with Vietnam's offset, addresses, payloads in pieces."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta, timezone

import structlog
from aiohttp import web

from adapters.http import problem, ranges
from gateway.errors import GatewayError
from gateway.model.payload import PayloadRef
from gateway.ports import Vault

_VIETNAM = timezone(timedelta(hours=7))
_log = structlog.get_logger(__name__)


class Broken(ConnectionError):
    """An answer that was begun can't be ended: the connection was, so that the client notices."""


def as_json(value: Mapping[str, object], *, status: int = 200, **headers: str) -> web.Response:
    """*value* as a JSON answer."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def instant(at: datetime | None) -> str | None:
    """*at* as RFC 3339 with Vietnam's offset: UTC in the store, +07:00 at the edge."""
    return None if at is None else at.astimezone(_VIETNAM).isoformat(timespec="milliseconds")


def is_past(at: datetime | None, now: datetime) -> bool:
    """Whether *at* lies behind *now* (nothing does where there is no instant)."""
    return at is not None and at.astimezone(UTC) <= now


async def send_payload(
    request: web.Request, ref: PayloadRef, vault: Vault, *, media_type: str, idle: timedelta
) -> web.StreamResponse:
    """The bytes of *ref* that *request* wants, never more of them in memory than one piece.

    What goes wrong before the first piece becomes a problem; what goes wrong after it breaks the connection
    off, short of the promised length.
    """
    headers = download_headers(ref.sha256) | {"ETag": ranges.tag_of(ref.sha256), "Accept-Ranges": "bytes"}
    if ranges.has_it(request.headers, ref.sha256):
        return web.Response(status=304, headers=headers)
    try:
        part = ranges.wanted(request.headers, ref.sha256, ref.size)
    except ranges.NoSuchPart:
        language = request.headers.get("Accept-Language", "")
        there = {"Content-Range": f"bytes */{ref.size}"}
        return problem.of_reason("range-unsatisfiable", language=language, headers=there)
    status, start, stop = 200, 0, ref.size
    if part is not None:
        status, start, stop = 206, part.start, part.stop
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{ref.size}"
    if ref.body is not None:
        body = ref.body[start:stop]
        return web.Response(status=status, body=body, content_type=media_type, headers=headers)
    pieces = vault.open(ref, start=start)
    first = await anext(pieces, b"")
    response = web.StreamResponse(status=status, headers=headers)
    response.content_type = media_type
    response.content_length = stop - start
    try:
        await response.prepare(request)
        await _write(response, first, pieces, idle, left=stop - start, to_the_end=stop == ref.size)
        await response.write_eof()
    except GatewayError as exc:
        _log.error("payload broke off", sha256=ref.sha256, reason=getattr(exc, "reason", ""), exc_info=exc)
        abort(request)
        raise Broken("payload") from exc
    except TimeoutError as exc:
        abort(request)
        raise Broken("the peer takes nothing") from exc
    return response


def abort(request: web.BaseRequest) -> None:
    """End the connection at once: closing it would wait until the peer took what is buffered."""
    if request.transport is not None:
        request.transport.abort()


def download_headers(sha256: str) -> dict[str, str]:
    """What goes with bytes that are to be kept: their digest, and that no browser should show them."""
    # spec: RFC 9530 §3 - the digest of the whole representation
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    return {"Repr-Digest": f"sha-256=:{digest}:", "Content-Disposition": "attachment"}


async def _write(
    response: web.StreamResponse,
    piece: bytes,
    pieces: AsyncIterator[bytes],
    idle: timedelta,
    *,
    left: int,
    to_the_end: bool,
) -> None:
    """Write the next *left* bytes.  The last piece of all goes only when the vault has compared what it gave."""
    while piece and left:
        following = await anext(pieces, b"") if to_the_end or len(piece) <= left else b""
        async with asyncio.timeout(idle.total_seconds()):
            await response.write(piece[:left])
        left -= min(left, len(piece))
        piece = following
