"""Peers that are slow, rude or many; and stopping while they are at it.  Raw sockets, for no client is as bad."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from adapters.http import HttpServer
from gateway.errors import ConfigError
from tests.http.conftest import Caller, Serve, until
from tests.http.contract import Contract
from tests.http.world import COMMUNE, EDXML, PROVINCE, Tables, a_server, bearer

SHORT = timedelta(milliseconds=200)
POST = (
    f"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-{PROVINCE}\r\n"
    "Idempotency-Key: k-1\r\nContent-Type: application/xml\r\n"
)


@asynccontextmanager
async def raw(caller: Caller) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", caller.server.port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """The next answer on a connection: status, headers in small letters, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(first.split()[1]), headers, body


async def ended(reader: asyncio.StreamReader) -> bool:
    """Waits until the server closes; whether it said nothing before."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


# --- slow ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"GET /v1/inbox HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n"])
async def test_a_connection_that_never_ends_its_request_is_closed(serve: Serve, said: bytes) -> None:
    caller = await serve(idle=SHORT)
    async with raw(caller) as (reader, writer):
        writer.write(said)
        assert await ended(reader)


async def test_a_head_that_trickles_in_is_cut_off_in_the_same_time(serve: Serve) -> None:
    """Slowloris: each byte is a sign of life, and yet the time is up."""
    caller = await serve(idle=SHORT)
    async with raw(caller) as (reader, writer):
        gone = asyncio.create_task(ended(reader))
        writer.write(b"GET /v1/inbox HTTP/1.1\r\n")
        with suppress(ConnectionError):
            while not gone.done():
                writer.write(b"X-A: b\r\n")
                await writer.drain()
                await asyncio.wait({gone}, timeout=0.01)
        assert await gone


async def test_a_body_that_stops_coming_is_told_so(serve: Serve, tables: Tables) -> None:
    caller = await serve(idle=SHORT)
    async with raw(caller) as (reader, writer):
        writer.write(f"{POST}Content-Length: 1000\r\n\r\n<edXML>".encode())
        status, _, body = await answer(reader)
        assert (status, json.loads(body)["reason"]) == (408, "body-too-slow")
        assert await ended(reader)
    assert tables.arrivals == []


async def test_a_body_that_trickles_in_for_ever_is_cut_off(serve: Serve, tables: Tables) -> None:
    caller = await serve(idle=timedelta(seconds=5), body_time=SHORT)
    async with raw(caller) as (reader, writer):
        writer.write(f"{POST}Content-Length: 100000\r\n\r\n".encode())
        told = asyncio.create_task(answer(reader))
        while not told.done():
            writer.write(b"x")
            await writer.drain()
            await asyncio.wait({told}, timeout=0.01)
        status, _, body = await told
        assert (status, json.loads(body)["reason"]) == (408, "body-too-slow")
    assert tables.arrivals == []


@pytest.mark.parametrize("ride_along", [True, False])
async def test_a_peer_that_takes_no_content_loses_its_connection_and_its_place(
    serve: Serve, tables: Tables, ride_along: bool
) -> None:
    caller = await serve(idle=SHORT, body_time=SHORT, transfers_per_client=1)
    item = tables.put_item(body=b"<edXML>" + b"x" * 30_000_000, ride_along=ride_along)
    path = f"/v1/inbox/{item.id}/content"
    async with raw(caller) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-{COMMUNE}\r\n\r\n".encode()
        )
        await until(lambda: caller.server.connections > 0)
        await until(lambda: caller.server.connections == 0)
        for _ in range(1000):  # its handler may still be on its way out
            async with caller.session.get(caller.url + path, headers=bearer(COMMUNE)) as response:
                if response.status != 429:
                    break
        assert response.status == 200


# --- rude ---------------------------------------------------------------------------------------------


async def test_fewer_bytes_than_promised_are_no_submission(caller: Caller, tables: Tables) -> None:
    async with raw(caller) as (reader, writer):
        writer.write(f"{POST}Content-Length: 1000\r\n\r\n<edXML>".encode())
        writer.write_eof()
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            status, _, _ = await answer(reader)
            assert status == 400
    async with raw(caller) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[0] == 200
    assert tables.arrivals == []


async def test_more_bytes_than_promised_make_the_whole_a_bad_request(
    caller: Caller, tables: Tables, contract: Contract
) -> None:
    async with raw(caller) as (reader, writer):
        writer.write(
            f"{POST}Content-Length: {len(EDXML)}\r\n\r\n".encode() + EDXML + b"and more of it\r\n\r\n"
        )
        status, headers, body = await answer(reader)
        assert status == 400
        contract.check_problem(status, headers["content-type"].partition(";")[0], body)
        assert headers["server"] == "vanthu"
        assert await ended(reader)
    assert tables.arrivals == []


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/inbox HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /v1/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /v1/uploads HTTP/1.1\r\nHost: x\r\n" + b"X-A: 1\r\n" * 1000 + b"\r\n",
    ],
)
async def test_what_is_no_request_gets_a_problem_too(
    caller: Caller, contract: Contract, request_: bytes
) -> None:
    async with raw(caller) as (reader, writer):
        writer.write(request_)
        status, headers, body = await answer(reader)
        assert status == 400
        contract.check_problem(status, headers["content-type"].partition(";")[0], body)
        assert await ended(reader)


async def test_a_large_promise_is_refused_before_it_is_kept(serve: Serve) -> None:
    caller = await serve(max_bytes=1000)
    async with raw(caller) as (reader, writer):
        writer.write(f"{POST}Content-Length: 99999999999\r\n\r\n".encode())
        status, _, body = await answer(reader)
        assert (status, json.loads(body)["reason"]) == (413, "body-too-large")


async def test_who_waits_for_a_go_on_gets_it_only_after_the_token_was_checked(
    caller: Caller, tables: Tables
) -> None:
    length = f"Expect: 100-continue\r\nContent-Length: {len(EDXML)}\r\n\r\n"
    async with raw(caller) as (reader, writer):
        writer.write((POST + length).encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(EDXML)
        status, _, _ = await answer(reader)
        assert status == 202
    async with raw(caller) as (reader, writer):
        writer.write((POST.replace("Bearer token", "Bearer other") + length).encode())
        status, _, _ = await answer(reader)
        assert status == 401
    assert len(tables.arrivals) == 1


async def test_a_token_of_bytes_that_are_no_text_is_a_wrong_one(caller: Caller) -> None:
    async with raw(caller) as (reader, writer):
        writer.write(
            b"GET /v1/inbox HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\xed\xb3\xbf\r\n\r\n"
        )
        status, _, body = await answer(reader)
        assert (status, json.loads(body)["reason"]) == (401, "token-wrong")


async def test_message_ids_that_are_no_text_are_refused(caller: Caller, tables: Tables) -> None:
    async with raw(caller) as (reader, writer):
        post = POST.encode().replace(b"k-1", b"k\xff1")
        writer.write(post + f"Content-Length: {len(EDXML)}\r\n\r\n".encode() + EDXML)
        status, _, body = await answer(reader)
        assert (status, json.loads(body)["reason"]) == (400, "message-id-invalid")
    assert tables.arrivals == []


async def test_many_connections_are_bounded_and_room_comes_back(serve: Serve) -> None:
    caller = await serve(connections=3)
    async with raw(caller), raw(caller), raw(caller), raw(caller) as (reader, _):
        assert await ended(reader)
    status = 0
    while status != 200:  # the server may still be letting the three go
        async with raw(caller) as (reader, writer):
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                status, _, _ = await answer(reader)


# --- stopping -----------------------------------------------------------------------------------------


async def test_stopping_lets_a_running_upload_end_and_takes_nothing_new(serve: Serve, tables: Tables) -> None:
    caller = await serve()
    async with raw(caller) as (running, send), raw(caller) as (waiting, ask):
        ask.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(waiting))[0] == 200
        send.write(f"{POST}Expect: 100-continue\r\nContent-Length: {len(EDXML)}\r\n\r\n".encode())
        await running.readuntil(b"\r\n\r\n")  # it runs
        stopping = asyncio.create_task(caller.server.stop())
        while True:  # until the port is closed
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", caller.server.port)
            except ConnectionError:
                break
            writer.close()
        ask.write(b"GET /v1/inbox HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, body = await answer(waiting)
        assert (status, json.loads(body)["reason"]) == (503, "draining")
        assert headers["connection"] == "close"
        assert "retry-after" in headers
        assert not stopping.done()
        send.write(EDXML)
        assert (await answer(running))[0] == 202
        await stopping
    assert len(tables.arrivals) == 1


async def test_stopping_waits_no_longer_than_its_grace(serve: Serve, tables: Tables) -> None:
    caller = await serve(grace=SHORT)
    async with raw(caller) as (reader, writer):
        writer.write(f"{POST}Expect: 100-continue\r\nContent-Length: {len(EDXML)}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(8):
            await caller.server.stop()
    assert tables.arrivals == []


async def test_stopping_waits_for_no_check(serve: Serve, tables: Tables) -> None:
    caller = await serve()
    tables.hangs = True
    async with raw(caller) as (_, writer):
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: tables.checks > 0)
    async with asyncio.timeout(8):
        await caller.server.stop()


async def test_stop_may_be_called_twice_and_before_start(tables: Tables) -> None:
    server = a_server(tables)
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_a_taken_port_is_a_configuration_error(caller: Caller, tables: Tables) -> None:
    second = a_server(tables, port=caller.server.port)
    with pytest.raises(ConfigError, match=r"http\.port: 127\.0\.0\.1:\d+"):
        await second.start()
    await second.stop()


async def test_with_a_certificate_it_speaks_tls_alone(serve: Serve, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1))
        .not_valid_after(datetime(2120, 1, 1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "c.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "k.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    caller = await serve(certificate_file=tmp_path / "c.pem", key_file=tmp_path / "k.pem")
    assert caller.server.public_url == f"https://127.0.0.1:{caller.server.port}"
    trust = ssl.create_default_context(cafile=tmp_path / "c.pem")
    async with caller.session.get(f"{caller.server.public_url}/healthz", ssl=trust) as response:
        assert response.status == 200
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.ask("GET", "/healthz")


async def test_a_certificate_that_cannot_be_read_is_a_configuration_error(
    tables: Tables, tmp_path: Path
) -> None:
    server = a_server(tables, certificate_file=tmp_path / "none.pem", key_file=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"http\.certificate_file"):
        await server.start()


async def test_workers_may_share_a_port(tables: Tables) -> None:
    servers: list[HttpServer] = [a_server(tables, reuse_port=True)]
    await servers[0].start()
    servers.append(a_server(tables, reuse_port=True, port=servers[0].port))
    await servers[1].start()
    assert servers[0].public_url == servers[1].public_url
    for server in servers:
        await server.stop()
