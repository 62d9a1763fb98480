"""An agency's e-office on AMQP: it sends, takes deliveries, answers 01 and 03 (or 02), and keeps receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Self

import aio_pika
import aiohttp
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage

from demo.access import CLAIM_TYPE, MESSAGE_LIMIT, Access, redeem, upload
from demo.books import Books, Line, Receipt, Taken
from demo.edxml import Organ, Producer, Received, event_time, read_edoc, read_status, write_status

CONNECT_WITHIN_S = 60.0
PUBLISH_WITHIN_S = 60.0

Keep = Callable[[str, Received], Awaitable[None]]
"""What is done with a document that was taken: (our document id, the document)."""


class Office:
    """One agency's client.  ``refusals`` are its clerk's reasons, by the code of the document refused; ``objects`` is why
    he agrees to no recall and no update, empty where he does."""

    def __init__(
        self,
        organ: Organ,
        access: Access,
        producer: Producer,
        books: Books,
        http: aiohttp.ClientSession,
        *,
        keep: Keep,
        refusals: Mapping[str, str] | None = None,
        objects: str = "",
    ) -> None:
        self.organ = organ
        self.producer = producer
        self._access = access
        self._books = books
        self._http = http
        self._keep = keep
        self._refusals = refusals or {}
        self._objects = objects
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None
        self._clerks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self._access.amqp_url, timeout=CONNECT_WITHIN_S)
        self._exchange = await self._open(await self.channel())
        taking = await self._connection.channel()
        await taking.set_qos(prefetch_count=20)
        deliveries = await taking.declare_queue(self._access.deliver_queue, passive=True)
        receipts = await taking.declare_queue(self._access.receipts_queue, passive=True)
        await deliveries.consume(self._on_delivery)
        await receipts.consume(self._on_receipt)
        return self

    async def __aexit__(self, *_: object) -> None:
        for clerk in self._clerks:
            clerk.cancel()
        await asyncio.gather(*self._clerks, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()

    async def channel(self) -> AbstractChannel:
        """A further channel of this agency's connection, with confirms."""
        assert self._connection is not None
        return await self._connection.channel(publisher_confirms=True, on_return_raises=True)

    # --- sending --------------------------------------------------------------------------------------

    async def send(self, body: bytes, message: str, *, lane: str = "edoc") -> None:
        """Submit *body* under the message id; returns when the broker has it for good."""
        content_type = "application/xml"
        if len(body) > MESSAGE_LIMIT:
            body, content_type = await upload(self._http, self._access, body), CLAIM_TYPE
        assert self._exchange is not None
        await self.publish(self._exchange, body, message, lane=lane, content_type=content_type)

    async def publish(
        self,
        exchange: AbstractExchange,
        body: bytes,
        message: str,
        *,
        lane: str = "edoc",
        content_type: str = "application/xml",
        user: str | None = "",
        organ: str = "",
    ) -> None:
        """Publish; *user* and *organ* are this agency's own unless somebody pretends (``None``: no user)."""
        await exchange.publish(
            aio_pika.Message(
                body,
                message_id=message,
                user_id=self.organ.code if user == "" else user,
                content_type=content_type,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                timestamp=datetime.now(UTC),
            ),
            routing_key=f"{organ or self.organ.code}.{lane}",
            mandatory=True,
            timeout=PUBLISH_WITHIN_S,
        )

    async def exchange_of(self, channel: AbstractChannel) -> AbstractExchange:
        """The submit exchange as *channel* sees it."""
        return await self._open(channel)

    async def _open(self, channel: AbstractChannel) -> AbstractExchange:
        return await channel.get_exchange(self._access.submit_exchange, ensure=False)

    # --- taking ---------------------------------------------------------------------------------------

    async def _on_delivery(self, message: AbstractIncomingMessage) -> None:
        try:
            await self._take(message)
        except (ValueError, KeyError, aiohttp.ClientError) as exc:
            self._books.fault(f"{self.organ.code}: delivery {message.message_id}: {exc}")
        await message.ack()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        headers = message.headers
        place = str(message.correlation_id)
        attempt = int(str(headers.get("vanthu-attempt", 1)))
        # The order of coming is written down before anything else is awaited.
        early = message.type == "edoc" and self._books.took(
            Taken(
                delivery=str(message.message_id),
                party=self.organ.code,
                what="edoc",
                document=place,
                attempt=attempt,
            )
        )
        body = message.body
        if message.content_type == CLAIM_TYPE:
            body = await redeem(self._http, self._access, body)
        if sha256(body).hexdigest() != headers.get("vanthu-sha256"):
            raise ValueError("the bytes are not those of vanthu-sha256")
        if message.type == "edoc":
            document = await asyncio.to_thread(read_edoc, body)
            if headers.get("vanthu-sender") != document.sender:
                raise ValueError("vanthu-sender is not the From of the document")
            if early:
                await self._keep(place, document)
                self._put_to_clerk(str(message.message_id), document)
            return
        status = read_status(body)
        if headers.get("vanthu-sender") != status.reporter:
            raise ValueError("vanthu-sender is not the From of the status")
        self._books.took(
            Taken(
                delivery=str(message.message_id),
                party=self.organ.code,
                what="status",
                document=place,
                other=status.reporter,
                word=status.code,
                attempt=attempt,
            )
        )

    async def _on_receipt(self, message: AbstractIncomingMessage) -> None:
        headers = {name: str(value) for name, value in message.headers.items()}
        try:
            self._books.got(
                receipt_from(
                    headers,
                    evidence=str(message.message_id),
                    party=self.organ.code,
                    message=str(message.correlation_id),
                    body=message.body,
                )
            )
        except (ValueError, KeyError) as exc:
            self._books.fault(f"{self.organ.code}: receipt {message.message_id}: {exc}")
        await message.ack()

    # --- the clerk ------------------------------------------------------------------------------------

    def _put_to_clerk(self, delivery: str, document: Received) -> None:
        clerk = asyncio.create_task(self._answer(delivery, document), name=f"clerk of {self.organ.code}")
        self._clerks.add(clerk)
        clerk.add_done_callback(self._clerks.discard)

    async def _answer(self, delivery: str, document: Received) -> None:
        if document.asks:
            code, text = ("16", self._objects) if self._objects else ("15", "Đồng ý")
            await self._report(delivery, document, code, text)
            return
        arrived = await self._report(delivery, document, "01", "Đã đến, văn thư chưa xử lý")
        await self._books.all_struck([arrived])
        reason = self._refusals.get(document.code)
        if reason is None:
            await self._report(delivery, document, "03", "Đã tiếp nhận, vào sổ công văn đến")
        else:
            await self._report(delivery, document, "02", reason)

    async def _report(self, delivery: str, document: Received, code: str, description: str) -> Line:
        message = f"{self.organ.code}:{delivery}:{code}"
        accepted = Line(what="receipt", party=self.organ.code, message=message, word="SubmissionAcceptance")
        self._books.expect(accepted)
        body = write_status(
            self.organ, document.reference, code, description, self.producer, datetime.now(UTC)
        )
        try:
            await self.send(body, message, lane="status")
        except (aio_pika.exceptions.AMQPError, OSError, TimeoutError) as exc:
            self._books.fault(f"{self.organ.code}: status {code} not sent: {exc!r}")
        return accepted


def receipt_from(
    headers: Mapping[str, str], *, evidence: str, party: str, message: str, body: bytes
) -> Receipt:
    """A receipt from its headers; its body must be the evidence of the same event and reason."""
    event, reason = headers["vanthu-event"], headers.get("vanthu-reason", "")
    text = body.decode("utf-8")
    if event not in text or reason not in text or "Signature" not in text:
        raise ValueError(f"the evidence does not attest {event} {reason}".strip())
    return Receipt(
        evidence=evidence,
        party=party,
        message=message,
        event=event,
        document=headers["vanthu-document"],
        recipient=headers.get("vanthu-recipient", ""),
        reason=reason,
        sequence=int(headers.get("vanthu-sequence", "0")),
        at=event_time(body),
    )
