"""What the command line does to files: seal one, judge many.  No store, no broker, nothing that runs."""

from __future__ import annotations

import asyncio
import stat
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.clock import SystemClock
from adapters.directory import OrganDirectory
from adapters.files import InHand, OutTray, read
from adapters.inspection.processes.glance import Looking
from adapters.inspection.processes.inspector import ProcessInspector
from gateway.config import Config
from gateway.errors import ConfigError, Refused, Unavailable
from gateway.model.finding import Finding, Severity
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import Party
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.signature import Inspection, Seal, Sealed, SealKind, SealOrder, Verdict
from gateway.ports import Sealer, Vault
from gateway.stages.sign import unsound
from gateway.wiring.judging import bounds_of
from gateway.wiring.parties import registered
from schemas import reasons

LARGEST = 1 << 30
"""Bytes of a file that ``sign`` takes: it is held in memory."""

_DESK = PartyKey("desk")
_AHEAD = 64
"""Verdicts that may wait for an earlier file's."""

_ENDINGS = (".pem", ".crt", ".cer", ".der")
_LARGEST_CERTIFICATE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A file to be sealed, and where the sealed one goes."""

    source: Path
    out: Path
    organ: OrganCode
    kind: SealKind
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What was done: whose seal, on what, and whether anybody outside should believe it.

    ``findings`` are what the gateway's inspector would say of the file besides; an ``error`` among them means
    that it would refuse it.
    """

    seal: Seal
    sha256: str
    size: int
    is_for_development: bool
    findings: tuple[Finding, ...]


async def sign(config: Config, paper: Paper) -> Signed:
    """Seal *paper*, by the engine that the gateway seals with; the file appears complete or not at all.

    Sealing is not inspecting: a file that the gateway would refuse is sealed all the same, but for one that
    is encrypted or takes too much to look at.  Raises ``Refused`` and ``Unavailable`` with the reason.
    """
    with OutTray(paper.out) as tray:
        ref = await asyncio.to_thread(read, paper.source, max_bytes=LARGEST)
        if ref.body is None:
            raise Refused("pdf-too-large", f"{paper.source}: {ref.size} bytes, {LARGEST} at most")
        bounds = bounds_of(config)
        with Looking(
            paper.source,
            config.policy.acceptance,
            cpu=bounds.cpu,
            wall=bounds.wall,
            memory_bytes=bounds.memory_bytes,
        ) as looking:
            press = await asyncio.to_thread(_press, config, paper, tray)  # while another process looks
            findings = await asyncio.to_thread(looking.findings)
        hindrance = next((f for f in findings if f.code in ("pdf-encrypted", "pdf-too-costly")), None)
        if hindrance is not None:
            raise Refused(hindrance.code, hindrance.detail)
        sealed = await press.sealer.seal(ref, press.order)
        is_for_development = await press.is_for_development()
        await asyncio.to_thread(tray.hand_out, sealed.payload)
    return Signed(
        seal=sealed.seal,
        sha256=sealed.payload.sha256,
        size=sealed.payload.size,
        is_for_development=is_for_development,
        findings=findings,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Press:
    """The engine, and what it is to do."""

    sealer: Sealer
    order: SealOrder
    is_for_development: Callable[[], Awaitable[bool]]


def _press(config: Config, paper: Paper, vault: Vault) -> _Press:
    from adapters.signing.development import is_for_development  # the PDF library, for those who seal
    from gateway.wiring.sealing import ring_of, sealer_over

    clock = SystemClock()
    now = clock.now()
    directory = registered(config)
    party = _party(directory, paper.organ, now)
    ring = ring_of(config, directory=directory, clock=clock)

    async def is_development() -> bool:
        return is_for_development((await ring.key(party.key)).key.identity.certificate)

    return _Press(
        sealer=sealer_over(config, ring, vault=vault, clock=clock),
        order=SealOrder(party=party.key, kind=paper.kind, signed_at=now, code=paper.code),
        is_for_development=is_development,
    )


def _party(directory: OrganDirectory, organ: OrganCode, at: datetime) -> Party:
    found = directory.find(organ, at)
    if not isinstance(found, Party):
        raise Refused("party-unknown", organ)
    if found.is_locked:
        raise Refused("party-locked", organ)
    return found


async def _judge_again(config: Config, original: PayloadRef, sealed: Sealed) -> None:
    """As the pipeline does with what strict readers refuse.  Raises ``Refused("seal-unsound")``."""
    options = replace(bounds_of(config), unsafe_accept_any_signer=True, workers=1)
    async with ProcessInspector(InHand(), options) as inspector:
        policy = config.policy.acceptance
        before = await inspector.judge(original, policy, share=_DESK)
        after = await inspector.judge(sealed.payload, policy, share=_DESK)
    if why := unsound(before, after, sealed.seal):
        raise Refused("seal-unsound", why)


async def verify(
    config: Config, files: Sequence[Path], *, trust: Path | None, unsafe_accept_any_signer: bool
) -> AsyncGenerator[tuple[Path, Inspection], None]:
    """Judge the files in processes that can be ended, and answer in the order given.

    Never raises for what a file is or holds.  Raises ``ConfigError`` where *trust* (a folder, or one file)
    has no certificate in it.
    """
    options = replace(bounds_of(config), unsafe_accept_any_signer=unsafe_accept_any_signer)
    # nobody else is waiting: no file gives way, all places are ours, but for one file one will do
    workers = max(1, min(options.workers, len(files)))
    policy = config.policy.acceptance
    with ExitStack() as stack:
        if trust is not None:
            options = replace(options, trust=_anchors(trust, stack))
        options = replace(options, workers=workers, share=workers, brisk=None)
        async with ProcessInspector(InHand(), options) as inspector:
            places = asyncio.Semaphore(workers)
            waiting: deque[tuple[Path, asyncio.Task[Inspection]]] = deque()
            try:
                for file in files:
                    task = asyncio.create_task(_judged(inspector, places, file, policy))
                    waiting.append((file, task))
                    while waiting and (waiting[0][1].done() or len(waiting) >= _AHEAD):
                        first, judged = waiting.popleft()
                        yield first, await judged
                while waiting:
                    first, judged = waiting.popleft()
                    yield first, await judged
            finally:
                for _, task in waiting:
                    task.cancel()
                await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)


