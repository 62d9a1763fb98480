"""Promise 8: a claim opens what it was issued for, to whom it was issued, and nothing else."""

from __future__ import annotations

import pytest

from gateway.errors import Refused
from gateway.model.claim import path_of, resolve
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef

SECRET = b"secret"
PARTY = PartyKey("000.00.13.H53")
REF = PayloadRef(sha256="ab" * 32, size=1000)
PATH = path_of(SECRET, PARTY, REF)


@pytest.mark.parametrize("host", ["", "http://127.0.0.1:8000", "https://elsewhere.example:1/"])
def test_a_claim_names_its_party_and_its_bytes_whatever_the_host(host: str) -> None:
    assert resolve(SECRET, host.rstrip("/") + PATH) == (PARTY, REF)


@pytest.mark.parametrize(
    "made_up",
    [
        PATH.replace("000.00.13.H53", "000.00.14.H53"),
        PATH.replace("ab" * 32, "cd" * 32),
        PATH.replace("/1000/", "/1001/"),
        PATH[:-1] + ("0" if PATH[-1] != "0" else "1"),
        PATH[:-1],
        PATH.rpartition("/")[0] + "/",
        PATH.rpartition("/")[0],
        PATH.replace("/v1/payloads/", "/v1/documents/"),
        path_of(b"another secret", PARTY, REF),
        "http://[",
        "",
    ],
)
def test_a_claim_that_we_did_not_issue_opens_nothing(made_up: str) -> None:
    with pytest.raises(Refused, match="claim-invalid"):
        resolve(SECRET, made_up)


def test_a_party_whose_code_has_odd_letters_keeps_its_claim() -> None:
    odd = PartyKey("a/b ?#Đ")
    assert resolve(SECRET, path_of(SECRET, odd, REF)) == (odd, REF)
