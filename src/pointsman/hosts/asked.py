"""A request to a host as plain values. What a host that makes text cannot do is refused here, by name; hints it has no use
for (`user`, `metadata`, ...) are passed over.

Not here: HTTP (wire.py), the answer (told.py), templates and tokens, which the engine knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .refusal import Refused

_MOST_STOPS = 16


@dataclass(frozen=True, slots=True)
class ModelAbilities:
    """Of the model that is loaded. pictures: it reads them. tools: its template writes and reads calls. chat: it has a
    template for messages at all. vocabulary: size of it, in tokens."""

    pictures: bool
    tools: bool
    chat: bool
    vocabulary: int


@dataclass(frozen=True, slots=True)
class HostRequest:
    """messages: those of a chat, None when it is plain text to go on with (`prompt`). sampling: what was said of it, by
    OpenAI's names. most: tokens of the answer, None: as many as fit. only_one_call: stop after the first call."""

    model: str
    messages: list[dict[str, Any]] | None
    prompt: str
    tools: list[dict[str, Any]] | None
    stops: tuple[str, ...]
    most: int | None
    stream: bool
    tells_usage: bool
    only_one_call: bool
    seed: int | None
    sampling: Mapping[str, float]
    bias: Mapping[int, float]
    template: Mapping[str, Any] = field(default_factory=dict)


_NOTHING: tuple[object, ...] = (None, False, [], {}, "")
_CANNOT = {
    "logprobs": "this engine tells no probabilities",
    "top_logprobs": "this engine tells no probabilities",
    "audio": "this model makes text only",
    "functions": "write `tools` instead",
    "function_call": "write `tool_choice` instead",
    "web_search_options": "this engine searches nothing",
    "suffix": "this engine only goes on with a text",
    "echo": "this engine does not repeat the prompt",
    "adapters": "an adapter is chosen when the engine is started",
    "draft_model": "a draft model is chosen when the engine is started",
    "prediction": "this engine takes no predicted output",
    **dict.fromkeys(
        ("grammar", "guided_json", "guided_regex", "structured_outputs", "json_schema"),
        "mlx-lm cannot hold a model to a grammar; llama.cpp can (pointsman local add NAME --gguf FILE)",
    ),
}
"""Fields that would change the answer, and why they do not."""
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 100), "top_p": (0, 1), "top_k": (0, 10**9), "min_p": (0, 1), "repetition_penalty": (0, 100),
    "presence_penalty": (-100, 100), "frequency_penalty": (-100, 100),
}  # fmt: skip


def chat(body: Mapping[str, Any], abilities: ModelAbilities) -> HostRequest:
    """`/v1/chat/completions`. Raises Refused."""
    if not abilities.chat:
        raise Refused("this model has no chat template; ask it on /v1/completions", param="messages")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("messages: a list of messages is wanted", param="messages")
    return _asked(
        body, abilities, [_message(one, abilities) for one in messages], "", _tools(body, abilities)
    )


