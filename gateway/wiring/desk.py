"""What the command line asks: send, look, trace, check.  The store is opened directly; no broker is needed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import aiohttp

from adapters.clock import SystemClock
from adapters.directory import OrganDirectory
from adapters.envelope.compose import Correspondent, NewEdoc, NewFile, compose_edoc
from adapters.signing.evidence_check import EvidenceCheck, Standing, broken_link, load_roots, verify_evidence
from adapters.store import Store
from gateway.config import Config
from gateway.errors import ConfigError, Refused, Unavailable
from gateway.model.claim import CLAIM_TYPE
from gateway.model.envelope import Business
from gateway.model.ids import DocumentId, OrganCode
from gateway.model.party import Party, Successor
from gateway.wiring.audit import must_have_store
from gateway.wiring.evidence_log import stamper_of
from gateway.wiring.ground import Ground, lay, open_the_store
from gateway.wiring.sealing import look


def access_file(config: Config) -> Path:
    """Where ``serve`` writes what clients need."""
    return config.data("", "dev/access.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A file to be sent as a document of its own; without ``name`` there is none.

    ``original`` is the official id, or the gateway's own, of the document that it recalls, updates or replaces.
    """

    sender: OrganCode
    recipients: tuple[OrganCode, ...]
    number: str
    notation: str
    subject: str
    is_urgent: bool
    name: str
    body: bytes
    media_type: str
    message_id: str
    business: Business = Business.NEW
    original: str = ""
    added: tuple[OrganCode, ...] = ()
    removed: tuple[OrganCode, ...] = ()


async def send(config: Config, letter: Letter) -> dict[str, Any]:
    """Send *letter* through the running gateway, by HTTP.  Raises ``Refused`` with the gateway's own reason."""
    directory = lay(config).directory
    now = SystemClock().now()
    edoc = NewEdoc(
        sender=_correspondent(directory, letter.sender, now),
        recipients=tuple(_correspondent(directory, code, now) for code in letter.recipients),
        number=letter.number,
        notation=letter.notation,
        dated=now.date(),
        subject=letter.subject,
        sent_at=now,
        signer="Văn thư",
        priority=1 if letter.is_urgent else 0,
        business=int(letter.business),
        business_document=letter.original,
        added=letter.added,
        removed=letter.removed,
        files=(
            (NewFile(name=letter.name, body=letter.body, media_type=letter.media_type, is_zipped=True),)
            if letter.name
            else ()
        ),
    )
    body = compose_edoc(edoc)
    url, token = _access(config, letter.sender)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": letter.message_id}
    if letter.is_urgent:
        headers["Vanthu-Lane"] = "urgent"
    try:
        async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=120)) as http:
            content, kind = body, "application/xml"
            if len(body) > config.policy.limits.message_bytes:
                claim = await _answer(http.post("/v1/uploads", data=body, headers=headers))
                content, kind = json.dumps(claim).encode(), CLAIM_TYPE
            return await _answer(
                http.post(
                    "/v1/submissions",
                    params={"organ": letter.sender},
                    data=content,
                    headers={**headers, "Content-Type": kind},
                )
            )
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(
            "gateway-away", f"{url}: vanthu serve đang chạy chưa? · is vanthu serve running?"
        ) from error


def _access(config: Config, organ: OrganCode) -> tuple[str, str]:
    path = access_file(config)
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))[organ]
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: not there: start the gateway first (vanthu serve)") from error
    except KeyError as error:
        raise Refused("party-unknown", organ) from error
    return entry["http_url"], entry["http_token"]


async def _answer(request: Any) -> dict[str, Any]:
    async with request as response:
        answer: dict[str, Any] = await response.json(content_type=None)
        if response.status >= 400:
            raise Refused(answer.get("reason", "internal"), answer.get("detail") or "")
        return answer


def _correspondent(directory: OrganDirectory, code: OrganCode, at: datetime) -> Correspondent:
    found = directory.find(code, at)
    party = found if isinstance(found, Party) else found.party if isinstance(found, Successor) else None
    return Correspondent(code=code, name=party.name if party else code)


