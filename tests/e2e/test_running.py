"""What runs now in a gateway of several processes, and the end of one of it, as an operator sees and does it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .gateway import Gateway, wait_until
from .replies import STALL, begins
from .web import post_bytes, raw
from .wires import CHAT

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream


def test_each_process_tells_what_it_serves_and_ends_what_is_cancelled(
    own_gateway: Callable[..., Gateway], upstream: Callable[..., ScriptedUpstream]
) -> None:
    gateway, server = own_gateway("--workers", "2"), upstream()
    server.always(lambda _: begins(CHAT, STALL, text="some"))
    model, _ = gateway.route("openai", server.url)
    assert gateway.api("GET", "/api/requests/running") == {"count": 0, "requests": []}
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with ExitStack() as stack:
        clients = [
            stack.enter_context(raw(gateway.url)) for _ in range(8)
        ]  # the system gives some to each process
        for client in clients:
            client.send(post_bytes("/v1/chat/completions", json.dumps(body).encode(), gateway.host))

        def answering() -> list[dict[str, Any]] | None:
            found = gateway.api("GET", "/api/requests/running")
            return (
                found["requests"]
                if found["count"] == 8 and all(r["output"] for r in found["requests"])
                else None
            )

        running = wait_until("all are told", answering)
        assert [one["at"] for one in running] == sorted((one["at"] for one in running), reverse=True)
        assert {(one["model"], one["attempt"], one["stream"]) for one in running} == {(model, 1, True)}
        ended = [one["id"] for one in running]
        assert ended[0] in gateway.cli("requests", "running")
        gateway.cli("requests", "cancel", ended[0])
        for name in ended[1:]:
            gateway.api("POST", f"/api/requests/{name}/cancel", status=204)
        for client in clients:
            assert b"cancelled this request" in client.answer().body
        wait_until("each was let go", lambda: all(one.client_closed_at for one in server.requests))
        assert gateway.api("POST", f"/api/requests/{ended[0]}/cancel", status=404)["code"] == "not_found"
        rows = wait_until(
            "all are recorded",
            lambda: (r := gateway.api("GET", f"/api/usage?model={model}")) and len(r) == 8 and r,
        )
        assert {row["outcome"] for row in rows} == {"cancelled"}
        assert gateway.api("GET", f"/api/usage/totals?model={model}")["failed"] == 8
