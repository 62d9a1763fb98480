"""Users, queues and permissions at the broker: brought there by definitions imports, and read back.

    management = Management(Options(url=..., user=..., password=...), site)
    await management.ensure(topology, passwords)     # imports only what is missing
    await management.read_back(topology)             # [] when the broker is as the contract says

One order is kept at all costs: a user's topic permission is there, and seen to be there, before its
permission to write.  Measured: without a topic permission RabbitMQ lets any routing key pass.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import structlog

from adapters.broker.definitions import (
    Definitions,
    Rows,
    Shortfall,
    Site,
    differences,
    leftovers,
    shortfall,
    stray_bindings,
)
from adapters.broker.topology import DEAD_PARKED, Topology
from gateway.errors import Unavailable

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the management API is, and an administrator's access to it."""

    url: str
    """Without credentials and without a slash at the end."""
    user: str
    password: str = field(repr=False)
    within: timedelta = timedelta(seconds=60)
    """For one request; an import of 900 queues takes 6 s."""
    ca_file: Path | None = None
    """Whom to trust where the URL is https; the machine's authorities when absent."""


class Management:
    """One broker's management API.  Raises ``Unavailable("broker-away")`` where it does not answer."""

    def __init__(self, options: Options, site: Site | None = None) -> None:
        self._options = options
        self._site = site or Site()
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections that were kept.  May be called twice."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def ensure(self, topology: Topology, passwords: Mapping[str, str]) -> Shortfall:
        """Bring to the broker what it lacks of *topology*; answers what that was.

        Safe to run again, and by several processes at once.  Users that we made and that are no clients any
        more are removed.  *passwords* are by user name.
        """
        began = time.monotonic()
        lacking = shortfall(topology, await self._export(), self._site, passwords)
        if lacking.first:
            await self._import(lacking.first)
            # An import answers before every node knows: nobody may write before the topics are seen.
            again = shortfall(topology, await self._export(), self._site, passwords)
            if again.first:
                parts = ", ".join(sorted(again.first))
                raise Unavailable("broker-away", f"the broker did not take over: {parts}")
        if lacking.second:
            await self._import(lacking.second)
        # Last: what fails before has taken nothing away.
        for user in lacking.strangers:
            await self._ask("DELETE", f"/api/users/{quote(user, safe='')}", accepted=(404,))
        log.info(
            "broker topology ensured",
            queues=len(lacking.second.get("queues", ())),
            users=len(lacking.first.get("users", ())),
            removed=len(lacking.strangers),
            duration_ms=round((time.monotonic() - began) * 1000),
        )
        return lacking

    async def unbind(self, topology: Topology) -> None:
        """Let nothing more come to the queues of parties that are not in *topology*; the queues stay."""
        for row in stray_bindings(topology, await self._export(), self._site):
            key = quote(row["routing_key"], safe="") or "~"
            where = "/".join(
                quote(part, safe="")
                for part in (self._site.vhost, "e", row["source"], "q", row["destination"])
            )
            await self._ask("DELETE", f"/api/bindings/{where}/{key}", accepted=(404,))

    async def disconnect(self, users: Collection[str]) -> None:
        """Close the open connections of *users*: RabbitMQ asks for rights once per channel and remembers the answer."""
        if users:
            await self._disconnect(frozenset(users))

    async def left(self, topology: Topology) -> Mapping[str, int]:
        """The queues of parties that are not in *topology*, with how many messages wait in each."""
        have = await self._export()
        return {queue: await self.depth(queue) for queue in leftovers(topology, have, self._site)}

    async def _disconnect(self, users: frozenset[str]) -> None:
        # By the user: the broker's own list, exact at once.  The list below is five seconds old (measured), and is
        # all that brokers before 3.10 have.
        for user in users:
            path = f"/api/connections/username/{quote(user, safe='')}"
            await self._ask("DELETE", path, accepted=(404, 405))
        rows = await self._ask("GET", "/api/connections?columns=name,user,vhost")
        for row in rows if isinstance(rows, list) else ():
            if row.get("user") in users and row.get("vhost") == self._site.vhost:
                path = f"/api/connections/{quote(row['name'], safe='')}"
                await self._ask("DELETE", path, accepted=(404,))

    async def read_back(self, topology: Topology) -> list[str]:
        """Each way in which the broker is not as the contract says; empty when all is well."""
        found = differences(topology, await self._export(), self._site)
        if not found:
            parked = await self.depth(DEAD_PARKED)
            if parked:
                found.append(f"{parked} messages lie in {DEAD_PARKED}: nothing could be made of them")
        return found

    async def channels(self, lives: Collection[str]) -> int:
        """How many channels the connections of *lives* (``connection.Options.life``) hold at the broker.

        A channel that is closed is gone from the broker's list at once, and with it its consumers, what it has not
        acknowledged and what was not confirmed to it; the counts of those are seconds old (measured: up to 6).  One
        whose connection the broker does not name yet counts, too.
        """
        names = {
            row["name"]: str(row.get("user_provided_name") or "")
            for row in await self._rows("/api/connections?columns=name,user_provided_name")
        }
        found = 0
        for row in await self._rows("/api/channels?columns=user,vhost,connection_details.name"):
            if (row.get("user"), row.get("vhost")) != (self._site.gateway_user, self._site.vhost):
                continue
            told = names.get((row.get("connection_details") or {}).get("name", ""), "")
            found += not told or any(told.endswith(f" {life}") for life in lives)
        return found

    async def _rows(self, path: str) -> Rows:
        rows = await self._ask("GET", path)
        return rows if isinstance(rows, list) else []

    async def messages(self, names: tuple[str, ...]) -> int:
        """How many messages are in the queues whose names begin so, as the broker last counted (some seconds ago)."""
        vhost = quote(self._site.vhost, safe="")
        rows = await self._rows(f"/api/queues/{vhost}?columns=name,messages")
        return sum(row.get("messages", 0) for row in rows if str(row.get("name", "")).startswith(names))

    async def depth(self, queue: str) -> int:
        """How many messages are in *queue*, as the broker last counted (some seconds ago)."""
        vhost = quote(self._site.vhost, safe="")
        row = await self._ask("GET", f"/api/queues/{vhost}/{quote(queue, safe='')}?columns=messages")
        messages: int = row.get("messages", 0) if isinstance(row, dict) else 0
        return messages

    async def _export(self) -> Definitions:
        definitions = await self._ask("GET", "/api/definitions")
        if not isinstance(definitions, dict):
            raise Unavailable("broker-away", "the management API gave no definitions")
        return definitions

    async def _import(self, parts: Mapping[str, Rows]) -> None:
        await self._ask("POST", "/api/definitions", body=dict(parts))

    async def _ask(self, method: str, path: str, *, body: Any = None, accepted: tuple[int, ...] = ()) -> Any:
        try:
            async with self._session().request(method, self._options.url + path, json=body) as answer:
                if answer.status >= 400 and answer.status not in accepted:
                    told = (await answer.text(errors="replace"))[:300]
                    raise Unavailable("broker-away", f"management API: {answer.status} {told}")
                if answer.status == 200:
                    return await answer.json()
                return None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            raise Unavailable("broker-away", f"management API: {type(exc).__name__}") from exc

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            options = self._options
            trusted = (
                ssl.create_default_context(cafile=options.ca_file)
                if options.url.startswith("https:") and options.ca_file
                else True
            )
            self._http = aiohttp.ClientSession(
                headers={"Authorization": aiohttp.encode_basic_auth(options.user, options.password)},
                timeout=aiohttp.ClientTimeout(total=options.within.total_seconds()),
                connector=aiohttp.TCPConnector(ssl=trusted),
            )
        return self._http
