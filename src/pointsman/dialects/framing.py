"""How a protocol's stream is framed: its label, and what may stand in it beside its events. Shapes only; what an event is
each dialect's writer knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Framing:
    """label: the content type. remark(text): words of ours that a client skips, one line without a line's end; b"" of
    none."""

    label: bytes
    remark: Callable[[bytes], bytes]


def _comment(text: bytes) -> bytes:
    return b": " + text + b"\n\n"


EVENTS = Framing(b"text/event-stream; charset=utf-8", _comment)
"""Server-sent events: a line that begins with a colon is a comment."""
