"""What an official SDK reads of an answer, put in the same words for every protocol: the measure of a translation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai

from .recordings import Recording

CHAT, RESPONSES, MESSAGES = "openai_chat", "openai_responses", "anthropic_messages"
ASK: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    RESPONSES: {"input": "hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 512},
}


@dataclass
class Facts:
    """stop: end | length | tools | refusal. tools: (name, parsed arguments). usage: input, output, cached input."""

    text: str = ""
    thinking: str = ""
    tools: list[tuple[str, Any]] = field(default_factory=list)
    stop: str = ""
    usage: tuple[int, int, int] | None = None


class Sdks:
    """The SDKs pointed at one base URL. retries off: an error is the answer."""

    def __init__(self, url: str) -> None:
        self.openai = openai.AsyncOpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        self.anthropic = anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0)

    async def close(self) -> None:
        await self.openai.close()
        await self.anthropic.close()

    async def read(self, protocol: str, model: str, stream: bool) -> Facts:
        """Ask a small question in the protocol and tell what the SDK makes of the answer."""
        ask = ASK[protocol]
        if protocol == CHAT:
            if not stream:
                return chat_facts(await self.openai.chat.completions.create(model=model, **ask))
            async with self.openai.chat.completions.stream(
                model=model, stream_options={"include_usage": True}, **ask
            ) as events:
                async for _ in events:
                    pass
                return chat_facts(events.current_completion_snapshot)
        if protocol == RESPONSES:
            if not stream:
                return responses_facts(await self.openai.responses.create(model=model, **ask))
            final = None
            async for event in await self.openai.responses.create(model=model, stream=True, **ask):
                if event.type in ("response.completed", "response.incomplete", "response.failed"):
                    final = event.response
            assert final is not None
            return responses_facts(final)
        if not stream:
            return messages_facts(await self.anthropic.messages.create(model=model, **ask))
        async with self.anthropic.messages.stream(model=model, **ask) as events:
            async for _ in events:
                pass
            return messages_facts(await events.get_final_message())


def parsed(arguments: Any) -> Any:
    if isinstance(arguments, str):
        try:
            return json.loads(arguments or "{}")
        except ValueError:
            return {"INVALID_JSON": arguments}
    return arguments


def chat_facts(found: Any) -> Facts:
    choice = found.choices[0]
    message = choice.message
    tools = [(c.function.name, parsed(c.function.arguments)) for c in message.tool_calls or []]
    call = getattr(message, "function_call", None)
    if call is not None:
        tools.append((call.name, parsed(call.arguments)))
    extra = message.model_extra or {}
    usage = found.usage
    stops = {
        "stop": "end",
        "length": "length",
        "tool_calls": "tools",
        "function_call": "tools",
        "content_filter": "refusal",
    }
    stop = stops[choice.finish_reason]
    if tools and stop == "end":
        stop = "tools"
    if message.refusal:
        stop = "refusal"
    return Facts(
        (message.content or "") + (message.refusal or ""),
        extra.get("reasoning_content") or extra.get("reasoning") or "",
        tools,
        stop,
        (
            usage.prompt_tokens,
            usage.completion_tokens,
            (usage.prompt_tokens_details.cached_tokens or 0) if usage.prompt_tokens_details else 0,
        )
        if usage
        else None,
    )


def responses_facts(found: Any) -> Facts:
    facts = Facts()
    for item in found.output:
        if item.type == "message":
            for part in item.content:
                facts.text += part.text if part.type == "output_text" else part.refusal
                if part.type == "refusal":
                    facts.stop = "refusal"
        elif item.type == "function_call":
            facts.tools.append((item.name, parsed(item.arguments)))
        elif item.type == "custom_tool_call":
            facts.tools.append((item.name, {"input": item.input}))
        elif item.type == "reasoning":
            pieces = [part.text for part in item.summary] + [part.text for part in item.content or []]
            facts.thinking += "\n\n".join(pieces)
    if found.status == "incomplete":
        facts.stop = {"max_output_tokens": "length", "content_filter": "refusal"}[
            found.incomplete_details.reason
        ]
    elif not facts.stop:
        facts.stop = "tools" if facts.tools else "end"
    usage = found.usage
    if usage:
        facts.usage = (usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens)
    return facts


def messages_facts(found: Any) -> Facts:
    facts = Facts()
    for block in found.content:
        if block.type == "text":
            facts.text += block.text
        elif block.type == "thinking":
            facts.thinking += block.thinking
        elif block.type == "tool_use":
            facts.tools.append((block.name, parsed(block.input)))
    stops = {
        "end_turn": "end",
        "stop_sequence": "end",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tools",
        "refusal": "refusal",
    }
    facts.stop = stops[found.stop_reason]
    usage = found.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    facts.usage = (usage.input_tokens + read + written, usage.output_tokens, read)
    return facts


def protocol_of(recording: Recording) -> str | None:
    """The protocol a recording is in, None for those that only pass through."""
    return {
        "/v1/chat/completions": CHAT,
        "/v1/responses": RESPONSES,
        "/v1/messages": MESSAGES,
    }.get(recording.path.partition("?")[0])
