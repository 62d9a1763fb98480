"""Errors as problem documents."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import structlog
from aiohttp import web

from adapters.http import problem
from gateway.errors import Refused, Unavailable, WrongStep
from schemas import reasons
from tests.http.conftest import Caller
from tests.http.contract import Contract
from tests.http.world import PROVINCE, Tables, bearer


def told(response: web.Response) -> dict[str, object]:
    assert isinstance(response.body, bytes)
    document: dict[str, object] = json.loads(response.body)
    return document


@pytest.mark.parametrize("code", sorted(reasons()))
def test_every_reason_makes_a_problem_of_its_own_status(contract: Contract, code: str) -> None:
    response = problem.of_reason(code)
    document = told(response)
    contract.validate({"$ref": "#/components/schemas/Problem"}, document)
    assert (document["reason"], document["title"]) == (code, reasons()[code].vi)
    expected = reasons()[code].http
    assert response.status == document["status"] == (expected if expected >= 400 else 422)


def test_a_refusals_detail_is_for_the_peer_and_bounded() -> None:
    assert told(problem.of(Refused("claim-invalid", "href")))["detail"] == "href"
    assert len(str(told(problem.of(Refused("claim-invalid", "x" * 10_000)))["detail"])) == 500
    assert "detail" not in told(problem.of(Refused("claim-invalid")))


def test_the_detail_of_what_is_away_stays_in_the_log_under_a_reference() -> None:
    with structlog.testing.capture_logs() as logs:
        document = told(problem.of(Unavailable("store-away", "/var/lib/secret.db is locked")))
    assert "secret" not in json.dumps(document)
    (line,) = logs
    assert line["reference"] == document["reference"]
    assert document["instance"] == f"urn:vanthu:reference:{document['reference']}"
    assert line["detail"] == "/var/lib/secret.db is locked"


@pytest.mark.parametrize("bug", [RuntimeError("password=hunter2"), WrongStep("hand-over: no"), KeyError("x")])
def test_our_bugs_are_internal_and_show_a_reference_alone(bug: Exception) -> None:
    with structlog.testing.capture_logs() as logs:
        response = problem.of(bug)
    assert response.status == 500
    assert told(response)["reason"] == "internal"
    assert str(bug) not in json.dumps(told(response))
    assert logs[0]["reference"] == told(response)["reference"]
    assert logs[0]["exc_info"] is bug


def test_a_reason_that_nobody_wrote_down_is_our_bug() -> None:
    with structlog.testing.capture_logs() as logs:
        assert told(problem.of(Refused("no-such-code")))["reason"] == "internal"
    assert logs[0]["reason"] == "no-such-code"


@pytest.mark.parametrize(("hint", "seconds"), [(None, "5"), (0.2, "1"), (1.5, "2"), (60, "60")])
def test_what_may_be_tried_again_says_when(hint: float | None, seconds: str) -> None:
    after = None if hint is None else timedelta(seconds=hint)
    for reason, status in (("draining", 503), ("too-busy", 429)):
        response = problem.of(Unavailable(reason, retry_after=after))
        assert (response.status, response.headers["Retry-After"]) == (status, seconds)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "vi"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("vi,en;q=0.9", "vi"),
        ("en;q=0.5, vi-VN", "vi"),
        ("fr", "vi"),
        ("*", "vi"),
        ("en;q=0", "vi"),
        ("vi;q=0, *", "en"),
        ("en;q=x", "vi"),
        (",;=;;q=1," * 1000, "vi"),
    ],
)
def test_the_title_is_vietnamese_unless_english_is_preferred(header: str, language: str) -> None:
    response = problem.of(Refused("not-found"), language=header)
    entry = reasons()["not-found"]
    assert response.headers["Content-Language"] == language
    assert told(response)["title"] == (entry.en if language == "en" else entry.vi)
    assert told(response)["title_en"] == entry.en


async def test_unknown_paths_and_methods_are_problems(caller: Caller) -> None:
    response, body = await caller.ask("GET", "/v2/inbox")
    assert (response.status, json.loads(body)["reason"]) == (404, "not-found")
    response, body = await caller.ask("DELETE", "/v1/inbox", headers=bearer(PROVINCE))
    assert (response.status, json.loads(body)["reason"]) == (405, "method-not-allowed")
    assert response.headers["Allow"] == "GET"


async def test_a_bug_behind_a_route_is_internal_and_the_server_goes_on(
    caller: Caller, tables: Tables
) -> None:
    document = tables.put_document()
    tables.trouble = ZeroDivisionError("secret detail")
    response, body = await caller.ask("GET", f"/v1/documents/{document}", headers=bearer(PROVINCE))
    assert (response.status, json.loads(body)["reason"]) == (500, "internal")
    assert b"secret" not in body
    tables.trouble = None
    response, _ = await caller.ask("GET", f"/v1/documents/{document}", headers=bearer(PROVINCE))
    assert response.status == 200
    assert response.headers["Server"] == "vanthu"
