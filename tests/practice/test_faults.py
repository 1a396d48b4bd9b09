"""Each fault, in each protocol, whole and streamed, as a client sees it on the wire and through its SDK."""

from __future__ import annotations

import socket
from typing import Any

import anthropic
import openai
import pytest

from pointsman.practice import ScriptedUpstream
from pointsman.practice.faults import FAULTS

from .wire import PATHS, ask, connect, exchange, question, request

ALL = list(PATHS)
ENDS = {
    "chat": b"[DONE]",
    "completions": b"[DONE]",
    "messages": b"message_stop",
    "responses": b"response.completed",
}
SAID = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("status", [401, 429, 500, 503, 529])
@pytest.mark.parametrize("stream", [False, True])
def test_statuses(practice: ScriptedUpstream, protocol: str, status: int, stream: bool) -> None:
    got = ask(practice, protocol, f"practice:{status}", stream=stream)
    assert got.status == status
    assert got.headers["content-type"] == "application/json"
    assert got.json()["error"]["message"]
    assert ("type" in got.json()) == (protocol == "messages")
    assert got.headers.get("retry-after") == ("1" if status == 429 else None)


def test_sdks_raise_their_own_classes(oa: openai.OpenAI, an: anthropic.Anthropic) -> None:
    expected = {
        "401": (openai.AuthenticationError, anthropic.AuthenticationError),
        "429": (openai.RateLimitError, anthropic.RateLimitError),
        "500": (openai.InternalServerError, anthropic.InternalServerError),
        "529": (openai.InternalServerError, anthropic.APIStatusError),
        "refuse": (openai.APIConnectionError, anthropic.APIConnectionError),
        "reset": (openai.APIConnectionError, anthropic.APIConnectionError),
        "cut": (openai.APIConnectionError, anthropic.APIConnectionError),
    }
    for fault, (of_openai, of_anthropic) in expected.items():
        with pytest.raises(of_openai):
            oa.chat.completions.create(model=f"practice:{fault}", messages=SAID)
        with pytest.raises(of_openai):
            oa.responses.create(model=f"practice:{fault}", input="hi")
        with pytest.raises(of_anthropic):
            an.messages.create(model=f"practice:{fault}", messages=SAID, max_tokens=99)


@pytest.mark.parametrize("protocol", ALL)
def test_refuse_and_reset_send_nothing(practice: ScriptedUpstream, protocol: str) -> None:
    assert exchange(practice, request(PATHS[protocol], question(protocol, "practice:refuse"))) == b""
    with pytest.raises(ConnectionResetError):
        exchange(practice, request(PATHS[protocol], question(protocol, "practice:reset")))


def test_garbage_head(practice: ScriptedUpstream) -> None:
    assert not exchange(
        practice, request(PATHS["chat"], question("chat", "practice:garbage-head"))
    ).startswith(b"HTTP")


@pytest.mark.parametrize("protocol", ALL)
def test_stall_sends_nothing_and_holds(practice: ScriptedUpstream, protocol: str) -> None:
    with connect(practice, timeout=0.2) as sock:
        sock.sendall(request(PATHS[protocol], question(protocol, "practice:stall")))
        with pytest.raises(TimeoutError):
            sock.recv(1)
    practice.wait_closed(practice.requests[-1])


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("stream", [False, True])
def test_stall_mid_holds_after_some_output(practice: ScriptedUpstream, protocol: str, stream: bool) -> None:
    with connect(practice, timeout=0.3) as sock:
        sock.sendall(request(PATHS[protocol], question(protocol, "practice:stall-mid", stream=stream)))
        data = _until_quiet(sock)
    assert b"Hello" in data
    assert ENDS[protocol] not in data
    practice.wait_closed(practice.requests[-1])


def _until_quiet(sock: socket.socket) -> bytes:
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except TimeoutError:
        return data
    raise AssertionError("the connection was closed")


@pytest.mark.parametrize("protocol", ALL)
def test_cut_ends_in_the_middle(practice: ScriptedUpstream, protocol: str) -> None:
    streamed = ask(practice, protocol, "practice:cut", stream=True)
    assert b"Hello" in streamed.body
    assert not streamed.whole
    assert ENDS[protocol] not in streamed.body
    whole = ask(practice, protocol, "practice:cut")
    assert not whole.whole
    assert 0 < len(whole.body) < int(whole.headers["content-length"])


@pytest.mark.parametrize("protocol", ALL)
def test_cut_early_ends_before_output(practice: ScriptedUpstream, protocol: str) -> None:
    streamed = ask(practice, protocol, "practice:cut-early", stream=True)
    assert streamed.status == 200
    assert b"Hello" not in streamed.body
    assert not streamed.whole
    assert ask(practice, protocol, "practice:cut-early").body == b""


@pytest.mark.parametrize("protocol", ALL)
def test_garbage_is_not_json(practice: ScriptedUpstream, protocol: str) -> None:
    with pytest.raises(ValueError):
        ask(practice, protocol, "practice:garbage").json()
    with pytest.raises(ValueError):
        ask(practice, protocol, "practice:garbage", stream=True).events()


@pytest.mark.parametrize("protocol", ALL)
def test_error_event_comes_after_output(practice: ScriptedUpstream, protocol: str) -> None:
    got = ask(practice, protocol, "practice:error-event", stream=True)
    assert b"Hello" in got.body
    assert ENDS[protocol] not in got.body
    last = got.events()[-1]
    assert "error" in last or last["response"]["error"]["code"] == "server_error"
    assert ask(practice, protocol, "practice:error-event").status == 500


@pytest.mark.parametrize("protocol", ALL)
def test_error_first_comes_instead_of_output(practice: ScriptedUpstream, protocol: str) -> None:
    got = ask(practice, protocol, "practice:error-first", stream=True)
    assert got.status == 200
    assert "error" in got.events()[0] or got.events()[0]["type"] == "error"
    assert ask(practice, protocol, "practice:error-first").status == 500


def test_sdks_raise_on_error_events(oa: openai.OpenAI, an: anthropic.Anthropic) -> None:
    for fault in ("error-event", "error-first"):
        with pytest.raises(openai.APIError, match="as it was asked to"):
            list(oa.chat.completions.create(model=f"practice:{fault}", messages=SAID, stream=True))
        with pytest.raises(anthropic.APIStatusError, match="as it was asked to"):
            list(an.messages.create(model=f"practice:{fault}", messages=SAID, max_tokens=99, stream=True))
    events: list[Any] = list(oa.responses.create(model="practice:error-event", input="hi", stream=True))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))


@pytest.mark.parametrize("protocol", ALL)
def test_empty_is_legal_and_empty(practice: ScriptedUpstream, protocol: str) -> None:
    whole = ask(practice, protocol, "practice:empty")
    assert whole.status == 200
    assert b"Hello" not in whole.body
    streamed = ask(practice, protocol, "practice:empty", stream=True)
    assert ENDS[protocol] in streamed.body
    assert b"Hello" not in streamed.body
    assert streamed.whole


def test_a_pace_and_a_fault_together(practice: ScriptedUpstream) -> None:
    got = ask(practice, "chat", "practice:2ms+long+cut", stream=True)
    assert not got.whole
    assert len(got.events()) > 100


def test_every_fault_says_what_it_does() -> None:
    assert all(FAULTS.values())
