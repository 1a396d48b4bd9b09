"""What kinds of things stand in a request, whoever asked and in whichever protocol: pictures, tools, a wish to think. Pure.

Not here: what a rule makes of it (routing/conditions.py), and what a target can take (profile.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .parts import Audio, Document, Image, Part, ToolResult
from .request import SEARCH, Request


def parts_of(request: Request) -> Iterator[Part]:
    """All of its messages' parts, those in results of tools and in documents too."""
    for message in request.messages:
        yield from _within(message.parts)


def _within(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part, ToolResult):
            yield from _within(part.parts)
        elif isinstance(part, Document) and part.parts:
            yield from part.parts


def has_images(request: Request) -> bool:
    """A picture anywhere?"""
    return any(isinstance(part, Image) for part in parts_of(request))


def thinks(request: Request) -> bool:
    """Does its client ask the model to think?"""
    if request.thinking is not None:
        return request.thinking.type != "disabled"
    return request.effort not in (None, "none")


def kinds_in(request: Request) -> frozenset[str]:
    """Of `images`, `documents`, `audio`, `tools`, `web-search`, `thinking` and `structured`, those that it has."""
    parts = list(parts_of(request))
    found = {
        "images": any(isinstance(part, Image) for part in parts),
        "documents": any(isinstance(part, Document) for part in parts),
        "audio": any(isinstance(part, Audio) for part in parts),
        "tools": bool(request.tools or request.server_tools),
        "web-search": SEARCH in request.hosted,
        "thinking": thinks(request),
        "structured": request.format is not None,
    }
    return frozenset(name for name, there in found.items() if there)
