"""What the command line asks of the dead letters: which there are, and to try them again.  Opens the store directly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adapters.clock import SystemClock, SystemIds
from adapters.store import FileVault, Store, VaultOptions
from gateway.config import Config
from gateway.errors import Reason, Refused
from gateway.model.dead import DeadLetter, NotReplayed, Replayed, Wanted
from gateway.model.ids import DocumentId, OrganCode, PartyKey
from gateway.model.party import Link, Party, Successor
from gateway.replay import Ports, Replays, refusals
from gateway.wiring.audit import must_have_store, note_in
from gateway.wiring.ground import Ground, lay, open_the_store


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadQuery:
    """Which dead letters an operator means, in the operator's words; empty where it does not matter."""

    document: str = ""
    to: str = ""
    sender: str = ""
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A dead letter, and why it can't be replayed; ``None`` where it can."""

    letter: DeadLetter
    why_not: NotReplayed | None


@asynccontextmanager
async def open_dead_letters(config: Config, actor: str) -> AsyncIterator[DeadBook]:
    """The dead letters of the store of *config*, for *actor*."""
    must_have_store(config)
    ground = lay(config)
    store = await open_the_store(config)
    try:
        yield DeadBook(store, ground, actor)
    finally:
        await store.close()


class DeadBook:
    """Dead letters as people ask for them."""

    def __init__(self, store: Store, ground: Ground, actor: str) -> None:
        self._store = store
        self._ground = ground
        self._actor = actor
        self._clock = SystemClock()
        self._replays = Replays(
            Ports(
                ledger=store.ledger,
                records=store.records,
                dead=store.dead,
                vault=FileVault(VaultOptions(folder=ground.vault)),
                directory=ground.directory,
                clock=self._clock,
                ids=SystemIds(),
            ),
            actor,
        )

    async def letters(
        self, query: DeadQuery, *, limit: int | None = None, newest_first: bool = False
    ) -> AsyncIterator[Listed]:
        """The dead letters that *query* means, each with whether it can be replayed.

        Raises ``Refused("not-found")`` where nothing bears the name in it.
        """
        for wanted in await self._wanted(query):
            found = self._replays.letters(wanted, newest_first=newest_first, limit=limit)
            async for letter in found:
                yield Listed(letter=letter, why_not=await self._replays.judge(letter))

    async def living(self, query: DeadQuery) -> AsyncIterator[Listed]:
        """What of the document that *query* names has not died, each with the sentence that says so."""
        for wanted in await self._wanted(query):
            dossier = await self._store.ledger.load(wanted.document) if wanted.document else None
            if dossier is None:
                continue
            whole = DeadLetter(
                submission=dossier.submission,
                header=dossier.header,
                copy=None,
                died_at=dossier.submission.received_at,
                times=0,
            )
            named = set(wanted.recipients)
            copies = [c for c in dossier.handovers if not named or {c.recipient, c.addressed_as} & named]
            for copy in copies:
                letter = replace(whole, copy=copy)
                why_not = await self._replays.judge(letter)
                if why_not is not None and why_not.reason == "replay-not-dead":
                    yield Listed(letter=letter, why_not=why_not)
            if not dossier.handovers and dossier.submission.reason not in refusals():
                reason = Reason("replay-not-dead")
                detail = f"{dossier.submission.state} {dossier.submission.reason or ''}".strip()
                yield Listed(letter=whole, why_not=NotReplayed(reason=reason, detail=detail))

    async def note(self, verb: str, subject: str, outcome: str) -> None:
        """Put on record what was asked."""
        await note_in(self._store, self._actor, verb, subject, outcome)

    async def replay(self, letter: DeadLetter) -> Replayed | NotReplayed:
        """Try *letter* again; durable, and on record, on return."""
        return await self._replays.replay(letter)

    async def send_receipts(self, name: str) -> AsyncIterator[tuple[DocumentId, int | NotReplayed]]:
        """Send the receipts of what *name* names again.  Raises ``Refused("not-found")``."""
        for wanted in await self._wanted(DeadQuery(document=name)):
            assert wanted.document is not None
            yield wanted.document, await self._replays.send_receipts(wanted.document)

    def would_do(self, letter: DeadLetter) -> tuple[str, str]:
        """What a replay of *letter* would do, in both languages."""
        if letter.copy is None:
            return (
                "xử lý lại từ đầu thành văn bản mới, cùng message_id của bên gửi",
                "processed anew as a document of its own, under the sender's message id",
            )
        party = self._ground.directory.party(letter.copy.recipient)
        is_queue = party is not None and party.link is Link.AMQP
        number = letter.copy.generation + 1
        return (
            f"giao lại lần {number}, mã giao mới, vào {'hàng đợi' if is_queue else 'hộp thư HTTP'}",
            f"delivery {number}, under a new delivery id, to the {'queue' if is_queue else 'HTTP inbox'}",
        )

    async def _wanted(self, query: DeadQuery) -> Sequence[Wanted]:
        plain = Wanted(
            recipients=self._named(query.to),
            sender=self._sender(query.sender),
            reason=Reason(query.reason) if query.reason else None,
            since=query.since,
            until=query.until,
            refusals=refusals(),
        )
        if not query.document:
            return (plain,)
        documents = await self._store.records.search(query.document)
        if not documents:
            raise Refused("not-found", query.document)
        return [replace(plain, document=document) for document in documents]

    def _named(self, code: str) -> tuple[str, ...]:
        """*code*, and the key of the party that it names now: copies are kept by key."""
        if not code:
            return ()
        party = self._find(code)
        return tuple(dict.fromkeys((code, str(party.key)) if party else (code,)))

    def _sender(self, code: str) -> PartyKey | None:
        if not code:
            return None
        party = self._find(code)
        return party.key if party else PartyKey(code)

    def _find(self, code: str) -> Party | None:
        found = self._ground.directory.find(OrganCode(code), self._clock.now())
        if isinstance(found, Party):
            return found
        return found.party if isinstance(found, Successor) else self._ground.directory.party(PartyKey(code))


def dead_as_row(listed: Listed) -> dict[str, Any]:
    """A dead letter as JSON has it."""
    letter, why_not = listed.letter, listed.why_not
    copy, header = letter.copy, letter.header
    return {
        "what": "hand-over" if copy else "submission",
        "document": letter.submission.document,
        "sender": letter.submission.party,
        "message_id": letter.submission.message_id,
        "code": header.reference.code if header else "",
        "recipient": copy.addressed_as if copy else None,
        "recipient_name": copy.name if copy else None,
        "delivery": copy.delivery if copy else None,
        "where": _where(letter),
        "state": str(copy.state if copy else letter.submission.state),
        "reason": letter.reason,
        "times": letter.times,
        "died_at": letter.died_at.isoformat(),
        "can_be_replayed": why_not is None,
        "why_not": why_not.reason if why_not else None,
    }


def _where(letter: DeadLetter) -> str:
    """Where it died: before it was decided, on the way to the recipient, in its queue, or in its inbox."""
    copy = letter.copy
    if copy is None:
        return "processing" if letter.submission.payload is not None else "door"
    if copy.payload is None:
        return "routing"
    if copy.available_at is None:
        return "on the way"
    return "queue" if copy.link is Link.AMQP else "inbox"
