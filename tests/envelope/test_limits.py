"""However a document is made, it costs no more than its bounds: time on the loop, memory, elements."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from adapters.envelope.outline import Reading
from gateway.errors import Refused
from gateway.model.envelope import Edoc
from gateway.model.payload import PayloadRef
from tests.envelope.edxml import an_edxml, codes, envelopes, read
from tests.vectors.edxml.producers import PDF, b64, zipped

MIB = 1024 * 1024


def _more(text: str) -> bytes:
    return an_edxml(more=text)


COSTLY: dict[str, Callable[[], bytes]] = {
    "tiny elements": lambda: _more("<a/>" * 60_000),
    "tiny elements, few enough": lambda: _more("<a/>" * 19_000),
    "tiny elements that fit on the loop": lambda: _more("<a/>" * 6_000),
    "recipients without end": lambda: an_edxml(to="<To/>" * 15_000),
    "depth": lambda: _more("<a>" * 50_000),
    "attributes": lambda: _more("<a " + " ".join(f"a{i}=''" for i in range(20_000)) + "/>"),
    "namespaces": lambda: _more("".join(f"<a xmlns:b{i}='u{i}'/>" for i in range(10_000))),
    "one long attribute": lambda: _more(f"<a b='{'x' * (2 * MIB - 9000)}'/>"),
    "one long name": lambda: _more(f"<{'a' * (2 * MIB - 9000)}/>"),
    "character references": lambda: _more(f"<Other>{'&#65;' * 400_000}</Other>"),
    "references within base64": lambda: an_edxml(attached=b"").replace(
        b"<ContentTransferEncoded>", b"<ContentTransferEncoded>" + b"&#9;" * 260_000
    ),
    "beginnings of references within base64": lambda: an_edxml(attached=b"").replace(
        b"<ContentTransferEncoded>", b"<ContentTransferEncoded>" + b"A" * 600 + b"&#" * 500_000
    ),
    "references within much base64": lambda: an_edxml(attached=b"").replace(
        b"<ContentTransferEncoded>", b"<ContentTransferEncoded>" + b"&#9;" * 4_000_000
    ),
    "line ends": lambda: _more(f"<Other>{chr(10) * 2_000_000}</Other>"),
    "comments": lambda: _more("<!---->" * 290_000),
    "instructions": lambda: _more("<?a?>" * 400_000),
    "CDATA": lambda: _more("<![CDATA[]]>" * 160_000),
    "3 MiB of text": lambda: _more(f"<Other>{'x' * 3 * MIB}</Other>"),
    "tag names without tags": lambda: an_edxml() + b"ContentTransferEncoded" * 700_000,
    "tags without text": lambda: an_edxml() + b"<ContentTransferEncoded>" * 700_000,
    "16 MiB that are no base64": lambda: an_edxml(attached=b"").replace(
        b"<ContentTransferEncoded>", b"<ContentTransferEncoded>" + b"!" * 16 * MIB
    ),
    "16 MiB of blanks": lambda: an_edxml(attached=b"").replace(
        b"<ContentTransferEncoded>", b"<ContentTransferEncoded>" + b" " * 16 * MIB
    ),
    "48 MiB out of 4": lambda: an_edxml(attached=zipped(os.urandom(4 * MIB) + b"\0" * (44 * MIB)), name="a.bin"),
    "60 MiB out of half a one": lambda: an_edxml(
        attached=zipped(os.urandom(MIB // 2) + b"\0" * (60 * MIB)), name="a.bin"
    ),
    "many attachments": lambda: _more("") .replace(
        b"<AttachmentEncoded>",
        b"<AttachmentEncoded>" + b"<Attachment><ContentId>1</ContentId></Attachment>" * 6000,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _settled_heap() -> Iterator[None]:
    """What is there already is no garbage: a full collection of it takes 70 ms wherever it strikes."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def _held(body: bytes) -> float:
    """The most CPU that this thread spent between two turns of the loop while *body* was looked at and read.

    CPU and not time: a busy machine is not the document's fault.
    """
    worst = 0.0
    adapter = envelopes()

    async def turn() -> None:
        nonlocal worst
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            worst = max(worst, time.thread_time() - before)

    watch = asyncio.create_task(turn())
    ref = PayloadRef.of(body)
    await asyncio.sleep(0)
    with suppress(Refused):
        adapter.peek(body[: 256 * 1024], is_whole=len(body) <= 256 * 1024)
    await asyncio.sleep(0)
    with suppress(Refused):
        await adapter.read(ref)
    await asyncio.sleep(0)
    watch.cancel()
    return worst


