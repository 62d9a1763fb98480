"""A time-stamp authority over HTTP (``gateway.ports.Stamper``)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
from cryptography import x509

from adapters.signing.evidence_check import Standing
from adapters.signing.stamps.token import LARGEST_TOKEN, NotGranted, check_token, granted, request
from gateway.errors import Unavailable

FRESH = timedelta(minutes=5)
"""How old the last answer may be that readiness goes by."""
_PROBE = b"vanthu: are you well?"
_PROBE_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """*url*: where it listens.  *wait*: how long it may take.  *roots*: whom to believe, asked each time."""

    url: str
    wait: timedelta
    roots: Callable[[], Sequence[x509.Certificate]]


class HttpStamper:
    """Asks for one token after the other; keeps nothing but what the last answer was worth."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._state = "ok, not asked yet"
        self._asked_at = float("-inf")

    async def stamp(self, body: bytes) -> bytes:
        """``Stamper.stamp``."""
        nonce = secrets.randbits(63)
        self._asked_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._options.wait.total_seconds()):
                answer = await self._ask(request(body, nonce))
            token = await asyncio.to_thread(self._taken, body, answer, nonce)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._state = f"ok, AWAY: the time-stamp authority does not answer ({type(error).__name__})"
            raise Unavailable("stamp-unavailable", type(error).__name__) from error
        except NotGranted as error:
            self._state = f"The time-stamp authority gives nothing that holds: {error}"
            raise Unavailable("stamp-unavailable", str(error)) from error
        self._state = "ok"
        return token

    async def check(self) -> str:
        """``ok``, also where the authority is away: no document waits for it; one sentence where it answers what
        proves nothing.  Asks for a token itself where nobody here has for a while."""
        if asyncio.get_running_loop().time() - self._asked_at > FRESH.total_seconds():
            with suppress(Unavailable, TimeoutError):
                self._state = "ok, AWAY: the time-stamp authority does not answer in time"
                async with asyncio.timeout(_PROBE_S):
                    await self.stamp(_PROBE)
        return self._state

    def _taken(self, body: bytes, answer: bytes, nonce: int) -> bytes:
        token = granted(answer, nonce)
        check = check_token(body, token, self._options.roots())
        if check.standing is not Standing.PASSED:
            raise NotGranted(check.reason)
        return token

    async def _ask(self, asked: bytes) -> bytes:
        # spec: RFC 3161 §3.4
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        async with (
            aiohttp.ClientSession(trust_env=False) as http,
            http.post(self._options.url, data=asked, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise NotGranted(f"The authority answers HTTP {response.status}.")
            answer = await response.content.read(LARGEST_TOKEN + 1)
            while len(answer) <= LARGEST_TOKEN and (more := await response.content.read(LARGEST_TOKEN)):
                answer += more
            return answer
