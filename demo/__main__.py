"""``python -m demo``: a day at a provincial data centre, on a machine of one's own.

Exit 0 where everything came exactly as expected, 1 where something was lost, doubled or unexpected (each is
named), 2 where the day could not begin.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import signal
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aio_pika.exceptions import AMQPError
from rich.console import Console

from demo import report
from demo.access import Access, read_access
from demo.books import Books
from demo.commune import Commune
from demo.day import (
    COMMUNE,
    DISTRICT_BUREAU,
    OBJECTION,
    OBJECTOR,
    PRODUCERS,
    PROVINCE,
    REFUSAL,
    REFUSER,
    Client,
    Day,
    Say,
    Sent,
    answer_with_attachments,
    commune_by_http,
    issue_decision,
    overtake,
    think_again,
)
from demo.drafts import Drafts, Secretariat
from demo.edxml import Organ
from demo.hostile import BROKER_SAYS_NO, SUBJECTS, disturb
from demo.judges import Archive, JudgeMissing, Verdict, judge
from demo.office import Office
from demo.papers import DECISION
from demo.pdf import FontMissing, Fonts
from demo.pki import LeaderAuthority
from demo.stack import Stack, StackFailed, fresh_folder

CONNECT_AT_ONCE = 8
SILENCE_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the demo is run."""

    var: Path
    workers: int
    ordinary: int
    organs: Path


