"""Bad input: each is refused with its reason and evidence, and disturbs nobody.

All of it comes from one careless (or worse) department, in the middle of the day.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import aio_pika
import aiormq.exceptions
import pikepdf

from demo.day import CONSTRUCTION, FINANCE, PLANNING, Day
from demo.drafts import Signed, letter
from demo.edxml import File, Letter, Organ, write_edoc

NOBODY = Organ(code="000.00.99.H53", name="Cơ quan không có trong danh mục")
BROKER_SAYS_NO = "broker-access-refused"

SUBJECTS = (
    "XML sai cú pháp",
    "nêu một nơi nhận hai lần",
    "PDF bị sửa sau khi ký",
    "PDF bị mã hóa",
    "PDF có JavaScript",
    "tệp .pdf không phải PDF",
    "văn bản mang dấu chỉ độ mật",
    "một nơi nhận không tồn tại",
    "gửi hai lần cùng một mã",
    "gửi lại mã cũ với nội dung khác",
    "nội dung khác dưới mã cũ",
    "thông điệp không có user_id",
    "mạo danh cơ quan khác",
    "văn bản đúng, gửi sau cùng",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A simple bad case: the letter, what is done to its bytes, and why it must be refused."""

    letter: Letter
    reason: str
    spoil: Callable[[bytes], bytes] = bytes


def tampered(pdf: bytes) -> bytes:
    """One digit of the title changed, within the bytes that the leader signed."""
    place = pdf.index(b"/Title <FEFF") + len(b"/Title <FEFF") + 3
    return pdf[:place] + (b"1" if pdf[place : place + 1] != b"1" else b"2") + pdf[place + 1 :]


def encrypted(pdf: bytes) -> bytes:
    """The same pages, to be opened with a password."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        opened.save(out, encryption=pikepdf.Encryption(owner="chủ", user="mật khẩu", R=6))
    return out.getvalue()


def scripted(pdf: bytes) -> bytes:
    """The same pages, unsigned, with a script that runs on opening: nothing else is wrong with it."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        if "/AcroForm" in opened.Root:
            del opened.Root.AcroForm
        for page in opened.pages:
            if "/Annots" in page:
                del page.Annots
        opened.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert('Xin chào');")
        opened.save(out)
    return out.getvalue()


def cases(samples: Sequence[Signed], sender: Organ, recipient: Organ) -> list[Bad]:
    """The cases in which the whole submission is refused for what it is."""
    letters = [letter(sample, sender, [recipient]) for sample in samples]
    pdfs = [sample.pdf for sample in samples]

    def with_pdf(index: int, body: bytes) -> Letter:
        return replace(letters[index], files=(File(name=letters[index].files[0].name, body=body),))

    def unclosed(edxml: bytes) -> bytes:
        return edxml.replace(b"Subject>", b"Subjekt>", 1)

    return [
        Bad(letter=letters[0], reason="xml-malformed", spoil=unclosed),
        Bad(letter=replace(letters[1], recipients=(recipient, recipient)), reason="rule-broken"),
        Bad(letter=with_pdf(2, tampered(pdfs[2])), reason="signature-broken"),
        Bad(letter=with_pdf(3, encrypted(pdfs[3])), reason="pdf-encrypted"),
        Bad(letter=with_pdf(4, scripted(pdfs[4])), reason="pdf-active-content"),
        Bad(letter=with_pdf(5, "Đây không phải là PDF.\n".encode() * 40), reason="pdf-unreadable"),
        Bad(letter=replace(letters[6], sphere="Mật"), reason="state-secret"),
    ]


