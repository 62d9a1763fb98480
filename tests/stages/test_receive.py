"""receive: who may come in, what is a state secret, and what a refusal at the door uses up."""

from __future__ import annotations

import time
import unicodedata
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.model.claim import CLAIM_TYPE
from gateway.model.document import Refusal
from gateway.model.envelope import Kind, Priority
from gateway.model.ids import DocumentId, OrganCode, PartyKey, Realm, normalised
from gateway.model.party import Unknown
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance, Policy, SecrecyField
from gateway.stages import receive
from tests import builders as b

POLICY = Policy()


def turned(arrival, client=None, party=None):
    answer = receive.admit(arrival, client or b.a_client(), party or b.a_party(), POLICY, b.NOON)
    assert isinstance(answer, receive.Turned), answer
    return answer


def test_a_known_client_with_a_proper_message_is_admitted():
    answer = receive.admit(b.an_arrival(), b.a_client(), b.a_party(), POLICY, b.NOON)
    assert isinstance(answer, receive.Admitted)
    assert answer.expires_at == b.NOON + timedelta(days=30)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client": None}, "user-id-missing"),
        ({"message_id": None}, "message-id-missing"),
        ({"message_id": ""}, "message-id-missing"),
        ({"message_id": "x" * 201}, "message-id-invalid"),
        ({"message_id": "a\x00b"}, "message-id-invalid"),
        ({"payload": PayloadRef.of(b"")}, "body-empty"),
        ({"payload": PayloadRef.of(b"x" * (1024 * 1024 + 1))}, "body-too-large"),
        ({"payload": PayloadRef(sha256="0" * 64, size=769 * 1024 * 1024)}, "body-too-large"),
        ({"content_type": "text/html"}, "content-type-unsupported"),
        ({"content_type": CLAIM_TYPE}, "claim-invalid"),
        ({"expires": "tomorrow"}, "expires-invalid"),
        ({"expires": "2026-03-04T04:00:00Z"}, "expires-invalid"),
        ({"expires": "2026-05-04T04:00:00Z"}, "expires-invalid"),
        ({"expires": "2026-03-05T04:00:00"}, "expires-invalid"),
        ({"expires": "2026-99-05T04:00:00Z"}, "expires-invalid"),
    ],
)
def test_a_message_of_the_wrong_form_is_turned_away(changes, reason):
    answer = turned(b.an_arrival(**changes))
    assert answer.refusal.reason == reason
    assert answer.party == b.a_party()


def test_a_locked_sender_is_told():
    answer = turned(b.an_arrival(), party=b.a_party(is_locked=True))
    assert (answer.refusal.reason, answer.party is None) == ("party-locked", False)


def test_nobody_is_told_where_a_client_speaks_for_another():
    answer = turned(b.an_arrival(), client=b.a_client(b.DEPARTMENT))
    assert (answer.refusal.reason, answer.party) == ("not-authorised", None)


def test_nobody_is_told_where_the_sender_is_unknown():
    answer = turned(b.an_arrival(), party=Unknown(code=OrganCode("X")))
    assert (answer.refusal.reason, answer.party) == ("party-unknown", None)


def test_a_client_that_was_struck_off_may_not_act():
    answer = receive.admit(b.an_arrival(), None, b.a_party(), POLICY, b.NOON)
    assert isinstance(answer, receive.Turned)
    assert answer.refusal.reason == "not-authorised"


def test_a_partys_own_limit_counts_below_the_general_one():
    assert (
        turned(b.an_arrival(body=b"x" * 11), party=b.a_party(max_bytes=10)).refusal.reason == "body-too-large"
    )


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-05T00:00:00+07:00", "2026-03-04T17:00:00+00:00"),
        ("2026-03-05t00:00:00z", "2026-03-05T00:00:00+00:00"),
        ("2026-04-03T05:00:00Z", "2026-04-03T05:00:00+00:00"),
    ],
)
def test_an_expiry_is_an_rfc_3339_instant_at_most_thirty_days_ahead(text, at):
    expires = receive.expiry(text, POLICY, b.NOON)
    assert expires is not None
    assert expires.isoformat() == at


