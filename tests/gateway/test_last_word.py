"""A stream that was cut, and then closed with the word that says that all is over: proxies write it in a `finally`.
Users saw half an answer told as whole, and a tool called with what had come of its arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest
import uvloop

from pointsman.practice import CUT as BREAK
from pointsman.practice import RESET, Reply, ScriptedUpstream
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import sse

from .plane import Got, plane, rule
from .test_translation import CHAT, CLEAN, MESSAGES, PATHS, RESPONSES, SSE, ask, spec

COMPLETIONS = "completions"
ASKED = {
    **{name: ask(name, stream=True) for name in PATHS},
    COMPLETIONS: {"model": "m", "prompt": "p", "stream": True},
}
WHERE = {**PATHS, COMPLETIONS: "/v1/completions"}
ENDS = {**CLEAN, COMPLETIONS: b"[DONE]"}
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "rm", "arguments": '{"path": "/home'}}


CUT = {
    "text": (chat.delta(role="assistant"), chat.delta(content="half an ans")),
    "reasoning": (chat.delta(reasoning_content="let me th"),),
    "a refusal": (chat.delta(refusal="I can"),),
    "an empty reason": (chat.delta(content="half"), chat.delta("", content=" an")),
    "usage all the same": (chat.delta(content="half"), chat.counted(chat.USAGE)),
    "before a call": (chat.delta(tool_calls=[{**CALL, "function": {"name": "rm", "arguments": ""}}]),),
    "inside a call": (chat.delta(tool_calls=[CALL]),),
    "inside a call, and a reason": (chat.delta(tool_calls=[CALL]), chat.delta("tool_calls")),
    "inside a call, and a limit": (chat.delta(tool_calls=[CALL]), chat.delta("length")),
    "after a whole call": (chat.delta(tool_calls=[{**CALL, "function": {"name": "rm", "arguments": "{}"}}]),),
    "inside an older call": (chat.delta(function_call={"name": "rm", "arguments": '{"pa'}), chat.delta("function_call")),
}  # fmt: skip
TWO = {
    "one of two": (chat.choice(0, content="a"), chat.choice(1, content="b"), chat.choice(0, "stop")),
    "the second's call": (
        chat.choice(0, content="a"), chat.choice(1, tool_calls=[CALL]), chat.choice(0, "stop"), chat.choice(1, "tool_calls"),
    ),
    "the first": (chat.choice(1, content="b"), chat.choice(0, content="a"), chat.choice(1, "length")),
}  # fmt: skip
TEXT = {
    "text": (chat.text("half an ans"),),
    "an empty reason": (chat.text("half", ""),),
    "one of two": (chat.text("a", "stop"), chat.text("b", index=1)),
}


def asked(
    client: str,
    chunks: tuple[dict[str, Any], ...],
    *,
    split: bool,
    whole: bool = False,
    end: Any = chat.DONE,
    **more: Any,
) -> Got:
    """end: what follows the chunks, the last word where nothing else is said."""
    parts: list[Any] = [sse(chunk) for chunk in chunks] + [end]

    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=parts if split else [b"".join(parts)], framing="chunked"))
            async with plane() as found:
                speaks = CHAT if client != COMPLETIONS else None
                found.rules(rule("*", "local/box"), backends=[spec(server, speaks, **more)])
                body = ASKED[client] if not whole else {**ASKED[client], "stream": False}
                return await found.ask(WHERE[client], body)

    return uvloop.run(main())


CASES = [(client, chunks, name) for client in PATHS for name, chunks in CUT.items()]
CASES += [(CHAT, chunks, name) for name, chunks in TWO.items()]
CASES += [(COMPLETIONS, chunks, name) for name, chunks in TEXT.items()]
every_cut = pytest.mark.parametrize(
    ("client", "chunks"), [pytest.param(c, chunks, id=f"{c}, {name}") for c, chunks, name in CASES]
)


@every_cut
@pytest.mark.parametrize("split", [True, False], ids=["a chunk each", "at once"])
def test_half_an_answer_with_a_last_word_is_not_told_as_whole(
    client: str, chunks: tuple[dict[str, Any], ...], split: bool
) -> None:
    got = asked(client, chunks, split=split)
    assert ENDS[client] not in got.body
    assert b'"error"' in got.body
    assert b'"tool_use"' not in got.body or b"message_delta" not in got.body  # no stop reason that runs it


@pytest.mark.parametrize("client", WHERE)
def test_a_backend_that_never_says_why_is_believed_where_its_row_says_so(client: str) -> None:
    chunks = TEXT["text"] if client == COMPLETIONS else CUT["text"]
    got = asked(client, chunks, split=True, silent_end=True)
    assert ENDS[client] in got.body
    assert b'"error":{' not in got.body.replace(b" ", b"")


@pytest.mark.parametrize("client", PATHS)
def test_a_call_cut_in_its_arguments_is_an_error_there_too(client: str) -> None:
    got = asked(client, CUT["inside a call"], split=True, silent_end=True)
    assert ENDS[client] not in got.body
    assert b'"error"' in got.body


@pytest.mark.parametrize("client", [MESSAGES, RESPONSES])
def test_the_error_says_what_to_do(client: str) -> None:
    got = asked(client, CUT["text"], split=True)
    assert b"--silent-end" in got.body
    events = [json.loads(line[6:]) for line in got.body.decode().splitlines() if line.startswith("data: ")]
    assert events[-1]["type"] in ("error", "response.failed")


def test_two_answers_that_both_said_why_are_whole() -> None:
    got = asked(CHAT, (*TWO["one of two"], chat.choice(1, "length")), split=True)
    assert got.body.endswith(b"[DONE]\n\n")


WHOLE = {
    CHAT: (chat.delta(content="all of it"), chat.delta("stop")),
    COMPLETIONS: (chat.text("all of it", "stop"),),
}


@pytest.mark.parametrize("client", WHOLE)
@pytest.mark.parametrize(
    "end", [b"", b"data: [DO", b"data: [DONE]", b": bye\n\n", b'data: {"choi', BREAK, RESET], ids=repr
)
def test_a_whole_answer_ends_with_done_whether_or_not_the_backend_said_it(client: str, end: Any) -> None:
    got = asked(client, WHOLE[client], split=True, end=end)
    said = [line for line in got.body.decode().splitlines() if line.startswith("data:")]
    assert said[-1] == "data: [DONE]"
    assert sum("[DONE]" in line for line in said) == 1
    assert all(line == "data: [DONE]" or json.loads(line[5:]) for line in said)
    assert b'"error"' not in got.body
    assert got.complete
