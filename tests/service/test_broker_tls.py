"""TLS to the broker: spoken where the URL says so, and only with whom we trust."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.broker.connection import Connection, Options
from adapters.broker.node import PrivateNode
from gateway.errors import ConfigError


async def test_tls_is_spoken_with_a_broker_that_we_trust(broker_node: PrivateNode, tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    async with tls_in_front_of(broker_node, tmp_path) as url:
        async with Connection(Options(url=url, ca_file=certificate), "publish") as connection:
            assert connection.state == "ok"
            assert connection.live is not None
            channel = connection.live.channel()
            await channel.initialize()
        async with Connection(Options(url=url), "publish") as stranger:
            assert stranger.live is None
            assert stranger.state.startswith("TLS with the broker failed")
        elsewhere = Options(url=url.replace("127.0.0.1", "localhost"), ca_file=certificate)
        async with Connection(elsewhere, "publish") as other_name:
            assert other_name.live is None
            assert other_name.state.startswith("TLS with the broker failed")


async def test_tls_with_somebody_who_says_nothing_ends_in_time(tmp_path: Path) -> None:
    async def silence(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for scheme in ("amqp", "amqps"):
        options = Options(
            url=f"{scheme}://a:b@127.0.0.1:{port}/vanthu", connect_within=timedelta(milliseconds=200)
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with Connection(options, "publish") as connection:
            assert connection.state == "the broker does not answer"
        assert loop.time() - began < 3
    for writer in held:
        writer.close()
    server.close()


def test_an_address_that_is_none_is_a_configuration_error() -> None:
    good = Options(url="amqps://a:b@127.0.0.1/vanthu")
    for url in ("http://a:b@127.0.0.1/vanthu", "amqp:///vanthu", ""):
        with pytest.raises(ConfigError, match="url"):
            Connection(replace(good, url=url), "publish")
    with pytest.raises(ConfigError, match="ca_file"):
        Connection(replace(good, ca_file=Path("nowhere.pem")), "publish")


def a_certificate(folder: Path) -> Path:
    """A key and a self-signed certificate for 127.0.0.1 alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a broker")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def tls_in_front_of(node: PrivateNode, folder: Path) -> AsyncIterator[str]:
    """A listener that speaks TLS and passes everything on to *node*; answers its AMQP address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    inner = urlsplit(node.amqp_url)
    passing: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", inner.port)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(_pass_on(source, target))
            passing.add(task)
            task.add_done_callback(passing.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"amqps://{node.user}:{node.password}@127.0.0.1:{port}/{node.vhost}"
    finally:
        server.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()
