"""The agencies' clients: they send until somebody has confirmed it, take what comes, answer, and note what they saw.

They know the published contract and nothing of the gateway; they connect again by themselves, from nothing.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from typing import Any

import aio_pika
import aiohttp
from aio_pika.abc import AbstractIncomingMessage

from demo.access import CLAIM_TYPE, MESSAGE_LIMIT, Access, redeem, upload
from demo.edxml import Received, read_edoc, read_status
from tests.chaos.papers import Paper, status
from tests.chaos.plan import Answer, Plan, Step, What, answer
from tests.chaos.seen import Seen, Sent, Taken, Told

AWAY = (
    aio_pika.exceptions.AMQPError,
    aiohttp.ClientError,
    ConnectionError,
    TimeoutError,
    RuntimeError,
    OSError,
)
FINAL = (400, 409, 413, 415, 422)
"""HTTP answers after which the same bytes are not sent again."""
_LOOK_EVERY_S = 0.3
_PREFETCH = 20
_AT_ONCE = 8
_SERVED_EVERY_S = 3.0


class Agency(ABC):
    """What an agency does, whichever way it is connected."""

    def __init__(
        self, organ: str, access: Access, plan: Plan, seen: Seen, http: aiohttp.ClientSession
    ) -> None:
        self.organ = organ
        self._access = access
        self._plan = plan
        self._rank = plan.organs.index(organ)
        self._seen = seen
        self._http = http
        self._tasks: set[asyncio.Task[None]] = set()
        self._answered: set[str] = set()
        self._is_open = asyncio.Event()
        self._is_willing = asyncio.Event()
        self._is_willing.set()

    @property
    def owes(self) -> int:
        """How many answers are on their way."""
        return len(self._tasks) - 1

    async def open(self) -> None:
        """Begin to take; returns when connected."""
        self._start(self._keep(), f"keeps {self.organ}")
        await self._is_open.wait()

    async def close(self) -> None:
        """Disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self, step: Step, paper: Paper) -> Sent:
        """Send until it is confirmed: what an e-office does with its outbox."""
        lane = "edoc.urgent" if step.priority else "edoc"
        # It may be taken before we know that it was confirmed.
        self._seen.sizes.update({name: size for name, _, size in paper.digests})
        refused = await self._submit(paper.body, step.message, lane)
        sent = Sent(
            organ=self.organ,
            message=step.message,
            what=step.what,
            sha256=paper.sha256,
            number=step.number,
            recipients=step.recipients,
            files=paper.digests,
            answer=refused,
        )
        self._seen.sent.append(sent)
        return sent

    @asynccontextmanager
    async def mute(self) -> AsyncIterator[None]:
        """Meanwhile it takes what comes and never says so."""
        self._is_willing.clear()
        try:
            yield
        finally:
            self._is_willing.set()
            await self._wake()

    # --- for each kind of link ------------------------------------------------------------------------

    @abstractmethod
    async def _keep(self) -> None:
        """Stay connected, and take what comes, until cancelled."""

    @abstractmethod
    async def _submit(self, body: bytes, message: str, lane: str) -> str:
        """Submit until confirmed; the reason where it was refused at once."""

    async def _wake(self) -> None:  # noqa: B027 - not every link has something to wake
        """After it was mute."""

    # --- what both do ---------------------------------------------------------------------------------

    def _start(self, coroutine: Any, name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _taken(
        self, delivery: str, document: str, kind: str, body: bytes, told: str, *, says_so: bool
    ) -> bool:
        """Note what came, and answer it; whether it is taken rather than rejected."""
        digest = sha256(body).hexdigest()
        if kind == "status":
            report = read_status(body)
            self._seen.taken.append(
                Taken(
                    organ=self.organ,
                    delivery=delivery,
                    document=document,
                    is_status=True,
                    sha256=digest,
                    told_sha256=told,
                    says_so=says_so,
                    reporter=report.reporter,
                    code=report.code,
                )
            )
            return True
        edoc = read_edoc(body)
        number = int(edoc.code.partition("/")[0])
        does, words = answer(self._plan, self.organ, number, asks=edoc.asks)
        is_rejected = does is Answer.REJECTS and isinstance(self, Office)
        self._seen.taken.append(
            Taken(
                organ=self.organ,
                delivery=delivery,
                document=document,
                is_status=False,
                sha256=digest,
                told_sha256=told,
                says_so=says_so,
                number=number,
                files=tuple((f.name, f.sha256, self._beginning(f.name, f.body)) for f in edoc.files),
                is_rejected=is_rejected,
            )
        )
        if not is_rejected and delivery not in self._answered and self._is_willing.is_set():
            self._answered.add(delivery)
            self._start(self._answer(document, edoc, words), f"{self.organ} answers {delivery}")
        return not is_rejected

    def _beginning(self, name: str, body: bytes) -> str:
        return sha256(body[: self._seen.sizes.get(name, 0)]).hexdigest()

    async def _answer(self, document: str, edoc: Received, words: tuple[str, ...]) -> None:
        for word in words:
            body = status(self.organ, edoc.reference, word)
            message = f"{self.organ}:{document}:{word}"
            refused = await self._submit(body, message, "status")
            self._seen.sent.append(
                Sent(
                    organ=self.organ,
                    message=message,
                    what=None,
                    sha256=sha256(body).hexdigest(),
                    about=document,
                    code=word,
                    answer=refused,
                )
            )
            if word == words[-1] and self._rank % 3 == 0:
                await self._submit(body, message, "status")  # some offices say everything twice

    def _receipt(self, evidence: str, message: str, headers: dict[str, str], body: bytes) -> None:
        self._seen.told_of(
            Told(
                organ=self.organ,
                evidence=evidence,
                message=message,
                event=headers["vanthu-event"],
                document=headers["vanthu-document"],
                recipient=headers.get("vanthu-recipient", ""),
                reason=headers.get("vanthu-reason", ""),
                sequence=int(headers.get("vanthu-sequence", "0")),
                sha256=sha256(body).hexdigest(),
            )
        )


def _is_told_to_end() -> bool:
    """Whether a cancellation is meant: the library ends what waits on a lost channel with one that nobody asked for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def _close(connection: Any) -> None:
    """As far as the broker lets us: it may stand still."""
    with suppress(*AWAY):
        async with asyncio.timeout(10):
            await connection.close()


class Office(Agency):
    """An agency with queues."""

    _exchange: Any = None
    _connection: Any = None

    async def _keep(self) -> None:
        while True:
            try:
                connection = await aio_pika.connect(self._access.amqp_url, timeout=10)
                try:
                    await self._serve(connection)
                finally:
                    self._is_open.clear()
                    await _close(connection)
            except AWAY:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                if _is_told_to_end():
                    raise
                await asyncio.sleep(0.2)

    async def _serve(self, connection: Any) -> None:
        """Take what comes, until the connection is lost or the broker has forgotten us."""
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        self._connection = connection
        sending = await connection.channel(publisher_confirms=True, on_return_raises=True)
        self._exchange = await sending.get_exchange(self._access.submit_exchange, ensure=False)
        taking = await connection.channel()
        await taking.set_qos(prefetch_count=_PREFETCH)
        for name, take in (
            (self._access.deliver_queue, self._delivery),
            (self._access.receipts_queue, self._told),
        ):
            await (await taking.get_queue(name, ensure=False)).consume(take)
        self._is_open.set()
        while not await self._is_lost(lost) and await self._is_served(taking):
            pass

    async def _is_lost(self, lost: asyncio.Event) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(_SERVED_EVERY_S):
                await lost.wait()
        return lost.is_set()

    async def _is_served(self, channel: Any) -> bool:
        """Whether the broker still knows us as consumer: after a restart it may have dropped us without a word."""
        for name in (self._access.deliver_queue, self._access.receipts_queue):
            declared = await channel.declare_queue(name, passive=True, timeout=10)
            if not declared.declaration_result.consumer_count:
                return False
        return True

    async def _wake(self) -> None:
        # Only the end of the connection gives back what was taken and not acknowledged.
        if self._connection is not None:
            await _close(self._connection)

    async def _submit(self, body: bytes, message: str, lane: str) -> str:
        content_type = "application/xml"
        if len(body) > MESSAGE_LIMIT:
            body, content_type = await self._uploaded(body), CLAIM_TYPE
        letter = aio_pika.Message(
            body,
            message_id=message,
            user_id=self.organ,
            content_type=content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        while True:
            await self._is_open.wait()
            try:
                await self._exchange.publish(letter, f"{self.organ}.{lane}", mandatory=True, timeout=10)
            except AWAY:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                if _is_told_to_end():
                    raise
                await asyncio.sleep(0.2)
            else:
                return ""

    async def _uploaded(self, body: bytes) -> bytes:
        while True:
            try:
                async with asyncio.timeout(30):
                    return await upload(self._http, self._access, body)
            except AWAY:
                await asyncio.sleep(0.5)

    async def _delivery(self, message: AbstractIncomingMessage) -> None:
        body = message.body
        if message.content_type == CLAIM_TYPE:
            body = await self._redeemed(body)
        is_repeat = bool(message.redelivered or message.headers.get("vanthu-attempt"))
        takes = self._taken(
            str(message.message_id),
            str(message.correlation_id),
            str(message.type),
            body,
            str(message.headers.get("vanthu-sha256")),
            says_so=is_repeat,
        )
        if self._is_willing.is_set():
            await self._settle(message.ack() if takes else message.reject(requeue=False))

    async def _redeemed(self, claim: bytes) -> bytes:
        # The message is held meanwhile: each time that it were given back would count against its queue's limit.
        while True:
            try:
                async with asyncio.timeout(30):
                    return await redeem(self._http, self._access, claim)
            except AWAY:
                await asyncio.sleep(0.5)

    async def _told(self, message: AbstractIncomingMessage) -> None:
        headers = {name: str(value) for name, value in message.headers.items()}
        self._receipt(str(message.message_id), str(message.correlation_id), headers, message.body)
        await self._settle(message.ack())

    @staticmethod
    async def _settle(settling: Any) -> None:
        try:
            await settling
        except AWAY:
            return  # the connection is gone: it comes again


class Counter(Agency):
    """An agency without queues: it looks into its inbox."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._acknowledged: set[str] = set()

    async def _keep(self) -> None:
        self._is_open.set()
        while True:
            try:
                _, inbox = await self._ask("GET", "/v1/inbox", params={"limit": "50"})
                items, before = inbox.get("items", ()), len(self._acknowledged)
                # Several at once: one after the other would be slower than what comes.
                for start in range(0, len(items), _AT_ONCE):
                    several = items[start : start + _AT_ONCE]
                    for error in await asyncio.gather(*map(self._take, several), return_exceptions=True):
                        if isinstance(error, BaseException):
                            raise error
                if len(self._acknowledged) > before:
                    continue
            except AWAY:
                await asyncio.sleep(0.5)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _take(self, item: dict[str, Any]) -> None:
        path = f"/v1/inbox/{item['id']}"
        seconds = 60 if self._is_willing.is_set() else 2
        code, locked = await self._ask("POST", f"{path}/lock", json={"seconds": seconds})
        if code != 200:
            return
        code, body = await self._ask("GET", f"{path}/content")
        if code != 200:
            return
        if item["id"] in self._acknowledged:
            self._seen.faults.append(f"{self.organ}: {item['id']} is in the inbox after it was acknowledged")
        if sha256(body).hexdigest() != item["sha256"]:
            self._seen.faults.append(f"{self.organ}: {item['id']} is not what its sha256 says")
        if not self._is_willing.is_set():
            return
        if item["type"] == "receipt":
            self._receipt(item["id"], item["correlation"], item["headers"], body)
        else:
            self._taken(item["id"], item["correlation"], item["type"], body, item["sha256"], says_so=True)
        code, _ = await self._ask("POST", f"{path}/acknowledge", json={"lock": locked["lock"]})
        if code == 204:
            self._acknowledged.add(item["id"])

    async def _submit(self, body: bytes, message: str, lane: str) -> str:
        headers = {"Idempotency-Key": message, "Content-Type": "application/xml"}
        if lane == "edoc.urgent":
            headers["Vanthu-Lane"] = "urgent"
        while True:
            try:
                code, told = await self._ask("POST", "/v1/submissions", data=body, headers=headers)
            except AWAY:
                await asyncio.sleep(0.3)
                continue
            if code == 202:
                return ""
            if code in FINAL:
                return str(told.get("reason") or told.get("type") or code)
            await asyncio.sleep(0.3)

    async def _ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        headers = {**self._access.authorization, **more.pop("headers", {})}
        params = {"organ": self.organ, **more.pop("params", {})}
        url = self._access.http_url + path
        async with (
            asyncio.timeout(30),
            self._http.request(method, url, headers=headers, params=params, **more) as response,
        ):
            body = await response.read()
            if "json" not in response.content_type:
                return response.status, body
            return response.status, await response.json()


def agency(organ: str, access: Access, plan: Plan, seen: Seen, http: aiohttp.ClientSession) -> Agency:
    """The client of *organ*."""
    kind = Office if access.amqp_url else Counter
    return kind(organ, access, plan, seen, http)


__all__ = ["Agency", "Counter", "Office", "What", "agency"]
