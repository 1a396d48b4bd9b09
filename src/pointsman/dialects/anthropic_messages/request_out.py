"""A neutral request as a Messages body for one target (PROTOCOLS.md 3.2, 3.3, 7.2, 8). Deterministic: the same request
gives the same bytes. Not here: turns (turns.py), tools (tools_out.py), thinking (reasoning_out.py), cache marks (marks.py).
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from ...conversation.notes import Notes
from ...conversation.profile import Profile
from ...conversation.request import Request
from .cache_marks import put, settle
from .reasoning_out import Reasoning
from .tools_out import FORCED, is_forced, output_format, tool_choice, tools
from .turns import Turns, lacks_thinking

TAKES = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "effort",
        "thinking",
        "summary",
        "format",
        "user",
        "service_tier",
        "cache_auto",
        "parallel_tools",
        "max_tool_calls",
        "web_search",
    }
)
_USER_MAX = 256
"""Characters of `metadata.user_id`."""
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def render_request(request: Request, profile: Profile, notes: Notes) -> bytes:
    """The body. Raises PointsmanError 400 for what this target cannot take."""
    limit = _max_tokens(request, profile, notes)
    body: dict[str, Any] = {"model": profile.model or request.model, "max_tokens": limit}
    form, line = output_format(request, profile, notes)
    system = [put({"type": "text", "text": t.text}, t.cache) for t in request.system if t.text.strip()]
    if line:
        system.append({"type": "text", "text": line})
    messages = Turns(profile, notes).build(request)
    if not messages:
        messages = _only_system(system, notes)
    rendered = tools(request, profile, notes)
    forced = is_forced(request, profile, notes)
    reasoning = Reasoning(request, profile, notes, limit, forced, lacks_thinking(messages))
    thinking, effort = reasoning.plan()
    if forced and thinking is not None and thinking["type"] == "enabled":
        notes.refuse("tool_choice", FORCED)
    if system:
        body["system"] = system
    body["messages"] = messages
    if rendered:
        body["tools"] = rendered
    choice = tool_choice(request, rendered)
    if choice is not None:
        body["tool_choice"] = choice
    if thinking is not None:
        body["thinking"] = thinking
    config = {key: value for key, value in (("effort", effort), ("format", form)) if value is not None}
    if config:
        body["output_config"] = config
    _sampling(body, request, profile, notes, thinking)
    _stop(body, request, profile, notes)
    _account(body, request, notes)
    if request.stream:
        body["stream"] = True
    settle(body, request, profile, notes)
    return msgspec.json.encode(body)


def _max_tokens(request: Request, profile: Profile, notes: Notes) -> int:
    """Required here; OpenAI's clients often leave it out (PROTOCOLS.md 3.2)."""
    most = profile.max_tokens_limit
    asked = request.max_tokens
    if asked is None:
        return profile.max_tokens_default if most is None else min(profile.max_tokens_default, most)
    if most is not None and asked > most:
        notes.change("max_tokens", f"the model gives at most {most} tokens")
        return most
    if 0 < asked < profile.min_output_tokens:
        notes.change("max_tokens", f"the backend refuses less than {profile.min_output_tokens}")
        return profile.min_output_tokens
    return asked


def _only_system(system: list[dict[str, Any]], notes: Notes) -> list[dict[str, Any]]:
    """A prompt of system messages alone, which OpenAI answers: the last of them is what the user says."""
    if not system:
        notes.refuse("messages", "at least one message must say something.")
    notes.change("messages", "there must be a user's message; the last system message was sent as one")
    return [{"role": "user", "content": [system.pop()]}]


def _sampling(
    body: dict[str, Any], request: Request, profile: Profile, notes: Notes, thinking: dict[str, Any] | None
) -> None:
    """Newer models take only the defaults; thinking ones too (PROTOCOLS.md 0.3, 3.2, 7.2)."""
    thinks = thinking is not None and thinking["type"] in ("enabled", "adaptive")
    default_only = profile.sampling in ("default_only", "none")
    temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
    if temperature is not None:
        if default_only or (thinks and temperature != 1):
            if temperature != 1:
                notes.drop("temperature", "the model takes only its default")
        else:
            if temperature > profile.temperature_max:
                notes.change("temperature", f"the backend takes at most {profile.temperature_max}")
                temperature = profile.temperature_max
            body["temperature"] = temperature
    if top_p is not None:
        if default_only or (thinks and top_p < 0.95):
            if top_p != 1:
                notes.drop("top_p", "the model takes only its default")
        elif profile.sampling == "one_of" and "temperature" in body:
            notes.drop("top_p", "the model takes temperature or top_p, not both")
        else:
            body["top_p"] = top_p
    if top_k is not None:
        if default_only or thinks or not profile.top_k:
            notes.drop("top_k", "the model does not take it")
        else:
            body["top_k"] = top_k


def _stop(body: dict[str, Any], request: Request, profile: Profile, notes: Notes) -> None:
    """More than the target takes are enforced in the gateway, all of them (conversation/adapt.py)."""
    told = [one for one in request.stop if one.strip()]
    if len(told) < len([one for one in request.stop if one]):
        notes.drop("stop", "stop sequences of white space alone are refused by the vendor")
    if told and len(told) <= profile.stop:
        body["stop_sequences"] = told


def _account(body: dict[str, Any], request: Request, notes: Notes) -> None:
    if request.user:
        user = request.user
        if len(user) > _USER_MAX:
            user = hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()
        body["metadata"] = {"user_id": user}
    if request.service_tier is not None:
        tier = _TIERS.get(request.service_tier)
        if tier is not None:
            body["service_tier"] = tier
        else:
            notes.drop("service_tier", "the backend does not know this tier")
