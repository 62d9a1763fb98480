"""The bare limits of this machine for what one document needs at least: signing, publishing, keeping.

No gateway could be quicker than these; what it does beside them is what there is to save.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from hashlib import sha256
from pathlib import Path

import aio_pika
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from adapters.broker.node import Options as NodeOptions
from adapters.broker.node import PrivateNode
from adapters.store import FileVault, VaultOptions
from benchmarks.papers import PDF_BYTES

BODY_BYTES = PDF_BYTES * 4 // 3 + 4000
"""What such a document weighs as edXML."""
PUBLISHES = 3
"""Confirmed publishes of that size that one document is compared with."""


def signature_ms(rounds: int = 200) -> float:
    """RSA-2048 with SHA-256 over a PDF of that size, hash included: median of *rounds*."""
    key = rsa.generate_private_key(65537, 2048)
    pdf = os.urandom(PDF_BYTES)
    took = []
    for _ in range(rounds):
        began = time.thread_time()
        sha256(pdf).digest()
        key.sign(pdf[:200], padding.PKCS1v15(), hashes.SHA256())
        took.append(time.thread_time() - began)
    return statistics.median(took) * 1000


async def vault(folder: Path, count: int = 100) -> dict[str, float]:
    """Payloads per second with four at once, and milliseconds of CPU each."""
    kept = FileVault(VaultOptions(folder=folder))
    bodies = [os.urandom(BODY_BYTES) for _ in range(count)]
    began, cpu = time.perf_counter(), time.process_time()
    left = iter(bodies)

    async def write() -> None:
        for body in left:
            await kept.put(body)

    await asyncio.gather(*(write() for _ in range(4)))
    elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
    await kept.close()
    return {"per_s": count / elapsed, "cpu_ms": cpu / count * 1000}


async def publishes(folder: Path, count: int = 150, at_once: int = 16) -> dict[str, float]:
    """Threes of confirmed publishes to quorum queues per second, taken and acknowledged at the other end."""
    async with PrivateNode(NodeOptions(folder=folder)) as node:
        connection = await aio_pika.connect(node.amqp_url)
        async with connection:
            queues = [f"bench.{n}" for n in range(PUBLISHES)]
            taking = await connection.channel()
            await taking.set_qos(prefetch_count=50)
            for name in queues:
                queue = await taking.declare_queue(
                    name, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 20}
                )
                await queue.consume(_acknowledge)
            channel = await connection.channel(publisher_confirms=True)
            left = iter(range(count))
            message = aio_pika.Message(os.urandom(BODY_BYTES), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)

            async def send() -> None:
                for _ in left:
                    for name in queues:
                        await channel.default_exchange.publish(message, name, mandatory=True)

            began, cpu = time.perf_counter(), time.process_time()
            async with asyncio.timeout(120):
                await asyncio.gather(*(send() for _ in range(at_once)))
            elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"per_s": count / elapsed, "client_cpu_ms": cpu / count * 1000}


async def _acknowledge(message: aio_pika.abc.AbstractIncomingMessage) -> None:
    await message.ack()


async def measure(folder: Path) -> dict[str, float]:
    """All of them."""
    kept = await vault(folder / "vault")
    published = await publishes(folder / "broker")
    return {
        "rsa2048_sha256_cpu_ms": signature_ms(),
        "three_publishes_per_s": published["per_s"],
        "three_publishes_client_cpu_ms": published["client_cpu_ms"],
        "vault_put_per_s": kept["per_s"],
        "vault_put_cpu_ms": kept["cpu_ms"],
    }
