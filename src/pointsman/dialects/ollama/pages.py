"""What Ollama's clients ask of a server beside answers: its models, one model, its version, what is loaded
(docs/protocols/ollama.md#pages). What nobody has told is empty, 0 or left out. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ... import __version__
from ..endpoint import FixedPage, Listed, ListPage, ModelPage, Page
from ..fields import Fields, load
from .lines import encode, told_time

API_VERSION = "0.14.2"
"""Of Ollama's API, which is what clients compare (`/api/version`): the release whose paths for clients these are, OpenAI's
Responses and Anthropic's Messages among them (docs/protocols/ollama.md#version)."""
_NO_DETAILS = {
    "parent_model": "", "format": "", "family": "", "families": [], "parameter_size": "", "quantization_level": "",
}  # fmt: skip
_UNKNOWN = "unknown"
"""`general.architecture`: clients look up `ARCHITECTURE.context_length` by it."""


def _digest(model: Listed) -> str:
    """Tells whether an entry is still the same: clients cut it to twelve characters, and take it for nothing else. It is of
    the name and its backend; no file is behind it."""
    return hashlib.sha256(f"{model.name}\0{model.owner}".encode()).hexdigest()


def _tag(model: Listed) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": told_time(model.created),
        "size": 0,
        "digest": _digest(model),
        "details": _NO_DETAILS,
        **_remote(model),
    }


def _remote(model: Listed) -> dict[str, str]:
    """Where its requests go on to from here, in the members by which Ollama tells it of its cloud's models: a gateway in
    front of this one keeps its walls by them (upstream/elsewhere.py)."""
    return {"remote_model": model.name, "remote_host": model.remote} if model.remote else {}


def _tags(models: Sequence[Listed]) -> bytes:
    return encode({"models": [_tag(model) for model in models]})


def _capabilities(model: Listed) -> list[str]:
    """What its server says it can. Where nobody says, it is taken to complete and to call tools, as on every other path;
    to see pictures, too, unless it is a local server's: there they get lost in silence, and a provider refuses them."""
    if not model.generates:
        return ["embedding"]
    found = set(model.abilities or ("completion", *(() if model.tools is False else ("tools",))))
    if model.images or (model.images is None and model.abilities is None):
        found.add("vision")
    return sorted(found)


def _show(model: Listed) -> bytes:
    info: dict[str, Any] = {"general.architecture": _UNKNOWN}
    if model.context_window is not None:
        info[f"{_UNKNOWN}.context_length"] = model.context_window
    return encode(
        {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "details": _NO_DETAILS,
            "model_info": info,
            "capabilities": _capabilities(model),
            "modified_at": told_time(model.created),
            **_remote(model),
        }
    )


def _named(body: bytes) -> str:
    """`name` is the older word. Raises PointsmanError 400."""
    fields = Fields(load(body))
    return fields.text("name") or fields.need_text("model")


PAGES: dict[str, Page] = {
    "/api/tags": ListPage(_tags),
    "/api/show": ModelPage(_named, _show),
    "/api/version": FixedPage(encode({"version": API_VERSION, "pointsman": __version__})),
    "/api/ps": FixedPage(encode({"models": []})),
}
"""`/api/ps` tells what a server holds in memory: this one holds nothing."""
