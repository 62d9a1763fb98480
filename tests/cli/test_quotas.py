"""``vanthu quotas``: what organs have used of their quotas, and when there is room again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from gateway.config import load
from gateway.model.ids import PartyKey
from gateway.model.quota import Quota, Used
from gateway.wiring.ground import open_the_store
from tests.cli.conftest import Vanthu

A, B = PartyKey("000.00.13.H53"), PartyKey("000.00.12.H53")


def test_what_is_used_is_told_the_fullest_first(vanthu: Vanthu, var: Path, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("[quotas]\nbytes_per_day = 1000\ndocuments_per_minute = 100\n")
    settings = load(config, var=var)

    async def draw() -> None:
        store = await open_the_store(settings)
        drawn = Used(bytes=3_000, documents=90), Quota(bytes_per_day=1_000, documents_per_minute=100)
        await store.usage.draw({A: drawn, B: (Used(bytes=500), drawn[1])})
        await store.close()

    assert vanthu("check-config", "--config", str(config)).code == 0, "the folder of data is laid"
    asyncio.run(draw())
    rows = [json.loads(line) for line in vanthu("quotas", "--json", "--config", str(config)).out.splitlines()]
    told = [(row["organ"], row["quota"]) for row in rows]
    assert told[0] == (A, "bytes_per_day")
    assert (B, "bytes_per_day") in told
    full = rows[0]
    assert full["is_full"]
    assert full["bound"] == 1_000
    assert 2_990 <= full["used"] <= 3_000
    assert 170_000 < full["room_in_s"] <= 172_900, "two quotas have to drain"
    page = vanthu("quotas", "--config", str(config)).out
    assert "full, room in" in page
    own = [
        json.loads(line) for line in vanthu("quotas", B, "--json", "--config", str(config)).out.splitlines()
    ]
    assert {row["quota"] for row in own} == {"bytes_per_day", "documents_per_minute", "urgent_per_minute"}
    assert vanthu("quotas", "000.00.98.H53", "--config", str(config)).code == 1


def test_where_nobody_has_used_anything_that_is_told(vanthu: Vanthu, var: Path) -> None:
    assert vanthu("check-config").code == 0
    assert "nothing is used of any quota" in vanthu("quotas").out
