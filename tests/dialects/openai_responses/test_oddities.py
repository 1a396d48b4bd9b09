"""Responses: the odd answers that backends send, each judged alike passed, translated and whole."""

from __future__ import annotations

from typing import Any, ClassVar

from pointsman.conversation.events import Stop
from pointsman.conversation.parts import ToolCall
from pointsman.conversation.reply import fold
from pointsman.kinds import ErrorKind, Protocol
from tests.vendor_bodies.responses import closed, ended, event, message, opened, response, text_part, words
from tests.vendor_bodies.wire import Call, named, sse

from ..one_verdict import CALLED, CUT, GOOD, LIMIT, REFUSED, SILENT, Judged, Odd, Oddities
from ..verdicts import agree, translated

RESPONSES = Protocol.OPENAI_RESPONSES
BEGUN = event("created", response=response([], "in_progress"))
GOING = event("in_progress", response=response([], "in_progress"))
SAID = message("hello")
ANSWER = [*opened(0, SAID), *words(0, SAID), *closed(0, SAID)]
DONE = response([SAID])
END = event("completed", response=DONE)
CALL = {
    "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "f",
    "arguments": '{"a":1}',
}  # fmt: skip
CALLING = [*opened(0, CALL), *words(0, CALL), *closed(0, CALL)]
CUSTOM = {
    "id": "ct_1", "type": "custom_tool_call", "status": "completed", "call_id": "call_1", "name": "patch",
    "input": "*** Begin",
}  # fmt: skip
BARE = {"id": "rs_1", "type": "reasoning", "summary": []}
SEALED = {**BARE, "encrypted_content": "opaque=="}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed"}


def filtered(**more: Any) -> dict[str, Any]:
    return response([], "incomplete", incomplete_details={"reason": "content_filter"}, **more)


def without(key: str, *events: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != key} for one in events]


def failing(kind: ErrorKind, answered: bool = False, finished: bool = False) -> Judged:
    return Judged(answered, finished, error=kind)