@pytest.mark.heavy_body("holds the loop on purpose")
async def test_the_watch_sees_a_loop_that_is_held() -> None:
    options = {"header_elements": 1_000_000, "header_bytes": 4 * MIB, "rest_bytes": 4 * MIB}
    start = time.thread_time()
    envelopes(**options).peek(_more("<a/>" * 100_000), is_whole=True)
    assert time.thread_time() - start > 0.05
    assert await _held(COSTLY["tiny elements"]()) > 0.001


@pytest.mark.heavy_body("makes 60 MiB of XML; watches the loop itself")
@pytest.mark.parametrize("name", COSTLY)
async def test_no_document_holds_the_loop_for_a_tenth_of_a_second(name: str) -> None:
    body = COSTLY[name]()
    start = time.process_time()
    assert await _held(body) < 0.1
    assert time.process_time() - start < 2  # all threads together, and the watch that turns beside them


@pytest.mark.heavy_body("unpacks 60 MiB")
async def test_what_is_heavy_inside_is_read_beside_the_loop() -> None:
    """A document that fits on the loop by its size, with attachments that unpack to much more."""
    adapter, threads = envelopes(), []
    read_here = adapter._read

    def watched(body: bytes, name: str, *, light: int | None) -> Reading:
        threads.append((light is None, threading.get_ident() == threading.main_thread().ident))
        return read_here(body, name, light=light)

    adapter._read = watched  # type: ignore[method-assign]
    await adapter.read(PayloadRef.of(COSTLY["60 MiB out of half a one"]()))
    assert threads == [(False, True), (True, False)], "(is without limit, is on the loop)"


def _refusal(body: bytes, **options: object) -> str:
    with pytest.raises(Refused) as refused:
        read(body, **options)
    return refused.value.reason


def test_each_bound_of_xml_is_one() -> None:
    assert _refusal(_more("<a>" * 40 + "</a>" * 40)) == "xml-too-costly"
    assert _refusal(_more("<a/>" * 20_001)) == "xml-too-costly"
    assert _refusal(_more("<a " + " ".join(f"a{i}=''" for i in range(17)) + "/>")) == "xml-too-costly"
    assert _refusal(_more(f"<Other>{'x' * 2 * MIB}</Other>")) == "xml-too-costly"
    assert _refusal(an_edxml(), document_bytes=100) == "xml-too-costly"


def test_what_is_within_the_bounds_is_read() -> None:
    assert codes(_more("<a>" * 20 + "</a>" * 20)) == {"EDX-004"}
    assert codes(_more("<a/>" * 15_000)) == {"EDX-004"}
    assert isinstance(read(an_edxml(attached=PDF * 10_000))[0], Edoc)


def test_reading_a_large_file_takes_its_bytes_once() -> None:
    """Beside the document itself: the decoded file, and little more."""
    size = 24 * MIB
    body = an_edxml(attachments=f"<Attachment><ContentId>1</ContentId><AttachmentName>a.pdf</AttachmentName>"
                    f"<ContentTransferEncoded>{b64(bytes(size))}</ContentTransferEncoded></Attachment>")  # fmt: skip
    ref = PayloadRef.of(body)
    tracemalloc.start()
    try:
        envelope, _ = asyncio.run(envelopes().read(ref))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(envelope, Edoc)
    assert peak < 1.5 * size


@pytest.mark.heavy_body("makes large documents; watches the loop itself")
async def test_large_documents_are_read_and_written_beside_the_loop() -> None:
    body = an_edxml(attached=os.urandom(12 * MIB))
    assert await _held(body) < 0.1
    envelope, _ = await envelopes().read(PayloadRef.of(body))
    assert isinstance(envelope, Edoc)
