"""What the playground asks: a few fields made a request in any of the protocols, by the dialects' own renderers. Pure.

Not here: sending it (play_run.py) and the page (web/pages/playground.py).
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...conversation.notes import Notes
from ...conversation.parts import Image, Text
from ...conversation.profile import Profile
from ...conversation.request import EFFORTS, Message, Request, Role, Tool
from ...dialects.registry import DIALECTS, protocol_named
from ...errors import PointsmanError
from ...kinds import ErrorKind, Protocol
from ...providers.catalog import CATALOG
from ...providers.profiles import profile_for
from ...routing.specs import BackendSpec
from ...translation.adapt import adapt

MOST_IMAGES = 4
MOST_IMAGE = 240_000
"""Characters of a picture's address: four fit into a form. The page makes larger ones smaller (static/playground.js)."""
_PICTURE = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/]+={0,2})")


def _spoken(name: str) -> str:
    if DIALECTS[protocol_named(name)].translation is None:
        raise ValueError("this protocol has no questions")
    return name


class PlayAsked(BaseModel):
    """One question. tools: a JSON list, each in the form of any of the protocols. images: `data:` addresses. effort: one of
    EFFORTS, "": as the model likes."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=512)]
    protocol: Annotated[str, AfterValidator(_spoken)]
    system: Annotated[str, Field(max_length=200_000)] = ""
    prompt: Annotated[str, Field(min_length=1, max_length=500_000)]
    tools: Annotated[str, Field(max_length=200_000)] = ""
    images: Annotated[list[str], Field(max_length=MOST_IMAGES)] = []
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    max_tokens: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    effort: Annotated[str, Field(pattern=f"^(?:{'|'.join(EFFORTS)})?$")] = ""


class Composed(msgspec.Struct, frozen=True):
    """A request as it will be sent. losses: what its protocol has no place for, or only in other words:
    `dropped:temperature`."""

    protocol: Protocol
    path: str
    body: bytes
    losses: tuple[str, ...] = ()


def composed(asked: PlayAsked) -> Composed:
    """The request, streamed. Raises PointsmanError INVALID naming the field."""
    protocol = protocol_named(asked.protocol)
    dialect = DIALECTS[protocol]
    assert dialect.translation is not None
    profile, notes = _profile(protocol, asked.model), Notes()
    try:
        request, _ = adapt(_request(asked), profile, notes)
        body = dialect.translation.render_request(request, profile)
    except PointsmanError as error:
        raise PointsmanError(ErrorKind.INVALID, error.public, param=error.param) from None
    return Composed(protocol, dialect.endpoint.path, body, tuple(notes.warnings))


def _profile(protocol: Protocol, model: str) -> Profile:
    """What the protocol has a place for, as its vendor has it; not what one of the vendor's models refuses, since who
    answers is the gateway's affair."""
    kind = next(kind for kind, provider in CATALOG.items() if protocol in (provider.dialects or ()))
    spec = BackendSpec(kind.value, kind.value, "", CATALOG[kind].base_url or "")
    return msgspec.structs.replace(
        profile_for(spec, protocol, ""),
        model=model,
        sampling="any",
        thinking_off=True,
        efforts=EFFORTS,
        auto_cache=False,
        stream_usage=True,
        max_tokens_default=4096,
    )


def _request(asked: PlayAsked) -> Request:
    text = Text(asked.prompt)
    parts: list[Any] = [text, *map(_image, asked.images)]
    return Request(
        model=asked.model,
        system=[Text(asked.system)] if asked.system.strip() else [],
        messages=[Message(Role.USER, parts)],
        tools=[_tool(one, number) for number, one in enumerate(_listed(asked.tools), 1)],
        temperature=asked.temperature,
        max_tokens=asked.max_tokens,
        effort=asked.effort or None,
        summary="auto" if asked.effort not in ("", "none") else None,
        stream=True,
        include_usage=True,
    )


def _image(address: str) -> Image:
    found = _PICTURE.fullmatch(address) if len(address) <= MOST_IMAGE else None
    if found is None:
        raise _wrong("images", "A picture is a PNG, JPEG, GIF or WebP of 170 KB at most.")
    return Image(media_type=found[1], data=found[2])


def _listed(text: str) -> list[Any]:
    if not text.strip():
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong("tools", f"tools is not JSON: {error}.") from None
    return value if isinstance(value, list) else [value]


def _tool(value: Any, number: int) -> Tool:
    """Of Chat (`function`), Responses (flat) or Messages (`input_schema`)."""
    inner = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise _wrong("tools", f"Tool {number} is no object with a name.")
    schema, description = inner.get("parameters", inner.get("input_schema")), inner.get("description")
    if not isinstance(schema, dict | None) or not isinstance(description, str | None):
        raise _wrong("tools", f"Tool {number}: parameters is a JSON Schema, and description a text.")
    return Tool(inner["name"], description, schema)


def _wrong(param: str, text: str) -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, text, param=param)
