"""The private RabbitMQ node: up in seconds, on loopback only, and gone with its owner, whatever ended it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aio_pika
import aiohttp
import pytest
from aiormq.exceptions import ProbableAuthenticationError

from adapters.broker import guardian
from adapters.broker.node import Options, PrivateNode
from adapters.broker.node_folder import find_server
from adapters.processors import OURS
from gateway.errors import ConfigError, Unavailable
from tests.services import ROOT

OWNER = """
import asyncio, json, sys
from pathlib import Path
from adapters.broker.node import Options, PrivateNode

async def main():
    async with PrivateNode(Options(folder=Path(sys.argv[1]))) as node:
        print(json.dumps(dict(node.pids)), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


# --- a node that runs through -----------------------------------------------------------------------


async def test_a_node_starts_in_seconds_on_loopback_only_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "tên có dấu và khoảng trắng"  # a checkout may lie anywhere
    node = PrivateNode(Options(folder=folder))
    with watched_listeners(folder) as seen:
        began = time.monotonic()
        await node.start()
        took = time.monotonic() - began
    try:
        assert took < 30, "seconds: measured 3 to 6 on two cores"
        assert set(node.pids) == {"guardian", "epmd", "node"}
        assert os.sched_getscheduler(node.pids["node"]) == os.SCHED_BATCH, "its threads push no worker aside"
        schedulers = threads_of(node.pids["node"], "_scheduler")
        assert schedulers
        assert all(os.sched_getaffinity(thread) == OURS for thread in schedulers), "none keeps to a processor"
        assert set(node.ports.values()) <= {port for _, port in seen}, "the sampler saw what it should see"
        assert [address for address, _ in seen if not ipaddress.ip_address(address).is_loopback] == []
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{node.management_url}/api/users", headers=authorization(node)) as answer,
        ):
            assert [user["name"] for user in await answer.json()] == ["vanthu-gateway"]
        with pytest.raises(ProbableAuthenticationError):
            await aio_pika.connect(node.amqp_url_for("guest", "guest"))
        await node.start()  # a second time changes nothing
        assert (
            readable_by_others(folder / "password", folder / "rabbitmq.conf", folder / ".erlang.cookie") == []
        )
    finally:
        await node.stop()
        await node.stop()
    assert node.pids == {}
    assert processes_of(folder) == {}
    log = (folder / "log" / "node.log").read_text()
    assert 0 < log.find("to stop collect_statistics") < log.find("SIGTERM received"), "else it hangs for 5 s"


