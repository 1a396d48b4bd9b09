"""Neutral messages as Chat messages (docs/protocols/messages.md#messages-histories). Pure; each
message's bytes depend on it and its neighbours only, so a longer conversation begins with the
shorter one's bytes.
"""

from __future__ import annotations

from typing import Any

from ...conversation import parts as neutral
from ...conversation.known import KnownList
from ...conversation.profile import Profile
from ...conversation.request import Message, Request, Role
from ..fields import maybe
from ..openai_parts import Wording, content_part, marked
from ..written import Object, Written, as_text, first_written, stands_apart, written
from . import details
from .reply import call_value

REMINDER = "<system-reminder>\n{}\n</system-reminder>"
"""Where a server takes system text at the front only, later ones go into the user's turn like this
(docs/protocols/messages.md#system-text-in-the-middle)."""


def render_messages(request: Request, profile: Profile) -> list[Any]:
    """The whole list, for the encoder."""
    out: list[Object] = []
    if request.system:
        role = "developer" if profile.developer_role else "system"
        out.append({"role": role, "content": _system(request.system, profile)})
    messages = request.messages
    if request.texts and len(messages) == 1:
        only: Any = messages[0].parts[0]
        out.append({"role": "user", "content": only.text})
        return out
    count = 0
    if messages and type(messages[0].parts) is KnownList:
        count = first_written(out, messages, (render_messages, profile), lambda one: _known(one, profile))
    for message in messages[count:] if count else messages:
        known = _known(message, profile)
        if known is not None and stands_apart(out, known):
            out += known
        else:
            _render(out, message, profile)
    return as_text(out)


def _known(message: Message, profile: Profile) -> tuple[Written, ...] | None:
    """What a turn that was met before becomes beside turns of others."""
    parts = message.parts
    if type(parts) is not KnownList or message.name is not None:
        return None
    return written(parts, (_known, message.role is Role.ASSISTANT, profile), _alone, message, profile)


def _alone(message: Message, profile: Profile) -> list[Object]:
    out: list[Object] = []
    _render(out, message, profile)
    return out


def _render(out: list[Object], message: Message, profile: Profile) -> None:
    role = message.role
    if role is Role.USER:
        _user(out, message, profile)
    elif role is Role.ASSISTANT:
        _assistant(out, message, profile)
    else:
        _late_system(out, message, profile)


def _own_last(out: list[Object]) -> Object:
    """The last one, to be changed."""
    if type(out[-1]) is Written:
        out[-1] = dict(out[-1])
    return out[-1]


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
    others: list[neutral.Part] = []
    for part in message.parts:
        if type(part) is neutral.ToolResult:
            content = _result(part, shown)
            out.append({"role": "tool", "tool_call_id": part.call_id, "content": content})
        else:
            others.append(part)
    for part in others:
        shown += content_part(part, _WORDING)
    if shown:
        _append_user(out, shown, profile, message.name)


def _append_user(
    out: list[dict[str, Any]], parts: list[dict[str, Any]], profile: Profile, name: str | None = None
) -> None:
    if out and profile.merge_turns:
        last = out[-1]
        if last["role"] == "user" and last.get("name") == name:
            before = last["content"]
            merged = [{"type": "text", "text": before}] if isinstance(before, str) else before
            _own_last(out)["content"] = _plain(merged + parts)
            return
    value = {"role": "user", "content": _plain(parts)}
    if name is not None:
        value["name"] = name
    out.append(value)


def _plain(parts: list[dict[str, Any]]) -> Any:
    """One text is a string, which every server takes; texts alone are joined for them as well."""
    if len(parts) == 1:
        only = parts[0]
        if len(only) == 2 and only["type"] == "text":
            return only["text"]
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


def _merge(last: dict[str, Any], value: dict[str, Any], profile: Profile) -> None:
    """A second turn of the assistant's into the one before it; its reasoning goes with it."""
    last["content"] = "\n\n".join(filter(None, [last["content"], value["content"]]))
    if "reasoning_details" in value:
        last["reasoning_details"] = [*last.get("reasoning_details", ()), *value["reasoning_details"]]
    for key in ("refusal", profile.replay_as):
        if key is not None and key in value:
            last[key] = "\n\n".join(filter(None, [last.get(key), value[key]]))


class _Said:
    """What one turn holds, by the members of a Chat message."""

    def __init__(self, message: Message) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.details: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.refusal: str | None = None
        self.beside: dict[str, Any] = {}  # of the message
        self.signed = False  # one of its calls at least
        self._beside_call: dict[str, Any] = {}  # of the next call
        for part in message.parts:
            self._add(part)

    def _add(self, part: neutral.Part) -> None:
        match part:
            case neutral.Text():
                self.texts.append(part.text)
            case neutral.Refusal():
                self.refusal = part.text
            case neutral.Thinking():
                self.thoughts.append(part.text)
                if part.opaque is not None and isinstance(part.opaque.data, dict):
                    self._must_come_back(part.opaque.data)
            case neutral.ToolCall():
                self.calls.append(call_value(part) | self._beside_call)
                self._beside_call = {}

    def _must_come_back(self, value: dict[str, Any]) -> None:
        """As its maker told it (docs/protocols/reasoning.md#reasoning-in-pieces)."""
        beside = details.beside_of(value)
        match value.get("type"):
            case details.BESIDE_CALL if "back" in value:
                self.signed = True
                if 0 < value["back"] <= len(self.calls):
                    self.calls[-value["back"]] |= beside
            case details.BESIDE_CALL:
                self.signed = True
                self._beside_call = beside
            case details.BESIDE_MESSAGE:
                self.beside = beside
            case _:
                self.details.append(value)

    def reasoning(self, profile: Profile) -> dict[str, Any]:
        """The members that hold it."""
        if self.details:
            return {"reasoning_details": details.as_sent(self.details)}
        field = profile.replay_as
        text = "\n\n".join(filter(None, self.thoughts)) or profile.no_reasoning
        return {field: text} if field is not None and text else {}


def _assistant(out: list[dict[str, Any]], message: Message, profile: Profile) -> None:
    said = _Said(message)
    text, calls, refusal = "".join(said.texts), said.calls, said.refusal
    value: dict[str, Any] = {"role": "assistant", "content": text}
    if not text and calls and profile.null_content:
        value["content"] = None
    if refusal is not None:
        if profile.safety_id:
            value["refusal"] = refusal
        else:
            value["content"] = text + refusal
    value |= said.reasoning(profile) | said.beside
    if calls:
        if profile.unsigned_call and not said.signed:
            calls[0]["extra_content"] = {"google": {"thought_signature": profile.unsigned_call}}
        value["tool_calls"] = calls
    last = out[-1] if out else {}
    if message.name is not None:
        value["name"] = message.name
    mergeable = profile.merge_turns and last.get("role") == "assistant" and last.get("name") == message.name
    if mergeable and not (calls or last.get("tool_calls")):
        _merge(_own_last(out), value, profile)
        return
    if text or calls or refusal or said.details or any(said.thoughts):
        out.append(value)
