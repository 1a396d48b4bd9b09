"""Whole Chat answers, read and written (PROTOCOLS.md 9, 10, 11.5). Pure. Not here: streams (reader.py, writer.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.events import Stop
from ...conversation.parts import (
    AssistantPart,
    Citation,
    Foreign,
    Opaque,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
)
from ...conversation.profile import Profile
from ...conversation.reply import Reply
from ...conversation.usage import TokenUsage
from ..base import Answering
from ..think import ThinkSplitter
from .errors import error_inside

OWN = "openai_chat"
STOPS = {
    "stop": Stop.END,
    "length": Stop.MAX_TOKENS,
    "tool_calls": Stop.TOOL_USE,
    "function_call": Stop.TOOL_USE,
    "content_filter": Stop.REFUSAL,
}
FINISH = {
    Stop.END: "stop",
    Stop.STOP_SEQUENCE: "stop",
    Stop.MAX_TOKENS: "length",
    Stop.TOOL_USE: "tool_calls",
    Stop.PAUSE: "length",  # PROTOCOLS.md 9.1: what cannot be continued is told as cut
    Stop.REFUSAL: "content_filter",
    Stop.CONTEXT_WINDOW: "length",
}


class Details(msgspec.Struct):
    """The parts of prompt or completion tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """Chat's usage; servers leave any of it out."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's name

    def neutral(self) -> TokenUsage:
        """Cached tokens are part of the prompt tokens here as there (PROTOCOLS.md 10)."""
        prompt, completion = (
            self.prompt_tokens_details or Details(),
            self.completion_tokens_details or Details(),
        )
        cached = prompt.cached_tokens if prompt.cached_tokens is not None else self.prompt_cache_hit_tokens
        return TokenUsage(
            self.prompt_tokens,
            self.completion_tokens,
            cached,
            completion.reasoning_tokens,
            cache_write=prompt.cache_write_tokens,
        )


def parse_reply(body: bytes, profile: Profile) -> Reply:
    """Raises ValueError when it is no Chat answer, PointsmanError when it is an error with status 200."""
    value = msgspec.json.decode(body)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if value.get("error") and not value.get("choices"):
        raise error_inside(value["error"])
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("no choices")
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ValueError("no message")
    try:
        parts = _parts(message, profile)
        usage = msgspec.convert(value["usage"], Usage).neutral() if value.get("usage") else None
    except (msgspec.ValidationError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(str(error)) from None
    reply = Reply(str(value.get("id") or ""), str(value.get("model") or ""), parts, usage=usage)
    reply.stop, reply.sequence, reply.explanation = stop_of(
        choice.get("finish_reason"), choice.get("stop_reason"), parts, profile
    )
    tier = value.get("service_tier")
    reply.service_tier = tier if isinstance(tier, str) else None
    return reply


def stop_of(
    reason: Any, matched: Any, parts: list[AssistantPart], profile: Profile
) -> tuple[Stop, str | None, str | None]:
    """Why it stopped; several servers say `stop` though they call tools (PROTOCOLS.md 9.2)."""
    stop = STOPS.get(reason, Stop.END) if isinstance(reason, str) else Stop.END
    refusal = next((part.text for part in parts if isinstance(part, Refusal)), None)
    if refusal is not None and stop is not Stop.MAX_TOKENS:
        return Stop.REFUSAL, None, refusal
    if stop is Stop.END and any(isinstance(part, ToolCall) for part in parts):
        return Stop.TOOL_USE, None, None
    if stop is Stop.END and isinstance(matched, str) and matched:  # vLLM tells which
        return Stop.STOP_SEQUENCE, matched, None
    return stop, None, None


def thought_of(message: Any) -> str:
    """Reasoning under whichever name; some servers send it under both (PROTOCOLS.md 7.4)."""
    for name in ("reasoning_content", "reasoning"):
        found = message.get(name)
        if isinstance(found, str) and found:
            return found
    return ""


def _parts(message: dict[str, Any], profile: Profile) -> list[AssistantPart]:
    parts: list[AssistantPart] = []
    thought = thought_of(message)
    details = [one for one in message.get("reasoning_details") or [] if isinstance(one, dict)]
    signed = [one for one in details if one.get("signature") or one.get("data")]
    if thought or signed:
        opaque = Opaque(OWN, signed[0], profile.backend) if len(signed) == 1 else None
        parts.append(Thinking(thought, opaque))
    content = message.get("content")
    if isinstance(content, str) and content:
        if thought:
            parts.append(Text(content))
        else:
            splitter = ThinkSplitter()
            _merge(parts, [*splitter.feed(content), *splitter.finish()])
    elif isinstance(content, list):
        for one in content:
            if one.get("type") == "thinking":  # Mistral
                pieces = one.get("thinking") or []
                parts.append(Thinking("".join(piece.get("text", "") for piece in pieces)))
            elif one.get("text"):
                parts.append(Text(one["text"]))
    _cite(parts, message.get("annotations"))
    if message.get("refusal"):
        parts.append(Refusal(str(message["refusal"])))
    calls = list(message.get("tool_calls") or [])
    if message.get("function_call"):
        calls.append({"function": message["function_call"]})
    seen: set[str] = set()
    for index, call in enumerate(calls):
        parts.append(_call(call, index, seen))
    return parts


def _merge(parts: list[AssistantPart], pieces: list[tuple[bool, str]]) -> None:
    for thinking, text in pieces:
        last = parts[-1] if parts else None
        if thinking:
            if isinstance(last, Thinking):
                last.text += text
            else:
                parts.append(Thinking(text))
        elif isinstance(last, Text):
            last.text += text
        else:
            parts.append(Text(text))


def _cite(parts: list[AssistantPart], annotations: Any) -> None:
    text = next((part for part in parts if isinstance(part, Text)), None)
    if text is None or not isinstance(annotations, list):
        return
    found = [citation for one in annotations if (citation := citation_of(one)) is not None]
    text.citations = tuple(found)


def citation_of(annotation: Any) -> Citation | None:
    """One `url_citation`; of other kinds there are none in Chat."""
    if not isinstance(annotation, dict) or annotation.get("type") != "url_citation":
        return None
    inner = annotation.get("url_citation")
    inner = inner if isinstance(inner, dict) else annotation
    return Citation(
        inner.get("url"), inner.get("title"), None, inner.get("start_index"), inner.get("end_index")
    )


def _call(call: Any, index: int, seen: set[str]) -> ToolCall:
    custom = call.get("custom")
    inner = custom or call.get("function") or {}
    name = str(inner.get("name") or "")
    text = inner.get("input") if custom else inner.get("arguments")
    if isinstance(text, dict | list):  # seen: an object where the protocol wants its text (PROTOCOLS.md 5.5)
        text = msgspec.json.encode(text).decode()
    call_id = unique_id(call.get("id"), index, name, seen)
    kind = ToolKind.CUSTOM if custom else ToolKind.FUNCTION
    return ToolCall(call_id, name, text or "", kind)


def unique_id(call_id: Any, index: int, name: str, seen: set[str]) -> str:
    """Servers leave ids out, or give all calls the same one (PROTOCOLS.md 5.3)."""
    found = call_id if isinstance(call_id, str) and call_id else f"call_{index}_{name}"[:64]
    unique, count = found, 1
    while unique in seen:
        count += 1
        unique = f"{found}_{count}"
    seen.add(unique)
    return unique


# -- writing


def answer_id(upstream: str, request_id: str) -> str:
    """Ours, from the upstream's where it had one: the same answer keeps the same id."""
    clean = "".join(c for c in upstream if c.isalnum() or c in "_-")[:80]
    if clean.startswith("chatcmpl-"):
        return clean
    return f"chatcmpl-{clean or request_id}"


