"""The admin API's OpenAPI document, walked: what it says of every route is so, and what no route says (another method, a
body that is no JSON, a number out of range) is refused in one form everywhere. Random data: tests/fuzz/test_admin_api.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from .plane import Plane, ask, check_problem

METHODS = ("get", "post", "put", "patch", "delete")
TOO_LARGE = 2**63
NUMBERS = (str(TOO_LARGE), str(-(2**63) - 1), "99999999999999999999", "9" * 400, "1e400", "NaN", "-1e999")


class Operation(NamedTuple):
    method: str
    path: str
    said: dict[str, Any]

    @property
    def target(self) -> str:
        """With something in each place of the path."""
        return (
            self.path.replace("{backend_type}", "openai")
            .replace("{name}", "nobody")
            .replace("{mapping_id}", "4711")
            .replace("{key_id}", "4711")
            .replace("{price_id}", "4711")
        )


@pytest.fixture(scope="module")
def document(plane: Plane) -> dict[str, Any]:
    found: dict[str, Any] = plane.good("GET", "/api/openapi.json")
    return found


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    found = [
        Operation(method.upper(), path, said)
        for path, item in document["paths"].items()
        for method, said in item.items()
        if method in METHODS
    ]
    assert len(found) > 25
    return found


def place(name: str) -> str:
    return "{" + name + "}"


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema
    while "$ref" in found:
        found = document["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return found


def body_of(document: dict[str, Any], operation: Operation) -> dict[str, Any] | None:
    said = operation.said.get("requestBody")
    if said is None or "application/json" not in said["content"]:  # a file as it is
        return None
    schema = said["content"]["application/json"]["schema"]
    for one in schema.get("anyOf", [schema]):
        if "$ref" in one:
            return resolved(document, one)
    raise AssertionError(schema)


def numbers_in(document: dict[str, Any], schema: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[Any]:
    """Where the body may have a number, also below lists and objects: the path of names to it."""
    schema = resolved(document, schema)
    for one in schema.get("anyOf", ()):
        yield from numbers_in(document, one, at)
    if schema.get("type") in ("integer", "number"):
        yield at
    for name, inner in schema.get("properties", {}).items():
        yield from numbers_in(document, inner, (*at, name))


def test_every_route_says_what_the_way_to_it_answers(operations: list[Operation]) -> None:
    """400, 401, 403, 413, 415, 422, 431 and 503 come before a route is asked, 404 from a path with nothing in its place."""
    for operation in operations:
        said = {int(status) for status in operation.said["responses"]}
        assert said >= {400, 401, 403, 413, 415, 422, 431, 503}, operation
        assert ("{" not in operation.path) or 404 in said, operation
        for status in said - {200, 201, 204}:
            content = operation.said["responses"][str(status)]["content"]
            forms = ["application/problem+json"]
            if status == 431:  # of a head that nobody could read, nobody knows whose path it is
                forms.append("application/json")
            assert list(content) == forms, operation


def test_another_method_is_405_and_names_all_there_are(plane: Plane, operations: list[Operation]) -> None:
    """It named one route's alone: `Allow: GET` where POST is taken, too."""
    there = {path: {o.method for o in operations if o.path == path} for path in {o.path for o in operations}}
    for path, methods in there.items():
        target = Operation("", path, {}).target
        if target.endswith("/test"):  # also the path of a backend that is named so
            methods = methods | {o.method for o in operations if o.path in (path[:-5], path[:-4] + "{name}")}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
            said = plane.call(method, target)
            check_problem(said, 405)
            named = {one.strip() for one in said.headers["allow"].split(",")}
            assert named >= there[path], (method, target)
            assert method not in named


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"\xff\xfe{}",
        b'{"name": "\xed\xa0\x80"}',
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"nul",
        b"\x00",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=["cut", "no UTF-8", "half a character", "deep list", "deep object", "a word", "NUL", "long number"],
)
def test_a_body_that_is_no_json_is_422_on_every_route(
    raw: bytes, plane: Plane, document: dict[str, Any], operations: list[Operation]
) -> None:
    """One that is no UTF-8 was an undocumented 400 that said `Bad Request` and nothing else."""
    for operation in operations:
        if body_of(document, operation) is not None:
            said = plane.call(operation.method, operation.target, raw)
            assert "Bad Request" not in check_problem(said, 422)["detail"]


