"""Bugs 3 and 5: whatever travels beside it, what arrives is what was sent.  Real edXML, twins around it."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from hashlib import sha256

import pytest

from adapters.envelope import EdxmlEnvelopes, Options
from adapters.envelope.compose import Correspondent, NewEdoc, NewFile, compose_edoc
from gateway.model.envelope import Attachment, Edoc
from gateway.model.payload import PayloadRef
from tests.builders import PDF
from tests.journey.town import HEALTH, JUSTICE, LABOUR, PROVINCE, Town, a_town

NOON = datetime(2016, 3, 4, 5, 0, tzinfo=UTC)


async def a_town_of_edxml() -> Town:
    """A town whose gateway reads and writes edXML as it is."""
    town = await a_town()
    await town.end_life(town.lives[0])
    town.envelopes = EdxmlEnvelopes(Options(), town.vault)
    await town.begin_life("second")
    return town


def edxml(number: int, files: list[NewFile], *recipients: str) -> bytes:
    """The province's document *number*."""
    return compose_edoc(
        NewEdoc(
            sender=Correspondent(code=PROVINCE, name="UBND tỉnh"),
            recipients=tuple(Correspondent(code=code, name=f"Sở {code}") for code in recipients),
            number=str(number),
            notation="QĐ-UBND",
            dated=date(2016, 3, 4),
            subject="Quy chế",
            sent_at=NOON,
            files=tuple(files),
        )
    )


def some_bytes(*seed: object, size: int) -> bytes:
    """*size* bytes that no other seed gives."""
    block = sha256(repr(seed).encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def a_pdf(*seed: object, size: int) -> bytes:
    """A PDF like no other."""
    return PDF + b"%" + some_bytes(*seed, size=size).hex().encode() + b"\n%%EOF\n"


async def files_of(town: Town, organ: str) -> dict[str, list[Attachment]]:
    """What *organ* has found in its queue: the files of each document by its number."""
    found = {}
    for letter in town.deliveries(organ):
        ref = PayloadRef.of(letter.body)
        assert letter.headers["vanthu-sha256"] == ref.sha256
        edoc, _ = await town.envelopes.read(ref)
        assert isinstance(edoc, Edoc)
        found[edoc.code.number] = list(edoc.attachments)
    return found


async def check(town: Town, got: Attachment, sent: NewFile) -> None:
    """A PDF arrives with the seal behind its last byte, anything else as it was."""
    body = await town.vault.read(got.payload)
    if got.is_pdf:
        assert body.startswith(sent.body)
        assert body[len(sent.body) :].startswith(f"\n%VANTHU-SEAL {PROVINCE} ".encode())
        assert sha256(sent.body).hexdigest() in body[len(sent.body) :].decode()
    else:
        assert body == sent.body


@pytest.mark.heavy_body("composes and reads hundreds of documents")
async def test_03_of_a_hundred_concurrent_documents_each_recipients_digest_is_its_sources__oxalis_ng_18():
    town = await a_town_of_edxml()
    sent = {
        str(number): [
            NewFile(name=f"{number}.pdf", body=a_pdf(number, size=200 + 13 * number)),
            NewFile(name="bảng.xlsx", body=some_bytes("sheet", number, size=900)),
        ]
        for number in range(100)
    }
    bodies = [edxml(int(number), files, LABOUR, HEALTH, JUSTICE) for number, files in sent.items()]
    await asyncio.gather(*map(town.send, bodies))
    await town.settle()
    for organ in (LABOUR, HEALTH, JUSTICE):
        found = await files_of(town, organ)
        assert found.keys() == sent.keys()
        for number, files in found.items():
            for got, file in zip(files, sent[number], strict=True):
                await check(town, got, file)


@pytest.mark.heavy_body("composes and reads a document of ninety-nine files")
async def test_05_of_many_attachments_in_one_message_each_digest_is_distinct_and_right__holodeck_156():
    town = await a_town_of_edxml()
    files = [NewFile(name=f"phụ lục {n}.pdf", body=a_pdf("pdf", n, size=300)) for n in range(33)]
    files += [NewFile(name="cùng tên.bin", body=some_bytes("bin", n, size=500)) for n in range(33)]
    files += [NewFile(name=f"{n}.txt", body=some_bytes(n, size=n), is_zipped=True) for n in range(1, 34)]
    files = files[::2] + files[1::2]
    await town.send(edxml(1, files, LABOUR))
    await town.settle()
    (got,) = (await files_of(town, LABOUR)).values()
    assert len({attachment.payload.sha256 for attachment in got}) == len(files) == len(got)
    for attachment, file in zip(got, files, strict=True):
        assert attachment.name == file.name
        await check(town, attachment, file)
