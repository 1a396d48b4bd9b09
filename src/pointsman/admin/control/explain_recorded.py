"""Whether a recording answers a request that is explained, as the data plane asks it (gateway/attempt/replayed.py)."""

from __future__ import annotations

from collections.abc import Callable

from ...conversation.request import Request
from ...dialects.paths import Route, route
from ...kinds import FallbackOn
from ...link.kept_messages import ReplayFound, ReplayQuestion
from ...routing.table import Plan, Target
from ...translation.same_meaning import meant
from ...translation.same_request import Unlike, recorded_as
from .request_explained import TargetAsked

FindRecorded = Callable[[ReplayQuestion], ReplayFound]


def nothing_recorded(question: ReplayQuestion) -> ReplayFound:
    """Where nobody can look."""
    return ReplayFound(question.number, missing="nobody can look into it")


def pass_recording(
    one: TargetAsked,
    find: FindRecorded,
    plan: Plan,
    target: Target,
    recording: str,
    where: Route,
    body: bytes,
    request: Request | None,
    *,
    stream: bool,
) -> None:
    """Tell it of the target. request: in neutral form, None where it has none."""
    neutral, most = (b"", None) if request is None else (meant(request), request.max_tokens)
    try:
        asked = recorded_as(where, body, target.model, stream=stream)
        found = find(ReplayQuestion(0, recording, where.path, asked, neutral, most))
    except Unlike as why:
        found = ReplayFound(0, missing=str(why))
    if found.answer is None:
        one.refusal = f"it has no answer to this request: {found.missing}"
        one.goes_on = FallbackOn.MISS in plan.rule.fallback_on
        return
    one.protocol = route(found.path).protocol.value
    one.as_it_is = found.path == where.path and found.answer.whole is not stream