def main() -> int:
    """Run the day."""
    parser = argparse.ArgumentParser(prog="demo", description="A day at a provincial data centre.")
    parser.add_argument("--var", type=Path, default=Path("var/demo"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ordinary", type=int, default=60, help="letters that the express one overtakes")
    parser.add_argument("--organs", type=Path, default=Path("config/organs/tayninh_2020.csv"))
    told = parser.parse_args()
    settings = Settings(
        var=told.var.absolute(), workers=told.workers, ordinary=told.ordinary, organs=told.organs
    )
    console = Console(highlight=False)
    if not console.is_terminal:  # a log has no width of its own
        console = Console(highlight=False, width=140)
    try:
        with fresh_folder(settings.var):
            return asyncio.run(_with_signals(settings, console))
    except (StackFailed, FontMissing, JudgeMissing) as exc:
        console.print(f"[red]✗[/red] {exc}", markup=True)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("[yellow]Đã dừng theo yêu cầu · stopped as asked.[/yellow]")
        return 130


async def _with_signals(settings: Settings, console: Console) -> int:
    """SIGTERM ends us as Ctrl-C does: in order, with everything that we started."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await _run(settings, console)


async def _run(settings: Settings, console: Console) -> int:
    begun = time.monotonic()

    def say(vi: str, en: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:6.1f} s[/dim]  {vi}\n          [dim]{en}[/dim]")

    fonts = Fonts.load()
    authority = LeaderAuthority.make()
    books = Books()
    archive = Archive(folder=settings.var / "sealed")
    archive.folder.mkdir()
    say(
        "Khởi động RabbitMQ riêng và cổng; các văn phòng soạn thảo, lãnh đạo ký",
        "broker and gateway start; papers are typeset and signed",
    )
    async with Stack(settings.var, workers=settings.workers) as stack:
        stack.trust(authority.pem)
        secretariat = Secretariat(fonts, authority)
        ready, drafts = await asyncio.gather(
            stack.start(),
            asyncio.to_thread(secretariat.all_of_the_day, settings.ordinary, SUBJECTS),
        )
        say(
            f"Cổng sẵn sàng: {ready}",
            f"{9 + len(drafts.ordinary) + len(drafts.samples) - 1} papers are signed",
        )
        sent = await _beside(stack, _the_day(settings, stack, books, archive, drafts, say))
        # The stack stops (nothing may be lost by that) while the judges read the PDFs.
        say(
            "Hết ngày: dừng cổng, giám định mọi PDF đã đóng dấu",
            "the gateway stops; two judges read every sealed PDF",
        )
        verdicts, code = await asyncio.gather(judge(archive.sealed, settings.var), stack.stop())
        if code != 0:
            books.fault(f"the gateway ended with exit code {code}")
    return _close(settings, console, books, verdicts, sent, time.monotonic() - begun)


async def _beside(stack: Stack, day: Coroutine[None, None, list[Sent]]) -> list[Sent]:
    """The day, unless the stack dies under it."""
    working = asyncio.create_task(day, name="day")
    watching = asyncio.create_task(stack.died(), name="watch")
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        return await working
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _the_day(
    settings: Settings, stack: Stack, books: Books, archive: Archive, drafts: Drafts, say: Say
) -> list[Sent]:
    access = read_access(stack.access_file)
    organs = _organs(settings.organs)
    queued = frozenset(code for code, entry in access.items() if entry.amqp_url)
    async with contextlib.AsyncExitStack() as open_things:
        http = await open_things.enter_async_context(
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=120), connector=aiohttp.TCPConnector(limit=16)
            )
        )
        day = Day(
            books=books,
            clients={},
            organs={code: organs[code] for code in access if code in organs},
            queued=queued,
            drafts=drafts,
            archive=archive,
            say=say,
        )
        day.clients = await _connect(day, access, http, open_things)
        say(
            f"{len(queued)} cơ quan kết nối qua AMQP, 2 qua HTTP; danh mục có {len(access)} cơ quan",
            f"{len(queued)} organs are connected by AMQP with users of their own, 2 by HTTP",
        )
        try:
            decision = await issue_decision(day)
            async with asyncio.TaskGroup() as acts:
                acts.create_task(answer_with_attachments(day, decision))
                acts.create_task(overtake(day))
                acts.create_task(commune_by_http(day))
                acts.create_task(disturb(day))
                acts.create_task(think_again(day))
            await books.all_struck()
            await books.silence(SILENCE_S)
            await _check_file(day, decision, access[PROVINCE], http)
        except* (AMQPError, OSError, aiohttp.ClientError, ValueError) as broken:
            # the day is over, but the accounts are still made: they say what is missing
            for exc in _leaves(broken):
                books.fault(f"a client could not go on: {exc!r}")
    return day.sent


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for exc in group.exceptions:
        if isinstance(exc, BaseExceptionGroup):
            yield from _leaves(exc)
        else:
            yield exc


async def _connect(
    day: Day,
    access: Mapping[str, Access],
    http: aiohttp.ClientSession,
    open_things: contextlib.AsyncExitStack,
) -> Mapping[str, Client]:
    clients: dict[str, Client] = {}
    places = asyncio.Semaphore(CONNECT_AT_ONCE)

    async def connect(number: int, code: str) -> None:
        office = Office(
            day.organs[code],
            access[code],
            PRODUCERS[number % len(PRODUCERS)],
            day.books,
            http,
            keep=day.keep,
            refusals={DECISION.code: REFUSAL} if code == REFUSER else {},
            objects=OBJECTION if code == OBJECTOR else "",
        )
        async with places:
            clients[code] = await open_things.enter_async_context(office)

    async with asyncio.TaskGroup() as connecting:
        for number, code in enumerate(sorted(day.queued)):
            connecting.create_task(connect(number, code))
    for code in (COMMUNE, DISTRICT_BUREAU):
        commune = Commune(day.organs[code], access[code], PRODUCERS[1], day.books, http, keep=day.keep)
        clients[code] = await open_things.enter_async_context(commune)
    return clients


async def _check_file(day: Day, decision: Sent, access: Access, http: aiohttp.ClientSession) -> None:
    """The evidence on file at the gateway is the evidence that the sender holds."""
    held = {r.evidence for r in day.books.receipts_of(decision.message)}
    document = next((d for d, m in day.books.messages.items() if m == decision.message), "")
    async with http.get(
        f"{access.http_url}/v1/documents/{document}", headers=access.authorization, params={"organ": PROVINCE}
    ) as response:
        told = await response.json(content_type=None)
    filed = {entry["id"] for entry in told.get("evidence", [])}
    if response.status != 200 or filed != held:
        day.books.fault(
            f"document {document}: {len(filed)} pieces of evidence on file, {len(held)} with the sender"
        )
        return
    day.say(
        f"UBND tỉnh giữ {len(held)} chứng cứ của Quyết định {decision.letter.code}, khớp với cổng",
        f"the sender holds {len(held)} pieces of evidence, the same as are on file",
    )


def _organs(path: Path) -> Mapping[str, Organ]:
    """Names by code; the first name counts where a code stands twice."""
    organs: dict[str, Organ] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            code = row["organ_id"].strip()
            organs.setdefault(code, Organ(code=code, name=" ".join(row["name"].split())))
    return organs


def _close(
    settings: Settings,
    console: Console,
    books: Books,
    verdicts: Sequence[Verdict],
    sent: Sequence[Sent],
    elapsed_s: float,
) -> int:
    made = report.rows(sent, books)
    names = {code: organ.name for code, organ in _organs(settings.organs).items()}
    report.show(made, names, books.refused[BROKER_SAYS_NO], console)
    report.write(settings.var, made, books, verdicts, elapsed_s)
    wrong = report.findings(books, verdicts)
    valid = sum(verdict.verdict == "valid" for verdict in verdicts)
    console.print(
        f"{len(books.taken)} bản giao · deliveries, {len(books.receipts)} biên nhận · receipts, "
        f"{sum(books.refused.values())} từ chối · refusals, {books.repeats} lặp · repeats, "
        f"{valid}/{len(verdicts)} PDF hợp lệ · valid, {elapsed_s:.1f} s"
    )
    console.print(f"[dim]{settings.var / 'report.json'}[/dim]", soft_wrap=True)
    if not wrong:
        console.print(
            "[green]✓ Không mất, không trùng, không thừa · nothing lost, doubled or unexpected.[/green]"
        )
        return 0
    console.print(f"[red]✗ {len(wrong)} điều sai · things that must not be:[/red]")
    for line in wrong[:60]:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if len(wrong) > 60:
        console.print(f"  … {len(wrong) - 60} …")
    return 1


if __name__ == "__main__":
    sys.exit(main())
