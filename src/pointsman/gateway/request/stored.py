"""An answer that is asked for again by its id: read, deleted, cancelled, its input listed. The request goes to the backend
that made it; one that this gateway translated is answered from its own memory
(docs/protocols/messages.md#responses-by-id).

Not here: the answer of such a backend, which goes the way of any other (targets.py), and what an answer of the memory looks
like (the dialect's ById).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

from ...dialects.recall import Given
from ...errors import PointsmanError
from ...kinds import ErrorKind, key_of_label
from ...routing.table import NO_RULE, Plan, Target
from ...wire.splice import Peek
from ..attempt.answer import client_lines
from ..attempt.passthrough import JSON
from ..client.access import Caller
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..holders import Holder
from .job import ClientRequest, Job, Note
from .recall import inputs_of

_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]

_NOBODYS = "Response with id '{}' not found. {} gave that id to other client keys, too, so that it is nobody's to read."


def noting(plane: DataPlane, request: ClientRequest, target: Target) -> Note | None:
    """Who remembers that this target makes the answer: nobody where it cannot be asked for again."""
    endpoint = request.route.dialect.endpoint
    if endpoint.by_id is None or request.route.path != endpoint.path or not request.route.exact:
        return None
    holder = Holder(target.key, target.model, request.model)
    return partial(_note, plane, str(request.caller.key_id), holder)


def _note(plane: DataPlane, caller: str, holder: Holder, name: str) -> None:
    plane.holders.put(caller, name, holder)


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an answer is to be had. plan: at the backend that made it, None where this gateway did. given: what is
    remembered of it; beside a plan only where that is all of it."""

    plan: Plan | None
    given: Given | None


async def look_up(plane: DataPlane, rules: CompiledRules, job: Job, caller: Caller) -> Stored:
    """Where the answer is; job.request is looked at afterwards. Raises PointsmanError: 404 where nobody knows it, or its
    backend is gone; 503 while that cannot be looked up."""
    where = job.request.route
    stream = dict(parse_qsl(job.request.head.query.decode("latin-1"))).get("stream") == "true"
    job.request = job.request.known(caller, Peek("", stream))
    name = where.answer_id
    holder, given = await _find(plane, job.request, name)
    if holder is None:
        by_id = where.dialect.endpoint.by_id
        assert by_id is not None
        if given is None:
            raise by_id.not_found(name)
        return Stored(None, given)
    job.request = job.request.known(caller, Peek(holder.model, stream))
    job.kept = given is not None and bool(given.shell)
    plan = await _plan(plane, rules, holder, name)
    return Stored(plan, given if job.kept else None)


async def _find(plane: DataPlane, request: ClientRequest, name: str) -> tuple[Holder | None, Given | None]:
    """(who made it, what is remembered of it): here, else in the other processes, else by the usage database. They are asked
    in any case whether somebody else was given that id: where somebody was, only the memory may say it, which holds each
    caller's own, and nothing is deleted, so that this stays known. Raises PointsmanError 404 where it cannot."""
    caller = str(request.caller.key_id)
    holder, given = plane.holders.find(caller, name), plane.responses.find(caller, name)
    of_others = plane.holders.of_others(caller, name)
    if plane.siblings is not None:
        known = await plane.siblings.ask_for(caller, name)
        of_others |= set(known.of_others)
        holder = holder or known.holders.get(name)
        if given is None and known.given:
            given = known.given[0]
            plane.responses.put(caller, given)
    if given is None and plane.shared.on:
        for given in await plane.shared.find(caller, [name]):
            plane.responses.put(caller, given)
    given = given if given is not None and given.id == name else None
    if holder is None and given is None and plane.find_answer is not None:
        told = await plane.find_answer(request.caller.key_id, name)
        if told.target is not None:
            holder = Holder(key_of_label(told.target), told.target.partition(":")[2], told.model)
    if holder is not None:
        if holder.backend in of_others:
            if given is not None and given.shell and request.head.method == b"GET":
                return None, given
            raise PointsmanError(ErrorKind.BAD_REQUEST, _NOBODYS.format(name, holder.backend), status=404)
        plane.holders.put(caller, name, holder)
    return holder, given


async def _plan(plane: DataPlane, rules: CompiledRules, holder: Holder, name: str) -> Plan:
    """Its backend alone, under the rule that the model's name has now: a wall that has been built since stands."""
    backend = rules.backends.get(holder.backend)
    if backend is None:
        raise PointsmanError(
            ErrorKind.BAD_REQUEST,
            f"Response with id '{name}' not found. It was made by {holder.backend}, which cannot be used any more.",
            status=404,
        )
    rule, forwards = NO_RULE, False
    try:
        found = await plane.plan(rules, holder.model)
    except PointsmanError:
        pass  # its rule is gone; the backend is not
    else:
        # under which conditions it was asked is not known any more: a wall counts all the same
        now = next((plan for plan in found.plans if plan.rule.local_only), found.plans[0])
        rule = now.rule
        forwards = any(one.forwards for one in now.targets if one.key == holder.backend)
    target = Target(holder.backend, holder.target_model, backend.spec, forwards=forwards)
    return Plan(holder.model, (target,), rule, "it made that answer")


async def forget_deleted(plane: DataPlane, job: Job) -> None:
    """The request has been served: one that deletes is heard by every process of this gateway."""
    request = job.request
    if request.head.method != b"DELETE":
        return
    caller, name = str(request.caller.key_id), request.route.answer_id
    plane.responses.forget(caller, name)
    plane.holders.forget(caller, name)
    plane.shared.forget(caller, name)
    if plane.siblings is not None:
        await plane.siblings.forget(caller, name)


async def tell_remembered(plane: DataPlane, job: Job, given: Given) -> None:
    """Answer from the memory. Raises PointsmanError for what that cannot do."""
    request = job.request
    by_id = request.route.dialect.endpoint.by_id
    assert by_id is not None
    query = dict(parse_qsl(request.head.query.decode("latin-1")))
    method, verb = request.head.method.decode(), request.route.verb
    inputs = await inputs_of(plane, request, given) if verb else None
    body = by_id.kept(given, verb, method, query, inputs)
    await forget_deleted(plane, job)
    headers = _STREAM if body[:1] != b"{" else JSON
    job.delivery.send(200, b"", client_lines(headers), body)
