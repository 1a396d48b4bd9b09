"""What the rule of an attempt sets in its request (docs/protocols/presets.md). Only rules that set something come here.

Not here: how it gets into a body (translation/preset_body.py).
"""

from __future__ import annotations

from ...conversation.presets import bare
from ...conversation.profile import Profile
from ...conversation.request import Request
from ...kinds import Protocol
from ...providers.profiles import abilities_for
from ...translation.crossing import Crossing
from ...translation.preset_body import preset_body, with_system
from ...upstream.backend import Backend
from .making import Attempt


async def look_first(one: Attempt, backend: Backend) -> None:
    """What must be known of the target, and is asked of it where nobody knows: how much its model takes."""
    if backend.local and any(bare(name) == "num_ctx" for name in one.plan.rule.presets):
        await one.plane.facts.refresh((backend,))


def preset_straight(one: Attempt, backend: Backend, body: bytes) -> bytes:
    """The body for a target of the client's own protocol, with what the rule sets; told in `one.tried`."""
    where, presets = one.job.request.route, one.plan.rule.presets
    dialect = where.dialect
    if not body or where.answer_id or where.media is not None or not where.exact:
        return body
    profile = abilities_for(backend.spec, where.protocol, one.target.model)
    half = dialect.translation
    if half is not None and where.path == half.count_path:
        body, told = with_system(presets, body, dialect, profile)
    elif where.path == dialect.endpoint.path:
        body, told = preset_body(presets, body, dialect, profile, window=_window(one, backend, profile))
    else:
        return body
    one.tried.warnings = ",".join(told).encode()
    return body


def preset_across(one: Attempt, backend: Backend, codec: Crossing, asked: Request, spoken: Protocol) -> None:
    """The same of one that was translated. asked: as its client did."""
    dialect = one.plane.dialects[spoken]
    profile = abilities_for(backend.spec, spoken, one.target.model)
    window = _window(one, backend, profile)
    codec.preset(*preset_body(one.plan.rule.presets, codec.body, dialect, profile, said=asked, window=window))


def _window(one: Attempt, backend: Backend, profile: Profile) -> int | None:
    return profile.context_window or one.plane.facts.of(backend, one.target.model).window
