"""What goes to a backend that is not local is looked through for credentials, where a rule, a client key or the setting for
all says so; only such requests come here (docs/customs.md).

The body that this very target would get is looked through, so that one which a local server failed at is, too. Not here:
what a credential looks like (pointsman.customs), and how an answer gets it back (returning.py).
"""

from __future__ import annotations

import logging
from collections import Counter

from ...customs.finding import Carrier
from ...customs.inspection import Inspection
from ...customs.placeholders import Placeholders
from ...errors import PointsmanError
from ...kinds import Customs, ErrorKind
from ...ledger.metrics import CUSTOMS
from ...upstream.backend import Backend
from ...wire.changed import place_of
from ..request.job import Job, header_text
from ..request.offload import offload
from .making import Attempt

log = logging.getLogger("pointsman.gateway")

_MOST_TOLD = 8
_LONG = 32 * 1024
"""Bytes from which a body is looked through in a thread: one that is full of what keys begin with takes its time."""
_STEPS = 12
_REFERS = (b'"previous_response_id"', b'"conversation"')
"""A body with one of these goes on with what a backend may keep."""
_DONE = {Customs.WARN: "found", Customs.MASK: "masked", Customs.REFUSE: "refused"}


def mode_of(one: Attempt, backend: Backend) -> Customs | None:
    """What is done about credentials in this request, there."""
    customs = one.rules.customs
    if customs is None or backend.stays:
        return None
    bounds = one.job.request.caller.bounds
    return customs.mode(one.plan.rule.customs, None if bounds is None else bounds.key.customs)


async def through_customs(one: Attempt, backend: Backend, body: bytes) -> bytes:
    """The body as it may go there. Raises PointsmanError 400 where it may not, with the place."""
    mode, customs = mode_of(one, backend), one.rules.customs
    if mode is None or customs is None or not body:
        return body
    carriers = await _look(customs, body, one.job)
    whose = str(one.job.request.caller.key_id)
    if mode is Customs.MASK and any([word in body for word in _REFERS]):
        one.back = _kept_of(one, customs, whose)
    if not carriers:
        return body
    places = await _places(customs, one.job, body, carriers)
    _tell(one, mode, places)
    if mode is Customs.REFUSE:
        raise _refused(places, backend)
    if mode is Customs.WARN:
        return body
    one.back = back = one.back or Placeholders(customs.key, whose)
    if one.job.request.form is not None:
        return back.masked_text(body, carriers[0])
    masked = back.masked(body, carriers)
    one.plane.placeholders.keep(whose, back.known)
    return masked


def _kept_of(one: Attempt, customs: Inspection, whose: str) -> Placeholders | None:
    """What earlier requests of a conversation that the backend keeps went with; None for nothing."""
    known = one.plane.placeholders.of(whose)
    if not known:
        return None
    back = Placeholders(customs.key, whose)
    back.known.update(known)
    return back


async def holds_any(one: Attempt, backend: Backend) -> bool:
    """Would customs keep anything of this request back?"""
    mode, customs = mode_of(one, backend), one.rules.customs
    if mode in (None, Customs.WARN) or customs is None:
        return False
    return bool(await _look(customs, one.job.request.body, one.job))


async def _look(customs: Inspection, body: bytes, job: Job) -> list[Carrier]:
    form = job.request.form is not None
    if len(body) >= _LONG:
        return await offload(_look_now, customs, body, form)
    return customs.look(body, form=form)


def _look_now(customs: Inspection, body: bytes, form: bool) -> list[Carrier]:
    return customs.look(body, form=form)


Places = list[tuple[str, str]]
"""(kind, path) of each that was found, in order. No path where it stands in what the request only refers to."""


async def _places(customs: Inspection, job: Job, body: bytes, carriers: list[Carrier]) -> Places:
    """By the client's own path, though what goes to a backend of another protocol has others."""
    if job.request.form is not None:
        return [(kind, "") for kind in carriers[0].kinds()]
    own = job.request.body
    if own is not body:
        found = await _look(customs, own, job)
        known = sum(len(one.kinds()) for one in found)
        rest = [kind for one in carriers for kind in one.kinds()][known:]
        return [*_paths(own, found), *((kind, "") for kind in rest)]
    return _paths(body, carriers)


def _paths(body: bytes, carriers: list[Carrier]) -> Places:
    return [(kind, place_of(body, one.start, _STEPS)) for one in carriers for kind in one.kinds()]


def _tell(one: Attempt, mode: Customs, places: Places) -> None:
    """In a header, the log, the usage log and the metrics: kinds and places, never what was found."""
    done = _DONE[mode]
    kinds = Counter(kind for kind, _ in places)
    each = list(dict.fromkeys(places))
    told = [f"{kind} {path}".rstrip() for kind, path in each[:_MOST_TOLD]]
    if len(each) > _MOST_TOLD:
        told.append(f"{len(each) - _MOST_TOLD} more")
    one.tried.customs = header_text(f"{done}; {'; '.join(told)}")
    warned = [f"{done}:{kind} at {path}" if path else f"{done}:{kind}" for kind, path in each[:_MOST_TOLD]]
    one.tried.passed = header_text(",".join(warned))
    log.warning("request %s to %s: %s: %s", one.job.request.id, one.target.label, done, "; ".join(told))
    for kind, times in kinds.items():
        for _ in range(times):
            one.plane.counters.count((CUSTOMS, kind, mode.value))


def _refused(places: Places, backend: Backend) -> PointsmanError:
    kind, path = places[0]
    more = f", and {len(places) - 1} more" if len(places) > 1 else ""
    where = path or "What it refers to"
    return PointsmanError(
        ErrorKind.BAD_REQUEST,
        f"{where} holds what looks like a credential ({kind}{more}), and customs let none go to {backend.spec.key}. Take it "
        "out, or ask a model on this computer.",
        param=path or None,
        code="customs_refused",
    )
