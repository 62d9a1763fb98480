"""Time-stamps: an authority of our own over HTTP, openssl as the second opinion, and answers that are not to be kept."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from aiohttp import web
from asn1crypto import cms, tsp
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from adapters.signing import Standing
from adapters.signing.stamps.authority import HttpStamper, Options
from adapters.signing.stamps.token import NotGranted, check_token, granted, request
from gateway.errors import Unavailable
from tests.authority import STAMPING, Authority
from tests.pki import Credential, pki

BODY = b"<TreeHead/>"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@cache
def authority() -> tuple[Authority, Credential]:
    """The root, and its stamper."""
    root = Authority.root("The stampers' root")
    return root, root.issue("The stamper", purposes=STAMPING)


def stamper(credential: Credential | None = None) -> DummyTimeStamper:
    """The authority's answers, made by another library."""
    own = credential or authority()[1]
    der = own.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    store = SimpleCertificateStore()
    for above in own.above:
        store.register(asn1_x509.Certificate.load(above.public_bytes(Encoding.DER)))
    return DummyTimeStamper(
        tsa_cert=asn1_x509.Certificate.load(own.certificate.public_bytes(Encoding.DER)),
        tsa_key=asn1_keys.PrivateKeyInfo.load(der),
        certs_to_embed=store,
        fixed_dt=AT,
    )


def answered(asked: bytes, credential: Credential | None = None) -> bytes:
    """The authority's answer to a request."""
    made: tsp.TimeStampResp = stamper(credential).request_tsa_response(tsp.TimeStampReq.load(asked))
    return bytes(made.dump())


@cache
def a_token() -> bytes:
    """A good one over ``BODY``."""
    return granted(answered(request(BODY, 517)), 517)


def test_a_good_token_proves_its_time() -> None:
    check = check_token(BODY, a_token(), [authority()[0].certificate])
    assert (check.standing, check.at, check.reason) == (Standing.PASSED, AT, "")


def test_openssl_agrees(tmp_path: Path) -> None:
    for name, data in {
        "body": BODY,
        "token": a_token(),
        "root.pem": authority()[0].certificate.public_bytes(Encoding.PEM),
    }.items():
        (tmp_path / name).write_bytes(data)
    command = "openssl ts -verify -data body -in token -token_in -CAfile root.pem -attime"
    judged = subprocess.run(
        [*command.split(), str(int(AT.timestamp()))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert judged.returncode == 0, judged.stderr


@pytest.mark.parametrize(
    ("body", "by", "why", "standing"),
    [
        (b"something else", lambda: [authority()[0].certificate], "over something else", Standing.FAILED),
        (BODY, list, "no trusted root", Standing.UNKNOWN),
        (BODY, lambda: [pki().root], "no trusted root", Standing.UNKNOWN),
    ],
)
def test_a_token_over_something_else_or_by_nobody_proves_nothing(
    body: bytes, by: Callable[[], list[object]], why: str, standing: Standing
) -> None:
    check = check_token(body, a_token(), by())  # type: ignore[arg-type]  # certificates, all of them
    assert (check.standing, check.at) == (standing, None)
    assert why in check.reason


def test_a_certificate_that_may_do_other_things_may_not_stamp() -> None:
    signer = authority()[0].issue("A signer")
    token = granted(answered(request(BODY, 1), signer), 1)
    check = check_token(BODY, token, [authority()[0].certificate])
    assert (check.standing, check.at) == (Standing.FAILED, None)


def test_the_nonce_must_come_back() -> None:
    with pytest.raises(NotGranted, match="nonce"):
        granted(answered(request(BODY, 517)), 518)


def test_a_refusal_is_told() -> None:
    refusal = bytes.fromhex("3005 3003 020102")
    with pytest.raises(NotGranted, match="rejection"):
        granted(refusal, 1)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_changed_byte_of_a_token_goes_unnoticed(data: st.DataObject) -> None:
    """But for those that nobody signs: certificates that are not needed, unsigned attributes."""
    token = a_token()
    at = data.draw(st.integers(0, len(token) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != token[at]))
    bent = token[:at] + bytes((byte,)) + token[at + 1 :]
    check = check_token(BODY, bent, [authority()[0].certificate])
    if check.standing is Standing.PASSED:
        assert check.at == AT
        assert _signed_parts(bent) == _signed_parts(token)


def _signed_parts(token: bytes) -> tuple[bytes, bytes]:
    data = cms.ContentInfo.load(token)["content"]
    return bytes(data["encap_content_info"].dump()), bytes(data["signer_infos"][0]["signed_attrs"].dump())


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_whatever_the_bytes_the_check_answers(data: bytes) -> None:
    assert check_token(BODY, data, []).standing is Standing.FAILED
    with pytest.raises(NotGranted):
        granted(data, 1)


# --- over HTTP --------------------------------------------------------------------------------------


@asynccontextmanager
async def served(answer: Callable[[bytes], web.Response]) -> AsyncIterator[HttpStamper]:
    """A client of an authority that answers so."""

    async def handle(asked: web.Request) -> web.Response:
        assert asked.content_type == "application/timestamp-query"
        return answer(await asked.read())

    app = web.Application()
    app.router.add_post("/tsa", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/tsa"
    by = [authority()[0].certificate]
    try:
        yield HttpStamper(Options(url=url, wait=timedelta(seconds=5), roots=lambda: by))
    finally:
        await runner.cleanup()


def reply(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/timestamp-reply")


async def test_a_token_comes_over_http_and_holds() -> None:
    async with served(lambda asked: reply(answered(asked))) as client:
        token = await client.stamp(BODY)
    assert check_token(BODY, token, [authority()[0].certificate]).at == AT


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: web.Response(status=503),
        lambda asked: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        lambda asked: reply(b"<html>"),
        lambda asked: reply(b"\x30" * 300_000),
        lambda asked: reply(answered(request(BODY, 1))),
        lambda asked: reply(answered(asked, pki().agency("stamper", "Stamper"))),
    ],
    ids=["away", "elsewhere", "a page", "endless", "another's", "nobody's"],
)
async def test_what_is_no_good_token_is_not_kept(answer: Callable[[bytes], web.Response]) -> None:
    await asyncio.to_thread(lambda: pki().agency("stamper", "Stamper"))  # making keys takes its time
    async with served(answer) as client:
        with pytest.raises(Unavailable, match="stamp-unavailable"):
            await client.stamp(BODY)


async def test_an_authority_that_nobody_serves_is_unavailable() -> None:
    client = HttpStamper(Options(url="http://127.0.0.1:1/", wait=timedelta(seconds=5), roots=list))
    with pytest.raises(Unavailable, match="stamp-unavailable"):
        await client.stamp(BODY)
