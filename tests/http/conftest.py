"""A running server, a client for it, and a check of every answer against the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
import pytest_asyncio

from adapters.http import HttpServer
from adapters.memory import MemoryDirectory
from gateway.ports import Uploads
from tests.http.contract import Contract
from tests.http.world import Tables, a_server

Serve = Callable[..., Awaitable["Caller"]]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what has no event of its own: the server's loop is this one, so it goes on meanwhile."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


class Caller:
    """Asks a server and holds each answer against ``openapi.yaml``."""

    def __init__(self, server: HttpServer, session: aiohttp.ClientSession, contract: Contract) -> None:
        self.server = server
        self.session = session
        self._contract = contract

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def ask(self, method: str, path: str, **more: object) -> tuple[aiohttp.ClientResponse, bytes]:
        """The answer and its body; fails where the contract does not know the answer."""
        async with self.session.request(method, self.url + path, **more) as response:  # type: ignore[arg-type]
            body = await response.read()
        self._contract.check(method, path, response, body)
        return response, body


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract()


@pytest_asyncio.fixture
async def serve(tables: Tables, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Starts servers over the test's tables, and stops them afterwards."""
    # A whole gateway that stood in this process has told its workers where to share their numbers.
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    started: list[Caller] = []

    async def start(
        directory: MemoryDirectory | None = None, uploads: Uploads | None = None, **options: object
    ) -> Caller:
        server = a_server(tables, directory, uploads, **options)
        await server.start()
        caller = Caller(server, aiohttp.ClientSession(), contract)
        started.append(caller)
        return caller

    yield start
    for caller in started:
        await caller.session.close()
        await caller.server.stop()


@pytest_asyncio.fixture
async def caller(serve: Serve) -> Caller:
    """A server as it is by default."""
    return await serve()
