"""The bare parts of one document: what nobody who exchanges it can leave out, each measured alone, as CPU.

    RSA-2048 over the attributes of one seal; SHA-256 three times over the PDF; base64 both ways; every byte of the
    edoc through expat; three confirmed publishes (the document, two receipts); two payloads written and synced.

Taking the submission from the broker, the store's commits and the signatures on evidence are not among them.
No gateway could be quicker than these; what it does beside them is what there is to save.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from pyexpat import ParserCreate

import aiormq
import pybase64
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pamqp.commands import Basic

from adapters.broker.node import Options as NodeOptions
from adapters.broker.node import PrivateNode
from benchmarks.envelope.documents import edxml
from benchmarks.papers import PDF_BYTES, page

RECEIPT_BYTES = 4_300
"""What a piece of evidence weighs."""
PAYLOADS = 2
"""What is kept of a document: as it came, and as it goes."""
ROUNDS = 200
PUBLISHED = 200
AT_ONCE = 16


async def measure(folder: Path) -> dict[str, float]:
    """Milliseconds of CPU each, and their sum."""
    pdf = page(1, PDF_BYTES).pdf
    body = edxml(pdf, "application/pdf")
    parts = {
        "rsa_ms": _mean_ms(_signing(pdf)),
        "sha256_ms": 3 * _mean_ms(lambda: sha256(pdf).digest()),
        "base64_ms": _mean_ms(_both_ways(pdf)),
        "xml_ms": _mean_ms(lambda: ParserCreate("utf-8").Parse(body, True)),
        "publishes_ms": await publishes(folder / "broker", body),
        "fsync_ms": PAYLOADS * _mean_ms(_keeping(folder, body)),
    }
    return parts | {"sum_ms": sum(parts.values())}


def _signing(pdf: bytes) -> Callable[[], object]:
    key = rsa.generate_private_key(65537, 2048)
    return lambda: key.sign(pdf[:200], padding.PKCS1v15(), hashes.SHA256())


def _both_ways(pdf: bytes) -> Callable[[], object]:
    text = pybase64.b64encode(pdf)
    return lambda: (pybase64.b64decode(text, validate=True), pybase64.b64encode(pdf))


def _keeping(folder: Path, body: bytes) -> Callable[[], object]:
    target = os.open(folder, os.O_RDONLY)

    def keep() -> None:
        file = os.open("payload.tmp", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, dir_fd=target)
        os.write(file, body)
        os.fdatasync(file)
        os.close(file)
        os.rename("payload.tmp", "payload", src_dir_fd=target, dst_dir_fd=target)
        os.fsync(target)

    return keep


def _mean_ms(run: Callable[[], object]) -> float:
    """As the gateway's figure is one: all that was used, divided by how often."""
    began = time.thread_time()
    for _ in range(ROUNDS):
        run()
    return (time.thread_time() - began) / ROUNDS * 1000


async def publishes(folder: Path, body: bytes) -> float:
    """CPU of the publisher for one document and two receipts, confirmed by quorum queues that nobody reads yet."""
    receipt = os.urandom(RECEIPT_BYTES)
    async with PrivateNode(NodeOptions(folder=folder)) as node:
        sending = await aiormq.connect(node.amqp_url)
        channel = await sending.channel(publisher_confirms=True)
        queues = [f"bench.{n}" for n in range(3)]
        for name in queues:
            await channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
        left = iter(range(PUBLISHED))

        async def send() -> None:
            for _ in left:
                for name, what in zip(queues, (body, receipt, receipt), strict=True):
                    await channel.basic_publish(
                        what,
                        routing_key=name,
                        properties=Basic.Properties(delivery_mode=2),
                        mandatory=True,
                    )

        began = time.process_time()
        async with asyncio.timeout(120):
            await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        took = time.process_time() - began
        await sending.close()
    return took / PUBLISHED * 1000
