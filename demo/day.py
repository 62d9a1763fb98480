"""The day: who sends what to whom, and what must follow from it.

1  UBND tỉnh issues its decision to 61 organs; one of them refuses it
2  a department answers with two attachments; an express document overtakes a queue of ordinary ones;
   a commune fetches its copy by HTTP, and answers
3  bad input (demo.hostile), while all the rest goes on
4  a department updates what it has sent, replaces it, and takes the new one back: one recipient agrees, one
   declines, one is silent
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from demo.books import Books, Line
from demo.drafts import Drafts, letter, spreadsheet
from demo.edxml import Business, Letter, Organ, Producer, Received, write_edoc
from demo.judges import Archive
from demo.office import Office

PROVINCE = "000.00.00.H53"
PROVINCIAL_OFFICE = "000.00.01.H53"
PLANNING = "000.00.05.H53"
FINANCE = "000.00.11.H53"
INFORMATION = "000.00.13.H53"
CONSTRUCTION = "000.00.16.H53"
DISTRICT = "000.00.36.H53"
COMMUNE = "000.25.36.H53"
DISTRICT_BUREAU = "000.05.36.H53"
REFUSER = "000.00.28.H53"
OBJECTOR = CONSTRUCTION
OBJECTION = "Đã triển khai theo văn bản đã nhận, không thể trả lại"
REFUSAL = "Gửi nhầm: công ty cổ phần không thuộc đối tượng thi hành Quyết định này"

PRODUCERS = (
    Producer(),
    Producer(prefix="", zips=False, cid_on_both=False, signer_last=True),
    Producer(prefix="ns2", cid_on_both=False),
    Producer(zips=False, signer_last=True),
)


class Client(Protocol):
    """What an office and a commune have in common."""

    organ: Organ
    producer: Producer

    async def send(self, body: bytes, message: str, *, lane: str = "edoc") -> None:
        """Submit *body* under *message*."""
        ...


class Say(Protocol):
    """Tells the visitor something, in both languages."""

    def __call__(self, vi: str, en: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A document of the day, as its sender knows it.  ``group`` gathers rows of the last table."""

    message: str
    letter: Letter
    group: str


@dataclass(slots=True, kw_only=True)
class Day:
    """Everything that the acts share."""

    books: Books
    clients: Mapping[str, Client]
    organs: Mapping[str, Organ]
    queued: frozenset[str]
    drafts: Drafts
    archive: Archive
    say: Say
    sent: list[Sent] = field(default_factory=list)
    lines: dict[str, frozenset[Line]] = field(default_factory=dict)

    def office(self, code: str) -> Office:
        """The client of an organ with queues."""
        client = self.clients[code]
        assert isinstance(client, Office)
        return client

    def write(self, item: Letter) -> bytes:
        """*item* as its sender's software writes it."""
        return write_edoc(item, self.clients[item.sender.code].producer, datetime.now(UTC))

    def register(
        self,
        item: Letter,
        *,
        group: str,
        unknown: Collection[str] = (),
        refusing: Collection[str] = (),
        original: Sent | None = None,
    ) -> Sent:
        """Give *item* a message id and write down all that must follow if it is accepted; *original* is what it
        asks its recipients to give back or to update."""
        sent = Sent(message=f"{item.sender.code}:{uuid.uuid4()}", letter=item, group=group)
        if original is not None:
            lines = set(answers(sent, original, self.queued))
        else:
            lines = set(follows(sent, self.queued, unknown=unknown, refusing=refusing))
        self.books.expect(*lines)
        self.lines[sent.message] = frozenset(lines)
        self.archive.announce(item)
        self.sent.append(sent)
        return sent

    def register_bad(self, item: Letter, reason: str, *, group: str, message: str = "") -> Sent:
        """The same for what must be refused."""
        sent = Sent(message=message or f"{item.sender.code}:{uuid.uuid4()}", letter=item, group=group)
        line = Line(
            what="receipt",
            party=item.sender.code,
            message=sent.message,
            word=f"SubmissionRejection:{reason}",
        )
        self.books.expect(line)
        self.lines[sent.message] = self.lines.get(sent.message, frozenset()) | {line}
        if not message:
            self.sent.append(sent)
        return sent

    async def submit(self, sent: Sent, *, lane: str = "edoc") -> None:
        """Send what was registered."""
        client = self.clients[sent.letter.sender.code]
        await client.send(self.write(sent.letter), sent.message, lane=lane)

    async def keep(self, document: str, received: Received) -> None:
        """A client took a document: look at it as its clerk would, and put its PDFs aside."""
        for fault in await self.archive.keep(document, received):
            self.books.fault(fault)