def threads_of(process: int, ends: str) -> list[int]:
    """Those whose name ends so."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return [int(t.name) for t in threads if (t / "comm").read_text().strip().endswith(ends)]


async def test_a_restarted_and_a_killed_node_keep_data_ports_and_password(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        first = node.amqp_url, node.management_url
        await publish(node, b"before the restart")
        await node.restart()
        await publish(node, b"before the kill")
        await node.kill()
        assert not node.is_running
        assert processes_of(tmp_path) == {}
        await node.start()
        assert (node.amqp_url, node.management_url) == first
        assert await taken(node) == [b"before the restart", b"before the kill"]


async def test_a_second_owner_is_refused_and_the_first_is_not_disturbed(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        owner = await asyncio.to_thread(run_an_owner, tmp_path)
        assert "ConfigError" in owner.stderr
        assert f"{tmp_path} is in use by another running process" in owner.stderr
        before = node.amqp_url
        await node.restart()
        await publish(node, b"still here")
        assert await taken(node) == [b"still here"]
        assert node.amqp_url == before, "the refused one left ports and password alone"


async def test_a_port_that_somebody_took_is_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken_by_somebody:
        port = taken_by_somebody.getsockname()[1]
        (tmp_path / "ports.json").write_text(json.dumps({"amqp": port}))
        async with a_node(tmp_path) as node:
            assert node.ports["amqp"] != port
            await publish(node, b"elsewhere")


# --- an owner that goes -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_node_goes_with_its_owner(tmp_path: Path, number: signal.Signals) -> None:
    with an_owner(tmp_path) as owner:
        os.kill(owner.pid, number)
        owner.wait(60)
    assert eventually(lambda: processes_of(tmp_path) == {})
    assert eventually(lambda: not (tmp_path / "processes.json").exists())


def test_the_node_goes_even_when_owner_and_guardian_are_killed_and_the_next_start_is_clean(
    tmp_path: Path,
) -> None:
    with an_owner(tmp_path) as owner:
        pids = json.loads((tmp_path / "processes.json").read_text())
        guard = guardian_of(owner.pid)
        os.kill(guard, signal.SIGSTOP)  # it can't even notice
        os.kill(owner.pid, signal.SIGKILL)
        os.kill(guard, signal.SIGKILL)
        owner.wait(60)
    assert len(pids["parts"]) == 2
    ports = (tmp_path / "ports.json").read_text()
    # At once, while what was left is still going down: the start waits for it instead of failing.
    asyncio.run(start_once_more(tmp_path))
    assert (tmp_path / "ports.json").read_text() == ports, "clients still find it where it was"
    assert processes_of(tmp_path) == {}


def test_only_the_very_same_process_is_ended_as_a_leftover(tmp_path: Path) -> None:
    state = tmp_path / "processes.json"
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        record = {"name": "node", "pid": process.pid, "started": "another boot/1"}
        state.write_text(json.dumps({"parts": [record]}))
        assert guardian.end_leftovers(state) == []
        assert process.poll() is None
        record["started"] = guardian.started_at(process.pid) or ""
        state.write_text(json.dumps({"parts": [record]}))
        assert guardian.end_leftovers(state) == [process.pid]
        assert process.wait(10) == -signal.SIGTERM


# --- a node that can't start ------------------------------------------------------------------------


async def test_a_start_that_fails_tells_the_end_of_the_log(tmp_path: Path) -> None:
    script = tmp_path / "rabbitmq-server"
    script.write_text("#!/bin/sh\necho the disk is on fire\nexit 3\n")
    script.chmod(0o755)
    folder = tmp_path / "broker"
    node = PrivateNode(Options(folder=folder, server=script))
    with pytest.raises(Unavailable, match="the disk is on fire") as caught:
        await node.start()
    assert caught.value.reason == "broker-away"
    assert not node.is_running
    assert processes_of(folder) == {}


def test_a_server_that_is_no_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere is no program"):
        find_server(tmp_path / "nowhere")


# --- what the tests look with -----------------------------------------------------------------------


async def start_once_more(folder: Path) -> None:
    async with a_node(folder) as node:
        await publish(node, b"a new life")


@contextlib.asynccontextmanager
async def a_node(folder: Path) -> AsyncIterator[PrivateNode]:
    """A running node, killed at the end: that takes no time, a proper stop takes 6 s."""
    node = PrivateNode(Options(folder=folder))
    await node.start()
    try:
        yield node
    finally:
        await node.kill()


def authorization(node: PrivateNode) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(node.user, node.password)}


async def publish(node: PrivateNode, body: bytes) -> None:
    async with await aio_pika.connect(node.amqp_url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key=queue.name)


async def taken(node: PrivateNode) -> list[bytes]:
    async with await aio_pika.connect(node.amqp_url) as connection, connection.channel() as channel:
        queue = await channel.get_queue("kept")
        bodies = []
        while (message := await queue.get(fail=False)) is not None:
            bodies.append(message.body)
            await message.ack()
        return bodies


def run_an_owner(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", OWNER, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@contextlib.contextmanager
def an_owner(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs a private node in *folder*."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        try:
            while (line := owner.stdout.readline()) and not line.startswith("{"):
                pass
            pids = json.loads(line)
            assert set(pids.values()) <= set(processes_of(folder)) | {pids["guardian"]}
            yield owner
        finally:
            owner.kill()


def guardian_of(owner: int) -> int:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"\nPPid:\t{owner}\n" in (process / "status").read_text():
                return int(process.name)
    raise AssertionError("the owner has no guardian")


def processes_of(folder: Path) -> dict[int, str]:
    """Every process whose environment names *folder*: the node, its epmd and all that they start."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"VANTHU_NODE={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@contextlib.contextmanager
def watched_listeners(folder: Path) -> Iterator[set[tuple[str, int]]]:
    """All (address, port) on which a process of *folder* was seen listening, looked at all the time."""
    seen: set[tuple[str, int]] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.update(listeners_of(set(processes_of(folder))))

    looker = threading.Thread(target=look, name="watched-listeners")
    looker.start()
    try:
        yield seen
    finally:
        over.set()
        looker.join()


def listeners_of(pids: set[int]) -> Iterator[tuple[str, int]]:
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    inodes.add(os.readlink(descriptor))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            is_listening = fields[3] == "0A"
            if is_listening and f"socket:[{fields[9]}]" in inodes:
                address, _, port = fields[1].partition(":")
                words = [bytes.fromhex(address[n : n + 8])[::-1] for n in range(0, len(address), 8)]
                yield str(ipaddress.ip_address(b"".join(words))), int(port, 16)


def readable_by_others(*paths: Path) -> list[Path]:
    return [path for path in paths if path.stat().st_mode & 0o077]


def eventually(holds: Callable[[], bool], within_s: float = 60) -> bool:
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not holds() and time.monotonic() < deadline:
        pause.wait(0.05)
    return holds()
