"""Who may come in, and for whom: tokens, organs, and what a party sees of others."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from adapters.memory import MemoryDirectory
from gateway.model.change import Relation
from gateway.model.envelope import Business
from gateway.model.handover import ItemType
from gateway.model.ids import DocumentId, OrganCode, PartyKey
from gateway.model.journey import HandOverState
from gateway.model.party import CodeValidity
from tests.http.conftest import Caller, Serve
from tests.http.world import (
    COMMUNE,
    DEPARTMENT,
    EDXML,
    PROVINCE,
    STRANGER,
    Tables,
    a_client,
    a_directory,
    a_party,
    bearer,
)


async def reason(caller: Caller, method: str, path: str, **more: object) -> tuple[int, str]:
    response, body = await caller.ask(method, path, **more)
    return response.status, json.loads(body)["reason"]


# --- tokens -------------------------------------------------------------------------------------------


async def test_without_a_token_the_answer_asks_for_one(caller: Caller) -> None:
    response, body = await caller.ask("GET", "/v1/inbox")
    assert (response.status, json.loads(body)["reason"]) == (401, "token-missing")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="vanthu"'


@pytest.mark.parametrize("authorization", ["Basic dTpw", "Bearer", "Bearer  ", "token-x"])
async def test_another_scheme_is_no_token(caller: Caller, authorization: str) -> None:
    headers = {"Authorization": authorization}
    assert await reason(caller, "GET", "/v1/inbox", headers=headers) == (401, "token-missing")


@pytest.mark.parametrize(
    "token", ["wrong", f"token-{PROVINCE} x", f"token-{PROVINCE}x", "token-mute", "é" * 50]
)
async def test_a_wrong_token_is_told_so(caller: Caller, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    response, body = await caller.ask("GET", "/v1/inbox", headers=headers)
    assert (response.status, json.loads(body)["reason"]) == (401, "token-wrong")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


async def test_a_clients_digest_is_no_token(caller: Caller) -> None:
    """Who steals the clients file can't come in with what stands in it."""
    digest = sha256(f"token-{PROVINCE}".encode()).hexdigest()
    headers = {"Authorization": f"Bearer {digest}"}
    assert await reason(caller, "GET", "/v1/inbox", headers=headers) == (401, "token-wrong")


async def test_the_schemes_case_does_not_matter(caller: Caller) -> None:
    response, _ = await caller.ask("GET", "/v1/inbox", headers={"Authorization": f"bearer token-{PROVINCE}"})
    assert response.status == 200


async def test_a_client_that_was_admitted_later_comes_in_and_a_changed_token_counts_at_once(
    serve: Serve,
) -> None:
    directory = a_directory()
    caller = await serve(directory)
    assert await reason(caller, "GET", "/v1/inbox", headers=bearer("new")) == (401, "token-wrong")
    directory.admit(a_client("new", PROVINCE))
    response, _ = await caller.ask("GET", "/v1/inbox", headers=bearer("new"))
    assert response.status == 200
    directory.admit(replace(a_client("new", PROVINCE), token_sha256="0" * 64))
    assert await reason(caller, "GET", "/v1/inbox", headers=bearer("new")) == (401, "token-wrong")


# --- organs -------------------------------------------------------------------------------------------


async def test_a_client_of_one_organ_need_not_name_it_and_a_client_of_several_must(
    caller: Caller, tables: Tables
) -> None:
    tables.put_item(COMMUNE)
    response, body = await caller.ask("GET", "/v1/inbox", headers=bearer(COMMUNE))
    assert (response.status, len(json.loads(body)["items"])) == (200, 1)
    assert await reason(caller, "GET", "/v1/inbox", headers=bearer("several")) == (400, "organ-missing")
    for organ, items in ((COMMUNE, 1), (DEPARTMENT, 0)):
        response, body = await caller.ask("GET", f"/v1/inbox?organ={organ}", headers=bearer("several"))
        assert (response.status, len(json.loads(body)["items"])) == (200, items)


@pytest.mark.parametrize("organ", [DEPARTMENT, "000.00.99.H53", "%00", "' OR 1=1"])
async def test_an_organ_that_is_not_the_clients_is_refused_whether_it_exists_or_not(
    caller: Caller, organ: str
) -> None:
    first = await caller.ask("GET", f"/v1/inbox?organ={organ}", headers=bearer(PROVINCE))
    assert first[0].status == 403
    other = await caller.ask("GET", f"/v1/inbox?organ={STRANGER}", headers=bearer(PROVINCE))
    assert first[1] == other[1]


