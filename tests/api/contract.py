"""The served OpenAPI document as a judge of answers: is the status documented, do the headers and the body fit?"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import httpx2
from jsonschema_rs import Draft202012Validator

Json: TypeAlias = dict[str, Any]

METHOD_NOT_ALLOWED = 405
"""Answered where there is no operation, so that none documents it."""


class Operation(NamedTuple):
    method: str
    path: str
    said: Json


class Contract:
    """What the document promises."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.seen: set[tuple[str, int]] = set()
        self._patterns = [(self._pattern(each.path), each) for each in self.operations()]
        self._validator = cache(self._make_validator)

    def operations(self) -> Iterator[Operation]:
        for path, methods in self.document["paths"].items():
            for method, said in methods.items():
                yield Operation(method.upper(), path, said)

    def check(self, response: httpx2.Response) -> None:
        """An AssertionError when an answer breaks a promise."""
        response.read()
        operation = self._operation_of(response.request)
        assert response.headers["x-request-id"]
        if operation is None or response.status_code == METHOD_NOT_ALLOWED:
            assert response.status_code in (404, METHOD_NOT_ALLOWED), f"{response.request.url} is not documented"
            return
        self.seen.add((operation.said["operationId"], response.status_code))
        documented = operation.said["responses"].get(str(response.status_code))
        assert documented is not None, f"{operation.said['operationId']} answers {response.status_code} {response.text}"
        self.check_answer(self.resolved(documented), response)

    def check_answer(self, documented: Json, response: httpx2.Response) -> None:
        for name, header in documented.get("headers", {}).items():
            self._check_header(self.resolved(header), response.headers.get(name), name)
        content = response.headers["content-type"]
        schema = documented["content"][content]["schema"]
        if response.request.method == "HEAD":
            assert response.content == b""
            return
        self.check_value(schema, response.json() if "json" in content.partition("/")[2].split("+") else response.text)

    def check_value(self, schema: Json, value: Any) -> None:
        problems = [f"{each.instance_path}: {each.message[:300]}" for each in self.validator(schema).iter_errors(value)]
        assert not problems, f"{problems} in {str(value)[:1_000]}"

    def _check_header(self, header: Json, given: str | None, name: str) -> None:
        if given is None:
            assert not header.get("required"), f"no {name}"
            return
        value: Any = int(given) if header["schema"].get("type") == "integer" else given
        assert self.validator(header["schema"]).is_valid(value), f"{name}: {given}"

    def validator(self, schema: Json) -> Draft202012Validator:
        """Judges JSON values by a schema of the document."""
        return self._validator(json.dumps(schema))

    def _make_validator(self, schema: str) -> Draft202012Validator:
        whole = {**json.loads(schema), "components": self.document["components"]}
        return Draft202012Validator(whole, validate_formats=True)

    def resolved(self, said: Json) -> Json:
        """What stands behind a reference."""
        if "$ref" not in said:
            return said
        found: Any = self.document
        for step in said["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return self.resolved(found)

    def _operation_of(self, request: httpx2.Request) -> Operation | None:
        method = "GET" if request.method == "HEAD" else request.method
        path = request.url.path.removeprefix("/api")
        found = [each for pattern, each in self._patterns if pattern.fullmatch(path)]
        return next((each for each in found if each.method == method), None)

    @staticmethod
    def _pattern(path: str) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", path))
