"""Promise 4: an attachment arrives with the bytes that were sent, however it is wrapped and whatever it holds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.envelope import Correspondent, NewEdoc, NewFile, compose_edoc
from gateway.model.ids import OrganCode
from tests.envelope.edxml import edoc_of, envelopes

AT = datetime(2026, 3, 4, 18, 30, 5, tzinfo=UTC)
EDOC = NewEdoc(
    sender=Correspondent(code="H53.13", name="Sở"),
    recipients=(Correspondent(code="H53.00", name="Tỉnh"),),
    number="12",
    notation="BC-STTTT",
    dated=date(2016, 3, 4),
    subject="Kết quả",
    sent_at=AT,
    signer="Nguyễn Thị Ví Dụ",
)


@pytest.mark.parametrize("is_zipped", [False, True])
@settings(deadline=None, max_examples=40)
@given(st.binary(min_size=1, max_size=2000))
@example(b"line\r\nline\r\n\r\n")
@example(b"-\r\n" * 300)
@example(b"- \t \n \r ")
@example(bytes(range(256)) * 8)
@example(b"%PDF-1.7\r\n%\xe2\xe3\xcf\xd3\r\n%%EOF\r\n\r\n")
def test_what_goes_through_reading_and_writing_is_what_was_sent(is_zipped: bool, body: bytes) -> None:
    body = b"-" + body  # what begins as a ZIP is a wrapping, and has tests of its own
    sent = compose_edoc(replace(EDOC, files=(NewFile(name="a.bin", body=body, is_zipped=is_zipped),)))
    edoc = edoc_of(sent)
    rendered = asyncio.run(envelopes().render(edoc, hop=OrganCode("H53.00"), at=AT, sealed={}))
    assert rendered.body is not None
    (arrived,) = edoc_of(rendered.body).attachments
    assert arrived.payload.body == body
    assert arrived.is_zipped is is_zipped