def follows(
    sent: Sent, queued: Collection[str], *, unknown: Collection[str] = (), refusing: Collection[str] = ()
) -> Sequence[Line]:
    """What must come, and to whom, when the gateway accepts a document."""
    message, sender = sent.message, sent.letter.sender.code

    def receipt(word: str, other: str = "") -> Line:
        return Line(what="receipt", party=sender, message=message, other=other, word=word)

    def status(code: str, reporter: str) -> Line:
        return Line(what="status", party=sender, message=message, other=reporter, word=code)

    lines = [receipt("SubmissionAcceptance")]
    for recipient in sent.letter.recipients:
        code = recipient.code
        if code in unknown:
            lines.append(receipt("ContentConsignmentFailure:recipient-unknown", code))
            continue
        lines.append(Line(what="edoc", party=code, message=message))
        lines += [receipt("ContentConsignment", code), receipt("ContentHandover", code)]
        if code in queued:  # over HTTP the acknowledgement is the 01
            lines.append(status("01", code))
        if code in refusing:
            lines += [status("02", code), receipt("ConsignmentRejection:recipient-refused", code)]
        else:
            lines += [status("03", code), receipt("ConsignmentAcceptance", code)]
    return lines


def answers(sent: Sent, original: Sent, queued: Collection[str]) -> Sequence[Line]:
    """What must come of a recall or an update: who has queues answers, the objector with a no; others are silent."""
    sender, word = sent.letter.sender.code, sent.letter.business.name.lower()

    def receipt(event: str, other: str = "") -> Line:
        return Line(what="receipt", party=sender, message=sent.message, other=other, word=event)

    lines = [receipt("SubmissionAcceptance")]
    for recipient in sent.letter.recipients:
        code = recipient.code
        lines.append(Line(what="edoc", party=code, message=sent.message))
        lines += [receipt("ContentConsignment", code), receipt("ContentHandover", code)]
        if code not in queued:
            continue
        no = code == OBJECTOR
        answer = f"ConsignmentRejection:{word}-declined" if no else "ConsignmentAcceptance"
        told = Line(
            what="status", party=sender, message=original.message, other=code, word="16" if no else "15"
        )
        lines += [told, receipt(answer, code)]
    return lines


async def think_again(day: Day) -> None:
    """Act 4: what was sent is updated, replaced, and taken back."""
    sender = day.organs[INFORMATION]
    three = [day.organs[code] for code in (FINANCE, OBJECTOR, DISTRICT_BUREAU)]
    first = letter(day.drafts.notice, sender, three)
    day.say(
        f"{sender.name} gửi công văn {first.code} cho 3 cơ quan, rồi cập nhật, thay thế, và thu hồi văn bản thay thế",
        "a letter to three organs is updated, then replaced, and the replacement taken back",
    )
    original = day.register(first, group="Công văn tập huấn")
    await day.submit(original)
    if not await day.books.all_struck(day.lines[original.message]):
        return
    second = replace(
        letter(day.drafts.update, sender, three),
        business=Business.UPDATE,
        reason="Sửa ngày tập huấn",
        about=first.document_id,
        edition="/2",
    )
    update = day.register(second, group="Cập nhật (kind 2)", original=original)
    await day.submit(update)
    if not await day.books.all_struck(day.lines[update.message]):
        return
    third = replace(
        letter(day.drafts.replacement, sender, three),
        business=Business.REPLACE,
        reason="Thay thế kế hoạch tập huấn",
        about=first.document_id,
    )
    replacement = day.register(third, group="Thay thế (kind 3)")
    await day.submit(replacement)
    if not await day.books.all_struck(day.lines[replacement.message]):
        return
    back = replace(third, business=Business.RECALL, reason="Hoãn tập huấn", about="", files=())
    recall = day.register(back, group="Thu hồi (kind 1)", original=replacement)
    await day.submit(recall)
    if await day.books.all_struck(day.lines[recall.message]):
        day.say(
            "Thu hồi: 1 nơi đồng ý (15), 1 nơi không (16), 1 nơi im lặng; có bằng chứng cho từng nơi",
            "the recall: one agrees, one declines, one is silent; there is evidence of each",
        )