async def test_both_codes_of_an_organ_name_it_and_a_mergers_client_reads_on(serve: Serve) -> None:
    two = a_party(DEPARTMENT, codes=tuple(CodeValidity(code=OrganCode(c)) for c in (DEPARTMENT, "H53.13")))
    directory = MemoryDirectory(
        [two, a_party(COMMUNE)],
        [a_client("d", DEPARTMENT), a_client("c", COMMUNE)],
        successors={PartyKey(COMMUNE): (PartyKey(DEPARTMENT), None)},
    )
    caller = await serve(directory)
    for name, organ, status in (
        ("d", "H53.13", 200),
        ("c", COMMUNE, 200),  # what came in before the merger is still its own
        ("d", COMMUNE, 200),  # the code leads to the successor, whose client this is
        ("c", "H53.13", 403),
    ):
        response, _ = await caller.ask("GET", f"/v1/inbox?organ={organ}", headers=bearer(name))
        assert response.status == status, (name, organ)


# --- what one sees of others --------------------------------------------------------------------------


async def test_another_partys_item_is_as_unknown_as_one_that_never_was(
    caller: Caller, tables: Tables
) -> None:
    item = tables.put_item(COMMUNE)
    for method, path, data in (
        ("GET", "content", None),
        ("POST", "lock", None),
        ("POST", "acknowledge", {"lock": "lock-1"}),
    ):
        foreign = await caller.ask(method, f"/v1/inbox/{item.id}/{path}", headers=bearer(STRANGER), json=data)
        unknown = await caller.ask(method, f"/v1/inbox/nothing/{path}", headers=bearer(STRANGER), json=data)
        assert foreign[0].status == unknown[0].status == 404
        assert foreign[1] == unknown[1]
    response, body = await caller.ask("GET", "/v1/inbox", headers=bearer(STRANGER))
    assert (response.status, json.loads(body)) == (200, {"items": []})


async def test_another_partys_document_is_as_unknown_as_one_that_never_was(
    caller: Caller, tables: Tables
) -> None:
    document = tables.put_document(recipients=(COMMUNE,))
    evidence = [e.id for e in tables.evidence.values() if e.document == document]
    paths = [f"/v1/documents/{document}", f"/v1/documents/{document}/evidence"]
    paths += [f"/v1/evidence/{one}" for one in evidence]
    unknown = tables.ids.document()
    for path in (
        *paths,
        f"/v1/documents/{unknown}",
        f"/v1/evidence/{unknown}",
        "/v1/documents/x",
        "/v1/evidence/x",
    ):
        assert await reason(caller, "GET", path, headers=bearer(STRANGER)) == (404, "not-found")


async def test_the_sender_sees_every_copy_and_a_recipient_its_own(caller: Caller, tables: Tables) -> None:
    document = tables.put_document(recipients=(COMMUNE, DEPARTMENT))

    async def shown(name: str) -> dict[str, object]:
        response, body = await caller.ask("GET", f"/v1/documents/{document}", headers=bearer(name))
        assert response.status == 200
        told: dict[str, object] = json.loads(body)
        return told

    def organs(told: dict[str, object], key: str, of: str) -> list[object]:
        entries = told[key]
        assert isinstance(entries, list)
        return [entry[of] for entry in entries]

    whole, own, both = await shown(PROVINCE), await shown(COMMUNE), await shown("several")
    assert organs(whole, "recipients", "organ") == [COMMUNE, DEPARTMENT]
    assert organs(whole, "timeline", "recipient") == [None, COMMUNE, DEPARTMENT]
    assert organs(whole, "evidence", "recipient") == [None, COMMUNE, DEPARTMENT]
    assert whole["message_id"] == f"m-{document}"
    assert organs(own, "recipients", "organ") == [COMMUNE]
    assert organs(own, "timeline", "recipient") == [COMMUNE]
    assert organs(own, "evidence", "recipient") == [COMMUNE]
    assert own["message_id"] is None
    assert DEPARTMENT not in json.dumps(own)
    assert organs(both, "recipients", "organ") == [COMMUNE, DEPARTMENT]