async def disturb(day: Day) -> None:
    """Act 3."""
    sender, recipient = day.organs[CONSTRUCTION], day.organs[FINANCE]
    samples = day.drafts.samples
    day.say(
        f"{sender.name} gửi {len(SUBJECTS) - 1} thứ sai quy định",
        "bad input of every kind comes from one department",
    )
    async with asyncio.TaskGroup() as acts:
        for bad in await asyncio.to_thread(cases, samples, sender, recipient):
            acts.create_task(_send_bad(day, bad))
        acts.create_task(_unknown_recipient(day, letter(samples[7], sender, [recipient, NOBODY])))
        acts.create_task(_same_twice(day, letter(samples[8], sender, [recipient])))
        acts.create_task(
            _other_bytes(
                day,
                letter(samples[9], sender, [recipient]),
                letter(samples[10], sender, [recipient]),
            )
        )
        acts.create_task(_without_user(day, letter(samples[11], sender, [recipient])))
        acts.create_task(_pretend(day, letter(samples[12], sender, [recipient])))
    good = day.register(letter(samples[13], sender, [recipient]), group="Văn bản đúng, sau cùng")
    await day.submit(good)
    if await day.books.all_struck(day.lines[good.message]):
        day.say(
            "Tất cả bị từ chối đúng lý do; văn bản đúng gửi ngay sau đó vẫn tới nơi",
            "each was refused for its own reason, and a good letter still passes",
        )


async def _send_bad(day: Day, bad: Bad) -> None:
    sent = day.register_bad(bad.letter, bad.reason, group=bad.letter.subject)
    client = day.clients[bad.letter.sender.code]
    await client.send(bad.spoil(day.write(bad.letter)), sent.message)
    await day.books.all_struck(day.lines[sent.message])


async def _unknown_recipient(day: Day, item: Letter) -> None:
    """Refused for that recipient alone."""
    sent = day.register(item, group=item.subject, unknown={NOBODY.code})
    await day.submit(sent)
    await day.books.all_struck(day.lines[sent.message])


async def _same_twice(day: Day, item: Letter) -> None:
    """The same id with the same bytes: the same receipts again, and nothing delivered twice."""
    sent = day.register(item, group=item.subject)
    body = day.write(item)
    client = day.clients[item.sender.code]
    await client.send(body, sent.message)
    if not await day.books.all_struck(day.lines[sent.message]):
        return
    first = [receipt.evidence for receipt in day.books.receipts_of(sent.message)]
    await client.send(body, sent.message)
    if not await day.books.until(lambda: all(day.books.times_seen(e) > 1 for e in first)):
        day.books.fault(f"{sent.message}: sent twice, but its receipts did not come again")


async def _other_bytes(day: Day, item: Letter, other: Letter) -> None:
    """The same id with other bytes: refused; the first document is left alone."""
    sent = day.register(item, group=item.subject)
    await day.submit(sent)
    await day.books.all_struck(day.lines[sent.message])
    again = day.register_bad(other, "message-id-reused", group=item.subject, message=sent.message)
    await day.submit(again)
    await day.books.all_struck(day.lines[sent.message])


async def _without_user(day: Day, item: Letter) -> None:
    """The broker lets it pass; we don't: nobody could say who sent it."""
    office = day.office(item.sender.code)
    sent = day.register_bad(item, "user-id-missing", group=item.subject)
    exchange = await office.exchange_of(await office.channel())
    await office.publish(exchange, day.write(item), sent.message, user=None)
    await day.books.all_struck(day.lines[sent.message])


async def _pretend(day: Day, item: Letter) -> None:
    """Another agency's routing key, then another agency's user id: the broker says no to both."""
    office = day.office(item.sender.code)
    body = write_edoc(item, office.producer, datetime.now(UTC))
    for organ, user in ((PLANNING, ""), ("", PLANNING)):
        exchange = await office.exchange_of(await office.channel())
        try:
            await office.publish(exchange, body, "pretended", organ=organ, user=user)
        except (aiormq.exceptions.ChannelAccessRefused, aiormq.exceptions.ChannelPreconditionFailed):
            day.books.refused[BROKER_SAYS_NO] += 1
        except aio_pika.exceptions.AMQPError as exc:
            day.books.fault(f"publishing as another agency: {exc!r} instead of the broker's no")
        else:
            day.books.fault("publishing as another agency: the broker let it pass")