class TestOddities(Oddities):
    protocol = RESPONSES
    odd: ClassVar = {
        "items only in response.completed": Odd(named(BEGUN, END), GOOD, DONE, 20),
        "a call only in response.completed": Odd(
            named(BEGUN, event("completed", response=response([CALL]))), CALLED, response([CALL]), 20
        ),
        "response.completed without output": Odd(named(BEGUN, *ANSWER, ended()), GOOD, DONE, 20),
        "no response.created": Odd(named(*ANSWER, END), GOOD, DONE, 20),
        "deltas alone, then the end": Odd(
            named(event("output_text.delta", delta="hello"), ended(output=[])), GOOD, DONE, 20
        ),
        "argument deltas after done": Odd(
            named(BEGUN, *CALLING, *words(0, CALL), event("completed", response=response([CALL]))),
            CALLED, response([CALL]), 20,
        ),
        "text deltas after done": Odd(named(BEGUN, *ANSWER, *words(0, SAID), END), GOOD, DONE, 20),
        "status in_progress at the end": Odd(
            named(BEGUN, *ANSWER, event("completed", response=DONE | {"status": "in_progress"})), GOOD, None, 20
        ),
        "status incomplete in response.completed": Odd(
            named(
                BEGUN, *ANSWER,
                event(
                    "completed",
                    response=DONE | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
                ),
            ),
            LIMIT, None, 20,
        ),
        "status failed in response.completed": Odd(
            named(
                BEGUN,
                event("completed", response=response([], "failed", error={"code": "rate_limit_exceeded", "message": "x"})),
            ),
            failing(ErrorKind.RATE_LIMITED, finished=True),
            response([], "failed", error={"code": "rate_limit_exceeded", "message": "x"}),
        ),
        "a filter, incomplete": Odd(named(BEGUN, event("incomplete", response=filtered())), REFUSED, filtered()),
        "a filter after text": Odd(
            named(BEGUN, *ANSWER, event("incomplete", response=filtered() | {"output": [SAID]})),
            REFUSED, filtered() | {"output": [SAID]},
        ),
        "incomplete for a reason that is new": Odd(
            named(BEGUN, *ANSWER, event("incomplete", response=DONE | {"incomplete_details": {"reason": "new"}, "status": "incomplete"})),
            LIMIT, DONE | {"incomplete_details": {"reason": "new"}, "status": "incomplete"}, 20,
        ),
        "incomplete without details": Odd(
            named(BEGUN, *ANSWER, event("incomplete", response=DONE | {"status": "incomplete"})),
            LIMIT, DONE | {"status": "incomplete"}, 20,
        ),
        "an error event, then the connection closes": Odd(
            named(BEGUN, *ANSWER, {"type": "error", "code": "server_error", "message": "boom", "param": None}),
            failing(ErrorKind.UPSTREAM_ERROR, answered=True),
        ),
        "an error event before anything": Odd(
            named({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}),
            failing(ErrorKind.RATE_LIMITED),
        ),
        "an error object inside an error event": Odd(
            named(BEGUN, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
            failing(ErrorKind.OVERLOADED),
        ),
        "an error without a type": Odd(
            sse({"error": {"message": "too long", "code": "context_length_exceeded"}}),
            failing(ErrorKind.CONTEXT_LENGTH),
            {"error": {"message": "too long", "code": "context_length_exceeded"}},
        ),
        "events after an error": Odd(
            named(BEGUN, {"type": "error", "code": "server_error", "message": "boom"}, *ANSWER, END),
            failing(ErrorKind.UPSTREAM_ERROR),
        ),
        "unknown event types": Odd(
            named(
                BEGUN, GOING, {"type": "keepalive", "sequence_number": 3}, {"type": "response.brand_new.done", "x": [1]},
                *ANSWER, {"type": "codex.rate_limits", "limits": {}}, END,
            ),
            GOOD, DONE, 20,
        ),
        "no output_index": Odd(named(BEGUN, *without("output_index", *ANSWER), END), GOOD, DONE, 20),
        "a call without output_index": Odd(
            named(BEGUN, *without("output_index", *CALLING), event("completed", response=response([CALL]))),
            CALLED, response([CALL]), 20,
        ),
        "no item ids": Odd(named(BEGUN, *without("item_id", *ANSWER), END), GOOD, DONE, 20),
        "no event names": Odd(sse(BEGUN, *ANSWER, END), GOOD, DONE, 20),
        "no content_part events": Odd(
            named(BEGUN, *(one for one in ANSWER if "content_part" not in one["type"]), END), GOOD, DONE, 20
        ),
        "a custom tool's input in deltas": Odd(
            named(
                BEGUN, event("output_item.added", output_index=0, item={**CUSTOM, "input": "", "status": "in_progress"}),
                event("custom_tool_call_input.delta", output_index=0, item_id="ct_1", delta="*** "),
                event("custom_tool_call_input.delta", output_index=0, item_id="ct_1", delta="Begin"),
                event("custom_tool_call_input.done", output_index=0, item_id="ct_1", input="*** Begin"),
                event("output_item.done", output_index=0, item=CUSTOM), event("completed", response=response([CUSTOM])),
            ),
            CALLED, response([CUSTOM]), 20,
        ),
        "reasoning without a summary, then text": Odd(
            named(
                BEGUN, *opened(0, BARE), *closed(0, BARE), *opened(1, SAID), *words(1, SAID), *closed(1, SAID),
                event("completed", response=response([BARE, SAID])),
            ),
            GOOD, response([BARE, SAID]), 20,
        ),
        "reasoning without a summary alone": Odd(
            named(BEGUN, *opened(0, BARE), *closed(0, BARE), event("completed", response=response([BARE]))),
            SILENT, response([BARE]), 20,
        ),
        "sealed reasoning alone": Odd(
            named(BEGUN, *opened(0, SEALED), *closed(0, SEALED), event("completed", response=response([SEALED]))),
            GOOD, response([SEALED]), 20,
        ),
        "raw reasoning, as vLLM tells it": Odd(
            named(BEGUN, event("reasoning_text.delta", output_index=0, delta="hm"), ended(output=[])), GOOD, None, 20
        ),
        "a refusal in words": Odd(
            named(BEGUN, event("refusal.delta", output_index=0, content_index=0, delta="no"), ended(output=[])),
            REFUSED, response([message("") | {"content": [{"type": "refusal", "refusal": "no"}]}]), 20,
        ),
        "a vendor's own tool alone": Odd(
            named(BEGUN, event("output_item.done", output_index=0, item=SEARCH), event("completed", response=response([SEARCH]))),
            GOOD, response([SEARCH]), 20,
        ),
        "content as null": Odd(
            named(BEGUN, event("completed", response=response([SAID | {"content": None}]))),
            SILENT, response([SAID | {"content": None}]), 20,
        ),
        "two parts of text, the first empty": Odd(
            named(BEGUN, event("completed", response=response([SAID | {"content": [text_part(""), text_part("b")]}]))),
            GOOD, response([SAID | {"content": [text_part(""), text_part("b")]}]), 20,
        ),
        "usage as null": Odd(
            named(BEGUN, *ANSWER, event("completed", response=DONE | {"usage": None})), GOOD, DONE | {"usage": None}
        ),
        "[DONE] after the end": Odd(named(BEGUN, *ANSWER, END) + b"data: [DONE]\n\n", GOOD, DONE, 20),
        "[DONE] in place of the end": Odd(named(BEGUN, *ANSWER) + b"data: [DONE]\n\n", CUT),
        "closed after output_item.done": Odd(named(BEGUN, *ANSWER), CUT),
        "a second end": Odd(
            named(BEGUN, *ANSWER, END, event("failed", response=response([], "failed", error={"message": "x"}))),
            GOOD, DONE, 20,
        ),
        "cancelled": Odd(
            named(BEGUN, event("cancelled", response=response([], "cancelled"))),
            failing(ErrorKind.UPSTREAM_ERROR, finished=True), response([], "cancelled"),
        ),
    }  # fmt: skip


def test_arguments_that_come_again_after_done_are_not_told_twice() -> None:
    raw = named(BEGUN, *CALLING, *words(0, CALL), event("completed", response=response([CALL])))
    (call,) = fold(translated(RESPONSES, [raw])[1]).parts
    assert call == ToolCall("call_1", "f", '{"a":1}')


def test_a_call_in_one_piece_without_deltas_is_whole() -> None:
    step = Call("f", {"a": 1})
    item = CALL | {"arguments": '{"a": 1}'}
    raw = named(BEGUN, *opened(0, item), *closed(0, item), event("completed", response=response([item])))
    verdict = agree(RESPONSES, [raw])
    assert verdict.stop is Stop.TOOL_USE
    (call,) = fold(translated(RESPONSES, [raw])[1]).parts
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == (step.name, '{"a": 1}')