async def _judged(
    inspector: ProcessInspector,
    places: asyncio.Semaphore,
    file: Path,
    policy: Acceptance,
) -> Inspection:
    async with places:
        try:
            ref = await asyncio.to_thread(read, file, max_bytes=policy.max_bytes)
            return await inspector.judge(ref, policy, share=_DESK, name=file.name)
        except (Refused, Unavailable) as why:
            return _not_judged(why)


def _not_judged(why: Refused | Unavailable) -> Inspection:
    entry = reasons()[why.reason]
    finding = Finding(
        code=why.reason, severity=Severity.ERROR, detail=why.detail, message=entry.en, message_vi=entry.vi
    )
    return Inspection(verdict=Verdict.REFUSED, findings=(finding,))


def _anchors(trust: Path, stack: ExitStack) -> Path:
    """*trust* as a folder of roots; one file is put into a folder of its own, for as long as *stack* lasts."""
    try:
        if trust.is_dir():
            if any(_is_certificate(file) for file in trust.iterdir() if file.name.endswith(_ENDINGS)):
                return trust
            wanted = ", ".join(f"*{ending}" for ending in _ENDINGS)
            raise ConfigError(f"--trust: {trust}: không có chứng thư nào · holds no certificate ({wanted})")
        if not _is_certificate(trust):
            raise ConfigError(f"--trust: {trust}: không phải chứng thư · not a certificate")
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="vanthu-trust-")))
        (folder / "root.pem").write_bytes(trust.read_bytes())
        return folder
    except OSError as error:
        raise ConfigError(f"--trust: {trust}: không đọc được · cannot be read ({error.strerror})") from error


def _is_certificate(file: Path) -> bool:
    """Whether *file* looks like one; whether it is a good one, the judge will say."""
    if not stat.S_ISREG(file.stat().st_mode):
        return False
    with file.open("rb") as opened:
        data = opened.read(_LARGEST_CERTIFICATE)
    # spec: X.690 §8.9 - a certificate in DER is a SEQUENCE
    return data[:1] == b"\x30" or b"-----BEGIN CERTIFICATE-----" in data
