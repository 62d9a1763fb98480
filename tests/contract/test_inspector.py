"""``gateway.ports.Inspector``: each sentence of its docstring, for the twin and for the real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from hashlib import sha256

import pytest

from adapters.inspection.processes.inspector import Options, ProcessInspector
from adapters.memory import MemoryInspector
from gateway.model.finding import Severity
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance, Attitude
from gateway.model.signature import Indication, Inspection, Verdict
from gateway.ports import Inspector
from tests.inspection.files import Shelf, signed_by_leader
from tests.vectors import make_pdfs as vectors

SHARE = PartyKey("000.00.13.H53")


class Bench:
    """An inspector, the vault that it reads, and files in the form that it understands."""

    def __init__(self, inspector: Inspector, shelf: Shelf, *, is_real: bool) -> None:
        self.inspector = inspector
        self.shelf = shelf
        self.is_real = is_real

    async def ask(self, body: bytes, policy: Acceptance | None = None) -> Inspection:
        ref = self.shelf.lay(body)
        return await self.inspector.judge(ref, policy or Acceptance(), share=SHARE, name="a.pdf")

    def untrusted(self) -> bytes:
        return signed_by_leader() if self.is_real else vectors.plain() + b"\n%VANTHU-SIGNED An\n"

    def broken(self) -> bytes:
        if self.is_real:
            return vectors.bit_flipped(signed_by_leader())
        line = f"\n%VANTHU-SEAL a main 2016-03-04T01:00:00+00:00 {sha256(b'x').hexdigest()}\n"
        return vectors.plain() + line.encode()

    def costly(self) -> bytes:
        return vectors.deflate_bomb() if self.is_real else vectors.plain() + b"%VANTHU-COSTLY\n"


@pytest.fixture(params=["memory", "processes"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    shelf = Shelf()
    if request.param == "memory":
        yield Bench(MemoryInspector(vault=shelf), shelf, is_real=False)
        return
    async with ProcessInspector(shelf, Options(workers=1)) as inspector:
        yield Bench(inspector, shelf, is_real=True)


async def test_an_unsigned_file_is_unsigned_and_its_pages_are_counted(bench: Bench) -> None:
    """*What is in the file …*"""
    inspection = await bench.ask(vectors.plain())
    assert (inspection.verdict, inspection.signatures, inspection.findings, inspection.pages) == (
        Verdict.UNSIGNED,
        (),
        (),
        1,
    )


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (vectors.no_pdf, "pdf-unreadable"),
        (vectors.encrypted, "pdf-encrypted"),
        (vectors.script_on_opening, "pdf-active-content"),
        (vectors.launch, "pdf-active-content"),
        (vectors.xfa, "pdf-xfa"),
    ],
)
async def test_what_the_policy_forbids_is_refused_with_its_code(
    bench: Bench, made: Callable[[], bytes], code: str
) -> None:
    """*What is in the file …*"""
    inspection = await bench.ask(made())
    assert inspection.verdict is Verdict.REFUSED
    assert [(f.code, f.severity, f.where) for f in inspection.findings] == [(code, Severity.ERROR, "a.pdf")]


async def test_an_embedded_file_is_a_warning(bench: Bench) -> None:
    """*What is in the file …*"""
    inspection = await bench.ask(vectors.embedded_file())
    assert [(f.code, f.severity) for f in inspection.findings] == [("pdf-embedded-file", Severity.WARNING)]


@pytest.mark.parametrize(
    ("made", "setting", "code"),
    [
        (vectors.script_on_opening, "active_content", "pdf-active-content"),
        (vectors.xfa, "xfa", "pdf-xfa"),
        (vectors.embedded_file, "embedded_files", "pdf-embedded-file"),
    ],
)
@pytest.mark.parametrize("attitude", Attitude)
async def test_the_policy_decides_what_is_refused_and_what_is_a_warning(
    bench: Bench, made: Callable[[], bytes], setting: str, code: str, attitude: Attitude
) -> None:
    """*policy*: what a PDF may hold."""
    inspection = await bench.ask(made(), replace(Acceptance(), **{setting: attitude}))
    is_refused = attitude is Attitude.REFUSE
    assert inspection.verdict is (Verdict.REFUSED if is_refused else Verdict.UNSIGNED)
    severity = Severity.ERROR if is_refused else Severity.WARNING
    assert [(f.code, f.severity) for f in inspection.findings] == [(code, severity)]


async def test_the_policy_says_how_large_a_file_may_be(bench: Bench) -> None:
    """*policy*: ``max_bytes``."""
    inspection = await bench.ask(vectors.plain(), Acceptance(max_bytes=100))
    assert [(f.code, f.severity) for f in inspection.findings] == [("pdf-too-large", Severity.ERROR)]


@pytest.mark.heavy_body("makes a key and signs")
async def test_a_signature_by_somebody_unknown_is_indeterminate(bench: Bench) -> None:
    """*… and what its signatures are worth.*"""
    inspection = await bench.ask(bench.untrusted())
    assert inspection.verdict is Verdict.INDETERMINATE
    (report,) = inspection.signatures
    assert (report.indication, report.sub_indication) == (
        Indication.INDETERMINATE,
        "NO_CERTIFICATE_CHAIN_FOUND",
    )
    assert len(report.certificate_sha256) == 64
    assert [(f.code, f.severity) for f in inspection.findings] == [("signature-untrusted", Severity.WARNING)]


async def test_the_policy_decides_how_much_an_unknown_signer_weighs(bench: Bench) -> None:
    """*policy*: ``untrusted_signer``."""
    inspection = await bench.ask(bench.untrusted(), Acceptance(untrusted_signer=Attitude.REFUSE))
    assert [(f.code, f.severity) for f in inspection.findings] == [("signature-untrusted", Severity.ERROR)]


async def test_a_broken_signature_is_invalid(bench: Bench) -> None:
    """*… and what its signatures are worth.*"""
    inspection = await bench.ask(bench.broken())
    assert inspection.verdict is Verdict.INVALID
    assert [r.indication for r in inspection.signatures] == [Indication.FAILED]
    assert [(f.code, f.severity) for f in inspection.findings] == [("signature-broken", Severity.ERROR)]


@pytest.mark.heavy_body("makes a bomb")
async def test_what_costs_too_much_is_refused_as_such(bench: Bench) -> None:
    """*What breaks either is ``refused`` with the finding ``pdf-too-costly``.*"""
    inspection = await bench.ask(bench.costly())
    assert inspection.verdict is Verdict.REFUSED
    assert [(f.code, f.severity) for f in inspection.findings] == [("pdf-too-costly", Severity.ERROR)]


async def test_the_same_file_gives_the_same_answer(bench: Bench) -> None:
    """*May be called again with the same arguments without harm.*"""
    first, second = await bench.ask(bench.untrusted()), await bench.ask(bench.untrusted())
    assert (first.verdict, first.signatures, first.findings) == (
        second.verdict,
        second.signatures,
        second.findings,
    )


async def test_bytes_that_ride_along_are_not_asked_of_the_vault(bench: Bench) -> None:
    """*ref*: its body is a cache."""
    ref = PayloadRef.of(vectors.plain())
    inspection = await bench.inspector.judge(ref, Acceptance(), share=SHARE)
    assert inspection.verdict is Verdict.UNSIGNED
