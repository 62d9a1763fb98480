"""A gateway that is measured: ``vanthu serve`` in a folder of its own, its offices connected."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks import papers
from benchmarks.clients import Exchange, Office, Post, accesses, offices
from demo.edxml import read_edoc
from demo.pki import LeaderAuthority
from demo.stack import SERVE, Stack
from gateway.config import load

KINDS = ("unsigned", "signed")
STARTS_WITHIN_S = 900.0
"""A thousand organs have four thousand queues, which the broker makes in a minute on a quiet machine."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Papers of each kind, and the root that judges must trust for the signed ones."""

    papers: Mapping[str, Sequence[papers.Paper]]
    pdf_bytes: Mapping[str, int]
    trusted: bytes

    @classmethod
    def make(cls) -> Supply:
        """Fresh ones.  Takes seconds: not on an event loop."""
        authority = LeaderAuthority.make()
        made = {kind: papers.make(authority, is_signed=kind == "signed") for kind in KINDS}
        return cls(
            papers={kind: found for kind, (found, _) in made.items()},
            pdf_bytes={kind: size for kind, (_, size) in made.items()},
            trusted=authority.pem,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What differs from ``vanthu serve`` without a configuration: nothing, as a rule."""

    workers: int | None = None
    store_url: str = ""
    organs: Sequence[tuple[str, bool]] = ()
    """Codes, and whether each has queues; empty: the real directory."""
    command: Sequence[str] = SERVE
    documents_per_minute: int = 0
    """The quota of each agency; 0: none."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Gateway:
    """One that runs; numbers its documents from anywhere, for the folder may know those of an earlier life."""

    var: Path
    stack: Stack
    supply: Supply
    access: Mapping[str, Mapping[str, Any]]
    _number: int = dataclasses.field(default_factory=lambda: secrets.randbelow(10**9))

    @asynccontextmanager
    async def offices(self, count: int, post: Post) -> AsyncIterator[Sequence[Office]]:
        """The first *count* organs with queues, connected as long as this lasts."""
        found = await offices(self.access, count, post)
        try:
            yield found
        finally:
            await asyncio.gather(*(office.close() for office in found), return_exceptions=True)

    def next_number(self) -> int:
        """A number that no document had yet."""
        self._number += 1
        return self._number

    async def send(self, among: Sequence[Office], at: int, kind: str, due: float | None = None) -> None:
        """The office *at* sends the next paper of *kind* to another of *among*, and waits until it is through."""
        number, supply = self.next_number(), self.supply.papers[kind]
        sender = among[at]
        recipient = among[(at + 1 + number % (len(among) - 1)) % len(among)]
        body = supply[number % len(supply)].edoc(number, sender.organ, recipient.organ)
        await sender.send(body, f"bench-{number}", due)


@asynccontextmanager
async def served(var: Path, supply: Supply, setting: Setting = Setting()) -> AsyncIterator[Gateway]:
    """A gateway on *var*, which may have been one before; ended, and its data left, at the end."""
    config = await asyncio.to_thread(_configured, var, setting)
    async with Stack(
        var, workers=setting.workers, config=config, command=setting.command, patience_s=STARTS_WITHIN_S
    ) as stack:
        stack.trust(supply.trusted)
        await stack.start()
        yield Gateway(var=var, stack=stack, supply=supply, access=accesses(stack.access_file))


async def warm(gateway: Gateway, among: Sequence[Office], exchange: Exchange) -> None:
    """Every office sends some of each kind: keys are made when they are first used, and read by each worker.  Looks at
    what is delivered."""
    for kind in 2 * KINDS:
        for begin in range(0, len(among), 16):
            group = range(begin, min(begin + 16, len(among)))
            await asyncio.gather(*(gateway.send(among, at, kind) for at in group))
        signatures = 1 + (kind == "signed")
        delivered = read_edoc(exchange.last_body).files[0].body
        if delivered.count(b"/ByteRange") != signatures:
            raise SystemExit(f"{kind}: the delivered PDF does not bear {signatures} signatures")


def emptied(folder: Path) -> Path:
    """*folder*, with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def configuration(var: Path) -> dict[str, Any]:
    """What ``vanthu serve`` runs with where no file says otherwise: that which bears on speed."""
    config = load(None, var=var)
    sections = config.sections
    told: dict[str, Any] = {
        name: dataclasses.asdict(getattr(sections, name))
        for name in ("store", "broker", "inspection", "pace", "log", "limits")
    }
    told["pace"]["workers"] = config.workers
    return told | {"store_url": config.store_url.partition(":")[0], "sqlite_synchronous": "FULL"}


def _configured(var: Path, setting: Setting) -> Path | None:
    var.mkdir(parents=True, exist_ok=True)
    lines = []
    if setting.store_url:
        lines += ["[store]", f"url = {json.dumps(setting.store_url)}"]
    if setting.organs:
        table = "".join(
            f'"{code}","Cơ quan {code}",{"amqp" if has_queues else "http"}\n'
            for code, has_queues in setting.organs
        )
        (var / "organs.csv").write_text("organ_id,name,link\n" + table, encoding="utf-8")
        lines += ["[directory]", 'organs = "organs.csv"']
    if setting.documents_per_minute:
        lines += ["[quotas]", f"documents_per_minute = {setting.documents_per_minute}"]
    if not lines:
        return None
    path = var / "gateway.toml"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def quorum_logs(var: Path) -> frozenset[Path]:
    """The logs that the quorum queues of the private broker share and that are still needed; the newest is written to."""
    return frozenset(var.glob("broker/data/*/quorum/*/*.wal"))