def usage_value(usage: TokenUsage | None) -> dict[str, Any] | None:
    """Chat's usage object (PROTOCOLS.md 10)."""
    if usage is None or (usage.input is None and usage.output is None):
        return None
    prompt, completion = usage.input or 0, usage.output or 0
    details = {"cached_tokens": usage.cached or 0}
    if usage.cache_write:
        details["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
    }


def annotation_value(citation: Citation, offset: int, length: int) -> dict[str, Any] | None:
    """A web citation with places in the whole text; other kinds have no form in Chat (PROTOCOLS.md 4.6)."""
    if citation.url is None:
        return None
    start = citation.start if citation.start is not None else 0
    end = citation.end if citation.end is not None else length
    inner = {
        "start_index": offset + start,
        "end_index": offset + end,
        "title": citation.title or "",
        "url": citation.url,
    }
    return {"type": "url_citation", "url_citation": inner}


def render_reply(reply: Reply, answering: Answering) -> bytes:
    """The client's whole body."""
    message = _message(reply, answering)
    finish = FINISH[reply.stop]
    if answering.request.legacy_functions and finish == "tool_calls":
        finish = "function_call"
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    if reply.sequence is not None:
        choice["stop_reason"] = reply.sequence  # vLLM's name for it: OpenAI never says which
    body = {
        "id": answer_id(reply.id, answering.request_id),
        "object": "chat.completion",
        "created": answering.created,
        "model": answering.request.model,
        "choices": [choice],
        "usage": usage_value(reply.usage),
    }
    if reply.service_tier is not None:
        body["service_tier"] = reply.service_tier
    return msgspec.json.encode(body if body["usage"] else {k: v for k, v in body.items() if k != "usage"})


def _message(reply: Reply, answering: Answering) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    details: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    refusal = reply.explanation if reply.stop is Stop.REFUSAL else None
    for part in reply.parts:
        match part:
            case Text():
                offset = sum(map(len, texts))
                texts.append(part.text)
                found = (annotation_value(one, offset, len(part.text)) for one in part.citations)
                annotations += [one for one in found if one is not None]
            case Thinking():
                thoughts.append(part.text)
                details.append(detail_value(part, len(details), answering))
            case Refusal():
                refusal = part.text
            case ToolCall():
                calls.append(call_value(part.id, part.name, part.arguments, part.kind))
            case Foreign():
                pass  # the vendor's own tool: its text, if any, stands in the texts around it
    text = "".join(texts)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if calls or refusal else ""),
        "refusal": refusal,
    }
    if any(thoughts):
        message["reasoning_content"] = "\n\n".join(filter(None, thoughts))
    if any("signature" in one or "data" in one for one in details):
        message["reasoning_details"] = details
    if annotations:
        message["annotations"] = annotations
    if calls and answering.request.legacy_functions:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    return message


def detail_value(part: Thinking, index: int, answering: Answering) -> dict[str, Any]:
    """OpenRouter's carrier, which clients that know it send back; the signature is ours (PROTOCOLS.md 7.5)."""
    value: dict[str, Any] = {
        "type": "reasoning.text",
        "text": part.text,
        "format": "pointsman-v1",
        "index": index,
    }
    if part.opaque is not None:
        if part.opaque.protocol == OWN and isinstance(part.opaque.data, dict):
            return dict(part.opaque.data)
        value["signature"] = answering.capsules.seal(part.opaque)
    return value


def call_value(call_id: str, name: str, arguments: str, kind: ToolKind) -> dict[str, Any]:
    """One call of a whole answer."""
    if kind is ToolKind.CUSTOM:
        return {"id": call_id, "type": "custom", "custom": {"name": name, "input": arguments}}
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}
