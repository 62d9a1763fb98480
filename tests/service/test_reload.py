"""Reload without restart, on a real broker: queues, users and rights follow the directory, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aio_pika
import aiohttp
import pytest
from aio_pika.exceptions import AMQPError

from adapters.broker.node import PrivateNode
from tests.brokers import PASSWORD, api
from tests.service.town import Office, Town, a_town

SETTINGS = """
[log]
level = "warning"
"""


def write(
    town: Town, *, more: Sequence[str] = (), locked: Sequence[str] = (), without: Sequence[str] = ()
) -> None:
    """The list of organs as an operator changes it: *more* have queues."""
    rows = [(code, "") for code in town.organs if code not in without] + [(code, "amqp") for code in more]
    (town.var.parent / "organs.csv").write_text(
        "organ_id,name,link,status\n"
        + "".join(
            f"{code},Cơ quan {code},{link},{'locked' if code in locked else ''}\n" for code, link in rows
        ),
        "utf-8",
    )


def access(town: Town) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((town.var / "dev/access.json").read_text("utf-8"))
    return found


async def ready(town: Town, organ: str) -> tuple[int, dict[str, str]]:
    """What readiness says."""
    url = town.access[organ]["http_url"]
    async with aiohttp.ClientSession(url) as http, http.get("/readyz") as answer:
        found = await answer.json()
        return answer.status, found["parts"]


async def test_queues_users_and_rights_follow_the_directory_while_the_gateway_runs(
    tmp_path: Path, broker_node: PrivateNode
) -> None:
    async with a_town(tmp_path, broker_node, workers=2, settings=SETTINGS) as town:
        first, second, third = town.organs[:3]
        sender, pids = town.offices[first], town.stack.worker_pids

        # A party joins: it sends, and it receives, by the access that it was given.
        newcomer = first.replace("900.", "950.")
        write(town, more=[newcomer])
        done = await town.stack.reload()
        assert (done.problem, done.added, done.removed, done.workers) == ("", 1, 0, 2)
        office = await opened(town, newcomer)
        await office.publish(town.edoc(second, sender=newcomer), "n-1")
        await office.until(lambda: "ContentConsignment" in office.events("n-1"))
        await sender.publish(town.edoc(newcomer, number=2), "f-1")
        await office.until(lambda: len(office.deliveries) == 1)

        # A party is locked: its connection ends, its rights are gone, nobody delivers to it, HTTP refuses it.
        write(town, more=[newcomer], locked=[second])
        assert (await town.stack.reload()).problem == ""
        await town.offices[second].until_also(lambda: not town.offices[second].is_open)
        with pytest.raises((AMQPError, ConnectionError)):
            await aio_pika.connect(town.access[second]["amqp_url"], timeout=5)
        await sender.publish(town.edoc(second, newcomer, number=3), "f-2")
        await sender.until(lambda: "ContentConsignmentFailure" in sender.events("f-2"))
        await office.until(lambda: len(office.deliveries) == 2)
        assert await refused(town, second, town.edoc(first, sender=second, number=4)) == "party-locked"

        # A party leaves: its queues stay, and what waits in them is told.
        await town.offices[third].close()
        await sender.publish(town.edoc(third, number=5), "f-3")
        await sender.until(lambda: "ContentConsignment" in sender.events("f-3"))
        write(town, without=[third])
        done = await town.stack.reload()
        assert (done.problem, done.removed) == ("", 2)
        assert done.waiting is not None
        assert {f"vanthu.{kind}.{third}" for kind in ("submit", "deliver", "receipts")} <= done.waiting.keys()
        await sender.publish(town.edoc(third, number=6), "f-4")
        await sender.until(lambda: "ContentConsignmentFailure" in sender.events("f-4"))
        status, parts = await ready(town, first)
        assert (status, parts["contract"], parts["broker"]) == (200, "ok", "ok")

        # It comes back, and finds what waited.  Who was locked is let in again, and its office comes by itself.
        write(town)
        assert (await town.stack.reload()).problem == ""
        town.offices[third] = await opened(town, third)
        await town.offices[third].until(lambda: len(town.offices[third].deliveries) == 1)
        await town.offices[second].publish(town.edoc(third, sender=second, number=7), "s-1")
        await town.offices[third].until(lambda: len(town.offices[third].deliveries) == 2)
        assert town.stack.worker_pids == pids, "nobody was restarted"
        await office.close()


async def test_documents_on_their_way_are_not_disturbed_and_a_broken_file_changes_nothing(
    tmp_path: Path, broker_node: PrivateNode
) -> None:
    async with a_town(tmp_path, broker_node, settings=SETTINGS) as town:
        first, second = town.organs[:2]
        sender, recipient = town.offices[first], town.offices[second]
        numbers = range(1, 31)

        async def send() -> None:
            for number in numbers:
                await sender.publish(town.edoc(second, number=number), f"m-{number}")

        sending = asyncio.create_task(send())
        for reloads in range(5):
            write(town, more=[first.replace("900.", f"95{reloads}.")])
            assert (await town.stack.reload()).problem == ""
        await sending
        await recipient.until(lambda: len(recipient.deliveries) == 30)
        for number in numbers:
            await sender.until(lambda n=number: "ContentConsignment" in sender.events(f"m-{n}"))
        assert all(len(copies) == 1 for copies in recipient.deliveries.values())
        assert {e for n in numbers for e in sender.events(f"m-{n}")} == {
            "SubmissionAcceptance",
            "ContentConsignment",
        }

        # A broken file: the old directory stays in force, also for a worker that starts later.
        (tmp_path / "organs.csv").write_text('organ_id,name\n"unfinished', "utf-8")
        done = await town.stack.reload()
        assert str(tmp_path / "organs.csv") in done.problem
        (pid,) = town.stack.worker_pids
        os.kill(pid, signal.SIGKILL)
        await sender.publish(town.edoc(second, number=40), "after")
        await sender.until(lambda: "ContentConsignment" in sender.events("after"))
        assert town.stack.worker_pids != [pid]
        status, parts = await ready(town, first)
        assert status == 200
        assert "the last reload was refused" in parts["directory"]


async def test_a_client_of_several_parties_acts_for_each_of_them_and_for_no_other(
    tmp_path: Path, broker_node: PrivateNode
) -> None:
    async with a_town(tmp_path, broker_node, settings=SETTINGS) as town:
        first, second, third, by_http = town.organs
        name, token = f"e-office-{first}", "a token of sorts"
        for organ in (first, second):
            await town.offices[organ].close()
        clients = town.var / "dev/clients/clients.toml"
        digest = sha256(token.encode()).hexdigest()
        clients.write_text(
            clients.read_text("utf-8")
            + f'[clients."{name}"]\nacts_for = ["{first}", "{second}", "{by_http}"]\ntoken_sha256 = "{digest}"\n',
            "utf-8",
        )
        assert (await town.stack.reload()).problem == ""
        await api(broker_node, "PUT", f"/api/users/{name}", {"password": PASSWORD, "tags": "vanthu-client"})
        url = with_user(town.access[first]["amqp_url"], name, PASSWORD)

        # One connection sends for each of its parties, and takes what is theirs.
        async with await aio_pika.connect(url, timeout=10) as connection:
            lost = asyncio.Event()
            connection.close_callbacks.add(lambda *_: lost.set())
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange("vanthu.submit", ensure=False)

            async def publish(organ: str, body: bytes) -> None:
                message = aio_pika.Message(
                    body, message_id=f"m-{organ}", user_id=name, content_type="application/xml"
                )
                await exchange.publish(message, f"{organ}.edoc", timeout=10)

            await publish(first, town.edoc(third, by_http, sender=first))
            await publish(second, town.edoc(third, sender=second, number=2))
            await town.offices[third].until(lambda: len(town.offices[third].deliveries) == 2)
            for organ, copies in ((first, 2), (second, 1)):
                queue = await channel.get_queue(f"vanthu.receipts.{organ}", ensure=False)
                events = [await taken(queue) for _ in range(1 + copies)]
                assert sorted(events) == ["ContentConsignment"] * copies + ["SubmissionAcceptance"]

            # In the name of one party what another signed is refused: the envelope's sender must be the key's.
            await publish(second, town.edoc(third, sender=first, number=3))
            queue = await channel.get_queue(f"vanthu.receipts.{second}", ensure=False)
            assert await taken(queue) == "SubmissionRejection"

            # One of its parties is locked: the open connection must not go on with what it was once allowed.
            write(town, locked=[second])
            assert (await town.stack.reload()).problem == ""
            async with asyncio.timeout(10):
                await lost.wait()
        async with await aio_pika.connect(url, timeout=10) as connection:
            for what, organ in (("read", third), ("write", third), ("write", second), ("read", second)):
                channel = await connection.channel(publisher_confirms=True)
                with pytest.raises((AMQPError, ConnectionError)):
                    if what == "read":
                        await (await channel.get_queue(f"vanthu.deliver.{organ}", ensure=False)).get(
                            timeout=5
                        )
                    else:
                        exchange = await channel.get_exchange("vanthu.submit", ensure=False)
                        await exchange.publish(
                            aio_pika.Message(b"x", user_id=name), f"{organ}.edoc", timeout=10
                        )
                if connection.is_closed:
                    break
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange("vanthu.submit", ensure=False)
            message = aio_pika.Message(
                town.edoc(third, sender=first, number=4), message_id="again", user_id=name
            )
            await exchange.publish(message, f"{first}.edoc", timeout=10)

        # By HTTP likewise: the inbox of its party, and nobody else's.
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(town.access[by_http]["http_url"], headers=headers) as http:
            async with http.get("/v1/inbox", params={"organ": by_http}) as answer:
                assert [item["type"] for item in (await answer.json())["items"]] == ["edoc"]
            async with http.get("/v1/inbox", params={"organ": third}) as answer:
                assert (await answer.json())["reason"] == "not-authorised"


async def opened(town: Town, organ: str) -> Office:
    office = Office(organ, access(town)[organ])
    await office.open()
    return office


async def taken(queue: Any) -> str:
    """The event of the next receipt in *queue*."""
    async with asyncio.timeout(30):
        while (message := await queue.get(fail=False)) is None:
            await asyncio.sleep(0.02)
    await message.ack()
    return str(message.headers["vanthu-event"])


async def refused(town: Town, organ: str, body: bytes) -> str:
    """The reason for which HTTP refuses *body* of *organ*."""
    headers = {
        "Authorization": f"Bearer {town.access[organ]['http_token']}",
        "Idempotency-Key": "refused",
        "Content-Type": "application/xml",
    }
    async with (
        aiohttp.ClientSession(town.access[organ]["http_url"], headers=headers) as http,
        http.post("/v1/submissions", params={"organ": organ}, data=body) as answer,
    ):
        return str((await answer.json())["reason"])


def with_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}").geturl()
