"""A client that we have not written: Node with npm's amqplib, and nothing of ours but the published contract."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from adapters.broker.node import PrivateNode
from schemas import read
from tests.service.town import Town, a_town

CLIENT = Path(__file__).parent.parent / "node"
LIMIT_S = 120.0
E = "{urn:vanthu:evidence:1}"


@pytest.fixture
async def town(tmp_path: Path, broker_node: PrivateNode) -> AsyncIterator[Town]:
    """A town whose two agencies with queues take nothing themselves: their clients are Node's."""
    async with a_town(tmp_path, broker_node, organs=3) as made:
        for office in made.offices.values():
            await office.close()
        yield made


@pytest.fixture(scope="module")
def published() -> Any:
    """The published contract; to read a tenth of a second's YAML is no part of a test that watches the loop."""
    return yaml.safe_load(read("asyncapi.yaml"))


async def test_a_client_made_of_the_published_contract_alone_sends_and_gets_delivery_status_and_receipts(
    town: Town, tmp_path: Path, published: Any
) -> None:
    sender, recipient = town.organs[:2]
    code, out, err = await node(town, contract(published, tmp_path))
    assert code == 0, err
    came = json.loads(out)

    (delivery,) = came["deliveries"]
    assert delivery["properties"]["type"] == "edoc"
    assert delivery["headers"]["vanthu-sender"] == sender
    assert delivery["headers"]["vanthu-sha256"] == digest(delivery["body"])
    document = delivery["headers"]["vanthu-document"]
    assert delivery["properties"]["correlation_id"] == document

    (answer,) = came["answers"]
    assert answer["properties"]["type"] == "status"
    assert answer["properties"]["correlation_id"] == document, "a status names the document that it is about"
    assert answer["headers"]["vanthu-sender"] == recipient
    assert answer["headers"]["vanthu-document"] != document

    receipts = sorted(came["receipts"], key=lambda receipt: receipt["headers"]["vanthu-sequence"])
    assert [receipt["headers"]["vanthu-event"] for receipt in receipts] == [
        "SubmissionAcceptance",
        "ContentConsignment",
        "ContentHandover",
    ]
    assert {receipt["properties"]["correlation_id"] for receipt in receipts} == {came["messageId"]}
    assert {receipt["headers"]["vanthu-document"] for receipt in receipts} == {document}
    assert [receipt["headers"].get("vanthu-recipient") for receipt in receipts] == [
        None,
        recipient,
        recipient,
    ]
    proves_in_a_chain(receipts, came["messageId"])


async def test_the_client_knows_nothing_but_what_the_contract_says(
    town: Town, tmp_path: Path, published: Any
) -> None:
    told = {"{organ}.edoc": "{organ}.other"}
    code, _, err = await node(town, contract(published, tmp_path, address=told))
    assert code == 1
    assert "ACCESS_REFUSED" in err
    assert f"{town.organs[0]}.other" in err


def proves_in_a_chain(receipts: Sequence[Mapping[str, Any]], message_id: str) -> None:
    """Each piece names the message, and the digest of the piece before it: what a client may check by itself."""
    before = None
    for receipt in receipts:
        evidence = etree.fromstring(receipt["body"].encode())
        assert evidence.findtext(f"{E}MessageIdentifier") == message_id
        assert evidence.findtext(f"{E}EvidenceIdentifier") == receipt["properties"]["message_id"]
        assert evidence.findtext(f"{E}TransactionLogInformation/{E}Previous") == before
        before = digest(receipt["body"])


def digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def contract(published: Any, folder: Path, **other: Mapping[str, str]) -> Path:
    """The published contract as a file; *other* has, for a channel's field, other values instead of its own."""
    told = copy.deepcopy(published)
    for field, values in other.items():
        for channel in told["channels"].values():
            channel[field] = values.get(channel[field], channel[field])
    file = folder / "asyncapi.yaml"
    file.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")  # which is YAML, too
    return file


async def node(town: Town, published: Path) -> tuple[int, str, str]:
    """Run the client between the first two organs: its exit code, and what it said."""
    program = shutil.which("node")
    if program is None or not (CLIENT / "node_modules" / "amqplib").is_dir():
        pytest.fail("Node or its packages are missing: `make test` sets them up", pytrace=False)
    access = town.var / "dev" / "access.json"
    words = ("client.mjs", str(published), str(access), *town.organs[:2])
    process = await asyncio.create_subprocess_exec(
        program, *words, cwd=CLIENT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
