"""The examples of ``asyncapi.yaml``: what vendors copy must be right by our own schemas."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
import yaml
from lxml import etree

from schemas import read, reasons

CONTRACT: Mapping[str, Any] = yaml.safe_load(read("asyncapi.yaml"))
MESSAGES: Mapping[str, Any] = CONTRACT["components"]["messages"]
EXAMPLES = [
    pytest.param(name, example, id=f"{name}-{example['name']}")
    for name, message in MESSAGES.items()
    for example in message["examples"]
]
STRICT = {"edxml": "edxml.xsd", "evidence": "evidence.xsd"}


def test_every_channel_shows_a_whole_message() -> None:
    for channel, described in CONTRACT["channels"].items():
        shown = [one for message in described["messages"].values() for one in found(message)["examples"]]
        assert shown, channel
        assert all(example["payload"] for example in shown), channel


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_fits_the_schemas_beside_it(name: str, example: Mapping[str, Any]) -> None:
    message = MESSAGES[name]
    fits(example["headers"], message["headers"])
    properties = message["x-amqp-examples"][example["name"]]
    fits(properties, message["x-amqp-properties"])
    assert properties["content_type"] == message["contentType"]
    fits(example["payload"], message["payload"])


@pytest.mark.parametrize(
    ("name", "example"),
    [p for p in EXAMPLES if isinstance(p.values[1]["payload"], str)],  # type: ignore[index]
)
def test_an_example_is_valid_by_the_strict_form(name: str, example: Mapping[str, Any]) -> None:
    schema = MESSAGES[name]["payload"]["$ref"].rpartition("/")[2]
    etree.XMLSchema(etree.fromstring(read(STRICT[schema]))).assertValid(parsed(example))


def test_a_digest_in_an_example_is_that_of_its_payload() -> None:
    for name in ("delivery", "deliveryClaim"):
        for example in MESSAGES[name]["examples"]:
            payload = example["payload"]
            sha256 = payload["sha256"] if isinstance(payload, dict) else digest(payload)
            assert example["headers"]["vanthu-sha256"] == sha256
    (submitted, *_) = MESSAGES["submission"]["examples"]
    for example in MESSAGES["receipt"]["examples"]:
        told = parsed(example).find("{*}UserContentInfo")
        assert told is not None
        assert told.findtext("{*}Digest") == digest(submitted["payload"])
        assert told.findtext("{*}Size") == str(len(submitted["payload"].encode()))


def test_what_a_receipts_headers_say_is_what_its_evidence_says() -> None:
    message = MESSAGES["receipt"]
    for example in message["examples"]:
        evidence, headers = parsed(example), example["headers"]
        properties = message["x-amqp-examples"][example["name"]]
        assert str(evidence.findtext("{*}ERDSEventId")).endswith("/" + headers["vanthu-event"])
        assert evidence.findtext("{*}EvidenceIdentifier") == properties["message_id"]
        assert evidence.findtext("{*}MessageIdentifier") == properties["correlation_id"]
        assert evidence.findtext("{*}EvidenceRefersToRecipient") == headers.get("vanthu-recipient")
        assert evidence.findtext(".//{*}Sequence") == str(headers["vanthu-sequence"])
        assert evidence.findtext(".//{*}EventReason/{*}Code") == headers.get("vanthu-reason")


def test_reasons_that_the_contracts_name_are_reasons_that_there_are() -> None:
    told = CONTRACT["info"]["description"] + "".join(
        str(c["description"]) for c in CONTRACT["channels"].values()
    )
    named = {word for word in told.split("`")[1::2] if "-" in word and word.islower() and "." not in word}
    named = {word for word in named if not word.startswith(("vanthu-", "x-"))}
    assert named
    assert named <= reasons().keys()


def parsed(example: Mapping[str, Any]) -> Any:
    return etree.fromstring(example["payload"].encode())


def digest(payload: str) -> str:
    return hashlib.sha256(payload.encode()).hexdigest()


def found(reference: Mapping[str, Any]) -> Any:
    at: Any = CONTRACT
    for part in reference["$ref"].removeprefix("#/").split("/"):
        at = at[part]
    return at


def fits(instance: object, reference: Mapping[str, Any]) -> None:
    schema = {"components": CONTRACT["components"], **found(reference)}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(instance)


# --- openapi.yaml -------------------------------------------------------------------------------------

OPENAPI: Mapping[str, Any] = yaml.safe_load(read("openapi.yaml"))


@pytest.mark.parametrize("name", [n for n, s in OPENAPI["components"]["schemas"].items() if "examples" in s])
def test_an_example_of_the_http_contract_fits_its_schema(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": OPENAPI["components"]}
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    for example in OPENAPI["components"]["schemas"][name]["examples"]:
        validator.validate(example)


def test_the_status_in_the_http_contract_is_the_one_of_the_amqp_contract() -> None:
    content = OPENAPI["paths"]["/v1/submissions"]["post"]["requestBody"]["content"]["application/xml"]
    (example, *_) = MESSAGES["statusReport"]["examples"]
    assert content["examples"]["status"]["value"] == example["payload"]
