"""A scripted model: answers each request of an agent with its next tool call, then with a text.


Which step comes next is read from the request itself (how many results it holds), so side requests do no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pointsman.practice import Received, Reply
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import Call, Step, encoded, named

CHAT, RESPONSES, MESSAGES = "openai_chat", "openai_responses", "anthropic_messages"
PATHS = {"/v1/chat/completions": CHAT, "/v1/responses": RESPONSES, "/v1/messages": MESSAGES}
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


Plan = Callable[[int, list[str]], Step]
"""(how many tool results there are, names of the offered tools) -> the next call, or the final text."""


def tool_names(protocol: str, body: dict[str, Any]) -> list[str]:
    tools = body.get("tools") or []
    return [
        tool["function"]["name"] if protocol == CHAT else tool.get("name", tool.get("type")) for tool in tools
    ]


def results(protocol: str, body: dict[str, Any]) -> list[str]:
    """Texts of the tool results in the history."""
    if protocol == CHAT:
        return [str(m["content"]) for m in body["messages"] if m["role"] == "tool"]
    if protocol == RESPONSES:
        return [str(i["output"]) for i in body["input"] if str(i.get("type")).endswith("_output")]
    blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
    contents = [b.get("content") or "" for b in blocks if b["type"] == "tool_result"]
    return [c if isinstance(c, str) else "".join(one.get("text", "") for one in c) for c in contents]


def agent(protocol: str, plan: Plan) -> Callable[[Received], Reply]:
    """The upstream's answer to any request."""

    def answer(received: Received) -> Reply:
        path = received.path
        if received.method == "GET":
            return Reply(200, JSON, body=b'{"object":"list","data":[]}')
        if PATHS.get(path) != protocol:
            return Reply(404, JSON, body=b'{"error":{"message":"no such path"}}')
        body = received.json()
        names = tool_names(protocol, body)
        done = len(results(protocol, body))
        step = plan(done, names) if names else "Side question."
        if isinstance(step, Call):
            step = replace(step, id=f"abc{done}")  # clients tell calls apart by their ids
        said = WHOLE[protocol](step) if not body.get("stream") else STREAM[protocol](step)
        said = said.replace(
            b'"msg_', b'"msg_%d_' % done
        )  # Claude Code puts answers with one id into one turn
        return Reply(200, SSE if body.get("stream") else JSON, body=said)

    return answer


CHAT_USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
MESSAGES_USAGE = {"input_tokens": 100, "output_tokens": 20}
RESPONSES_USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 120,
}
_THOUGHT = "Thinking about it."
_SIGNED = {"type": "thinking", "thinking": _THOUGHT, "signature": "c2lnbmVk"}


STREAM: dict[str, Callable[[Step], bytes]] = {
    CHAT: lambda step: chat.stream(*chat.said(step, CHAT_USAGE, _THOUGHT)),
    MESSAGES: lambda step: named(*messages.said(step, MESSAGES_USAGE, _SIGNED)),
    RESPONSES: lambda step: named(*responses.said(step, RESPONSES_USAGE)),
}
WHOLE: dict[str, Callable[[Step], bytes]] = {
    CHAT: lambda step: encoded(chat.whole_of(step, CHAT_USAGE)),
    MESSAGES: lambda step: encoded(messages.whole_of(step, MESSAGES_USAGE)),
    RESPONSES: lambda step: encoded(responses.whole_of(step, RESPONSES_USAGE)),
}
