"""Which target of its plan a conversation gets: the one that it began with, where its rule says so (`stick`), and the next
one for some turns, where it does not get on (`fallback_on` stuck). Chosen once a request, when its walk begins.

Loaded by the first request that needs it. Not here: the signs (translation/stuck.py), the memory (gateway/conversations.py),
and what comes after the first target has failed (targets.py).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from functools import partial

import msgspec

from ...conversation.request import Request, Role
from ...errors import PointsmanError
from ...kinds import FallbackOn, FallbackReason
from ...routing.table import Plan
from ...translation.stuck import handed_over, next_first, patience_of, turns_of
from ..attempt.across import read_neutral
from ..client.sessions import session_of
from ..compiled import CompiledRules
from ..conversations import Whereabouts
from ..data_plane import DataPlane
from .job import Job
from .offload import LARGE, offload
from .spreading import in_turn


async def arranged(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan) -> Plan:
    """The same plan with its targets in the order in which this request asks them."""
    rule = plan.rule
    onward = FallbackOn.STUCK in rule.fallback_on
    if onward and rule.stop_loops:
        job.on_loop = partial(looped, plane, job)
    session = session_of(job.request.head)
    request = await _read(plane, rules, job) if onward or session is None else None
    job.conversation = _key(job, session, request)
    known = await _known(plane, job.conversation)
    if onward and request is not None:
        large = len(job.request.body) >= LARGE
        asked = (request, patience_of(rule), known.looped)
        job.handed = await offload(handed_over, *asked) if large else handed_over(*asked)
    if job.handed is not None:
        job.failed_reason = FallbackReason.STUCK.value
        by_label = {target.label: target for target in plan.targets}
        return replace(plan, targets=tuple(by_label[label] for label in next_first(rule, list(by_label))))
    if rule.spread:
        plan = in_turn(plane, rules, job, plan)
    return _at_home(plan, known.target) if rule.stick else plan


def answered(plane: DataPlane, job: Job, plan: Plan) -> None:
    """Its client has an answer: the conversation stands where that came from."""
    if plan.rule.stick and job.handed is None and job.won is not None and job.conversation is not None:
        plane.conversations.answered(job.conversation, job.won.target.label, time.time())


def looped(plane: DataPlane, job: Job) -> None:
    """Its answer was ended because it went round in circles: its next turn counts that as a sign."""
    if job.conversation is not None and job.asked is not None:
        plane.conversations.looped(job.conversation, turns_of(job.asked.request), time.time())


def _at_home(plan: Plan, label: str) -> Plan:
    home = [target for target in plan.targets if target.label == label]
    return (
        replace(plan, targets=(*home, *(one for one in plan.targets if one.label != label))) if home else plan
    )


async def _read(plane: DataPlane, rules: CompiledRules, job: Job) -> Request | None:
    """None where there is no conversation in it."""
    if job.request.route.half is None:
        return None
    try:
        asked = await read_neutral(rules, plane, job)
    except PointsmanError:
        return None
    return asked.request


def _key(job: Job, session: str | None, request: Request | None) -> bytes | None:
    """Of the conversation: its agent's session, else its first turn; of one client key and one name of a model. Agents ask
    several models in one session, for different things."""
    if session is not None:
        word = session.encode()
    elif request is not None:
        first = next((one for one in request.messages if one.role is Role.USER), None)
        if first is None:
            return None
        word = b"\0" + msgspec.json.encode([(type(part).__name__, part) for part in first.parts])
    else:
        return None
    who = f"{job.request.caller.key_id}\0{job.request.model}\0".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(who + word, digest_size=16).digest()


async def _known(plane: DataPlane, key: bytes | None) -> Whereabouts:
    if key is None:
        return Whereabouts()
    known = plane.conversations.find(key)
    if known is None and plane.siblings is not None:
        known = await plane.siblings.standing(key)
        if known is not None:
            plane.conversations.keep(key, known)
    return known or Whereabouts()