@pytest.mark.parametrize(
    "text",
    [
        "Mật",
        "MẬT",
        " mật ",
        "Tối mật",
        "TUYỆT  MẬT",
        "Công văn (Mật)",
        "Công văn - MẬT",
        "Tối mật/Hỏa tốc",
        "[TỐI MẬT] Về việc điều động",
        "Về việc điều động\nMẬT",
        "Kế hoạch — Tuyệt mật",
        "Quyết định (\u200bMật)",
        unicodedata.normalize("NFD", "Công văn (Mật)"),
        "MẬT.",
        "“Mật”",
        "Về việc A\u2028Mật",
        "M Ậ T",
        "T Ố I  M Ậ T",
        "ＭẬＴ",
        "（ＴỐＩ\u3000ＭẬＴ）",
        "Tờ trình\u00a0(Mật)",
        "tuyệt\u2800mật",
        "Tối\u3164Mật",
        "M\u00adậ\u2060t",
        "Ma\u034f\u0323\u0302t\ufe0f",
        "МẬТ",  # the first and the last letter are Cyrillic
        "Kế hoạch 【Mật】",
        "Kế hoạch〔Tối mật〕",
        "Công văn ∕ Mật",
        "Công văn–Mật–Khẩn",
        "*** MẬT ***",
        "«Mật»",
        "Mật\x0bKhẩn",
        "Độ khẩn|Mật",
    ],
)
def test_a_mark_that_stands_alone_is_a_state_secret(text):
    assert receive.is_secret(text, Acceptance().secrecy_marks)


def test_no_text_takes_long_to_look_at():
    """Promise 6: a header's 256 KiB of whatever costs most."""
    marks = "a" + "\u0323\u0302" * 20_000  # Python's own NFC: 2 s; for a whole header 18 s
    for text in (marks, "(M" * 130_000, "ﷺ" * 87_000, "a\u0302\u0323" * 52_000):
        began = time.thread_time()
        assert not receive.is_secret(text, Acceptance().secrecy_marks)
        assert time.thread_time() - began < 0.1
    began = time.thread_time()
    assert normalised(marks) == marks
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Báo cáo mật độ dân số",
        "Luật Bảo vệ bí mật nhà nước",
        "Bí mật",
        "Mật ong rừng Tây Ninh",
        "Về việc giải mật tài liệu",
        "Quy chế bảo mật (an toàn thông tin)",
        "Thường",
        "Mật độ (dân số)",
        "Cơ mật - viện",
        "Về việc mật danh/bí danh",
        "Từ “mật” trong văn bản",
        "Mắt",
        "Tôi mặt",
        "Mat",
        "Mát",
    ],
)
def test_a_word_that_merely_contains_a_mark_is_none(text):
    assert not receive.is_secret(text, Acceptance().secrecy_marks)


@pytest.mark.parametrize("name", ["type_name", "sphere", "subject"])
def test_each_of_the_three_fields_counts_unless_configured_otherwise(name):
    refusal = receive.screen(b.marks(**{name: "Mật"}), Acceptance())
    assert refusal is not None
    assert refusal.reason == "state-secret"
    assert "Mật" not in refusal.detail, "the finding names the field, never its text"
    others = frozenset(SecrecyField) - {SecrecyField(name.replace("_", "-"))}
    assert receive.screen(b.marks(**{name: "Mật"}), Acceptance(secrecy_fields=others)) is None


def _admitted():
    answer = receive.admit(b.an_arrival(), b.a_client(), b.a_party(), POLICY, b.NOON)
    assert isinstance(answer, receive.Admitted)
    return answer


def test_the_envelopes_own_sender_must_be_the_party():
    other = receive.identify(b.marks(), b.a_party(b.DEPARTMENT), _admitted(), None)
    assert isinstance(other, Refusal)
    assert other.reason == "sender-mismatch"
    assert receive.identify(b.marks(), b.a_party(), _admitted(), Kind.EDOC) is None


def test_routing_key_and_content_must_be_of_one_kind():
    refusal = receive.identify(b.marks(), b.a_party(), _admitted(), Kind.STATUS)
    assert refusal is not None
    assert refusal.reason == "kind-mismatch"


@pytest.mark.parametrize(
    ("priority", "lane", "decided"),
    [
        (Priority.EXPRESS, False, Priority.EXPRESS),
        (Priority.ORDINARY, True, Priority.ORDINARY),
        (None, True, Priority.URGENT),
        (None, False, Priority.ORDINARY),
    ],
)
def test_the_envelope_decides_on_urgency_and_where_it_is_silent_the_lane(priority, lane, decided):
    assert receive.urgency(b.an_arrival(is_urgent=lane), b.marks(priority=priority)) is decided


def _turn(arrival, *, uses_id):
    return receive.turn_away(
        arrival,
        PartyKey(b.PROVINCE),
        Refusal(reason="state-secret"),
        kind=Kind.EDOC,
        realm=Realm("H53"),
        document=DocumentId("d"),
        policy=POLICY,
        uses_id=uses_id,
        now=b.NOON,
    )


def test_a_refusal_keeps_no_payload():
    assert _turn(b.an_arrival(), uses_id=True).payload is None


def test_a_refusal_of_the_message_does_not_use_its_id_up():
    assert _turn(b.an_arrival(), uses_id=True).slot == ""
    assert _turn(b.an_arrival(), uses_id=False).slot.startswith("state-secret:")


def test_a_message_without_id_is_known_by_its_digest():
    arrival = replace(b.an_arrival(), message_id=None)
    assert _turn(arrival, uses_id=False).message_id == f"sha256:{arrival.payload.sha256}"
