"""``schemas/openapi.yaml`` as a judge of answers."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import aiohttp
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from schemas import read, reasons

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


class Contract:
    """The contract, and which of its answers were seen."""

    def __init__(self) -> None:
        self.text = read("openapi.yaml").decode()
        self.document: dict[str, Any] = yaml.safe_load(self.text)
        self._patterns = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in self.document["paths"]
        ]

    def operations(self) -> set[tuple[str, str]]:
        """Every (method, path) that the contract names."""
        return {
            (method.upper(), path)
            for path, item in self.document["paths"].items()
            for method in item
            if method in METHODS
        }

    def check(self, method: str, path: str, response: aiohttp.ClientResponse, body: bytes) -> None:
        """Fail where the contract has no such answer.  What it does not route must be a 404 or 405."""
        bare = path.partition("?")[0]
        template = next((name for pattern, name in self._patterns if pattern.fullmatch(bare)), None)
        operation = self.document["paths"].get(template, {}).get(method.lower())
        if operation is None:
            assert response.status in (404, 405), f"{method} {path} is not in the contract"
            self.check_problem(response.status, response.content_type, body)
            return
        answers = operation["responses"]
        assert str(response.status) in answers, (
            f"{method} {template}: {response.status} is not in the contract"
        )
        answer = self.resolved(answers[str(response.status)])
        for name, header in answer.get("headers", {}).items():
            if self.resolved(header).get("required") or name in ("Location", "Retry-After", "Repr-Digest"):
                assert name in response.headers, f"{method} {template} {response.status}: no {name}"
        content = answer.get("content")
        if content is None:
            assert body == b""
            return
        assert response.content_type in content
        if response.content_type.endswith("json"):
            self.validate(content[response.content_type]["schema"], json.loads(body))
        if response.content_type == "application/problem+json":
            self.check_problem(response.status, response.content_type, body)

    def check_problem(self, status: int, content_type: str, body: bytes) -> None:
        """Fail where the answer is no problem document of this status with a known reason."""
        assert content_type == "application/problem+json"
        problem = json.loads(body)
        self.validate({"$ref": "#/components/schemas/Problem"}, problem)
        assert problem["status"] == status
        assert problem["reason"] in reasons()
        assert problem["type"] == f"urn:vanthu:reason:{problem['reason']}"

    def validate(self, schema: dict[str, Any], value: object) -> None:
        """Fail where *value* is not as *schema* says."""
        whole = {**schema, "components": self.document["components"]}
        Draft202012Validator(whole, format_checker=FormatChecker()).validate(value)

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        """*node*, or what its ``$ref`` leads to."""
        while "$ref" in node:
            found: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = cast("dict[str, Any]", found)
        return node
