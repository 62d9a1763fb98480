"""Alive, ready, counted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.http.metrics import Metrics, clear
from gateway.errors import Unavailable
from tests.http.conftest import Caller, Serve
from tests.http.world import COMMUNE, PARTS, PROVINCE, Tables, bearer


async def test_a_gateway_whose_parts_are_all_well_is_ready(caller: Caller) -> None:
    response, body = await caller.ask("GET", "/readyz")
    assert (response.status, json.loads(body)) == (
        200,
        {"status": "ready", "parts": dict.fromkeys(PARTS, "ok")},
    )


async def test_one_part_that_is_not_well_makes_it_not_ready_and_says_why(
    caller: Caller, tables: Tables
) -> None:
    tables.health["signing"] = "the evidence key does not sign"
    response, body = await caller.ask("GET", "/readyz")
    assert response.status == 503
    told = json.loads(body)
    assert told["status"] == "not-ready"
    assert [part for part, verdict in told["parts"].items() if verdict != "ok"] == ["signing"]
    assert list(told["parts"]) == list(PARTS)


async def test_a_part_that_is_well_may_say_something_worth_knowing(caller: Caller, tables: Tables) -> None:
    tables.health["certificates"] = told = "ok, 3 loaded; 000.00.13.H53 ends first, in 12 day(s)"
    response, body = await caller.ask("GET", "/readyz")
    assert (response.status, json.loads(body)["parts"]["certificates"]) == (200, told)


async def test_the_days_of_each_certificate_are_a_number(caller: Caller, tables: Tables) -> None:
    tables.days_left = {"000.00.13.H53": 12, "gateway": -1}
    _, body = await caller.ask("GET", "/metrics")
    assert b'vanthu_certificate_days_left{party="000.00.13.H53"} 12.0' in body
    assert b'vanthu_certificate_days_left{party="gateway"} -1.0' in body


async def test_further_parts_count_as_well(caller: Caller, tables: Tables) -> None:
    tables.health["fax"] = "out of paper"
    response, body = await caller.ask("GET", "/readyz")
    assert (response.status, json.loads(body)["parts"]["fax"]) == (503, "out of paper")


async def test_a_check_that_falls_over_is_not_ready_and_tells_nothing_of_our_inside(
    caller: Caller, tables: Tables
) -> None:
    for trouble in (Unavailable("store-away", "secret detail"), RuntimeError("secret detail")):
        tables.trouble = trouble
        response, body = await caller.ask("GET", "/readyz")
        assert response.status == 503
        assert b"secret" not in body


async def test_a_check_that_hangs_is_not_ready(serve: Serve, tables: Tables) -> None:
    caller = await serve(health_time=timedelta(milliseconds=50))
    tables.hangs = True
    response, body = await caller.ask("GET", "/readyz")
    assert (response.status, json.loads(body)["parts"]["store"]) == (503, "no answer in time")


async def test_many_who_ask_at_once_share_one_check_and_its_answer_for_a_while(
    serve: Serve, tables: Tables
) -> None:
    caller = await serve(health_age=timedelta(minutes=1))
    for _ in range(3):
        answers = await asyncio.gather(*(caller.ask("GET", "/readyz") for _ in range(20)))
        assert {response.status for response, _ in answers} == {200}
    assert tables.checks == 1


async def test_alive_says_so_whatever_else_is_wrong(caller: Caller, tables: Tables) -> None:
    tables.trouble = Unavailable("store-away")
    response, _ = await caller.ask("GET", "/healthz")
    assert response.status == 200


# --- metrics ------------------------------------------------------------------------------------------


async def test_requests_are_counted_by_route_and_never_by_what_a_client_makes_up(caller: Caller) -> None:
    for path in ("/v1/documents/a", "/v1/documents/b", "/nowhere/1", "/nowhere/2"):
        await caller.ask("GET", path, headers=bearer(PROVINCE))
    await caller.ask("PATCH", "/v1/inbox", headers=bearer(COMMUNE))
    _, body = await caller.ask("GET", "/metrics")
    lines = body.decode().splitlines()
    assert 'vanthu_http_requests_total{method="GET",route="/v1/documents/{id}",status="404"} 2.0' in lines
    assert 'vanthu_http_requests_total{method="other",route="other",status="404"} 2.0' in lines
    assert 'vanthu_http_requests_total{method="other",route="other",status="405"} 1.0' in lines
    assert "nowhere" not in body.decode()
    assert "PATCH" not in body.decode()


async def test_work_is_counted_when_asked_and_its_absence_hides_nothing_else(
    caller: Caller, tables: Tables
) -> None:
    _, body = await caller.ask("GET", "/metrics")
    assert b'vanthu_work_waiting{kind="document"} 3.0' in body
    tables.trouble = Unavailable("store-away")
    response, body = await caller.ask("GET", "/metrics")
    assert response.status == 200
    assert b"vanthu_http_requests_total" in body


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_without_a_token_nobody_sees_the_numbers_through_a_proxy(caller: Caller, header: str) -> None:
    response, _ = await caller.ask("GET", "/metrics", headers={header: "127.0.0.1"})
    assert response.status == 404


async def test_a_configured_token_is_asked_for_on_loopback_too(serve: Serve) -> None:
    caller = await serve(metrics_token_sha256=sha256(b"watch").hexdigest())
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer guess"}, 401),
        (bearer(PROVINCE), 401),
        ({"Authorization": "Bearer watch"}, 200),
        ({"Authorization": "Bearer watch", "X-Forwarded-For": "203.0.113.1"}, 200),
    ):
        response, _ = await caller.ask("GET", "/metrics", headers=headers)
        assert response.status == status


async def test_every_number_has_its_name() -> None:
    metrics = Metrics()
    metrics.document("refused", "state-secret")
    metrics.hand_over("amqp", "not-now", "queue-full")
    metrics.receipt("SubmissionAcceptance")
    metrics.stage("validate", 0.004)
    metrics.certificate_days_left({"000.00.13.H53": 41})
    metrics.work_waiting({"delivery": 7})
    metrics.purged({"content": 2}, {"content": 3}, 4, 500, datetime(2016, 3, 4, tzinfo=UTC))
    await metrics.exposition()
    text = (await metrics.exposition()).decode()  # asked twice, counted once
    for line in (
        'vanthu_documents_total{outcome="refused",reason="state-secret"} 1.0',
        'vanthu_handovers_total{link="amqp",outcome="not-now",reason="queue-full"} 1.0',
        'vanthu_receipts_total{event="SubmissionAcceptance"} 1.0',
        'vanthu_stage_seconds_bucket{le="0.005",stage="validate"} 1.0',
        'vanthu_certificate_days_left{party="000.00.13.H53"} 41.0',
        'vanthu_purged_total{what="content"} 2.0',
        'vanthu_purged_total{what="payloads"} 4.0',
        "vanthu_purged_bytes_total 500.0",
        'vanthu_purge_kept{what="content"} 3.0',
        "vanthu_purge_last_run_timestamp_seconds 1.4570496e+09",
        'vanthu_work_waiting{kind="delivery"} 7.0',
    ):
        assert line in text.splitlines()


_WORKER = """
import asyncio
from adapters.http.metrics import Metrics
metrics = Metrics()
metrics.document("accepted")
metrics.work_waiting({"document": 5})
print(asyncio.run(metrics.exposition()).decode())
"""


def test_workers_count_together(tmp_path: Path) -> None:
    """Each worker is a process; whoever is asked answers for all."""
    (tmp_path / "counter_1.db").write_bytes(b"of a former life")
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == []
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for count in (1, 2):
        done = subprocess.run(
            [sys.executable, "-c", _WORKER],
            env=environment,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert f'vanthu_documents_total{{outcome="accepted",reason=""}} {count}.0' in done.stdout
        assert 'vanthu_work_waiting{kind="document"} 5.0' in done.stdout