async def issue_decision(day: Day) -> Sent:
    """Act 1."""
    organs = day.organs
    others = [organs[code] for code in sorted(day.queued) if code != PROVINCE]
    decision = letter(day.drafts.decision, organs[PROVINCE], others)
    day.say(
        f"{organs[PROVINCE].name} ban hành Quyết định {decision.code} tới {len(others)} cơ quan",
        f"the decision goes out to {len(others)} organs, signed by the chairman",
    )
    sent = day.register(decision, group="Quyết định", refusing={REFUSER})
    await day.submit(sent)
    done = await day.books.all_struck(day.lines[sent.message])
    if done:
        day.say(
            "Mọi nơi đã nhận và trả lời: 60 vào sổ (03), 1 từ chối (02)",
            "everybody has it sealed and answered: 60 registered it, 1 refused it",
        )
    return sent


async def answer_with_attachments(day: Day, decision: Sent) -> None:
    """Act 2a: a PDF and a spreadsheet; together over 1 MiB, so they travel as a claim, both ways."""
    rows = [("STT", "Mã định danh", "Tên cơ quan", "Tình trạng kết nối")]
    names = list(day.organs.values())
    for number in range(1, 6001):
        organ = names[number % len(names)]
        rows.append((str(number), organ.code, organ.name, "Đã kết nối"))
    table = spreadsheet("Danh mục kết nối.xlsx", rows)
    answer = letter(
        day.drafts.answer,
        day.organs[INFORMATION],
        [day.organs[PROVINCE]],
        more=[table],
        responds_to=[decision.letter.reference],
    )
    day.say(
        f"{day.organs[INFORMATION].name} trả lời, kèm 1 PDF và 1 bảng tính ({len(table.body) // 1024} KiB)",
        "a department answers with two attachments, one of them no PDF",
    )
    sent = day.register(answer, group="Trả lời, hai tệp")
    await day.submit(sent)
    await day.books.all_struck(day.lines[sent.message])


async def overtake(day: Day) -> None:
    """Act 2b: many ordinary letters to one organ, then an express one."""
    office, planning = day.organs[PROVINCIAL_OFFICE], day.organs[PLANNING]
    ordinary = [
        day.register(letter(draft, office, [planning]), group="Công văn thường")
        for draft in day.drafts.ordinary
    ]
    express = day.register(letter(day.drafts.express, office, [planning]), group="Công văn hỏa tốc")
    day.say(
        f"{office.name} gửi {len(ordinary)} công văn thường, rồi 1 công văn hỏa tốc",
        f"{len(ordinary)} ordinary letters, then an express one on the urgent lane",
    )
    # One after the other on the wire, none waiting for the confirm of the one before.
    async with asyncio.TaskGroup() as publishing:
        for sent in ordinary:
            publishing.create_task(day.submit(sent))
        publishing.create_task(day.submit(express, lane="edoc.urgent"))
    wanted = frozenset().union(*(day.lines[sent.message] for sent in [*ordinary, express]))
    if not await day.books.all_struck(wanted):
        return
    order = [
        day.books.messages[taken.document]
        for taken in day.books.taken
        if taken.party == PLANNING and taken.what == "edoc"
    ]
    messages = {sent.message for sent in ordinary}
    before = sum(1 for message in order[: order.index(express.message)] if message in messages)
    if before > len(ordinary) / 2:
        day.books.fault(f"the express document came after {before} of {len(ordinary)} ordinary ones")
    day.say(
        f"Công văn hỏa tốc vượt lên trước {len(ordinary) - before} trong {len(ordinary)} công văn thường",
        f"the express letter overtook {len(ordinary) - before} of them",
    )


async def commune_by_http(day: Day) -> None:
    """Act 2c: organs without queues look into their inboxes; the commune reports back, by HTTP too."""
    district, commune = day.organs[DISTRICT], day.organs[COMMUNE]
    order = day.register(
        letter(day.drafts.district, district, [commune, day.organs[DISTRICT_BUREAU]]),
        group="Công văn cấp huyện",
    )
    day.say(
        f"{district.name} gửi {commune.name}: xã không có hàng đợi, lấy văn bản qua HTTP",
        "a commune without queues fetches its copy by HTTP: peek, lock, read, acknowledge",
    )
    await day.submit(order)
    await day.books.all_struck(day.lines[order.message])
    report = letter(day.drafts.report, commune, [district], responds_to=[order.letter.reference])
    sent = day.register(report, group="Báo cáo của xã")
    await day.submit(sent)
    await day.books.all_struck(day.lines[sent.message])
    day.say(
        "Xã đã nhận, vào sổ và gửi báo cáo lên huyện, có đủ biên nhận",
        "the commune has registered it and reported back, with all receipts",
    )
