"""What travels between the gateway and its judging processes arrives as it was sent."""

from __future__ import annotations

import pytest

from adapters.inspection.judge import Options, judge
from adapters.inspection.processes import wire
from gateway.model.policy import Acceptance, Attitude
from tests.inspection.files import signed_and_sealed


def test_an_inspection_comes_back_the_same() -> None:
    inspection = judge(signed_and_sealed(), Options(), name="văn bản.pdf")
    assert wire.decode_inspection(wire.encode_inspection(inspection)) == inspection


def test_orders_and_bounds_come_back_the_same() -> None:
    policy = Acceptance(
        untrusted_signer=Attitude.REFUSE,
        active_content=Attitude.WARN,
        xfa=Attitude.WARN,
        external_content=Attitude.WARN,
        embedded_files=Attitude.REFUSE,
        hidden_content=Attitude.REFUSE,
        max_pages=7,
        max_bytes=8,
    )
    assert wire.decode_order(wire.encode_order("văn bản.pdf", policy)) == ("văn bản.pdf", policy)
    bounds = wire.Bounds(
        memory_bytes=7,
        trust="/r",
        revocations="/c",
        unsafe_accept_any_signer=True,
        tasks=3,
    )
    assert wire.Bounds.decoded(bounds.encoded()) == bounds


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b'{"verdict": "splendid"}', b"[" * 100_000, b"\x80\x04N.", b"null"]
)
def test_an_answer_that_is_none_is_an_error_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        wire.decode_inspection(raw)
