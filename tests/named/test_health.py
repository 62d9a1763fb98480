"""Bug 10: readiness speaks up when a key is locked, an authority talks nonsense, or the disk is nearly full."""

from __future__ import annotations

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from adapters.signing.keys import LoadedKey
from gateway.errors import Unavailable
from gateway.wiring.process import FULLEST_DISK, Health, space
from tests.pki import ec_key, pki
from tests.signing.test_keys import a_ring
from tests.signing.test_stamps import answered, served

Usage = namedtuple("Usage", "total used free")


async def told(part: str, check: object) -> str:
    """What readiness says of *part*."""
    return (await Health({part: check}).ask())[part]  # type: ignore[dict-item]


async def test_10_health_fails_when_our_key_is_locked__xroad_138(tmp_path: Path):
    own = pki().agency("gateway", "Vanthu", key=ec_key())
    own.write_pem(tmp_path / "gateway.pem")
    ring = a_ring(tmp_path)
    assert await told("signing", ring.check) == "ok"
    locked = own.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"forgotten"))
    (tmp_path / "gateway.pem").write_bytes(locked + own.certificate.public_bytes(Encoding.PEM))
    assert (await told("signing", a_ring(tmp_path).check)).startswith("The gateway's own key cannot be used")
    assert await told("signing", ring.check) == "ok", "who opened it before it was locked signs on"
    held = ring._loaded["gateway"]
    ring._loaded["gateway"] = replace(held, key=Locked(held.key))  # as a token does whose session has ended
    assert "does not sign" in await told("signing", ring.check)


class Locked:
    """A key that is there, and signs no more."""

    def __init__(self, key: LoadedKey) -> None:
        self.identity = key.identity

    async def sign(self, message: bytes) -> bytes:
        raise PermissionError("PIN")


NONSENSE = {
    "no answer of its kind": b"<html>It works!</html>",
    "nothing": b"",
    "a refusal": bytes.fromhex("3005 3003 020102"),
}


@pytest.mark.heavy_body("makes an authority")
@pytest.mark.parametrize("what", NONSENSE)
async def test_10_health_fails_when_the_time_stamp_authority_answers_garbage__xroad_138(what: str):
    async with served(lambda asked: web.Response(body=NONSENSE[what])) as stamper:
        verdict = await told("stamps", stamper.check)
        assert verdict.startswith("The time-stamp authority gives nothing that holds")
        with pytest.raises(Unavailable, match="stamp-unavailable"):
            await stamper.stamp(b"head")


async def test_10_an_authority_that_stamps_is_well_and_is_not_asked_for_every_look__xroad_138():
    asked: list[bytes] = []

    def stamp(request: bytes) -> web.Response:
        asked.append(request)
        return web.Response(body=answered(request), content_type="application/timestamp-reply")

    async with served(stamp) as stamper:
        for _ in range(5):
            assert await told("stamps", stamper.check) == "ok"
    assert len(asked) == 1


@pytest.mark.parametrize(("percent", "is_well"), [(10, True), (94, True), (95, False), (100, False)])
def test_10_health_fails_when_the_disk_is_95_per_cent_full__xroad_138(
    percent: int, is_well: bool, tmp_path: Path
):
    assert FULLEST_DISK == 95
    verdict = space(tmp_path, lambda folder: Usage(200, 2 * percent, 200 - 2 * percent))
    assert verdict == ("ok" if is_well else f"the disk is {percent} % full")
    usage = shutil.disk_usage(tmp_path)
    is_full = (usage.total - usage.free) / usage.total >= 0.95
    assert (space(tmp_path) == "ok") is not is_full, "asked of a real disk"
