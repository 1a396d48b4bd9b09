"""Neutral messages as Chat messages (docs/protocols/messages.md#messages-histories). Pure; each
message's bytes depend on it and its neighbours only, so a longer conversation begins with the
shorter one's bytes.
"""

from __future__ import annotations

from typing import Any

from ...conversation import parts as neutral
from ...conversation.profile import Profile
from ...conversation.request import Message, Request, Role
from ..fields import maybe
from ..openai_parts import Wording, content_part, marked
from .reply import call_value

REMINDER = "<system-reminder>\n{}\n</system-reminder>"
"""Where a server takes system text at the front only, later ones go into the user's turn like this
(docs/protocols/messages.md#system-text-in-the-middle)."""


def render_messages(request: Request, profile: Profile) -> list[dict[str, Any]]:
    """The whole list."""
    out: list[dict[str, Any]] = []
    if request.system:
        role = "developer" if profile.developer_role else "system"
        out.append({"role": role, "content": _system(request.system, profile)})
    for message in request.messages:
        if message.role in (Role.SYSTEM, Role.DEVELOPER):
            _late_system(out, message, profile)
        elif message.role is Role.ASSISTANT:
            _assistant(out, message, profile)
        else:
            _user(out, message, profile)
    return out


def _system(parts: list[neutral.Text], profile: Profile) -> Any:
    if profile.system_text or (len(parts) == 1 and parts[0].cache is None):
        return "\n\n".join(part.text for part in parts)
    return [marked({"type": "text", "text": part.text}, part.cache) for part in parts]


def _late_system(out: list[dict[str, Any]], message: Message, profile: Profile) -> None:
    text = "\n\n".join(part.text for part in message.parts if isinstance(part, neutral.Text))
    if not text:
        return
    if profile.system_text:
        _append_user(out, [{"type": "text", "text": REMINDER.format(text)}], profile)
    else:
        role = "developer" if profile.developer_role else message.role.value
        out.append(maybe({"role": role, "content": text, "name": message.name}))


# -- the user's turns


def _user(out: list[dict[str, Any]], message: Message, profile: Profile) -> None:
    shown: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, neutral.ToolResult):
            content = _result(part, shown)
            out.append({"role": "tool", "tool_call_id": part.call_id, "content": content})
    for part in message.parts:
        if not isinstance(part, neutral.ToolResult):
            shown += content_part(part, _WORDING)
    if shown:
        _append_user(out, shown, profile, message.name)


def _append_user(
    out: list[dict[str, Any]], parts: list[dict[str, Any]], profile: Profile, name: str | None = None
) -> None:
    last = out[-1] if out else {}
    if profile.merge_turns and last.get("role") == "user" and last.get("name") == name:
        before = last["content"]
        merged = [{"type": "text", "text": before}] if isinstance(before, str) else before
        last["content"] = _plain(merged + parts)
        return
    out.append(maybe({"role": "user", "content": _plain(parts), "name": name}))


def _plain(parts: list[dict[str, Any]]) -> Any:
    """One text is a string, which every server takes; texts alone are joined for them as well."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts


def _image(part: neutral.Image) -> dict[str, Any]:
    url = part.url or f"data:{part.media_type};base64,{part.data}"
    return {"type": "image_url", "image_url": maybe({"url": url, "detail": part.detail})}


def _file(part: neutral.Document) -> dict[str, Any]:
    if part.file_id is not None:
        return {"type": "file", "file": {"file_id": part.file_id}}
    data = f"data:{part.media_type};base64,{part.data}"
    return {"type": "file", "file": {"filename": part.title or "document.pdf", "file_data": data}}


_WORDING = Wording("text", _image, _file)


def _result(part: neutral.ToolResult, shown: list[dict[str, Any]]) -> str:
    """A tool message holds text only; its images follow in one user message, in order
    (docs/protocols/tools.md#results)."""
    texts: list[str] = []
    for inner in part.parts:
        if isinstance(inner, neutral.Text):
            texts.append(inner.text)
        elif isinstance(inner, neutral.Document) and inner.text is not None:
            texts += [line for line in (inner.title, inner.context) if line] + [inner.text]
        else:
            count = sum(value["type"] != "text" for value in shown) + 1
            kind = "image" if isinstance(inner, neutral.Image) else "file"
            texts.append(f"[{kind} {count} follows]")
            shown += content_part(inner, _WORDING)
    text = "\n".join(texts)
    if part.is_error and not text.startswith("Error:"):
        text = f"Error: {text}"
    return text


# -- the assistant's turns


def _assistant(out: list[dict[str, Any]], message: Message, profile: Profile) -> None:
    texts: list[str] = []
    thoughts: list[str] = []
    details: list[Any] = []
    calls: list[dict[str, Any]] = []
    refusal: str | None = None
    for part in message.parts:
        match part:
            case neutral.Text():
                texts.append(part.text)
            case neutral.Refusal():
                refusal = part.text
            case neutral.Thinking():
                thoughts.append(part.text)
                if part.opaque is not None:
                    details.append(part.opaque.data)
            case neutral.ToolCall():
                calls.append(call_value(part))
    text = "".join(texts)
    value: dict[str, Any] = {"role": "assistant", "content": text}
    if not text and calls and profile.null_content:
        value["content"] = None
    if refusal is not None:
        if profile.safety_id:
            value["refusal"] = refusal
        else:
            value["content"] = text + refusal
    if details:
        value["reasoning_details"] = details
    elif profile.replay_as is not None and any(thoughts):
        value[profile.replay_as] = "\n\n".join(filter(None, thoughts))
    if calls:
        value["tool_calls"] = calls
    last = out[-1] if out else {}
    if message.name is not None:
        value["name"] = message.name
    mergeable = profile.merge_turns and last.get("role") == "assistant" and last.get("name") == message.name
    if mergeable and not (calls or last.get("tool_calls")):
        last["content"] = "\n\n".join(filter(None, [last["content"], value["content"]]))
        return
    if text or calls or refusal or details or any(thoughts):
        out.append(value)