async def test_the_sender_sees_what_documents_do_to_each_other_and_a_recipient_what_is_its_own(
    caller: Caller, tables: Tables
) -> None:
    old, new = (tables.put_document(recipients=(COMMUNE, DEPARTMENT)) for _ in range(2))
    for recipient in (COMMUNE, DEPARTMENT):
        tables.relations.append(
            Relation(document=new, recipient=PartyKey(recipient), business=Business.REPLACE, other=old)
        )
    for document in (old, new):
        for name, organs in ((PROVINCE, [COMMUNE, DEPARTMENT]), (COMMUNE, [COMMUNE])):
            _, body = await caller.ask("GET", f"/v1/documents/{document}", headers=bearer(name))
            told = json.loads(body)["relations"]
            assert [one["organ"] for one in told] == organs
            assert {(one["document"], one["business"], one["other"]) for one in told} == {
                (new, "replace", old)
            }


async def test_a_recipient_reads_its_own_evidence_and_neither_the_acceptance_nor_others(
    caller: Caller, tables: Tables
) -> None:
    document = tables.put_document(recipients=(COMMUNE, DEPARTMENT))
    statuses = {}
    for record in tables.evidence.values():
        if record.document == document:
            response, body = await caller.ask("GET", f"/v1/evidence/{record.id}", headers=bearer(COMMUNE))
            statuses[record.recipient] = response.status
            assert response.status != 200 or body == record.body
    assert statuses == {None: 404, COMMUNE: 200, DEPARTMENT: 404}


async def test_a_recipient_knows_nothing_of_a_copy_that_was_never_to_be_had(
    caller: Caller, tables: Tables
) -> None:
    document = tables.put_document(recipients=(COMMUNE,), state=HandOverState.PENDING)
    path = f"/v1/documents/{document}"
    assert await reason(caller, "GET", path, headers=bearer(COMMUNE)) == (404, "not-found")
    response, _ = await caller.ask("GET", path, headers=bearer(PROVINCE))
    assert response.status == 200


async def test_a_client_of_several_may_look_with_the_eyes_of_one(caller: Caller, tables: Tables) -> None:
    document = tables.put_document(recipients=(COMMUNE,))
    path = f"/v1/documents/{document}"
    for organ, status in ((COMMUNE, 200), (DEPARTMENT, 404), (PROVINCE, 403)):
        response, _ = await caller.ask("GET", f"{path}?organ={organ}", headers=bearer("several"))
        assert response.status == status


async def test_ids_are_read_in_any_spelling(caller: Caller, tables: Tables) -> None:
    document = DocumentId(tables.put_document().upper())
    response, _ = await caller.ask("GET", f"/v1/documents/{document}", headers=bearer(PROVINCE))
    assert response.status == 200


# --- organs -------------------------------------------------------------------------------------------


async def test_organs_come_by_code_in_pages_with_what_became_of_them(serve: Serve) -> None:
    directory = MemoryDirectory(
        [a_party("A"), a_party("B", is_locked=True), a_party("C"), a_party("D")],
        [a_client("a", "A")],
        successors={PartyKey("C"): (PartyKey("A"), None)},
        gone={PartyKey("D"): None},
    )
    caller = await serve(directory)
    seen: list[tuple[str, str, str | None]] = []
    after: str | None = ""
    while after is not None:
        _, body = await caller.ask("GET", f"/v1/organs?limit=3&after={after}", headers=bearer("a"))
        page = json.loads(body)
        seen += [(entry["organ"], entry["state"], entry["successor"]) for entry in page["items"]]
        after = page["next"]
    assert seen == [
        ("A", "active", None),
        ("B", "locked", None),
        ("C", "succeeded", "A"),
        ("D", "gone", None),
    ]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "٣", "1" * 30])
async def test_a_page_has_its_bounds(caller: Caller, limit: str) -> None:
    path = f"/v1/organs?limit={limit}"
    assert await reason(caller, "GET", path, headers=bearer(PROVINCE)) == (400, "request-invalid")


def test_the_tables_of_these_tests_hold_documents_for_the_commune(tables: Tables) -> None:
    item = tables.put_item(COMMUNE)
    assert (item.type, item.size) == (ItemType.EDOC, len(EDXML))
