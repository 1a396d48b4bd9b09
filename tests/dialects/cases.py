"""The neutral cases that every translating dialect must carry, both ways: requests, and replies with their verdict.

They stand once; each dialect's folder runs them (shared.py). What only one protocol can say is in its own folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.conversation.events import Stop
from pointsman.conversation.parts import Image, Refusal, Text, Thinking, ToolCall, ToolResult
from pointsman.conversation.reply import Reply
from pointsman.conversation.request import Message, OutputFormat, Request, Role, Tool, ToolChoice
from pointsman.conversation.usage import TokenUsage
from tests.neutral import placed


@dataclass(frozen=True)
class ReplyCase:
    """reply, and its verdict: answered, and stop (a refusal is refused)."""

    reply: Reply
    answered: bool = True


def reply(*parts: Any, stop: Stop = Stop.END, usage: TokenUsage | None = None) -> Reply:
    return Reply("x1", "m", list(parts), stop, usage=usage or TokenUsage(10, 5, 0, 0))


CALL = ToolCall("call_1", "f", '{"a":"1"}')
OTHER = ToolCall("call_2", "g", "{}")
REPLIES = {
    "text": ReplyCase(reply(Text("Hello \u2603"))),
    "long text": ReplyCase(reply(Text("word " * 500))),
    "reasoning, then text": ReplyCase(reply(Thinking("let me see"), Text("ok"))),
    "reasoning alone, to a limit": ReplyCase(reply(Thinking("let me"), stop=Stop.MAX_TOKENS)),
    "a call": ReplyCase(reply(CALL, stop=Stop.TOOL_USE)),
    "text and two calls": ReplyCase(reply(Text("I will"), CALL, OTHER, stop=Stop.TOOL_USE)),
    "everything": ReplyCase(reply(Thinking("hm"), Text("so"), CALL, OTHER, stop=Stop.TOOL_USE)),
    "cut at a limit": ReplyCase(reply(Text("and then"), stop=Stop.MAX_TOKENS)),
    "a limit before anything": ReplyCase(reply(stop=Stop.MAX_TOKENS)),
    "filtered": ReplyCase(reply(Text("it is"), stop=Stop.REFUSAL)),
    "filtered before anything": ReplyCase(reply(stop=Stop.REFUSAL)),
    "refused in words": ReplyCase(reply(Refusal("I will not"), stop=Stop.REFUSAL)),
    "nothing at all": ReplyCase(reply(), answered=False),
    "cached and reasoned": ReplyCase(reply(Text("x"), usage=TokenUsage(30, 9, 20, 4))),
}

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
TOOL = Tool("f", "does it", SCHEMA)


def request(*messages: Message, **more: Any) -> Request:
    return placed(Request("m", messages=list(messages), max_tokens=50, **more))


def user(*parts: Any) -> Message:
    return Message(Role.USER, [Text(part) if isinstance(part, str) else part for part in parts])


def assistant(*parts: Any) -> Message:
    return Message(Role.ASSISTANT, [Text(part) if isinstance(part, str) else part for part in parts])


def result(call_id: str, text: str) -> ToolResult:
    return ToolResult(call_id, (Text(text),))


REQUESTS = {
    "a question": request(user("hi")),
    "streamed": request(user("hi"), stream=True),
    "system": request(user("hi"), system=[Text("be short")]),
    "turns": request(user("hi"), assistant("hello"), user("go on")),
    "two texts in a turn": request(user("look", "here")),
    "a picture": request(user("look", Image("image/png", "iVBORw0KGgo="))),
    "a linked picture": request(user("look", Image(url="https://example.com/a.png"))),
    "tools": request(user("hi"), tools=[TOOL]),
    "a forced tool": request(user("hi"), tools=[TOOL], tool_choice=ToolChoice("tool", "f")),
    "any tool": request(user("hi"), tools=[TOOL], tool_choice=ToolChoice("any")),
    "calls and results": request(
        user("hi"), assistant("I will", CALL, OTHER), user(result("call_1", "one"), result("call_2", "two")),
        tools=[TOOL, Tool("g", None, SCHEMA)],
    ),
    "a format": request(user("hi"), format=OutputFormat("json_schema", "x", SCHEMA, True)),
    "an end user": request(user("hi"), user="u"),
}  # fmt: skip