def test_a_number_out_of_range_is_422_in_every_place(
    plane: Plane, document: dict[str, Any], operations: list[Operation]
) -> None:
    """`GET /api/usage?key_id=99999999999999999999` was a 500: SQLite takes 64 bits."""
    places = 0
    for operation in operations:
        for parameter in operation.said.get("parameters", ()):
            kinds = parameter["schema"].get("anyOf", [parameter["schema"]])
            if not {one.get("type") for one in kinds} & {"integer", "number"}:
                continue
            places += 1
            for number in NUMBERS:
                if parameter["in"] == "path":
                    target = operation.path.replace(place(parameter["name"]), number)
                else:
                    target = f"{operation.target}?{parameter['name']}={number}"
                check_problem(plane.call(operation.method, target), 422)
        body = body_of(document, operation)
        if body is None:
            continue
        for at in numbers_in(document, body):
            places += 1
            for text in (str(TOO_LARGE), "-" + "9" * 30, "1e999", "NaN", "-Infinity"):
                raw = text
                for name in reversed(at):
                    raw = f'{{"{name}": {raw}}}'
                assert at[0] in str(
                    check_problem(plane.call(operation.method, operation.target, raw.encode()), 422)
                )
    assert places > 20


def test_a_time_may_be_written_as_the_document_says(plane: Plane) -> None:
    for good in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00%2B02:00", "1767225600", "0.5"):
        assert plane.good("GET", f"/api/usage?since={good}") == []
    for bad in ("2026-01-01T00:00:00", "yesterday", "1e40", "-1e40", "NaN", "0000-00-00T00:00:00Z"):
        plane.problem("GET", f"/api/usage?until={bad}", status=422)


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "\u202e", "\U0010ffff" * 600, "%00", "’; --"])
def test_odd_characters_are_answered_on_every_route(
    text: str, plane: Plane, document: dict[str, Any], operations: list[Operation]
) -> None:
    """In each place of a path, a query and a body: never a 500."""
    quoted = quote(text.encode("utf-8", "surrogatepass"), safe="")
    for operation in operations:
        documented = {int(status) for status in operation.said["responses"]}
        calls: list[tuple[str, bytes | None]] = []
        for parameter in operation.said.get("parameters", ()):
            if parameter["in"] == "path":
                path = operation.path.replace(place(parameter["name"]), quoted)
                calls.append((Operation("", path, {}).target, None))
            else:
                calls.append((f"{operation.target}?{parameter['name']}={quoted}", None))
        body = body_of(document, operation)
        if body is not None:
            calls = [(target, b"{}") for target, _ in calls]
            for name in body["properties"]:
                calls.append((operation.target, json.dumps({name: text}).encode()))
                calls.append((operation.target, json.dumps({text: 1}).encode()))
        for target, raw in calls:
            said = plane.call(operation.method, target, raw)
            assert said.status in documented, (operation.method, target, raw, said)


def test_what_was_made_is_found_by_the_documents_links(
    plane: Plane, document: dict[str, Any], operations: list[Operation]
) -> None:
    bodies = {
        "/api/mappings": {"model_pattern": "linked", "backend_type": "local"},
        "/api/credentials": {"backend_type": "openai", "name": "linked", "api_key": "sk-1"},
        "/api/local": {"name": "linked", "base_url": "http://127.0.0.1:9"},
        "/api/keys": {"name": "linked"},
    }
    for path, body in bodies.items():
        made = plane.good("POST", path, body, status=201)
        links = document["paths"][path]["post"]["responses"]["201"]["links"]
        found = [o for o in operations if o.said["operationId"] in links]
        assert {o.method for o in found} >= {"GET", "DELETE"}
        shown = next(o for o in found if o.method == "GET")
        target = shown.path
        for name, where in links[shown.said["operationId"]]["parameters"].items():
            target = target.replace(place(name), str(made[where.removeprefix("$response.body#/")]))
        assert plane.good("GET", target)["id"] == made["id"]


def test_a_problem_has_the_shape_that_the_document_gives(plane: Plane, document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["Problem"]
    wrong = ask(plane.socket, "GET", "/api/keys", headers={"authorization": "Bearer nobody"})
    for said in (wrong, plane.call("GET", "/api/nowhere"), plane.call("POST", "/api/local", {})):
        body = said.json()
        assert set(schema["required"]) <= set(body)
        assert set(body) <= set(schema["properties"])
