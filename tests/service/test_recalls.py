"""Recall, update and replacement on the real broker and store, with clients that know only the contract.

Three recipients (two queues, one inbox) answer differently: one agrees, one declines, one is silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp

from adapters.broker.node import PrivateNode
from adapters.envelope.compose import Correspondent, NewEdoc, NewFile, compose_edoc
from tests.service.town import Office, Town, a_pdf, a_town

CONSIGNED, HANDED = "ContentConsignment", "ContentHandover"
AGREED, DECLINED = "ConsignmentAcceptance", "ConsignmentRejection"


async def test_three_recipients_answer_a_recall_an_update_and_a_replacement_each_in_its_own_way(
    tmp_path: Path, broker_node: PrivateNode
) -> None:
    async with a_town(tmp_path, broker_node) as town:
        for business, number in ((1, 1), (2, 2), (3, 3)):
            await asked_and_answered(town, business, number)
        await taken_back_by_status(town)
        await never_seen(town, broker_node)


async def asked_and_answered(town: Town, business: int, number: int) -> None:
    sender, agrees, declines, silent = town.organs
    all_three = (agrees, declines, silent)
    old = await sent(town, edoc(town, *all_three, number=number), f"old-{business}")
    new = await sent(
        town, edoc(town, *all_three, number=number, business=business, of=old), f"new-{business}"
    )
    office = town.offices[sender]
    for organ in (agrees, declines):
        recipient = town.offices[organ]
        await recipient.until(lambda r=recipient: {old, new} <= {d.correlation_id for d in taken(r)})
        both = [d.correlation_id for d in taken(recipient) if d.correlation_id in (old, new)]
        if business != 3:  # a replacement stands on its own: it may come first
            assert both == [old, new]
    ours = number + 1000 if business == 3 else number
    answers = {3: ("03", "02")}.get(business, ("15", "16"))
    await report(town, agrees, answers[0], ours)
    await report(town, declines, answers[1], ours)
    for organ, wanted in (
        (agrees, [CONSIGNED, HANDED, AGREED]),
        (declines, [CONSIGNED, HANDED, DECLINED]),
        (silent, [CONSIGNED]),
    ):
        await heard(office, f"new-{business}", organ, wanted)
    told = await document(town, old)
    requests = {c["organ"]: c["request"] for c in told["recipients"]}
    word = {1: "recall", 2: "update"}.get(business)
    wanted = dict(zip(all_three, (f"{word}-agreed", f"{word}-declined", f"{word}-asked"), strict=True))
    assert requests == (wanted if word else dict.fromkeys(all_three))
    kind = {1: "recall", 2: "update", 3: "replace"}[business]
    relations = {(r["document"], r["organ"], r["business"], r["other"]) for r in told["relations"]}
    assert relations == {(new, organ, kind, old) for organ in all_three}


async def taken_back_by_status(town: Town) -> None:
    sender, agrees, *_ = town.organs
    old = await sent(town, edoc(town, agrees, number=10), "old-13")
    recipient = town.offices[agrees]
    await recipient.until(lambda: old in {d.correlation_id for d in taken(recipient)})
    about = town.status(sender, "13", 10, "Ban hành nhầm").replace(
        f"<edXML:OrganId>{sender}</edXML:OrganId><edXML:Code>".encode(),
        f"<edXML:OrganId>{agrees}</edXML:OrganId><edXML:Code>".encode(),
    )
    office = town.offices[sender]
    await office.publish(about, "new-13", key="status")
    await recipient.until(lambda: "13" in {code_of(d) for d in taken(recipient) if d.type == "status"})
    (asked,) = [d for d in taken(recipient) if d.type == "status" and d.correlation_id == old]
    assert asked.body == about
    await report(town, agrees, "15", 10)
    await heard(office, "new-13", agrees, [CONSIGNED, HANDED, AGREED])


async def never_seen(town: Town, node: PrivateNode) -> None:
    """The recipient's queue is full: what is recalled, and the recall, never come to it."""
    sender, _, full, _ = town.organs
    recipient, office = town.offices[full], town.offices[sender]
    await recipient.close()
    queue = town.access[full]["deliver_queue"]
    async with await aio_pika.connect(node.amqp_url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        for _ in range(200):
            try:
                await channel.default_exchange.publish(aio_pika.Message(b"x"), queue, timeout=10)
            except aio_pika.exceptions.DeliveryError:
                break
        old = await sent(town, edoc(town, full, number=20), "old-20")
        await settled(lambda: _state(town, old), "pending")
        await sent(town, edoc(town, full, number=20, business=1, of=old), "new-20")
        await office.until(lambda: "ContentConsignmentFailure" in office.events("new-20"))
        await (await channel.get_queue(queue, ensure=False)).purge()
    await heard(office, "old-20", full, ["ContentConsignmentFailure"])
    why = {
        r.correlation_id: r.headers.get("vanthu-reason")
        for r in office.receipts
        if r.headers["vanthu-event"] == "ContentConsignmentFailure"
    }
    assert why == {"old-20": "recalled", "new-20": "recalled-before-delivery"}
    later = await sent(town, edoc(town, full, number=21), "after-20")
    again = Office(full, town.access[full])
    town.offices[full] = again
    await again.open()
    await again.until(lambda: later in {d.correlation_id for d in taken(again)})
    assert [d.correlation_id for d in taken(again)] == [later]


def edoc(town: Town, *recipients: str, number: int, business: int = 0, of: str = "") -> bytes:
    """A document; with *business* one that does so to the document *of*."""
    ours = number + 1000 if business == 3 else number
    own = {2: "update-of-" + of}.get(business, "")
    return compose_edoc(
        NewEdoc(
            sender=Correspondent(code=town.organs[0], name="UBND"),
            recipients=tuple(Correspondent(code=r, name=r) for r in recipients),
            number=str(ours),
            notation="QĐ-UBND",
            dated=date(2016, 3, 4),
            subject="Về việc kiểm tra",
            sent_at=datetime.now(UTC),
            signer="Nguyễn Văn A",
            official_id=own,
            business=business,
            business_document=of,
            files=(NewFile(name="qd.pdf", body=a_pdf(), media_type="application/pdf"),),
        )
    )


async def sent(town: Town, body: bytes, message_id: str) -> str:
    """Our id of *body*, once it was accepted."""
    office = town.offices[town.organs[0]]
    await office.publish(body, message_id)
    # Receipts come in no order that anybody promises: their sequence numbers tell it.
    await office.until(lambda: any(event.startswith("Submission") for event in office.events(message_id)))
    told = {str(r.headers["vanthu-event"]): r for r in office.receipts if r.correlation_id == message_id}
    return str(told["SubmissionAcceptance"].headers["vanthu-document"])


async def report(town: Town, organ: str, code: str, number: int) -> None:
    """*organ* reports *code*, and is heard."""
    office, message_id = town.offices[organ], f"{organ}-{code}-{number}"
    await office.publish(town.status(organ, code, number, "Vì lý do"), message_id, key="status")
    await office.until(lambda: office.events(message_id))
    assert office.events(message_id) == ["SubmissionAcceptance"]


def taken(office: Office) -> list[Any]:
    """What *office* took, each once, in order."""
    return [deliveries[0] for deliveries in office.deliveries.values()]


def events(office: Office, message_id: str, recipient: str) -> list[str]:
    """The events about *recipient*'s copy in the order of their chain."""
    mine = {
        int(str(r.headers["vanthu-sequence"])): str(r.headers["vanthu-event"])
        for r in office.receipts
        if r.correlation_id == message_id and r.headers.get("vanthu-recipient") == recipient
    }
    return [mine[sequence] for sequence in sorted(mine)]


async def heard(office: Office, message_id: str, recipient: str, wanted: list[str]) -> None:
    """Wait for the receipts about *recipient*'s copy: they may come in another order than that of their chain."""
    await office.until(lambda: len(events(office, message_id, recipient)) >= len(wanted))
    assert events(office, message_id, recipient) == wanted


def code_of(delivery: Any) -> str:
    """The StatusCode of a delivered status."""
    return str(delivery.body.partition(b"StatusCode>")[2][:2].decode())


async def document(town: Town, document: str) -> dict[str, Any]:
    """What the gateway tells the sender of *document*."""
    access = town.access[town.organs[0]]
    async with (
        aiohttp.ClientSession() as http,
        http.get(
            f"{access['http_url']}/v1/documents/{document}",
            headers={"Authorization": f"Bearer {access['http_token']}"},
        ) as response,
    ):
        assert response.status == 200
        told: dict[str, Any] = await response.json()
        return told


async def _state(town: Town, document_id: str) -> str:
    (copy,) = (await document(town, document_id))["recipients"]
    return str(copy["state"])


async def settled(look: Callable[[], Any], wanted: str) -> None:
    """Wait until *look* answers *wanted*."""
    async with asyncio.timeout(30):
        while await look() != wanted:
            await asyncio.sleep(0.05)
