"""A neutral request as a Messages body for one target (docs/protocols/requests.md). Deterministic: the same
request gives the same bytes. Not here: turns (turns.py), tools (tools_out.py); what fits the target (translation/adapt.py).
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec

from ...conversation.profile import Profile
from ...conversation.request import Request, ThinkingMode
from ..fields import maybe
from .cache_marks import control, put
from .tools_out import tool_choice, tools
from .turns import Turns

_TIERS = {"auto": "auto", "default": "standard_only"}
_rare = attrgetter("top_p", "top_k", "user", "service_tier", "stop")
_NONE = (None, None, None, None, ())


def render_request(request: Request, profile: Profile) -> bytes:
    """The body. request: fits the target (translation/adapt.py)."""
    body: dict[str, Any] = {"model": request.model, "max_tokens": request.max_tokens}
    system = [put({"type": "text", "text": t.text}, t.cache) for t in request.system if t.text.strip()]
    if system:
        body["system"] = system
    body["messages"] = Turns(profile).build(request)
    if not request.plain:
        _say_more(body, request)
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if _rare(request) != _NONE:
        body |= maybe(
            {
                "top_p": request.top_p,
                "top_k": request.top_k,
                "stop_sequences": list(request.stop) or None,
                "metadata": {"user_id": request.user} if request.user else None,
                "service_tier": _TIERS.get(request.service_tier or ""),
            }
        )
    if request.stream:
        body["stream"] = True
    if request.cache_auto is not None:
        body["cache_control"] = control(request.cache_auto)
    return msgspec.json.encode(body)


def _say_more(body: dict[str, Any], request: Request) -> None:
    """What is not in conversation.request.PLAIN, and stands before what is."""
    rendered = tools(request)
    if rendered is not None:
        body["tools"] = rendered
    choice = tool_choice(request, rendered)
    if choice is not None:
        body["tool_choice"] = choice
    if request.thinking is not None:
        body["thinking"] = _thinking(request.thinking)
    if request.effort is not None or request.format is not None:
        body["output_config"] = maybe({"effort": request.effort, "format": _format(request)})


def _thinking(mode: ThinkingMode) -> dict[str, Any]:
    return maybe({"type": mode.type, "budget_tokens": mode.budget, "display": mode.display})


def _format(request: Request) -> dict[str, Any] | None:
    found = request.format
    return None if found is None else {"type": "json_schema", "schema": found.schema}
