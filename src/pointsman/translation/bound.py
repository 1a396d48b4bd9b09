"""Reasoning that led to a call of a tool that the backend runs, and that call: each comes back with
the other, or not at all (docs/protocols/reasoning.md#with-a-servers-tool).

Clients keep the one and lose the other: what only its vendor knows has no place in their protocols.
Not here: whose reasoning may come back at all (fit_history.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..conversation.parts import Foreign, Part, Thinking
from ..conversation.profile import Profile

_NEED_REASON = ("web_search_call", "code_interpreter_call")
"""Calls that come back by the mark on them, whatever became of their reasoning."""

_MAY_BE = frozenset((Foreign, Thinking))


def together(parts: Sequence[Part], profile: Profile) -> Sequence[Part]:
    """The parts of one turn; the same where nothing is bound. Reasoning that lost its call keeps its
    words only, a call that lost its reasoning is told in words."""
    if _MAY_BE.isdisjoint(map(type, parts)):
        return parts
    if not any(isinstance(part, Foreign) or _led_to(part) for part in parts):
        return parts
    kept: list[Part] = []
    held = False  # what comes next may stand as its vendor's own
    for at, part in enumerate(parts):
        after = parts[at + 1] if at + 1 < len(parts) else None
        if isinstance(part, Thinking) and part.opaque is not None:
            wanted = _led_to(part)
            held = part.opaque.backend in ("", profile.backend) and not (
                wanted and not (isinstance(after, Foreign) and after.id == wanted)
            )
            kept.append(part if held else msgspec.structs.replace(part, opaque=None))
            held = held and bool(wanted)
        elif isinstance(part, Foreign) and part.protocol == profile.protocol:
            held = held or part.type not in _NEED_REASON or profile.reasoning == "none"
            kept.append(part if held else msgspec.structs.replace(part, protocol=""))
        else:
            held = False
            kept.append(part)
    return kept


def _led_to(part: Part) -> str:
    return part.opaque.before if isinstance(part, Thinking) and part.opaque is not None else ""