class Books:
    """The store as people ask it."""

    def __init__(self, store: Store, ground: Ground) -> None:
        self._store = store
        self._ground = ground

    async def search(self, text: str) -> Sequence[DocumentId]:
        """Documents that *text* names."""
        return await self._store.records.search(text)

    async def copies(self, organ: OrganCode, limit: int) -> list[dict[str, Any]]:
        """The copies of the party that *organ* names, newest first.  Raises ``Refused``."""
        found = self._ground.directory.find(organ, SystemClock().now())
        if not isinstance(found, Party):
            raise Refused("party-unknown", organ)
        rows = []
        for dossier, copy in await self._store.records.copies(found.key, limit):
            header = dossier.header
            rows.append(
                {
                    "document": copy.document,
                    "delivery": copy.delivery,
                    "kind": str(copy.kind),
                    "sender": dossier.submission.party,
                    "code": header.reference.code if header else "",
                    "subject": header.subject if header else "",
                    "state": str(copy.state),
                    "status": str(copy.status),
                    "available_at": _text(copy.available_at),
                }
            )
        return rows

    async def trace(self, document: DocumentId) -> dict[str, Any]:
        """All that is known of *document*, every signature and every chain of its evidence checked."""
        dossier = await self._store.ledger.load(document)
        if dossier is None:
            raise Refused("not-found", document)
        s, header = dossier.submission, dossier.header
        roots = load_roots(self._ground.trust)
        records = await self._store.records.evidence(document)
        checks = [verify_evidence(record.body, roots) for record in records]
        return {
            "code": header.reference.code if header else "",
            "subject": header.subject if header else "",
            "business": header.business.name.lower() if header else "",
            "submission": {
                **{k: getattr(s, k) for k in ("document", "party", "message_id", "sha256", "size", "reason")},
                "kind": str(s.kind),
                "state": str(s.state),
                "received_at": _text(s.received_at),
                "expires_at": _text(s.expires_at),
                "priority": int(s.priority),
                "due": str(s.due) if s.due else None,
            },
            "copies": [
                {
                    "recipient": c.addressed_as,
                    "name": c.name,
                    "delivery": c.delivery,
                    "state": str(c.state),
                    "status": str(c.status),
                    "request": str(c.request),
                    "answer": str(c.answer),
                    "reason": c.reason,
                    "available_at": _text(c.available_at),
                    "handed_over_at": _text(c.handed_over_at),
                }
                for c in dossier.handovers
            ],
            "relations": [
                {
                    "document": r.document,
                    "recipient": r.recipient,
                    "business": r.business.name.lower(),
                    "other": r.other,
                }
                for r in await self._store.records.relations(document)
            ],
            "timeline": [
                {**asdict(event), "at": _text(event.at)}
                for event in await self._store.records.timeline(document)
            ],
            "evidence": [
                {
                    "id": record.id,
                    "event": str(record.event),
                    "recipient": record.recipient,
                    "sequence": record.sequence,
                    "issued_at": _text(record.issued_at),
                    "reason": record.reason,
                    "sha256": record.sha256,
                    "standing": str(check.standing),
                    "why": check.reason,
                }
                for record, check in zip(records, checks, strict=True)
            ],
            "chains_hold": chains_hold(checks),
        }

    async def undone(self, for_: timedelta, limit: int) -> list[dict[str, Any]]:
        """Work on documents received longer ago than *for_*, the oldest first: what it is, since when and why."""
        found = await self._store.watch.undone(SystemClock().now() - for_, limit)
        return [
            {
                "kind": str(one.work.kind),
                "document": one.work.document,
                "party": one.work.party,
                "since": _text(one.since),
                "attempts": one.work.attempts,
                "in_hand": one.work.owner is not None,
                "due_at": _text(one.work.due_at),
                "reason": one.reason,
            }
            for one in found
        ]


def chains_hold(checks: Sequence[EvidenceCheck]) -> bool:
    """Whether every chain is unbroken from the acceptance on, in number and in hashes."""
    root = [check for check in checks if not check.recipient]
    rest = sorted((c for c in checks if c.recipient), key=lambda c: (c.recipient, c.sequence))
    for _, chain in groupby(rest, key=lambda c: c.recipient):
        links = [*root[:1], *chain]
        if broken_link(links) is not None or [c.sequence for c in links] != list(range(len(links))):
            return False
    return len(root) <= 1 and all(check.standing is not Standing.FAILED for check in checks)


@asynccontextmanager
async def open_store(config: Config) -> AsyncIterator[Books]:
    """The store of *config*, for questions."""
    must_have_store(config)
    ground = lay(config)
    store = await open_the_store(config)
    try:
        yield Books(store, ground)
    finally:
        await store.close()


def check(config: Config) -> Iterator[str]:
    """What start-up would find: each line one thing that was looked at.  Raises ``ConfigError``."""
    yield f"cấu hình · configuration: {config.source or 'mặc định · defaults'}"
    yield f"dữ liệu · data: {config.var}"
    ground = lay(config)
    report = ground.report
    yield f"danh mục · directory: {report.told}"
    for remark in report.remarks:
        yield f"  {remark.told}"
    authority = stamper_of(config) is not None
    yield f"dấu thời gian · time-stamps: {config.sections.evidence.authority if authority else 'không có · none'}"
    seals = look(config)
    yield f"con dấu · seals: {f'phông chữ · font {seals.font}' if seals.visible else 'không hiển thị · not shown'}"
    queues = sum(1 for p in ground.directory.parties() if p.link == "amqp")
    yield f"  {queues} cơ quan có hàng đợi · with queues, {len(ground.directory.clients())} clients"


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
