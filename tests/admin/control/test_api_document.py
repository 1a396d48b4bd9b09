"""`/`, the API's document, doctor and status over the socket."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

from pointsman import __version__
from pointsman.admin.late import routers_of
from pointsman.practice import Reply
from pointsman.practice.scripted import ScriptedUpstream

from .plane import Plane, ask


def test_the_root_leads_to_the_page_without_naming_a_host(plane: Plane) -> None:
    said = ask(plane.socket, "GET", "/")
    assert (said.status, said.headers["location"]) == (307, "/ui")
    for path in ("/", "/api/hello"):
        head = ask(plane.socket, "HEAD", path)
        assert (head.status, head.body) == (200, b"")


def test_the_document_says_what_there_is_and_which_errors_come(plane: Plane) -> None:
    document = plane.good("GET", "/api/openapi.json")
    assert document["info"]["version"] == __version__
    assert {
        "/api/mappings",
        "/api/credentials",
        "/api/local",
        "/api/keys",
        "/api/usage",
        "/api/explain",
    } <= set(document["paths"])
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], (method, path)
            assert {"401", "403", "503"} <= set(operation["responses"])
            for reference in re.findall(r"#/components/schemas/(\w+)", str(operation)):
                assert reference in schemas, reference
    assert schemas["CloudCredentialCreate"]["properties"]["api_key"]["writeOnly"] is True
    assert "api_key" not in schemas["CloudCredentialResponse"]["properties"]
    assert "encrypted" not in str(schemas)


def test_doctor_looks_at_everything_and_names_a_fix(
    own_plane: Callable[..., Plane], upstream: ScriptedUpstream
) -> None:
    plane = own_plane("--public-url", upstream.url)
    upstream.always(Reply(200, body={"data": []}))
    plane.good("POST", "/api/local", {"name": "up", "base_url": upstream.url})
    plane.good("POST", "/api/local", {"name": "off", "base_url": "http://127.0.0.1:9", "enabled": False})
    report = plane.good("GET", "/api/doctor")
    found = {check["name"]: check for check in report["checks"]}
    names = {
        "port",
        "file modes",
        "admin token",
        "disk",
        "sqlite version",
        "master key",
        "database",
        "usage database",
    }
    assert names <= set(found)
    assert report["ok"] is True, report
    assert found["backend local/up"]["status"] == "ok"
    assert "backend local/off" not in found
    plane.good("POST", "/api/local", {"name": "down", "base_url": "http://127.0.0.1:9"})
    (plane.data_dir / "usage.db").touch(0o644)
    (plane.data_dir / "usage.db").chmod(0o644)
    report = plane.good("GET", "/api/doctor")
    found = {check["name"]: check for check in report["checks"]}
    assert report["ok"] is False
    assert found["backend local/down"]["status"] == "error"
    assert "local update down" in found["backend local/down"]["fix"]
    assert "chmod 600" in found["file modes"]["fix"]
    assert all(check["fix"] for check in report["checks"] if check["status"] == "error")


def test_doctor_says_when_the_gateway_does_not_answer(own_plane: Callable[..., Plane]) -> None:
    plane = own_plane("--public-url", "http://127.0.0.1:9")
    found = {check["name"]: check for check in plane.good("GET", "/api/doctor")["checks"]}
    assert found["port"]["status"] == "error"


def test_doctor_warns_when_a_key_is_needed_and_none_is_live(own_plane: Callable[..., Plane]) -> None:
    plane = own_plane()
    made = plane.good("POST", "/api/keys", {}, 201)
    plane.good("DELETE", f"/api/keys/{made['id']}", status=204)
    found = {check["name"]: check for check in plane.good("GET", "/api/doctor")["checks"]}
    assert (found["client keys"]["status"], found["client keys"]["fix"]) == (
        "warning",
        "pointsman key create",
    )
    assert found["backends"]["status"] == "warning"


def test_the_document_is_made_beside_the_loop(plane: Plane) -> None:
    """Two seconds of the loop: on a busy computer the control plane was ended as one that hangs, and whoever had asked for
    the document got a 503."""
    routes = {getattr(route, "path", ""): route for router in routers_of("root") for route in router.routes}
    assert not inspect.iscoroutinefunction(getattr(routes["/api/openapi.json"], "endpoint", None))
    assert plane.good("GET", "/api/openapi.json") == plane.good("GET", "/api/openapi.json")
