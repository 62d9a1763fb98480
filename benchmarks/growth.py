"""What each question of the hot path costs with an empty store and with a full one; and a directory of few or many organs.

    python -m benchmarks.growth --documents 1000000 --postgresql postgresql+psycopg://…

The store is asked through its ports, alone on the machine as far as that is so: for each question the median of many,
wall-clock and processor of this process (and so not PostgreSQL's).  ``commit`` is one document's T1, T2 and T3, sixteen
at once, durable.  Writes ``var/bench/growth.json``.  A store that is full already (``--keep``) is used as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from adapters.directory import Options as DirectoryOptions
from adapters.directory import load as load_directory
from adapters.store import Options, Retention, Store
from benchmarks.filling import fill
from gateway.model.change import Change, Event, Fence, Work, WorkKind
from gateway.model.document import Dossier
from gateway.model.evidence import EvidenceRecord
from gateway.model.ids import DocumentId, MessageId, OrganCode, Owner, PartyKey, delivery_id, evidence_id
from gateway.model.journey import HandOverState
from gateway.model.retention import DataClass

ME = Owner("bench")
ROUNDS, AT_ONCE = 200, 16
KEPT = Retention(content=timedelta(days=90), metadata=timedelta(days=730))
Told = dict[str, dict[str, float]]


async def ask(url: str, most: int = ROUNDS) -> Told:
    """Every question to the store at *url*, which holds a few documents at least: *most* times each."""
    async with await Store.open(Options(url=url, realm="H53", retention=KEPT)) as store:
        await store.lives.beat(ME, timedelta(hours=1))
        patterns = await _some(store)
        alike = [await _pattern(store, one) for one in patterns]
        told: Told = {}

        async def measure(
            name: str, question: Callable[[int], Awaitable[object]], rounds: int = ROUNDS
        ) -> None:
            rounds = min(rounds, most)
            await question(0)
            walls, cpu = [], time.process_time()
            for number in range(rounds):
                began = time.perf_counter()
                await question(number)
                walls.append((time.perf_counter() - began) * 1000)
            told[name] = {
                "ms": statistics.median(walls),
                "worst_ms": max(walls),
                "cpu_ms": (time.process_time() - cpu) * 1000 / rounds,
            }

        def of(number: int) -> Dossier:
            return patterns[number % len(patterns)]

        def header(number: int) -> Any:
            found = of(number).header
            assert found is not None
            return found.reference

        async def commit(number: int) -> None:
            few = [alike[(number + n) % len(alike)] for n in range(AT_ONCE)]
            await asyncio.gather(*(_exchange(store, one) for one in few))

        await measure("commit", commit, ROUNDS // AT_ONCE)
        for part in ("ms", "worst_ms", "cpu_ms"):
            told["commit"][part] /= AT_ONCE
        s, r = store.ledger, store.records
        await measure("lease", lambda n: s.lease(ME, 100))
        await measure("load", lambda n: s.load(of(n).submission.document))
        await measure(
            "load one copy", lambda n: s.load(of(n).submission.document, of(n).handovers[0].recipient)
        )
        await measure("find", lambda n: s.find(header(n), of(n).handovers[0].recipient))
        await measure("namesakes", lambda n: s.namesakes(header(n)))
        await measure("originals", lambda n: s.originals(header(n), [of(n).submission.party]))
        await measure("timeline", lambda n: r.timeline(of(n).submission.document))
        await measure("evidence", lambda n: r.evidence(of(n).submission.document))
        await measure("search", lambda n: r.search(of(n).submission.message_id))
        await measure("inbox", lambda n: store.inboxes.peek(of(n).submission.party, 100))
        await measure("waiting", lambda n: r.waiting(), 20)
        await measure("numbering", lambda n: store.log.waiting(500), 50)
        now = datetime.now(UTC)
        await measure("due", lambda n: store.disposal.due(DataClass.CONTENT, now, None, 50))
        await measure(
            "named", lambda n: store.disposal.named([of(n + m).submission.sha256 for m in range(64)])
        )
        return told


async def _some(store: Store) -> Sequence[Dossier]:
    """Documents from all over the store."""
    names = await store.log_records.documents(DocumentId(""), 100)
    for month in range(1, 12):
        at = int((time.time() - month * 30 * 86400) * 1000)
        names = [*names, *await store.log_records.documents(DocumentId(f"{at:012x}"[:8]), 20)]
    found = [await store.ledger.load(name) for name in names]
    return [one for one in found if one is not None and one.header is not None and one.handovers]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """A document as others may be made like it."""

    dossier: Dossier
    issued: Sequence[EvidenceRecord]
    events: Sequence[Event]


async def _pattern(store: Store, dossier: Dossier) -> _Pattern:
    document = dossier.submission.document
    issued, events = await store.records.evidence(document), await store.records.timeline(document)
    return _Pattern(dossier=dossier, issued=issued, events=events)


async def _exchange(store: Store, one: _Pattern) -> None:
    """The three commits of a document like *pattern*, new."""
    now, pattern, issued = datetime.now(UTC), one.dossier, one.issued
    document = DocumentId(f"{int(now.timestamp() * 1000):012x}"[:8] + uuid4().hex)
    assert pattern.header is not None
    submission = replace(
        pattern.submission,
        document=document,
        message_id=MessageId(uuid4().hex),
        received_at=now,
        expires_at=now + timedelta(days=30),
        version=1,
    )
    recipient = pattern.handovers[0].recipient
    copy = replace(
        pattern.handovers[0],
        document=document,
        delivery=delivery_id(document, recipient, 1),
        state=HandOverState.PENDING,
        version=1,
    )

    def proof(number: int) -> Any:
        return replace(
            issued[number],
            id=evidence_id(document, issued[number].recipient, number),
            document=document,
            issued_at=now,
        )

    def work(kind: WorkKind, name: str) -> Work:
        return Work(key=f"{kind}:{name}", kind=kind, document=document, due_at=now, owner=ME)

    events = [replace(event, document=document) for event in one.events]
    first, second = work(WorkKind.DOCUMENT, document), work(WorkKind.DELIVERY, copy.delivery)
    deadline = replace(work(WorkKind.DEADLINE, document), owner=None, due_at=submission.expires_at)
    told = work(WorkKind.RECEIPT, proof(0).id)
    for change in (
        Change(submission=submission, work=(first,), events=tuple(events[:1])),
        Change(
            fence=Fence(key=first.key, owner=ME),
            submission=replace(submission, version=2),
            header=replace(pattern.header, document=document, version=1),
            handovers=(copy,),
            evidence=(proof(0),),
            events=tuple(events[1:2]),
            work=(second, deadline, told),
            forgets=(first.key,),
        ),
        Change(
            fence=Fence(key=second.key, owner=ME),
            handovers=(replace(copy, state=HandOverState.AVAILABLE, version=2),),
            evidence=(proof(1),),
            events=tuple(events[2:3]),
            forgets=(second.key, told.key),
        ),
    ):
        outcome = await store.ledger.commit(change)
        assert type(outcome).__name__ == "Committed", outcome


def directory(organs: int) -> dict[str, float]:
    """What a directory of *organs* costs: to read, and to ask."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "organs.csv"
        lines = [f"{n // 100:03}.{n % 100:02}.00.H53,Cơ quan số {n}" for n in range(organs)]
        file.write_text("organ_id,name\n" + "\n".join(lines) + "\n", encoding="utf-8")
        began = time.perf_counter()
        found, _ = load_directory(DirectoryOptions(organs=file))
        read = time.perf_counter() - began
    codes = [OrganCode(f"{n // 100:03}.{n % 100:02}.00.H53") for n in range(0, organs, max(organs // 100, 1))]
    now, began = datetime.now(UTC), time.perf_counter()
    for _ in range(100):
        for code in codes:
            found.find(code, now)
            found.party(PartyKey(code))
    return {"read_s": read, "ask_us": (time.perf_counter() - began) / (100 * len(codes)) * 1e6}


def main() -> None:
    """Measure, print, and write down."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--documents", type=int, default=1_000_000)
    arguments.add_argument("--var", type=Path, default=Path("var/bench/growth"))
    arguments.add_argument("--postgresql", default="", help="URL of an empty database")
    arguments.add_argument("--keep", action="store_true", help="use and keep what the folder holds")
    chosen = arguments.parse_args()
    told: dict[str, Any] = {"documents": chosen.documents}
    if not chosen.keep:
        shutil.rmtree(chosen.var, ignore_errors=True)
    chosen.var.mkdir(parents=True, exist_ok=True)
    stores = {"sqlite": f"sqlite:///{chosen.var.absolute() / 'ledger.sqlite'}"}
    if chosen.postgresql:
        stores["postgresql"] = chosen.postgresql
    for name, url in stores.items():
        small = f"sqlite:///{chosen.var.absolute() / 'small.sqlite'}" if name == "sqlite" else url
        told[name] = {}
        if not (chosen.keep and name == "postgresql"):
            fill(small, 500)
            told[name]["0"] = asyncio.run(ask(small))
        began = time.monotonic()
        if not (chosen.keep and (chosen.var / "ledger.sqlite").exists()):
            fill(url, chosen.documents)
            told[name]["filled_in_s"] = time.monotonic() - began
        told[name]["full"] = asyncio.run(ask(url))
        _show(name, told[name])
    told["directory"] = {number: directory(number) for number in (100, 12_000)}
    Console().print(told["directory"])
    if not chosen.keep:
        shutil.rmtree(chosen.var, ignore_errors=True)
    out = Path("var/bench/growth.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told, indent=1), encoding="utf-8")


def _show(name: str, told: dict[str, Any]) -> None:
    table = Table(title=name)
    for heading in (
        "question",
        "ms, 500 stored",
        "ms, full",
        "CPU ms, 500 stored",
        "CPU ms, full",
        "worst ms",
    ):
        table.add_column(heading, justify="right" if heading != "question" else "left")
    few = told.get("0", {})
    for question, full in told["full"].items():
        before = few.get(question, {"ms": 0.0, "cpu_ms": 0.0})
        cells = (before["ms"], full["ms"], before["cpu_ms"], full["cpu_ms"], full["worst_ms"])
        table.add_row(question, *(f"{cell:.2f}" for cell in cells))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
