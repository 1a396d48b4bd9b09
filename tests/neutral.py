"""Neutral requests made by hand, for tests: with the paths that a client's messages would have given them."""

from __future__ import annotations

import msgspec

from pointsman.conversation.request import Request


def placed(request: Request) -> Request:
    """The same request; what has no path yet stands where its position says. Nothing of the given one is changed."""
    messages = []
    for index, message in enumerate(request.messages):
        path = message.path or f"messages[{index}]"
        parts = [
            part if part.path else msgspec.structs.replace(part, path=f"{path}.content[{at}]")
            for at, part in enumerate(message.parts)
        ]
        messages.append(msgspec.structs.replace(message, parts=parts, path=path))
    return msgspec.structs.replace(request, messages=messages)
