"""Neutral messages as Responses' input items (docs/protocols/messages.md). Pure: an item depends on
its message only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...conversation import parts as neutral
from ...conversation.known import KnownList
from ...conversation.profile import Profile
from ...conversation.request import Message, Request, Role
from ..fields import maybe
from ..openai_parts import Wording, content_part, marked
from ..written import Object, Written, as_text, first_written, written


def render_input(request: Request, profile: Profile, *, leave_system: bool) -> list[Any]:
    """The whole list, for the encoder. leave_system: the system text is in `instructions`. Raises PointsmanError 400."""
    out: list[Object] = []
    role = "developer" if profile.developer_role else "system"
    if request.system and not leave_system:
        out.append(_message(role, _texts(request.system)))
    messages = request.messages
    count = 0 if request.phases else first_written(out, messages, render_input, _known, _always)
    for message in messages[count:] if count else messages:
        known = None if request.phases else _known(message)
        if known is not None:
            out += known
        elif message.role is Role.ASSISTANT:
            _assistant(out, message, request.phases)
        elif message.role is Role.USER:
            _user(out, message)
        else:
            late = role if message.role is Role.SYSTEM and profile.developer_role else message.role.value
            out.append(_message(late, _texts(message.parts)))
    return as_text(out)


def _known(message: Message) -> tuple[Written, ...] | None:
    """What a turn that was met before becomes, where no turn says its phase."""
    parts = message.parts
    if type(parts) is not KnownList:
        return None
    return written(parts, (_known, message.role is Role.ASSISTANT), _alone, message)


def _alone(message: Message) -> list[Object]:
    out: list[Object] = []
    if message.role is Role.ASSISTANT:
        _assistant(out, message, phases=False)
    else:
        _user(out, message)
    return out


def _always(_: list[Object], known: tuple[Written, ...]) -> bool:
    """No two turns become one here."""
    return True


def _message(role: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": parts}


def _texts(parts: Iterable[neutral.Part]) -> list[dict[str, Any]]:
    texts = (part for part in parts if isinstance(part, neutral.Text))
    return [marked({"type": "input_text", "text": text.text}, text.cache) for text in texts]


def _user(out: list[dict[str, Any]], message: Message) -> None:
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, neutral.ToolResult):
            custom = part.kind is neutral.ToolKind.CUSTOM
            kind = "custom_tool_call_output" if custom else "function_call_output"
            out.append({"type": kind, "call_id": part.call_id, "output": _output(part)})
        else:
            parts += content_part(part, _WORDING)
    if parts:
        out.append(_message("user", parts))


def _output(part: neutral.ToolResult) -> Any:
    if all(isinstance(inner, neutral.Text) for inner in part.parts):
        text = "\n".join(inner.text for inner in part.parts if isinstance(inner, neutral.Text))
        return f"Error: {text}" if part.is_error and not text.startswith("Error:") else text
    values: list[dict[str, Any]] = [{"type": "input_text", "text": "Error:"}] if part.is_error else []
    for inner in part.parts:
        values += content_part(inner, _WORDING)
    return values


def _image(part: neutral.Image) -> dict[str, Any]:
    url = part.url or (f"data:{part.media_type};base64,{part.data}" if part.data is not None else None)
    # `detail` is a required key of the type; auto is its default.
    detail = part.detail or "auto"
    return maybe({"type": "input_image", "image_url": url, "file_id": part.file_id, "detail": detail})


def _file(part: neutral.Document) -> dict[str, Any]:
    if part.url is not None:
        return {"type": "input_file", "file_url": part.url}
    if part.file_id is not None:
        return {"type": "input_file", "file_id": part.file_id}
    data = f"data:{part.media_type};base64,{part.data}"
    return {"type": "input_file", "filename": part.title or "document.pdf", "file_data": data}


_WORDING = Wording("input_text", _image, _file)


def _assistant(out: list[dict[str, Any]], message: Message, phases: bool) -> None:
    texts: list[str] = []
    calls = any(isinstance(part, neutral.ToolCall) for part in message.parts)

    def flush() -> None:
        if texts:
            # As a string: with parts the type wants the id that its vendor once gave the message.
            value = {"type": "message", "role": "assistant", "content": "".join(texts)}
            if phases:  # only for a client that sent them (docs/protocols/messages.md#phases)
                value["phase"] = message.phase or ("commentary" if calls else "final_answer")
            out.append(value)
            texts.clear()

    for part in message.parts:
        match part:
            case neutral.Text() | neutral.Refusal():
                texts.append(part.text)
            case neutral.Foreign():
                flush()
                out.append(part.value)
            case neutral.Thinking():
                flush()
                _reasoning(out, part)
            case neutral.ToolCall():
                flush()
                out.append(_call(part))
    flush()


def _reasoning(out: list[dict[str, Any]], part: neutral.Thinking) -> None:
    """Replayed for its own producer, exactly; nobody else can use it
    (docs/protocols/reasoning.md#reasoning-must-come-back)."""
    opaque = part.opaque
    if opaque is None:
        return
    data = opaque.data if isinstance(opaque.data, dict) else {}
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    item = {"type": "reasoning", "id": data.get("id"), "summary": summary}
    out.append(maybe(item | {"encrypted_content": data.get("encrypted_content")}))


def _call(call: neutral.ToolCall) -> dict[str, Any]:
    if call.kind is neutral.ToolKind.CUSTOM:
        value = {"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.arguments}
    else:
        value = {"type": "function_call", "call_id": call.id, "name": call.name}
        value["arguments"] = call.arguments or "{}"
    return maybe({**value, "namespace": call.namespace})
