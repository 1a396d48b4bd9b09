"""Answers in which calls are looked for that came as text: those of local servers to requests with tools, where the rule
says `recover_calls`. They are read in neutral form, also where the server speaks the client's protocol. Only such rules
come here.

Not here: what such a call is (dialects/text_calls.py), and what becomes of it (translation/recovered.py).
"""

from __future__ import annotations

from functools import partial

from ...errors import PointsmanError
from ...kinds import Protocol
from ...ledger.metrics import RECOVERED
from ...translation.crossing import Crossing
from ...upstream.backend import Backend
from ...upstream.candidates import answers_looked_through
from .across import read_neutral
from .making import Attempt


async def through_neutral(one: Attempt, backend: Backend) -> Protocol | None:
    """The client's protocol, where the backend speaks it and its answer must be looked through. None where the request
    goes as it is: it has no tools, or cannot be read, or its client's own login goes with it."""
    job = one.job
    route, body = job.request.route, job.request.body
    login = bool(one.target.forwards and job.request.caller.login)
    if not answers_looked_through(backend, route, login=login):
        return None
    if b'"tools"' not in body and b'"functions"' not in body:
        return None
    try:
        asked = await read_neutral(one.rules, one.plane, job)
    except PointsmanError:
        return None  # the server's own error is the better answer
    return route.protocol if asked.request.tools else None


def watch_calls(one: Attempt, backend: Backend, codec: Crossing) -> None:
    """Where its rule says so."""
    if backend.local and one.job.asked is not None and one.job.asked.request.tools:
        label = one.plane.labels.target(f"{backend.spec.key}:{one.target.model}")
        codec.found_call = partial(one.plane.counters.count, (RECOVERED, label))
