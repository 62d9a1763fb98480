"""``openapi.yaml`` and the running service say the same."""

from __future__ import annotations

import re

from jsonschema import Draft202012Validator

from schemas import reasons
from tests.http.conftest import Caller
from tests.http.contract import Contract
from tests.http.world import COMMUNE, EDXML, PROVINCE, Tables, bearer


def test_every_route_is_in_the_contract_and_the_reverse(caller: Caller, contract: Contract) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in caller.server.routes()
        if route.resource is not None
    }
    assert routes == contract.operations()


def test_every_reason_that_the_contract_names_exists(contract: Contract) -> None:
    told = set()
    for answer in contract.document["components"]["responses"].values():
        told |= set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", answer["description"]))
    for path in contract.document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                told |= set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", answer.get("description", "")))
    assert len(told) > 20
    assert told - {"not-ready"} <= set(reasons())


def test_a_reasons_status_is_one_that_the_contract_has_for_it(contract: Contract) -> None:
    for name, answer in contract.document["components"]["responses"].items():
        statuses = {
            status
            for path in contract.document["paths"].values()
            for operation in path.values()
            for status, named in operation["responses"].items()
            if named.get("$ref", "").endswith(f"/{name}")
        }
        for code in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", answer["description"]):
            assert str(reasons()[code].http) in statuses, f"{code} under {name}"


def test_all_schemas_are_schemas_and_all_references_lead_somewhere(contract: Contract) -> None:
    for schema in contract.document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in re.findall(r'\$ref: "(#[^"]+)"', contract.text):
        assert contract.resolved({"$ref": reference})


def test_every_operation_is_described_and_named_once(contract: Contract) -> None:
    operations = [operation for path in contract.document["paths"].values() for operation in path.values()]
    assert all(operation["summary"] and operation["tags"] for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)


def test_path_parameters_are_those_of_the_path(contract: Contract) -> None:
    for path, item in contract.document["paths"].items():
        for operation in item.values():
            parameters = [contract.resolved(p) for p in operation.get("parameters", [])]
            named = {p["name"] for p in parameters if p["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))


async def test_every_operation_asks_for_a_token_unless_the_contract_frees_it(
    caller: Caller, contract: Contract
) -> None:
    for method, path in contract.operations():
        operation = contract.document["paths"][path][method.lower()]
        is_free = operation.get("security") is not None
        concrete = re.sub(r"\{\w+\}", "1", path)
        response, _ = await caller.ask(method, concrete)
        assert (response.status == 401) is not is_free, path


async def test_a_whole_day_of_a_commune_is_as_the_contract_says(caller: Caller, tables: Tables) -> None:
    """Every good answer passes the schema; ``Caller.ask`` checks each."""
    item = tables.put_item()
    inbox = f"/v1/inbox/{item.id}"
    commune, province = bearer(COMMUNE), bearer(PROVINCE)
    keyed = {**province, "Idempotency-Key": "k-1"}
    response, _ = await caller.ask("POST", "/v1/submissions", headers=keyed, data=EDXML)
    assert response.status == 202
    response, _ = await caller.ask("POST", "/v1/uploads", headers=province, data=EDXML)
    assert response.status == 201
    download = response.headers["Location"]
    document = f"/v1/documents/{item.document}"
    evidence = next(e.id for e in tables.evidence.values() if e.document == item.document)
    for path, who in (
        (download, province),
        ("/v1/inbox", commune),
        (f"{inbox}/content", commune),
        (document, province),
        (document, commune),
        (f"{document}/evidence", province),
        (f"/v1/evidence/{evidence}", province),
        ("/v1/organs", commune),
        ("/healthz", {}),
        ("/readyz", {}),
        ("/metrics", {}),
    ):
        response, _ = await caller.ask("GET", path, headers=who)
        assert response.status == 200, path
    response, _ = await caller.ask("POST", f"{inbox}/lock", headers=commune)
    assert response.status == 200
    lock = tables.items[COMMUNE, item.id].lock
    response, _ = await caller.ask("POST", f"{inbox}/acknowledge", headers=commune, json={"lock": lock})
    assert response.status == 204
