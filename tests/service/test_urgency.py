"""Urgency on the real broker: what waits for a place in a crowded queue is overtaken, in the order of degrees."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path

import aio_pika

from adapters.envelope.compose import Correspondent, NewEdoc, NewFile, compose_edoc
from tests.service.town import Town, a_town

ROOM = 100
"""What a deliver queue holds: topology's ``Bounds``."""


def a_letter(town: Town, number: int, priority: int) -> bytes:
    return compose_edoc(
        NewEdoc(
            sender=Correspondent(code=town.organs[0], name="UBND"),
            recipients=(Correspondent(code=town.organs[1], name="Sở"),),
            number=str(number),
            notation="CV-UBND",
            dated=date(2016, 3, 4),
            subject="Về việc kiểm tra",
            sent_at=datetime.now(UTC),
            signer="Nguyễn Văn A",
            priority=priority,
            files=(NewFile(name="a.txt", body=b"x", media_type="text/plain"),),
        )
    )


async def test_an_urgent_document_overtakes_what_waits_for_a_crowded_queue(
    tmp_path: Path, broker_node
) -> None:
    async with a_town(tmp_path, broker_node, organs=3, settings="crowded_s = 1.0") as town:
        sender, recipient = (town.offices[organ] for organ in town.organs[:2])
        await recipient.close()  # nobody takes anything: its queue fills up

        def accepted() -> int:
            return sum(r.headers["vanthu-event"] == "SubmissionAcceptance" for r in sender.receipts)

        ordinary = [f"o-{n}" for n in range(ROOM + 8)]
        await asyncio.gather(*(sender.publish(a_letter(town, n, 0), name) for n, name in enumerate(ordinary)))
        await sender.until(lambda: accepted() == len(ordinary))
        urgent = [("khẩn", 1), ("hỏa tốc", 3), ("thượng khẩn", 2)]
        for number, (_, priority) in enumerate(urgent, 900):
            await sender.publish(a_letter(town, number, priority), f"u-{priority}", key="edoc.urgent")
        await sender.until(lambda: accepted() == len(ordinary) + len(urgent))
        documents = {
            str(r.headers["vanthu-document"]): str(r.correlation_id)
            for r in sender.receipts
            if r.headers["vanthu-event"] == "SubmissionAcceptance"
        }
        taken: list[str] = []
        async with await aio_pika.connect(recipient.access["amqp_url"]) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue(recipient.access["deliver_queue"], ensure=False)
            async with asyncio.timeout(90):
                while len(taken) < len(documents):
                    message = await queue.get(fail=False)
                    if message is None:
                        await asyncio.sleep(0.05)
                        continue
                    await message.ack()
                    taken.append(documents[str(message.headers["vanthu-document"])])
                    if message.priority:
                        assert message.priority > 4
        at = {name: taken.index(name) for name in ("u-1", "u-2", "u-3")}
        late = [n for n, name in enumerate(taken) if name.startswith("o-")][ROOM + 4 :]
        assert max(at.values()) < min(late), "all urgent ones before the last ordinary ones that waited"
        assert at["u-3"] < at["u-1"]
