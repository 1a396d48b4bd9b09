"""Does a request fit the local model that is to answer it? Asked before anything of it is sent: window, pictures, tools.

What does not fit is told in the words at which clients shorten their conversation, or left to the next target where the
rule says so (docs/protocols/models.md#what-does-not-fit). Not here: what engines say of their models
(upstream/model_facts.py), and what a server itself finds too long (failures.py).
"""

from __future__ import annotations

import sys

from ...conversation.contents import has_images
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackOn, FallbackReason
from ...resilience.walk import Held
from ...translation.crossing import Asked
from ...translation.estimate import estimate_longest, estimate_tokens
from ...upstream.backend import Backend
from ...wire.answer import Answer
from ..data_plane import DataPlane
from ..request.offload import LARGE, offload
from ..request.waiting import meanwhile
from . import count
from .across import read_neutral, size_of
from .making import Attempt

_PICTURES = (b"image",)
"""It stands in every body with a picture, whatever the protocol."""
_TOOLS = (b'"tools"', b'"functions"')
_SMALL = 2048
"""Bytes, and so tokens at most, of a request without pictures and tools that fits everywhere."""
_HALF = 2
"""An estimate is believed while it is at most the half of the window: it is never so far off."""
_SURE = 1.5
"""And where nobody counts, once it is so much more than the window; a server that cuts in silence is believed in nothing."""


async def unfit(one: Attempt, backend: Backend) -> Held[Answer] | None:
    """Why this local model cannot take the request; None where nothing is known against it."""
    job, facts = one.job, one.plane.facts
    where = job.request.route
    if not backend.can_be_asked or where.media is not None or where.path != where.dialect.endpoint.path:
        return None
    body, size = job.request.body, size_of(job)
    pictures, tools = _has(body, _PICTURES), _has(body, _TOOLS)
    if pictures or tools or size > _SMALL:
        await _learn(one, backend, size)
    model = facts.of(backend, one.target.model)
    window = backend.spec.context_window or model.window
    doubted = (pictures and model.images is False) or (tools and model.tools is False)
    if not doubted and (window is None or size <= window):  # a token has a byte at least
        return None
    if where.half is None:
        return None if window is None else _too_long_text(one, backend, window)
    try:
        asked = await read_neutral(one.rules, one.plane, job)
    except PointsmanError:
        return None  # the server's own words for it are better
    if pictures and model.images is False and has_images(asked.request):
        return _unable(one, "see pictures, and this request has one")
    if tools and model.tools is False and asked.request.tools:
        return _unable(one, "call tools, and this request has some")
    return None if window is None else await _too_long(one, backend, asked, window)


async def _learn(one: Attempt, backend: Backend, size: int) -> None:
    """What the server says of the model, where nobody knows yet. One that cuts in silence tells its window only while the
    model is loaded: it is loaded first, as the request would have it."""
    facts, model = one.plane.facts, one.target.model
    await facts.know(backend)
    engine = facts.engine(backend)
    if engine is None or engine.load is None or not engine.cuts_silently or backend.spec.context_window:
        return
    if size > _SMALL and facts.of(backend, model).window is None:
        await meanwhile(
            one.plane, one.job, facts.load(backend, model), one.plane.limits.first_output_local_seconds
        )


def surely_fits(plane: DataPlane, backend: Backend, model: str) -> tuple[int, tuple[bytes, ...]]:
    """(bytes of a body for which unfit() is None, if none of these words stands in it)."""
    if not backend.can_be_asked:
        return sys.maxsize, ()
    if not plane.facts.asked(backend):
        plane.facts.look((backend,))  # and once it has answered this is asked again
        return _SMALL, (*_PICTURES, *_TOOLS)
    known = plane.facts.of(backend, model)
    words = (*(_PICTURES if known.images is False else ()), *(_TOOLS if known.tools is False else ()))
    return backend.spec.context_window or known.window or sys.maxsize, words


def _has(body: bytes, hints: tuple[bytes, ...]) -> bool:
    return any(hint in body for hint in hints)


def _unable(one: Attempt, what: str) -> Held[Answer]:
    text = f"{one.target.label} cannot {what}. Ask a model that can{_or_next(one, FallbackOn.ABILITY)}."
    error = PointsmanError(ErrorKind.BAD_REQUEST, text, param="messages")
    return _held(one, error, FallbackOn.ABILITY)


async def _too_long(one: Attempt, backend: Backend, asked: Asked, window: int) -> Held[Answer] | None:
    engine = one.plane.facts.engine(backend)
    cuts = engine is not None and engine.cuts_silently
    request = count.as_sent(asked.request, one.plan)
    large = size_of(one.job) >= LARGE
    estimate = await offload(estimate_tokens, request) if large else estimate_tokens(request)
    if cuts:
        one.tried.window = window
    if estimate * _HALF <= window:
        return None
    tokens = await count.by_tokenizer(one.plane, one.plan, one.tried, backend, request)
    how = "counted by its own tokenizer"
    if tokens is None:
        tokens, how = estimate, "estimated"
        if tokens <= window * (1.0 if cuts else _SURE):
            return None
    elif tokens < window:
        return None
    return _over(one, window, tokens, how)


def _too_long_text(one: Attempt, backend: Backend, window: int) -> Held[Answer] | None:
    """Of what is no conversation. Other servers than those that cut in silence say so themselves."""
    engine = one.plane.facts.engine(backend)
    if engine is None or not engine.cuts_silently:
        return None
    one.tried.window = window
    tokens = estimate_longest(one.job.request.body)
    return None if tokens <= window else _over(one, window, tokens, "estimated")


def _over(one: Attempt, window: int, tokens: int, how: str) -> Held[Answer]:
    text = (
        f"This model's maximum context length is {window} tokens. However, your messages resulted in {tokens} tokens"
        f" ({how}; {one.target.label}). Shorten the conversation{_or_next(one, FallbackOn.CONTEXT)}."
    )
    error = PointsmanError(ErrorKind.CONTEXT_LENGTH, text, param="messages", tokens=(tokens, window))
    return _held(one, error, FallbackOn.CONTEXT)


def _or_next(one: Attempt, reason: FallbackOn) -> str:
    """What the rule's owner can do, where a rule decided."""
    number = one.plan.mapping_id
    if number is None or reason in one.onward:
        return ""
    return f", or let another target take it: pointsman mapping update {number} --fallback-on {reason.value}"


def _held(one: Attempt, error: PointsmanError, reason: FallbackOn) -> Held[Answer]:
    final = reason not in one.onward
    return Held(FallbackReason(reason.value), error, clients=True, certain=True, final=final)