def completion(body: Mapping[str, Any], abilities: ModelAbilities) -> HostRequest:
    """`/v1/completions`. Raises Refused."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise Refused("prompt: one text is wanted", param="prompt")
    return _asked(body, abilities, None, prompt, None)


def _asked(
    body: Mapping[str, Any], abilities: ModelAbilities, messages: list[dict[str, Any]] | None, prompt: str,
    tools: list[dict[str, Any]] | None,
) -> HostRequest:  # fmt: skip
    for name, why in _CANNOT.items():
        if body.get(name) not in _NOTHING:
            raise Refused(f"{name}: {why}", param=name)
    for name in ("n", "best_of"):
        if body.get(name) not in (None, 1):
            raise Refused(f"{name}: one answer at a time", param=name)
    if body.get("modalities") not in (None, ["text"]):
        raise Refused("modalities: this model makes text only", param="modalities")
    _check_format(body.get("response_format"))
    options = body.get("stream_options")
    return HostRequest(
        model=str(body.get("model") or ""),
        messages=messages,
        prompt=prompt,
        tools=tools,
        stops=_stops(body.get("stop")),
        most=_most(body),
        stream=body.get("stream") is True,
        tells_usage=isinstance(options, dict) and options.get("include_usage") is True,
        only_one_call=body.get("parallel_tool_calls") is False,
        seed=_whole(body, "seed"),
        sampling={name: value for name in _RANGES if (value := _number(body, name)) is not None},
        bias=_bias(body.get("logit_bias"), abilities.vocabulary),
        template=_template(body),
    )


def _message(message: Any, abilities: ModelAbilities) -> dict[str, Any]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise Refused("messages: each one is an object with a role", param="messages")
    role = "system" if message["role"] == "developer" else message["role"]
    content = message.get("content")
    if isinstance(content, list):
        content = [_part(part, abilities) for part in content]
        if all(part["type"] == "text" for part in content):
            content = "".join(part["text"] for part in content)
    elif content is not None and not isinstance(content, str):
        raise Refused("messages: content is a text or a list of parts", param="messages")
    return {**message, "role": role, "content": content or ""}


def _part(part: Any, abilities: ModelAbilities) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get(kind) if kind in ("text", "refusal") else None
    if isinstance(text, str):
        return {"type": "text", "text": text}
    if kind == "image_url":
        if not abilities.pictures:
            raise Refused("this model reads text only; it cannot see pictures", param="messages")
        value = part.get("image_url")
        url = value.get("url") if isinstance(value, dict) else value
        if not isinstance(url, str) or not url.startswith("data:"):
            raise Refused("a picture is wanted as a data: URL; this engine fetches nothing", param="messages")
        return {"type": "image_url", "image_url": {"url": url}}
    raise Refused(f"this model cannot read a part of type {kind}", param="messages")


def _tools(body: Mapping[str, Any], abilities: ModelAbilities) -> list[dict[str, Any]] | None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not tools or choice == "none":
        return None
    if not isinstance(tools, list) or not all(isinstance(one, dict) for one in tools):
        raise Refused("tools: a list of tools is wanted", param="tools")
    if any(not isinstance(one.get("function"), dict) for one in tools):
        raise Refused("tools: this model calls tools of type function only", param="tools")
    if not abilities.tools:
        raise Refused("this model's template has no tools", param="tools")
    if choice not in (None, "auto"):
        raise Refused("tool_choice: this engine cannot make a model call a tool; `auto` and `none` are taken",
                      param="tool_choice")  # fmt: skip
    return tools


def _check_format(wanted: Any) -> None:
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if kind not in (None, "text"):
        raise Refused(f"response_format: {_CANNOT['json_schema']}", param="response_format")


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value or []
    if (
        not isinstance(stops, list)
        or not all(isinstance(one, str) for one in stops)
        or len(stops) > _MOST_STOPS
    ):
        raise Refused(f"stop: a text or at most {_MOST_STOPS} of them", param="stop")
    return tuple(one for one in stops if one)


def _most(body: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = _whole(body, name)
        if value is not None:
            if value < 1:
                raise Refused(f"{name}: at least 1", param=name)
            return value
    return None


def _whole(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise Refused(f"{name}: a whole number is wanted", param=name)
    return value


def _number(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    least, most = _RANGES[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise Refused(f"{name}: a number from {least:g} to {most:g}", param=name)
    return value


def _bias(value: Any, vocabulary: int) -> dict[int, float]:
    """A token that the model has not would end the engine, so that it is looked at here."""
    try:
        found = {int(token): float(number) for token, number in (value or {}).items()}
    except (AttributeError, TypeError, ValueError):
        raise Refused("logit_bias: an object of token ids and numbers", param="logit_bias") from None
    if any(not 0 <= token < vocabulary for token in found):
        raise Refused(f"logit_bias: token ids are from 0 to {vocabulary - 1}", param="logit_bias")
    return found


def _template(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's template is told beside the messages."""
    given = body.get("chat_template_kwargs") or {}
    if not isinstance(given, dict):
        raise Refused("chat_template_kwargs: an object is wanted", param="chat_template_kwargs")
    effort = body.get("reasoning_effort")
    return {**({"reasoning_effort": effort} if isinstance(effort, str) else {}), **given}
