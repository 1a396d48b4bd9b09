"""What every request passes first: Host, Origin, size, token; and the headers of every answer."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Callable

import pytest

from pointsman.admin.control.guard import MAX_BODY, PUBLIC

from .plane import Plane, UnixHttp, ask, check_problem

METHODS = ("get", "post", "put", "patch", "delete")


def routes(plane: Plane) -> list[tuple[str, str]]:
    paths = plane.good("GET", "/api/openapi.json")["paths"]
    found = [(method.upper(), path) for path, item in paths.items() for method in item if method in METHODS]
    assert len(found) > 25
    return found


def test_every_route_of_the_api_needs_the_token(plane: Plane) -> None:
    filled = {
        "{mapping_id}": "1",
        "{key_id}": "1",
        "{origin_id}": "1",
        "{backend_type}": "openai",
        "{name}": "x",
    }
    for method, path in [
        *routes(plane),
        ("GET", "/api/openapi.json"),
        ("GET", "/api/nothing"),
        ("GET", "/api"),
    ]:
        for holder, value in filled.items():
            path = path.replace(holder, value)
        said = ask(plane.socket, method, path, {} if method in ("POST", "PUT", "PATCH") else None)
        assert check_problem(said, 401)["code"] == "unauthorized", (method, path)
        assert said.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path",
    [
        "/api/hello/../mappings",
        "//api/mappings",
        "/API/mappings",
        "/api/mappings/",
        "/api%2fmappings",
    ],
)
def test_no_spelling_of_a_path_gets_around_the_token(plane: Plane, path: str) -> None:
    said = ask(plane.socket, "GET", path)
    assert said.status in (401, 404)
    assert not isinstance(said.json(), list)


def test_no_page_is_a_way_around_the_token(plane: Plane) -> None:
    said = ask(plane.socket, "GET", "/ui/../api/mappings")
    assert (said.status, said.headers["location"]) == (303, "/ui/sign-in?next=%2Fui%2F..%2Fapi%2Fmappings")


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Bearer x", "Basic {}", "bearer{}", "Bearer {}x", "Bearer {} x", "Bearer \xff"],
)
def test_only_the_whole_token_as_a_bearer_opens(plane: Plane, value: str) -> None:
    said = ask(plane.socket, "GET", "/api/mappings", headers={"authorization": value.format(plane.token)})
    assert said.status == 401
    assert ask(plane.socket, "GET", "/api/mappings", headers={"x-api-key": plane.token}).status == 401
    right = {"authorization": f"bEARER  {plane.token}"}
    assert ask(plane.socket, "GET", "/api/mappings", headers=right).status == 200


def test_two_tokens_in_one_request_open_nothing(plane: Plane) -> None:
    connection = UnixHttp(plane.socket)
    try:
        connection.putrequest("GET", "/api/mappings")
        connection.putheader("authorization", f"Bearer {plane.token}")
        connection.putheader("authorization", "Bearer x")
        connection.endheaders()
        assert connection.getresponse().status == 401
    finally:
        connection.close()


@pytest.mark.parametrize("path", sorted(PUBLIC))
def test_what_needs_no_token_shows_no_rule_and_no_key(plane: Plane, path: str) -> None:
    plane.good("POST", "/api/mappings", {"model_pattern": "hush-hush", "backend_type": "local"})
    said = ask(plane.socket, "GET", path)
    assert said.status in (200, 307)
    assert b"hush-hush" not in said.body
    assert plane.token.encode() not in said.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/mappings", 200),
        ("GET", "/api/nothing", 404),
        ("PUT", "/api/mappings", 405),
        ("POST", "/api/mappings", 422),
        ("DELETE", "/api/mappings/424242", 404),
        ("GET", "/favicon.ico", 404),
    ],
)
def test_every_answer_has_the_security_headers_and_an_id(
    plane: Plane, method: str, path: str, status: int
) -> None:
    said = plane.call(method, path, {} if method == "POST" else None)
    assert said.status == status
    policy = said.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert said.headers["x-content-type-options"] == "nosniff"
    assert said.headers["x-frame-options"] == "DENY"
    assert said.headers["referrer-policy"] == "no-referrer"
    assert said.headers["cache-control"] == "no-store"
    assert said.headers["x-request-id"]
    assert "server" not in said.headers
    if status >= 400:
        check_problem(said, status)


def test_the_id_of_the_data_plane_is_kept_and_a_strange_one_is_not(plane: Plane) -> None:
    given = "req_0123456789abcdef"
    assert plane.call("GET", "/api/mappings", x_request_id=given).headers["x-request-id"] == given
    assert plane.call("GET", "/api/mappings", x_request_id="<script>").headers["x-request-id"] != "<script>"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.nip.io", "2130706433", "192.168.1.9", "localhost.evil.example"]
)
@pytest.mark.parametrize("path", ["/api/mappings", "/internal/metrics"])
def test_a_foreign_host_is_refused_everywhere(plane: Plane, host: str, path: str) -> None:
    said = plane.call("GET", path, host=host)
    assert "--allow-host" in check_problem(said, 403)["detail"]


@pytest.mark.parametrize(
    "host", ["localhost:4000/#@x", "", "a b", "localhost:x", "localhost,evil", "[::1", "user@localhost"]
)
def test_a_host_that_is_none_is_refused(plane: Plane, host: str) -> None:
    assert plane.call("GET", "/api/mappings", host=host).status == 400


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:4480", "127.0.0.1:1", "[::1]:80", "x.localhost", "localhost."]
)
def test_this_machines_names_are_let_in(plane: Plane, host: str) -> None:
    assert plane.call("GET", "/api/mappings", host=host).status == 200


ORIGINS = [
    "https://evil.example",
    "null",
    "http://localhost:1",
    "file://",
    "http://127.0.0.1:4480.evil.example",
    "",
]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_foreign_origin_is_refused(plane: Plane, origin: str, method: str) -> None:
    said = plane.call(
        method, "/api/mappings", {} if method == "POST" else None, origin=origin, host="127.0.0.1:4480"
    )
    assert said.status == 403
    assert not [name for name in said.headers if name.startswith("access-control")]


def test_its_own_origin_is_fine(plane: Plane) -> None:
    for scheme in ("http", "https"):
        said = plane.call("GET", "/api/mappings", host="127.0.0.1:4480", origin=f"{scheme}://127.0.0.1:4480")
        assert said.status == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 422), ("none", 422)]
)
def test_a_write_whose_origin_a_browser_hides_is_judged_by_its_site(
    plane: Plane, site: str, status: int
) -> None:
    assert plane.call("POST", "/api/mappings", {}, sec_fetch_site=site).status == status
    assert plane.call("GET", "/api/mappings", sec_fetch_site=site).status == 200


def test_listed_hosts_and_origins_are_let_in(own_plane: Callable[..., Plane]) -> None:
    plane = own_plane("--allow-host", "box.lan", "--allow-origin", "https://chat.example/")
    assert plane.call("GET", "/api/mappings", host="box.lan:4480").status == 200
    assert plane.call("GET", "/api/mappings", origin="https://chat.example").status == 200
    assert plane.call("GET", "/api/mappings", origin="https://chat.example.evil").status == 403
    assert plane.call("GET", "/api/mappings", host="192.168.1.9").status == 403


def test_a_body_that_is_too_large_is_refused_sized_and_chunked(plane: Plane) -> None:
    said = plane.call("POST", "/api/mappings", b" " * (MAX_BODY + 1))
    assert check_problem(said, 413)["code"] == "too_large"
    connection = UnixHttp(plane.socket)
    try:
        pieces = (b" " * 65536 for _ in range(MAX_BODY // 65536 + 2))
        headers = {"authorization": f"Bearer {plane.token}", "content-type": "application/json"}
        try:
            connection.request("POST", "/api/mappings", pieces, headers, encode_chunked=True)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it need not read what it refuses
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (413, "too_large")
    except http.client.HTTPException as error:  # pragma: no cover -- shows what came instead
        raise AssertionError(repr(error)) from error
    finally:
        connection.close()


def test_a_content_length_that_is_no_number_is_refused(plane: Plane) -> None:
    assert plane.call("GET", "/api/mappings", content_length="-1").status == 400


@pytest.mark.parametrize("coding", ["gzip", "foo"])
def test_nothing_is_unpacked_for_who_has_no_token(plane: Plane, coding: str) -> None:
    bomb = gzip.compress(bytes(40_000_000))
    said = ask(plane.socket, "POST", "/api/mappings", bomb, headers={"content-encoding": coding})
    check_problem(said, 401)


@pytest.mark.parametrize(("coding", "status"), [("gzip", 413), ("foo", 415), ("zstd", 400)])
def test_a_coded_body_that_cannot_be_taken_says_why(plane: Plane, coding: str, status: int) -> None:
    headers = {"content-encoding": coding, "authorization": f"Bearer {plane.token}"}
    said = ask(plane.socket, "POST", "/api/mappings", gzip.compress(bytes(2 * MAX_BODY)), headers=headers)
    check_problem(said, status)
    assert ("accept-encoding" in said.headers) == (status == 415)
