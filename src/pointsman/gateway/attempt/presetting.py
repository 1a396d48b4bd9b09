"""What the rule of an attempt sets in its request (docs/protocols/presets.md). Only rules that set something come here.

Not here: how it gets into a body (translation/preset_body.py).
"""

from __future__ import annotations

from ...conversation.profile import Profile
from ...conversation.request import Request
from ...kinds import Protocol
from ...translation.crossing import Crossing
from ...translation.preset_body import preset_body, with_system
from ...upstream.backend import Backend
from ...upstream.candidates import preset_profile
from .making import Attempt


def preset_straight(one: Attempt, backend: Backend, body: bytes) -> bytes:
    """The body for a target of the client's own protocol, with what the rule sets; told in `one.tried`."""
    where, presets = one.job.request.route, one.plan.rule.presets
    dialect = where.dialect
    if not body or where.answer_id or where.media is not None or not where.exact:
        return body
    profile = _profile(one, backend, where.protocol)
    half = dialect.translation
    if half is not None and where.path == half.count_path:
        body, told = with_system(presets, body, dialect, profile)
    elif where.path == dialect.endpoint.path:
        body, told = preset_body(presets, body, dialect, profile)
    else:
        return body
    one.tried.warnings = ",".join(told).encode()
    return body


def preset_across(one: Attempt, backend: Backend, codec: Crossing, asked: Request, spoken: Protocol) -> None:
    """The same of one that was translated. asked: as its client did."""
    dialect = one.plane.dialects[spoken]
    profile = _profile(one, backend, spoken)
    codec.preset(*preset_body(one.plan.rule.presets, codec.body, dialect, profile, said=asked))


def _profile(one: Attempt, backend: Backend, spoken: Protocol) -> Profile:
    facts, model = one.plane.facts, one.target.model
    return preset_profile(backend, spoken, model, facts.engine(backend), facts.of(backend, model))
