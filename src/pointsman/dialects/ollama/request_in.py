"""`/api/chat` and `/api/generate` as neutral requests (docs/protocols/ollama.md#fields). Pure."""

from __future__ import annotations

import re
from typing import Any

from ...conversation.parts import Text
from ...conversation.request import Request
from ..base import Reading
from ..fields import Fields, bad
from ..openai_request import read_tool
from .images import read_images
from .lines import encode, told_time
from .messages_in import read_messages, user_turn
from .options import read_settings, refuse_template

_COMPLETIONS = (
    "send it to /v1/completions of a backend that has it, which takes `prompt` and `suffix` as they are."
)


def parse_chat(body: dict[str, Any], reading: Reading) -> Request:
    """Raises PointsmanError 400 naming the field by its path."""
    fields = Fields(body)
    request = Request(model=fields.need_text("model"), raw=body)
    messages = fields.any("messages")
    if not isinstance(messages, list) or not messages:
        bad("messages", "must be a list with at least one message.")
    read_messages(request, messages, reading)
    for tool in fields.objects("tools"):
        tool.need_choice("type", ("function",)) if "type" in tool.value else None
        request.tools.append(read_tool(tool, "function", reading))
    refuse_template(fields, reading.notes)
    read_settings(request, fields, reading.notes)
    fields.close(reading.notes)
    return request


def parse_generate(body: dict[str, Any], reading: Reading) -> Request:
    """Raises PointsmanError 400 naming the field by its path."""
    fields, notes = Fields(body), reading.notes
    request = Request(model=fields.need_text("model"), raw=body)
    request.paths["messages"] = "prompt"
    system = fields.text("system")
    if system:
        request.system.append(Text(system, path="system"))
    if fields.text("suffix"):
        notes.refuse("suffix", f"a chat backend fills in no middle; {_COMPLETIONS}")
    if fields.flag("raw"):
        notes.refuse("raw", f"a chat backend fills in the model's template itself; {_COMPLETIONS}")
    request.messages.append(user_turn(fields.text("prompt"), read_images(fields)))
    refuse_template(fields, notes)
    if fields.items("context"):
        notes.drop("context", "only the server that made these tokens can read them; use /api/chat")
    read_settings(request, fields, notes)
    fields.close(notes)
    return request


def load_by_chat(body: dict[str, Any], created: int) -> bytes | None:
    """ "If the messages array is empty, the model will be loaded into memory" (Ollama's API page)."""
    if body.get("messages"):
        return None
    return _loaded(body, created, {"message": {"role": "assistant", "content": ""}})


def load_by_generate(body: dict[str, Any], created: int) -> bytes | None:
    """ "If an empty prompt is provided, the model will be loaded into memory" (the same)."""
    if body.get("prompt") or body.get("images") or body.get("suffix"):
        return None
    return _loaded(body, created, {"response": ""})


_NEVER = re.compile(r"[+-]?(?:0|(?:0+(?:\.0*)?(?:ns|us|µs|ms|s|m|h))+)")
"""`keep_alive` that unloads: no time at all, as Go's `time.ParseDuration` reads it."""


def _loaded(body: dict[str, Any], created: int, said: dict[str, Any]) -> bytes:
    keep = body.get("keep_alive")
    none = keep == 0 and keep is not False
    unloads = bool(_NEVER.fullmatch(keep)) if isinstance(keep, str) else none
    reason = "unload" if unloads else "load"
    return encode(
        {
            "model": body.get("model"),
            "created_at": told_time(created),
            **said,
            "done": True,
            "done_reason": reason,
        }
    )
