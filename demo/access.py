"""How a client gets in: ``access.json``, and the two conventions it must know to read a body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import aiohttp

CLAIM_TYPE = "application/vnd.vanthu.claim+json"
MESSAGE_LIMIT = 1024 * 1024
"""Larger bodies travel as claims: a reference to bytes that are up- and downloaded by HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One organ's entry; the four AMQP fields are empty where it has no queues."""

    organ: str
    http_url: str
    http_token: str = field(repr=False)
    amqp_url: str = field(default="", repr=False)
    submit_exchange: str = ""
    deliver_queue: str = ""
    receipts_queue: str = ""

    @property
    def authorization(self) -> Mapping[str, str]:
        """The header that every request carries."""
        return {"Authorization": f"Bearer {self.http_token}"}


def read_access(path: Path) -> Mapping[str, Access]:
    """Everybody's entry, by organ."""
    entries: dict[str, dict[str, str | None]] = json.loads(path.read_text("utf-8"))
    return {
        organ: Access(
            organ=organ,
            http_url=(entry["http_url"] or "").rstrip("/"),
            http_token=entry["http_token"] or "",
            amqp_url=entry["amqp_url"] or "",
            submit_exchange=entry["submit_exchange"] or "",
            deliver_queue=entry["deliver_queue"] or "",
            receipts_queue=entry["receipts_queue"] or "",
        )
        for organ, entry in entries.items()
    }


async def redeem(http: aiohttp.ClientSession, access: Access, claim: bytes) -> bytes:
    """The bytes that *claim* refers to, checked; raises ``ValueError`` where they are others."""
    told = json.loads(claim)
    href = str(told["href"])
    url = href if href.startswith("http") else access.http_url + href
    async with http.get(url, headers=access.authorization) as response:
        response.raise_for_status()
        body = await response.read()
    if len(body) != told["size"] or sha256(body).hexdigest() != told["sha256"]:
        raise ValueError("the claimed bytes are not those that were promised")
    return body


async def upload(http: aiohttp.ClientSession, access: Access, body: bytes) -> bytes:
    """Upload *body*; the claim to send instead."""
    async with http.post(
        f"{access.http_url}/v1/uploads",
        params={"organ": access.organ},
        data=body,
        headers={**access.authorization, "Content-Type": "application/xml"},
    ) as response:
        response.raise_for_status()
        told = await response.json()
    return json.dumps({name: told[name] for name in ("href", "sha256", "size")}).encode()
