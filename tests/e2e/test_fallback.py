"""When the first backend fails: the next one answers, or the client is told the truth."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from .gateway import Gateway
from .replies import CUT, JSON, RESET, SSE, STALL, Pause, Reply, begins, either, fails, says, streams
from .web import free_port, post_bytes, raw
from .wires import CHAT, MESSAGES, WIRES, Wire

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]
Fault = Callable[[Wire], "Reply | str"]

ANY_ANSWER: dict[str, tuple[Fault, set[str]]] = {
    "closes without a byte": (lambda wire: "refuse", {"connect", "upstream_error", "empty", "malformed"}),
    "resets without a byte": (lambda wire: "reset", {"connect", "upstream_error", "empty", "malformed"}),
    "answers something that is not HTTP": (lambda wire: "garbage-head", {"malformed", "upstream_error"}),
    "429": (lambda wire: fails(wire, 429, retry_after="1"), {"throttled"}),
    "500": (lambda wire: fails(wire, 500), {"upstream_error"}),
    "502": (lambda wire: fails(wire, 502), {"upstream_error"}),
    "503": (lambda wire: fails(wire, 503), {"upstream_error", "throttled"}),
    "504": (lambda wire: fails(wire, 504), {"upstream_error", "timeout"}),
    "529": (lambda wire: fails(wire, 529), {"upstream_error", "throttled"}),
}
IN_A_STREAM: dict[str, tuple[Fault, set[str]]] = {
    "ends before any output": (begins, {"empty", "malformed", "upstream_error"}),
    "is cut before any output": (
        lambda wire: begins(wire, CUT),
        {"empty", "malformed", "upstream_error", "connect"},
    ),
    "is empty": (lambda wire: Reply(200, SSE, parts=[], framing="chunked"), {"empty", "malformed"}),
    "has only comments": (
        lambda wire: Reply(200, SSE, parts=[b": hi\n\n", b": hi\n\n"], framing="close"),
        {"empty", "malformed", "upstream_error"},
    ),
    "errors before any output": (
        lambda wire: begins(wire, wire.error_event("overloaded inside")),
        {"upstream_error", "throttled"},
    ),
    "begins with an error": (
        lambda wire: Reply(200, SSE, parts=[wire.error_event("overloaded inside")], framing="chunked"),
        {"upstream_error", "throttled"},
    ),
}


def switched(
    gateway: Gateway, wire: Wire, first: ScriptedUpstream, second: ScriptedUpstream, stream: bool
) -> Any:
    second.always(either(wire, "from the second"))
    name, backends = gateway.route(wire.kind, first.url, second.url)
    answer = gateway.fetch("POST", wire.path, wire.ask(name, stream=stream))
    assert answer.status == 200, answer.body
    said = wire.stream_text(answer.body) if stream else wire.text(answer.json())
    assert said == "from the second"
    assert answer.header("x-pointsman-target") == f"{backends[1]}:{name}"
    assert answer.header("x-pointsman-attempts") == "2"
    if stream:
        assert wire.ended(answer.body)
        assert answer.body.count(wire.start()[0]) <= 1, "the first backend's frames were shown"
    return answer.header("x-pointsman-fallback")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", WIRES, ids=repr)
@pytest.mark.parametrize("fault", ANY_ANSWER)
def test_next_backend_answers_when_the_first(
    gateway: Gateway, upstream: Upstreams, fault: str, wire: Wire, stream: bool
) -> None:
    first, second = upstream(), upstream()
    reply, reasons = ANY_ANSWER[fault]
    first.always(reply(wire))
    assert switched(gateway, wire, first, second, stream) in reasons
    assert len(second.requests) == 1
    assert second.requests[0].body == first.requests[0].body


@pytest.mark.parametrize("wire", WIRES, ids=repr)
@pytest.mark.parametrize("fault", IN_A_STREAM)
def test_next_backend_answers_when_the_firsts_stream(
    gateway: Gateway, upstream: Upstreams, fault: str, wire: Wire
) -> None:
    first, second = upstream(), upstream()
    reply, reasons = IN_A_STREAM[fault]
    first.always(reply(wire))
    assert switched(gateway, wire, first, second, True) in reasons


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_next_backend_answers_when_the_first_is_down(
    gateway: Gateway, upstream: Upstreams, wire: Wire, stream: bool
) -> None:
    second = upstream()
    second.always(either(wire, "from the second"))
    name, _ = gateway.route(wire.kind, f"http://127.0.0.1:{free_port()}", second.url)
    begun = time.monotonic()
    answer = gateway.fetch("POST", wire.path, wire.ask(name, stream=stream))
    assert answer.status == 200
    assert answer.header("x-pointsman-fallback") == "connect"
    assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_next_backend_answers_when_the_first_stays_silent(
    impatient: Gateway, upstream: Upstreams, wire: Wire, stream: bool
) -> None:
    first, second = upstream(), upstream()
    first.always("stall")
    assert switched(impatient, wire, first, second, stream) == "timeout"


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_next_backend_answers_when_the_first_begins_a_stream_and_says_nothing(
    impatient: Gateway, upstream: Upstreams, wire: Wire
) -> None:
    first, second = upstream(), upstream()
    first.always(begins(wire, STALL))
    second.always(either(wire, "from the second"))
    name, _ = impatient.route(wire.kind, first.url, second.url)
    answer = impatient.fetch("POST", wire.path, wire.ask(name, stream=True))
    assert wire.stream_text(answer.body) == "from the second"
    assert wire.ended(answer.body)


def test_killing_the_first_backend_sends_the_next_request_to_the_second(
    gateway: Gateway, upstream: Upstreams
) -> None:
    first, second = upstream(), upstream()
    first.always(either(CHAT, "first"))
    second.always(either(CHAT, "second"))
    name, _ = gateway.route("openai", first.url, second.url)

    def ask() -> str:
        answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
        assert answer.status == 200, answer.body
        return CHAT.text(answer.json())

    assert [ask(), ask()] == ["first", "first"]
    first.kill()
    assert [ask(), ask()] == ["second", "second"]
    first.revive()
    until = time.monotonic() + 5
    while ask() != "first":
        assert time.monotonic() < until, "the first backend was not used again"
        time.sleep(0.1)


def test_a_stale_kept_connection_is_not_a_failure(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    name, _ = gateway.route("openai", server.url)
    assert gateway.fetch("POST", CHAT.path, CHAT.ask(name)).status == 200
    server.kill()
    server.revive()
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    assert answer.status == 200
    assert answer.header("x-pointsman-fallback") is None


def test_type_only_fallback_of_the_issue_goes_to_the_types_default_backend(
    own_gateway: Callable[..., Gateway], upstream: Upstreams
) -> None:
    first, second = upstream(), upstream()
    first.always(fails(CHAT, 500))
    second.always(either(CHAT, "second"))
    gateway = own_gateway()
    gateway.cli("local", "add", "box", "--url", first.url)
    gateway.cli("credential", "set", "openai", "--base-url", second.url, stdin="sk-x\n")
    gateway.cli(
        "mapping", "add", "smart", "--to", "local/box", "--model", "qwen", "--fallback", "openai=gpt-4o-mini"
    )
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask("smart"))
    assert answer.header("x-pointsman-target") == "openai:gpt-4o-mini"
    assert [one.json()["model"] for one in second.requests if one.method == "POST"] == ["gpt-4o-mini"]
    assert [r.json()["model"] for r in first.requests if r.method == "POST"] == ["qwen"]


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_no_fallback_when_the_client_says_so(gateway: Gateway, upstream: Upstreams, wire: Wire) -> None:
    first, second = upstream(), upstream()
    first.always(fails(wire, 503, "the first backend's words"))
    name, _ = gateway.route(wire.kind, first.url, second.url)
    answer = gateway.fetch("POST", wire.path, wire.ask(name), x_pointsman_no_fallback="1")
    assert answer.status == 503
    assert "the first backend's words" in wire.check_error(answer.json())
    assert second.requests == []


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 501])
@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_the_clients_own_mistake_is_answered_verbatim_and_not_repeated(
    gateway: Gateway, upstream: Upstreams, wire: Wire, status: int
) -> None:
    first, second = upstream(), upstream()
    reply = fails(wire, status, "your fault")
    first.always(reply)
    # A protocol that is only tried there is translated after a 404 or 501 (decision 0004).
    speaks = [gateway.backend(wire.kind, one.url, dialects=[wire.name]) for one in (first, second)]
    name = gateway.fresh()
    gateway.rule(name, *speaks)
    answer = gateway.fetch("POST", wire.path, wire.ask(name))
    assert answer.status == status
    assert answer.body == reply.body
    assert len(first.requests) == 1
    assert second.requests == []


def test_a_refused_key_goes_to_the_next_backend(gateway: Gateway, upstream: Upstreams) -> None:
    first, second = upstream(), upstream()
    first.always(fails(CHAT, 401, "bad key"))
    assert switched(gateway, CHAT, first, second, False) == "auth"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_when_all_fail_the_most_useful_error_is_told(
    gateway: Gateway, upstream: Upstreams, wire: Wire, stream: bool
) -> None:
    busy = upstream()
    busy.always(fails(wire, 429, "slow down please", retry_after="7"))
    name, _ = gateway.route(wire.kind, busy.url, f"http://127.0.0.1:{free_port()}")
    answer = gateway.fetch("POST", wire.path, wire.ask(name, stream=stream))
    assert answer.status == 429, answer.body
    assert "slow down please" in wire.check_error(answer.json())
    assert answer.header("retry-after") == "7"
    assert answer.header("x-pointsman-attempts") == "2"


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_when_nothing_can_be_reached_the_error_says_which_backend(gateway: Gateway, wire: Wire) -> None:
    name, backends = gateway.route(wire.kind, f"http://127.0.0.1:{free_port()}")
    answer = gateway.fetch("POST", wire.path, wire.ask(name))
    assert answer.status in (502, 503)
    assert backends[0] in wire.check_error(answer.json())


def test_at_most_four_targets_are_tried_and_each_once(gateway: Gateway, upstream: Upstreams) -> None:
    servers = [upstream() for _ in range(4)]
    for server in servers:
        server.always(fails(CHAT, 500))
    name, _ = gateway.route("openai", *[server.url for server in servers])
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    assert answer.status == 500
    assert [len(server.requests) for server in servers] == [1, 1, 1, 1]
    assert answer.header("x-pointsman-attempts") == "4"


# -- once content was sent -------------------------------------------------------------------------

MID_STREAM: dict[str, Callable[[Wire], list[Any]]] = {
    "is cut": lambda wire: [CUT],
    "is reset": lambda wire: [Pause(0.05), RESET],
    "ends without its end": lambda wire: [],
    "turns to garbage and ends": lambda wire: [b"data: {nonsense\n\n", CUT],
    "is cut inside an event": lambda wire: [wire.piece("never whole")[:-9], CUT],
}


def collect(gateway: Gateway, wire: Wire, model: str) -> tuple[int, bytes]:
    """Status and everything a client sees of a stream, however it ends."""
    with raw(gateway.url) as connection:
        connection.send(post_bytes(wire.path, json.dumps(wire.ask(model, stream=True)).encode()))
        status, _ = connection.head()
        seen = b""
        try:
            for piece in connection.chunks():
                seen += piece
        except EOFError:
            pass
        return status, seen


@pytest.mark.parametrize("wire", WIRES, ids=repr)
@pytest.mark.parametrize("how", MID_STREAM)
def test_a_stream_that_breaks_after_output_ends_with_an_error_when_it(
    gateway: Gateway, upstream: Upstreams, how: str, wire: Wire
) -> None:
    first, second = upstream(), upstream()
    first.always(begins(wire, *MID_STREAM[how](wire), text="half of it"))
    name, _ = gateway.route(wire.kind, first.url, second.url)
    status, seen = collect(gateway, wire, name)
    assert status == 200
    assert wire.stream_text(seen).startswith("half of it")
    assert second.requests == [], "another backend was asked after output was shown"
    assert not wire.ended(seen), "it looks complete"
    last = wire.error_event("x").split(b"\n")[0][:12]
    assert last in seen or b"error" in seen, seen[-500:]
    tail = seen[seen.rindex(b"half of it") :]
    assert wire.broken(tail[tail.index(b"\n\n") + 2 :].split(b"data: {nonsense\n\n")[-1]), seen[-500:]


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_a_stream_that_stalls_after_output_ends_with_an_error(
    impatient: Gateway, upstream: Upstreams, wire: Wire
) -> None:
    server = upstream()
    server.always(begins(wire, STALL, text="half of it"))
    name, _ = impatient.route(wire.kind, server.url)
    begun = time.monotonic()
    _, seen = collect(impatient, wire, name)
    assert time.monotonic() - begun < 5
    assert wire.stream_text(seen) == "half of it"
    assert wire.broken(seen)
    assert not wire.ended(seen)


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_an_error_event_after_output_is_passed_on_as_it_came(
    gateway: Gateway, upstream: Upstreams, wire: Wire
) -> None:
    first, second = upstream(), upstream()
    first.always(begins(wire, wire.error_event("in the middle"), text="half of it"))
    name, _ = gateway.route(wire.kind, first.url, second.url)
    _, seen = collect(gateway, wire, name)
    assert seen.count(wire.error_event("in the middle")) == 1
    assert not wire.ended(seen)
    assert second.requests == []


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_a_cut_whole_answer_is_never_shown_as_complete(
    gateway: Gateway, upstream: Upstreams, wire: Wire
) -> None:
    """Nothing of it was sent yet or the connection is cut: both are honest, a well-formed 200 is not."""
    first = upstream()
    body = json.dumps(wire.answer("x" * 200)).encode()
    cut = Reply(
        200, {"content-type": "application/json"}, parts=[body[:100], Pause(0.05), CUT], framing="chunked"
    )
    first.always(cut)
    name, _ = gateway.route(wire.kind, first.url)
    with raw(gateway.url) as connection:
        connection.send(post_bytes(wire.path, json.dumps(wire.ask(name)).encode()))
        try:
            answer = connection.answer()
        except EOFError:
            return
    assert answer.status >= 500
    wire.check_error(answer.json())


@pytest.mark.parametrize("wire", WIRES, ids=repr)
@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>"], ids=["empty", "not json"])
def test_a_whole_answer_that_is_none_goes_to_the_next_backend(
    gateway: Gateway, upstream: Upstreams, wire: Wire, body: bytes
) -> None:
    first, second = upstream(), upstream()
    first.always(Reply(200, {"content-type": "application/json"}, body=body))
    assert switched(gateway, wire, first, second, False) in ("empty", "malformed")


def test_a_200_with_an_error_body_goes_to_the_next_backend(gateway: Gateway, upstream: Upstreams) -> None:
    first, second = upstream(), upstream()
    reply = fails(CHAT, 200, "overloaded")
    first.always(reply)
    assert switched(gateway, CHAT, first, second, False) in ("upstream_error", "throttled", "malformed")


def test_a_long_wait_before_output_keeps_the_client_awake_and_can_still_switch(
    own_gateway: Callable[..., Gateway], upstream: Upstreams
) -> None:
    gateway = own_gateway(env={"POINTSMAN_HOLD_SECONDS": "0.3"})
    first, second = upstream(), upstream()
    first.always(begins(MESSAGES, Pause(1.0), CUT))
    second.always(streams(MESSAGES, "rescued"))
    name, _ = gateway.route("anthropic", first.url, second.url)
    _, seen = collect(gateway, MESSAGES, name)
    assert MESSAGES.stream_text(seen) == "rescued"
    assert MESSAGES.ended(seen)
    assert seen.count(b"event: message_start") == 1


def test_a_slow_first_answer_within_its_time_is_waited_for(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(Reply(200, JSON, body=says(CHAT, "late but fine").body, before=[Pause(0.4)]))
    name, _ = gateway.route("openai", server.url)
    assert CHAT.text(gateway.fetch("POST", CHAT.path, CHAT.ask(name)).json()) == "late but fine"
