"""`/api/hosts` over the socket: names that are let in while it runs."""

from __future__ import annotations

from collections.abc import Callable

from .plane import Plane, Worker, ask


def hello(plane: Plane, host: str) -> int:
    return ask(plane.socket, "GET", "/api/hello", None, {"host": host}).status


def test_a_host_is_let_in_and_out_without_a_restart(own_plane: Callable[..., Plane]) -> None:
    plane = own_plane(
        "--allow-host", "given.lan", "--allow-host", "said.lan", env={"POINTSMAN_ALLOW_HOST": "said.lan"}
    )
    with Worker(plane) as worker:
        assert hello(plane, "box.lan") == 403
        assert plane.good("POST", "/api/hosts", {"host": "Box.Lan"}, 201)["host"] == "box.lan"
        assert (hello(plane, "box.lan:4480"), worker.snapshot.hosts) == (200, ("box.lan",))
        assert plane.problem("POST", "/api/hosts", {"host": "box.lan"}, 409)["code"] == "conflict"
        found = {row["host"]: row["sources"] for row in plane.good("GET", "/api/hosts")}
        assert found == {"box.lan": ["stored"], "given.lan": ["option"], "said.lan": ["environment"]}
        plane.good("DELETE", "/api/hosts/box.lan", status=204)
        assert (hello(plane, "box.lan"), worker.snapshot.hosts) == (403, ())
        undo = plane.good("GET", "/api/audit?noun=setting&limit=1")[0]
        plane.good("POST", f"/api/audit/{undo['id']}/undo", status=200)
        assert hello(plane, "box.lan") == 200
        plane.problem("DELETE", "/api/hosts/given.lan", status=404)


def test_what_is_no_host_is_refused_with_what_to_write(plane: Plane) -> None:
    for wrong in ("http://box.lan/", "*.lan", "", "a b", "box.lan/x"):
        assert plane.problem("POST", "/api/hosts", {"host": wrong})["param"] == "host"
