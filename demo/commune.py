"""A commune without an e-office: HTTP alone.  It submits, and looks into its inbox until the day is over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self

import aiohttp

from demo.access import Access
from demo.books import Books, Line, Taken
from demo.edxml import Organ, Producer, Received, read_edoc, read_status, write_status
from demo.office import Keep, receipt_from

_LOOK_EVERY_S = 0.4  # an inbox is asked, it does not call


class Commune:
    """One agency's client over HTTP."""

    def __init__(
        self,
        organ: Organ,
        access: Access,
        producer: Producer,
        books: Books,
        http: aiohttp.ClientSession,
        *,
        keep: Keep,
    ) -> None:
        self.organ = organ
        self.producer = producer
        self._access = access
        self._books = books
        self._http = http
        self._keep = keep
        self._reader: asyncio.Task[None] | None = None
        self.failed: str = ""

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read_inbox(), name=f"inbox of {self.organ.code}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def send(self, body: bytes, message: str, *, lane: str = "edoc") -> None:
        """Submit *body* under the id; returns when the gateway has it for good."""
        headers = {"Idempotency-Key": message, "Content-Type": "application/xml"}
        if lane == "edoc.urgent":
            headers["Vanthu-Lane"] = "urgent"
        await self._ask("POST", "/v1/submissions", data=body, headers=headers, expect=202)

    # --- the inbox ------------------------------------------------------------------------------------

    async def _read_inbox(self) -> None:
        while True:
            try:
                inbox = await self._ask("GET", "/v1/inbox", params={"limit": "50"})
                for item in inbox["items"]:
                    await self._take(item)
            except (aiohttp.ClientError, ValueError, KeyError, TimeoutError) as exc:
                self._books.fault(f"{self.organ.code}: inbox: {exc!r}")
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _take(self, item: dict[str, Any]) -> None:
        path = f"/v1/inbox/{item['id']}"
        lock = (await self._ask("POST", f"{path}/lock", json={"seconds": 60}))["lock"]
        body: bytes = await self._ask("GET", f"{path}/content")
        if sha256(body).hexdigest() != item["sha256"]:
            raise ValueError(f"item {item['id']} is not what its sha256 says")
        document: Received | None = None
        is_new = False
        match item["type"]:
            case "edoc":
                document = read_edoc(body)
                is_new = self._books.took(
                    Taken(
                        delivery=item["id"],
                        party=self.organ.code,
                        what="edoc",
                        document=item["correlation"],
                    )
                )
                if is_new:
                    await self._keep(item["correlation"], document)
            case "status":
                status = read_status(body)
                self._books.took(
                    Taken(
                        delivery=item["id"],
                        party=self.organ.code,
                        what="status",
                        document=item["correlation"],
                        other=status.reporter,
                        word=status.code,
                    )
                )
            case "receipt":
                self._books.got(
                    receipt_from(
                        item["headers"],
                        evidence=item["id"],
                        party=self.organ.code,
                        message=item["correlation"],
                        body=body,
                    )
                )
            case other:
                raise ValueError(f"an item of the unknown type {other}")
        await self._ask("POST", f"{path}/acknowledge", json={"lock": lock}, expect=204)
        # A commune without software for it leaves a recall or an update unanswered.
        if document is not None and is_new and not document.asks:
            await self._register(item["id"], document)

    async def _register(self, delivery: str, document: Received) -> None:
        message = f"{self.organ.code}:{delivery}:03"
        self._books.expect(
            Line(what="receipt", party=self.organ.code, message=message, word="SubmissionAcceptance")
        )
        await self.send(
            write_status(
                self.organ,
                document.reference,
                "03",
                "Đã tiếp nhận, vào sổ công văn đến",
                self.producer,
                datetime.now(UTC),
            ),
            message,
        )

    async def _ask(self, method: str, path: str, *, expect: int = 200, **more: Any) -> Any:
        headers = {**self._access.authorization, **more.pop("headers", {})}
        params = {"organ": self.organ.code, **more.pop("params", {})}
        url = self._access.http_url + path
        async with self._http.request(method, url, headers=headers, params=params, **more) as response:
            body = await response.read()
            if response.status != expect:
                raise ValueError(f"{method} {path}: {response.status} {body[:300]!r}")
            return await response.json() if "json" in response.content_type else body
